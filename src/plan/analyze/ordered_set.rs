//! Aggregates that are configured: WITHIN GROUP (ORDER BY …), and arguments that have to be constants.

use super::call::is_constant;
use super::{Analyzer, Env, Result, refuse};
use crate::lang::ast;
use crate::plan::coerce::{accepted, cast};
use crate::plan::error::Reason;
use crate::plan::expr::Expr;
use crate::plan::functions::Accepts;
use crate::plan::naming::spell;
use crate::types::{DataType, Value};

/// `max_by` keeps at most so many rows of a group.
const MOST_ROWS: i64 = 100_000;

impl Analyzer<'_> {
    /// Reads WITHIN GROUP: adds to the arguments, and gives those that the accumulator takes after them.
    pub(super) fn within_group<'e>(
        &mut self,
        name: &str,
        call: &'e ast::Call,
        args: &mut Vec<(Expr, &'e ast::Expr)>,
        e: &ast::Expr,
        env: &mut Env,
    ) -> Result<Vec<Expr>> {
        let wrong = |condition, message: String| refuse(Reason::Rule { condition, message }, e.span);
        let items = call.within_group.as_slice();
        match (name, items) {
            ("percentile_cont" | "percentile_disc", _) if args.len() != 1 => {
                let expected = "1 argument".to_string();
                refuse(Reason::WrongArgumentCount { function: name.to_string(), expected, found: args.len() }, e.span)
            }
            ("percentile_cont" | "percentile_disc", _) if call.distinct => {
                wrong("INVALID_WITHIN_GROUP_EXPRESSION.DISTINCT_UNSUPPORTED", format!("{name} does not go with DISTINCT"))
            }
            ("percentile_cont" | "percentile_disc", []) => wrong(
                "INVALID_WITHIN_GROUP_EXPRESSION.WITHIN_GROUP_MISSING",
                format!("{name} wants to know of which values: {name}(0.5) WITHIN GROUP (ORDER BY v)"),
            ),
            ("mode", []) if args.is_empty() => wrong(
                "INVALID_WITHIN_GROUP_EXPRESSION.WITHIN_GROUP_MISSING",
                "mode wants a column: mode(v), or mode() WITHIN GROUP (ORDER BY v)".to_string(),
            ),
            (_, []) => Ok(vec![]),
            ("percentile_cont" | "percentile_disc", [item]) => {
                args.insert(0, (self.expr(&item.expr, env)?, &item.expr));
                Ok(vec![Expr::literal(Value::Boolean(item.descending), DataType::Boolean)])
            }
            ("mode", [item]) if args.is_empty() => {
                args.push((self.expr(&item.expr, env)?, &item.expr));
                // A number rather than TRUE asks for the greatest.
                let ties = if item.descending { Value::Int(-1) } else { Value::Boolean(true) };
                Ok(vec![Expr::literal(ties, if item.descending { DataType::Int } else { DataType::Boolean })])
            }
            ("percentile_cont" | "percentile_disc" | "mode", items) => {
                let wanted = usize::from(name != "mode" || args.is_empty());
                let message = format!("{name} takes {wanted} key in WITHIN GROUP here, not {}", items.len());
                wrong("INVALID_WITHIN_GROUP_EXPRESSION.WRONG_NUM_ORDERINGS", message)
            }
            ("listagg", items) => self.listagg_keys(call, args, items, e, env),
            (name, _) => {
                wrong("INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX", format!("`{name}` does not go with WITHIN GROUP (ORDER BY …)"))
            }
        }
    }

    /// The keys of `listagg`, each with its direction as bits: 1 descending, 2 NULLs first.
    fn listagg_keys<'e>(
        &mut self,
        call: &ast::Call,
        args: &mut Vec<(Expr, &'e ast::Expr)>,
        items: &'e [ast::SortItem],
        e: &ast::Expr,
        env: &mut Env,
    ) -> Result<Vec<Expr>> {
        let mut keys = Vec::new();
        for item in items {
            let key = super::query::sort_key(item, self.expr(&item.expr, env)?)?;
            if call.distinct && (items.len() > 1 || args.first().map(|(value, _)| value) != Some(&key.expr)) {
                let message = "with DISTINCT, listagg can be ordered by nothing but its own values".to_string();
                let condition = "INVALID_WITHIN_GROUP_EXPRESSION.MISMATCH_WITH_DISTINCT_INPUT";
                return refuse(Reason::Rule { condition, message }, e.span);
            }
            let flags = i64::from(key.descending) | i64::from(key.nulls_first) << 1;
            keys.push(key.expr);
            keys.push(Expr::literal(Value::Int(flags), DataType::Int));
        }
        if args.len() == 1 {
            // The keys stand after the delimiter.
            args.push((Expr::literal(Value::Null, DataType::Void), &items[0].expr));
        }
        Ok(keys)
    }

    /// Checks the arguments that have to be constants, and makes literals of them. `args` are coerced.
    pub(super) fn configured(&self, name: &'static str, mut args: Vec<Expr>, e: &ast::Expr) -> Result<Vec<Expr>> {
        match name {
            "percentile" | "percentile_cont" | "percentile_disc" | "approx_percentile" => {
                args[1] = self.percentages(&args[1], e)?;
                if name == "approx_percentile" && args.len() > 2 {
                    args[2] = self.count_within(&args[2], "accuracy", 1..=i64::from(i32::MAX), e)?;
                }
            }
            "max_by" | "min_by" if args.len() > 2 => args[2] = self.count_within(&args[2], "k", 1..=MOST_ROWS, e)?,
            "histogram_numeric" => args[1] = self.count_within(&args[1], "nb", 2..=i64::from(i32::MAX), e)?,
            "mode" if args.len() > 1 => {
                if !is_constant(&args[1]) {
                    let message = "`deterministic` of mode has to be TRUE or FALSE itself".to_string();
                    return refuse(Reason::Rule { condition: "NON_FOLDABLE_ARGUMENT", message }, e.span);
                }
                args[1] = self.known(&args[1], "deterministic", e)?;
            }
            "listagg" if args.len() > 1 => {
                if !is_constant(&args[1]) {
                    return refuse(Reason::NotConstant { call: spell(e), parameter: "delimiter".to_string() }, e.span);
                }
                let (value, delimiter) = (args[0].data_type(), args[1].data_type());
                if delimiter != value && self.constant(&args[1], e.span)? != Value::Null {
                    return refuse(
                        Reason::DifferentTypes { what: "value and delimiter of listagg".to_string(), types: vec![value, delimiter] },
                        e.span,
                    );
                }
                args[1] = Expr::literal(self.constant(&args[1], e.span)?, value);
            }
            _ => {}
        }
        Ok(args)
    }

    /// A constant that is not NULL, as a literal.
    fn known(&self, expr: &Expr, parameter: &str, e: &ast::Expr) -> Result<Expr> {
        if !is_constant(expr) {
            return refuse(Reason::NotConstant { call: spell(e), parameter: parameter.to_string() }, e.span);
        }
        match self.constant(expr, e.span)? {
            Value::Null => {
                let message = format!("`{parameter}` of {} must not be NULL", spell(e));
                refuse(Reason::Rule { condition: "DATATYPE_MISMATCH.UNEXPECTED_NULL", message }, e.span)
            }
            value => Ok(Expr::literal(value, expr.data_type())),
        }
    }

    fn out_of_range<T>(&self, what: &str, wanted: &str, e: &ast::Expr) -> Result<T> {
        let message = format!("{what} of {} has to be {wanted}", spell(e));
        refuse(Reason::BadParameter { condition: "DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", message }, e.span)
    }

    fn count_within(&self, expr: &Expr, parameter: &str, range: std::ops::RangeInclusive<i64>, e: &ast::Expr) -> Result<Expr> {
        let wanted = format!("a number from {} to {}", range.start(), range.end());
        let literal = match self.known(expr, parameter, e) {
            // For the number of rows NULL is as wrong as 0.
            Err(_) if parameter == "k" && is_constant(expr) => return self.out_of_range("`k`", &wanted, e),
            literal => literal?,
        };
        match &literal {
            Expr::Literal { value: Value::Int(n), .. } if range.contains(n) => Ok(literal),
            _ => self.out_of_range(&format!("`{parameter}`"), &wanted, e),
        }
    }

    /// A share between 0 and 1 or an array of them, as a literal of DOUBLE.
    fn percentages(&self, given: &Expr, e: &ast::Expr) -> Result<Expr> {
        let found = given.data_type();
        let numbers = match &found {
            DataType::Array(element) => accepted(Accepts::Number, element).map(|_| DataType::array(DataType::Double)),
            found => accepted(Accepts::Double, found),
        };
        let Some(t) = numbers.filter(|_| found != DataType::array(DataType::Void)) else {
            return self.unexpected(&spell(e), 2, "a share from 0 to 1, or an array of shares".to_string(), found, e.span);
        };
        if !is_constant(given) {
            return refuse(Reason::NotConstant { call: spell(e), parameter: "percentage".to_string() }, e.span);
        }
        let literal = match given {
            Expr::Literal { value: Value::Decimal(n), data_type: DataType::Decimal(_, scale) } => {
                Expr::literal(Value::Double(*n as f64 / 10f64.powi(i32::from(*scale))), t)
            }
            Expr::Literal { value: Value::Int(n), .. } => Expr::literal(Value::Double(*n as f64), t),
            given => self.known(&cast(given.clone(), &t), "percentage", e)?,
        };
        let Expr::Literal { value, .. } = &literal else { return Ok(literal) };
        let inside = |value: &Value| matches!(value, Value::Double(share) if (0.0..=1.0).contains(share));
        let fits = match value {
            Value::Array(shares) if shares.contains(&Value::Null) => {
                return self.unexpected(&spell(e), 2, "an array of shares without NULL".to_string(), found, e.span);
            }
            Value::Array(shares) => shares.iter().all(inside),
            share => inside(share),
        };
        if fits { Ok(literal) } else { self.out_of_range("a percentage", "between 0.0 and 1.0", e) }
    }
}
