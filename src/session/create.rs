//! CREATE and DROP of streams, tables and views.

use super::{Outcome, Session, Surface, suggest};
use crate::catalog::{MemoryDef, Relation, SourceDef, ViewDef};
use crate::diagnostic::{Diagnostic, Span};
use crate::engine::source::{SourceContext, check, declared_schema, socket};
use crate::engine::{EngineError, MemoryTable};
use crate::lang::ast::{self, ColumnDef, CreateSource, Ident, OptionDef, RelationKind};
use crate::plan::expr::ColumnId;
use crate::plan::logical::{Column, Scan};
use crate::progress::Connection;
use crate::types::{Field, quote_if_needed};
use std::sync::Arc;
use std::time::Duration;

/// How long CREATE STREAM at the prompt waits to say whether a socket's peer is there.
const PATIENCE: Duration = Duration::from_millis(200);

/// Formats that have no end by themselves: streams only.
const LIVE_FORMATS: &[&str] = &["socket", "rate", "rate-micro-batch", "kafka", "exec", "tape"];

impl Session {
    pub(super) fn create_source(&mut self, create: CreateSource) -> Result<Outcome, Diagnostic> {
        let CreateSource { kind, or_replace, if_not_exists, name, columns, format, options } = create;
        if let Some(outcome) = self.name_is_free(&name, kind, or_replace, if_not_exists)? {
            return Ok(outcome);
        }
        let streaming = kind == RelationKind::Stream;
        let lower = format.name.to_lowercase();
        if !streaming && LIVE_FORMATS.contains(&lower.as_str()) {
            return Err(Diagnostic::error(format!("a table is bounded, and `{lower}` has no end"))
                .at(format.span)
                .label(format!("CREATE STREAM {} USING {lower}", quote_if_needed(&name.name))));
        }
        if lower == "stdin" && !self.options.stdin_is_data {
            return Err(Diagnostic::error("standard input is where the statements come from here")
                .at(format.span)
                .note("do: give the script as a file or with -c, then standard input is data: nc host 9999 | eddy run FILE"));
        }
        let declared = columns.map(distinct_columns).transpose()?;
        let inferred = declared.is_none();
        let pairs: Vec<(String, String)> = options.iter().map(|o| (o.key.clone(), o.value.clone())).collect();
        let columns = declared_schema(&lower, &pairs, declared).map_err(|e| place(e, &format, &options))?;
        let source = SourceDef { name: name.name, streaming, format: lower, options: pairs, columns };
        self.check_options(&source).map_err(|e| place(e, &format, &options))?;
        let mut note = describe_new(&source, inferred);
        self.watched.remove(&source.name.to_lowercase());
        if streaming && source.format == "socket" && self.options.surface == Surface::Prompt {
            note.push_str(&self.watch(&source)?);
        }
        self.catalog.put(Relation::Source(source));
        Ok(Outcome::note(note))
    }

    /// Options are read as they will be when a query starts.
    fn check_options(&self, source: &SourceDef) -> Result<(), EngineError> {
        let columns: Vec<Column> = (0..)
            .zip(&source.columns)
            .map(|(id, f)| Column { id: ColumnId(id), name: f.name.clone(), data_type: f.data_type.clone() })
            .collect();
        let scan = Scan {
            name: source.name.clone(),
            format: source.format.clone(),
            options: source.options.clone(),
            declared: source.columns.clone(),
            columns,
            streaming: source.streaming,
        };
        let context = self.looking_at(source);
        check(&scan, &context, &self.resources)
    }

    /// Around a source that is looked at before any query reads it.
    pub(super) fn looking_at(&self, source: &SourceDef) -> SourceContext {
        SourceContext {
            wake: Arc::default(),
            clock: self.options.clock.clone(),
            zone: self.settings.zone(),
            bad: Arc::default(),
            query: source.name.clone(),
            folder: None,
        }
    }

    /// Connects a socket stream right away, so that the prompt can say whether anybody is there; lines wait with the
    /// sender until the first query.
    fn watch(&mut self, source: &SourceDef) -> Result<String, Diagnostic> {
        let receiver = socket::watch(&source.name, &source.options, self.options.clock.clone(), &self.resources)?;
        let state = connection_text(&receiver.settled(PATIENCE));
        self.watched.insert(source.name.to_lowercase(), receiver);
        Ok(format!(" · {state}"))
    }

