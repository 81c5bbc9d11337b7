//! GROUP BY, HAVING, grouping sets, and window functions.

use super::query::ordinal;
use super::select::{Item, has_aggregate};
use super::{Aggregates, Analyzer, Env, Grouping, Relation, Result, refuse};
use crate::lang::ast::{self, ExprKind, GroupItem, GroupingElement, GroupingSets};
use crate::plan::error::Reason;
use crate::plan::expr::{AggregateCall, Expr, NamedExpr};
use crate::plan::logical::{Column, LogicalPlan, NamedAggregate};
use crate::plan::naming::{name_of, spell};
use crate::plan::scope::{Found, Scope, same};
use crate::types::{DataType, Value};

/// The keys of an aggregation, and the aggregates that were found so far.
pub(super) struct Grouped {
    /// The expression over the input, and the column it becomes.
    keys: Vec<(Expr, Column)>,
    aggregates: Vec<NamedAggregate>,
    /// Without GROUP BY a stray column is another error.
    explicit: bool,
}

/// Grouping columns by name, and for each grouping set the positions of those it groups by.
struct Sets {
    order: Vec<(String, Expr)>,
    sets: Vec<Vec<usize>>,
}

/// The names of the columns that say which grouping set a row belongs to.
const GROUPING_ID: &str = "spark_grouping_id";

/// The most grouping sets of one GROUP BY.
const MAX_SETS: usize = 4096;

/// The most columns of one CUBE.
const MAX_CUBE: usize = 12;

