//! Window functions: `f(args) OVER (PARTITION BY … ORDER BY … frame)`.

use super::call::is_constant;
use super::{Aggregates, Analyzer, Env, Result, refuse};
use crate::diagnostic::Span;
use crate::lang::ast::{self, FrameBound};
use crate::plan::coerce::is_ordered;
use crate::plan::error::Reason;
use crate::plan::expr::{Bound, Expr, Frame, SortKey};
use crate::plan::functions::{self, Function, Kind};
use crate::plan::naming::spell;
use crate::types::{DataType, Value};

impl Analyzer<'_> {
    /// `f(args) OVER (PARTITION BY … ORDER BY …)`
    pub(super) fn window_function(&mut self, call: &ast::Call, over: &ast::WindowSpec, e: &ast::Expr, env: &mut Env) -> Result<Expr> {
        if let Some(name) = &over.name {
            let message = format!("there is no window `{}`: WINDOW {} AS (…) after HAVING would make it", name.name, name.name);
            return refuse(Reason::WindowNotAllowed { condition: "MISSING_WINDOW_SPECIFICATION", message }, name.span);
        }
        let outside = std::mem::replace(&mut env.in_window, true);
        let made = self.window_call_over(call, over, e, env);
        env.in_window = outside;
        made
    }

    fn window_call_over(&mut self, call: &ast::Call, over: &ast::WindowSpec, e: &ast::Expr, env: &mut Env) -> Result<Expr> {
        let Some(function) = functions::find(&call.name.name) else {
            let known = functions::all().map(|f| f.name.to_string()).collect();
            return refuse(Reason::UnresolvedFunction { name: call.name.name.clone(), known }, call.name.span);
        };
        may_look_around(e, env)?;
        let inner = match function.kind {
            Kind::Aggregate => {
                window_of_values(function, call, over, e)?;
                // Its arguments may be aggregates: `sum(sum(v)) OVER ()`.
                Expr::Aggregate(Box::new(self.aggregate_parts(function, call, e, env)?))
            }
            Kind::Window => self.by_place(function, call, over, e, env)?,
            _ => {
                let message = format!("{} is no window function and no aggregate", call.name.name);
                return refuse(Reason::WindowNotAllowed { condition: "UNSUPPORTED_EXPR_FOR_WINDOW", message }, e.span);
            }
        };
        let partition_by: Vec<Expr> = over.partition_by.iter().map(|p| self.expr(p, env)).collect::<Result<_>>()?;
        if let Some(at) = partition_by.iter().position(|p| !is_ordered(&p.data_type())) {
            let message = format!("rows cannot be told apart by {}: its values cannot be compared", partition_by[at].data_type().sql());
            return refuse(Reason::Rule { condition: "EXPRESSION_TYPE_IS_NOT_ORDERABLE", message }, over.partition_by[at].span);
        }
        let mut order_by = Vec::new();
        for item in &over.order_by {
            let expr = self.expr(&item.expr, env)?;
            order_by.push(super::query::sort_key(item, expr)?);
        }
        if function.kind == Kind::Window && order_by.is_empty() {
            let message = format!("{} wants an order: OVER (ORDER BY …)", call.name.name);
            return refuse(Reason::WindowNotAllowed { condition: "WINDOW_FUNCTION_FRAME_NOT_ORDERED", message }, over.span);
        }
        let frame = match &over.frame {
            Some(frame) => Some(self.frame(frame, &order_by, env, over.span)?),
            None => None,
        };
        let data_type = inner.data_type();
        Ok(Expr::Window { call: Box::new(inner), partition_by, order_by, frame, data_type })
    }

    /// A function of the row's place in its window.
    fn by_place(
        &mut self,
        function: &'static Function,
        call: &ast::Call,
        over: &ast::WindowSpec,
        e: &ast::Expr,
        env: &mut Env,
    ) -> Result<Expr> {
        if call.filter.is_some() || call.distinct {
            let message = format!("FILTER and DISTINCT go with aggregates only, and `{}` is none", function.name);
            return refuse(Reason::Rule { condition: "INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX", message }, e.span);
        }
        if over.frame.is_some() && function.name != "nth_value" {
            let message = format!("`{}` has a frame of its own: leave ROWS or RANGE out", function.name);
            return refuse(Reason::WindowNotAllowed { condition: "_LEGACY_ERROR_TEMP_1036", message }, over.span);
        }
        let mut args = self.arguments(call, env)?;
        if matches!(function.name, "rank" | "dense_rank" | "percent_rank") {
            // Spark takes arguments here and ignores them: the order of OVER is what counts.
            args.clear();
        }
        let inner = self.apply(function, args, e)?;
        let (Expr::Call { args, .. }, Some(count)) = (&inner, counting_argument(function.name)) else { return Ok(inner) };
        if let Some(n) = args.get(count) {
            if !is_constant(n) {
                let parameter = function.params[count].name.to_string();
                return refuse(Reason::NotConstant { call: spell(e), parameter }, e.span);
            }
            let value = self.constant(n, e.span)?;
            if matches!(function.name, "nth_value" | "ntile") && value.as_int().is_none_or(|n| n <= 0) {
                let message = format!("`{}` of {} has to be 1 or more", function.params[count].name, spell(e));
                return refuse(Reason::BadParameter { condition: "DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", message }, e.span);
            }
        }
        Ok(if call.ignore_nulls == Some(true) { ignoring_nulls(inner) } else { inner })
    }

    fn frame(&mut self, frame: &ast::WindowFrame, order_by: &[SortKey], env: &mut Env, span: Span) -> Result<Frame> {
        let rule = |condition, message: &str| refuse(Reason::Rule { condition, message: message.to_string() }, span);
        if matches!(frame.start, FrameBound::UnboundedFollowing) || matches!(frame.end, FrameBound::UnboundedPreceding) {
            return rule("DATATYPE_MISMATCH.SPECIFIED_WINDOW_FRAME_INVALID_BOUND", "a frame runs from an earlier row to a later one");
        }
        let bounds = Frame {
            rows: frame.rows,
            start: self.frame_bound(frame, &frame.start, order_by, env)?,
            end: self.frame_bound(frame, &frame.end, order_by, env)?,
        };
        let offset = |b: &FrameBound| matches!(b, FrameBound::Preceding(_) | FrameBound::Following(_));
        if !frame.rows && (offset(&frame.start) || offset(&frame.end)) {
            match order_by {
                [] => return rule("DATATYPE_MISMATCH.RANGE_FRAME_WITHOUT_ORDER", "a RANGE frame with offsets wants ORDER BY"),
                [_] => {}
                _ => return rule("DATATYPE_MISMATCH.RANGE_FRAME_MULTI_ORDER", "a RANGE frame with offsets takes one ORDER BY key"),
            }
        }
        match bounds {
            Frame { start: Bound::Offset(Value::Int(a)), end: Bound::Offset(Value::Int(b)), .. } if a > b => {
                rule("DATATYPE_MISMATCH.SPECIFIED_WINDOW_FRAME_WRONG_COMPARISON", "the window frame ends before it starts")
            }
            bounds => Ok(bounds),
        }
    }

    fn frame_bound(&mut self, frame: &ast::WindowFrame, bound: &FrameBound, order_by: &[SortKey], env: &mut Env) -> Result<Bound> {
        let (e, sign) = match bound {
            FrameBound::UnboundedPreceding | FrameBound::UnboundedFollowing => return Ok(Bound::Unbounded),
            FrameBound::CurrentRow => return Ok(Bound::Offset(Value::Int(0))),
            FrameBound::Preceding(e) => (e, -1),
            FrameBound::Following(e) => (e, 1),
        };
        let expr = self.expr(e, env)?;
        if !is_constant(&expr) {
            let message = format!("`{}` has to be a constant: how far the frame reaches", spell(e));
            return refuse(Reason::Rule { condition: "INVALID_SQL_SYNTAX.INVALID_WINDOW_FRAME_BOUND", message }, e.span);
        }
        let found = expr.data_type();
        let fits = match order_by.first().map(|k| k.expr.data_type()) {
            _ if frame.rows => found.is_integral(),
            Some(DataType::Date) => found.is_integral() || found.is_interval(),
            Some(t) if t.is_datetime() => found.is_interval(),
            Some(t) => t.is_numeric() && found.is_numeric() || t.is_interval() && found.is_interval(),
            None => true,
        };
        if !fits {
            let message = format!("a frame cannot reach {} far here: that is {}", spell(e), found.sql());
            let condition = "DATATYPE_MISMATCH.SPECIFIED_WINDOW_FRAME_UNACCEPTED_TYPE";
            return refuse(Reason::Rule { condition, message }, e.span);
        }
        Ok(Bound::Offset(match (self.constant(&expr, e.span)?, &found) {
            (Value::Int(n), _) => Value::Int(n * sign),
            (Value::DayTime(n), _) => Value::DayTime(n * sign),
            (Value::YearMonth(n), _) => Value::YearMonth(n * sign as i32),
            (Value::Double(n), _) => Value::Double(n * sign as f64),
            (Value::Float(n), _) => Value::Double(f64::from(n) * sign as f64),
            (Value::Decimal(n), DataType::Decimal(_, scale)) => Value::Double(n as f64 / 10f64.powi(i32::from(*scale)) * sign as f64),
            _ => return refuse(Reason::NotConstant { call: "OVER".to_string(), parameter: "frame bound".to_string() }, e.span),
        }))
    }
}

