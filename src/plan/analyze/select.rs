//! The SELECT block: select list, generators, DISTINCT, ORDER BY of a select.

use super::query::{ordinal, sort_key};
use super::{Aggregates, Analyzer, Env, Relation, Result, refuse};
use crate::diagnostic::Span;
use crate::lang::ast::{self, ExprKind};
use crate::plan::error::Reason;
use crate::plan::expr::{Expr, NamedExpr, SortKey};
use crate::plan::logical::{Column, LogicalPlan};
use crate::plan::naming::name_of;
use crate::plan::scope::{Scope, same};

/// One output column before it is placed, or the columns of a generator.
pub(super) enum Item {
    Plain { name: String, expr: Expr, span: Span },
    Generator { call: Expr, outer: bool, columns: Vec<Column> },
}

impl Analyzer<'_> {
    pub(super) fn select(&mut self, select: &ast::Select, order: &[ast::SortItem]) -> Result<Relation> {
        let mut relation = self.from(&select.from)?;
        for view in &select.lateral_views {
            relation = self.lateral_view(relation, view)?;
        }
        if let Some(filter) = &select.filter {
            relation = self.filtered(relation, filter, "WHERE")?;
        }
        self.select_over(relation, select, order)
    }

    /// The select list and what follows it, over a relation: a whole SELECT's, or the input of `|> SELECT`.
    pub(super) fn select_over(&mut self, (plan, scope): Relation, select: &ast::Select, order: &[ast::SortItem]) -> Result<Relation> {
        let aggregates = select.group_by.is_some()
            || select.having.is_some()
            || select.items.iter().any(|i| has_aggregate(&i.expr))
            || order.iter().any(|o| has_aggregate(&o.expr));
        if aggregates {
            return self.aggregated(plan, scope, select, order);
        }
        let mut env = Env::new(scope, Aggregates::Allowed);
        let items = self.items(&select.items, &mut env)?;
        let plan = self.place_windows(plan, &mut env);
        let (plan, mut exprs) = self.generated_below(plan, items);
        let (plan, qualify) = self.windowed(plan, &mut exprs, select.qualify.as_ref(), &mut env)?;
        let plan = match qualify {
            Some(predicate) => LogicalPlan::Filter { input: Box::new(plan), predicate },
            None => plan,
        };
        let keys = self.order_keys(order, &mut exprs, &mut env, &mut |_, expr| Ok(expr))?;
        self.projected(plan, exprs, keys, select.distinct)
    }

    /// Project, DISTINCT and sort; sort keys that are no output column ride along and are dropped again.
    pub(super) fn projected(&mut self, plan: LogicalPlan, exprs: Vec<NamedExpr>, keys: OrderKeys, distinct: bool) -> Result<Relation> {
        let outputs = exprs.len() - keys.extra;
        let mut plan = LogicalPlan::Project { input: Box::new(plan), exprs };
        if distinct {
            plan = self.distinct(plan);
        }
        let mut columns = plan.columns();
        if !keys.keys.is_empty() {
            plan = LogicalPlan::Sort { input: Box::new(plan), keys: keys.keys };
        }
        if keys.extra > 0 && !distinct {
            columns.truncate(outputs);
            plan = LogicalPlan::Project { input: Box::new(plan), exprs: super::keep(&columns) };
        }
        let scope = Scope::of(plan.columns(), None);
        Ok((plan, scope))
    }

    /// A select list without aggregates; the input's columns ride along unseen, for a correlated condition above.
    pub(super) fn project_items(&mut self, plan: LogicalPlan, scope: Scope, items: &[ast::SelectItem]) -> Result<Relation> {
        let mut env = Env::new(scope.clone(), Aggregates::Allowed);
        let items = self.items(items, &mut env)?;
        let plan = self.place_windows(plan, &mut env);
        let (plan, mut exprs) = self.generated_below(plan, items);
        let outputs: Vec<_> = exprs.iter().map(|e| Column { id: e.id, name: e.name.clone(), data_type: e.expr.data_type() }).collect();
        let missing: Vec<_> = plan.columns().into_iter().filter(|c| !exprs.iter().any(|e| e.id == c.id)).collect();
        exprs.extend(super::keep(&missing));
        let plan = LogicalPlan::Project { input: Box::new(plan), exprs };
        Ok((plan, Scope::of(outputs, None)))
    }

    /// The select list, stars expanded, each item an alias for those to its right.
    pub(super) fn items(&mut self, items: &[ast::SelectItem], env: &mut Env) -> Result<Vec<Item>> {
        let mut out = Vec::new();
        for item in items {
            match &item.expr.kind {
                ExprKind::Star { qualifier, except } => {
                    for (name, expr) in self.expand_star(qualifier, except, item.expr.span, env)? {
                        out.push(Item::Plain { name, expr, span: item.expr.span });
                    }
                }
                ExprKind::Call(call) if call.over.is_none() => match self.generator(call, &item.expr, env)? {
                    Some((generator, fields)) => {
                        let names = alias_names(&fields.iter().map(|f| f.name.clone()).collect::<Vec<_>>(), item)?;
                        let columns: Vec<_> = fields.into_iter().zip(names).map(|(f, n)| self.column(n, f.data_type)).collect();
                        env.aliases.extend(columns.iter().map(|c| (c.name.clone(), c.expr())));
                        out.push(Item::Generator {
                            call: generator,
                            outer: call.name.name.to_ascii_lowercase().ends_with("_outer"),
                            columns,
                        });
                    }
                    None => out.push(self.plain_item(item, env)?),
                },
                _ => out.push(self.plain_item(item, env)?),
            }
        }
        Ok(out)
    }

    fn plain_item(&mut self, item: &ast::SelectItem, env: &mut Env) -> Result<Item> {
        let expr = self.expr(&item.expr, env)?;
        let name = match item.aliases.as_slice() {
            [] => name_of(&item.expr),
            [one] => one.name.clone(),
            many => return refuse(Reason::AliasCount { aliases: many.len(), columns: 1 }, many[0].span),
        };
        if !item.aliases.is_empty() {
            env.aliases.push((name.clone(), expr.clone()));
        }
        Ok(Item::Plain { name, expr, span: item.expr.span })
    }

    /// What a star stands for: columns of the scope, of one relation, or members of a struct.
    pub(super) fn expand_star(
        &mut self,
        qualifier: &[ast::Ident],
        except: &[Vec<ast::Ident>],
        span: Span,
        env: &mut Env,
    ) -> Result<Vec<(String, Expr)>> {
        let columns = match qualifier {
            [] => env.scope.star(None),
            [one] => env.scope.star(Some(&one.name)),
            _ => None,
        };
        let mut out: Vec<(String, Expr)> = match columns {
            Some(columns) => columns.into_iter().map(|v| (v.column.name.clone(), v.column.expr())).collect(),
            None => {
                let base = self.name(qualifier, span, env)?;
                match base.data_type() {
                    crate::types::DataType::Struct(fields) => fields
                        .into_iter()
                        .enumerate()
                        .map(|(index, f)| (f.name, Expr::Field { expr: Box::new(base.clone()), index, data_type: f.data_type }))
                        .collect(),
                    found => {
                        let name = qualifier.last().map(|q| q.name.clone()).unwrap_or_default();
                        return refuse(Reason::NotAStruct { name, data_type: found }, span);
                    }
                }
            }
        };
        for name in except {
            let last = name.last().map(|n| n.name.as_str()).unwrap_or_default();
            let before = out.len();
            out.retain(|(n, _)| !same(n, last));
            if out.len() == before {
                let at = name.last().map_or(span, |n| n.span);
                return refuse(Reason::UnresolvedColumn { name: last.to_string(), visible: env.scope.listing() }, at);
            }
        }
        Ok(out)
    }

    /// Generate nodes for the generators of a select list, and all its columns.
    pub(super) fn generated_below(&mut self, mut plan: LogicalPlan, items: Vec<Item>) -> (LogicalPlan, Vec<NamedExpr>) {
        let mut exprs = Vec::new();
        for item in items {
            match item {
                Item::Plain { name, expr, .. } => exprs.push(self.named(name, expr)),
                Item::Generator { call, outer, columns } => {
                    exprs.extend(super::keep(&columns));
                    plan = LogicalPlan::Generate { input: Box::new(plan), generator: call, outer, columns };
                }
            }
        }
        (plan, exprs)
    }

    /// `LATERAL VIEW [OUTER] generator(args) t AS a, b`
    pub(super) fn lateral_view(&mut self, (plan, scope): Relation, view: &ast::LateralView) -> Result<Relation> {
        let mut env = Env::plain(scope, "INVALID_WHERE_CONDITION", "LATERAL VIEW");
        let ExprKind::Call(call) = &view.generator.kind else {
            let message = "LATERAL VIEW wants a generator such as explode(…)".to_string();
            return refuse(Reason::GeneratorNotAllowed { condition: "UNSUPPORTED_GENERATOR.NOT_GENERATOR", message }, view.generator.span);
        };
        let Some((generator, fields)) = self.generator(call, &view.generator, &mut env)? else {
            let message = format!("`{}` makes no rows; LATERAL VIEW wants a generator such as explode(…)", call.name.name);
            return refuse(Reason::GeneratorNotAllowed { condition: "UNSUPPORTED_GENERATOR.NOT_GENERATOR", message }, view.generator.span);
        };
        if !view.columns.is_empty() && view.columns.len() != fields.len() {
            return refuse(Reason::AliasCount { aliases: view.columns.len(), columns: fields.len() }, view.columns[0].span);
        }
        let names = fields.iter().enumerate().map(|(i, f)| view.columns.get(i).map_or(f.name.clone(), |c| c.name.clone()));
        let names: Vec<_> = names.collect();
        let columns: Vec<_> = fields.into_iter().zip(names).map(|(f, n)| self.column(n, f.data_type)).collect();
        let outer = view.outer || call.name.name.to_ascii_lowercase().ends_with("_outer");
        let scope = env.scope.join(Scope::of(columns.clone(), Some(&view.table.name)));
        Ok((LogicalPlan::Generate { input: Box::new(plan), generator, outer, columns }, scope))
    }

    /// The sort keys of a select: positions, output columns, else expressions over the input that ride along.
    pub(super) fn order_keys(
        &mut self,
        order: &[ast::SortItem],
        exprs: &mut Vec<NamedExpr>,
        env: &mut Env,
        lower: &mut dyn FnMut(&mut Self, Expr) -> Result<Expr>,
    ) -> Result<OrderKeys> {
        let outputs: Vec<_> = exprs.iter().map(|e| Column { id: e.id, name: e.name.clone(), data_type: e.expr.data_type() }).collect();
        let mut found = OrderKeys { keys: Vec::new(), extra: 0 };
        for item in order {
            if let Some(position) = ordinal(&item.expr) {
                let column = self.by_position(position, "ORDER BY", &outputs, item.expr.span)?;
                found.keys.push(sort_key(item, column.expr()));
                continue;
            }
            let mut over_output = Env::new(Scope::of(outputs.clone(), None), Aggregates::Forbidden("INVALID_WHERE_CONDITION", "ORDER BY"));
            if let Ok(expr) = self.expr(&item.expr, &mut over_output) {
                found.keys.push(sort_key(item, expr));
                continue;
            }
            let expr = self.expr(&item.expr, env)?;
            let expr = lower(self, expr)?;
            let column = match exprs.iter().find(|e| e.expr == expr) {
                Some(known) => Expr::Column { id: known.id, name: known.name.clone(), data_type: expr.data_type() },
                None => {
                    let named = self.named(name_of(&item.expr), expr);
                    let column = Expr::Column { id: named.id, name: named.name.clone(), data_type: named.expr.data_type() };
                    exprs.push(named);
                    found.extra += 1;
                    column
                }
            };
            found.keys.push(sort_key(item, column));
        }
        Ok(found)
    }

    /// The FROM clause; without one, a single row without columns.
    pub(super) fn from(&mut self, tables: &[ast::TableRef]) -> Result<Relation> {
        let mut relation: Option<Relation> = None;
        for table in tables {
            relation = Some(match relation {
                None => self.table(table)?,
                Some(left) => self.cross(left, table)?,
            });
        }
        Ok(relation.unwrap_or_else(|| (LogicalPlan::Values { rows: vec![vec![]], columns: vec![] }, Scope::default())))
    }
}

