//! The analyzer: names become columns, every expression gets a type, implicit casts are put in.
//!
//! One file a subject: relations (`relation`), the SELECT block (`select`, `aggregate`), pipe operators
//! (`pipe`), expressions (`expression`, `operator`, `call`, `lambda`), time windows (`time_window`) and
//! sub-queries (`subquery`).

mod aggregate;
mod call;
mod decorrelate;
mod expression;
mod function;
mod interval;
mod lambda;
mod operator;
mod ordered_set;
mod pipe;
mod query;
mod relation;
mod select;
mod special;
mod subquery;
mod table_function;
mod time_window;
mod tree;
mod warn;
mod window_call;

use crate::catalog::Catalog;
use crate::diagnostic::{Diagnostic, Span};
use crate::lang::ast;
pub(super) use crate::plan::error::AnalysisError;
use crate::plan::error::Reason;
use crate::plan::expr::{ColumnId, Expr, NamedExpr};
use crate::plan::logical::{Column, LogicalPlan};
use crate::plan::places::Places;
use crate::plan::scope::Scope;
use crate::plan::{Fold, Settings};
use crate::types::{DataType, Value};
use time_window::Window;

pub(crate) use call::{is_constant, is_volatile};
pub(crate) use function::misplaced_parameter;
pub(crate) use interval::interval_value;
pub(crate) use query::finish;
pub(crate) use tree::{children, children_mut};

pub(crate) type Result<T> = std::result::Result<T, Box<AnalysisError>>;

/// A relation: its plan and what its columns are called.
pub(super) type Relation = (LogicalPlan, Scope);

/// How deep views, CTEs and sub-queries may nest.
const MAX_DEPTH: usize = 100;

/// Carries what is the same for a whole query.
pub(crate) struct Analyzer<'a> {
    catalog: &'a Catalog,
    settings: &'a Settings,
    fold: &'a dyn Fold,
    next_id: u32,
    /// Common table expressions in sight, innermost last.
    ctes: Vec<ast::Cte>,
    /// Scopes of the queries around a sub-query, innermost last.
    outer: Vec<Scope>,
    /// The parameters of the own function whose body is at hand.
    parameters: Option<function::Frame>,
    depth: usize,
    /// The text at hand is a view's or a function's, not the query's: its places mean nothing to the reader.
    pub(super) foreign: bool,
    pub(crate) places: Places,
    pub(crate) warnings: Vec<Diagnostic>,
}

/// Whether an aggregate may stand at a place.
#[derive(Clone, Debug)]
pub(super) enum Aggregates {
    Allowed,
    /// Within another aggregate.
    Nested,
    /// Not at all: the condition and the name of the clause.
    Forbidden(&'static str, &'static str),
}

/// What an expression sees around it.
pub(super) struct Env {
    pub(super) scope: Scope,
    /// Aliases of the select list to the left, for `SELECT 1 AS a, a + 1`.
    pub(super) aliases: Vec<(String, Expr)>,
    /// Parameters of the lambdas around, innermost last.
    pub(super) lambdas: Vec<Vec<Column>>,
    pub(super) aggregates: Aggregates,
    /// Time windows met so far; each becomes a node below this one.
    windows: Vec<Window>,
    /// Sub-queries tied to this scope; each is joined below this node.
    joins: Vec<decorrelate::Tied>,
    /// Grouping columns of ROLLUP and its like, for `grouping(a)` and `grouping_id()`.
    pub(super) grouping: Option<Grouping>,
    /// Within the select list, where an alias to the left may be named.
    pub(super) in_list: bool,
    /// Within a window function.
    pub(super) in_window: bool,
}

/// The keys of grouping sets, and the column that says which set a row belongs to.
#[derive(Clone, Debug)]
pub(super) struct Grouping {
    pub(super) keys: Vec<Expr>,
    pub(super) id: Expr,
}

impl Env {
    pub(super) fn new(scope: Scope, aggregates: Aggregates) -> Env {
        Env {
            scope,
            aliases: Vec::new(),
            lambdas: Vec::new(),
            aggregates,
            windows: Vec::new(),
            joins: Vec::new(),
            grouping: None,
            in_list: false,
            in_window: false,
        }
    }

    /// Whether a time window was met that has no node yet.
    pub(super) fn has_windows(&self) -> bool {
        !self.windows.is_empty()
    }

    /// No aggregates: the clause is named in the message.
    pub(super) fn plain(scope: Scope, condition: &'static str, clause: &'static str) -> Env {
        Env::new(scope, Aggregates::Forbidden(condition, clause))
    }
}

impl<'a> Analyzer<'a> {
    pub(crate) fn new(catalog: &'a Catalog, settings: &'a Settings, fold: &'a dyn Fold) -> Analyzer<'a> {
        Analyzer {
            catalog,
            settings,
            fold,
            next_id: 0,
            ctes: Vec::new(),
            outer: Vec::new(),
            parameters: None,
            depth: 0,
            foreign: false,
            places: Places::default(),
            warnings: Vec::new(),
        }
    }

    /// An id that no other column of the query has.
    pub(super) fn fresh(&mut self) -> ColumnId {
        self.next_id += 1;
        ColumnId(self.next_id - 1)
    }

    pub(super) fn column(&mut self, name: impl Into<String>, data_type: DataType) -> Column {
        Column { id: self.fresh(), name: name.into(), data_type }
    }

    /// The expression as an output column; a plain column keeps its identity, so that event time is not lost.
    pub(super) fn named(&mut self, name: impl Into<String>, expr: Expr) -> NamedExpr {
        let id = match &expr {
            Expr::Column { id, .. } => *id,
            _ => self.fresh(),
        };
        NamedExpr { id, name: name.into(), expr }
    }

    /// The value of a constant expression.
    pub(super) fn constant(&self, expr: &Expr, span: Span) -> Result<Value> {
        if let Expr::Literal { value, .. } = expr {
            return Ok(value.clone());
        }
        self.fold.fold(expr).map_err(|e| AnalysisError::new(Reason::Constant { condition: e.condition, message: e.message }, span))
    }

    /// Runs `f` over a text that is not the query's.
    pub(super) fn elsewhere<T>(&mut self, f: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.foreign, true);
        let result = f(self);
        self.foreign = before;
        result
    }

    /// Runs `f` one level deeper, refusing endless nesting of views and sub-queries.
    pub(super) fn nested<T>(&mut self, span: Span, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= MAX_DEPTH {
            let message = format!("queries nest more than {MAX_DEPTH} levels deep");
            return Err(AnalysisError::new(Reason::Rule { condition: "VIEW_EXCEED_MAX_NESTED_DEPTH", message }, span));
        }
        self.depth += 1;
        let result = f(self);
        self.depth -= 1;
        result
    }
}

/// A projection of plain columns under their own names.
pub(super) fn keep(columns: &[Column]) -> Vec<NamedExpr> {
    columns.iter().map(|c| NamedExpr { id: c.id, name: c.name.clone(), expr: c.expr() }).collect()
}

/// A refusal with `reason` at `span`.
pub(super) fn refuse<T>(reason: Reason, span: Span) -> Result<T> {
    Err(AnalysisError::new(reason, span))
}
