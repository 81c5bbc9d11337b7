//! The session's own functions: the body with the arguments in place of the parameters.
//!
//! `CREATE TEMPORARY FUNCTION twice(x INT) RETURNS INT RETURN x * 2` makes of `twice(n + 1)` the expression
//! `CAST((n + 1) * 2 AS INT)`, and of a function with RETURNS TABLE its query. A body sees its parameters, the columns of
//! its own queries before them, and nothing of the place where it is called.

use super::decorrelate::Tied;
use super::query::visible;
use super::{Analyzer, Env, Relation, Result, keep, refuse};
use crate::catalog::FunctionDef;
use crate::diagnostic::Span;
use crate::lang::ast::{self, FunctionBody, Returns};
use crate::plan::coerce::cast;
use crate::plan::error::Reason;
use crate::plan::expr::{Expr, NamedExpr};
use crate::plan::logical::{Column, LogicalPlan};
use crate::plan::scope::{Scope, same};
use crate::types::{DataType, Value};

/// What a function's body sees of its call.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// The function, for `f.x`.
    function: String,
    values: Vec<(String, Expr)>,
}

impl Frame {
    /// The columns that the arguments read.
    pub(super) fn columns(&self) -> Vec<crate::plan::expr::ColumnId> {
        self.values.iter().flat_map(|(_, e)| e.columns()).collect()
    }

    /// The value of the parameter `parts` begins with, and how many parts that took.
    pub(super) fn find(&self, parts: &[&str]) -> Option<(Expr, usize)> {
        let value = |name: &str| self.values.iter().find(|(n, _)| same(n, name)).map(|(_, e)| e.clone());
        match parts {
            [function, name, ..] if same(function, &self.function) => value(name).map(|e| (e, 2)),
            [name, ..] => value(name).map(|e| (e, 1)),
            [] => None,
        }
    }
}

