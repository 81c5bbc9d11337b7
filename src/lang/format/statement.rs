//! Statements as text.

use super::query::query;
use super::{bracketed, expr, ident, text};
use crate::lang::ast::{
    ColumnDef, ControlAction, CrashAfter, CreateFunction, CreateSource, Describe, FunctionBody, OptionDef, OutputModeDef, RelationKind,
    Returns, ShowKind, SinkDef, Statement, StreamingQuery, Target, TriggerDef,
};
use crate::lang::keywords::quote_name;
use std::fmt::Write;

pub(super) fn statement(out: &mut String, statement: &Statement) {
    match statement {
        Statement::CreateSource(inner) => create_source(out, inner),
        Statement::CreateTableAs { or_replace, if_not_exists, name, query: inner } => {
            created(out, *or_replace, "TABLE ");
            out.push_str(if *if_not_exists { "IF NOT EXISTS " } else { "" });
            ident(out, name);
            out.push_str(" AS ");
            query(out, inner);
        }
        Statement::CreateView { or_replace, temporary, name, query: inner } => {
            created(out, *or_replace, if *temporary { "TEMPORARY VIEW " } else { "VIEW " });
            ident(out, name);
            out.push_str(" AS ");
            query(out, inner);
        }
        Statement::CreateFunction(inner) => create_function(out, inner),
        Statement::DropFunction { if_exists, name } => {
            out.push_str(if *if_exists { "DROP TEMPORARY FUNCTION IF EXISTS " } else { "DROP TEMPORARY FUNCTION " });
            ident(out, name);
        }
        Statement::Drop { kind, if_exists, name } => {
            let _ = write!(out, "DROP {} {}", relation_kind(*kind), if *if_exists { "IF EXISTS " } else { "" });
            ident(out, name);
        }
        Statement::Query(inner) => streaming_query(out, inner),
        Statement::Show { what, like } => show(out, *what, like.as_deref()),
        Statement::Describe(what) => describe(out, what),
        Statement::InferSchema { name, limit } => {
            out.push_str("INFER SCHEMA FROM ");
            ident(out, name);
            if let Some(limit) = limit {
                out.push_str(&format!(" LIMIT {limit}"));
            }
        }
        Statement::Explain { extended, query: inner } => {
            out.push_str(if *extended { "EXPLAIN EXTENDED " } else { "EXPLAIN " });
            streaming_query(out, inner);
        }
        Statement::Control { action, target } => control(out, *action, target),
        Statement::Crash { name, after } => {
            out.push_str("CRASH ");
            ident(out, name);
            out.push_str(match after {
                None => "",
                Some(CrashAfter::Offsets) => " AFTER OFFSETS",
                Some(CrashAfter::Sink) => " AFTER SINK",
                Some(CrashAfter::State) => " AFTER STATE",
            });
        }
        Statement::AlterQuery { name, query: inner } => {
            out.push_str("ALTER QUERY ");
            ident(out, name);
            out.push_str(" AS ");
            query(out, inner);
        }
        Statement::Await { name, timeout } => {
            out.push_str("AWAIT ");
            ident(out, name);
            if let Some(micros) = timeout {
                out.push_str(" TIMEOUT ");
                duration(out, *micros);
            }
        }
        Statement::Set { key, value, .. } => {
            out.push_str("SET");
            if let Some(key) = key {
                out.push(' ');
                dotted(out, key);
            }
            if let Some(value) = value {
                out.push_str(" = ");
                text(out, value);
            }
        }
        Statement::Reset { key, .. } => {
            out.push_str("RESET");
            if let Some(key) = key {
                out.push(' ');
                dotted(out, key);
            }
        }
        Statement::Source { path, .. } => {
            out.push_str("SOURCE ");
            text(out, path);
        }
        Statement::Unavailable { what, .. } => out.push_str(what),
    }
}

fn create_function(out: &mut String, function: &CreateFunction) {
    created(out, function.or_replace, "TEMPORARY FUNCTION ");
    out.push_str(if function.if_not_exists { "IF NOT EXISTS " } else { "" });
    ident(out, &function.name);
    bracketed(out, &function.params, |out, p| {
        ident(out, &p.name);
        let _ = write!(out, " {}", p.data_type.sql());
        if let Some(default) = &p.default {
            out.push_str(" DEFAULT ");
            expr::whole(out, default);
        }
    });
    match &function.returns {
        Returns::Nothing => {}
        Returns::Type(t) => {
            let _ = write!(out, " RETURNS {}", t.sql());
        }
        Returns::Table(columns) => {
            out.push_str(" RETURNS TABLE");
            if let Some(columns) = columns {
                out.push(' ');
                bracketed(out, columns, column);
            }
        }
    }
    if let Some(comment) = &function.comment {
        out.push_str(" COMMENT ");
        text(out, comment);
    }
    out.push_str(" RETURN ");
    match &function.body {
        FunctionBody::Value(value) => expr::whole(out, value),
        FunctionBody::Rows(rows) => query(out, rows),
    }
}

fn created(out: &mut String, or_replace: bool, what: &str) {
    out.push_str(if or_replace { "CREATE OR REPLACE " } else { "CREATE " });
    out.push_str(what);
}

fn create_source(out: &mut String, source: &CreateSource) {
    created(out, source.or_replace, relation_kind(source.kind));
    out.push_str(if source.if_not_exists { " IF NOT EXISTS " } else { " " });
    ident(out, &source.name);
    if let Some(columns) = &source.columns {
        out.push(' ');
        bracketed(out, columns, column);
    }
    out.push_str(" USING ");
    format(out, &source.format.name);
    options(out, &source.options);
}

