//! The CSV reader against what Spark 4.3 gave for the same lines.

use crate::tables::{Table, rows_of};
use eddyline::types::DataType;

fn csv(columns: &[(&str, DataType)], options: &[(&str, &str)], text: &str) -> Vec<String> {
    rows_of(&Table { format: "csv", columns, options }, text.as_bytes()).unwrap()
}

/// A line each, with the row that Spark makes of it: cells separated by `|`, `~` for NULL, `$` for the line itself.
fn check(columns: &[(&str, DataType)], options: &[(&str, &str)], cases: &[(&str, &str)]) {
    let text: String = cases.iter().map(|(line, _)| format!("{line}\n")).collect();
    let rows = csv(columns, options, &text);
    assert_eq!(rows.len(), cases.len(), "{rows:#?}");
    for ((line, want), row) in cases.iter().zip(rows) {
        let want = want.strip_suffix("|$").map_or(want.to_string(), |head| format!("{head}|{line}"));
        assert_eq!(row, want, "{line}");
    }
}

const CORRUPT: (&str, DataType) = ("_corrupt_record", DataType::String);
const ABC: [(&str, DataType); 4] = [("a", DataType::String), ("b", DataType::String), ("c", DataType::String), CORRUPT];
const AB: [(&str, DataType); 3] = [("a", DataType::String), ("b", DataType::String), CORRUPT];

