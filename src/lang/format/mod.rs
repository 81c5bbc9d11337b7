//! The text form of trees: what [`Display`](std::fmt::Display) writes parses back to an equal tree.
//!
//! Everything stands on one line. Parentheses are written where precedence asks for them.

mod expr;
mod query;
mod statement;

pub(super) use expr::expression;

use super::ast::{
    ColumnDef, Expr, Ident, Join, PipeOperator, Query, QueryBody, Select, SelectItem, SortItem, Statement, StreamingQuery, TableRef,
};
use super::keywords::quote_name;
use std::fmt;

macro_rules! displayed {
    ($($node:ty => $writer:path),* $(,)?) => {
        $(impl fmt::Display for $node {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut out = String::new();
                $writer(&mut out, self);
                f.write_str(&out)
            }
        })*
    };
}

displayed! {
    Ident => ident,
    Expr => expr::whole,
    SelectItem => query::select_item,
    SortItem => query::sort_item,
    Select => query::select,
    Query => query::query,
    QueryBody => query::body,
    TableRef => query::table_ref,
    Join => query::join,
    PipeOperator => query::pipe_operator,
    StreamingQuery => statement::streaming_query,
    Statement => statement::statement,
    ColumnDef => statement::column,
}

fn ident(out: &mut String, ident: &Ident) {
    out.push_str(&quote_name(&ident.name));
}

/// `items` with `between` between them.
fn joined<T>(out: &mut String, items: &[T], between: &str, write: impl Fn(&mut String, &T)) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push_str(between);
        }
        write(out, item);
    }
}

/// `a, b, c`
fn listed<T>(out: &mut String, items: &[T], write: impl Fn(&mut String, &T)) {
    joined(out, items, ", ", write);
}

/// `(a, b, c)`
fn bracketed<T>(out: &mut String, items: &[T], write: impl Fn(&mut String, &T)) {
    out.push('(');
    listed(out, items, write);
    out.push(')');
}

/// A string literal.
fn text(out: &mut String, value: &str) {
    out.push('\'');
    for c in value.chars() {
        match c {
            '\'' => out.push_str("\\'"),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0' => out.push_str("\\u0000"),
            c => out.push(c),
        }
    }
    out.push('\'');
}
