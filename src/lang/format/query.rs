//! Queries, relations and pipe operators as text.

use super::expr::{table_call, whole, window_spec};
use super::{bracketed, ident, joined, listed};
use crate::lang::ast::{
    Cte, Expr, ExprKind, GroupBy, GroupItem, GroupingElement, GroupingSets, Ident, Join, JoinCondition, JoinKind, LateralView,
    PipeOperator, Pivot, Query, QueryBody, RelationName, Sample, SampleAmount, Select, SelectItem, SetOperator, SortItem, TableAlias,
    TableRef, Unpivot, ValuesTable, WatermarkClause,
};
use std::fmt::Write;

pub(super) fn query(out: &mut String, query: &Query) {
    if !query.ctes.is_empty() {
        out.push_str("WITH ");
        listed(out, &query.ctes, cte);
        out.push(' ');
    }
    body(out, &query.body);
    organized(out, " ORDER BY ", &query.order_by);
    if !query.distribute_by.is_empty() {
        out.push_str(" DISTRIBUTE BY ");
        listed(out, &query.distribute_by, whole);
    }
    organized(out, " SORT BY ", &query.sort_by);
    optional(out, " LIMIT ", query.limit.as_ref());
    optional(out, " OFFSET ", query.offset.as_ref());
}

fn organized(out: &mut String, words: &str, items: &[SortItem]) {
    if !items.is_empty() {
        out.push_str(words);
        listed(out, items, sort_item);
    }
}

fn optional(out: &mut String, words: &str, expr: Option<&Expr>) {
    if let Some(expr) = expr {
        out.push_str(words);
        whole(out, expr);
    }
}

fn cte(out: &mut String, cte: &Cte) {
    ident(out, &cte.name);
    if !cte.columns.is_empty() {
        bracketed(out, &cte.columns, ident);
    }
    out.push_str(" AS (");
    query(out, &cte.query);
    out.push(')');
}

/// A body. Set operations and pipes are walked down their left side in a loop: they may be long.
pub(super) fn body(out: &mut String, body: &QueryBody) {
    enum Step<'a> {
        Set(SetOperator, bool, &'a QueryBody),
        Pipe(&'a PipeOperator),
    }
    let mut steps = Vec::new();
    let mut leftmost = body;
    loop {
        match leftmost {
            QueryBody::SetOperation { op, all, left, right, .. } => {
                steps.push(Step::Set(*op, *all, right));
                leftmost = left;
            }
            QueryBody::Pipe { input, operator, .. } => {
                steps.push(Step::Pipe(operator));
                leftmost = input;
            }
            _ => break,
        }
    }
    primary(out, leftmost);
    for step in steps.into_iter().rev() {
        match step {
            Step::Set(op, all, right) => {
                let _ = write!(out, " {}{} ", set_operator(op), if all { " ALL" } else { "" });
                self::body(out, right);
            }
            Step::Pipe(operator) => {
                out.push_str(" |> ");
                pipe_operator(out, operator);
            }
        }
    }
}

fn primary(out: &mut String, body: &QueryBody) {
    match body {
        QueryBody::Select(inner) => select(out, inner),
        QueryBody::Values(inner) => values(out, inner),
        QueryBody::Table(name) => {
            out.push_str("TABLE ");
            relation_name(out, name);
        }
        QueryBody::From(refs) => {
            out.push_str("FROM ");
            listed(out, refs, table_ref);
        }
        QueryBody::Nested(inner) => {
            out.push('(');
            query(out, inner);
            out.push(')');
        }
        QueryBody::SetOperation { .. } | QueryBody::Pipe { .. } => self::body(out, body),
    }
}

fn set_operator(op: SetOperator) -> &'static str {
    match op {
        SetOperator::Union => "UNION",
        SetOperator::Intersect => "INTERSECT",
        SetOperator::Except => "EXCEPT",
    }
}

fn values(out: &mut String, table: &ValuesTable) {
    out.push_str("VALUES ");
    listed(out, &table.rows, |out, row| match row.as_slice() {
        [only] => whole(out, only),
        all => bracketed(out, all, whole),
    });
    alias(out, table.alias.as_ref());
}

