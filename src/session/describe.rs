//! DESCRIBE and EXPLAIN.

use super::create::{connection_text, kind_name};
use super::rows::text;
use super::show::{options_text, state_name, state_rows, table};
use super::start::{mode_of, trigger_text};
use super::{Answer, Entry, Outcome, Session};
use crate::catalog::{FunctionDef, Relation};
use crate::diagnostic::{Diagnostic, nearest};
use crate::lang::ast::{Describe, FunctionBody, Ident, StreamingQuery};
use crate::plan;
use crate::plan::functions::{self, Function, Kind};
use crate::plan::streaming;
use crate::progress::guarantee::Guarantee;
use crate::types::{DataType, Field, Value};

const S: DataType = DataType::String;

impl Session {
    pub(super) fn describe(&mut self, what: Describe) -> Result<Outcome, Diagnostic> {
        match what {
            Describe::Relation(name) => self.describe_relation(&name),
            Describe::Query(name) => Ok(describe_query(&self.started(&name)?)),
            Describe::Function { name, extended } => match self.catalog.function(&name.name) {
                Some(function) => Ok(describe_own(function, extended)),
                None => describe_function(&name, extended),
            },
        }
    }

    fn describe_relation(&self, name: &Ident) -> Result<Outcome, Diagnostic> {
        let Some(relation) = self.catalog.relation(&name.name) else { return Err(self.not_found(name)) };
        let (fields, about): (Vec<Field>, String) = match relation {
            Relation::Source(s) => {
                (s.columns.clone(), format!("{} {} · {}", kind_name(relation.kind()), s.format, options_text(&s.options)))
            }
            Relation::Memory(m) => (m.columns.clone(), "table in memory".to_string()),
            Relation::View(v) => {
                let (plan, _) = self.analyze(&v.query)?;
                (plan.columns().into_iter().map(|c| Field::new(c.name, c.data_type)).collect(), format!("view · {}", v.query))
            }
        };
        let rows = fields.into_iter().map(|f| vec![text(f.name), text(f.data_type.to_string()), Value::Null]).collect();
        let outcome = table(&["col_name", "data_type", "comment"], &[&S, &S, &S], rows);
        Ok(Outcome { notes: vec![format!("{} · {about}", relation.name())], ..outcome })
    }

    /// The plan that would run; it is analyzed but not started, and no source is opened.
    pub(super) fn explain(&mut self, extended: bool, query: &StreamingQuery) -> Result<Outcome, Diagnostic> {
        let whole = self.analyze_both(&query.query)?;
        let plan::Analyzed { analyzed, plan, .. } = &whole;
        let mut out = plan.to_string();
        let guarantee = plan.is_streaming().then(|| self.guarantee_of(query, &whole)).flatten();
        if extended {
            out = format!("as analyzed:\n{analyzed}\nas it runs:\n{plan}");
            out.push_str(&format!("\nquery: {}\n", query.query));
            let columns: Vec<String> = plan.columns().iter().map(|c| format!("{} {}", c.name, c.data_type.sql())).collect();
            out.push_str(&format!("columns: {}\n", columns.join(", ")));
            if plan.is_streaming() {
                out.push_str(&format!("output mode when none is given: {}\n", streaming::default_mode(&whole).name()));
            } else {
                out.push_str("bounded: it runs once\n");
            }
        }
        if let Some(guarantee) = guarantee {
            out.push_str(&format!("{}guarantee: {guarantee}\n", if out.ends_with('\n') { "" } else { "\n" }));
        }
        Ok(Outcome { warnings: whole.warnings, ..Outcome::of(Answer::Text { column: "plan", text: out }) })
    }
}

impl Session {
    /// What a restart would mean for the query; `None` when it could not start.
    fn guarantee_of(&self, query: &StreamingQuery, analyzed: &plan::Analyzed) -> Option<Guarantee> {
        let (mode, _) = mode_of(analyzed, query.output_mode.as_ref(), &query.query).ok()?;
        let sink = query.sink.as_ref().map_or("screen".to_string(), |s| s.format.name.to_lowercase());
        Some(self.guarantee(&analyzed.plan, mode, &sink, self.has_checkpoint(query)))
    }
}

