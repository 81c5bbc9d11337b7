//! What lines hold that nobody has declared: JSON, separated values or plain text, with the columns that follow.

use super::declared::Declared;
use super::decode::csv::CsvOptions;
use super::decode::csv_infer::CsvSchema;
use super::decode::json::JsonOptions;
use super::decode::json_infer::JsonSchema;
use super::{SourceContext, files, infer, open, stdin};
use crate::engine::{EngineError, Resources};
use crate::plan::expr::ColumnId;
use crate::plan::logical::{Column, Scan};
use crate::types::{DataType, Field};
use std::time::Duration;

/// How long a live source is given for its first line …
const FIRST: Duration = Duration::from_secs(10);
/// … and for more lines after it.
const MORE: Duration = Duration::from_secs(2);
/// Separators that are tried, in this order.
const SEPARATORS: [&str; 4] = [",", "\t", ";", "|"];

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Inferred {
    /// The columns, in their order.
    pub columns: Vec<Field>,
    /// The format of the records: `json`, `csv` or `text`.
    pub format: String,
    /// Options of that format that reading needs.
    pub options: Vec<(String, String)>,
    /// How many lines were looked at; `None` for files, which are looked at as CREATE does.
    pub lines: Option<usize>,
    /// How many of them do not fit the columns.
    pub misfits: usize,
}

/// The columns of a stream or table, from at most `limit` lines of what comes, or from the files that are there.
/// Lines of standard input stay for the next query.
///
/// # Errors
/// A source whose columns are its own; no line within ten seconds; no data in files.
pub fn infer_schema(
    format: &str,
    options: &[(String, String)],
    limit: usize,
    context: &SourceContext,
    resources: &Resources,
) -> Result<Inferred, EngineError> {
    match format {
        "socket" | "stdin" => {
            let lines = sample(format, options, limit, context, resources)?;
            let given = option(options, "format").map(str::to_lowercase);
            let others: Vec<(String, String)> = options.iter().filter(|(key, _)| is_readers(key)).cloned().collect();
            infer_lines(&lines, given.as_deref(), &others, format == "stdin")
        }
        "text" => {
            let place = files::read_place(&Declared::new(format, options), format, context.zone);
            let lines = files::first_lines(&mut place?, limit)?;
            infer_lines(&lines, None, &[], true)
        }
        "json" | "csv" | "parquet" => {
            let mut all = options.to_vec();
            if format == "csv" && option(options, "inferSchema").is_none() {
                all.push(("inferSchema".to_string(), "true".to_string()));
            }
            let columns = infer::columns(format, &all, None)?;
            Ok(Inferred { columns, format: format.to_string(), options: Vec::new(), lines: None, misfits: 0 })
        }
        other => Err(EngineError::user(format!("{other} has columns of its own: there is nothing to infer"))),
    }
}

fn option<'a>(options: &'a [(String, String)], name: &str) -> Option<&'a str> {
    options.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Whether an option is one of the reader of records, and not of the connection.
pub fn is_readers(key: &str) -> bool {
    !["format", "host", "port", "mode", "reconnect", "maxLineBytes", "wal", "includeTimestamp", "path"]
        .iter()
        .any(|own| key.eq_ignore_ascii_case(own))
}

