//! The columns of files that nobody declared, from what is there.

use super::declared::Declared;
use super::decode::csv::CsvOptions;
use super::decode::csv_infer::CsvSchema;
use super::decode::json::JsonOptions;
use super::decode::json_infer::JsonSchema;
use super::decode::lines::without_mark;
use super::decode::{parquet, text_of};
use super::files::{files_of, read_file, read_place};
use crate::engine::EngineError;
use crate::types::Field;
use std::path::PathBuf;

/// Bytes that are looked at, over all files: what a statement at the prompt may take a blink for. Spark looks at all.
const SAMPLE: usize = 16 << 20;

/// The columns that the files of a declaration have.
///
/// # Errors
/// `UNABLE_TO_INFER_SCHEMA` when there is nothing to go by; a missing path; files that cannot be read.
pub(super) fn schema(format: &str, options: &[(String, String)]) -> Result<Vec<Field>, EngineError> {
    let declared = Declared::new(format, options);
    let files = files_of(&mut read_place(&declared, format)?);
    let zone = chrono_tz::Tz::UTC;
    let columns = match format {
        "json" => json(&JsonOptions::read(&declared, zone)?, &files)?,
        "csv" => csv(&CsvOptions::read(&declared, zone)?, &files)?,
        _ => match files.first() {
            Some(file) => parquet::schema(read_file(file)?)?,
            None => Vec::new(),
        },
    };
    if columns.is_empty() {
        return Err(EngineError::data("UNABLE_TO_INFER_SCHEMA", format!("there is no {format} data yet to infer the columns from"))
            .help(format!("declare them: CREATE STREAM name (id BIGINT, status STRING) USING {format} OPTIONS (path '…')")));
    }
    Ok(columns)
}

fn json(options: &JsonOptions, files: &[PathBuf]) -> Result<Vec<Field>, EngineError> {
    let mut schema = JsonSchema::new(options.clone());
    let mut seen = 0;
    for file in files {
        let text = text_of(options.encoding.to_utf8(&read_file(file)?).into_owned());
        let text = text.trim_start_matches('\u{feff}');
        if options.multi_line {
            schema.add(text)?;
        } else {
            options.line_end.split(text.as_bytes(), |line| schema.add(&String::from_utf8_lossy(line)))?;
        }
        seen += text.len();
        if seen > SAMPLE {
            break;
        }
    }
    schema.finish()
}

fn csv(options: &CsvOptions, files: &[PathBuf]) -> Result<Vec<Field>, EngineError> {
    let mut schema: Option<CsvSchema> = None;
    let mut seen = 0;
    for file in files {
        let bytes = options.encoding.to_utf8(&read_file(file)?).into_owned();
        let text = text_of(without_mark(&bytes).to_vec());
        let mut header = options.header;
        options.records(&text, |record| {
            let first = schema.get_or_insert_with(|| CsvSchema::new(options.clone(), record));
            let is_header = std::mem::take(&mut header);
            if options.infer_schema && !is_header {
                first.add(record);
            }
        });
        seen += text.len();
        if seen > SAMPLE || (schema.is_some() && !options.infer_schema) {
            break;
        }
    }
    Ok(schema.map(CsvSchema::finish).unwrap_or_default())
}
