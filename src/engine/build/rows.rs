//! Building what decides which rows of a batch are looked at: WHERE, WATERMARK, LIMIT.

use super::{Builder, Needed, with};
use crate::engine::EngineError;
use crate::engine::eval::bind;
use crate::engine::node::Node;
use crate::engine::operator::filter::Filter;
use crate::engine::operator::limit::Limit;
use crate::engine::operator::watermark::{SharedStats, Watermark};
use crate::plan::LogicalPlan;
use crate::plan::expr::{ColumnId, Expr};
use crate::plan::streaming::has_streaming_aggregate;
use crate::progress::OutputMode;
use std::sync::Arc;

/// How many rows of a batch a LIMIT right above asks for, and which of them count.
pub(super) type Asked = Option<(u64, Option<Expr>)>;

impl Builder<'_> {
    pub(super) fn filtered(&mut self, input: &LogicalPlan, predicate: &Expr, asked: Asked, needed: &Needed) -> Result<Node, EngineError> {
        let below = with(needed, [predicate]);
        if matches!(input, LogicalPlan::Watermark { .. }) {
            self.asked = asked.map(|(limit, _)| (limit, Some(predicate.clone())));
        }
        if self.mode.is_some()
            && let Some(step) = self.refreshing([predicate], |e| Ok(Filter { predicate: bind(&e[0])? }))?
        {
            return Ok(self.node(input, &below)?.then(step));
        }
        Ok(self.node(input, &below)?.then(Filter { predicate: self.bind(predicate)? }))
    }

    pub(super) fn watermark(
        &mut self,
        input: &LogicalPlan,
        column: ColumnId,
        delay: i64,
        asked: Asked,
        needed: &Needed,
    ) -> Result<Node, EngineError> {
        let mut below = needed.clone();
        below.insert(column);
        let mut node = self.node(input, &below)?;
        if let Some((limit, counted)) = asked {
            // As in Spark, rows that a LIMIT does not ask for do not move the watermark.
            let counted = counted.map(|e| self.bind(&e)).transpose()?;
            node = Node::operator(vec![node], Limit::until(limit, counted));
        }
        self.watermark_redefined |= input.is_streaming() && has_watermark(input);
        let stats = SharedStats::default();
        self.watermarks.push((delay, Arc::clone(&stats)));
        Ok(if input.is_streaming() { node.then(Watermark { column, stats }) } else { node })
    }

    pub(super) fn limited(&mut self, input: &LogicalPlan, limit: Option<u64>, offset: u64, needed: &Needed) -> Result<Node, EngineError> {
        // Above an aggregation each batch has a whole result of its own; all else only ever adds rows.
        let adds = self.mode == Some(OutputMode::Append) || !has_streaming_aggregate(input);
        let whole_run = self.mode.is_some() && input.is_streaming() && adds;
        self.asked = limit.filter(|_| whole_run).map(|n| (n, None));
        let node = self.node(input, needed)?;
        Ok(Node::operator(vec![node], Limit::new(limit, offset, whole_run)))
    }
}

/// Whether a WATERMARK stands anywhere in the plan.
fn has_watermark(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Watermark { .. }) || plan.inputs().into_iter().any(has_watermark)
}
