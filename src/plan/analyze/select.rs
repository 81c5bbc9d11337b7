//! The SELECT block: select list, generators, DISTINCT, ORDER BY of a select.

use super::query::{NOT_IN_SORT, all_columns, ordinal, sort_key};
use super::tree::{children, name_windows};
use super::{Aggregates, AnalysisError, Analyzer, Env, Relation, Result, refuse};
use crate::diagnostic::Span;
use crate::lang::ast::{self, ExprKind};
use crate::plan::error::Reason;
use crate::plan::expr::{Expr, NamedExpr, SortKey};
use crate::plan::logical::{Column, LogicalPlan};
use crate::plan::naming::name_of;
use crate::plan::scope::{Scope, same};
use crate::types::{DataType, Field, Value};

/// One output column before it is placed, or the columns of a generator.
pub(super) enum Item {
    Plain { name: String, expr: Expr, span: Span },
    Generator { call: Expr, outer: bool, columns: Vec<Column> },
}

impl Analyzer<'_> {
    pub(super) fn select(&mut self, select: &ast::Select, order: &[ast::SortItem]) -> Result<Relation> {
        if !select.windows.is_empty() {
            let mut spelt_out = ast::Select { windows: vec![], ..select.clone() };
            for e in spelt_out.items.iter_mut().map(|i| &mut i.expr).chain(&mut spelt_out.qualify) {
                name_windows(e, &select.windows);
            }
            return self.select(&spelt_out, order);
        }
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
        let aggregates = select.group_by.is_some() || select.having.is_some() || select.items.iter().any(|i| has_aggregate(&i.expr));
        if aggregates {
            return self.aggregated(plan, scope, select, order);
        }
        let mut env = Env::new(scope, Aggregates::Allowed);
        let items = self.items(&select.items, &mut env)?;
        let plan = self.place_windows(plan, &mut env)?;
        let (plan, mut exprs) = self.generated_below(plan, items);
        env.aggregates = Aggregates::Forbidden(NOT_IN_SORT, "a clause without GROUP BY");
        let qualify = select.qualify.as_ref().map(|q| self.condition(q, "QUALIFY", &mut env)).transpose()?;
        let keys = self.order_keys(order, &mut exprs, &mut env, select.distinct, &mut |_, expr| Ok(expr))?;
        let plan = self.windowed(plan, &mut exprs, qualify, select.span)?;
        self.projected(plan, exprs, keys, select.distinct, &env.scope)
    }

    /// Project, DISTINCT and sort; sort keys that are no output column ride along and are dropped again.
    pub(super) fn projected(
        &mut self,
        plan: LogicalPlan,
        exprs: Vec<NamedExpr>,
        keys: OrderKeys,
        distinct: bool,
        below: &Scope,
    ) -> Result<Relation> {
        let outputs = exprs.len() - keys.extra;
        if distinct {
            let types: Vec<_> = exprs[..outputs].iter().map(|e| e.expr.data_type()).collect();
            super::query::comparable(&types, "DISTINCT", Span::default())?;
            if let (Some(added), Some(span)) = (exprs.get(outputs), keys.first_extra) {
                let visible = exprs[..outputs].iter().map(|e| (e.name.clone(), e.expr.data_type().to_string())).collect();
                return refuse(Reason::UnresolvedColumn { name: added.name.clone(), visible }, span);
            }
        }
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
        let mut scope = Scope::of(plan.columns(), None);
        // A plain column is still known by its relation's name.
        for visible in &mut scope.columns {
            let known = below.columns.iter().find(|v| v.column.id == visible.column.id && v.column.name == visible.column.name);
            visible.qualifier = known.and_then(|v| v.qualifier.clone());
        }
        Ok((plan, scope))
    }

    /// The select list, stars expanded, each item an alias for those to its right.
    pub(super) fn items(&mut self, items: &[ast::SelectItem], env: &mut Env) -> Result<Vec<Item>> {
        env.in_list = true;
        let out = self.items_in_list(items, env);
        env.in_list = false;
        out
    }

    fn items_in_list(&mut self, items: &[ast::SelectItem], env: &mut Env) -> Result<Vec<Item>> {
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
        let spelt_out = self.spelt_out(&item.expr, env)?;
        let tree = spelt_out.as_ref().unwrap_or(&item.expr);
        let expr = self.expr(tree, env)?;
        let name = match item.aliases.as_slice() {
            [] => crate::plan::naming::name_of_typed(tree, &expr),
            [one] => one.name.clone(),
            many => {
                return refuse(
                    Reason::AliasCount { condition: "MULTI_ALIAS_WITHOUT_GENERATOR", aliases: many.len(), columns: 1 },
                    many[0].span,
                );
            }
        };
        if !item.aliases.is_empty() {
            env.aliases.push((name.clone(), expr.clone()));
        }
        Ok(Item::Plain { name, expr, span: item.expr.span })
    }

    /// The expression with stars in calls as the columns they stand for, and parameters as their values; `None` where there
    /// are none.
    pub(super) fn spelt_out(&mut self, e: &ast::Expr, env: &mut Env) -> Result<Option<ast::Expr>> {
        if !super::tree::has_shorthand(e) {
            return Ok(None);
        }
        let mut tree = e.clone();
        self.spell_out(&mut tree, env)?;
        Ok(Some(tree))
    }

    fn spell_out(&mut self, e: &mut ast::Expr, env: &mut Env) -> Result<()> {
        match &mut e.kind {
            ExprKind::Parameter(name) => {
                if let Some(value) = self.settings.parameters.get(name) {
                    e.kind = ExprKind::Literal(Value::String(value.clone()), DataType::String);
                }
                return Ok(());
            }
            ExprKind::Call(call) if call.name.name.eq_ignore_ascii_case("identifier") => {
                let parts = self.identifier_parts(&call.args, e.span)?;
                e.kind = ExprKind::Name(parts);
                return Ok(());
            }
            ExprKind::Call(call) => self.spell_stars(call, env)?,
            _ => {}
        }
        for child in super::tree::children_mut(e) {
            self.spell_out(child, env)?;
        }
        Ok(())
    }

    fn spell_stars(&mut self, call: &mut ast::Call, env: &mut Env) -> Result<()> {
        let count = call.name.name.eq_ignore_ascii_case("count");
        let mut args = Vec::new();
        for argument in std::mem::take(&mut call.args) {
            let ExprKind::Star { qualifier, except } = &argument.value.kind else {
                args.push(argument);
                continue;
            };
            if count && !call.distinct && except.is_empty() {
                if !qualifier.is_empty() {
                    let message = "count takes * alone, or columns by their names".to_string();
                    let condition = "INVALID_USAGE_OF_STAR_WITH_TABLE_IDENTIFIER_IN_COUNT";
                    return refuse(Reason::Rule { condition, message }, argument.value.span);
                }
                args.push(argument);
                continue;
            }
            let span = argument.value.span;
            for (name, _) in self.expand_star(qualifier, except, span, env)? {
                let parts = qualifier.iter().cloned().chain([ast::Ident { name, span }]).collect();
                args.push(ast::Argument { name: None, value: ast::Expr { kind: ExprKind::Name(parts), span } });
            }
        }
        call.args = args;
        Ok(())
    }

    /// What a star stands for: columns of the scope, of one relation, or members of a struct.
    pub(super) fn expand_star(
        &mut self,
        qualifier: &[ast::Ident],
        except: &[Vec<ast::Ident>],
        span: Span,
        env: &mut Env,
    ) -> Result<Vec<(String, Expr)>> {
        let names: Vec<&str> = qualifier.iter().map(|q| q.name.as_str()).chain(["*"]).collect();
        let path = crate::plan::scope::path_length(&names);
        let columns = match &qualifier[path..] {
            [] => env.scope.star(None),
            [one] => env.scope.star(Some(&one.name)),
            _ => None,
        };
        let mut out: Vec<(String, Expr)> = match columns {
            Some(columns) => columns.into_iter().map(|v| (v.column.name.clone(), v.column.expr())).collect(),
            None => {
                let Ok(base) = self.name(qualifier, span, env) else {
                    let name = qualifier.iter().map(|q| q.name.as_str()).collect::<Vec<_>>().join(".");
                    let mut known: Vec<_> = env.scope.columns.iter().filter_map(|v| v.qualifier.clone()).collect();
                    known.dedup();
                    return refuse(Reason::StarOfNothing { name, known }, span);
                };
                match base.data_type() {
                    DataType::Struct(fields) => fields
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
        for (i, name) in except.iter().enumerate() {
            let last = name.last().map(|n| n.name.as_str()).unwrap_or_default();
            if let Some(twice) = except[..i].iter().flat_map(|n| n.last()).find(|n| same(&n.name, last)) {
                let message = format!("`{}` is left out twice", twice.name);
                let at = name.last().map_or(span, |n| n.span);
                return refuse(Reason::Rule { condition: "EXCEPT_OVERLAPPING_COLUMNS", message }, at);
            }
            let parts: Vec<&str> = name.iter().map(|n| n.name.as_str()).collect();
            if !leave_out(&mut out, &parts, &env.scope) {
                let at = name.last().map_or(span, |n| n.span);
                return refuse(Reason::UnresolvedColumn { name: parts.join("."), visible: env.scope.listing() }, at);
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
            let (aliases, columns) = (view.columns.len(), fields.len());
            return refuse(Reason::AliasCount { condition: "UDTF_ALIAS_NUMBER_MISMATCH", aliases, columns }, view.columns[0].span);
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
        distinct: bool,
        lower: &mut dyn FnMut(&mut Self, Expr) -> Result<Expr>,
    ) -> Result<OrderKeys> {
        let outputs: Vec<_> = exprs.iter().map(|e| Column { id: e.id, name: e.name.clone(), data_type: e.expr.data_type() }).collect();
        let mut found = OrderKeys { keys: Vec::new(), extra: 0, first_extra: None };
        if let Some(all) = all_columns(order, &env.scope) {
            found.keys = outputs.iter().map(|c| sort_key(all, c.expr())).collect::<Result<_>>()?;
            return Ok(found);
        }
        for item in order {
            if let Some(position) = ordinal(&item.expr) {
                let column = self.by_position(position, "ORDER BY", &outputs, item.expr.span)?;
                found.keys.push(sort_key(item, column.expr())?);
                continue;
            }
            let mut over_output = Env::new(Scope::of(outputs.clone(), None), Aggregates::Forbidden(NOT_IN_SORT, "ORDER BY"));
            let over = self.expr(&item.expr, &mut over_output);
            if let Ok(expr) = over {
                self.sortable(&expr, &over_output, item.expr.span)?;
                found.keys.push(sort_key(item, expr)?);
                continue;
            }
            let visible = || outputs.iter().map(|c| (c.name.clone(), c.data_type.to_string())).collect();
            let unresolved = |name: String, span| AnalysisError::new(Reason::UnresolvedColumn { name, visible: visible() }, span);
            let joins = env.joins.len();
            let expr = self.expr(&item.expr, env)?;
            let expr = lower(self, expr).map_err(|error| match error.reason {
                Reason::MissingAggregation { column } => unresolved(column, item.expr.span),
                reason => AnalysisError::new(reason, error.span),
            })?;
            if distinct {
                // Rows that DISTINCT made one have no other columns.
                return Err(over.err().unwrap_or_else(|| unresolved(name_of(&item.expr), item.expr.span)));
            }
            if env.joins.len() > joins {
                self.sortable(&expr, env, item.expr.span)?;
            }
            self.sortable(&expr, &over_output, item.expr.span)?;
            let column = match exprs.iter().find(|e| e.expr == expr) {
                Some(known) => Expr::Column { id: known.id, name: known.name.clone(), data_type: expr.data_type() },
                None => {
                    let named = self.named(name_of(&item.expr), expr);
                    let column = Expr::Column { id: named.id, name: named.name.clone(), data_type: named.expr.data_type() };
                    exprs.push(named);
                    found.extra += 1;
                    found.first_extra.get_or_insert(item.expr.span);
                    column
                }
            };
            found.keys.push(sort_key(item, column)?);
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
    /// Where the first of them stands.
    pub(super) first_extra: Option<Span>,
}

fn alias_names(defaults: &[String], item: &ast::SelectItem) -> Result<Vec<String>> {
    match item.aliases.as_slice() {
        [] => Ok(defaults.to_vec()),
        aliases if aliases.len() == defaults.len() => Ok(aliases.iter().map(|a| a.name.clone()).collect()),
        aliases => {
            let (given, columns) = (aliases.len(), defaults.len());
            refuse(Reason::AliasCount { condition: "UDTF_ALIAS_NUMBER_MISMATCH", aliases: given, columns }, aliases[0].span)
        }
    }
}

/// Takes what `parts` name out of a star's columns: a column, perhaps with its relation's name, or a member of a struct.
fn leave_out(columns: &mut Vec<(String, Expr)>, parts: &[&str], scope: &Scope) -> bool {
    let (first, rest) = match parts {
        [] => return false,
        [qualifier, rest @ ..] if !rest.is_empty() && scope.star(Some(qualifier)).is_some() => (rest[0], &rest[1..]),
        [first, rest @ ..] => (*first, rest),
    };
    if rest.is_empty() {
        let before = columns.len();
        columns.retain(|(name, _)| !same(name, first));
        return columns.len() < before;
    }
    let Some((_, expr)) = columns.iter_mut().find(|(name, _)| same(name, first)) else { return false };
    match without_member(expr.clone(), rest) {
        Some(smaller) => {
            *expr = smaller;
            true
        }
        None => false,
    }
}

/// The struct without the member that `path` leads to; of NULL a struct of NULLs, as in Spark.
fn without_member(value: Expr, path: &[&str]) -> Option<Expr> {
    let DataType::Struct(fields) = value.data_type() else { return None };
    let first = path.first()?;
    let at = fields.iter().position(|f| same(&f.name, first))?;
    let (mut args, mut kept) = (Vec::new(), Vec::new());
    for (index, field) in fields.into_iter().enumerate() {
        let member = Expr::Field { expr: Box::new(value.clone()), index, data_type: field.data_type };
        let member = match index == at {
            true if path.len() == 1 => continue,
            true => without_member(member, &path[1..])?,
            false => member,
        };
        kept.push(Field::new(field.name.clone(), member.data_type()));
        args.extend([Expr::string(field.name), member]);
    }
    Some(Expr::call("named_struct", args, DataType::Struct(kept)))
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
