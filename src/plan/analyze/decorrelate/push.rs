//! The way that pushes: the distinct values of the outer columns are joined in at the leaves.

use super::*;

/// A plan that gives its rows for each combination of outer values.
pub(super) struct Pushed {
    pub(super) plan: LogicalPlan,
    /// The outer values as columns of it.
    pub(super) columns: Vec<Column>,
    /// The outer columns equal those.
    pub(super) on: Vec<Expr>,
}

/// The outer plan and those of its columns that a sub-query reads.
struct Domain<'p> {
    outer: &'p LogicalPlan,
    columns: Vec<Column>,
}

impl Analyzer<'_> {
    pub(super) fn push_all(&mut self, outer: &LogicalPlan, plan: LogicalPlan, span: Span) -> Result<Pushed> {
        let mut read = Vec::new();
        tied_columns(&plan, &ids(outer), &mut read);
        let columns = outer.columns().into_iter().filter(|c| read.contains(&c.id)).collect();
        let domain = Domain { outer, columns };
        let refusal = |message: &str| {
            let condition = "UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.CORRELATED_COLUMN_IS_NOT_ALLOWED_IN_PREDICATE";
            refuse(Reason::Subquery { condition, message: message.to_string() }, span)
        };
        if outer.is_streaming() {
            return refusal("over a stream a sub-query can only be tied to the columns around it by equality in its WHERE");
        }
        match self.push(plan, &domain) {
            Some((plan, columns)) => {
                let equal = |(o, d): (&Column, &Column)| Expr::call("<=>", vec![o.expr(), d.expr()], DataType::Boolean);
                let on = domain.columns.iter().zip(&columns).map(equal).collect();
                Ok(Pushed { plan, columns, on })
            }
            None => refusal("a sub-query cannot be tied to the columns around it on both sides of an outer join"),
        }
    }

    /// The distinct outer values under new names.
    fn domain(&mut self, domain: &Domain<'_>) -> (LogicalPlan, Vec<Column>) {
        let fresh: Vec<_> = domain.columns.iter().map(|c| self.column(c.name.clone(), c.data_type.clone())).collect();
        let keys = domain.columns.iter().zip(&fresh).map(|(c, f)| NamedExpr { id: f.id, name: f.name.clone(), expr: c.expr() });
        let plan = LogicalPlan::Aggregate { input: Box::new(domain.outer.clone()), keys: keys.collect(), aggregates: vec![] };
        (plan, fresh)
    }

    fn push(&mut self, plan: LogicalPlan, domain: &Domain<'_>) -> Option<(LogicalPlan, Vec<Column>)> {
        let targets: Ids = domain.columns.iter().map(|c| c.id).collect();
        if !is_tied(&plan, &targets) {
            let (values, columns) = self.domain(domain);
            return Some((join(values, plan, JoinKind::Inner, vec![]), columns));
        }
        let bind = |e: Expr, columns: &[Column]| replaced(e, &domain.columns, columns);
        Some(match plan {
            LogicalPlan::Filter { input, predicate } => {
                let (input, columns) = self.push(*input, domain)?;
                let predicate = bind(predicate, &columns);
                (LogicalPlan::Filter { input: Box::new(input), predicate }, columns)
            }
            LogicalPlan::Project { input, exprs } => {
                let (input, columns) = self.push(*input, domain)?;
                let exprs = exprs.into_iter().map(|e| NamedExpr { expr: bind(e.expr, &columns), ..e });
                let exprs = exprs.chain(keep(&columns)).collect();
                (LogicalPlan::Project { input: Box::new(input), exprs }, columns)
            }
            LogicalPlan::Aggregate { input, keys, aggregates } => self.push_aggregate(*input, keys, aggregates, domain)?,
            LogicalPlan::Sort { input, keys } => {
                let (input, columns) = self.push(*input, domain)?;
                let keys = keys.into_iter().map(|k| SortKey { expr: bind(k.expr, &columns), ..k }).collect();
                (LogicalPlan::Sort { input: Box::new(input), keys }, columns)
            }
            LogicalPlan::Limit { input, limit, offset } => {
                let (input, keys) = unsorted(*input);
                let (input, columns) = self.push(input, domain)?;
                let keys = keys.into_iter().map(|k| SortKey { expr: bind(k.expr, &columns), ..k }).collect();
                let partition = columns.iter().map(Column::expr).collect();
                (self.limited(input, partition, keys, limit, offset), columns)
            }
            LogicalPlan::Join { left, right, kind, condition } => self.push_join(*left, *right, kind, condition, domain)?,
            LogicalPlan::Generate { input, generator, outer, columns: made } => {
                let (input, columns) = self.push(*input, domain)?;
                let generator = bind(generator, &columns);
                (LogicalPlan::Generate { input: Box::new(input), generator, outer, columns: made }, columns)
            }
            LogicalPlan::Window { input, calls } => {
                let (input, columns) = self.push(*input, domain)?;
                let calls = calls.into_iter().map(|c| NamedExpr { expr: partitioned(bind(c.expr, &columns), &columns), ..c });
                (LogicalPlan::Window { input: Box::new(input), calls: calls.collect() }, columns)
            }
            LogicalPlan::Expand { input, projections, columns: made } => {
                let (input, columns) = self.push(*input, domain)?;
                let again: Vec<_> = columns.iter().map(|c| self.column(c.name.clone(), c.data_type.clone())).collect();
                let row = |row: Vec<Expr>| row.into_iter().map(|e| bind(e, &columns)).chain(columns.iter().map(Column::expr)).collect();
                let projections = projections.into_iter().map(row).collect();
                let made = made.into_iter().chain(again.clone()).collect();
                (LogicalPlan::Expand { input: Box::new(input), projections, columns: made }, again)
            }
            LogicalPlan::Union { inputs, columns: made } => {
                let mut sides = Vec::new();
                for input in inputs {
                    sides.push(self.push_side(input, domain)?);
                }
                let fresh: Vec<_> = domain.columns.iter().map(|c| self.column(c.name.clone(), c.data_type.clone())).collect();
                let columns = made.into_iter().chain(fresh.clone()).collect();
                (LogicalPlan::Union { inputs: sides, columns }, fresh)
            }
            LogicalPlan::SetOperation { left, right, intersect, all } => {
                let (left, right) = (self.push_side(*left, domain)?, self.push_side(*right, domain)?);
                let columns = left.columns();
                let columns = columns[columns.len() - domain.columns.len()..].to_vec();
                (LogicalPlan::SetOperation { left: Box::new(left), right: Box::new(right), intersect, all }, columns)
            }
            LogicalPlan::TimeWindow { input, time, size, slide, start, column } => {
                let (input, columns) = self.push(*input, domain)?;
                let time = bind(time, &columns);
                (LogicalPlan::TimeWindow { input: Box::new(input), time, size, slide, start, column }, columns)
            }
            _ => return None,
        })
    }

    /// One side of a set operation: its own columns, then the outer values.
    fn push_side(&mut self, plan: LogicalPlan, domain: &Domain<'_>) -> Option<LogicalPlan> {
        let own = plan.columns();
        let (plan, columns) = self.push(plan, domain)?;
        let exprs = keep(&own).into_iter().chain(keep(&columns)).collect();
        Some(LogicalPlan::Project { input: Box::new(plan), exprs })
    }

    /// Without keys there is a group for every outer value, with rows or without.
    fn push_aggregate(
        &mut self,
        input: LogicalPlan,
        keys: Vec<NamedExpr>,
        aggregates: Vec<NamedAggregate>,
        domain: &Domain<'_>,
    ) -> Option<(LogicalPlan, Vec<Column>)> {
        let global = keys.is_empty();
        let (mut input, mut columns) = self.push(input, domain)?;
        let bound = columns.clone();
        let bind = |e: Expr| replaced(e, &domain.columns, &bound);
        let mut present = None;
        if global {
            let flag = self.column("present", DataType::Boolean);
            let named = NamedExpr { id: flag.id, name: flag.name.clone(), expr: Expr::literal(Value::Boolean(true), DataType::Boolean) };
            let right = project(input, vec![named]);
            let (values, fresh) = self.domain(domain);
            let equal = |(f, c): (&Column, &Column)| Expr::call("<=>", vec![f.expr(), c.expr()], DataType::Boolean);
            let on = fresh.iter().zip(&columns).map(equal).collect();
            input = join(values, right, JoinKind::Left, on);
            columns = fresh;
            present = Some(flag.expr());
        }
        let keys = keys.into_iter().map(|k| NamedExpr { expr: bind(k.expr), ..k }).chain(keep(&columns)).collect();
        let aggregates = aggregates
            .into_iter()
            .map(|mut a| {
                a.call.args = a.call.args.into_iter().map(bind).collect();
                a.call.filter = all_of(present.iter().cloned().chain(a.call.filter.map(bind)).collect());
                a
            })
            .collect();
        Some((LogicalPlan::Aggregate { input: Box::new(input), keys, aggregates }, columns))
    }

    fn push_join(
        &mut self,
        left: LogicalPlan,
        right: LogicalPlan,
        kind: JoinKind,
        condition: Option<Expr>,
        domain: &Domain<'_>,
    ) -> Option<(LogicalPlan, Vec<Column>)> {
        let targets: Ids = domain.columns.iter().map(|c| c.id).collect();
        let (tied_left, tied_right) = (is_tied(&left, &targets), is_tied(&right, &targets));
        let inner = matches!(kind, JoinKind::Inner | JoinKind::Cross);
        if matches!(kind, JoinKind::Full) || matches!(kind, JoinKind::Right) && tied_left {
            return None;
        }
        let mut ties = Vec::new();
        let (left, right, columns) = match (tied_left, tied_right) {
            _ if kind == JoinKind::Right => {
                let (right, columns) = self.push(right, domain)?;
                (left, right, columns)
            }
            (false, true) if inner => {
                let (right, columns) = self.push(right, domain)?;
                (left, right, columns)
            }
            (_, false) => {
                let (left, columns) = self.push(left, domain)?;
                (left, right, columns)
            }
            (_, true) => {
                let ((left, l), (right, r)) = (self.push(left, domain)?, self.push(right, domain)?);
                let right_condition: Vec<Expr> =
                    l.iter().zip(&r).map(|(a, b)| Expr::call("<=>", vec![a.expr(), b.expr()], DataType::Boolean)).collect();
                ties.extend(right_condition);
                (left, right, l)
            }
        };
        let on = condition.map(|c| replaced(c, &domain.columns, &columns)).into_iter().chain(ties).collect();
        Some((join(left, right, kind, on), columns))
    }
}
