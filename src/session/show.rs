//! SHOW and SET without a value: what there is, as rows.

use super::create::schema_text;
use super::rows::{columns_of, count, frame_of, matches, text};
use super::start::trigger_text;
use super::{Answer, Entry, Outcome, Session, settings};
use crate::catalog::{Relation, SourceDef};
use crate::diagnostic::Diagnostic;
use crate::engine::sink::console::Format;
use crate::lang::ast::{RelationKind, ShowKind};
use crate::plan::functions;
use crate::progress::{QuerySnapshot, QueryState};
use crate::types::{DataType, Value};

impl Session {
    pub(super) fn show(&mut self, what: ShowKind, like: Option<&str>) -> Result<Outcome, Diagnostic> {
        Ok(match what {
            ShowKind::Queries => self.show_queries(like),
            ShowKind::Functions => self.show_functions(like),
            ShowKind::Streams => self.show_relations(RelationKind::Stream, like),
            ShowKind::Tables => self.show_relations(RelationKind::Table, like),
            ShowKind::Views => self.show_relations(RelationKind::View, like),
        })
    }

    /// For people a table that fits 80 columns, with two sentences a query beneath: why, and what a restart means. For
    /// programs all of it as columns.
    fn show_queries(&self, like: Option<&str>) -> Outcome {
        let queries = self.queries.named();
        let shown = queries.iter().filter(|e| matches(like, e.name.as_deref().unwrap_or_default()));
        let shown = shown.map(|entry| (entry, entry.handle.snapshot())).collect::<Vec<_>>();
        if self.options.output.format() != Format::Table {
            return all_of_queries(&shown);
        }
        let names = ["name", "state", "mode", "batches", "rows/s", "kept", "guarantee"];
        let rows = shown.iter().map(|(entry, snapshot)| {
            vec![
                text(entry.name.clone().unwrap_or_default()),
                text(state_word(&snapshot.state)),
                text(snapshot.mode.name()),
                count(batches(snapshot)),
                Value::Double(rate(snapshot)),
                count(state_rows(snapshot)),
                text(snapshot.guarantee.clone()),
            ]
        });
        let mut outcome = table(&names, &[&S, &S, &S, &I, &DataType::Double, &I, &S], rows.collect());
        if let Answer::Rows { beneath, .. } = &mut outcome.answer {
            for (entry, snapshot) in &shown {
                let name = entry.name.as_deref().unwrap_or_default();
                beneath.push(format!("{name} · {} · into {} · {}", trigger_text(snapshot.trigger), entry.sink, snapshot.why.sentence));
                beneath.push(format!("{name} · {}: {}", snapshot.guarantee, snapshot.guarantee_reason));
            }
        }
        outcome
    }

    fn show_functions(&self, like: Option<&str>) -> Outcome {
        let mut names: Vec<&str> = functions::all().flat_map(|f| std::iter::once(f.name).chain(f.aliases.iter().copied())).collect();
        names.extend(self.catalog.functions().map(|f| f.name.as_str()));
        names.retain(|n| matches(like, n) && !n.starts_with('$'));
        names.sort_unstable();
        names.dedup();
        table(&["function"], &[&S], names.into_iter().map(|n| vec![text(n)]).collect())
    }

    fn show_relations(&self, kind: RelationKind, like: Option<&str>) -> Outcome {
        let wanted = self.catalog.relations().filter(|r| r.kind() == kind && matches(like, r.name()));
        let rows: Vec<Vec<Value>> = wanted
            .map(|relation| match relation {
                Relation::Source(s) if kind == RelationKind::Stream => {
                    let mut row = vec![text(&s.name), text(&s.format), text(schema_text(&s.columns)), text(options_text(&s.options))];
                    row.push(text(self.restart_text(s)));
                    row
                }
                Relation::Source(s) => vec![text(&s.name), text(&s.format), text(schema_text(&s.columns)), text(options_text(&s.options))],
                Relation::Memory(m) => {
                    let held: usize = self.resources.table(&m.name).map_or(0, |t| t.frames.iter().map(crate::engine::Frame::rows).sum());
                    vec![
                        text(&m.name),
                        text("memory"),
                        text(schema_text(&m.columns)),
                        text(if held == 1 { "1 row".to_string() } else { format!("{held} rows") }),
                    ]
                }
                Relation::View(v) => vec![text(&v.name), text(v.query.to_string())],
            })
            .collect();
        match kind {
            RelationKind::Stream => table(&["name", "format", "columns", "options", "restart"], &[&S, &S, &S, &S, &S], rows),
            RelationKind::View => table(&["name", "query"], &[&S, &S], rows),
            _ => table(&["name", "format", "columns", "options"], &[&S, &S, &S, &S], rows),
        }
    }

