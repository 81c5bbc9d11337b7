//! One JSON object a batch, on one line:
//! `{"statement":2,"query":"q","batchId":0,"watermark":null,"rows":[{…}],"stateRows":3,"droppedByWatermark":0}`.

use super::Origin;
use crate::engine::Frame;
use crate::engine::render_json;
use crate::engine::sink::SinkBatch;
use crate::plan::logical::Column;
use std::fmt::Write as _;

/// A batch of a streaming query.
pub(super) fn write_batch(out: &mut String, origin: &Origin, batch: &SinkBatch<'_>) {
    start(out, origin, Some(batch.id), batch.watermark);
    out.push('[');
    render_json::write_rows(out, batch.columns, batch.frame, batch.zone);
    let _ = writeln!(out, "],\"stateRows\":{},\"droppedByWatermark\":{}}}", batch.state_rows, batch.dropped_by_watermark);
}

/// The rows of a bounded query, SHOW, DESCRIBE.
pub(super) fn write_rows(out: &mut String, origin: &Origin, columns: &[Column], frame: &Frame, zone: chrono_tz::Tz) {
    start(out, origin, None, None);
    out.push('[');
    render_json::write_rows(out, columns, frame, zone);
    out.push_str("],\"stateRows\":0,\"droppedByWatermark\":0}\n");
}

/// Text as the one row of a column.
pub(super) fn write_text(out: &mut String, origin: &Origin, column: &str, text: &str) {
    start(out, origin, None, None);
    out.push_str("[{");
    string(out, column);
    out.push(':');
    string(out, text);
    out.push_str("}],\"stateRows\":0,\"droppedByWatermark\":0}\n");
}

/// The line of a statement that failed.
pub(super) fn write_failure(out: &mut String, statement: u64, message: &str) {
    let _ = write!(out, "{{\"statement\":{statement},\"error\":");
    string(out, message);
    out.push_str("}\n");
}

fn start(out: &mut String, origin: &Origin, batch: Option<u64>, watermark: Option<i64>) {
    let _ = write!(out, "{{\"statement\":{},\"query\":", origin.statement);
    match &origin.query {
        Some(name) => string(out, name),
        None => out.push_str("null"),
    }
    match batch {
        Some(id) => {
            let _ = write!(out, ",\"batchId\":{id}");
        }
        None => out.push_str(",\"batchId\":null"),
    }
    match watermark {
        Some(micros) => {
            let _ = write!(out, ",\"watermark\":\"{}\"", instant(micros));
        }
        None => out.push_str(",\"watermark\":null"),
    }
    out.push_str(",\"rows\":");
}

/// An instant as Spark's progress writes it, to the millisecond: `2024-01-01T00:00:21.000Z`.
pub(super) fn instant(micros: i64) -> String {
    match chrono::DateTime::from_timestamp_micros(micros) {
        Some(time) => time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        None => format!("{micros} µs"),
    }
}

/// A JSON string; control characters and those a terminal acts on as `\u001b`.
fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_json_line() {
        let mut out = String::new();
        write_failure(&mut out, 3, "[PARSE_SYNTAX_ERROR] near \"x\"\n\u{1b}");
        assert_eq!(out, "{\"statement\":3,\"error\":\"[PARSE_SYNTAX_ERROR] near \\\"x\\\"\\n\\u001b\"}\n");
    }

    #[test]
    fn instants_have_three_digits_of_fraction() {
        assert_eq!(instant(1_704_067_221_000_000), "2024-01-01T00:00:21.000Z");
        assert_eq!(instant(0), "1970-01-01T00:00:00.000Z");
    }
}
