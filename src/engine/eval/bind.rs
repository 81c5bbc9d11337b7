//! [`Expr`] → [`Bound`]: kernels looked up once, constants made columns, what may fail worked out bottom-up.

use super::evaluate::LambdaBody;
use super::membership::Members;
use super::{KernelEntry, cast, kernels};
use crate::engine::EngineError;
use crate::engine::columns::series_of;
use crate::plan::expr::{ColumnId, Expr};
use crate::types::DataType;
use polars::prelude::Series;

/// An expression ready to run over frames.
pub struct Bound {
    pub(super) node: Node,
    pub(super) data_type: DataType,
    /// Whether some values of its columns make it fail, so that it may see only the rows that reach it.
    pub(super) fallible: bool,
    /// Whether it gives the same for every row of a batch.
    pub(super) constant: bool,
    /// What it costs per row, roughly, in additions of two numbers.
    pub(super) weight: u32,
    /// The columns of the frame that it reads.
    pub(super) columns: Vec<ColumnId>,
}

/// What a [`Bound`] does.
pub(super) enum Node {
    Column(ColumnId),
    Constant(Series),
    Call {
        entry: &'static KernelEntry,
        args: Vec<Bound>,
        lambdas: Vec<LambdaBody>,
        strict: bool,
    },
    Cast {
        expr: Box<Bound>,
        attempt: bool,
    },
    Case {
        branches: Vec<(Bound, Bound)>,
        otherwise: Option<Box<Bound>>,
    },
    And(Box<Bound>, Box<Bound>),
    Or(Box<Bound>, Box<Bound>),
    Coalesce(Vec<Bound>),
    /// `IN` over literals.
    Among {
        expr: Box<Bound>,
        members: Members,
    },
    /// `IN` over expressions.
    In {
        expr: Box<Bound>,
        list: Vec<Bound>,
    },
    Field {
        expr: Box<Bound>,
        index: usize,
    },
}

/// Operators that do not look at their second argument where the first is NULL.
const STRICT: &[&str] = &["+", "-", "*", "=", "!=", "<", "<=", ">", ">=", "&", "|", "^", "<<", ">>", ">>>"];

/// Calls that give something else each time.
const VARYING: &[&str] =
    &["rand", "randn", "random", "uuid", "monotonically_increasing_id", "shuffle", "randstr", "uniform", "input_file_name"];

/// Calls about as cheap as an addition.
const CHEAP: &[&str] = &[
    "+",
    "-",
    "*",
    "=",
    "<=>",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "not",
    "&",
    "|",
    "^",
    "~",
    "isnull",
    "isnotnull",
    "isnan",
    "negative",
    "positive",
    "abs",
];

/// Looks up the kernels of `expr` and everything below it.
///
/// # Errors
/// An internal error where the plan holds something that is not an expression over rows.
pub fn bind(expr: &Expr) -> Result<Bound, EngineError> {
    let node = bind_node(expr)?;
    let data_type = expr.data_type();
    let (fallible, constant, weight) = traits(&node, &data_type);
    Ok(Bound { node, data_type, fallible, constant, weight, columns: expr.columns() })
}

fn all(list: &[Expr]) -> Result<Vec<Bound>, EngineError> {
    list.iter().map(bind).collect()
}

fn boxed(expr: &Expr) -> Result<Box<Bound>, EngineError> {
    bind(expr).map(Box::new)
}

fn bind_node(expr: &Expr) -> Result<Node, EngineError> {
    Ok(match expr {
        Expr::Column { id, .. } => Node::Column(*id),
        Expr::Literal { value, data_type } => Node::Constant(series_of(std::slice::from_ref(value), data_type)),
        Expr::Call { function, args, .. } => bind_call(function.0, args)?,
        Expr::Cast { expr, to, attempt } => {
            if expr.data_type() == *to {
                return bind_node(expr);
            }
            Node::Cast { expr: boxed(expr)?, attempt: *attempt }
        }
        Expr::Case { branches, otherwise, .. } => Node::Case {
            branches: branches.iter().map(|(c, v)| Ok((bind(c)?, bind(v)?))).collect::<Result<_, EngineError>>()?,
            otherwise: otherwise.as_deref().map(boxed).transpose()?,
        },
        Expr::And(a, b) => Node::And(boxed(a)?, boxed(b)?),
        Expr::Or(a, b) => Node::Or(boxed(a)?, boxed(b)?),
        Expr::Coalesce { args, .. } => Node::Coalesce(all(args)?),
        Expr::In { expr, list } => bind_in(expr, list)?,
        Expr::Field { expr, index, .. } => Node::Field { expr: boxed(expr)?, index: *index },
        Expr::Lambda { .. } => return Err(EngineError::internal("a lambda outside a function's arguments")),
        Expr::Aggregate(call) => return Err(EngineError::internal(format!("aggregate {} in an expression over rows", call.function.0))),
        Expr::Window { .. } => return Err(EngineError::internal("a window function in an expression over rows")),
        Expr::Subquery { .. } => return Err(EngineError::internal("a sub-query that was not evaluated before the query started")),
    })
}

