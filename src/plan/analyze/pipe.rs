//! Pipe operators: each takes a relation and gives a relation.

use super::query::visible;
use super::select::Item;
use super::{Aggregates, Analyzer, Env, Relation, Result, keep, refuse};
use crate::diagnostic::Span;
use crate::lang::ast::{self, ExprKind, PipeOperator};
use crate::plan::error::Reason;
use crate::plan::expr::{AggregateCall, Expr, FunctionId};
use crate::plan::logical::{LogicalPlan, NamedAggregate};
use crate::plan::naming::name_of;
use crate::plan::scope::{Scope, Visible, same};
use crate::plan::streaming::event_time_columns;
use crate::types::{DataType, Value};

/// Aggregates belong into `|> AGGREGATE`.
const AGGREGATE_IN_PIPE: &str = "PIPE_OPERATOR_CONTAINS_AGGREGATE_FUNCTION";

impl Analyzer<'_> {
    pub(super) fn pipe(&mut self, input: Relation, operator: &PipeOperator, span: Span) -> Result<Relation> {
        match operator {
            PipeOperator::Where(condition) => self.filtered(input, condition, "WHERE"),
            // Aggregates are allowed there, as in Spark.
            PipeOperator::Select { distinct, items } => {
                let select = ast::Select {
                    distinct: *distinct,
                    hints: vec![],
                    items: items.clone(),
                    from: vec![],
                    lateral_views: vec![],
                    filter: None,
                    group_by: None,
                    having: None,
                    qualify: None,
                    windows: vec![],
                    span,
                };
                self.select_over(input, &select, &[])
            }
            PipeOperator::Extend(items) => self.extend(input, items),
            PipeOperator::Set(assignments) => self.set(input, assignments),
            PipeOperator::Drop(names) => self.drop_columns(input, names),
            PipeOperator::As(alias) => {
                let (plan, scope) = input;
                Ok((plan, scope.aliased(Some(&alias.name))))
            }
            PipeOperator::Aggregate { items, group_by } => self.pipe_aggregate(input, items, group_by.as_ref()),
            PipeOperator::Join { right, kind, natural, condition } => self.joined(input, right, *kind, *natural, condition, span),
            PipeOperator::SetOperation { op, all, right } => {
                let right = self.body(right)?;
                self.set_operation(*op, *all, input, right, span)
            }
            PipeOperator::OrderBy(items) | PipeOperator::SortBy(items) => {
                let (plan, scope) = input;
                let plan = self.sort(plan, &scope, items)?;
                Ok((plan, scope))
            }
            PipeOperator::Limit(e) => {
                let (plan, scope) = input;
                Ok((self.limit((plan, &scope), Some(e), None)?, scope))
            }
            PipeOperator::Offset(e) => {
                let (plan, scope) = input;
                Ok((self.limit((plan, &scope), None, Some(e))?, scope))
            }
            PipeOperator::Pivot(pivot, alias) => {
                let relation = self.pivot(input, pivot)?;
                Ok(renamed(relation, alias.as_ref()))
            }
            PipeOperator::Unpivot(unpivot, alias) => {
                let relation = self.unpivot(input, unpivot)?;
                Ok(renamed(relation, alias.as_ref()))
            }
            PipeOperator::TableSample(sample) => self.sampled(input, sample),
            PipeOperator::LateralView(view) => self.lateral_view(input, view),
            PipeOperator::Deduplicate { on, within_watermark } => self.deduplicate(input, on, *within_watermark, span),
            PipeOperator::Stateful => refuse(Reason::NotBuilt { what: "|> STATEFUL".to_string() }, span),
        }
    }

    /// `|> EXTEND`: new columns after those that are there.
    fn extend(&mut self, (plan, scope): Relation, items: &[ast::SelectItem]) -> Result<Relation> {
        let mut env = Env::plain(scope, AGGREGATE_IN_PIPE, "|> EXTEND; use |> AGGREGATE");
        let before = visible(&env.scope);
        let resolved = self.items(items, &mut env)?;
        let plan = self.place_windows(plan, &mut env)?;
        let (plan, mut made) = self.generated_below(plan, resolved);
        let plan = self.windowed(plan, &mut made, None, Span::default())?;
        let mut scope = Scope { columns: env.scope.columns.into_iter().filter(|v| !v.hidden && !v.made).collect() };
        let mut exprs = keep(&before);
        for named in made {
            let column = crate::plan::logical::Column { id: named.id, name: named.name.clone(), data_type: named.expr.data_type() };
            scope.columns.push(Visible { column, qualifier: None, hidden: false, made: false });
            exprs.push(named);
        }
        Ok((LogicalPlan::Project { input: Box::new(plan), exprs }, scope))
    }

    /// `|> SET`: new values in the place of old ones.
    fn set(&mut self, (plan, mut scope): Relation, assignments: &[(ast::Ident, ast::Expr)]) -> Result<Relation> {
        let mut env = Env::plain(scope.clone(), AGGREGATE_IN_PIPE, "|> SET; use |> AGGREGATE");
        let mut changed = Vec::new();
        for (name, value) in assignments {
            if !scope.columns.iter().any(|v| !v.hidden && same(&v.column.name, &name.name)) {
                return refuse(Reason::UnresolvedColumn { name: name.name.clone(), visible: scope.listing() }, name.span);
            }
            changed.push((name, self.expr(value, &mut env)?));
        }
        let plan = self.place_windows(plan, &mut env)?;
        scope.columns.retain(|v| !v.hidden && !v.made);
        let mut exprs = Vec::new();
        for visible in &mut scope.columns {
            let new = changed.iter().rev().find(|(n, _)| same(&n.name, &visible.column.name));
            let expr = new.map_or_else(|| visible.column.expr(), |(_, e)| e.clone());
            let named = self.named(visible.column.name.clone(), expr);
            visible.column.id = named.id;
            visible.column.data_type = named.expr.data_type();
            exprs.push(named);
        }
        Ok((LogicalPlan::Project { input: Box::new(plan), exprs }, scope))
    }

    fn drop_columns(&mut self, (plan, mut scope): Relation, names: &[ast::Ident]) -> Result<Relation> {
        scope.columns.retain(|v| !v.hidden && !v.made);
        for name in names {
            let before = scope.columns.len();
            scope.columns.retain(|v| !same(&v.column.name, &name.name));
            if scope.columns.len() == before {
                return refuse(Reason::UnresolvedColumn { name: name.name.clone(), visible: scope.listing() }, name.span);
            }
        }
        let exprs = keep(&visible(&scope));
        Ok((LogicalPlan::Project { input: Box::new(plan), exprs }, scope))
    }

    fn deduplicate(&mut self, (plan, scope): Relation, on: &[ast::Ident], within_watermark: bool, span: Span) -> Result<Relation> {
        if within_watermark {
            let event_time = event_time_columns(&plan);
            let message = match plan.is_streaming() {
                false => "WITHIN WATERMARK is for streams: a bounded table has no watermark; leave it out",
                true if !visible(&scope).iter().any(|c| event_time.contains(&c.id)) => {
                    "WITHIN WATERMARK needs the watermark's column among its input: put WATERMARK ts DELAY OF INTERVAL 10 SECONDS after \
                     the stream's name, and keep ts in the select list"
                }
                true => "",
            };
            if !message.is_empty() {
                return refuse(Reason::Watermark { condition: None, message: message.to_string() }, span);
            }
        }
        let mut keys = Vec::new();
        for name in on {
            let mut env = Env::plain(scope.clone(), "INVALID_WHERE_CONDITION", "DEDUPLICATE");
            if let Expr::Column { id, .. } = self.name(std::slice::from_ref(name), name.span, &mut env)? {
                keys.push(id);
            }
        }
        if keys.is_empty() {
            keys = visible(&scope).iter().map(|c| c.id).collect();
        }
        if let Some(column) = visible(&scope).iter().find(|c| keys.contains(&c.id) && super::query::has_map(&c.data_type)) {
            let message = format!(
                "`{}` is a {}, and maps cannot be compared: use map_entries(…), or leave it out of ON",
                column.name,
                column.data_type.sql()
            );
            return refuse(Reason::Rule { condition: "UNSUPPORTED_FEATURE.SET_OPERATION_ON_MAP_TYPE", message }, span);
        }
        Ok((LogicalPlan::Deduplicate { input: Box::new(plan), keys, within_watermark }, scope))
    }

    /// `PIVOT (aggregates FOR column IN (values))`: grouped by all other columns, one column a value and aggregate.
    pub(super) fn pivot(&mut self, (plan, scope): Relation, pivot: &ast::Pivot) -> Result<Relation> {
        let mut env = Env::new(scope.clone(), Aggregates::Allowed);
        let aggregates = self.items(&pivot.aggregates, &mut env)?;
        let on = pivot.columns.iter().map(|e| self.plain_expr(e, &scope, "PIVOT")).collect::<Result<Vec<_>>>()?;
        let mut used: Vec<_> = on.iter().flat_map(Expr::columns).collect();
        for item in &aggregates {
            if let Item::Plain { expr, .. } = item {
                used.extend(expr.columns());
            }
        }
        let keys: Vec<_> = visible(&scope).into_iter().filter(|c| !used.contains(&c.id)).collect();
        let (mut calls, mut exprs) = (Vec::new(), keep(&keys));
        for value in &pivot.values {
            let (test, label) = self.pivot_value(value, &on)?;
            // Where no row has the value there is no group, and so no aggregate of it: NULL, a count too.
            let one = Expr::literal(Value::Int(1), DataType::Int);
            let present = pivoted_call("count", vec![one], &test, DataType::BigInt);
            let present = self.pivot_column(present, &mut calls);
            let present = Expr::call(">", vec![present, Expr::literal(Value::Int(0), DataType::BigInt)], DataType::Boolean);
            for (item, tree) in aggregates.iter().zip(&pivot.aggregates) {
                let Item::Plain { name, expr, .. } = item else {
                    let message = "PIVOT wants aggregates such as sum(x)".to_string();
                    return refuse(Reason::Rule { condition: "_LEGACY_ERROR_TEMP_1006", message }, tree.expr.span);
                };
                if !expr.any(&|e| matches!(e, Expr::Aggregate(_))) {
                    let message = "PIVOT wants aggregates such as sum(x)".to_string();
                    return refuse(Reason::Rule { condition: "_LEGACY_ERROR_TEMP_1006", message }, tree.expr.span);
                }
                let computed = self.pivoted(expr.clone(), &test, &mut calls);
                let data_type = computed.data_type();
                let expr = Expr::Case { branches: vec![(present.clone(), computed)], otherwise: None, data_type };
                let name = if aggregates.len() == 1 { label.clone() } else { format!("{label}_{name}") };
                exprs.push(self.named(name, expr));
            }
        }
        let plan = LogicalPlan::Aggregate { input: Box::new(plan), keys: keep(&keys), aggregates: calls };
        let plan = LogicalPlan::Project { input: Box::new(plan), exprs };
        let scope = Scope::of(plan.columns(), None);
        Ok((plan, scope))
    }

    /// The rows that an entry of IN stands for, and the name of its columns.
    fn pivot_value(&mut self, value: &ast::SelectItem, on: &[Expr]) -> Result<(Expr, String)> {
        let parts = match &value.expr.kind {
            ExprKind::Row(parts) => parts.iter().collect(),
            _ => vec![&value.expr],
        };
        if parts.len() != on.len() {
            let message = format!("PIVOT is FOR {} columns, and this entry has {} values", on.len(), parts.len());
            return refuse(Reason::Rule { condition: "PIVOT_VALUE_DATA_TYPE_MISMATCH", message }, value.expr.span);
        }
        let mut test = Expr::literal(Value::Boolean(true), DataType::Boolean);
        for (column, part) in on.iter().zip(&parts) {
            let constant = match self.plain_expr(part, &Scope::default(), "PIVOT") {
                Ok(constant) if super::is_constant(&constant) => constant,
                Err(error) if !matches!(error.reason, Reason::UnresolvedColumn { .. }) => return Err(error),
                _ => {
                    let message = "the values of PIVOT have to be constants".to_string();
                    return refuse(Reason::Rule { condition: "NON_LITERAL_PIVOT_VALUES", message }, part.span);
                }
            };
            let constant = self.explicit_cast(constant, &column.data_type(), false, part.span)?;
            test = Expr::And(Box::new(test), Box::new(self.comparison("<=>", column.clone(), constant, part)?));
        }
        let label = match (value.aliases.first(), parts.as_slice()) {
            (Some(alias), _) => alias.name.clone(),
            (None, [_]) => name_of(&value.expr),
            (None, parts) => format!("{{{}}}", parts.iter().map(|p| name_of(p)).collect::<Vec<_>>().join(", ")),
        };
        Ok((test, label))
    }

    /// The expression with its aggregates over the tested rows as columns.
    fn pivoted(&mut self, expr: Expr, test: &Expr, calls: &mut Vec<NamedAggregate>) -> Expr {
        match expr {
            Expr::Aggregate(mut call) => {
                call.filter = Some(match call.filter.take() {
                    Some(filter) => Expr::And(Box::new(filter), Box::new(test.clone())),
                    None => test.clone(),
                });
                self.pivot_column(*call, calls)
            }
            other => other.map_children(&mut |child| self.pivoted(child, test, calls)),
        }
    }

    fn pivot_column(&mut self, call: AggregateCall, calls: &mut Vec<NamedAggregate>) -> Expr {
        let data_type = call.data_type.clone();
        let known = calls.iter().find(|a| a.call == call).map(|a| a.id);
        let id = known.unwrap_or_else(|| {
            let id = self.fresh();
            calls.push(NamedAggregate { id, name: call.function.0.to_string(), call });
            id
        });
        Expr::Column { id, name: "pivot".to_string(), data_type }
    }
}

/// An aggregate over the rows where `test` holds.
fn pivoted_call(function: &'static str, args: Vec<Expr>, test: &Expr, data_type: DataType) -> AggregateCall {
    AggregateCall { function: FunctionId(function), args, filter: Some(test.clone()), distinct: false, ignore_nulls: false, data_type }
}

fn renamed((plan, scope): Relation, alias: Option<&ast::TableAlias>) -> Relation {
    match alias {
        Some(alias) => (plan, scope.aliased(Some(&alias.name.name))),
        None => (plan, scope),
    }
}
