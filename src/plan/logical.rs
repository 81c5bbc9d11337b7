//! The resolved plan of a query: what EXPLAIN prints and the engine builds operators from.
//!
//! `SELECT word, count(*) AS n FROM (SELECT explode(split(value, ' ')) AS word FROM STREAM lines) GROUP BY word`
//! becomes, rows flowing up:
//!
//! ```text
//! Project [word#1, n#3]
//! └─ Aggregate keys=[word#1] aggregates=[count(1) AS n#3]
//!    └─ Generate explode(split(value#0, ' ')) AS [word#1]
//!       └─ Scan lines [value#0] (stream)
//! ```
//!
//! A plan is span-free and `Eq`; its `Display` is EXPLAIN.

use crate::plan::expr::{AggregateCall, ColumnId, Expr, NamedExpr, SortKey};
use crate::types::{DataType, Value};

pub use crate::lang::ast::JoinKind;

/// One column of a plan node's output.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Column {
    /// Its identity within the plan.
    pub id: ColumnId,
    /// Its name as the user sees it; may repeat.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
}

impl Column {
    /// The column as an expression.
    pub fn expr(&self) -> Expr {
        Expr::Column { id: self.id, name: self.name.clone(), data_type: self.data_type.clone() }
    }
}

/// A relation of the catalog as a plan refers to it: everything the engine needs to open it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scan {
    /// The stream's or table's name in the catalog.
    pub name: String,
    /// `json`, `socket`, …, lower case.
    pub format: String,
    /// Options as declared; keys keep their spelling.
    pub options: Vec<(String, String)>,
    /// Columns the source declares, in declared order.
    pub declared: Vec<crate::types::Field>,
    /// Columns of the plan; the subset of `declared` in use once the optimizer has run, matched by name.
    pub columns: Vec<Column>,
    /// A live stream rather than a bounded table.
    pub streaming: bool,
}

/// A node of the plan. Rows flow from the inputs up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LogicalPlan {
    /// A stream or a bounded table read from its source.
    Scan(Scan),
    /// A bounded table held in memory (`CREATE TABLE AS`, memory sink), by its catalog name.
    Memory { name: String, columns: Vec<Column> },
    /// Constant rows: VALUES, `SELECT 1` (one row, no column), folded sub-queries.
    Values { rows: Vec<Vec<Expr>>, columns: Vec<Column> },
    /// `range(start, end, step)`.
    Range { start: i64, end: i64, step: i64, column: Column },
    /// A table about queries: `queries()`, `progress('q')`; rows are supplied by the session when it runs.
    System { function: String, args: Vec<Value>, columns: Vec<Column> },
    /// Computes each output column from the input row.
    Project { input: Box<LogicalPlan>, exprs: Vec<NamedExpr> },
    /// Keeps the rows where the predicate is TRUE.
    Filter { input: Box<LogicalPlan>, predicate: Expr },
    /// For every input row, the rows of a generator (`explode`, `posexplode`, `inline`, `stack`, `json_tuple`) beside the
    /// columns of the row. With `outer`, a row whose generator gives nothing stays, with NULLs.
    Generate { input: Box<LogicalPlan>, generator: Expr, outer: bool, columns: Vec<Column> },
    /// Marks `column` as event time: the watermark is its maximum over earlier batches less `delay` (microseconds;
    /// months count 31 days). Rows pass through unchanged; NULL does not move it.
    Watermark { input: Box<LogicalPlan>, column: ColumnId, delay: i64 },
    /// Assigns each row to its time windows: rows multiply for overlapping windows, rows with a NULL time are dropped.
    /// `column` is STRUCT<start, end>. Durations in microseconds.
    TimeWindow { input: Box<LogicalPlan>, time: Expr, size: i64, slide: i64, start: i64, column: Column },
    /// Assigns each row its session `[time, time + gap)`; `gap` is an expression of calendar interval text or microseconds.
    SessionWindow { input: Box<LogicalPlan>, time: Expr, gap: Expr, column: Column },
    /// One output row per distinct key (one in all without keys): key columns, then aggregate columns.
    /// Keys compare with NULL = NULL, -0.0 = 0.0, NaN = NaN.
    Aggregate { input: Box<LogicalPlan>, keys: Vec<NamedExpr>, aggregates: Vec<NamedAggregate> },
    /// Every input row once per entry of `projections` (grouping sets, UNPIVOT).
    Expand { input: Box<LogicalPlan>, projections: Vec<Vec<Expr>>, columns: Vec<Column> },
    /// Rows of both sides that satisfy the condition; output is left columns then right columns
    /// (left only for semi and anti).
    Join { left: Box<LogicalPlan>, right: Box<LogicalPlan>, kind: JoinKind, condition: Option<Expr> },
    /// All rows of all inputs, column by column; `columns` are the output's identities.
    Union { inputs: Vec<LogicalPlan>, columns: Vec<Column> },
    /// INTERSECT or EXCEPT of bounded inputs.
    SetOperation { left: Box<LogicalPlan>, right: Box<LogicalPlan>, intersect: bool, all: bool },
    /// One row of each distinct combination of `keys` (all columns for DISTINCT).
    Deduplicate { input: Box<LogicalPlan>, keys: Vec<ColumnId>, within_watermark: bool },
    /// Sorts; stable.
    Sort { input: Box<LogicalPlan>, keys: Vec<SortKey> },
    /// The first `limit` rows after `offset` rows; over a stream in append mode, of the whole run.
    Limit { input: Box<LogicalPlan>, limit: Option<u64>, offset: u64 },
    /// Window functions over bounded input: adds one column per call.
    Window { input: Box<LogicalPlan>, calls: Vec<NamedExpr> },
    /// A random sample of the rows.
    Sample { input: Box<LogicalPlan>, fraction_ppm: u64, seed: u64 },
}