pub(super) fn select(out: &mut String, select: &Select) {
    out.push_str("SELECT ");
    if !select.hints.is_empty() {
        let _ = write!(out, "/*+ {} */ ", select.hints.join(", "));
    }
    if select.distinct {
        out.push_str("DISTINCT ");
    }
    listed(out, &select.items, select_item);
    if !select.from.is_empty() {
        out.push_str(" FROM ");
        listed(out, &select.from, table_ref);
    }
    for view in &select.lateral_views {
        out.push(' ');
        lateral_view(out, view);
    }
    optional(out, " WHERE ", select.filter.as_ref());
    if let Some(group) = &select.group_by {
        out.push(' ');
        group_by(out, group);
    }
    optional(out, " HAVING ", select.having.as_ref());
    optional(out, " QUALIFY ", select.qualify.as_ref());
    if !select.windows.is_empty() {
        out.push_str(" WINDOW ");
        listed(out, &select.windows, |out, (name, spec)| {
            ident(out, name);
            out.push_str(" AS ");
            window_spec(out, spec);
        });
    }
}

fn relation_name(out: &mut String, name: &RelationName) {
    for part in &name.path {
        ident(out, part);
        out.push('.');
    }
    ident(out, &name.name);
}

pub(super) fn select_item(out: &mut String, item: &SelectItem) {
    whole(out, &item.expr);
    match item.aliases.as_slice() {
        [] => {}
        [only] => {
            out.push_str(" AS ");
            ident(out, only);
        }
        all => {
            out.push_str(" AS ");
            bracketed(out, all, ident);
        }
    }
}

fn group_by(out: &mut String, group: &GroupBy) {
    out.push_str("GROUP BY ");
    if group.all {
        return out.push_str("ALL");
    }
    if !group.listed.is_empty() {
        listed(out, &group.listed, whole);
        out.push(' ');
    }
    listed(out, &group.items, |out, item| match item {
        GroupItem::Plain(item) => select_item(out, item),
        GroupItem::Sets(sets) => grouping_sets(out, sets),
    });
}

fn grouping_sets(out: &mut String, sets: &GroupingSets) {
    let set = |out: &mut String, set: &Vec<Expr>| match set.as_slice() {
        [only] => whole(out, only),
        all => bracketed(out, all, whole),
    };
    match sets {
        GroupingSets::Rollup(sets) => {
            out.push_str("ROLLUP ");
            bracketed(out, sets, set);
        }
        GroupingSets::Cube(sets) => {
            out.push_str("CUBE ");
            bracketed(out, sets, set);
        }
        GroupingSets::Sets(elements) => {
            out.push_str("GROUPING SETS ");
            bracketed(out, elements, |out, element| match element {
                GroupingElement::Set(inner) => set(out, inner),
                GroupingElement::Nested(inner) => grouping_sets(out, inner),
            });
        }
    }
}

pub(super) fn sort_item(out: &mut String, item: &SortItem) {
    whole(out, &item.expr);
    if item.descending {
        out.push_str(" DESC");
    }
    match item.nulls_first {
        Some(true) => out.push_str(" NULLS FIRST"),
        Some(false) => out.push_str(" NULLS LAST"),
        None => {}
    }
}

fn lateral_view(out: &mut String, view: &LateralView) {
    out.push_str(if view.outer { "LATERAL VIEW OUTER " } else { "LATERAL VIEW " });
    whole(out, &view.generator);
    out.push(' ');
    ident(out, &view.table);
    if !view.columns.is_empty() {
        out.push_str(" AS ");
        listed(out, &view.columns, ident);
    }
}

fn alias(out: &mut String, alias: Option<&TableAlias>) {
    if let Some(alias) = alias {
        out.push_str(" AS ");
        if !alias.name.name.is_empty() {
            ident(out, &alias.name);
        }
        if !alias.columns.is_empty() {
            bracketed(out, &alias.columns, ident);
        }
    }
}

