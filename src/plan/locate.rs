//! Where in a query's text the clause stands that a stream refuses: plans carry no spans, so the place is
//! found again in the tree.

use crate::diagnostic::Span;
use crate::lang::ast::{ExprKind, PipeOperator, Query, QueryBody, SelectItem, TableRef};

/// A clause that a refusal speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clause {
    OrderBy,
    Limit,
    Offset,
    Join,
    SetOperation,
    /// A call with OVER.
    Over,
    Sample,
    /// GROUP BY, or the select list of an aggregation without one.
    Aggregate,
    /// WATERMARK behind a stream.
    Watermark,
    /// DISTINCT inside a call.
    DistinctCall,
    /// A call of this function.
    Call(&'static str),
}

/// The first place where `query` has such a clause, from the outside in.
pub(super) fn find(query: &Query, clause: Clause) -> Option<Span> {
    let own = match clause {
        Clause::OrderBy => query.order_by.iter().chain(&query.sort_by).map(|s| s.expr.span).reduce(Span::to),
        Clause::Limit => query.limit.as_ref().map(|e| e.span),
        Clause::Offset => query.offset.as_ref().map(|e| e.span),
        _ => None,
    };
    own.or_else(|| body(&query.body, clause)).or_else(|| query.ctes.iter().find_map(|c| find(&c.query, clause)))
}

fn body(b: &QueryBody, clause: Clause) -> Option<Span> {
    match b {
        QueryBody::Select(select) => {
            let own = match clause {
                Clause::Aggregate => select.group_by.as_ref().map(|g| g.span).or_else(|| calls(&select.items, clause)),
                Clause::Over | Clause::DistinctCall | Clause::Call(_) => calls(&select.items, clause),
                Clause::Join if select.from.len() > 1 => Some(select.span),
                _ => None,
            };
            own.or_else(|| select.from.iter().find_map(|t| table(t, clause)))
        }
        QueryBody::SetOperation { left, right, span, .. } => match clause {
            Clause::SetOperation => Some(*span),
            _ => body(left, clause).or_else(|| body(right, clause)),
        },
        QueryBody::From(tables) => tables.iter().find_map(|t| table(t, clause)),
        QueryBody::Pipe { input, operator: op, span } => operator(op, *span, clause).or_else(|| body(input, clause)),
        QueryBody::Nested(query) => find(query, clause),
        QueryBody::Values(_) | QueryBody::Table(_) => None,
    }
}

fn operator(operator: &PipeOperator, span: Span, clause: Clause) -> Option<Span> {
    let matches = match (operator, clause) {
        (PipeOperator::OrderBy(_) | PipeOperator::SortBy(_), Clause::OrderBy) => true,
        (PipeOperator::Limit(_), Clause::Limit) | (PipeOperator::Offset(_), Clause::Offset) => true,
        (PipeOperator::Join { .. }, Clause::Join) | (PipeOperator::SetOperation { .. }, Clause::SetOperation) => true,
        (PipeOperator::TableSample(_), Clause::Sample) | (PipeOperator::Aggregate { .. }, Clause::Aggregate) => true,
        (
            PipeOperator::Select { items, .. } | PipeOperator::Extend(items),
            Clause::Over | Clause::Aggregate | Clause::DistinctCall | Clause::Call(_),
        ) => {
            return calls(items, clause);
        }
        (PipeOperator::Aggregate { items, .. }, Clause::DistinctCall) => return calls(items, clause),
        _ => false,
    };
    matches.then_some(span)
}

fn table(t: &TableRef, clause: Clause) -> Option<Span> {
    match t {
        TableRef::Relation { sample: Some(sample), .. } if clause == Clause::Sample => Some(sample.span),
        TableRef::Relation { watermark: Some(watermark), .. } if clause == Clause::Watermark => Some(watermark.span),
        TableRef::Subquery { query, .. } => find(query, clause),
        TableRef::Join(join) if clause == Clause::Join => Some(join.span),
        TableRef::Join(join) => table(&join.left, clause).or_else(|| table(&join.right, clause)),
        TableRef::Nested(inner, ..) | TableRef::Pivot(inner, ..) | TableRef::Unpivot(inner, ..) => table(inner, clause),
        _ => None,
    }
}

/// The first call among the items that is what the clause speaks of.
fn calls(items: &[SelectItem], clause: Clause) -> Option<Span> {
    fn walk(e: &crate::lang::ast::Expr, clause: Clause) -> Option<Span> {
        if let ExprKind::Call(call) = &e.kind {
            let aggregate = super::functions::find(&call.name.name).is_some_and(|f| f.kind == super::functions::Kind::Aggregate);
            let matches = match clause {
                Clause::Over => call.over.is_some(),
                Clause::DistinctCall => call.distinct,
                Clause::Call(name) => call.name.name.eq_ignore_ascii_case(name),
                _ => aggregate && call.over.is_none(),
            };
            if matches {
                return Some(e.span);
            }
        }
        super::analyze::children(e).into_iter().find_map(|c| walk(c, clause))
    }
    items.iter().find_map(|i| walk(&i.expr, clause))
}