/// Lines as they come.
fn sample(
    format: &str,
    options: &[(String, String)],
    limit: usize,
    context: &SourceContext,
    resources: &Resources,
) -> Result<Vec<String>, EngineError> {
    let mode = option(options, "mode").filter(|m| m.eq_ignore_ascii_case("listen") || m.eq_ignore_ascii_case("connect"));
    let plain = options.iter().filter(|(key, _)| {
        let connection = !is_readers(key) && !key.eq_ignore_ascii_case("format") && !key.eq_ignore_ascii_case("includeTimestamp");
        connection && (mode.is_some() || !key.eq_ignore_ascii_case("mode"))
    });
    let scan = Scan {
        name: context.query.clone(),
        format: format.to_string(),
        options: plain.cloned().collect(),
        declared: vec![Field::new("value", DataType::String)],
        columns: vec![Column { id: ColumnId(0), name: "value".to_string(), data_type: DataType::String }],
        streaming: true,
    };
    let now = || Duration::from_nanos(context.clock.ticks());
    let mut until = now() + FIRST;
    if format == "stdin" {
        let mut any = false;
        let lines = stdin::peek(limit, context, resources, |there| {
            if there > 0 && !std::mem::replace(&mut any, true) {
                until = now() + MORE;
            }
            until.saturating_sub(now())
        })?;
        return if lines.is_empty() { Err(silent("standard input")) } else { Ok(lines) };
    }
    let mut source = open(&scan, context, resources)?;
    let mut lines: Vec<String> = Vec::new();
    loop {
        if let Some(to) = source.latest(None)? {
            let before = lines.len();
            lines.clear();
            for task in source.read(None, &to)? {
                let frame = task()?;
                let column = frame.columns()[0].str().map_err(EngineError::from)?;
                lines.extend(column.iter().flatten().take(limit - lines.len().min(limit)).map(str::to_string));
            }
            if before == 0 && !lines.is_empty() {
                until = now() + MORE;
            }
        }
        let left = until.saturating_sub(now());
        if lines.len() >= limit || source.ended() || left.is_zero() {
            break;
        }
        context.wake.wait(left.min(Duration::from_millis(100)));
    }
    if lines.is_empty() {
        return Err(silent(&source.status().description));
    }
    Ok(lines)
}

fn silent(source: &str) -> EngineError {
    EngineError::external(format!("no line came from {source}: it was given {} seconds", FIRST.as_secs()))
        .help("send some lines and try again")
}

/// The columns that lines have, by the format given or else by the one that they look like.
fn infer_lines(lines: &[String], format: Option<&str>, others: &[(String, String)], has_first: bool) -> Result<Inferred, EngineError> {
    let lines: Vec<&str> = lines.iter().map(|l| l.trim_start_matches('\u{feff}')).filter(|l| !l.trim().is_empty()).collect();
    let found = match format {
        Some("json") => json(&lines, others)?,
        Some("csv") => csv(&lines, others, option(others, "header").is_some_and(|h| h.eq_ignore_ascii_case("true")))?,
        // Most lines have to be objects: a few that are none are told of.
        None | Some("text") => match json(&lines, others)? {
            Some(found) if found.misfits * 10 <= lines.len() => Some(found),
            _ => separated(&lines, has_first)?,
        },
        Some(other) => return Err(EngineError::user(format!("there is no format {other} for lines"))),
    };
    let plain = Inferred {
        columns: vec![Field::new("value", DataType::String)],
        format: "text".to_string(),
        options: Vec::new(),
        lines: Some(lines.len()),
        misfits: 0,
    };
    Ok(found.unwrap_or(plain))
}

fn json(lines: &[&str], others: &[(String, String)]) -> Result<Option<Inferred>, EngineError> {
    let options = JsonOptions::read(&Declared::new("json", others), chrono_tz::Tz::UTC)?;
    let corrupt = options.corrupt_column.clone();
    let objects: Vec<&&str> = lines.iter().filter(|line| JsonSchema::is_object(line, &options)).collect();
    let mut schema = JsonSchema::new(options);
    objects.iter().try_for_each(|line| schema.add(line))?;
    let mut columns = schema.finish()?;
    columns.retain(|f| f.name != corrupt);
    // Times are told from other texts here: the statement is for people to look over.
    for field in columns.iter_mut().filter(|f| f.data_type == DataType::String) {
        if let Some(times) = times_of(&objects, &field.name)? {
            field.data_type = times;
        }
    }
    let misfits = lines.len() - objects.len();
    let found = Inferred { columns, format: "json".to_string(), options: others.to_vec(), lines: Some(lines.len()), misfits };
    Ok((!found.columns.is_empty()).then_some(found))
}