impl Analyzer<'_> {
    /// A select with GROUP BY or aggregates.
    pub(super) fn aggregated(
        &mut self,
        plan: LogicalPlan,
        scope: Scope,
        select: &ast::Select,
        order: &[ast::SortItem],
    ) -> Result<Relation> {
        let mut env = Env::plain(scope, "GROUP_BY_AGGREGATE", "GROUP BY");
        let (mut plan, keys) = self.group(plan, select.group_by.as_ref(), &select.items, &mut env)?;
        env.aggregates = Aggregates::Allowed;
        let items = self.items(&select.items, &mut env)?;
        plan = self.place_windows(plan, &mut env)?;
        let mut grouped = Grouped { keys, aggregates: Vec::new(), explicit: select.group_by.is_some() };
        // Sub-queries in HAVING look at groups: they are joined above the aggregation.
        let having = select.having.as_ref().map(|h| self.condition(h, "HAVING", &mut env).map(|c| (c, h))).transpose()?;
        if let Some((condition, h)) = &having
            && condition.any(&|e| matches!(e, Expr::Window { .. }))
        {
            let message = "a window function cannot stand in HAVING: use QUALIFY, or a sub-query around it".to_string();
            return refuse(Reason::WindowNotAllowed { condition: "WINDOW_FUNCTION_NOT_ALLOWED_IN_CLAUSE", message }, h.span);
        }
        let tied = std::mem::take(&mut env.joins);
        let answers: Vec<_> = tied.iter().map(|t| t.answer.clone()).collect();
        grouped.keys.extend(answers.iter().map(|c| (c.expr(), c.clone())));
        let mut lowered = Vec::new();
        for item in items {
            lowered.push(match item {
                Item::Plain { name, expr, span } => {
                    let expr = self.lower(expr, &mut grouped, span).map_err(|e| all_unresolved(e, select.group_by.as_ref()))?;
                    Item::Plain { name, expr, span }
                }
                Item::Generator { call, outer, columns } => {
                    Item::Generator { call: self.lower(call, &mut grouped, select.span)?, outer, columns }
                }
            });
        }
        let having = match having {
            Some((condition, h)) => Some(self.having(condition, h, &mut grouped, &select.items, &mut env)?),
            None => None,
        };
        // Sort keys may need aggregates of their own, so they are lowered before the node is made.
        let mut pending = Vec::new();
        let made: Vec<_> = lowered
            .iter()
            .filter_map(|i| if let Item::Generator { columns, .. } = i { Some(columns.clone()) } else { None })
            .flatten()
            .collect();
        for column in made {
            grouped.keys.push((column.expr(), column));
        }
        let mut exprs = Vec::new();
        for item in lowered {
            match item {
                Item::Plain { name, expr, .. } => exprs.push(self.named(name, expr)),
                Item::Generator { call, outer, columns } => {
                    exprs.extend(super::keep(&columns));
                    pending.push((call, outer, columns));
                }
            }
        }
        let span = select.span;
        let qualify = match &select.qualify {
            Some(q) => {
                let condition = self.condition(q, "QUALIFY", &mut env)?;
                Some(self.lower(condition, &mut grouped, q.span)?)
            }
            None => None,
        };
        let order =
            self.order_keys(order, &mut exprs, &mut env, select.distinct, &mut |this, expr| this.lower(expr, &mut grouped, span))?;
        let above: Vec<_> = pending.iter().flat_map(|(_, _, c)| c.clone()).chain(answers).collect();
        let mut plan = aggregate_node(plan, grouped, &above);
        for tied in tied {
            plan = self.tie(plan, tied)?;
        }
        if let Some(predicate) = having {
            plan = LogicalPlan::Filter { input: Box::new(plan), predicate };
        }
        for (generator, outer, columns) in pending {
            plan = LogicalPlan::Generate { input: Box::new(plan), generator, outer, columns };
        }
        let plan = self.windowed(plan, &mut exprs, qualify, span)?;
        self.projected(plan, exprs, order, select.distinct, &env.scope)
    }

    /// HAVING may use the select list's aliases; what is neither grouped nor an alias does not exist there.
    fn having(&mut self, condition: Expr, e: &ast::Expr, grouped: &mut Grouped, items: &[ast::SelectItem], env: &mut Env) -> Result<Expr> {
        let first = match self.lower(condition, grouped, e.span) {
            Ok(lowered) => return Ok(lowered),
            Err(error) => error,
        };
        let aliases = std::mem::take(&mut env.aliases);
        let scope = std::mem::take(&mut env.scope);
        env.scope =
            Scope { columns: scope.columns.iter().filter(|v| !aliases.iter().any(|(n, _)| same(n, &v.column.name))).cloned().collect() };
        env.aliases = aliases;
        let again = self.condition(e, "HAVING", env).and_then(|c| self.lower(c, grouped, e.span));
        env.scope = scope;
        again.map_err(|_| match first.reason {
            Reason::MissingGroupBy { column } | Reason::MissingAggregation { column } => {
                let visible = items.iter().map(|i| (i.aliases.first().map_or_else(|| name_of(&i.expr), |a| a.name.clone()), String::new()));
                super::AnalysisError::new(Reason::UnresolvedColumn { name: column, visible: visible.collect() }, first.span)
            }
            reason => super::AnalysisError::new(reason, first.span),
        })
    }

    /// Resolves GROUP BY: the plan with time windows and grouping sets placed, and the keys.
    fn group(
        &mut self,
        plan: LogicalPlan,
        group_by: Option<&ast::GroupBy>,
        items: &[ast::SelectItem],
        env: &mut Env,
    ) -> Result<(LogicalPlan, Vec<(Expr, Column)>)> {
        let Some(group_by) = group_by else { return Ok((plan, vec![])) };
        let mut keys: Vec<(String, Expr)> = Vec::new();
        if group_by.all {
            for item in items.iter().filter(|i| !has_aggregate(&i.expr)) {
                keys.extend(self.group_items(item, items, env)?);
            }
        }
        if group_by.items.iter().all(|item| matches!(item, GroupItem::Plain(_))) {
            for item in &group_by.items {
                let GroupItem::Plain(item) = item else { continue };
                no_star(item)?;
                keys.extend(self.group_items(item, items, env)?);
            }
            let plan = self.place_windows(plan, env)?;
            let keys = keys.into_iter().map(|(name, expr)| self.key(name, expr)).collect();
            return Ok((plan, keys));
        }
        let mut sets = Sets { order: Vec::new(), sets: vec![vec![]] };
        for e in &group_by.listed {
            self.grouping_set(std::slice::from_ref(e), items, &mut sets.order, env)?;
        }
        for item in &group_by.items {
            let more = match item {
                GroupItem::Plain(item) => {
                    no_star(item)?;
                    vec![self.grouping_set(std::slice::from_ref(&item.expr), items, &mut sets.order, env)?]
                }
                GroupItem::Sets(inner) => self.grouping_sets(inner, items, &mut sets.order, env)?,
            };
            if sets.sets.len().saturating_mul(more.len()) > MAX_SETS {
                let message = format!("more than {MAX_SETS} grouping sets");
                return refuse(Reason::Rule { condition: "GROUPING_SIZE_LIMIT_EXCEEDED", message }, group_by.span);
            }
            sets.sets = sets.sets.iter().flat_map(|set| more.iter().map(move |m| [set.as_slice(), m].concat())).collect();
        }
        let plan = self.place_windows(plan, env)?;
        Ok(self.expand_sets(plan, sets, env))
    }

    fn key(&mut self, name: String, expr: Expr) -> (Expr, Column) {
        let named = self.named(name, expr);
        (named.expr.clone(), Column { id: named.id, name: named.name, data_type: named.expr.data_type() })
    }

    /// One entry of GROUP BY: a position, an alias of the select list, a star, or an expression.
    fn group_items(&mut self, item: &ast::SelectItem, items: &[ast::SelectItem], env: &mut Env) -> Result<Vec<(String, Expr)>> {
        let name = item.aliases.first().map(|a| a.name.clone());
        if let ExprKind::Star { qualifier, except } = &item.expr.kind {
            return self.expand_star(qualifier, except, item.expr.span, env);
        }
        if let Some(position) = ordinal(&item.expr) {
            if items.iter().any(|i| matches!(i.expr.kind, ExprKind::Star { .. })) {
                let message = "GROUP BY with a position does not go with * in the select list: name the columns".to_string();
                return refuse(Reason::Rule { condition: "STAR_GROUP_BY_POS", message }, item.expr.span);
            }
            let found = usize::try_from(position).ok().filter(|p| *p >= 1).and_then(|p| items.get(p - 1));
            let Some(found) = found else {
                return refuse(Reason::OrdinalOutOfRange { clause: "GROUP BY", position, columns: items.len() }, item.expr.span);
            };
            if has_aggregate(&found.expr) {
                let reason = Reason::AggregateNotAllowed {
                    condition: "GROUP_BY_POS_AGGREGATE",
                    clause: format!("GROUP BY {position}"),
                    function: spell(&found.expr),
                };
                return refuse(reason, item.expr.span);
            }
            return self.group_items(found, &[], env);
        }
        if let ExprKind::Name(parts) = &item.expr.kind
            && let [one] = parts.as_slice()
            && matches!(env.scope.find(&[&one.name]), Found::Missing)
            && let Some(aliased) = items.iter().find(|i| i.aliases.first().is_some_and(|a| same(&a.name, &one.name)))
        {
            return Ok(vec![(one.name.clone(), self.expr(&aliased.expr, env)?)]);
        }
        if let ExprKind::Name(parts) = &item.expr.kind
            && let [one] = parts.as_slice()
        {
            self.warn_shadowed(one, items, env);
        }
        let expr = self.expr(&item.expr, env)?;
        Ok(vec![(name.unwrap_or_else(|| name_of(&item.expr)), expr)])
    }

    /// The positions in `order` of the expressions of one set; new ones are added there.
    fn grouping_set(
        &mut self,
        set: &[ast::Expr],
        items: &[ast::SelectItem],
        order: &mut Vec<(String, Expr)>,
        env: &mut Env,
    ) -> Result<Vec<usize>> {
        let mut positions = Vec::new();
        for e in set {
            let item = ast::SelectItem { expr: e.clone(), aliases: vec![] };
            for (name, expr) in self.group_items(&item, items, env)? {
                positions.push(order.iter().position(|(_, known)| *known == expr).unwrap_or_else(|| {
                    order.push((name, expr));
                    order.len() - 1
                }));
            }
        }
        Ok(positions)
    }

    /// All sets that ROLLUP, CUBE or GROUPING SETS stand for.
    fn grouping_sets(
        &mut self,
        sets: &GroupingSets,
        items: &[ast::SelectItem],
        order: &mut Vec<(String, Expr)>,
        env: &mut Env,
    ) -> Result<Vec<Vec<usize>>> {
        let mut resolve = |groups: &[Vec<ast::Expr>]| -> Result<Vec<Vec<usize>>> {
            groups.iter().map(|group| self.grouping_set(group, items, order, env)).collect()
        };
        Ok(match sets {
            GroupingSets::Rollup(groups) => {
                let groups = resolve(groups)?;
                (0..=groups.len()).rev().map(|n| groups[..n].concat()).collect()
            }
            GroupingSets::Cube(groups) if groups.len() > MAX_CUBE => {
                let message = format!("CUBE takes at most {MAX_CUBE} columns here");
                let span = groups.iter().flatten().map(|e| e.span).reduce(crate::diagnostic::Span::to).unwrap_or_default();
                return refuse(Reason::Rule { condition: "GROUPING_SIZE_LIMIT_EXCEEDED", message }, span);
            }
            GroupingSets::Cube(groups) => {
                let groups = resolve(groups)?;
                let last = groups.len().saturating_sub(1);
                let chosen = |mask: usize| (0..groups.len()).filter(move |i| mask & (1 << (last - i)) == 0);
                (0..1usize << groups.len()).map(|mask| chosen(mask).flat_map(|i| groups[i].clone()).collect()).collect()
            }
            GroupingSets::Sets(elements) => {
                let mut all = Vec::new();
                for element in elements {
                    match element {
                        GroupingElement::Set(set) => all.push(self.grouping_set(set, items, order, env)?),
                        GroupingElement::Nested(inner) => all.extend(self.grouping_sets(inner, items, order, env)?),
                    }
                }
                all
            }
        })
    }

    /// Every row once per grouping set, with NULL for the columns the set leaves out and the set's id beside. A column of
    /// all sets keeps its identity, so that event time is not lost.
    fn expand_sets(&mut self, plan: LogicalPlan, Sets { order, sets }: Sets, env: &mut Env) -> (LogicalPlan, Vec<(Expr, Column)>) {
        let input = plan.columns();
        let everywhere: Vec<bool> = (0..order.len()).map(|i| sets.iter().all(|set| set.contains(&i))).collect();
        let made: Vec<_> = order.iter().map(|(name, expr)| self.column(name.clone(), expr.data_type())).collect();
        let id = self.column(GROUPING_ID, DataType::BigInt);
        let position = self.column(GROUPING_ID, DataType::BigInt);
        let chosen = |of: usize| !everywhere[of];
        let expanded = made.iter().enumerate().filter(|(i, _)| chosen(*i)).map(|(_, c)| c.clone());
        let columns: Vec<_> = input.iter().cloned().chain(expanded).chain([id.clone(), position.clone()]).collect();
        let mut projections = Vec::new();
        let mut masks = Vec::new();
        for set in &sets {
            let mut row: Vec<_> = input.iter().map(Column::expr).collect();
            let mut bits = 0i64;
            for (i, (_, expr)) in order.iter().enumerate() {
                let grouped = set.contains(&i);
                bits = bits << 1 | i64::from(!grouped);
                if chosen(i) {
                    row.push(if grouped { expr.clone() } else { Expr::literal(Value::Null, expr.data_type()) });
                }
            }
            // A set that stands twice gives its groups twice.
            let again = masks.iter().filter(|m| **m == bits).count() as i64;
            masks.push(bits);
            row.extend([bits, again].map(|n| Expr::literal(Value::Int(n), DataType::BigInt)));
            projections.push(row);
        }
        let plan = LogicalPlan::Expand { input: Box::new(plan), projections, columns };
        // The select list names the original expressions; they stand for the expanded columns.
        let mut keys = Vec::new();
        for (i, ((name, expr), column)) in order.iter().zip(made).enumerate() {
            keys.push(if everywhere[i] { self.key(name.clone(), expr.clone()) } else { (expr.clone(), column) });
        }
        keys.extend([(id.expr(), id.clone()), (position.expr(), position)]);
        env.grouping = Some(Grouping { keys: order.into_iter().map(|(_, e)| e).collect(), id: id.expr() });
        (plan, keys)
    }

    /// The expression over the aggregation's output: keys and aggregates become columns.
    pub(super) fn lower(&mut self, expr: Expr, grouped: &mut Grouped, span: crate::diagnostic::Span) -> Result<Expr> {
        if let Some((_, column)) = grouped.keys.iter().find(|(key, _)| *key == expr) {
            return Ok(column.expr());
        }
        match expr {
            Expr::Aggregate(call) => Ok(self.aggregate_column(*call, grouped)),
            // Spark makes a column of it below the aggregation, so it is no part of a key.
            Expr::Call { function, .. } if function.0 == "window_time" && grouped.explicit => {
                refuse(Reason::MissingAggregation { column: "window_time(window)".to_string() }, span)
            }
            Expr::Column { name, id, data_type } => {
                if grouped.aggregates.iter().any(|a| a.id == id) || grouped.keys.iter().any(|(_, c)| c.id == id) {
                    return Ok(Expr::Column { name, id, data_type });
                }
                if name == super::decorrelate::SCALAR {
                    let message = "a sub-query that looks at the row has to stand in GROUP BY or in an aggregate".to_string();
                    let condition = "SCALAR_SUBQUERY_IS_IN_GROUP_BY_OR_AGGREGATE_FUNCTION";
                    return refuse(Reason::Subquery { condition, message }, span);
                }
                let reason =
                    if grouped.explicit { Reason::MissingAggregation { column: name } } else { Reason::MissingGroupBy { column: name } };
                refuse(reason, span)
            }
            // Spark computes it below the aggregation, where it is one more column that nobody groups by.
            Expr::Call { function, args, .. } if function.0 == "window_time" => {
                let of = args.first().map_or_else(String::new, ToString::to_string);
                refuse(Reason::MissingAggregation { column: format!("window_time({of})") }, span)
            }
            // The parameters of a lambda are no columns of the input.
            Expr::Lambda { params, body } => {
                let depth = grouped.keys.len();
                for (id, data_type) in &params {
                    let column = Column { id: *id, name: String::new(), data_type: data_type.clone() };
                    grouped.keys.push((Expr::Literal { value: Value::Null, data_type: DataType::Void }, column));
                }
                let body = self.lower(*body, grouped, span);
                grouped.keys.truncate(depth);
                Ok(Expr::Lambda { params, body: Box::new(body?) })
            }
            Expr::Window { call, partition_by, order_by, frame, data_type } => {
                let inner = match *call {
                    Expr::Aggregate(mut call) => {
                        call.args = call.args.into_iter().map(|a| self.lower(a, grouped, span)).collect::<Result<_>>()?;
                        Expr::Aggregate(call)
                    }
                    other => self.lower(other, grouped, span)?,
                };
                let partition_by = partition_by.into_iter().map(|p| self.lower(p, grouped, span)).collect::<Result<_>>()?;
                let mut keys = Vec::new();
                for key in order_by {
                    keys.push(crate::plan::expr::SortKey { expr: self.lower(key.expr, grouped, span)?, ..key });
                }
                Ok(Expr::Window { call: Box::new(inner), partition_by, order_by: keys, frame, data_type })
            }
            other => {
                let mut failed = None;
                let lowered = other.map_children(&mut |child| match self.lower(child, grouped, span) {
                    Ok(lowered) => lowered,
                    Err(error) => {
                        failed.get_or_insert(error);
                        Expr::literal(Value::Null, DataType::Void)
                    }
                });
                failed.map_or(Ok(lowered), Err)
            }
        }
    }

    fn aggregate_column(&mut self, call: AggregateCall, grouped: &mut Grouped) -> Expr {
        let known = grouped.aggregates.iter().find(|a| a.call == call).map(|a| (a.id, a.name.clone()));
        let data_type = call.data_type.clone();
        let (id, name) = known.unwrap_or_else(|| {
            let (id, name) = (self.fresh(), crate::plan::explain::aggregate(&call));
            grouped.aggregates.push(NamedAggregate { id, name: name.clone(), call });
            (id, name)
        });
        Expr::Column { id, name, data_type }
    }

    /// `|> AGGREGATE items GROUP BY keys`: keys first, then the aggregates.
    pub(super) fn pipe_aggregate(
        &mut self,
        (plan, scope): Relation,
        items: &[ast::SelectItem],
        group_by: Option<&ast::GroupBy>,
    ) -> Result<Relation> {
        for item in items {
            if !has_aggregate(&item.expr) {
                let message =
                    format!("`{}` is no aggregate; |> AGGREGATE wants aggregates, and plain columns after GROUP BY", spell(&item.expr));
                let condition = "PIPE_OPERATOR_AGGREGATE_EXPRESSION_CONTAINS_NO_AGGREGATE_FUNCTION";
                return refuse(Reason::PipeOperator { condition, message }, item.expr.span);
            }
        }
        if let Some(group) = group_by
            && group.all | group.items.iter().any(|item| matches!(item, GroupItem::Sets(_)))
        {
            let condition = "UNSUPPORTED_FEATURE.PIPE_OPERATOR_AGGREGATE_UNSUPPORTED_CASE";
            let message = "|> AGGREGATE groups by expressions only: no ALL, ROLLUP, CUBE or GROUPING SETS".to_string();
            return refuse(Reason::PipeOperator { condition, message }, group.span);
        }
        let mut env = Env::plain(scope, "GROUP_BY_AGGREGATE", "GROUP BY");
        let (plan, keys) = self.group(plan, group_by, items, &mut env)?;
        env.aggregates = Aggregates::Allowed;
        let resolved = self.items(items, &mut env)?;
        let plan = self.place_windows(plan, &mut env)?;
        let shown: Vec<_> = keys.iter().filter(|(_, c)| c.name != GROUPING_ID).map(|(_, c)| c.clone()).collect();
        let mut grouped = Grouped { keys, aggregates: Vec::new(), explicit: group_by.is_some() };
        let mut exprs = super::keep(&shown);
        for (item, tree) in resolved.into_iter().zip(items) {
            if let Item::Plain { name, expr, span } = item {
                let expr = self.lower(expr, &mut grouped, span)?;
                exprs.push(self.named(name, expr));
            } else {
                let message = "a generator cannot stand in |> AGGREGATE".to_string();
                return refuse(Reason::GeneratorNotAllowed { condition: "UNSUPPORTED_GENERATOR.OUTSIDE_SELECT", message }, tree.expr.span);
            }
        }
        let plan = aggregate_node(plan, grouped, &[]);
        let plan = LogicalPlan::Project { input: Box::new(plan), exprs };
        let scope = Scope::of(plan.columns(), None);
        Ok((plan, scope))
    }

    /// Takes window functions out of the select list into nodes below it, those inside others lowest.
    pub(super) fn windowed(
        &mut self,
        mut plan: LogicalPlan,
        exprs: &mut [NamedExpr],
        mut qualify: Option<Expr>,
        span: crate::diagnostic::Span,
    ) -> Result<LogicalPlan> {
        let is_window = |e: &Expr| matches!(e, Expr::Window { .. });
        if qualify.as_ref().is_some_and(|q| !q.any(&is_window)) && !exprs.iter().any(|e| e.expr.any(&is_window)) {
            let message = "QUALIFY is for window functions, and there is none; use WHERE or HAVING".to_string();
            return refuse(Reason::WindowNotAllowed { condition: "QUALIFY_REQUIRES_WINDOW_FUNCTION", message }, span);
        }
        let mut count = 0;
        loop {
            let mut calls: Vec<NamedExpr> = Vec::new();
            for named in exprs.iter_mut() {
                let expr = std::mem::replace(&mut named.expr, Expr::literal(Value::Null, DataType::Void));
                named.expr = self.take_windows(expr, &mut calls, count);
            }
            qualify = qualify.map(|q| self.take_windows(q, &mut calls, count));
            if calls.is_empty() {
                break;
            }
            count += calls.len();
            plan = LogicalPlan::Window { input: Box::new(plan), calls };
        }
        Ok(match qualify {
            Some(predicate) => LogicalPlan::Filter { input: Box::new(plan), predicate },
            None => plan,
        })
    }

    /// The expression with its innermost window functions as columns, which are added to `calls`.
    fn take_windows(&mut self, expr: Expr, calls: &mut Vec<NamedExpr>, count: usize) -> Expr {
        let innermost = |e: &Expr| !e.children().into_iter().any(|c| c.any(&|e| matches!(e, Expr::Window { .. })));
        if let Expr::Window { data_type, .. } = &expr
            && innermost(&expr)
        {
            let data_type = data_type.clone();
            if let Some(known) = calls.iter().find(|c| c.expr == expr) {
                return Expr::Column { id: known.id, name: known.name.clone(), data_type };
            }
            let (id, name) = (self.fresh(), format!("window{}", count + calls.len()));
            calls.push(NamedExpr { id, name: name.clone(), expr });
            return Expr::Column { id, name, data_type };
        }
        expr.map_children(&mut |child| self.take_windows(child, calls, count))
    }
}