/// An aggregate that becomes a column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NamedAggregate {
    /// The column's identity.
    pub id: ColumnId,
    /// Its name, such as `count(1)`.
    pub name: String,
    /// The call.
    pub call: AggregateCall,
}

impl LogicalPlan {
    /// The columns this node puts out, in order.
    pub fn columns(&self) -> Vec<Column> {
        match self {
            LogicalPlan::Scan(scan) => scan.columns.clone(),
            LogicalPlan::Memory { columns, .. }
            | LogicalPlan::Values { columns, .. }
            | LogicalPlan::System { columns, .. }
            | LogicalPlan::Expand { columns, .. }
            | LogicalPlan::Union { columns, .. } => columns.clone(),
            LogicalPlan::Range { column, .. } => vec![column.clone()],
            LogicalPlan::Project { exprs, .. } => exprs.iter().map(named).collect(),
            LogicalPlan::Filter { input, .. }
            | LogicalPlan::Watermark { input, .. }
            | LogicalPlan::Deduplicate { input, .. }
            | LogicalPlan::Sort { input, .. }
            | LogicalPlan::Limit { input, .. }
            | LogicalPlan::Sample { input, .. } => input.columns(),
            LogicalPlan::Generate { input, columns, .. } => input.columns().into_iter().chain(columns.iter().cloned()).collect(),
            LogicalPlan::TimeWindow { input, column, .. } | LogicalPlan::SessionWindow { input, column, .. } => {
                input.columns().into_iter().chain([column.clone()]).collect()
            }
            LogicalPlan::Window { input, calls } => input.columns().into_iter().chain(calls.iter().map(named)).collect(),
            LogicalPlan::Aggregate { keys, aggregates, .. } => {
                let calls = aggregates.iter().map(|a| Column { id: a.id, name: a.name.clone(), data_type: a.call.data_type.clone() });
                keys.iter().map(named).chain(calls).collect()
            }
            LogicalPlan::Join { left, right, kind, .. } => match kind {
                JoinKind::LeftSemi | JoinKind::LeftAnti => left.columns(),
                _ => left.columns().into_iter().chain(right.columns()).collect(),
            },
            LogicalPlan::SetOperation { left, .. } => left.columns(),
        }
    }

    /// The nodes directly below.
    pub fn inputs(&self) -> Vec<&LogicalPlan> {
        match self {
            LogicalPlan::Scan(_)
            | LogicalPlan::Memory { .. }
            | LogicalPlan::Values { .. }
            | LogicalPlan::Range { .. }
            | LogicalPlan::System { .. } => vec![],
            LogicalPlan::Project { input, .. }
            | LogicalPlan::Filter { input, .. }
            | LogicalPlan::Generate { input, .. }
            | LogicalPlan::Watermark { input, .. }
            | LogicalPlan::TimeWindow { input, .. }
            | LogicalPlan::SessionWindow { input, .. }
            | LogicalPlan::Aggregate { input, .. }
            | LogicalPlan::Expand { input, .. }
            | LogicalPlan::Deduplicate { input, .. }
            | LogicalPlan::Sort { input, .. }
            | LogicalPlan::Limit { input, .. }
            | LogicalPlan::Window { input, .. }
            | LogicalPlan::Sample { input, .. } => vec![input],
            LogicalPlan::Join { left, right, .. } | LogicalPlan::SetOperation { left, right, .. } => vec![left, right],
            LogicalPlan::Union { inputs, .. } => inputs.iter().collect(),
        }
    }

    /// The expressions of this node alone.
    pub fn expressions(&self) -> Vec<&Expr> {
        match self {
            LogicalPlan::Project { exprs, .. } | LogicalPlan::Window { calls: exprs, .. } => exprs.iter().map(|e| &e.expr).collect(),
            LogicalPlan::Filter { predicate, .. } => vec![predicate],
            LogicalPlan::Generate { generator, .. } => vec![generator],
            LogicalPlan::TimeWindow { time, .. } => vec![time],
            LogicalPlan::SessionWindow { time, gap, .. } => vec![time, gap],
            LogicalPlan::Aggregate { keys, aggregates, .. } => {
                let calls = aggregates.iter().flat_map(|a| a.call.args.iter().chain(&a.call.filter));
                keys.iter().map(|k| &k.expr).chain(calls).collect()
            }
            LogicalPlan::Expand { projections, .. } => projections.iter().flatten().collect(),
            LogicalPlan::Join { condition, .. } => condition.iter().collect(),
            LogicalPlan::Values { rows, .. } => rows.iter().flatten().collect(),
            LogicalPlan::Sort { keys, .. } => keys.iter().map(|k| &k.expr).collect(),
            LogicalPlan::Scan(_)
            | LogicalPlan::Memory { .. }
            | LogicalPlan::Range { .. }
            | LogicalPlan::System { .. }
            | LogicalPlan::Watermark { .. }
            | LogicalPlan::Union { .. }
            | LogicalPlan::SetOperation { .. }
            | LogicalPlan::Deduplicate { .. }
            | LogicalPlan::Limit { .. }
            | LogicalPlan::Sample { .. } => vec![],
        }
    }

    /// Whether any stream feeds this node.
    pub fn is_streaming(&self) -> bool {
        match self {
            LogicalPlan::Scan(scan) => scan.streaming,
            other => other.inputs().into_iter().any(LogicalPlan::is_streaming),
        }
    }
}

fn named(e: &NamedExpr) -> Column {
    Column { id: e.id, name: e.name.clone(), data_type: e.expr.data_type() }
}