fn bind_call(name: &'static str, args: &[Expr]) -> Result<Node, EngineError> {
    let entry = kernels::find(name).ok_or_else(|| EngineError::internal(format!("function {name} has no kernel")))?;
    let (mut values, mut lambdas) = (Vec::new(), Vec::new());
    for arg in args {
        match arg {
            Expr::Lambda { params, body } => lambdas.push(LambdaBody::new(params, bind(body)?, arg.columns())),
            value => values.push(bind(value)?),
        }
    }
    Ok(Node::Call { entry, args: values, lambdas, strict: STRICT.contains(&name) })
}

fn bind_in(expr: &Expr, list: &[Expr]) -> Result<Node, EngineError> {
    let values: Option<Vec<_>> =
        list.iter().map(|e| if let Expr::Literal { value, .. } = e { Some(value.clone()) } else { None }).collect();
    let bound = boxed(expr)?;
    if let Some(members) = values.and_then(|values| Members::new(&values, &bound.data_type)) {
        return Ok(Node::Among { expr: bound, members });
    }
    Ok(Node::In { expr: bound, list: all(list)? })
}

/// Whether the node may fail, whether it is constant, and its weight.
fn traits(node: &Node, data_type: &DataType) -> (bool, bool, u32) {
    let sum = |parts: &[&Bound], fails: bool, own: u32| {
        let weight = parts.iter().fold(own, |sum, part| sum.saturating_add(part.weight));
        (fails || parts.iter().any(|p| p.fallible), parts.iter().all(|p| p.constant), weight)
    };
    match node {
        Node::Column(_) => (false, false, 0),
        Node::Constant(_) => (false, true, 0),
        Node::Call { entry, args, lambdas, .. } => {
            let parts: Vec<&Bound> = args.iter().chain(lambdas.iter().map(|l| &l.body)).collect();
            let own = if CHEAP.contains(&entry.name) { 1 } else { 8 };
            let (fallible, constant, weight) = sum(&parts, call_can_fail(entry, args), own);
            let closed = lambdas.iter().all(|l| l.outer.is_empty());
            let constant = args.iter().all(|a| a.constant) && closed && (constant || !lambdas.is_empty());
            (fallible, constant && !VARYING.contains(&entry.name), weight)
        }
        Node::Cast { expr, attempt } => {
            let own = if expr.data_type.is_numeric() && data_type.is_numeric() { 2 } else { 8 };
            sum(&[&**expr], !attempt && cast::can_fail(&expr.data_type, data_type), own)
        }
        Node::Case { branches, otherwise } => {
            let parts: Vec<&Bound> = branches.iter().flat_map(|(c, v)| [c, v]).chain(otherwise.as_deref()).collect();
            sum(&parts, false, 1)
        }
        Node::And(a, b) | Node::Or(a, b) => sum(&[&**a, &**b], false, 1),
        Node::Coalesce(args) => sum(&args.iter().collect::<Vec<_>>(), false, 1),
        Node::Among { expr, .. } => sum(&[&**expr], false, 3),
        Node::In { expr, list } => sum(&std::iter::once(&**expr).chain(list).collect::<Vec<_>>(), false, 1 + list.len() as u32),
        Node::Field { expr, .. } => sum(&[&**expr], false, 0),
    }
}

/// A kernel that can fail cannot for some types: doubles do not overflow, a literal divisor is not zero.
fn call_can_fail(entry: &KernelEntry, args: &[Bound]) -> bool {
    let float = |b: &Bound| matches!(b.data_type, DataType::Double | DataType::Float);
    match (entry.name, args) {
        ("+" | "-" | "*" | "negative" | "abs", args) if args.iter().all(float) => false,
        ("/" | "%" | "pmod", [a, b]) if float(a) && float(b) => match &b.node {
            Node::Constant(divisor) => !divisor.f64().is_ok_and(|d| d.get(0).is_some_and(|d| d != 0.0)),
            _ => true,
        },
        _ => entry.fallible,
    }
}
