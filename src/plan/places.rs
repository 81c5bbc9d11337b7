//! Where the operations of a query stand in its text, for what fails while the query runs.
//!
//! Plans carry no spans, so that equal plans are equal. The analyzer notes beside the plan where each operation was
//! written; an error names its operation and the columns that it read, and that finds the place again:
//!
//! ```text
//! SELECT id, a / b FROM t      places: `/` over {a, b} at 11..16
//! DIVIDE_BY_ZERO in `/` over {a, b}, a = 5, b = 0    →    a caret below `a / b`
//! ```

use crate::diagnostic::Span;
use crate::plan::expr::{ColumnId, Expr};
use std::collections::HashMap;

/// What the operation of a cast is called, whatever its types.
pub const CAST: &str = "cast";

/// Places of the operations of one query.
#[derive(Clone, Debug, Default)]
pub struct Places {
    list: Vec<Place>,
    names: HashMap<ColumnId, String>,
}

#[derive(Clone, Debug)]
struct Place {
    operation: &'static str,
    /// Read by the operation, ascending.
    columns: Vec<ColumnId>,
    span: Span,
}

/// A query made by a program has more operations than anybody looks for; this many are noted.
const MOST: usize = 4096;

/// How far below an expression those operations stand that it brought with it, such as implicit casts of its arguments.
const OWN_DEPTH: u32 = 3;

/// Expressions with more nodes than this are noted without their columns.
const MOST_NODES: usize = 64;

impl Places {
    /// Notes the operations that `expr`, written at `span`, brought with it.
    pub(crate) fn note(&mut self, expr: &Expr, span: Span) {
        self.walk(expr, span, OWN_DEPTH);
    }

    fn walk(&mut self, expr: &Expr, span: Span, depth: u32) {
        let operation = match expr {
            Expr::Call { function, .. } => Some(function.0),
            Expr::Cast { attempt: false, .. } => Some(CAST),
            Expr::Column { id, name, .. } => {
                if self.names.len() < MOST {
                    self.names.entry(*id).or_insert_with(|| name.clone());
                }
                None
            }
            _ => None,
        };
        if let Some(operation) = operation
            && self.list.len() < MOST
        {
            let mut columns = Vec::new();
            collect(expr, &mut columns, &mut MOST_NODES.clone());
            columns.sort_unstable();
            columns.dedup();
            self.list.push(Place { operation, columns, span });
        }
        if depth > 0 {
            expr.children().into_iter().for_each(|child| self.walk(child, span, depth - 1));
        }
    }

    /// The narrowest place of an operation over these columns; without one, the place of the only such operation.
    pub fn find(&self, operation: &str, columns: &[ColumnId]) -> Option<Span> {
        let mut wanted = columns.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let of_kind = || self.list.iter().filter(|p| p.operation == operation);
        let width = |p: &&Place| p.span.end - p.span.start;
        if let Some(exact) = of_kind().filter(|p| p.columns == wanted).min_by_key(width) {
            return Some(exact.span);
        }
        let narrowest = of_kind().min_by_key(width)?.span;
        of_kind().all(|p| p.span.start <= narrowest.start && narrowest.end <= p.span.end).then_some(narrowest)
    }

    /// The name a column goes by in the query's text.
    pub fn name(&self, column: ColumnId) -> Option<&str> {
        self.names.get(&column).map(String::as_str)
    }
}

/// The columns below `expr`, until `budget` nodes were looked at.
fn collect(expr: &Expr, out: &mut Vec<ColumnId>, budget: &mut usize) {
    if *budget == 0 {
        return;
    }
    *budget -= 1;
    match expr {
        Expr::Column { id, .. } => out.push(*id),
        other => other.children().into_iter().for_each(|child| collect(child, out, budget)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::DataType;

    fn column(id: u32) -> Expr {
        Expr::Column { id: ColumnId(id), name: format!("c{id}"), data_type: DataType::Int }
    }

    #[test]
    fn an_operation_is_found_by_what_it_reads() {
        let mut places = Places::default();
        let first = Expr::call("/", vec![column(1), column(2)], DataType::Int);
        let second = Expr::call("/", vec![column(1), column(3)], DataType::Int);
        places.note(&first, Span::new(0, 5));
        places.note(&second, Span::new(7, 12));
        places.note(&Expr::call("+", vec![first, second], DataType::Int), Span::new(0, 12));
        let at = |columns: &[u32]| places.find("/", &columns.iter().map(|c| ColumnId(*c)).collect::<Vec<_>>()).map(Span::range);
        assert_eq!(at(&[2, 1]), Some(0..5));
        assert_eq!(at(&[1, 3]), Some(7..12));
        assert_eq!(at(&[9]), None, "two places could be meant");
        assert_eq!(places.find("+", &[]).map(Span::range), Some(0..12), "only one can be meant");
        assert_eq!(places.name(ColumnId(3)), Some("c3"));
    }
}