/// A relation. Joins are walked down their left side in a loop: there may be many.
pub(super) fn table_ref(out: &mut String, table: &TableRef) {
    let mut joins: Vec<&Join> = Vec::new();
    let mut leftmost = table;
    while let TableRef::Join(join) = leftmost {
        joins.push(join);
        leftmost = &join.left;
    }
    table_primary(out, leftmost);
    for join in joins.into_iter().rev() {
        out.push(' ');
        join_tail(out, &join.right, join.kind, join.natural, &join.condition);
    }
}

fn table_primary(out: &mut String, table: &TableRef) {
    match table {
        TableRef::Relation { name, stream, sample: sampled, watermark: mark, alias: named, .. } => {
            if *stream {
                out.push_str("STREAM ");
            }
            relation_name(out, name);
            sample(out, sampled.as_ref());
            watermark(out, mark.as_deref());
            alias(out, named.as_ref());
        }
        TableRef::Subquery { query: inner, lateral, sample: sampled, watermark: mark, alias: named, .. } => {
            out.push_str(if *lateral { "LATERAL (" } else { "(" });
            query(out, inner);
            out.push(')');
            sample(out, sampled.as_ref());
            watermark(out, mark.as_deref());
            alias(out, named.as_ref());
        }
        TableRef::Values(table) => values(out, table),
        TableRef::Function { name, args, lateral, alias: named, .. } => {
            if *lateral {
                out.push_str("LATERAL ");
            }
            table_call(out, name, args);
            alias(out, named.as_ref());
        }
        TableRef::Join(_) => table_ref(out, table),
        TableRef::Nested(inner, sampled, named) => {
            out.push('(');
            table_ref(out, inner);
            out.push(')');
            sample(out, sampled.as_ref());
            alias(out, named.as_ref());
        }
        TableRef::Pivot(input, inner, named) => {
            table_ref(out, input);
            out.push(' ');
            pivot(out, inner);
            alias(out, named.as_ref());
        }
        TableRef::Unpivot(input, inner, named) => {
            table_ref(out, input);
            out.push(' ');
            unpivot(out, inner);
            alias(out, named.as_ref());
        }
    }
}

fn watermark(out: &mut String, clause: Option<&WatermarkClause>) {
    let Some(clause) = clause else { return };
    out.push_str(" WATERMARK ");
    whole(out, &clause.expr);
    if let Some(name) = &clause.alias {
        out.push_str(" AS ");
        ident(out, name);
    }
    out.push_str(" DELAY OF ");
    whole(out, &clause.delay);
}

fn sample(out: &mut String, sample: Option<&Sample>) {
    let Some(sample) = sample else { return };
    let _ = match sample.amount {
        SampleAmount::Percent(percent) => write!(out, " TABLESAMPLE ({percent} PERCENT)"),
        SampleAmount::Rows(rows) => write!(out, " TABLESAMPLE ({rows} ROWS)"),
    };
    if let Some(seed) = sample.seed {
        let _ = write!(out, " REPEATABLE ({seed})");
    }
}

/// The whole join, its left side included.
pub(super) fn join(out: &mut String, join: &Join) {
    table_ref(out, &join.left);
    out.push(' ');
    join_tail(out, &join.right, join.kind, join.natural, &join.condition);
}

fn join_tail(out: &mut String, right: &TableRef, kind: JoinKind, natural: bool, condition: &JoinCondition) {
    if natural {
        out.push_str("NATURAL ");
    }
    out.push_str(match kind {
        JoinKind::Inner => "JOIN ",
        JoinKind::Cross => "CROSS JOIN ",
        JoinKind::Left => "LEFT JOIN ",
        JoinKind::Right => "RIGHT JOIN ",
        JoinKind::Full => "FULL JOIN ",
        JoinKind::LeftSemi => "LEFT SEMI JOIN ",
        JoinKind::LeftAnti => "LEFT ANTI JOIN ",
    });
    table_ref(out, right);
    match condition {
        JoinCondition::None => {}
        JoinCondition::On(expr) => {
            out.push_str(" ON ");
            whole(out, expr);
        }
        JoinCondition::Using(columns) => {
            out.push_str(" USING ");
            bracketed(out, columns, ident);
        }
    }
}