impl Analyzer<'_> {
    /// A call of an own function that gives a value.
    pub(super) fn own_function(&mut self, function: &FunctionDef, call: &ast::Call, e: &ast::Expr, env: &mut Env) -> Result<Expr> {
        self.plain_call_only(call, e.span)?;
        let FunctionBody::Value(body) = &function.body else {
            let message = format!("`{}` gives a table; it belongs into FROM", function.name);
            return refuse(Reason::Rule { condition: "NOT_A_SCALAR_FUNCTION", message }, call.name.span);
        };
        if !env.lambdas.is_empty() {
            let message = format!("`{}` cannot be called within a lambda", function.name);
            return refuse(Reason::Rule { condition: "UNSUPPORTED_FEATURE.LAMBDA_FUNCTION_WITH_SQL_UDF", message }, call.name.span);
        }
        let frame = self.bound(function, &call.args, e.span, env)?;
        let (value, joins) = self.in_body(frame, e.span, |this| this.value_of(function, body, e.span))?;
        env.joins.extend(joins);
        Ok(value)
    }

    /// The body's value, and the sub-queries in it that are tied to the arguments.
    fn value_of(&mut self, function: &FunctionDef, body: &ast::Expr, span: Span) -> Result<(Expr, Vec<Tied>)> {
        let mut inner = Env::plain(Scope::default(), NO_COMPLEX, "the body of a function");
        let value = self.expr(body, &mut inner)?;
        if value.any(&|e| matches!(e, Expr::Window { .. })) {
            let message = "a window function cannot stand in the body of a function".to_string();
            return refuse(Reason::WindowNotAllowed { condition: NO_COMPLEX, message }, body.span);
        }
        let value = match &function.returns {
            Returns::Type(t) => self.explicit_cast(value, t, false, span)?,
            _ => value,
        };
        Ok((value, inner.joins))
    }

    /// A call of an own function that gives rows.
    pub(super) fn own_table(&mut self, function: &FunctionDef, args: &[ast::Argument], span: Span, env: &mut Env) -> Result<Relation> {
        let FunctionBody::Rows(body) = &function.body else {
            let message = format!("`{}` gives a value, not a table; it belongs into an expression", function.name);
            return refuse(Reason::Rule { condition: "NOT_A_TABLE_FUNCTION", message }, span);
        };
        let frame = self.bound(function, args, span, env)?;
        let (plan, scope) = self.in_body(frame, span, |this| this.query(body))?;
        let columns = visible(&scope);
        let Returns::Table(Some(declared)) = &function.returns else {
            return Ok((plan, Scope::of(columns, Some(&function.name))));
        };
        if declared.len() != columns.len() {
            let message = format!("`{}` declares {} columns, and its query gives {}", function.name, declared.len(), columns.len());
            return refuse(Reason::Rule { condition: "USER_DEFINED_FUNCTIONS.RETURN_COLUMN_COUNT_MISMATCH", message }, span);
        }
        let mut exprs: Vec<NamedExpr> = Vec::new();
        for (column, wanted) in columns.iter().zip(declared) {
            let expr = self.explicit_cast(column.expr(), &wanted.data_type, false, span)?;
            let id = if matches!(expr, Expr::Column { .. }) { column.id } else { self.fresh() };
            exprs.push(NamedExpr { id, name: wanted.name.name.clone(), expr });
        }
        let shown: Vec<Column> = exprs.iter().map(|e| Column { id: e.id, name: e.name.clone(), data_type: e.expr.data_type() }).collect();
        let below: Vec<Column> = plan.columns().into_iter().filter(|c| !exprs.iter().any(|e| e.id == c.id)).collect();
        exprs.extend(keep(&below));
        Ok((LogicalPlan::Project { input: Box::new(plan), exprs }, Scope::of(shown, Some(&function.name))))
    }

    /// Checks a function when it is made: its body over parameters of which only the types are known.
    pub(crate) fn check_function(&mut self, function: &FunctionDef, span: Span) -> Result<()> {
        let values = function.params.iter().map(|p| (p.name.name.clone(), unknown(&p.data_type))).collect();
        for p in &function.params {
            if let Some(default) = &p.default {
                let value = self.plain_expr(default, &Scope::default(), "DEFAULT")?;
                self.explicit_cast(value, &p.data_type, false, default.span)?;
            }
        }
        let frame = Frame { function: function.name.clone(), values };
        match &function.body {
            FunctionBody::Value(body) => {
                self.in_body(frame, span, |this| this.value_of(function, body, span))?;
            }
            FunctionBody::Rows(body) => {
                let (_, scope) = self.in_body(frame, span, |this| this.query(body))?;
                let found = visible(&scope).len();
                let fits = match &function.returns {
                    Returns::Table(declared) => declared.as_ref().is_none_or(|d| d.len() == found),
                    _ => false,
                };
                if !fits {
                    let message = format!("the query of `{}` gives {found} columns, which is not what RETURNS says", function.name);
                    return refuse(Reason::Rule { condition: "USER_DEFINED_FUNCTIONS.RETURN_COLUMN_COUNT_MISMATCH", message }, span);
                }
            }
        }
        Ok(())
    }

    /// Runs `f` as a function's body: only its parameters are in sight.
    fn in_body<T>(&mut self, frame: Frame, span: Span, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let outer = std::mem::take(&mut self.outer);
        let ctes = std::mem::take(&mut self.ctes);
        let frames = self.parameters.replace(frame);
        // What is wrong in the body is shown where it is called: the body's text is elsewhere.
        let result = self.nested(span, f).map_err(|mut error| {
            error.span = span;
            error
        });
        self.outer = outer;
        self.ctes = ctes;
        self.parameters = frames;
        result
    }

    /// The arguments by parameter, cast to its type; a default where one is left out.
    fn bound(&mut self, function: &FunctionDef, args: &[ast::Argument], span: Span, env: &mut Env) -> Result<Frame> {
        let mut given: Vec<Option<Expr>> = vec![None; function.params.len()];
        let mut named = false;
        for (i, argument) in args.iter().enumerate() {
            let position = match &argument.name {
                None if named => {
                    let message = "an argument by position cannot follow one by name".to_string();
                    return refuse(Reason::Rule { condition: "UNEXPECTED_POSITIONAL_ARGUMENT", message }, argument.value.span);
                }
                None => i,
                Some(name) => {
                    named = true;
                    match function.params.iter().position(|p| same(&p.name.name, &name.name)) {
                        Some(position) => position,
                        None => {
                            let message = format!("`{}` has no parameter `{}`", function.name, name.name);
                            return refuse(Reason::Rule { condition: "UNRECOGNIZED_PARAMETER_NAME", message }, name.span);
                        }
                    }
                }
            };
            let Some(slot) = given.get_mut(position) else {
                return refuse(wrong_count(function, args.len()), span);
            };
            if slot.is_some() {
                let condition = "DUPLICATE_ROUTINE_PARAMETER_ASSIGNMENT.DOUBLE_NAMED_ARGUMENT_REFERENCE";
                let message = format!("the parameter `{}` is given twice", function.params[position].name.name);
                return refuse(Reason::Rule { condition, message }, argument.value.span);
            }
            let value = self.expr(&argument.value, env)?;
            let slot_type = &function.params[position].data_type;
            given[position] = Some(self.explicit_cast(value, slot_type, false, argument.value.span)?);
        }
        let mut values = Vec::new();
        for (p, value) in function.params.iter().zip(given) {
            let value = match (value, &p.default) {
                (Some(value), _) => value,
                (None, Some(default)) => {
                    let value = self.plain_expr(default, &Scope::default(), "DEFAULT")?;
                    cast(value, &p.data_type)
                }
                (None, None) => return refuse(wrong_count(function, args.len()), span),
            };
            values.push((p.name.name.clone(), value));
        }
        Ok(Frame { function: function.name.clone(), values })
    }
}

/// What Spark says of aggregates and window functions in a body.
const NO_COMPLEX: &str = "USER_DEFINED_FUNCTIONS.CANNOT_CONTAIN_COMPLEX_FUNCTIONS";

fn wrong_count(function: &FunctionDef, found: usize) -> Reason {
    let expected = match function.params.len() {
        1 => "1 argument".to_string(),
        n => format!("{n} arguments"),
    };
    Reason::WrongArgumentCount { function: function.name.clone(), expected, found }
}

/// A value of which only the type is known.
fn unknown(t: &DataType) -> Expr {
    Expr::Cast { expr: Box::new(Expr::literal(Value::Null, DataType::Void)), to: t.clone(), attempt: false }
}

/// The parameters of a function that stand twice, and defaults before parameters without one.
pub(crate) fn misplaced_parameter(params: &[ast::Parameter]) -> Option<(&ast::Ident, &'static str, &'static str)> {
    for (i, p) in params.iter().enumerate() {
        if params[..i].iter().any(|other| same(&other.name.name, &p.name.name)) {
            return Some((&p.name, "DUPLICATE_ROUTINE_PARAMETER_NAMES", "stands twice"));
        }
        if p.default.is_some() && params[i + 1..].iter().any(|later| later.default.is_none()) {
            let condition = "USER_DEFINED_FUNCTIONS.NOT_A_VALID_DEFAULT_PARAMETER_POSITION";
            return Some((&p.name, condition, "has a default, and a parameter without one follows it"));
        }
    }
    None
}
