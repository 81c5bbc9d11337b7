//! Expressions: names, literals, predicates, CASE, casts.

use super::{Aggregates, Analyzer, Env, Result, refuse};
use crate::diagnostic::Span;
use crate::lang::ast::{self, ExprKind, LikeKind, LikeQuantifier, UnaryOp};
use crate::plan::coerce::{can_cast, cast, common, common_of, is_ordered};
use crate::plan::error::Reason;
use crate::plan::expr::Expr;
use crate::plan::naming::spell;
use crate::plan::scope::{Found, same};
use crate::types::{DataType, Value};

impl Analyzer<'_> {
    /// Resolves and types one expression, and notes where it stands.
    pub(super) fn expr(&mut self, e: &ast::Expr, env: &mut Env) -> Result<Expr> {
        let expr = self.resolved(e, env)?;
        if !self.foreign && !matches!(e.kind, ExprKind::Literal(..)) {
            self.places.note(&expr, e.span);
        }
        Ok(expr)
    }

    fn resolved(&mut self, e: &ast::Expr, env: &mut Env) -> Result<Expr> {
        match &e.kind {
            ExprKind::Literal(value, data_type) => Ok(Expr::literal(value.clone(), data_type.clone())),
            ExprKind::TimestampLiteral(text) => self.timestamp_literal(text, e.span),
            ExprKind::Name(parts) => self.name(parts, e.span, env),
            ExprKind::Star { .. } => refuse(Reason::StarNotAllowed { place: "an expression".to_string() }, e.span),
            ExprKind::Unary { op, expr } => self.unary(*op, expr, e, env),
            ExprKind::Binary { op, left, right } => self.binary(*op, left, right, e, env),
            ExprKind::Between { expr, low, high, negated } => self.between(expr, low, high, *negated, e, env),
            ExprKind::InList { expr, list, negated } => self.in_list(expr, list, *negated, e, env),
            ExprKind::InSubquery { expr, query, negated } => self.in_subquery(expr, query, *negated, e.span, env),
            ExprKind::Exists(query) => self.exists(query, e.span, env),
            ExprKind::ScalarSubquery(query) => self.scalar_subquery(query, e.span, env),
            ExprKind::Like { kind, expr, patterns, quantifier, escape, negated } => {
                self.like(*kind, expr, patterns, (*quantifier, *negated), *escape, env)
            }
            ExprKind::IsNull { expr, negated } => {
                let expr = self.expr(expr, env)?;
                Ok(Expr::call(if *negated { "isnotnull" } else { "isnull" }, vec![expr], DataType::Boolean))
            }
            ExprKind::IsBoolean { expr, value, negated } => {
                let test = match value {
                    Some(b) => {
                        let expr = self.expr(expr, env)?;
                        self.comparison("<=>", expr, Expr::literal(Value::Boolean(*b), DataType::Boolean), e)?
                    }
                    None => Expr::call("isnull", vec![self.boolean(expr, env)?], DataType::Boolean),
                };
                Ok(negate(test, *negated))
            }
            ExprKind::IsDistinct { left, right, negated } => {
                let (left, right) = (self.expr(left, env)?, self.expr(right, env)?);
                let same = self.comparison("<=>", left, right, e)?;
                Ok(negate(same, !*negated))
            }
            ExprKind::Case { operand, branches, otherwise } => self.case(operand.as_deref(), branches, otherwise.as_deref(), e, env),
            ExprKind::Cast { expr, to, attempt } => {
                let inner = self.expr(expr, env)?;
                self.explicit_cast(inner, to, *attempt, e.span)
            }
            ExprKind::Call(call) => self.call(call, e, env),
            ExprKind::Lambda { .. } => {
                let message = "a lambda can only be an argument of a function such as transform or filter".to_string();
                refuse(Reason::Rule { condition: "INVALID_LAMBDA_FUNCTION_CALL.NON_HIGHER_ORDER_FUNCTION", message }, e.span)
            }
            ExprKind::Subscript { expr, index } => self.subscript(expr, index, e, env),
            ExprKind::Field { expr, name } => {
                let inner = self.expr(expr, env)?;
                self.member(inner, &name.name, &spell(expr), name.span)
            }
            ExprKind::Interval(interval) => self.interval(interval, e.span),
            ExprKind::Row(items) => {
                let items = items.iter().map(|i| Ok((self.expr(i, env)?, i))).collect::<Result<Vec<_>>>()?;
                Ok(super::special::struct_of(items))
            }
            ExprKind::Parameter(name) => match self.settings.parameters.get(name) {
                Some(value) => Ok(Expr::string(value.clone())),
                None => {
                    let message = format!("the parameter :{name} has no value; give one with --arg {name}=…");
                    refuse(Reason::Rule { condition: "UNBOUND_SQL_PARAMETER", message }, e.span)
                }
            },
        }
    }

    fn timestamp_literal(&mut self, text: &str, span: Span) -> Result<Expr> {
        let cast = Expr::Cast { expr: Box::new(Expr::string(text)), to: DataType::Timestamp, attempt: true };
        match self.constant(&cast, span)? {
            Value::Null => {
                let message = format!("'{text}' is not a TIMESTAMP; write it as '2024-02-29 01:02:03'");
                refuse(Reason::Rule { condition: "INVALID_TYPED_LITERAL", message }, span)
            }
            value => Ok(Expr::literal(value, DataType::Timestamp)),
        }
    }

    /// A column, a lambda's parameter, an alias to the left, a struct member, or a function without parentheses.
    pub(super) fn name(&mut self, parts: &[ast::Ident], span: Span, env: &mut Env) -> Result<Expr> {
        let texts: Vec<&str> = parts.iter().map(|p| p.name.as_str()).collect();
        let parameter = env.lambdas.iter().rev().flatten().find(|p| same(&p.name, texts[0])).cloned();
        if let Some(parameter) = parameter {
            return self.members(parameter.expr(), parts, 1);
        }
        match env.scope.find(&texts) {
            Found::Column(column, taken) => return self.members(column.expr(), parts, taken),
            Found::Ambiguous(candidates) => {
                return refuse(Reason::AmbiguousColumn { name: texts.join("."), candidates }, span);
            }
            Found::Missing => {}
        }
        let known = env.aliases.iter().filter(|(name, _)| same(name, texts[0])).count();
        if let Some((_, expr)) = env.aliases.iter().rev().find(|(name, _)| same(name, texts[0])) {
            let rule = |condition, message: &str| {
                let message = format!("`{}` is an alias of this select list, {message}", texts[0]);
                refuse(Reason::Rule { condition, message }, span)
            };
            let nested = matches!(env.aggregates, Aggregates::Nested);
            match () {
                () if !env.in_list => {}
                () if known > 1 => return rule("AMBIGUOUS_LATERAL_COLUMN_ALIAS", "and so is another column with that name"),
                () if env.in_window => {
                    return rule("UNSUPPORTED_FEATURE.LATERAL_COLUMN_ALIAS_IN_WINDOW", "which a window function cannot use");
                }
                () if nested => return rule("UNSUPPORTED_FEATURE.LATERAL_COLUMN_ALIAS_IN_AGGREGATE_FUNC", "which an aggregate cannot use"),
                () => {}
            }
            return self.members(expr.clone(), parts, 1);
        }
        if let [one] = texts.as_slice()
            && let Some(expr) = self.bare_function(one, env)
        {
            return Ok(expr);
        }
        for scope in self.outer.iter().rev() {
            if let Found::Column(column, taken) = scope.find(&texts) {
                return self.members(column.expr(), parts, taken);
            }
        }
        if let Some((value, taken)) = self.parameters.as_ref().and_then(|f| f.find(&texts)) {
            return self.members(value, parts, taken);
        }
        refuse(Reason::UnresolvedColumn { name: texts.join("."), visible: env.scope.listing() }, span)
    }

    fn members(&mut self, mut expr: Expr, parts: &[ast::Ident], taken: usize) -> Result<Expr> {
        for i in taken..parts.len() {
            expr = self.member(expr, &parts[i].name, &parts[i - 1].name, parts[i].span)?;
        }
        Ok(expr)
    }

    /// `base.field`: a member of a struct, of every struct of an array, or a map's value.
    pub(super) fn member(&mut self, base: Expr, field: &str, base_name: &str, span: Span) -> Result<Expr> {
        let position = |fields: &[crate::types::Field]| {
            let count = fields.iter().filter(|f| same(&f.name, field)).count();
            if count > 1 {
                let message = format!("the struct has {count} members called `{field}`");
                return refuse(Reason::Rule { condition: "AMBIGUOUS_REFERENCE_TO_FIELDS", message }, span);
            }
            fields.iter().position(|f| same(&f.name, field)).ok_or_else(|| {
                let members = fields.iter().map(|f| f.name.clone()).collect();
                crate::plan::AnalysisError::new(Reason::FieldNotFound { field: field.to_string(), members }, span)
            })
        };
        match base.data_type() {
            DataType::Struct(fields) => {
                let index = position(&fields)?;
                Ok(Expr::Field { expr: Box::new(base), index, data_type: fields[index].data_type.clone() })
            }
            DataType::Array(element) if matches!(*element, DataType::Struct(_)) => {
                let DataType::Struct(fields) = *element else { unreachable!("checked by the guard") };
                let index = position(&fields)?;
                let data_type = DataType::array(fields[index].data_type.clone());
                let index = Expr::literal(Value::Int(index as i64), DataType::Int);
                Ok(Expr::call("getfield_array", vec![base, index], data_type))
            }
            DataType::Map(key, value) => {
                let key = cast(Expr::string(field), &key);
                Ok(Expr::call("getitem_map", vec![base, key], *value))
            }
            DataType::Void => Ok(Expr::literal(Value::Null, DataType::Void)),
            other => refuse(Reason::NotAStruct { name: base_name.to_string(), data_type: other }, span),
        }
    }

    fn subscript(&mut self, base: &ast::Expr, index: &ast::Expr, e: &ast::Expr, env: &mut Env) -> Result<Expr> {
        let inner = self.expr(base, env)?;
        let key = self.expr(index, env)?;
        match inner.data_type() {
            DataType::Array(element) if key.data_type().is_integral() || key.data_type() == DataType::Void => {
                Ok(Expr::call("getitem_array", vec![inner, cast(key, &DataType::BigInt)], *element))
            }
            DataType::Map(wanted, value) => match common(&key.data_type(), &wanted) {
                Some(t) if t == *wanted || *wanted == DataType::String => {
                    Ok(Expr::call("getitem_map", vec![inner, cast(key, &wanted)], *value))
                }
                _ => self.unexpected(&spell(e), 2, wanted.sql(), key.data_type(), index.span),
            },
            DataType::Void => Ok(Expr::literal(Value::Null, DataType::Void)),
            DataType::Struct(_) => match &key {
                Expr::Literal { value: Value::String(name), .. } => self.member(inner, name, &spell(base), index.span),
                _ => self.unexpected(&spell(e), 2, "a constant STRING".to_string(), key.data_type(), index.span),
            },
            DataType::Array(_) => self.unexpected(&spell(e), 2, "a whole number".to_string(), key.data_type(), index.span),
            other => refuse(Reason::NotAStruct { name: spell(base), data_type: other }, base.span),
        }
    }

    pub(super) fn unexpected<T>(&self, call: &str, position: usize, wanted: String, found: DataType, span: Span) -> Result<T> {
        refuse(Reason::WrongArgumentType { call: call.to_string(), position, wanted, found }, span)
    }

    /// An expression that has to be BOOLEAN; strings are cast.
    pub(super) fn boolean(&mut self, e: &ast::Expr, env: &mut Env) -> Result<Expr> {
        let expr = self.expr(e, env)?;
        match expr.data_type() {
            DataType::Boolean | DataType::Void | DataType::String => Ok(cast(expr, &DataType::Boolean)),
            found => self.unexpected(&spell(e), 1, "BOOLEAN".to_string(), found, e.span),
        }
    }

    /// The condition of WHERE, HAVING, ON and FILTER.
    pub(super) fn condition(&mut self, e: &ast::Expr, clause: &'static str, env: &mut Env) -> Result<Expr> {
        let spelt_out = self.spelt_out(e, env)?;
        let expr = self.expr(spelt_out.as_ref().unwrap_or(e), env)?;
        match expr.data_type() {
            DataType::Boolean => {
                self.warn_never_true(&expr, clause, e);
                Ok(expr)
            }
            DataType::Void | DataType::String if matches!(clause, "HAVING" | "QUALIFY") => Ok(cast(expr, &DataType::Boolean)),
            found if clause == "FILTER" => {
                let message = format!("the condition of FILTER has to be true or false, not {}", found.sql());
                refuse(Reason::Rule { condition: "INVALID_AGGREGATE_FILTER.NOT_BOOLEAN", message }, e.span)
            }
            found => refuse(Reason::NotBoolean { clause, found }, e.span),
        }
    }

    fn unary(&mut self, op: UnaryOp, inner: &ast::Expr, e: &ast::Expr, env: &mut Env) -> Result<Expr> {
        if op == UnaryOp::Not {
            return Ok(negate(self.boolean(inner, env)?, true));
        }
        let expr = self.expr(inner, env)?;
        let found = expr.data_type();
        match op {
            UnaryOp::BitNot if found.is_integral() => Ok(Expr::call("~", vec![expr], found)),
            UnaryOp::BitNot if found == DataType::Void => Ok(Expr::literal(Value::Null, DataType::Int)),
            UnaryOp::BitNot => self.unexpected(&spell(e), 1, "a whole number".to_string(), found, inner.span),
            _ => {
                let expr = match found {
                    DataType::String | DataType::Void => cast(expr, &DataType::Double),
                    _ => expr,
                };
                let data_type = expr.data_type();
                if !data_type.is_numeric() && !data_type.is_interval() {
                    return self.unexpected(&spell(e), 1, "a number or an INTERVAL".to_string(), data_type, inner.span);
                }
                Ok(match op {
                    UnaryOp::Plus => expr,
                    _ => Expr::call("negative", vec![expr], data_type),
                })
            }
        }
    }

    fn between(
        &mut self,
        expr: &ast::Expr,
        low: &ast::Expr,
        high: &ast::Expr,
        negated: bool,
        e: &ast::Expr,
        env: &mut Env,
    ) -> Result<Expr> {
        let (value, low, high) = (self.expr(expr, env)?, self.expr(low, env)?, self.expr(high, env)?);
        let above = self.comparison(">=", value.clone(), low, e)?;
        let below = self.comparison("<=", value, high, e)?;
        Ok(negate(Expr::And(Box::new(above), Box::new(below)), negated))
    }

    fn in_list(&mut self, expr: &ast::Expr, list: &[ast::Expr], negated: bool, e: &ast::Expr, env: &mut Env) -> Result<Expr> {
        let value = self.expr(expr, env)?;
        let list = list.iter().map(|i| self.expr(i, env)).collect::<Result<Vec<_>>>()?;
        let types: Vec<_> = std::iter::once(value.data_type()).chain(list.iter().map(Expr::data_type)).collect();
        let Some(t) = common_of(&types) else {
            return refuse(Reason::DifferentTypes { what: "the values of IN".to_string(), types }, e.span);
        };
        if !is_ordered(&t) {
            let message = format!("IN compares values, and {} cannot be compared", t.sql());
            return refuse(Reason::Rule { condition: "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE", message }, e.span);
        }
        let list = list.into_iter().map(|i| cast(i, &t)).collect();
        Ok(negate(Expr::In { expr: Box::new(cast(value, &t)), list }, negated))
    }

    fn like(
        &mut self,
        kind: LikeKind,
        expr: &ast::Expr,
        patterns: &[ast::Expr],
        (quantifier, negated): (Option<LikeQuantifier>, bool),
        escape: Option<char>,
        env: &mut Env,
    ) -> Result<Expr> {
        let function = match kind {
            LikeKind::Like => "like",
            LikeKind::ILike => "ilike",
            LikeKind::RLike => "rlike",
        };
        let text = |this: &mut Self, e: &ast::Expr, env: &mut Env| -> Result<Expr> {
            let expr = this.expr(e, env)?;
            match expr.data_type() {
                t if t.is_atomic() => Ok(cast(expr, &DataType::String)),
                found => this.unexpected(function, 1, "a STRING".to_string(), found, e.span),
            }
        };
        self.warn_like(kind, patterns);
        let value = text(self, expr, env)?;
        let mut tests = Vec::new();
        for pattern in patterns {
            let mut args = vec![value.clone(), text(self, pattern, env)?];
            args.extend(escape.map(|c| Expr::string(c.to_string())));
            // `NOT LIKE ANY` asks whether any of the patterns fails.
            tests.push(negate(Expr::call(function, args, DataType::Boolean), negated));
        }
        let both = |a, b| match quantifier {
            Some(LikeQuantifier::All) => Expr::And(Box::new(a), Box::new(b)),
            _ => Expr::Or(Box::new(a), Box::new(b)),
        };
        Ok(tests.into_iter().reduce(both).unwrap_or_else(|| Expr::literal(Value::Boolean(false), DataType::Boolean)))
    }

    fn case(
        &mut self,
        operand: Option<&ast::Expr>,
        branches: &[(ast::Expr, ast::Expr)],
        otherwise: Option<&ast::Expr>,
        e: &ast::Expr,
        env: &mut Env,
    ) -> Result<Expr> {
        let operand = operand.map(|o| self.expr(o, env)).transpose()?;
        let mut resolved = Vec::new();
        for (when, then) in branches {
            let condition = self.expr(when, env)?;
            let condition = match &operand {
                Some(operand) => self.comparison("=", operand.clone(), condition, when)?,
                None if condition.data_type() == DataType::Boolean => condition,
                None => return self.unexpected("CASE WHEN", 1, "BOOLEAN".to_string(), condition.data_type(), when.span),
            };
            resolved.push((condition, self.expr(then, env)?));
        }
        let conditions: Vec<_> = resolved.iter().map(|(c, _)| c.clone()).take(MOST_BRANCHES).collect();
        self.warn_case(&conditions, branches);
        let otherwise = otherwise.map(|o| self.expr(o, env)).transpose()?;
        self.case_of(resolved, otherwise, e.span)
    }

    /// CASE with its values brought to their common type.
    pub(super) fn case_of(&self, branches: Vec<(Expr, Expr)>, otherwise: Option<Expr>, span: Span) -> Result<Expr> {
        let types: Vec<_> = branches.iter().map(|(_, v)| v.data_type()).chain(otherwise.iter().map(Expr::data_type)).collect();
        let Some(t) = common_of(&types) else {
            return refuse(Reason::DifferentTypes { what: "the values of CASE".to_string(), types }, span);
        };
        let branches = branches.into_iter().map(|(c, v)| (c, cast(v, &t))).collect();
        Ok(Expr::Case { branches, otherwise: otherwise.map(|o| Box::new(cast(o, &t))), data_type: t })
    }

    pub(super) fn explicit_cast(&self, expr: Expr, to: &DataType, attempt: bool, span: Span) -> Result<Expr> {
        let from = expr.data_type();
        if !can_cast(&from, to) {
            return refuse(Reason::CastNotAllowed { from, to: to.clone() }, span);
        }
        if from == *to {
            return Ok(expr);
        }
        Ok(Expr::Cast { expr: Box::new(expr), to: to.clone(), attempt })
    }

    /// Resolves an expression in which no aggregate may stand and no time window is made.
    pub(super) fn plain_expr(&mut self, e: &ast::Expr, scope: &crate::plan::scope::Scope, clause: &'static str) -> Result<Expr> {
        let mut env = Env::new(scope.clone(), Aggregates::Forbidden("INVALID_WHERE_CONDITION", clause));
        self.expr(e, &mut env)
    }
}

/// So many branches of CASE are compared with each other for warnings.
const MOST_BRANCHES: usize = 100;

/// `NOT expr` where asked for.
pub(super) fn negate(expr: Expr, negated: bool) -> Expr {
    if negated { Expr::call("not", vec![expr], DataType::Boolean) } else { expr }
}
