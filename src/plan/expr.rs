//! Resolved, typed expressions: what the analyzer hands to the engine.
//!
//! `upper(s) || '!'` over a column `s` becomes
//!
//! ```text
//! Call(concat: [Call(upper: [Column #3 STRING]) STRING, Literal('!') STRING]) STRING
//! ```
//!
//! Names are gone (columns go by [`ColumnId`]), every implicit cast stands in the tree as a
//! [`Expr::Cast`], and no expression carries a span.

use crate::types::{DataType, Value};

/// Identifies one column of one relation within a plan; never reused within a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnId(pub u32);

/// A typed expression over the columns of its input.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Expr {
    /// A column of the input, or a lambda's parameter.
    Column { id: ColumnId, name: String, data_type: DataType },
    /// A constant.
    Literal { value: Value, data_type: DataType },
    /// A scalar function or operator by its name in `plan::functions`; NULL and error behaviour are the function's.
    /// Arguments are already of the types that the function wants.
    Call { function: FunctionId, args: Vec<Expr>, data_type: DataType },
    /// `CAST`, or with `attempt` `TRY_CAST`: NULL instead of an error.
    Cast { expr: Box<Expr>, to: DataType, attempt: bool },
    /// `CASE WHEN c THEN v … ELSE e END`: a branch is evaluated only for the rows that reach it.
    Case { branches: Vec<(Expr, Expr)>, otherwise: Option<Box<Expr>>, data_type: DataType },
    /// SQL `AND`; the right side sees only rows where the left is not FALSE.
    And(Box<Expr>, Box<Expr>),
    /// SQL `OR`; the right side sees only rows where the left is not TRUE.
    Or(Box<Expr>, Box<Expr>),
    /// The first argument that is not NULL; later ones see only the rows still NULL. All have the type.
    Coalesce { args: Vec<Expr>, data_type: DataType },
    /// `expr IN (list)` with SQL's three values; elements have the type of `expr`.
    In { expr: Box<Expr>, list: Vec<Expr> },
    /// Member `index` of a struct; NULL of a NULL struct.
    Field { expr: Box<Expr>, index: usize, data_type: DataType },
    /// A function argument `x -> body`; the parameters are columns visible in `body` only.
    Lambda { params: Vec<(ColumnId, DataType)>, body: Box<Expr> },
    /// An aggregate call, only within the analyzer: plans hold [`AggregateCall`]s.
    Aggregate(Box<AggregateCall>),
    /// A window function call, only within the analyzer: plans hold window nodes.
    Window { call: Box<Expr>, partition_by: Vec<Expr>, order_by: Vec<SortKey>, frame: Option<Frame>, data_type: DataType },
    /// A scalar sub-query over bounded tables, evaluated once when the query starts.
    Subquery { plan: Box<crate::plan::LogicalPlan>, kind: SubqueryKind, data_type: DataType },
}

/// What a sub-query in an expression gives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SubqueryKind {
    /// The single value of its single row; NULL without rows.
    Scalar,
    /// Whether it has a row.
    Exists,
    /// `value IN (sub-query)` with SQL's three values.
    In(Box<Expr>),
}

/// Bounds of a window frame, in rows or in values of the order key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// ROWS rather than RANGE.
    pub rows: bool,
    /// First row.
    pub start: Bound,
    /// Last row.
    pub end: Bound,
}

/// One end of a window frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Bound {
    /// From or to the partition's edge.
    Unbounded,
    /// Relative to the current row; negative is before.
    Offset(Value),
}

/// A function by its canonical name in `plan::functions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FunctionId(pub &'static str);

/// `sum(v) FILTER (WHERE …)`: one accumulator per group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AggregateCall {
    /// The canonical name in `plan::functions`.
    pub function: FunctionId,
    /// Arguments, of the types that the function wants.
    pub args: Vec<Expr>,
    /// Only rows where this is TRUE count.
    pub filter: Option<Expr>,
    /// `DISTINCT` in the call; bounded queries only.
    pub distinct: bool,
    /// `IGNORE NULLS` of first, last, any_value …
    pub ignore_nulls: bool,
    /// The result's type.
    pub data_type: DataType,
}

/// One key of a sort.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SortKey {
    /// What to order by.
    pub expr: Expr,
    /// Greatest first.
    pub descending: bool,
    /// Where NULL stands.
    pub nulls_first: bool,
}

/// An expression that becomes an output column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NamedExpr {
    /// The new column's identity.
    pub id: ColumnId,
    /// Its name as the user will see it; may repeat.
    pub name: String,
    /// What it is computed from.
    pub expr: Expr,
}

impl Expr {
    /// The type of the expression's value.
    pub fn data_type(&self) -> DataType {
        match self {
            Expr::Column { data_type, .. }
            | Expr::Literal { data_type, .. }
            | Expr::Call { data_type, .. }
            | Expr::Case { data_type, .. }
            | Expr::Coalesce { data_type, .. }
            | Expr::Field { data_type, .. }
            | Expr::Window { data_type, .. }
            | Expr::Subquery { data_type, .. } => data_type.clone(),
            Expr::Cast { to, .. } => to.clone(),
            Expr::And(..) | Expr::Or(..) | Expr::In { .. } => DataType::Boolean,
            Expr::Lambda { body, .. } => body.data_type(),
            Expr::Aggregate(call) => call.data_type.clone(),
        }
    }

