//! JSON and CSV in text columns: to and from Spark's types.

use super::access::{Cells, map_rows, map_text};
use super::datetime_pattern::DatetimePattern;
use super::json_layout::Layout;
use super::json_write::{JsonStyle, JsonWriter};
use super::{KernelCall, KernelEntry, json_csv, json_path};
use crate::engine::EngineError;
use crate::engine::columns::list_series;
use crate::engine::source::declared::Declared;
use crate::engine::source::decode::json::{JsonOptions, JsonValueDecoder};
use crate::engine::source::decode::{check_corrupt_column, json_infer};
use crate::types::DataType;
use polars::prelude as pl;
use polars::prelude::Series;

type Result<T = Series> = std::result::Result<T, EngineError>;

/// The kernels of this family.
pub(super) const KERNELS: &[KernelEntry] = &[
    KernelEntry { name: "get_json_object", fallible: false, kernel: json_path::get_json_object },
    KernelEntry { name: "json_array_length", fallible: false, kernel: json_array_length },
    KernelEntry { name: "json_object_keys", fallible: false, kernel: json_object_keys },
    KernelEntry { name: "from_json", fallible: true, kernel: from_json },
    KernelEntry { name: "to_json", fallible: true, kernel: to_json },
    KernelEntry { name: "schema_of_json", fallible: true, kernel: schema_of_json },
    KernelEntry { name: "from_csv", fallible: true, kernel: json_csv::from_csv },
    KernelEntry { name: "to_csv", fallible: true, kernel: json_csv::to_csv },
    KernelEntry { name: "schema_of_csv", fallible: true, kernel: json_csv::schema_of_csv },
];

/// The options of a call: argument `index`, a constant map, if it is there.
pub(super) fn options(call: &KernelCall<'_>, index: usize) -> Result<Vec<(String, String)>> {
    if index >= call.args.len() || call.column(index).null_count() > 0 {
        return Ok(Vec::new());
    }
    let lists = call.lists(index)?;
    let (keys, values) = super::access::entries(&lists)?;
    let (keys, values) = (super::access::texts(&keys)?.0.clone(), super::access::texts(&values)?.0.clone());
    let (start, end) = if lists.is_empty() { (0, 0) } else { lists.value(0) };
    Ok((start..end).map(|i| (keys.value(i).to_string(), values.get(i).unwrap_or_default().to_string())).collect())
}

fn json_array_length(call: &KernelCall<'_>) -> Result {
    let texts = call.texts(0)?;
    map_rows(texts.len(), |row| Ok(texts.at(row).and_then(json_path::array_length)))
}

fn json_object_keys(call: &KernelCall<'_>) -> Result {
    let texts = call.texts(0)?;
    let mut offsets = vec![0i64];
    let mut keys: Vec<String> = Vec::new();
    let mut valid = Vec::with_capacity(texts.len());
    for row in 0..texts.len() {
        let found = texts.at(row).and_then(json_path::object_keys);
        valid.push(found.is_some());
        keys.extend(found.into_iter().flatten());
        offsets.push(keys.len() as i64);
    }
    let inner = map_rows(keys.len(), |i| Ok(Some(keys[i].as_str())))?;
    list_series(offsets, inner, Some(valid.into_iter().collect()), &pl::DataType::String)
}

/// `from_json(text, schema [, options])`; the schema is the call's type.
fn from_json(call: &KernelCall<'_>) -> Result {
    check_json_type("from_json", call.returns)?;
    let pairs = options(call, 2)?;
    let declared = Declared::new("from_json", &pairs);
    let options = JsonOptions::read(&declared, call.context.zone)?;
    options.mode.for_function("from_json")?;
    if let DataType::Struct(fields) = call.returns {
        check_corrupt_column(fields, &options.corrupt_column)?;
    }
    let texts = call.texts(0)?;
    let mut decoder = JsonValueDecoder::new(call.returns, options);
    decoder.reserve(texts.len());
    for row in 0..texts.len() {
        decoder.push(texts.at(row)).map_err(|e| e.at_row(row))?;
    }
    decoder.finish()
}

fn to_json(call: &KernelCall<'_>) -> Result {
    check_json_type("to_json", call.data_type(0))?;
    let pairs = options(call, 1)?;
    let declared = Declared::new("to_json", &pairs);
    let style = style(&declared, call)?;
    let flag = |name| Ok::<bool, EngineError>(declared.boolean(name)?.unwrap_or(false));
    let layout = Layout { pretty: flag("pretty")?, sorted: flag("sortKeys")?, ascii: flag("writeNonAsciiCharacterAsCodePoint")? };
    let column = call.column(0);
    let writer = JsonWriter::new(&*column.chunks()[0], call.data_type(0), &style);
    let mut builder = <&str as super::access::Output>::builder(column.len());
    let (mut buffer, mut laid_out) = (String::new(), String::new());
    for row in 0..column.len() {
        if writer.is_null(row) {
            builder.push_null();
            continue;
        }
        buffer.clear();
        writer.write(row, &mut buffer);
        if layout == Layout::default() {
            builder.push_value(buffer.as_str());
        } else {
            laid_out.clear();
            layout.write(&buffer, &mut laid_out);
            builder.push_value(laid_out.as_str());
        }
    }
    Ok(<&str as super::access::Output>::finish(builder))
}

/// JSON texts stand for structs, arrays and maps; what is read into a map has texts as keys.
fn check_json_type(function: &str, data_type: &DataType) -> Result<()> {
    match data_type {
        DataType::Map(key, _) if function == "from_json" && **key != DataType::String => Err(EngineError::data(
            "DATATYPE_MISMATCH.INVALID_JSON_MAP_KEY_TYPE",
            format!("the keys of a JSON map are of type STRING, and not {}", key.sql()),
        )),
        data_type if data_type.is_atomic() && *data_type != DataType::Void => Err(EngineError::data(
            "DATATYPE_MISMATCH.INVALID_JSON_SCHEMA",
            format!("{function} is for a STRUCT, an ARRAY or a MAP, and not for {}", data_type.sql()),
        )),
        _ => Ok(()),
    }
}

/// How `to_json` and `to_csv` write values.
pub(super) fn style(declared: &Declared<'_>, call: &KernelCall<'_>) -> Result<JsonStyle> {
    let zone = declared.zone("timeZone")?.unwrap_or(call.context.zone);
    let pattern = |name| declared.text(name).map(DatetimePattern::for_writing).transpose();
    Ok(JsonStyle {
        keep_nulls: !declared.boolean("ignoreNullFields")?.unwrap_or(true),
        date: pattern("dateFormat")?,
        timestamp: pattern("timestampFormat")?,
        timestamp_ntz: pattern("timestampNTZFormat")?,
        ..JsonStyle::spark(zone)
    })
}

fn schema_of_json(call: &KernelCall<'_>) -> Result {
    let pairs = options(call, 1)?;
    let declared = Declared::new("schema_of_json", &pairs);
    let options = JsonOptions::read(&declared, call.context.zone)?;
    let texts = call.texts(0)?;
    for row in 0..texts.len() {
        if let Some(text) = texts.at(row) {
            json_infer::schema_of(text, &options).map_err(|e| e.at_row(row))?;
        }
    }
    Ok(map_text(&texts, |text, out| match json_infer::schema_of(text, &options) {
        Ok(data_type) => {
            out.push_str(&data_type.sql());
            true
        }
        Err(_) => false,
    }))
}
