//! INFER SCHEMA FROM: the CREATE statement for what a stream or a table really holds.

use super::{Answer, Outcome, Session};
use crate::catalog::{Relation, SourceDef};
use crate::diagnostic::Diagnostic;
use crate::engine::source::live::{Inferred, infer_schema, is_readers};
use crate::lang::ast::Ident;
use crate::types::quote_if_needed;

/// Lines that are looked at without LIMIT.
const LINES: u64 = 1000;

impl Session {
    pub(super) fn infer_schema(&mut self, name: &Ident, limit: Option<u64>) -> Result<Outcome, Diagnostic> {
        let source = match self.catalog.relation(&name.name) {
            Some(Relation::Source(source)) => source.clone(),
            Some(_) => {
                return Err(Diagnostic::error(format!(
                    "the columns of `{}` are known: DESCRIBE {}",
                    name.name,
                    quote_if_needed(&name.name)
                ))
                .at(name.span));
            }
            None => return Err(self.not_found(name)),
        };
        let context = self.looking_at(&source);
        let limit = usize::try_from(limit.unwrap_or(LINES)).unwrap_or(usize::MAX).max(1);
        let found = infer_schema(&source.format, &source.options, limit, &context, &self.resources)
            .map_err(|e| Diagnostic::from(e).at(name.span))?;
        let text = statement(&source, &found);
        let mut notes = Vec::new();
        if let Some(lines) = found.lines {
            let misfits = if found.misfits > 0 { format!(", {} of them do not fit", found.misfits) } else { String::new() };
            notes.push(format!("{} · {lines} {} looked at{misfits}", source.name, if lines == 1 { "line" } else { "lines" }));
        }
        Ok(Outcome { notes, ..Outcome::of(Answer::Text { column: "createStatement", text }) })
    }
}

/// The statement to paste.
fn statement(source: &SourceDef, found: &Inferred) -> String {
    let lines = ["socket", "stdin"].contains(&source.format.as_str());
    let plain = found.format == "text";
    let kind = if source.streaming { "STREAM" } else { "TABLE" };
    let mut out = format!("CREATE OR REPLACE {kind} {}", quote_if_needed(&source.name));
    // Plain lines of a socket or of standard input have a column of their own.
    if !(lines && plain) {
        let columns: Vec<String> = found.columns.iter().map(|f| format!("  {} {}", quote_if_needed(&f.name), f.data_type.sql())).collect();
        out.push_str(&format!(" (\n{}\n)", columns.join(",\n")));
    }
    let format = if lines || source.format == "parquet" { &source.format } else { &found.format };
    out.push_str(&format!(" USING {format}"));
    let mut options: Vec<(String, String)> =
        source.options.iter().filter(|(key, _)| !lines || (!is_readers(key) && !key.eq_ignore_ascii_case("format"))).cloned().collect();
    if lines && !plain {
        options.push(("format".to_string(), found.format.clone()));
        options.retain(|(key, _)| !key.eq_ignore_ascii_case("includeTimestamp"));
    }
    for (key, value) in &found.options {
        if !options.iter().any(|(known, _)| known.eq_ignore_ascii_case(key)) {
            options.push((key.clone(), value.clone()));
        }
    }
    options.retain(|(key, _)| lines || !key.eq_ignore_ascii_case("inferSchema"));
    if !options.is_empty() {
        let list: Vec<String> = options.iter().map(|(key, value)| format!("{} {}", key_text(key), quoted(value))).collect();
        out.push_str(&format!(" OPTIONS ({})", list.join(", ")));
    }
    out.push(';');
    out
}

fn key_text(key: &str) -> String {
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if key.split('.').all(plain) { key.to_string() } else { quoted(key) }
}

fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('\'', "\\'").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r");
    format!("'{text}'")
}