/// GROUP BY ALL that does not tell what to group by.
fn all_unresolved(error: Box<super::AnalysisError>, group_by: Option<&ast::GroupBy>) -> Box<super::AnalysisError> {
    match (&error.reason, group_by) {
        (Reason::MissingAggregation { column }, Some(group_by)) if group_by.all => {
            let message = format!("GROUP BY ALL cannot tell how to group: `{column}` stands beside an aggregate in one expression");
            super::AnalysisError::new(Reason::Rule { condition: "UNRESOLVED_ALL_IN_GROUP_BY", message }, error.span)
        }
        _ => error,
    }
}

/// `GROUP BY *` means nothing to Spark.
fn no_star(item: &ast::SelectItem) -> Result<()> {
    match item.expr.kind {
        ExprKind::Star { .. } => refuse(Reason::StarNotAllowed { place: "GROUP BY".to_string() }, item.expr.span),
        _ => Ok(()),
    }
}

/// The Aggregate node; columns that a generator above will make are no keys of it.
fn aggregate_node(input: LogicalPlan, grouped: Grouped, made: &[Column]) -> LogicalPlan {
    let keys = grouped.keys.into_iter().filter(|(_, c)| !made.contains(c));
    let keys = keys.map(|(expr, c)| {
        // Grouping sets: the key is the expanded column, not the expression it came from.
        let expanded = matches!(&input, LogicalPlan::Expand { columns, .. } if columns.contains(&c));
        NamedExpr { id: c.id, name: c.name.clone(), expr: if expanded { c.expr() } else { expr } }
    });
    let keys = keys.collect();
    LogicalPlan::Aggregate { input: Box::new(input), keys, aggregates: grouped.aggregates }
}