/// TIMESTAMP where all texts of a field are times.
fn times_of(objects: &[&&str], name: &str) -> Result<Option<DataType>, EngineError> {
    let pairs = [("inferTimestamp".to_string(), "true".to_string())];
    let options = JsonOptions::read(&Declared::new("json", &pairs), chrono_tz::Tz::UTC)?;
    let mut schema = JsonSchema::new(options);
    objects.iter().try_for_each(|line| schema.add(line))?;
    let field = schema.finish()?.into_iter().find(|f| f.name == name);
    Ok(field.map(|f| f.data_type).filter(|t| *t == DataType::Timestamp))
}

/// Lines that one separator cuts into the same number of fields each.
fn separated(lines: &[&str], has_first: bool) -> Result<Option<Inferred>, EngineError> {
    let mut best: Option<(usize, Vec<(String, String)>)> = None;
    for separator in SEPARATORS {
        let pairs = vec![("sep".to_string(), separator.to_string())];
        let options = CsvOptions::read(&Declared::new("csv", &pairs), chrono_tz::Tz::UTC)?;
        let mut counts = lines.iter().map(|line| options.count_fields(line));
        let first = counts.next().unwrap_or(0);
        if first > 1 && counts.all(|n| n == first) && best.as_ref().is_none_or(|(most, _)| first > *most) {
            best = Some((first, if separator == "," { Vec::new() } else { pairs }));
        }
    }
    let Some((_, pairs)) = best else { return Ok(None) };
    let plain = csv(lines, &pairs, false)?;
    if !has_first || lines.len() < 2 {
        return Ok(plain);
    }
    // A first line of names turns columns of numbers or times into columns of text.
    let headed = csv(lines, &pairs, true)?;
    let typed = |found: &Option<Inferred>| found.iter().flat_map(|i| &i.columns).filter(|f| f.data_type != DataType::String).count();
    Ok(if typed(&headed) > typed(&plain) && typed(&plain) == 0 { headed } else { plain })
}

fn csv(lines: &[&str], others: &[(String, String)], header: bool) -> Result<Option<Inferred>, EngineError> {
    let mut pairs: Vec<(String, String)> = others.iter().filter(|(key, _)| !key.eq_ignore_ascii_case("header")).cloned().collect();
    if header {
        pairs.push(("header".to_string(), "true".to_string()));
    }
    let options = CsvOptions::read(&Declared::new("csv", &pairs), chrono_tz::Tz::UTC)?;
    let Some(first) = lines.first() else { return Ok(None) };
    let mut schema = CsvSchema::new(options.clone(), first);
    lines.iter().skip(usize::from(header)).for_each(|line| schema.add(line));
    let columns = schema.finish();
    let misfits = lines.iter().filter(|line| options.count_fields(line) != columns.len()).count();
    Ok(Some(Inferred { columns, format: "csv".to_string(), options: pairs, lines: Some(lines.len()), misfits }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn infer(lines: &[&str]) -> (String, String, Vec<(String, String)>) {
        let lines: Vec<String> = lines.iter().map(|l| l.to_string()).collect();
        let found = infer_lines(&lines, None, &[], true).unwrap();
        let columns: Vec<String> = found.columns.iter().map(|f| format!("{} {}", f.name, f.data_type.sql())).collect();
        (found.format, columns.join(", "), found.options)
    }

    #[test]
    fn lines_look_like_something() {
        let none = Vec::new();
        let pair = |k: &str, v: &str| vec![(k.to_string(), v.to_string())];
        assert_eq!(
            infer(&[r#"{"id":1,"at":"2024-01-02T03:04:05Z"}"#, r#"{"id":2,"ok":true}"#]),
            ("json".into(), "at TIMESTAMP, id BIGINT, ok BOOLEAN".into(), none.clone())
        );
        assert_eq!(infer(&["1,a", "2,b"]), ("csv".into(), "_c0 INT, _c1 STRING".into(), none.clone()));
        assert_eq!(infer(&["id;n", "1;2.5"]).1, "id INT, n DOUBLE");
        assert_eq!(infer(&["1\ta", "2\tb"]).2, pair("sep", "\t"));
        assert_eq!(infer(&["hello world", "and more"]), ("text".into(), "value STRING".into(), none));
    }
}
