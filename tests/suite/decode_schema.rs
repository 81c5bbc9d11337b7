//! Columns inferred from files, against what Spark 4.3 infers.

use crate::streams::{resources, scan};
use crate::tables::{context, rows};
use eddyline::engine::source::declared_schema;
use eddyline::engine::source::files::read_table;
use polars::prelude::*;
use std::fs;
use tempfile::TempDir;

fn infer(format: &str, options: &[(&str, &str)], text: &str) -> Result<String, String> {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("a"), text).unwrap();
    let path = dir.path().to_str().unwrap();
    let options: Vec<_> = options.iter().copied().chain([("path", path)]).map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let fields = declared_schema(format, &options, None).map_err(|e| e.to_string())?;
    Ok(fields.iter().map(|f| format!("{}:{}", f.name, f.data_type)).collect::<Vec<_>>().join(","))
}

/// Options, the file's text, and the columns.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str);

fn check(format: &str, cases: &[Case<'_>]) {
    for (options, text, want) in cases {
        assert_eq!(infer(format, options, text).as_deref(), Ok(*want), "{text}");
    }
}

#[test]
fn csv_columns() {
    let header = ("header", "true");
    let types = ("inferSchema", "true");
    check(
        "csv",
        &[
            (&[], "1,2.5,x\n3,4,y\n", "_c0:string,_c1:string,_c2:string"),
            (&[header], "a,b,c\n1,2.5,x\n", "a:string,b:string,c:string"),
            (
                &[header, types],
                "a,b,c,d,e,f,g,h\n1,2.5,x,true,2024-01-01,2024-01-01 10:00:00,12345678901,\n2,3,y,false,2024-01-02,2024-01-02T10:00:00Z,5,\n",
                "a:int,b:double,c:string,d:boolean,e:date,f:timestamp,g:bigint,h:string",
            ),
            (&[header, types], "a,b,c,d,e\n1,1,1,1,1\nx,1.5,true,99999999999,2024-01-01\n", "a:string,b:double,c:string,d:bigint,e:string"),
            (&[header], "a,a,A,,b\n1,2,3,4,5\n", "a0:string,a1:string,A2:string,_c3:string,b:string"),
            (&[header, types], "a,b\n12345678901234567890,1e400\n", "a:decimal(20,0),b:double"),
            (&[header, types], "a,b,c\n1\n1,2,3,4\n", "a:int,b:int,c:int"),
            (&[header, types], "a,b\n2024-01-01,2024-01-01\n2024-01-02 10:00:00,x\n", "a:timestamp,b:string"),
        ],
    );
}

#[test]
fn json_columns() {
    check(
        "json",
        &[
            (
                &[],
                "{\"b\":1,\"a\":\"x\"}\n{\"b\":2.5,\"c\":[1,\"x\"],\"d\":{\"z\":1,\"y\":null}}\n{\"e\":null,\"f\":[],\"g\":{}}\nbad\n",
                "_corrupt_record:string,a:string,b:double,c:array<string>,d:struct<y:string,z:bigint>,e:string,f:array<string>",
            ),
            (
                &[],
                "{\"a\":1}\n{\"a\":\"x\"}\n{\"b\":true}\n{\"b\":1}\n{\"c\":{\"d\":1}}\n{\"c\":[1]}\n{\"d\":1}\n{\"d\":12345678901234567890}\n",
                "a:string,b:string,c:string,d:decimal(20,0)",
            ),
            (&[], "{\"a\":\"2024-01-01T10:00:00Z\"}\n", "a:string"),
            (&[("inferTimestamp", "true")], "{\"a\":\"2024-01-01T10:00:00Z\",\"b\":\"2024-01-01\"}\n", "a:timestamp,b:timestamp"),
            (&[("primitivesAsString", "true")], "{\"a\":1,\"b\":true}\n", "a:string,b:string"),
            (&[("prefersDecimal", "true")], "{\"a\":1.5}\n", "a:decimal(2,1)"),
            (&[("dropFieldIfAllNull", "true")], "{\"a\":null,\"b\":[],\"c\":{\"d\":null},\"e\":1}\n", "e:bigint"),
            (&[], "[{\"a\":1},{\"b\":2}]\n5\n", "_corrupt_record:string,a:bigint,b:bigint"),
            (&[("mode", "DROPMALFORMED")], "bad\n{\"a\":1}\n", "a:bigint"),
        ],
    );
    assert!(infer("json", &[], "{\"a\":1}\n{\"A\":1}\n").unwrap_err().starts_with("[COLUMN_ALREADY_EXISTS]"));
    assert!(infer("json", &[("mode", "FAILFAST")], "bad\n").unwrap_err().starts_with("[MALFORMED_RECORD_IN_PARSING"));
    assert!(infer("json", &[], "").unwrap_err().starts_with("[UNABLE_TO_INFER_SCHEMA]"));
}

#[test]
fn parquet_columns_and_rows() {
    let dir = TempDir::new().unwrap();
    let mut frame = df!(
        "id" => [1i64, 2],
        "name" => [Some("ann"), None],
        "v" => [1.5f64, 2.5],
        "tags" => [Series::new("".into(), ["a", "b"]), Series::new_empty("".into(), &polars::prelude::DataType::String)],
        "small" => [7i32, 8],
    )
    .unwrap();
    ParquetWriter::new(fs::File::create(dir.path().join("a.parquet")).unwrap()).finish(&mut frame).unwrap();
    let path = dir.path().to_str().unwrap();
    let options = [("path".to_string(), path.to_string())];
    let fields = declared_schema("parquet", &options, None).unwrap();
    let text: Vec<_> = fields.iter().map(|f| format!("{}:{}", f.name, f.data_type)).collect();
    assert_eq!(text, ["id:bigint", "name:string", "v:double", "tags:array<string>", "small:int"]);
    let columns: Vec<_> = fields.iter().map(|f| (f.name.as_str(), f.data_type.clone())).collect();
    let table = scan("parquet", &[("path", path)], &columns);
    assert_eq!(rows(&read_table(&table, &context(), &resources()).unwrap()), ["1|ann|1.5|[a,b]|7", "2|~|2.5|[]|8"]);
    let wider =
        scan("parquet", &[("path", path)], &[("SMALL", eddyline::types::DataType::BigInt), ("none", eddyline::types::DataType::Date)]);
    assert_eq!(rows(&read_table(&wider, &context(), &resources()).unwrap()), ["7|~", "8|~"]);
    let wrong = scan("parquet", &[("path", path)], &[("name", eddyline::types::DataType::Int)]);
    let error = read_table(&wrong, &context(), &resources()).unwrap_err().to_string();
    assert!(error.starts_with("[FAILED_READ_FILE.PARQUET_COLUMN_DATA_TYPE_MISMATCH]"), "{error}");
}

/// Files that Spark 4.3 wrote: a row of every type and a row of NULLs; a timestamp in the old 96-bit form.
#[test]
fn parquet_from_spark() {
    let path = |name: &str| format!("{}/tests/spark/parquet/{name}", env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| {
        let path = path(name);
        let fields = declared_schema("parquet", &[("path".to_string(), path.clone())], None).unwrap();
        let columns: Vec<_> = fields.iter().map(|f| (f.name.as_str(), f.data_type.clone())).collect();
        let frame = read_table(&scan("parquet", &[("path", &path)], &columns), &context(), &resources()).unwrap();
        let types: Vec<_> = fields.iter().map(|f| format!("{} {}", f.name, f.data_type)).collect();
        (types.join(", "), rows(&frame))
    };
    let (types, found) = read("types.parquet");
    assert_eq!(
        types,
        "i int, l bigint, t tinyint, s smallint, d double, f float, dec decimal(4,2), big decimal(38,18), str string, bin binary, \
         dt date, ts timestamp, ntz timestamp_ntz, arr array<int>, m map<string,int>, st struct<a:int,b:array<string>>, b boolean, \
         itv interval day, ym interval year to month, deep array<struct<x:map<string,int>>>"
    );
    assert_eq!(
        found[0],
        "1|2|3|4|1.5|0.5|1234|1000000000000000000|x|[97, 98]|19723|1704103200123456|1704103200000000|[1,2,~]|[{k,1},{j,~}]|{1,[q]}|true|\
         86400000000|14|[{[{a,1}]}]"
    );
    assert_eq!(found[1], vec!["~"; 20].join("|"));
    let (types, found) = read("int96.parquet");
    assert_eq!((types.as_str(), found[0].as_str()), ("ts timestamp", "1704103200123456"));
}