fn columns(out: &mut String, columns: &[Expr]) {
    let name = |out: &mut String, column: &Expr| match &column.kind {
        ExprKind::Name(parts) => joined(out, parts, ".", ident),
        _ => whole(out, column),
    };
    match columns {
        [only] => name(out, only),
        all => bracketed(out, all, name),
    }
}

fn pivot(out: &mut String, pivot: &Pivot) {
    out.push_str("PIVOT (");
    listed(out, &pivot.aggregates, select_item);
    out.push_str(" FOR ");
    columns(out, &pivot.columns);
    out.push_str(" IN ");
    bracketed(out, &pivot.values, select_item);
    out.push(')');
}

fn unpivot(out: &mut String, unpivot: &Unpivot) {
    out.push_str(if unpivot.include_nulls { "UNPIVOT INCLUDE NULLS (" } else { "UNPIVOT (" });
    match unpivot.values.as_slice() {
        [only] => ident(out, only),
        all => bracketed(out, all, ident),
    }
    out.push_str(" FOR ");
    ident(out, &unpivot.name);
    out.push_str(" IN ");
    bracketed(out, &unpivot.columns, |out, (parts, named): &(Vec<Expr>, Option<Ident>)| {
        columns(out, parts);
        if let Some(name) = named {
            out.push_str(" AS ");
            ident(out, name);
        }
    });
    out.push(')');
}

pub(super) fn pipe_operator(out: &mut String, operator: &PipeOperator) {
    match operator {
        PipeOperator::Where(expr) => optional(out, "WHERE ", Some(expr)),
        PipeOperator::Select { distinct, items } => {
            out.push_str(if *distinct { "SELECT DISTINCT " } else { "SELECT " });
            listed(out, items, select_item);
        }
        PipeOperator::Extend(items) => {
            out.push_str("EXTEND ");
            listed(out, items, select_item);
        }
        PipeOperator::Set(assignments) => {
            out.push_str("SET ");
            listed(out, assignments, |out, (name, value)| {
                ident(out, name);
                out.push_str(" = ");
                whole(out, value);
            });
        }
        PipeOperator::Drop(names) => {
            out.push_str("DROP ");
            listed(out, names, ident);
        }
        PipeOperator::As(name) => {
            out.push_str("AS ");
            ident(out, name);
        }
        PipeOperator::Aggregate { items, group_by: group } => {
            out.push_str("AGGREGATE ");
            listed(out, items, select_item);
            if let Some(group) = group {
                out.push_str(if items.is_empty() { "" } else { " " });
                group_by(out, group);
            }
        }
        PipeOperator::Join { right, kind, natural, condition } => join_tail(out, right, *kind, *natural, condition),
        PipeOperator::SetOperation { op, all, right } => {
            let _ = write!(out, "{}{} ", set_operator(*op), if *all { " ALL" } else { "" });
            body(out, right);
        }
        PipeOperator::OrderBy(items) => organized(out, "ORDER BY ", items),
        PipeOperator::SortBy(items) => organized(out, "SORT BY ", items),
        PipeOperator::Limit(expr) => optional(out, "LIMIT ", Some(expr)),
        PipeOperator::Offset(expr) => optional(out, "OFFSET ", Some(expr)),
        PipeOperator::Pivot(inner, named) => {
            pivot(out, inner);
            alias(out, named.as_ref());
        }
        PipeOperator::Unpivot(inner, named) => {
            unpivot(out, inner);
            alias(out, named.as_ref());
        }
        PipeOperator::TableSample(inner) => {
            let mut text = String::new();
            sample(&mut text, Some(inner));
            out.push_str(text.trim_start());
        }
        PipeOperator::LateralView(view) => lateral_view(out, view),
        PipeOperator::Deduplicate { on, within_watermark } => {
            out.push_str("DEDUPLICATE");
            if !on.is_empty() {
                out.push_str(" ON ");
                bracketed(out, on, ident);
            }
            if *within_watermark {
                out.push_str(" WITHIN WATERMARK");
            }
        }
        PipeOperator::Stateful => out.push_str("STATEFUL"),
    }
}
