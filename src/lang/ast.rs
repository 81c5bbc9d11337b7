//! The tree of a statement: spanned, unresolved, as the person wrote it.
//!
//! `SELECT word, count(*) AS n FROM STREAM lines GROUP BY word OUTPUT MODE complete;` becomes
//!
//! ```text
//! Statement::Query(StreamingQuery { name: None, output_mode: Complete, query:
//!   Query { body: Select { items: [word, count(*) AS n], from: [Relation(lines, stream)], group_by: [word] } } })
//! ```
//!
//! `Display` (in `format.rs`) writes text that parses back to an equal tree; spans never take part in
//! equality.

mod expr;
mod query;

pub use expr::*;
pub use query::*;

use crate::diagnostic::Span;
use crate::types::{DataType, Value};

/// A name as written; compares without regard to case only in the analyzer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ident {
    /// Without backticks.
    pub name: String,
    /// Where it stands.
    pub span: Span,
}

/// One statement and where it stands in the script.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// `CREATE [OR REPLACE] {STREAM | TABLE} [IF NOT EXISTS] name [(col type, …)] USING format [OPTIONS (…)]`
    CreateSource(CreateSource),
    /// `CREATE [OR REPLACE] TABLE name AS query`
    CreateTableAs { or_replace: bool, if_not_exists: bool, name: Ident, query: Query },
    /// `CREATE [OR REPLACE] [TEMP[ORARY]] VIEW name AS query`
    CreateView { or_replace: bool, temporary: bool, name: Ident, query: Query },
    /// `CREATE [OR REPLACE] TEMPORARY FUNCTION name (param type [DEFAULT expr], …) RETURNS type RETURN expr`
    CreateFunction(Box<CreateFunction>),
    /// `DROP [TEMPORARY] FUNCTION [IF EXISTS] name`
    DropFunction { if_exists: bool, name: Ident },
    /// `DROP {STREAM | TABLE | VIEW} [IF EXISTS] name`
    Drop { kind: RelationKind, if_exists: bool, name: Ident },
    /// A query, with the streaming clauses around it.
    Query(Box<StreamingQuery>),
    /// `SHOW {QUERIES | STREAMS | TABLES | VIEWS | FUNCTIONS [LIKE '…']}`
    Show { what: ShowKind, like: Option<String> },
    /// `DESCRIBE name`, `DESCRIBE QUERY name`, `DESCRIBE FUNCTION [EXTENDED] name`
    Describe(Describe),
    /// `INFER SCHEMA FROM name [LIMIT n]`
    InferSchema { name: Ident, limit: Option<u64> },
    /// `EXPLAIN [EXTENDED] query`
    Explain { extended: bool, query: Box<StreamingQuery> },
    /// `PAUSE`, `RESUME` or `STOP`, of one query or `ALL`
    Control { action: ControlAction, target: Target },
    /// `CRASH name [AFTER {OFFSETS | SINK | STATE}]`
    Crash { name: Ident, after: Option<CrashAfter> },
    /// `ALTER QUERY name AS query`
    AlterQuery { name: Ident, query: Box<Query> },
    /// `AWAIT name [TIMEOUT interval]`; the interval in microseconds
    Await { name: Ident, timeout: Option<i64> },
    /// `SET key = value`; without a value it prints the setting, without a key all of them
    /// `SET [key [= value]]`; `span` is the key's, where there is one.
    Set { key: Option<String>, value: Option<String>, span: Span, value_span: Span },
    /// `RESET [key]`
    Reset { key: Option<String>, span: Span },
    /// `SOURCE 'file.sql'`
    Source { path: String, span: Span },
    /// A statement of the language that this build does not run: refused by name.
    Unavailable { what: String, span: Span },
}

/// What `CREATE STREAM` and `CREATE TABLE … USING` share.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateSource {
    pub kind: RelationKind,
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub name: Ident,
    pub columns: Option<Vec<ColumnDef>>,
    pub format: Ident,
    pub options: Vec<OptionDef>,
}

/// A function of the session: an expression, or with `RETURNS TABLE` a query.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateFunction {
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub name: Ident,
    pub params: Vec<Parameter>,
    pub returns: Returns,
    pub comment: Option<String>,
    pub body: FunctionBody,
    /// Of the body.
    pub body_span: Span,
}

/// `name type [DEFAULT expr]`
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    pub name: Ident,
    pub data_type: DataType,
    pub default: Option<Expr>,
}

/// What a function declares to give.
#[derive(Clone, Debug, PartialEq)]
pub enum Returns {
    /// Whatever the body gives.
    Nothing,
    Type(DataType),
    /// `TABLE [(col type, …)]`
    Table(Option<Vec<ColumnDef>>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum FunctionBody {
    Value(Expr),
    Rows(Box<Query>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationKind {
    Stream,
    Table,
    View,
}

/// `name type`
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnDef {
    pub name: Ident,
    pub data_type: DataType,
}

/// `key 'value'` within OPTIONS; numbers and booleans arrive as their text.
#[derive(Clone, Debug, PartialEq)]
pub struct OptionDef {
    pub key: String,
    pub value: String,
    /// Of key and value together.
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShowKind {
    Queries,
    Streams,
    Tables,
    Views,
    Functions,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Describe {
    Relation(Ident),
    Query(Ident),
    Function { name: Ident, extended: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlAction {
    Pause,
    Resume,
    Stop,
}

/// Where in the next batch CRASH ends a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashAfter {
    Offsets,
    Sink,
    State,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    Named(Ident),
    All,
}

/// A query with what Spark has no SQL for.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamingQuery {
    /// `START [QUERY] name AS`
    pub name: Option<Ident>,
    pub query: Query,
    pub sink: Option<SinkDef>,
    pub output_mode: Option<(OutputModeDef, Span)>,
    pub trigger: Option<(TriggerDef, Span)>,
    pub checkpoint: Option<(String, Span)>,
    pub span: Span,
}

/// `INTO format [OPTIONS (…)] [PARTITIONED BY (…)]`
#[derive(Clone, Debug, PartialEq)]
pub struct SinkDef {
    pub format: Ident,
    pub options: Vec<OptionDef>,
    pub partitioned_by: Vec<Ident>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum OutputModeDef {
    Append,
    Update,
    Complete,
    /// `BATCH [OVER LAST interval [EVERY interval]]`, in microseconds.
    Batch {
        over: Option<i64>,
        every: Option<i64>,
    },
}

/// Intervals in microseconds.
#[derive(Clone, Debug, PartialEq)]
pub enum TriggerDef {
    ProcessingTime(i64),
    AvailableNow,
    Once,
    Continuous(i64),
    EveryRows(u64),
}
