//! `from_csv`, `to_csv` and `schema_of_csv`.

use super::access::{Cells, Output, map_text};
use super::csv_write::{CsvStyle, CsvWriter};
use super::json::{options, style};
use super::{KernelCall, access};
use crate::engine::EngineError;
use crate::engine::source::declared::Declared;
use crate::engine::source::decode::csv::{CsvDecoder, CsvOptions};
use crate::engine::source::decode::{check_corrupt_column, check_from_csv, csv_infer};
use crate::types::DataType;
use polars::prelude::Series;

type Result<T = Series> = std::result::Result<T, EngineError>;

/// `from_csv(text, schema [, options])`; the schema is the call's type.
pub(super) fn from_csv(call: &KernelCall<'_>) -> Result {
    let pairs = options(call, 2)?;
    let declared = Declared::new("from_csv", &pairs);
    let options = CsvOptions::read(&declared, call.context.zone)?;
    options.mode.for_function("from_csv")?;
    let DataType::Struct(fields) = call.returns else {
        let message = "the schema of from_csv has to be one of columns, such as 'id INT, name STRING'";
        return Err(EngineError::data("INVALID_SCHEMA.NON_STRUCT_TYPE", message));
    };
    check_corrupt_column(fields, &options.corrupt_column)?;
    check_from_csv(fields)?;
    let texts = call.texts(0)?;
    let mut decoder = CsvDecoder::new(fields, fields, options.clone());
    decoder.reserve(texts.len());
    for row in 0..texts.len() {
        match texts.at(row) {
            // A comment is a record without fields.
            Some(text) if options.is_comment(text) => decoder.push_empty(),
            Some(text) => decoder.push_line(text).map_err(|e| e.at_row(row))?,
            None => decoder.push_null(),
        }
    }
    decoder.finish_struct()
}

/// `to_csv(struct [, options])`
pub(super) fn to_csv(call: &KernelCall<'_>) -> Result {
    let pairs = options(call, 1)?;
    let declared = Declared::new("to_csv", &pairs);
    let style = style(&declared, call)?;
    let lines = CsvStyle::read(&declared)?;
    let DataType::Struct(fields) = call.data_type(0) else {
        return Err(EngineError::data("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "to_csv takes a struct"));
    };
    let column = call.column(0);
    let members = access::members(column)?;
    let mut writer = CsvWriter::new(members.iter().zip(fields).map(|(m, f)| (&*m.chunks()[0], &f.data_type)), &lines, &style);
    let mut builder = <&str as Output>::builder(column.len());
    let mut line = String::new();
    for row in 0..column.len() {
        if access::is_null(column, row) {
            builder.push_null();
            continue;
        }
        line.clear();
        writer.write(row, &mut line);
        builder.push_value(line.as_str());
    }
    Ok(<&str as Output>::finish(builder))
}

/// `schema_of_csv(text [, options])`
pub(super) fn schema_of_csv(call: &KernelCall<'_>) -> Result {
    let pairs = options(call, 1)?;
    let declared = Declared::new("schema_of_csv", &pairs);
    let options = CsvOptions::read(&declared, call.context.zone)?;
    Ok(map_text(&call.texts(0)?, |text, out| {
        out.push_str(&csv_infer::schema_of_line(text, &options).sql());
        true
    }))
}