fn describe_query(entry: &Entry) -> Outcome {
    let snapshot = entry.handle.snapshot();
    let mut rows: Vec<Vec<Value>> = Vec::new();
    let mut add = |key: &str, value: String| rows.push(vec![text(key), text(value)]);
    add("name", entry.name.clone().unwrap_or_default());
    add("id", snapshot.id.clone());
    add("state", state_name(&snapshot.state).to_string());
    add("why", snapshot.why.sentence.clone());
    add("mode", snapshot.mode.name().to_string());
    add("trigger", trigger_text(snapshot.trigger));
    add("sink", entry.sink.clone());
    add("guarantee", format!("{}: {}", snapshot.guarantee, snapshot.guarantee_reason));
    for source in &snapshot.sources {
        if let Some(bytes) = source.wal_bytes {
            add("write-ahead log", format!("{} · {bytes} bytes on disk · {} rows replayed", source.stream, source.replayed_rows));
        }
        add(
            "source",
            format!(
                "{} · {} · {} · {} rows received",
                source.stream,
                source.description,
                connection_text(&source.connection),
                source.received_rows
            ),
        );
    }
    if let Some(last) = snapshot.progress.back() {
        add("batches", (last.batch_id + 1).to_string());
        add("rows of the last batch", format!("{} in, {} out", last.num_input_rows, last.sink.num_output_rows));
        add("time of the last batch", format!("{:.3} ms", last.duration_ms.trigger_execution));
        add("rows of state", state_rows(&snapshot).to_string());
    }
    add("plan", snapshot.plan.to_string());
    table(&["key", "value"], &[&S, &S], rows)
}

fn describe_own(function: &FunctionDef, extended: bool) -> Outcome {
    let mut lines = vec![format!("Function: {}", function.name), format!("Usage: {}", super::function::signature(function))];
    lines.extend(function.comment.iter().map(|c| format!("Comment: {c}")));
    if extended {
        lines.push("Gives: what its body gives, of this session".to_string());
        lines.push(match &function.body {
            FunctionBody::Value(body) => format!("Body: {body}"),
            FunctionBody::Rows(body) => format!("Body: {body}"),
        });
    }
    table(&["function_desc"], &[&S], lines.into_iter().map(|l| vec![text(l)]).collect())
}

fn describe_function(name: &Ident, extended: bool) -> Result<Outcome, Diagnostic> {
    let Some(function) = functions::find(&name.name) else {
        let names = functions::all().flat_map(|f| std::iter::once(f.name).chain(f.aliases.iter().copied()));
        let error = Diagnostic::error(format!("there is no function `{}`", name.name)).condition("UNRESOLVED_ROUTINE").at(name.span);
        return Err(match nearest(&name.name, names) {
            Some(near) => error.label(format!("did you mean `{near}`?")),
            None => error.note("see: SHOW FUNCTIONS"),
        });
    };
    let mut lines = vec![format!("Function: {}", function.name), format!("Usage: {} - {}", usage(function), function.doc)];
    if extended {
        let kind = match function.kind {
            Kind::Scalar => "a value from a row",
            Kind::Aggregate => "a value from a group of rows",
            Kind::Generator => "rows from a row",
            Kind::Window => "a value from a row's window (OVER)",
        };
        lines.push(format!("Gives: {kind}"));
        if !function.aliases.is_empty() {
            lines.push(format!("Also called: {}", function.aliases.join(", ")));
        }
        lines.push(format!("Example: {}", function.example));
        lines.push(format!("PySpark: {}", function.pyspark));
    }
    Ok(table(&["function_desc"], &[&S], lines.into_iter().map(|l| vec![text(l)]).collect()))
}

/// `split(str, regex[, limit])`
fn usage(function: &Function) -> String {
    let mut out = format!("{}(", function.name);
    let mut open = 0;
    for (i, param) in function.params.iter().enumerate() {
        if param.optional {
            out.push('[');
            open += 1;
        }
        if i > 0 {
            out.push_str(", ");
        }
        out.push_str(param.name);
    }
    out.push_str(&"]".repeat(open));
    if function.repeats.is_some() {
        out.push_str(", …");
    }
    out.push(')');
    out
}