/// Sort keys, and how many expressions were added to the select list for them.
pub(super) struct OrderKeys {
    pub(super) keys: Vec<SortKey>,
    pub(super) extra: usize,
}

fn alias_names(defaults: &[String], item: &ast::SelectItem) -> Result<Vec<String>> {
    match item.aliases.as_slice() {
        [] => Ok(defaults.to_vec()),
        aliases if aliases.len() == defaults.len() => Ok(aliases.iter().map(|a| a.name.clone()).collect()),
        aliases => refuse(Reason::AliasCount { aliases: aliases.len(), columns: defaults.len() }, aliases[0].span),
    }
}

/// Whether an aggregate stands anywhere in the expression, windows and sub-queries left out.
pub(super) fn has_aggregate(e: &ast::Expr) -> bool {
    match &e.kind {
        ExprKind::Call(call) => {
            let name = call.name.name.to_ascii_lowercase();
            let aggregate =
                call.over.is_none() && (Analyzer::is_aggregate_name(&name) || matches!(name.as_str(), "grouping" | "grouping_id"));
            aggregate || children(e).into_iter().any(has_aggregate)
        }
        _ => children(e).into_iter().any(has_aggregate),
    }
}

/// The expressions directly below.
pub(crate) fn children(e: &ast::Expr) -> Vec<&ast::Expr> {
    match &e.kind {
        ExprKind::Literal(..)
        | ExprKind::TimestampLiteral(_)
        | ExprKind::Name(_)
        | ExprKind::Star { .. }
        | ExprKind::Exists(_)
        | ExprKind::ScalarSubquery(_)
        | ExprKind::Interval(_)
        | ExprKind::Parameter(_) => vec![],
        ExprKind::Unary { expr, .. }
        | ExprKind::InSubquery { expr, .. }
        | ExprKind::IsNull { expr, .. }
        | ExprKind::IsBoolean { expr, .. }
        | ExprKind::Cast { expr, .. }
        | ExprKind::Field { expr, .. }
        | ExprKind::Lambda { body: expr, .. } => vec![expr],
        ExprKind::Binary { left, right, .. } | ExprKind::IsDistinct { left, right, .. } => vec![left, right],
        ExprKind::Between { expr, low, high, .. } => vec![expr, low, high],
        ExprKind::InList { expr, list, .. } => std::iter::once(&**expr).chain(list).collect(),
        ExprKind::Like { expr, patterns, .. } => std::iter::once(&**expr).chain(patterns).collect(),
        ExprKind::Case { operand, branches, otherwise } => {
            operand.as_deref().into_iter().chain(branches.iter().flat_map(|(c, v)| [c, v])).chain(otherwise.as_deref()).collect()
        }
        ExprKind::Call(call) => {
            let over = call.over.iter().flat_map(|o| o.partition_by.iter().chain(o.order_by.iter().map(|s| &s.expr)));
            call.args.iter().map(|a| &a.value).chain(&call.filter).chain(call.within_group.iter().map(|s| &s.expr)).chain(over).collect()
        }
        ExprKind::Subscript { expr, index } => vec![expr, index],
        ExprKind::Row(items) => items.iter().collect(),
    }
}