    /// What a restart finds of a stream's rows, and what its write-ahead logs hold now.
    fn restart_text(&self, source: &SourceDef) -> String {
        let wal = source.options.iter().any(|(key, value)| key.eq_ignore_ascii_case("wal") && value.trim().eq_ignore_ascii_case("true"));
        match source.format.as_str() {
            "socket" if wal => {
                let snapshots = self.queries.running().into_iter().map(|e| e.handle.snapshot());
                let logs: Vec<u64> = snapshots
                    .filter(|s| !s.state.is_final())
                    .flat_map(|s| s.sources)
                    .filter(|s| s.stream.eq_ignore_ascii_case(&source.name))
                    .filter_map(|s| s.wal_bytes)
                    .collect();
                match logs.len() {
                    0 => "replayed from a write-ahead log".to_string(),
                    n => format!(
                        "replayed from a write-ahead log · {n} {} · {} bytes",
                        if n == 1 { "query" } else { "queries" },
                        logs.iter().sum::<u64>()
                    ),
                }
            }
            "socket" => "lines are gone once read".to_string(),
            "stdin" => "read once".to_string(),
            _ => "read again".to_string(),
        }
    }

    pub(super) fn show_settings(&self) -> Outcome {
        let rows = self.settings.list().into_iter().map(|(key, value, doc)| vec![text(key), text(value), text(doc)]);
        table(&["key", "value", "meaning"], &[&S, &S, &S], rows.collect())
    }

    pub(super) fn show_setting(&self, key: &str) -> Result<Outcome, Diagnostic> {
        let value = self.settings.get(key).ok_or_else(|| settings::unknown(key))?;
        Ok(table(&["key", "value"], &[&S, &S], vec![vec![text(key), text(value)]]))
    }
}

/// Everything there is to say about queries, a row each.
fn all_of_queries(shown: &[(&Entry, QuerySnapshot)]) -> Outcome {
    let names = ["name", "state", "mode", "trigger", "batches", "inputRowsPerSecond", "stateRows", "sink", "guarantee", "why"];
    let types = [&S, &S, &S, &S, &I, &DataType::Double, &I, &S, &S, &S];
    let rows = shown.iter().map(|(entry, snapshot)| {
        vec![
            text(entry.name.clone().unwrap_or_default()),
            text(state_name(&snapshot.state)),
            text(snapshot.mode.name()),
            text(trigger_text(snapshot.trigger)),
            count(batches(snapshot)),
            Value::Double(rate(snapshot)),
            count(state_rows(snapshot)),
            text(entry.sink.clone()),
            text(format!("{}: {}", snapshot.guarantee, snapshot.guarantee_reason)),
            text(snapshot.why.sentence.clone()),
        ]
    });
    table(&names, &types, rows.collect())
}

fn batches(snapshot: &QuerySnapshot) -> u64 {
    snapshot.progress.back().map_or(0, |p| p.batch_id + 1)
}

/// Rows a second of the last batch, to one place after the point.
fn rate(snapshot: &QuerySnapshot) -> f64 {
    snapshot.progress.back().map_or(0.0, |p| (p.input_rows_per_second * 10.0).round() / 10.0)
}

/// One word where room is short.
fn state_word(state: &QueryState) -> &'static str {
    match state {
        QueryState::WaitingForData | QueryState::WaitingForTrigger => "waiting",
        other => state_name(other),
    }
}

const S: DataType = DataType::String;
const I: DataType = DataType::BigInt;

/// Rows as an outcome.
pub(super) fn table(names: &[&str], types: &[&DataType], rows: Vec<Vec<Value>>) -> Outcome {
    let named: Vec<(&str, DataType)> = names.iter().copied().zip(types.iter().map(|t| (*t).clone())).collect();
    let columns = columns_of(&named);
    let frame = frame_of(&columns, &rows);
    Outcome::of(Answer::Rows { columns, frame, beneath: Vec::new() })
}

/// One word for what a query is doing.
pub(super) fn state_name(state: &QueryState) -> &'static str {
    match state {
        QueryState::Starting => "starting",
        QueryState::Running => "running",
        QueryState::WaitingForData => "waiting for data",
        QueryState::WaitingForTrigger => "waiting for trigger",
        QueryState::Paused => "paused",
        QueryState::Stopped => "stopped",
        QueryState::Failed(_) => "failed",
    }
}

/// Rows of state over all operators after the last batch.
pub(super) fn state_rows(snapshot: &QuerySnapshot) -> u64 {
    snapshot.progress.back().map_or(0, |p| p.state_operators.iter().map(|o| o.num_rows_total).sum())
}

/// `path '/data', maxFilesPerTrigger '1'`
pub(super) fn options_text(options: &[(String, String)]) -> String {
    let shown: Vec<String> = options
        .iter()
        .map(|(key, value)| {
            let secret = ["password", "secret", "token", "jaas"].iter().any(|s| key.to_lowercase().contains(s));
            format!("{key} '{}'", if secret { "•••" } else { value })
        })
        .collect();
    shown.join(", ")
}
