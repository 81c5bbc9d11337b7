//! FROM: streams, tables, views, joins, VALUES, table functions, WATERMARK, PIVOT and UNPIVOT.

use super::query::{finish, visible};
use super::{Aggregates, Analyzer, Env, Relation, Result, keep, refuse};
use crate::catalog::Relation as Known;
use crate::diagnostic::Span;
use crate::lang::ast::{self, JoinCondition, JoinKind, TableRef};
use crate::plan::coerce::{cast, tightest};
use crate::plan::error::Reason;
use crate::plan::expr::{Expr, NamedExpr};
use crate::plan::logical::{Column, LogicalPlan, Scan};
use crate::plan::scope::{Scope, Visible, same};
use crate::types::{DataType, Value};

/// A month as the watermark's delay counts it, in microseconds.
const MONTH_MICROS: i64 = 31 * 86_400_000_000;

impl Analyzer<'_> {
    pub(super) fn table(&mut self, table: &TableRef) -> Result<Relation> {
        match table {
            TableRef::Relation { name, stream, sample, watermark, alias, span } => {
                let mut relation = self.relation_named(name, *stream)?;
                if let Some(sample) = sample {
                    relation = self.sampled(relation, sample)?;
                }
                relation = self.watermarked(relation, watermark.as_deref())?;
                self.aliased(relation, alias.as_ref(), *span)
            }
            TableRef::Subquery { query, sample, watermark, alias, span, .. } => {
                let (plan, scope) = self.nested(*span, |this| this.query(query))?;
                let mut relation = (plan, Scope::of(visible(&scope), None));
                if let Some(sample) = sample {
                    relation = self.sampled(relation, sample)?;
                }
                let relation = self.watermarked(relation, watermark.as_deref())?;
                self.aliased(relation, alias.as_ref(), *span)
            }
            TableRef::Values(values) => self.values(values),
            TableRef::Function { name, args, alias, span, .. } => {
                let relation = self.table_function(name, args, *span)?;
                self.aliased(relation, alias.as_ref(), *span)
            }
            TableRef::Join(join) => self.join(join),
            TableRef::Nested(inner, sample, alias) => {
                let mut relation = self.table(inner)?;
                if let Some(sample) = sample {
                    relation = self.sampled(relation, sample)?;
                }
                self.aliased(relation, alias.as_ref(), Span::default())
            }
            TableRef::Pivot(inner, pivot, alias) => {
                let relation = self.table(inner)?;
                let relation = self.pivot(relation, pivot)?;
                self.aliased(relation, alias.as_ref(), pivot.span)
            }
            TableRef::Unpivot(inner, unpivot, alias) => {
                let relation = self.table(inner)?;
                let relation = self.unpivot(relation, unpivot)?;
                self.aliased(relation, alias.as_ref(), unpivot.span)
            }
        }
    }

    /// A name, perhaps with the catalog and schema in which all of them are.
    pub(super) fn relation_named(&mut self, name: &ast::RelationName, stream: bool) -> Result<Relation> {
        if name.path.is_empty() {
            return self.named_relation(&name.name, stream);
        }
        let path: Vec<&str> = name.path.iter().map(|p| p.name.as_str()).collect();
        let span = name.path.first().map_or(name.name.span, |p| p.span.to(name.name.span));
        match path.as_slice() {
            [schema] if same(schema, "default") => {}
            [catalog, schema] if same(catalog, "spark_catalog") && same(schema, "default") => {}
            [_] | [_, _] => {
                let full = format!("{}.{}", path.join("."), name.name.name);
                let known = self.catalog.relations().map(|r| r.name().to_string()).collect();
                return refuse(Reason::UnresolvedRelation { name: full, known }, span);
            }
            _ => {
                let message = "a name has at most a catalog and a schema before it: spark_catalog.default.t".to_string();
                return refuse(Reason::Rule { condition: "REQUIRES_SINGLE_PART_NAMESPACE", message }, span);
            }
        }
        let ctes = std::mem::take(&mut self.ctes);
        let relation = self.named_relation(&name.name, stream);
        self.ctes = ctes;
        relation
    }

    /// A name: a common table expression, else what the catalog has.
    pub(super) fn named_relation(&mut self, name: &ast::Ident, stream: bool) -> Result<Relation> {
        if let Some(at) = self.ctes.iter().rposition(|c| same(&c.name.name, &name.name)) {
            let hidden = self.ctes.split_off(at);
            let cte = hidden[0].clone();
            let result = self.nested(name.span, |this| this.query(&cte.query));
            self.ctes.extend(hidden);
            let (plan, scope) = result?;
            let alias = ast::TableAlias { name: cte.name, columns: cte.columns };
            return self.aliased((plan, Scope::of(visible(&scope), None)), Some(&alias), name.span);
        }
        match self.catalog.relation(&name.name).cloned() {
            Some(Known::Source(source)) => {
                if stream && !source.streaming {
                    return refuse(Reason::NotAStream { name: source.name }, name.span);
                }
                let columns: Vec<_> = source.columns.iter().map(|f| self.column(f.name.clone(), f.data_type.clone())).collect();
                let scope = Scope::of(columns.clone(), Some(&source.name));
                let scan = Scan {
                    name: source.name,
                    format: source.format,
                    options: source.options,
                    declared: source.columns,
                    columns,
                    streaming: source.streaming,
                };
                Ok((LogicalPlan::Scan(scan), scope))
            }
            Some(Known::Memory(table)) => {
                if stream {
                    return refuse(Reason::NotAStream { name: table.name }, name.span);
                }
                let columns: Vec<_> = table.columns.iter().map(|f| self.column(f.name.clone(), f.data_type.clone())).collect();
                let scope = Scope::of(columns.clone(), Some(&table.name));
                Ok((LogicalPlan::Memory { name: table.name, columns }, scope))
            }
            Some(Known::View(view)) => {
                let ctes = std::mem::take(&mut self.ctes);
                let result = self.elsewhere(|this| this.nested(name.span, |this| this.query(&view.query)));
                self.ctes = ctes;
                let (plan, scope) = result?;
                let columns = visible(&scope);
                Ok((plan, Scope::of(columns, Some(&view.name))))
            }
            None => {
                let known = self.ctes.iter().map(|c| c.name.name.clone()).chain(self.catalog.relations().map(|r| r.name().to_string()));
                refuse(Reason::UnresolvedRelation { name: name.name.clone(), known: known.collect() }, name.span)
            }
        }
    }

    /// `AS alias [(columns)]`
    fn aliased(&mut self, (plan, scope): Relation, alias: Option<&ast::TableAlias>, span: Span) -> Result<Relation> {
        let Some(alias) = alias else { return Ok((plan, scope)) };
        let mut scope = scope.aliased(Some(alias.name.name.as_str()).filter(|n| !n.is_empty()));
        if !alias.columns.is_empty() {
            if alias.columns.len() != scope.columns.len() {
                let (aliases, columns) = (alias.columns.len(), scope.columns.len());
                let reason = Reason::AliasCount { condition: "ASSIGNMENT_ARITY_MISMATCH", aliases, columns };
                return refuse(reason, alias.columns.first().map_or(span, |c| c.span));
            }
            for (visible, name) in scope.columns.iter_mut().zip(&alias.columns) {
                visible.column.name.clone_from(&name.name);
            }
        }
        Ok((plan, scope))
    }

    /// `WATERMARK expr [AS col] DELAY OF INTERVAL …`; over bounded input it means nothing and is left out.
    fn watermarked(&mut self, (plan, scope): Relation, clause: Option<&ast::WatermarkClause>) -> Result<Relation> {
        let Some(clause) = clause else { return Ok((plan, scope)) };
        let expr = self.plain_expr(&clause.expr, &scope, "WATERMARK")?;
        if !matches!(expr.data_type(), DataType::Timestamp | DataType::TimestampNtz) && !super::time_window::is_window(&expr.data_type()) {
            let message = format!("a watermark follows a TIMESTAMP, not {}", expr.data_type().sql());
            return refuse(Reason::Watermark { condition: Some("EVENT_TIME_IS_NOT_ON_TIMESTAMP_TYPE"), message }, clause.expr.span);
        }
        let delay = match self.plain_expr(&clause.delay, &scope, "WATERMARK").and_then(|d| self.constant(&d, clause.delay.span))? {
            Value::DayTime(micros) => micros,
            Value::YearMonth(months) => i64::from(months) * MONTH_MICROS,
            Value::String(text) => self.text_duration(&text, clause.delay.span)?,
            _ => {
                let message = "the delay of a watermark is an interval such as INTERVAL 10 SECONDS".to_string();
                return refuse(Reason::Watermark { condition: Some("CANNOT_PARSE_INTERVAL"), message }, clause.delay.span);
            }
        };
        if delay < 0 {
            let message = "the delay of a watermark cannot be negative".to_string();
            return refuse(Reason::Watermark { condition: None, message }, clause.delay.span);
        }
        let (plan, scope, column) = match (&expr, &clause.alias) {
            (Expr::Column { id, .. }, None) => {
                let id = *id;
                (plan, scope, id)
            }
            (_, Some(alias)) => {
                // The new column comes first in `*`.
                let column = self.column(alias.name.clone(), expr.data_type());
                let named = NamedExpr { id: column.id, name: column.name.clone(), expr };
                let exprs = std::iter::once(named).chain(keep(&plan.columns())).collect();
                let id = column.id;
                let plan = LogicalPlan::Project { input: Box::new(plan), exprs };
                (plan, Scope::of(vec![column], None).join(scope), id)
            }
            (_, None) => {
                let message = "a watermark on an expression wants a name: WATERMARK to_timestamp(x) AS ts DELAY OF …".to_string();
                let condition = Some("REQUIRES_EXPLICIT_NAME_IN_WATERMARK_CLAUSE");
                return refuse(Reason::Watermark { condition, message }, clause.expr.span);
            }
        };
        if !plan.is_streaming() {
            return Ok((plan, scope));
        }
        Ok((LogicalPlan::Watermark { input: Box::new(plan), column, delay }, scope))
    }

    /// `VALUES (…), … [AS t(a, b)]`: constants, each column of one type.
    pub(super) fn values(&mut self, values: &ast::ValuesTable) -> Result<Relation> {
        let mut width = None;
        let mut rows = Vec::new();
        for row in &values.rows {
            let row = match row.as_slice() {
                [only] => match struct_items(only) {
                    Some(items) => items,
                    None => vec![only.clone()],
                },
                many => many.to_vec(),
            };
            width = width.or(Some(row.len()));
            if Some(row.len()) != width {
                let message = format!("rows of VALUES have {} and {} columns", row.len(), width.unwrap_or(0));
                let at = row.first().map_or(values.span, |e| e.span);
                return refuse(Reason::Rule { condition: "INVALID_INLINE_TABLE.NUM_COLUMNS_MISMATCH", message }, at);
            }
            let row = row.iter().map(|e| self.inline_value(e)).collect::<Result<Vec<_>>>()?;
            rows.push(row);
        }
        let width = width.unwrap_or(0);
        if let Some(alias) = values.alias.as_ref().filter(|a| !a.columns.is_empty() && a.columns.len() != width) {
            let message = format!("{} names for {width} columns of VALUES", alias.columns.len());
            let condition = "INVALID_INLINE_TABLE.NUM_COLUMNS_MISMATCH";
            return refuse(Reason::Rule { condition, message }, alias.columns[0].span);
        }
        let mut columns = Vec::new();
        for i in 0..width {
            let types: Vec<_> = rows.iter().map(|r: &Vec<Expr>| r[i].data_type()).collect();
            let Some(t) = types.iter().try_fold(DataType::Void, |so_far, t| tightest(&so_far, t)) else {
                let message = format!("column {} of VALUES mixes types that do not go together", i + 1);
                return refuse(Reason::Rule { condition: "INVALID_INLINE_TABLE.INCOMPATIBLE_TYPES_IN_INLINE_TABLE", message }, values.span);
            };
            for row in &mut rows {
                row[i] = cast(row[i].clone(), &t);
            }
            columns.push(self.column(format!("col{}", i + 1), t));
        }
        let scope = Scope::of(columns.clone(), None);
        self.aliased((LogicalPlan::Values { rows, columns }, scope), values.alias.as_ref(), values.span)
    }

    /// A value of VALUES: a constant.
    fn inline_value(&mut self, e: &ast::Expr) -> Result<Expr> {
        const CONDITION: &str = "INVALID_INLINE_TABLE.CANNOT_EVALUATE_EXPRESSION_IN_INLINE_TABLE";
        let mut env = Env::new(Scope::default(), Aggregates::Forbidden(CONDITION, "VALUES"));
        let expr = self.expr(e, &mut env)?;
        if expr.any(&|e| matches!(e, Expr::Call { function, .. } if super::call::is_random(function.0))) {
            let message = "a value of VALUES has to be a constant, and this one is different each time".to_string();
            return refuse(Reason::Rule { condition: CONDITION, message }, e.span);
        }
        Ok(expr)
    }

    /// A comma in FROM, or CROSS JOIN.
    pub(super) fn cross(&mut self, left: Relation, right: &TableRef) -> Result<Relation> {
        let condition = JoinCondition::None;
        self.joined(left, right, JoinKind::Inner, false, &condition, Span::default())
    }

    fn join(&mut self, join: &ast::Join) -> Result<Relation> {
        let left = self.table(&join.left)?;
        self.joined(left, &join.right, join.kind, join.natural, &join.condition, join.span)
    }

    pub(super) fn joined(
        &mut self,
        left: Relation,
        right: &TableRef,
        kind: JoinKind,
        natural: bool,
        condition: &JoinCondition,
        span: Span,
    ) -> Result<Relation> {
        if self.is_lateral(right) {
            return self.lateral(left, right, kind, condition, span);
        }
        let (right_plan, right_scope) = self.table(right)?;
        let (left_plan, left_scope) = left;
        let using: Vec<ast::Ident> = match condition {
            JoinCondition::Using(names) => names.clone(),
            _ if natural => natural_columns(&left_scope, &right_scope),
            _ => vec![],
        };
        let both = left_scope.clone().join(right_scope.clone());
        let predicate = match condition {
            JoinCondition::On(e) => {
                let mut env = Env::plain(both.clone(), "UNSUPPORTED_EXPR_FOR_OPERATOR", "JOIN");
                let condition = match self.condition(e, "JOIN", &mut env) {
                    Err(error) if matches!(error.reason, Reason::SeveralWindows) => return window_in_on(error.span),
                    condition => condition?,
                };
                if env.has_windows() {
                    return window_in_on(e.span);
                }
                if let Some(tied) = env.joins.first() {
                    let condition = "UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.UNSUPPORTED_CORRELATED_EXPRESSION_IN_JOIN_CONDITION";
                    let message = "a sub-query in ON cannot look at both sides of the join; put it into WHERE".to_string();
                    return refuse(Reason::Subquery { condition, message }, tied.span);
                }
                Some(condition)
            }
            _ => None,
        };
        let mut pairs = Vec::new();
        let mut predicate = predicate;
        for name in &using {
            let (l, r) = (self.using_column(&left_scope, name)?, self.using_column(&right_scope, name)?);
            let equal = self.equal(l.expr(), r.expr(), name.span)?;
            predicate = Some(match predicate {
                None => equal,
                Some(so_far) => Expr::And(Box::new(so_far), Box::new(equal)),
            });
            pairs.push((l, r));
        }
        let kind = if kind == JoinKind::Cross { JoinKind::Inner } else { kind };
        let plan = LogicalPlan::Join { left: Box::new(left_plan), right: Box::new(right_plan), kind, condition: predicate };
        match kind {
            JoinKind::LeftSemi | JoinKind::LeftAnti => Ok((plan, left_scope)),
            _ if pairs.is_empty() => Ok((plan, both)),
            _ => Ok(self.merged(plan, both, pairs, kind)),
        }
    }

    fn using_column(&self, scope: &Scope, name: &ast::Ident) -> Result<Column> {
        match scope.find(&[&name.name]) {
            crate::plan::scope::Found::Column(column, _) => Ok(column),
            crate::plan::scope::Found::Ambiguous(candidates) => {
                refuse(Reason::AmbiguousColumn { name: name.name.clone(), candidates }, name.span)
            }
            crate::plan::scope::Found::Missing => {
                let message = format!("USING wants `{}` on both sides, and one side has no such column", name.name);
                refuse(Reason::Rule { condition: "UNRESOLVED_USING_COLUMN_FOR_JOIN", message }, name.span)
            }
        }
    }

    /// USING: each shared column once and first in `*`; a full join takes it from whichever side has it.
    fn merged(&mut self, mut plan: LogicalPlan, both: Scope, pairs: Vec<(Column, Column)>, kind: JoinKind) -> Relation {
        let mut first = Vec::new();
        for (l, r) in &pairs {
            let column = match kind {
                JoinKind::Right => r.clone(),
                JoinKind::Full => {
                    let t = crate::plan::coerce::common(&l.data_type, &r.data_type).unwrap_or(l.data_type.clone());
                    let args = vec![cast(l.expr(), &t), cast(r.expr(), &t)];
                    let merged = self.column(l.name.clone(), t.clone());
                    let expr = Expr::Coalesce { args, data_type: t };
                    let exprs = keep(&plan.columns());
                    let named = NamedExpr { id: merged.id, name: merged.name.clone(), expr };
                    plan = LogicalPlan::Project { input: Box::new(plan), exprs: exprs.into_iter().chain([named]).collect() };
                    merged
                }
                _ => l.clone(),
            };
            first.push(Visible { column, qualifier: None, hidden: false, made: false });
        }
        let shared = |id| pairs.iter().any(|(l, r)| l.id == id || r.id == id);
        let rest = both.columns.into_iter().map(|v| {
            let hidden = v.hidden || shared(v.column.id);
            Visible { hidden, ..v }
        });
        let columns = first.into_iter().chain(rest).collect();
        (plan, Scope { columns })
    }

    pub(super) fn sampled(&mut self, (plan, scope): Relation, sample: &ast::Sample) -> Result<Relation> {
        let plan = match sample.amount {
            ast::SampleAmount::Rows(n) => LogicalPlan::Limit { input: Box::new(plan), limit: Some(n), offset: 0 },
            ast::SampleAmount::Percent(p) if (0.0..=100.0).contains(&p) => {
                let seed = sample.seed.unwrap_or(0) as u64;
                LogicalPlan::Sample { input: Box::new(plan), fraction_ppm: (p * 10_000.0).round() as u64, seed }
            }
            ast::SampleAmount::Percent(_) => {
                let message = "a sample is between 0 and 100 percent".to_string();
                return refuse(Reason::Rule { condition: "INVALID_TABLESAMPLE_FRACTION", message }, sample.span);
            }
        };
        Ok((plan, scope))
    }

    /// `UNPIVOT (value FOR name IN (a, b))`: a row per listed column; rows whose values are all NULL are left out.
    pub(super) fn unpivot(&mut self, relation: Relation, unpivot: &ast::Unpivot) -> Result<Relation> {
        let scope = relation.1.clone();
        let input = finish(relation);
        let mut entries = Vec::new();
        for (exprs, alias) in &unpivot.columns {
            let resolved = exprs.iter().map(|e| self.plain_expr(e, &scope, "UNPIVOT")).collect::<Result<Vec<_>>>()?;
            if resolved.len() != unpivot.values.len() {
                let message = format!("UNPIVOT names {} values, and an entry has {} columns", unpivot.values.len(), resolved.len());
                return refuse(Reason::Rule { condition: "UNPIVOT_VALUE_SIZE_MISMATCH", message }, unpivot.span);
            }
            let label = alias
                .as_ref()
                .map_or_else(|| exprs.iter().map(crate::plan::naming::name_of).collect::<Vec<_>>().join("_"), |a| a.name.clone());
            entries.push((resolved, label));
        }
        let mut columns = Vec::new();
        let used: Vec<_> = entries.iter().flat_map(|(e, _)| e.iter().flat_map(Expr::columns)).collect();
        let kept: Vec<_> = input.columns().into_iter().filter(|c| !used.contains(&c.id)).collect();
        columns.extend(kept.iter().map(|c| self.column(c.name.clone(), c.data_type.clone())));
        columns.push(self.column(unpivot.name.name.clone(), DataType::String));
        for (i, value) in unpivot.values.iter().enumerate() {
            let types: Vec<_> = entries.iter().map(|(e, _)| e[i].data_type()).collect();
            let Some(t) = types.iter().try_fold(DataType::Void, |so_far, t| tightest(&so_far, t)) else {
                let message = "the columns of UNPIVOT do not share a type".to_string();
                return refuse(Reason::Rule { condition: "UNPIVOT_VALUE_DATA_TYPE_MISMATCH", message }, unpivot.span);
            };
            columns.push(self.column(value.name.clone(), t));
        }
        let width = kept.len() + 1;
        let projections = entries
            .into_iter()
            .map(|(exprs, label)| {
                let values = exprs.into_iter().enumerate().map(|(i, e)| cast(e, &columns[width + i].data_type));
                kept.iter().map(Column::expr).chain([Expr::string(label)]).chain(values).collect()
            })
            .collect();
        let values: Vec<_> = columns[width..].iter().map(Column::expr).collect();
        let mut plan = LogicalPlan::Expand { input: Box::new(input), projections, columns: columns.clone() };
        if !unpivot.include_nulls {
            let present = values.into_iter().map(|v| Expr::call("isnotnull", vec![v], DataType::Boolean));
            if let Some(predicate) = present.reduce(|a, b| Expr::Or(Box::new(a), Box::new(b))) {
                plan = LogicalPlan::Filter { input: Box::new(plan), predicate };
            }
        }
        Ok((plan, Scope::of(columns, None)))
    }
}