    pub(super) fn create_table_as(
        &mut self,
        or_replace: bool,
        if_not_exists: bool,
        name: &Ident,
        query: &ast::Query,
    ) -> Result<Outcome, Diagnostic> {
        if let Some(outcome) = self.name_is_free(name, RelationKind::Table, or_replace, if_not_exists)? {
            return Ok(outcome);
        }
        self.not_being_filled(name)?;
        let crate::plan::Analyzed { plan, places, warnings, .. } = self.analyze_both(query)?;
        if plan.is_streaming() {
            return Err(Diagnostic::error("a table is bounded, and this query reads a stream")
                .at(query.span)
                .note(format!("instead: START {} AS … INTO memory keeps a stream's result as a table", quote_if_needed(&name.name))));
        }
        let bounded = self.bounded(plan, places);
        let frame = bounded.run()?;
        let rows = frame.rows();
        let columns = bounded.columns().to_vec();
        let fields: Vec<Field> = columns.iter().map(|c| Field::new(c.name.clone(), c.data_type.clone())).collect();
        if let Some(twice) = repeated(fields.iter().map(|f| f.name.as_str())) {
            return Err(column_twice(&twice, query.span).note("do: give one of them another name with AS"));
        }
        self.resources.put_table(&name.name, MemoryTable { columns, frames: vec![frame] });
        let note = format!("{} {} · {rows} {}", name.name, schema_text(&fields), if rows == 1 { "row" } else { "rows" });
        self.catalog.put(Relation::Memory(MemoryDef { name: name.name.clone(), columns: fields }));
        Ok(Outcome { warnings, ..Outcome::note(note) })
    }

    pub(super) fn create_view(&mut self, or_replace: bool, name: &Ident, query: ast::Query) -> Result<Outcome, Diagnostic> {
        self.name_is_free(name, RelationKind::View, or_replace, false)?;
        let (plan, warnings) = self.analyze(&query)?;
        self.not_recursive(name, &query)?;
        let fields: Vec<Field> = plan.columns().into_iter().map(|c| Field::new(c.name, c.data_type)).collect();
        if let Some(twice) = repeated(fields.iter().map(|f| f.name.as_str())) {
            return Err(column_twice(&twice, query.span).note("do: give one of them another name with AS"));
        }
        let note = format!("{} {} · view", name.name, schema_text(&fields));
        self.catalog.put(Relation::View(Box::new(ViewDef { name: name.name.clone(), query })));
        Ok(Outcome { warnings, ..Outcome::note(note) })
    }

    pub(super) fn drop_relation(&mut self, kind: RelationKind, if_exists: bool, name: &Ident) -> Result<Outcome, Diagnostic> {
        let Some(relation) = self.catalog.relation(&name.name) else {
            if if_exists {
                return Ok(Outcome::note(format!("{} · was not there", name.name)));
            }
            return Err(self.not_found(name));
        };
        // Spark lets DROP TABLE take a view; everything else has to be called what it is.
        let fits = relation.kind() == kind || (kind == RelationKind::Table && relation.kind() == RelationKind::View);
        if !fits {
            let (is, word) = (kind_name(relation.kind()), kind_name(relation.kind()).to_uppercase());
            return Err(Diagnostic::error(format!("`{}` is a {is}", relation.name()))
                .condition("WRONG_COMMAND_FOR_OBJECT_TYPE")
                .at(name.span)
                .label(format!("DROP {word} {}", quote_if_needed(relation.name()))));
        }
        self.not_being_filled(name)?;
        self.watched.remove(&name.name.to_lowercase());
        if let Some(Relation::Memory(_)) = self.catalog.remove(&name.name) {
            self.resources.remove_table(&name.name);
        }
        Ok(Outcome::note(format!("{} · dropped", name.name)))
    }

    /// The error for a name that stands for nothing.
    pub(super) fn not_found(&self, name: &Ident) -> Diagnostic {
        let names: Vec<String> = self.catalog.relations().map(|r| r.name().to_string()).collect();
        let error = Diagnostic::error(format!("there is no stream, table or view `{}`", name.name))
            .condition("TABLE_OR_VIEW_NOT_FOUND")
            .at(name.span);
        suggest(error, &name.name, &names, "stream, table or view")
    }

    /// Nothing when the name may be taken; an outcome when it stays as it is.
    fn name_is_free(&self, name: &Ident, kind: RelationKind, or_replace: bool, if_not_exists: bool) -> Result<Option<Outcome>, Diagnostic> {
        let Some(there) = self.catalog.relation(&name.name) else { return Ok(None) };
        if if_not_exists {
            return Ok(Some(Outcome::note(format!("{} · is there already, left as it is", there.name()))));
        }
        if or_replace && there.kind() == kind {
            return Ok(None);
        }
        let condition = if kind == RelationKind::View { "TEMP_TABLE_OR_VIEW_ALREADY_EXISTS" } else { "TABLE_OR_VIEW_ALREADY_EXISTS" };
        let help = if there.kind() == kind {
            "CREATE OR REPLACE takes its place".to_string()
        } else {
            format!("DROP {} {} first", kind_name(there.kind()).to_uppercase(), quote_if_needed(there.name()))
        };
        let message = format!("there is a {} `{}` already", kind_name(there.kind()), there.name());
        Err(Diagnostic::error(message).condition(condition).at(name.span).label(help))
    }

