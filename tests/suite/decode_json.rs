//! The JSON reader against what Spark 4.3 gave for the same lines.

use crate::tables::{Table, rows_of};
use eddyline::types::{DataType, Field};

fn decimal(p: u8, s: u8) -> DataType {
    DataType::Decimal(p, s)
}

fn json(columns: &[(&str, DataType)], options: &[(&str, &str)], text: &str) -> Vec<String> {
    rows_of(&Table { format: "json", columns, options }, text.as_bytes()).unwrap()
}

/// A line each, with the row that Spark makes of it: cells separated by `|`, `~` for NULL.
fn check(columns: &[(&str, DataType)], options: &[(&str, &str)], cases: &[(&str, &str)]) {
    let text: String = cases.iter().map(|(line, _)| format!("{line}\n")).collect();
    let rows = json(columns, options, &text);
    assert_eq!(rows.len(), cases.len(), "{rows:#?}");
    for ((line, want), row) in cases.iter().zip(rows) {
        let want = want.strip_suffix("|$").map_or(want.to_string(), |head| format!("{head}|{line}"));
        assert_eq!(row, want, "{line}");
    }
}

const CORRUPT: (&str, DataType) = ("_corrupt_record", DataType::String);

#[test]
fn bad_syntax_is_a_row_of_nulls() {
    check(
        &[("a", DataType::Int), ("b", DataType::Int), CORRUPT],
        &[],
        &[
            (r#"{"a":1,"b":2}"#, "1|2|~"),
            (r#"{"a":tru,"b":1}"#, "~|~|$"),
            (r#"{"a":1,"b":2"#, "~|~|$"),
            (r#"{"a":1 "b":2}"#, "~|~|$"),
            (r#"{"a":1,"b":2} trailing"#, "1|2|~"),
            (r#"{"a":1,"b":2}{"a":3}"#, "1|2|~"),
            (r#"{"a":1,,"b":2}"#, "~|~|$"),
            (r#"{"a":1,"b":2,}"#, "~|~|$"),
            (r#"{"a":01,"b":2}"#, "~|~|$"),
            (r#"{"a":+1,"b":2}"#, "~|~|$"),
            (r#"{"a":.5,"b":2}"#, "~|~|$"),
            (r#"{"a":1.,"b":2}"#, "~|~|$"),
            (r#"{"a":"x\qy","b":2}"#, "~|~|$"),
            (r#"{"a":NaN,"b":2}"#, "~|2|$"),
            (r#"{a:1,"b":2}"#, "~|~|$"),
            (r#""str""#, "~|~|$"),
            ("12", "~|~|$"),
            ("null", "~|~|$"),
            ("[null]", "~|~|$"),
            (r#"[[{"a":1}]]"#, "~|~|$"),
            (r#"[{"a":1},5]"#, "~|~|$"),
            (r#"{"a":1,"b":2}]"#, "1|2|~"),
            (r#"[{"a":1,"b":2}"#, "~|~|$"),
            (r#"  {"a":1}  "#, "1|~|~"),
            ("{}", "~|~|~"),
            (r#"{"a":1,"b":{"c":1}}"#, "1|~|$"),
            (r#"{"a":[1],"b":2}"#, "~|2|$"),
            (r#"{"A":1,"b":3}"#, "~|3|~"),
            (r#"{"a":1,"a":2}"#, "2|~|~"),
            (r#"{"a":1,"a":null}"#, "~|~|~"),
            (r#"{"a":1,"a":"x","b":2}"#, "1|2|$"),
            (r#"{"a":"x","a":1,"b":2}"#, "1|2|$"),
            (r#"{"a":"","b":2}"#, "~|2|$"),
            (r#"{"a":1e2,"b":2}"#, "~|2|$"),
            (r#"{"a":1.0,"b":2}"#, "~|2|$"),
            (r#"{"a":99999999999,"b":2}"#, "~|2|$"),
            (r#"{"a":999999999999999999999999,"b":2}"#, "~|2|$"),
            (r#"{"a":-0,"b":2}"#, "0|2|~"),
            (r#"{"a":nul,"b":3}"#, "~|~|$"),
            (r#"{"a":1b,"b":3}"#, "~|~|$"),
            (r#"{"a":'1',"b":3}"#, "~|3|$"),
            (r#"{"a" : 1 , "b" : 2 }"#, "1|2|~"),
            ("\t{\"a\":1}", "1|~|~"),
            (r#"{"x":{"y":[1,{"z":2}]},"a":1}"#, "1|~|~"),
            (r#"{"x":tru,"a":1}"#, "~|~|$"),
            ("{\"x\":\"a\tb\",\"a\":1}", "~|~|$"),
            (r#"{"x":1}#"#, "~|~|~"),
            (r#"{"\u0061":5}"#, "5|~|~"),
            (r#"{"x":[1,2,"a":1}"#, "~|~|$"),
            (r#"{"a"}"#, "~|~|$"),
        ],
    );
}

#[test]
fn top_level_arrays_are_a_row_per_object() {
    let columns = [("a", DataType::Int), ("b", DataType::Int), CORRUPT];
    let bad = r#"[{"a":1},{"a":"x"}]"#;
    assert_eq!(json(&columns, &[], "[]\n[{\"a\":1},{\"b\":2}]\n"), ["1|~|~", "~|2|~"]);
    assert_eq!(json(&columns, &[], bad), [format!("1|~|{bad}"), format!("~|~|{bad}")]);
}

#[test]
fn strings_keep_raw_text() {
    check(
        &[("s", DataType::String), ("z", DataType::Int), CORRUPT],
        &[],
        &[
            (r#"{"s":1.50}"#, "1.50|~|~"),
            (r#"{"s":1E+2}"#, "1E+2|~|~"),
            (r#"{"s":true}"#, "true|~|~"),
            (r#"{"s":null}"#, "~|~|~"),
            (r#"{"s":{"b" : 1, "a":[ 1 , 2 ] }}"#, r#"{"b" : 1, "a":[ 1 , 2 ] }|~|~"#),
            (r#"{"s":[1, "x" ,null]}"#, r#"[1, "x" ,null]|~|~"#),
            (r#"{"s":"\u00e9\"\/\\x"}"#, r#"é"/\x|~|~"#),
            (r#"{"s":"\ud83d\ude00"}"#, "😀|~|~"),
            (r#"{"s":"\ud83d"}"#, "?|~|~"),
            (r#"{"s":"\ud83dx\ude00"}"#, "?x?|~|~"),
            (r#"{"s":'it"s'}"#, "it\"s|~|~"),
            (r"{'s':'a\'b'}", "a'b|~|~"),
            (r#"{"s":NaN,"z":1}"#, "NaN|1|~"),
            (r#"{"s":0123,"z":1}"#, "~|~|$"),
            (r#"{"s":12345678901234567890123}"#, "12345678901234567890123|~|~"),
            (r#"{"s":{"b":tru},"z":2}"#, "~|~|$"),
            (r#"{"s":{"k":'v'},"z":5}"#, "{\"k\":'v'}|5|~"),
            (r#"{"s":"a long string with é and more than twelve bytes","z":5}"#, "a long string with é and more than twelve bytes|5|~"),
        ],
    );
}

#[test]
fn numbers_by_type() {
    check(
        &[("d", DataType::Double), ("f", DataType::Float), CORRUPT],
        &[],
        &[
            (r#"{"d":1,"f":1}"#, "1.0|1.0|~"),
            (r#"{"d":"1.5","f":2}"#, "~|2.0|$"),
            (r#"{"d":"NaN","f":"NaN"}"#, "NaN|NaN|~"),
            (r#"{"d":"Infinity","f":"-Infinity"}"#, "inf|-inf|~"),
            (r#"{"d":"INF","f":"-INF"}"#, "~|-inf|$"),
            (r#"{"d":NaN,"f":1}"#, "NaN|1.0|~"),
            (r#"{"d":-Infinity,"f":1}"#, "-inf|1.0|~"),
            (r#"{"d":INF,"f":1}"#, "~|~|$"),
            (r#"{"d":1e400,"f":1e40}"#, "inf|inf|~"),
            (r#"{"d":-0,"f":-0.0}"#, "0.0|-0.0|~"),
            (r#"{"d":true,"f":1}"#, "~|1.0|$"),
        ],
    );
    check(
        &[("t", DataType::TinyInt), ("s", DataType::SmallInt), ("l", DataType::BigInt)],
        &[],
        &[
            (r#"{"t":128,"s":32767,"l":9007199254740993}"#, "-128|32767|9007199254740993"),
            (r#"{"t":255,"s":32768,"l":9223372036854775808}"#, "-1|~|~"),
            (r#"{"t":256,"s":-32768,"l":-9223372036854775808}"#, "~|-32768|-9223372036854775808"),
            (r#"{"t":-129,"s":1,"l":1.0}"#, "~|1|~"),
        ],
    );
    check(
        &[("d", decimal(10, 2)), ("z", decimal(5, 0)), CORRUPT],
        &[],
        &[
            (r#"{"d":1.005,"z":1.5}"#, "101|2|~"),
            (r#"{"d":"1,234.5","z":"1,000"}"#, "123450|1000|~"),
            (r#"{"d":"x","z":2}"#, "~|2|$"),
            (r#"{"d":99999999.999,"z":99999.5}"#, "~|~|$"),
            (r#"{"d":" 5 ","z":1e2}"#, "~|100|$"),
        ],
    );
}

#[test]
fn other_types() {
    check(
        &[
            ("b", DataType::Boolean),
            ("x", DataType::Binary),
            ("t", DataType::Timestamp),
            ("n", DataType::TimestampNtz),
            ("d", DataType::Date),
        ],
        &[],
        &[
            (r#"{"b":true,"x":"YWI="}"#, "true|[97, 98]|~|~|~"),
            (r#"{"b":"true","x":"YWI"}"#, "~|~|~|~|~"),
            (r#"{"t":1700000000,"n":1700000000,"d":19000}"#, "~|~|1700000000000000|~|~"),
            (r#"{"t":1700000000.5,"n":"1970-01-01T00:00:01","d":"1970-01-02T99"}"#, "~|~|~|1000000|1"),
            (r#"{"t":"1970-01-01T01:00:00+01:00","n":"1970-01-01T00:00:01Z","d":"x"}"#, "~|~|0|~|~"),
        ],
    );
    check(
        &[("i", DataType::DAY_TO_SECOND), ("y", DataType::YEAR_TO_MONTH)],
        &[],
        &[
            (r#"{"i":"INTERVAL '1 02:03:04' DAY TO SECOND","y":"INTERVAL '1-2' YEAR TO MONTH"}"#, "93784000000|14"),
            (r#"{"i":"1 02:03:04","y":"1-2"}"#, "93784000000|14"),
            (r#"{"i":5,"y":5}"#, "~|~"),
        ],
    );
}

#[test]
fn nested_values() {
    let ints = |names: &[&str]| DataType::Struct(names.iter().map(|n| Field::new(*n, DataType::Int)).collect());
    check(
        &[
            ("s", DataType::Struct(vec![Field::new("a", DataType::Int), Field::new("b", DataType::String)])),
            ("l", DataType::array(DataType::Int)),
            ("m", DataType::map(DataType::String, DataType::Int)),
            ("q", DataType::array(ints(&["x", "y"]))),
            ("z", DataType::Int),
        ],
        &[],
        &[
            (
                r#"{"s":{"a":1,"b":"x"},"l":[1,2,null],"m":{"k":1,"j":null},"q":[{"x":1},{"y":2}],"z":1}"#,
                "{1,x}|[1,2,~]|[{k,1},{j,~}]|[{1,~},{~,2}]|1",
            ),
            (r#"{"s":{"a":"bad","b":"x"},"z":1}"#, "{~,x}|~|~|~|1"),
            (r#"{"l":[1,"x",3],"z":1}"#, "~|~|~|~|1"),
            (r#"{"m":{"k":"x","j":2},"s":{"a":5},"z":1}"#, "{5,~}|~|~|~|1"),
            (r#"{"q":[{"x":"bad","y":1},{"x":2}],"z":1}"#, "~|~|~|[{~,1},{2,~}]|1"),
            (r#"{"q":[{"x":1},3],"z":1}"#, "~|~|~|~|1"),
            (r#"{"s":[{"a":1}],"l":{},"m":[1],"z":1}"#, "~|~|~|~|1"),
            (r#"{"l":[],"m":{},"q":[],"s":{},"z":1}"#, "{~,~}|[]|[]|[]|1"),
            (r#"{"m":{"k":1,"k":2},"l":[[1]],"z":1}"#, "~|~|[{k,1},{k,2}]|~|1"),
            (r#"{"s":{"a":1,"a":2},"z":1}"#, "{2,~}|~|~|~|1"),
            (r#"{"s":{"a":1,"b":tru},"z":1}"#, "~|~|~|~|~"),
            (r#"{"s":null,"q":[null],"l":[1],"l":[2,3],"z":1}"#, "~|[2,3]|~|[~]|1"),
        ],
    );
}

#[test]
fn lines_and_bytes() {
    let columns = [("a", DataType::Int), CORRUPT];
    assert_eq!(json(&columns, &[], "{\"a\":1}\r\n{\"a\":2}\n\r\n   \n\t\n{\"a\":3}\r{\"a\":4}"), ["1|~", "2|~", "3|~", "4|~"]);
    assert_eq!(json(&columns, &[], "\u{feff}{\"a\":1}\n"), ["1|~"]);
    assert_eq!(json(&columns, &[("lineSep", "|")], "{\"a\":1}|{\"a\":2}||{\"a\":3}"), ["1|~", "2|~", "3|~"]);
    let table = Table { format: "json", columns: &columns, options: &[] };
    assert_eq!(rows_of(&table, b"{\"a\":1,\"s\":\"\xff\"}\n{\"a\":2}\n").unwrap(), ["~|{\"a\":1,\"s\":\"\u{fffd}\"}", "2|~"]);
    let deep = format!("{{\"x\":{}{},\"a\":1}}\n{{\"a\":2}}", "[".repeat(600), "]".repeat(600));
    assert_eq!(json(&columns[..1], &[], &deep), ["~", "2"]);
    let utf16: Vec<u8> = "{\"a\":7}\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let options = [("encoding", "UTF-16LE")];
    assert_eq!(rows_of(&Table { format: "json", columns: &columns, options: &options }, &utf16).unwrap(), ["7|~"]);
}

#[test]
fn modes() {
    let columns = [("a", DataType::Int), ("b", DataType::String)];
    let text = "{\"a\":1,\"b\":\"x\"}\n{\"a\":\"x\",\"b\":\"y\"}\nbad\n[{\"a\":3}]\n{\"a\":4";
    assert_eq!(json(&columns, &[("mode", "dropmalformed")], text), ["1|x", "3|~"]);
    let table = Table { format: "json", columns: &columns, options: &[("mode", "FAILFAST")] };
    let error = rows_of(&table, text.as_bytes()).unwrap_err().to_string();
    assert!(
        error.starts_with("[MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION] a record is malformed, the value of a is no INT: {\"a\":\"x\""),
        "{error}"
    );
    let table = Table { format: "json", columns: &columns, options: &[("mode", "what")] };
    assert!(rows_of(&table, b"").unwrap_err().to_string().contains("PERMISSIVE, DROPMALFORMED or FAILFAST"));
}

#[test]
fn corrupt_record_column() {
    let text = "{\"a\":1,\"bad\":\"own\"}\n{broken\n";
    assert_eq!(
        json(&[("a", DataType::Int), ("bad", DataType::String)], &[("columnNameOfCorruptRecord", "bad")], text),
        ["1|~", "~|{broken"]
    );
    let table = Table { format: "json", columns: &[("_corrupt_record", DataType::Int)], options: &[] };
    let error = rows_of(&table, b"").unwrap_err().to_string();
    assert!(error.starts_with("[INVALID_CORRUPT_RECORD_TYPE]"), "{error}");
}

#[test]
fn dialect_options() {
    let columns = [("a", DataType::Int), ("s", DataType::String), CORRUPT];
    check(
        &columns,
        &[("allowUnquotedFieldNames", "true")],
        &[("{a:1,s:\"x\"}", "1|x|~"), ("{a b:1}", "~|~|$"), ("{a-b:1,s:'q'}", "~|q|~")],
    );
    check(&columns, &[("allowSingleQuotes", "false")], &[("{'a':1}", "~|~|$"), ("{\"s\":'x'}", "~|~|$")]);
    let commented = "{\"a\":1/*x*/,\"s\":\"y\"}\n// hi\n{\"a\":2} // x\n/* a */ {\"a\":4}\n";
    assert_eq!(json(&columns, &[("allowComments", "true")], commented), ["1|y|~", "2|~|~", "4|~|~"]);
    check(&columns, &[("allowNumericLeadingZeros", "true")], &[(r#"{"a":007,"s":007}"#, "7|007|~"), (r#"{"a":-01}"#, "-1|~|~")]);
    check(&columns, &[("allowBackslashEscapingAnyCharacter", "true")], &[(r#"{"s":"a\qb\$"}"#, "~|aqb$|~")]);
    check(&columns, &[("allowUnquotedControlChars", "true")], &[("{\"s\":\"a\tb\"}", "~|a\tb|~")]);
    check(&columns, &[("allowNonNumericNumbers", "false")], &[(r#"{"s":NaN}"#, "~|~|$")]);
}

#[test]
fn multi_line() {
    let columns = [("a", DataType::Int), ("s", DataType::String), CORRUPT];
    let options = [("multiLine", "true")];
    assert_eq!(json(&columns, &options, "{\"a\":1,\n\"s\":\"x\"}\n"), ["1|x|~"]);
    assert_eq!(json(&columns, &options, "[{\"a\":1},\n{\"a\":2}]\n{\"a\":3}"), ["1|~|~", "2|~|~"]);
    assert_eq!(json(&columns, &options, "{\"a\":1\n"), ["~|~|{\"a\":1\n"]);
    assert_eq!(json(&columns, &options, ""), Vec::<String>::new());
}

#[test]
fn options_that_nobody_reads_are_refused() {
    let table = Table { format: "json", columns: &[("a", DataType::Int)], options: &[("multline", "true")] };
    let error = rows_of(&table, b"").unwrap_err();
    assert!(error.to_string().contains("json has no option multline"), "{error}");
    assert_eq!(error.failure().help.as_deref(), Some("did you mean multiLine?"));
}

#[test]
fn patterns_and_zones() {
    let columns = [("t", DataType::Timestamp), ("d", DataType::Date), ("n", DataType::TimestampNtz), CORRUPT];
    let options = [("timestampFormat", "dd/MM/yyyy HH:mm"), ("dateFormat", "dd.MM.yyyy"), ("timestampNTZFormat", "dd/MM/yyyy HH:mm")];
    check(
        &columns,
        &options,
        &[
            (r#"{"t":"02/01/1970 00:01","d":"02.01.1970","n":"02/01/1970 00:02"}"#, "86460000000|1|86520000000|~"),
            (r#"{"t":"2024-01-31T10:20:30Z","d":"2024-01-31"}"#, "~|~|~|$"),
        ],
    );
    check(&columns[..1], &[("timeZone", "Europe/Paris")], &[(r#"{"t":"1970-01-01T02:00:00"}"#, "3600000000")]);
    let table = Table { format: "json", columns: &columns, options: &[("timestampFormat", "YYYY")] };
    assert!(rows_of(&table, b"").unwrap_err().to_string().starts_with("[INCONSISTENT_BEHAVIOR_CROSS_VERSION"));
}