    /// A constant of that type.
    pub fn literal(value: Value, data_type: DataType) -> Expr {
        Expr::Literal { value, data_type }
    }

    /// A string constant.
    pub fn string(text: impl Into<String>) -> Expr {
        Expr::literal(Value::String(text.into()), DataType::String)
    }

    /// A call of a scalar function.
    pub fn call(function: &'static str, args: Vec<Expr>, data_type: DataType) -> Expr {
        Expr::Call { function: FunctionId(function), args, data_type }
    }

    /// The expressions directly below this one, in evaluation order.
    pub fn children(&self) -> Vec<&Expr> {
        match self {
            Expr::Column { .. } | Expr::Literal { .. } => vec![],
            Expr::Subquery { kind, .. } => match kind {
                SubqueryKind::In(e) => vec![e],
                _ => vec![],
            },
            Expr::Call { args, .. } | Expr::Coalesce { args, .. } => args.iter().collect(),
            Expr::Cast { expr, .. } | Expr::Field { expr, .. } => vec![expr],
            Expr::Case { branches, otherwise, .. } => branches.iter().flat_map(|(c, v)| [c, v]).chain(otherwise.as_deref()).collect(),
            Expr::And(a, b) | Expr::Or(a, b) => vec![a, b],
            Expr::In { expr, list } => std::iter::once(&**expr).chain(list).collect(),
            Expr::Lambda { body, .. } => vec![body],
            Expr::Aggregate(call) => call.args.iter().chain(&call.filter).collect(),
            Expr::Window { call, partition_by, order_by, .. } => {
                std::iter::once(&**call).chain(partition_by).chain(order_by.iter().map(|k| &k.expr)).collect()
            }
        }
    }

    /// The same tree with every direct child replaced by `f(child)`.
    #[must_use]
    pub fn map_children(self, f: &mut dyn FnMut(Expr) -> Expr) -> Expr {
        fn all(list: Vec<Expr>, f: &mut dyn FnMut(Expr) -> Expr) -> Vec<Expr> {
            list.into_iter().map(f).collect()
        }
        match self {
            Expr::Column { .. } | Expr::Literal { .. } => self,
            Expr::Subquery { plan, kind, data_type } => {
                let kind = match kind {
                    SubqueryKind::In(e) => SubqueryKind::In(Box::new(f(*e))),
                    other => other,
                };
                Expr::Subquery { plan, kind, data_type }
            }
            Expr::Call { function, args, data_type } => Expr::Call { function, args: all(args, f), data_type },
            Expr::Coalesce { args, data_type } => Expr::Coalesce { args: all(args, f), data_type },
            Expr::Cast { expr, to, attempt } => Expr::Cast { expr: Box::new(f(*expr)), to, attempt },
            Expr::Field { expr, index, data_type } => Expr::Field { expr: Box::new(f(*expr)), index, data_type },
            Expr::Case { branches, otherwise, data_type } => Expr::Case {
                branches: branches.into_iter().map(|(c, v)| (f(c), f(v))).collect(),
                otherwise: otherwise.map(|e| Box::new(f(*e))),
                data_type,
            },
            Expr::And(a, b) => Expr::And(Box::new(f(*a)), Box::new(f(*b))),
            Expr::Or(a, b) => Expr::Or(Box::new(f(*a)), Box::new(f(*b))),
            Expr::In { expr, list } => Expr::In { expr: Box::new(f(*expr)), list: all(list, f) },
            Expr::Lambda { params, body } => Expr::Lambda { params, body: Box::new(f(*body)) },
            Expr::Aggregate(call) => {
                let AggregateCall { function, args, filter, distinct, ignore_nulls, data_type } = *call;
                let (args, filter) = (all(args, f), filter.map(&mut *f));
                Expr::Aggregate(Box::new(AggregateCall { function, args, filter, distinct, ignore_nulls, data_type }))
            }
            Expr::Window { call, partition_by, order_by, frame, data_type } => Expr::Window {
                call: Box::new(f(*call)),
                partition_by: all(partition_by, f),
                order_by: order_by.into_iter().map(|k| SortKey { expr: f(k.expr), ..k }).collect(),
                frame,
                data_type,
            },
        }
    }

    /// Whether `test` holds for this expression or any below it.
    pub fn any(&self, test: &dyn Fn(&Expr) -> bool) -> bool {
        test(self) || self.children().into_iter().any(|c| c.any(test))
    }

    /// The columns read, parameters of lambdas left out.
    pub fn columns(&self) -> Vec<ColumnId> {
        fn walk(e: &Expr, bound: &mut Vec<ColumnId>, out: &mut Vec<ColumnId>) {
            match e {
                Expr::Column { id, .. } => {
                    if !bound.contains(id) && !out.contains(id) {
                        out.push(*id);
                    }
                }
                Expr::Lambda { params, body } => {
                    let depth = bound.len();
                    bound.extend(params.iter().map(|(id, _)| *id));
                    walk(body, bound, out);
                    bound.truncate(depth);
                }
                other => other.children().into_iter().for_each(|c| walk(c, bound, out)),
            }
        }
        let mut out = Vec::new();
        walk(self, &mut Vec::new(), &mut out);
        out
    }
}
