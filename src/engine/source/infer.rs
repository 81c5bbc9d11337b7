//! The columns of files that nobody declared, from what is there.

use super::declared::Declared;
use super::decode::csv::CsvOptions;
use super::decode::csv_infer::CsvSchema;
use super::decode::json::JsonOptions;
use super::decode::json_infer::JsonSchema;
use super::decode::lines::without_mark;
use super::decode::{parquet, text_of};
use super::files::{Place, files_of, read_file, read_place};
use crate::engine::EngineError;
use crate::types::{DataType, Field};
use std::path::PathBuf;

/// Bytes that are looked at, over all files: what a statement at the prompt may take a blink for. Spark looks at all.
const SAMPLE: usize = 16 << 20;

/// The columns of a stream or table of files: those declared, or those that the files have, then those that partition
/// directories stand for, with the types of their declaration where they have one.
///
/// # Errors
/// `UNABLE_TO_INFER_SCHEMA` when there is nothing to go by; a missing path; files that cannot be read; directories that do
/// not agree.
pub(super) fn columns(format: &str, options: &[(String, String)], own: Option<Vec<Field>>) -> Result<Vec<Field>, EngineError> {
    let declared = Declared::new(format, options);
    let mut place = match read_place(&declared, format, chrono_tz::Tz::UTC) {
        Ok(place) => place,
        // What is there will be looked at when it is read.
        Err(_) if own.is_some() => return Ok(own.unwrap_or_default()),
        Err(_) if format == "text" => return Ok(vec![Field::new("value", DataType::String)]),
        Err(error) => return Err(error),
    };
    let partitions = place.partition_columns()?;
    let inferred = own.is_none();
    let mut columns = match own {
        Some(columns) => columns,
        None if format == "text" => vec![Field::new("value", DataType::String)],
        None => schema(format, &declared, &mut place)?,
    };
    for partition in partitions {
        match columns.iter().position(|f| f.name.eq_ignore_ascii_case(&partition.name)) {
            // A column that the data has, too, stays where it is; one that was declared moves to the end.
            Some(at) if inferred => columns[at] = partition,
            Some(at) => {
                let field = columns.remove(at);
                columns.push(field);
            }
            None => columns.push(partition),
        }
    }
    Ok(columns)
}

/// The columns that files have.
fn schema(format: &str, declared: &Declared<'_>, place: &mut Place) -> Result<Vec<Field>, EngineError> {
    let files = files_of(place);
    let zone = chrono_tz::Tz::UTC;
    let columns = match format {
        "json" => json(&JsonOptions::read(declared, zone)?, &files)?,
        "csv" => csv(&CsvOptions::read(declared, zone)?, &files)?,
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
    let mut sampling = options.infer.sampling;
    let mut seen = 0;
    for file in files {
        let text = text_of(options.encoding.to_utf8(&read_file(file)?).into_owned());
        let text = text.trim_start_matches('\u{feff}');
        if options.multi_line {
            if sampling.takes() {
                schema.add(text)?;
            }
        } else {
            options.line_end.split(
                text.as_bytes(),
                |line| {
                    if sampling.takes() { schema.add(&String::from_utf8_lossy(line)) } else { Ok(()) }
                },
            )?;
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
    let mut sampling = options.sampling;
    let mut header: Option<String> = None;
    let mut seen = 0;
    for file in files {
        let bytes = options.encoding.to_utf8(&read_file(file)?).into_owned();
        let text = text_of(without_mark(&bytes).to_vec());
        // As in Spark: of single lines those are headers that are the first file's header, wherever they stand.
        let mut starts = options.header;
        options.records(&text, |record| {
            let first = schema.get_or_insert_with(|| CsvSchema::new(options.clone(), record));
            let begins = std::mem::take(&mut starts);
            let is_header =
                if options.multi_line { begins } else { options.header && record == header.get_or_insert_with(|| record.to_string()) };
            if options.infer_schema && !is_header && sampling.takes() {
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