pub(super) fn column(out: &mut String, column: &ColumnDef) {
    ident(out, &column.name);
    out.push(' ');
    out.push_str(&column.data_type.sql());
}

fn relation_kind(kind: RelationKind) -> &'static str {
    match kind {
        RelationKind::Stream => "STREAM",
        RelationKind::Table => "TABLE",
        RelationKind::View => "VIEW",
    }
}

/// Words between hyphens stand as they are.
fn format(out: &mut String, name: &str) {
    let plain = name.split('-').all(is_word);
    out.push_str(&if plain { name.to_string() } else { quote_name(name) });
}

fn is_word(part: &str) -> bool {
    part.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic()) && part.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
}

/// A key of words between dots; other parts stand in backticks.
fn dotted(out: &mut String, key: &str) {
    for (at, part) in key.split('.').enumerate() {
        if at > 0 {
            out.push('.');
        }
        if is_word(part) {
            out.push_str(part);
        } else {
            let _ = write!(out, "`{}`", part.replace('`', "``"));
        }
    }
}

fn options(out: &mut String, options: &[OptionDef]) {
    if options.is_empty() {
        return;
    }
    out.push_str(" OPTIONS ");
    bracketed(out, options, |out, option| {
        if option.key.split('.').all(is_word) {
            out.push_str(&option.key);
        } else {
            text(out, &option.key);
        }
        out.push(' ');
        text(out, &option.value);
    });
}

pub(super) fn streaming_query(out: &mut String, streaming: &StreamingQuery) {
    if let Some(name) = &streaming.name {
        out.push_str("START ");
        ident(out, name);
        out.push_str(" AS ");
    }
    query(out, &streaming.query);
    if let Some(sink) = &streaming.sink {
        sunk(out, sink);
    }
    if let Some((mode, _)) = &streaming.output_mode {
        output_mode(out, mode);
    }
    if let Some((trigger, _)) = &streaming.trigger {
        triggered(out, trigger);
    }
    if let Some((path, _)) = &streaming.checkpoint {
        out.push_str(" CHECKPOINT ");
        text(out, path);
    }
}

fn sunk(out: &mut String, sink: &SinkDef) {
    out.push_str(" INTO ");
    format(out, &sink.format.name);
    options(out, &sink.options);
    if !sink.partitioned_by.is_empty() {
        out.push_str(" PARTITIONED BY ");
        bracketed(out, &sink.partitioned_by, ident);
    }
}

fn output_mode(out: &mut String, mode: &OutputModeDef) {
    out.push_str(" OUTPUT MODE ");
    match mode {
        OutputModeDef::Append => out.push_str("APPEND"),
        OutputModeDef::Update => out.push_str("UPDATE"),
        OutputModeDef::Complete => out.push_str("COMPLETE"),
        OutputModeDef::Batch { over, every } => {
            out.push_str("BATCH");
            if let Some(over) = over {
                out.push_str(" OVER LAST ");
                duration(out, *over);
                if let Some(every) = every {
                    out.push_str(" EVERY ");
                    duration(out, *every);
                }
            }
        }
    }
}

fn triggered(out: &mut String, trigger: &TriggerDef) {
    out.push_str(" TRIGGER ");
    match trigger {
        TriggerDef::ProcessingTime(micros) => {
            out.push_str("PROCESSING TIME ");
            duration(out, *micros);
        }
        TriggerDef::AvailableNow => out.push_str("AVAILABLE NOW"),
        TriggerDef::Once => out.push_str("ONCE"),
        TriggerDef::Continuous(micros) => {
            out.push_str("CONTINUOUS ");
            duration(out, *micros);
        }
        TriggerDef::EveryRows(rows) => {
            let _ = write!(out, "EVERY {rows} ROWS");
        }
    }
}

/// Microseconds in the largest of seconds, milliseconds and microseconds that holds them exactly.
fn duration(out: &mut String, micros: i64) {
    let _ = match micros {
        m if m % 1_000_000 == 0 => write!(out, "'{} seconds'", m / 1_000_000),
        m if m % 1_000 == 0 => write!(out, "'{} milliseconds'", m / 1_000),
        m => write!(out, "'{m} microseconds'"),
    };
}

fn show(out: &mut String, what: ShowKind, like: Option<&str>) {
    out.push_str(match what {
        ShowKind::Queries => "SHOW QUERIES",
        ShowKind::Streams => "SHOW STREAMS",
        ShowKind::Tables => "SHOW TABLES",
        ShowKind::Views => "SHOW VIEWS",
        ShowKind::Functions => "SHOW FUNCTIONS",
    });
    if let Some(pattern) = like {
        out.push_str(" LIKE ");
        text(out, pattern);
    }
}

fn describe(out: &mut String, what: &Describe) {
    let (words, name) = match what {
        Describe::Relation(name) => ("DESCRIBE ", name),
        Describe::Query(name) => ("DESCRIBE QUERY ", name),
        Describe::Function { name, extended: false } => ("DESCRIBE FUNCTION ", name),
        Describe::Function { name, extended: true } => ("DESCRIBE FUNCTION EXTENDED ", name),
    };
    out.push_str(words);
    ident(out, name);
}

fn control(out: &mut String, action: ControlAction, target: &Target) {
    out.push_str(match action {
        ControlAction::Pause => "PAUSE ",
        ControlAction::Resume => "RESUME ",
        ControlAction::Stop => "STOP ",
    });
    match target {
        Target::All => out.push_str("ALL"),
        Target::Named(name) => ident(out, name),
    }
}