#[test]
fn quotes_and_escapes() {
    check(
        &ABC,
        &[],
        &[
            ("x,y,z", "x|y|z|~"),
            (r#""x",y,z"#, "x|y|z|~"),
            (r#""x,1",y,z"#, "x,1|y|z|~"),
            (r#""x""y",b,c"#, r#""x""y"|b|c|~"#),
            (r#""x\"y",b,c"#, r#"x"y|b|c|~"#),
            (r#""x\\",b,c"#, r#"x\|b|c|~"#),
            (r#""x\n",b,c"#, r#"x\n|b|c|~"#),
            (r#"a\,b,c,d"#, r#"a\|b|c|$"#),
            (r#"x"y,b,c"#, r#"x"y|b|c|~"#),
            (r#"x "y" z,b,c"#, r#"x "y" z|b|c|~"#),
            (r#""x"y,b,c"#, r#""x"y|b|c|~"#),
            (r#""x" ,b,c"#, "x|b|c|~"),
            (r#" "x",b,c"#, r#" "x"|b|c|~"#),
            (r#""x"#, "x|~|~|$"),
            (r#""x,y,z"#, "x,y,z|~|~|$"),
            (r#"a,"b\",c"#, r#"a|b",c|~|$"#),
            (r#""",b,c"#, "~|b|c|~"),
            (r#""""",b,c"#, r#"""|b|c|~"#),
            (r#""a""",b,c"#, r#"a""|b|c|~"#),
            (r#""""a""",b,c"#, r#""""a"""|b|c|~"#),
            ("a,,", "a|~|~|~"),
            (r#"a,"","""#, "a|~|~|~"),
            (",,", "~|~|~|~"),
            (" , , ", " | | |~"),
            ("a,b", "a|b|~|$"),
            ("a", "a|~|~|$"),
            ("a,b,c,d", "a|b|c|$"),
            (r#""a"b"c,d,e"#, r#""a"b"c|d|e|~"#),
            (r#""a,b"c,d,e"#, r#""a,b"c|d|e|~"#),
            (r#"\"a,b,c"#, r#"\"a|b|c|~"#),
            (r#""a\b",b,c"#, r#"a\b|b|c|~"#),
            (r#""a\\"b",b,c"#, r#""a\"b"|b|c|~"#),
            (r#"a\\b,b,c"#, r#"a\\b|b|c|~"#),
            ("'a,b',c,d", "'a|b'|c|$"),
            ("#c,b,c", "#c|b|c|~"),
            (r#""a" x,b,c"#, r#""a" x|b|c|~"#),
            (r#""a"",b,c"#, r#"a"|b|c|~"#),
        ],
    );
    check(
        &AB,
        &[("escape", "\"")],
        &[
            (r#""x""y",b"#, r#"x"y|b|~"#),
            (r#""x""",b"#, r#"x"|b|~"#),
            (r#""""",b"#, r#""|b|~"#),
            (r#""x\"y",b"#, r#""x\"y"|b|~"#),
            (r#""x"y,b"#, r#""x"y|b|~"#),
            (r#"""x"",b"#, r#"""x""|b|~"#),
        ],
    );
    check(&AB, &[("escape", "")], &[(r#""x\"y",b"#, r#""x\"y"|b|~"#)]);
    check(&AB, &[("quote", "'")], &[("'x,z',y", "x,z|y|~"), (r#""x,z",y"#, r#""x|z"|$"#)]);
    check(&AB, &[("quote", "")], &[(r#""x,z",y"#, r#""x|z"|$"#)]);
}

#[test]
fn types() {
    check(
        &[("i", DataType::Int), ("d", DataType::Double), ("b", DataType::Boolean), CORRUPT],
        &[],
        &[
            ("1,1.5,true", "1|1.5|true|~"),
            ("+1,+1.5,TRUE", "1|1.5|true|~"),
            (" 1,1,true", "~|1.0|true|$"),
            ("1 ,1,true", "~|1.0|true|$"),
            ("1.0,1,true", "~|1.0|true|$"),
            ("1e2,1e2,yes", "~|100.0|~|$"),
            ("x,1,true", "~|1.0|true|$"),
            (",,", "~|~|~|~"),
            (r#""","","""#, "~|~|~|~"),
            ("2147483648,1,1", "~|1.0|~|$"),
            ("1, 1.5 ,t", "1|1.5|~|$"),
            ("-0,-0,False", "0|-0.0|false|~"),
            ("1,NaN,true", "1|NaN|true|~"),
            ("1,Inf,true", "1|inf|true|~"),
            ("1,-Inf,true", "1|-inf|true|~"),
            ("1,Infinity,true", "1|inf|true|~"),
            ("1,1d,true", "1|1.0|true|~"),
            ("1,1f,true", "1|1.0|true|~"),
            ("1,0x10,true", "1|~|true|$"),
            ("1,1e400,true", "1|inf|true|~"),
            ("1,nan,true", "1|~|true|$"),
            ("1_000,1,true", "~|1.0|true|$"),
            ("1,1.,true", "1|1.0|true|~"),
            ("1,.5,true", "1|0.5|true|~"),
            ("null,null,null", "~|~|~|$"),
            ("1,+Infinity,true", "1|inf|true|~"),
            ("1,inf,true", "1|~|true|$"),
            ("1,1e,true", "1|~|true|$"),
        ],
    );
    check(
        &[("t", DataType::Timestamp), ("d", DataType::Date), ("n", DataType::TimestampNtz), CORRUPT],
        &[],
        &[
            ("1970-01-01 00:00:01,1970-01-02,1970-01-01 00:00:02", "1000000|1|2000000|~"),
            ("1970-01-01T00:00:01Z,1970-01-02T00:00:00,1970-01-01T00:00:01Z", "1000000|1|~|$"),
            ("1970-01-02,31/01/2024,1970-01-02", "86400000000|~|86400000000|$"),
            ("1700000000,x,y", "~|~|~|$"),
        ],
    );
    check(
        &[("e", DataType::Decimal(10, 2)), ("y", DataType::TinyInt), ("x", DataType::Binary), ("v", DataType::DAY_TO_SECOND), CORRUPT],
        &[],
        &[
            ("1.005,127,ab,1 02:03:04", "101|127|[97, 98]|93784000000|~"),
            ("\"1,234.5\",128,,INTERVAL '1 02:03:04' DAY TO SECOND", "123450|~|~|93784000000|$"),
            ("123456789.5,1,1,1", "~|1|[49]|~|$"),
            ("1e3,1,1,", "100000|1|[49]|~|~"),
            (" 1 ,1,1,", "~|1|[49]|~|$"),
        ],
    );
}

#[test]
fn white_space() {
    let columns = [("a", DataType::String), ("i", DataType::Int), ("c", DataType::String), CORRUPT];
    let both = [("ignoreLeadingWhiteSpace", "true"), ("ignoreTrailingWhiteSpace", "true")];
    check(&columns, &both, &[(" x , 1 , y ", "x|1|y|~"), (r#"" x ", 1 ," y ""#, " x |1| y |~"), ("  , 2 ,  ", "~|2|~|~")]);
    check(&columns, &both[..1], &[(" x , 1, y ", "x |1|y |~"), (r#"" x ", 1, " y ""#, " x |1| y |~")]);
    check(&columns, &both[1..], &[(" x ,1 , y ", " x|1| y|~"), (r#"" x " ,1 ," y " "#, " x |1| y |~")]);
}

#[test]
fn headers_comments_and_blank_lines() {
    assert_eq!(csv(&AB, &[], "a,b\n\n  \n,\nc,d\r\ne,f\rg,h\n"), ["a|b|~", "~|~|~", "c|d|~", "e|f|~", "g|h|~"]);
    assert_eq!(csv(&AB, &[("header", "true")], "\na,b\n1,2\na,b\n"), ["1|2|~", "a|b|~"]);
    assert_eq!(csv(&AB, &[("header", "true")], "a,b\n"), Vec::<String>::new());
    assert_eq!(csv(&AB, &[("comment", "#")], "#x\na,b\n #c,d\n"), ["a|b|~", " #c|d|~"]);
    let strict = [("header", "true"), ("enforceSchema", "false")];
    assert_eq!(csv(&AB, &strict, "A,b\n1,2\n"), ["1|2|~"]);
    let error = rows_of(&Table { format: "csv", columns: &AB, options: &strict }, b"x,b\n1,2\n").unwrap_err();
    assert!(error.to_string().contains("the CSV header is x, b and not a, b"), "{error}");
}

#[test]
fn values_with_names_of_their_own() {
    let columns = [("a", DataType::String), ("i", DataType::Int), CORRUPT];
    check(&columns, &[("nullValue", "NA")], &[("NA,NA", "~|~|~"), ("\"NA\",1", "~|1|~"), ("x,NA", "x|~|~"), (",1", "~|1|~")]);
    check(&AB, &[("emptyValue", "EMPTY")], &[("\"\",x", "EMPTY|x|~"), (",y", "~|y|~")]);
    check(&AB, &[("nullValue", "N")], &[("\"\",x", "|x|~"), (",y", "~|y|~"), ("N,z", "~|z|~")]);
    let doubles = [("d", DataType::Double), CORRUPT];
    let names = [("nanValue", "nope"), ("positiveInf", "big"), ("negativeInf", "-big")];
    check(&doubles, &names, &[("nope", "NaN|~"), ("big", "inf|~"), ("-big", "-inf|~"), ("NaN", "NaN|~"), ("Inf", "~|$")]);
}

#[test]
fn separators() {
    check(&AB, &[("sep", "||")], &[("x||y", "x|y|~"), (r#""x||z"||y"#, "x||z|y|~"), ("x|y||z", "x|y|z|~")]);
    check(&AB, &[("sep", "\\t")], &[("x\ty", "x|y|~")]);
    check(&AB, &[("delimiter", "\t")], &[("x\ty", "x|y|~")]);
    assert_eq!(csv(&AB, &[("lineSep", ";")], "a,b;c,d"), ["a|b|~", "c|d|~"]);
}

#[test]
fn modes() {
    let columns = [("id", DataType::Int), ("name", DataType::String), ("v", DataType::Int)];
    let text = "1,ann,10\nx,bob,2\n3,cy\n4,dee,5,6\n5,\"e,1\n";
    assert_eq!(csv(&columns, &[], text), ["1|ann|10", "~|bob|2", "3|cy|~", "4|dee|5", "5|e,1|~"]);
    assert_eq!(csv(&columns, &[("mode", "DROPMALFORMED")], text), ["1|ann|10"]);
    let error = rows_of(&Table { format: "csv", columns: &columns, options: &[("mode", "FAILFAST")] }, text.as_bytes()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("[MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION] a record is malformed, the value of id is no INT: x,bob,2"),
        "{error}"
    );
    let narrow = Table { format: "csv", columns: &columns, options: &[("maxColumns", "3")] };
    assert!(rows_of(&narrow, text.as_bytes()).unwrap_err().to_string().starts_with("[MALFORMED_CSV_RECORD]"));
    let nested = Table { format: "csv", columns: &[("a", DataType::array(DataType::Int))], options: &[] };
    assert!(rows_of(&nested, b"").unwrap_err().to_string().starts_with("[UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE]"));
}

#[test]
fn records_over_several_lines() {
    let text = "\"x\ny\",1\nz,2\n\n\"q\"\"r\n\",3\n\"open,4\n5,6\n";
    assert_eq!(csv(&AB, &[("multiLine", "true")], text), ["x\ny|1|~", "z|2|~", "\"q\"\"r|~|\"q\"\"r", "\",3\n\"open|4|~", "5|6|~"]);
    assert_eq!(csv(&AB, &[("multiLine", "true"), ("header", "true")], "a,b\r\n\"x\r\ny\",1\r\n"), ["x\ny|1|~"]);
}

#[test]
fn bytes_that_are_no_utf8() {
    let table = |options| Table { format: "csv", columns: &AB, options };
    assert_eq!(rows_of(&table(&[]), b"\xef\xbb\xbfa\xff,b\n").unwrap(), ["a\u{fffd}|b|~"]);
    assert_eq!(rows_of(&table(&[("encoding", "ISO-8859-1")]), b"\xe9,d\n").unwrap(), ["é|d|~"]);
}

#[test]
fn unescaped_quotes_as_asked_for() {
    let cases: [(&str, &[(&str, &str)]); 3] = [
        (
            "STOP_AT_CLOSING_QUOTE",
            &[
                (r#""a""b",1,z"#, r#"a""b|1|z|~"#),
                (r#""a"b,1,z"#, r#"a"b,1,z|~|~|$"#),
                (r#""x" "y",1,z"#, r#"x" "y|1|z|~"#),
                (r#"""a"",1,z"#, r#""a"|1|z|~"#),
            ],
        ),
        (
            "BACK_TO_DELIMITER",
            &[
                (r#""a""b",1,z"#, r#"a"b|1|z|~"#),
                (r#""a"x"y",1,z"#, "axy|1|z|~"),
                (r#"""a"",1,z"#, r#"a"|1|z|~"#),
                (r#""""a""",1,z"#, r#""a""|1|z|~"#),
            ],
        ),
        ("SKIP_VALUE", &[(r#""a"b,1,z"#, "~|1|z|~"), (r#""a"",1,z"#, r#"a"|1|z|~"#), (r#""a\"b",1,z"#, r#"a"b|1|z|~"#)]),
    ];
    for (how, lines) in cases {
        check(&ABC, &[("unescapedQuoteHandling", how)], lines);
    }
    let table = Table { format: "csv", columns: &ABC, options: &[("unescapedQuoteHandling", "RAISE_ERROR")] };
    assert!(rows_of(&table, b"\"a\"b,1,z").unwrap_err().to_string().contains("a quote inside a quoted field is not escaped"));
}

#[test]
fn records_of_several_lines_end_as_asked_for() {
    let options = [("multiLine", "true"), ("lineSep", "||")];
    assert_eq!(csv(&AB[..2], &options, "a,1||b,2||||\"c||d\",3||"), ["a|1", "b|2", "c||d|3"]);
    // Blanks are a record, nothing is none; a quote that nothing closes runs to the end.
    assert_eq!(csv(&AB[..2], &[("multiLine", "true")], "  \n\na,\"b\nc\n"), ["  |~", "a|b\nc\n"]);
}

#[test]
fn times_and_zones_as_options_say() {
    assert_eq!(csv(&[("a", DataType::Timestamp)], &[("timeZone", "+02:00")], "2024-01-02 02:00:00"), ["1704153600000000"]);
    assert_eq!(
        csv(&[("a", DataType::TimestampNtz)], &[("timestampNTZFormat", "yyyy-MM-dd HH:mm:ss[ VV]")], "2024-01-02 02:00:00 Z"),
        ["~"]
    );
}