/// Refuses a window function in a clause that sees one row at a time.
fn may_look_around(e: &ast::Expr, env: &Env) -> Result<()> {
    let (condition, clause) = match env.aggregates {
        Aggregates::Forbidden(_, "FILTER") => ("INVALID_AGGREGATE_FILTER.CONTAINS_WINDOW_FUNCTION", "FILTER"),
        Aggregates::Forbidden(condition, "JOIN") => (condition, "ON"),
        Aggregates::Forbidden(_, clause @ ("WHERE" | "HAVING" | "GROUP BY")) => ("WINDOW_FUNCTION_NOT_ALLOWED_IN_CLAUSE", clause),
        _ => return Ok(()),
    };
    let message = format!("{} looks at other rows, so it cannot stand in {clause}: use QUALIFY, or a sub-query around it", spell(e));
    refuse(Reason::WindowNotAllowed { condition, message }, e.span)
}

/// What does not go with a window: DISTINCT, and an order for aggregates that bring their own.
fn window_of_values(function: &Function, call: &ast::Call, over: &ast::WindowSpec, e: &ast::Expr) -> Result<()> {
    if call.distinct {
        let message = format!("DISTINCT does not go with OVER: `{}`", spell(e));
        return refuse(Reason::WindowNotAllowed { condition: "DISTINCT_WINDOW_FUNCTION_UNSUPPORTED", message }, e.span);
    }
    let ordered = matches!(function.name, "percentile_cont" | "percentile_disc" | "median");
    if ordered && (!over.order_by.is_empty() || over.frame.is_some()) {
        let message = format!("`{}` looks at the whole partition: OVER without ORDER BY and frame", function.name);
        return refuse(Reason::WindowNotAllowed { condition: "INVALID_WINDOW_SPEC_FOR_AGGREGATION_FUNC", message }, over.span);
    }
    Ok(())
}

/// The argument that says how many rows or parts, and so has to be a constant.
fn counting_argument(name: &str) -> Option<usize> {
    match name {
        "lag" | "lead" | "nth_value" => Some(1),
        "ntile" => Some(0),
        _ => None,
    }
}

/// The call of lag, lead or nth_value with the flag for IGNORE NULLS after all its arguments.
fn ignoring_nulls(call: Expr) -> Expr {
    let Expr::Call { function, mut args, data_type } = call else { return call };
    let after = if function.0 == "nth_value" { 2 } else { 3 };
    args.truncate(after);
    if args.len() == 1 {
        args.push(Expr::literal(Value::Int(1), DataType::Int));
    }
    while args.len() < after {
        args.push(Expr::literal(Value::Null, data_type.clone()));
    }
    args.push(Expr::literal(Value::Boolean(true), DataType::Boolean));
    Expr::Call { function, args, data_type }
}