    /// Refuses to touch the table that a running query's memory sink fills.
    fn not_being_filled(&self, name: &Ident) -> Result<(), Diagnostic> {
        let filled = self.queries.get(&name.name).is_some_and(|e| !super::is_over(&e) && e.sink == "memory");
        if !filled {
            return Ok(());
        }
        Err(Diagnostic::error(format!("the running query `{}` fills this table", name.name))
            .at(name.span)
            .label(format!("STOP {} first", quote_if_needed(&name.name))))
    }

    /// Refuses a view that would read itself: without its name the query must mean the same.
    fn not_recursive(&mut self, name: &Ident, query: &ast::Query) -> Result<(), Diagnostic> {
        let Some(old) = self.catalog.remove(&name.name) else { return Ok(()) };
        let without = self.analyze(query);
        self.catalog.put(old);
        match without {
            Ok(_) => Ok(()),
            Err(_) => {
                Err(Diagnostic::error(format!("the view `{}` would read itself", name.name)).condition("RECURSIVE_VIEW").at(query.span))
            }
        }
    }
}

/// The declared columns, each name once.
fn distinct_columns(columns: Vec<ColumnDef>) -> Result<Vec<Field>, Diagnostic> {
    if let Some(twice) = repeated(columns.iter().map(|c| c.name.name.as_str())) {
        let span = columns.iter().rev().find(|c| c.name.name.eq_ignore_ascii_case(&twice)).map_or(Span::default(), |c| c.name.span);
        return Err(column_twice(&twice, span));
    }
    Ok(columns.into_iter().map(|c| Field::new(c.name.name, c.data_type)).collect())
}

fn column_twice(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error(format!("the column `{name}` stands twice")).condition("COLUMN_ALREADY_EXISTS").at(span)
}

/// The first name that an earlier one equals, case apart.
fn repeated<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut seen = std::collections::HashSet::new();
    names.into_iter().find(|n| !seen.insert(n.to_lowercase())).map(str::to_string)
}

/// An engine's refusal with the option or the format it speaks of.
pub(super) fn place(error: EngineError, format: &Ident, options: &[OptionDef]) -> Diagnostic {
    let message = error.failure().message.to_lowercase();
    let words: Vec<&str> = message.split(|c: char| !(c.is_alphanumeric() || c == '.' || c == '_')).collect();
    let spoken_of = options.iter().find(|o| words.contains(&o.key.to_lowercase().as_str()));
    let span = spoken_of.map_or(format.span, |o| o.span);
    Diagnostic::from(error).at(span)
}

/// `lines (value STRING) · socket localhost:9999`
fn describe_new(source: &SourceDef, inferred: bool) -> String {
    let option = |key: &str| source.options.iter().find(|(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, v)| v.as_str());
    let mut line = format!("{} {} · {}", source.name, schema_text(&source.columns), source.format);
    match (source.format.as_str(), option("host"), option("port"), option("path")) {
        ("socket", Some(host), Some(port), _) => line.push_str(&format!(" {host}:{port}")),
        (_, _, _, Some(path)) => line.push_str(&format!(" {path}")),
        _ => {}
    }
    if inferred && ["json", "csv", "parquet"].contains(&source.format.as_str()) {
        line.push_str(" · schema inferred");
    }
    line
}

/// Whether a source can be read, in words.
pub(super) fn connection_text(connection: &Connection) -> String {
    match connection {
        Connection::Ready => "ready".to_string(),
        Connection::Connected => "connected".to_string(),
        Connection::Listening(address) => format!("listening on {address}"),
        Connection::Refused(_) => "nobody listens there yet; it keeps trying".to_string(),
        Connection::PeerClosed => "the peer closed; it keeps trying".to_string(),
        Connection::Connecting(_) => "connecting".to_string(),
        Connection::Ended => "ended".to_string(),
    }
}

/// `(word STRING, n BIGINT)`
pub(super) fn schema_text(fields: &[Field]) -> String {
    let columns: Vec<String> = fields.iter().map(|f| format!("{} {}", quote_if_needed(&f.name), f.data_type.sql())).collect();
    format!("({})", columns.join(", "))
}

/// `stream`, `table` or `view`.
pub(super) fn kind_name(kind: RelationKind) -> &'static str {
    match kind {
        RelationKind::Stream => "stream",
        RelationKind::Table => "table",
        RelationKind::View => "view",
    }
}