/// The names both sides have, in the left side's order.
fn natural_columns(left: &Scope, right: &Scope) -> Vec<ast::Ident> {
    let shared = visible(left).into_iter().filter(|l| visible(right).iter().any(|r| same(&l.name, &r.name)));
    shared.map(|c| ast::Ident { name: c.name, span: Span::default() }).collect()
}

/// `VALUES struct(1, 'a')`: the struct's items are the row.
fn struct_items(e: &ast::Expr) -> Option<Vec<ast::Expr>> {
    match &e.kind {
        ast::ExprKind::Call(call) if call.name.name.eq_ignore_ascii_case("struct") && call.over.is_none() => {
            Some(call.args.iter().map(|a| a.value.clone()).collect())
        }
        ast::ExprKind::Call(call) if call.name.name.eq_ignore_ascii_case("named_struct") => {
            Some(call.args.iter().skip(1).step_by(2).map(|a| a.value.clone()).collect())
        }
        _ => None,
    }
}

/// Spark makes windows in projections and aggregations only.
fn window_in_on<T>(span: Span) -> Result<T> {
    let message = "a window cannot be made in the condition of a join: make it a column of each side first, as in \
                   (SELECT window(ts, '10 seconds') AS w, … FROM …) AS a";
    refuse(Reason::Rule { condition: "UNRESOLVED_COLUMN.WITH_SUGGESTION", message: message.to_string() }, span)
}
