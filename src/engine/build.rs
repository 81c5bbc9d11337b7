//! [`LogicalPlan`] → tree of operators: expressions bound, sources numbered, bounded sides read.
//!
//! On the way down goes the set of columns that somebody above needs, so that an operator which repeats
//! rows (a generator, overlapping windows) does not repeat columns that nobody looks at.

mod generate;
mod group;
mod rows;
mod stream_join;
mod subqueries;
mod timed;

use self::rows::Asked;
use self::subqueries::without_subqueries;
use super::bounded::{SystemTables, run_bounded};
use super::clock::Clock;
use super::columns::series_of;
use super::eval::access::number_series;
use super::eval::{Bound, EvalContext, bind};
use super::node::Node;
use super::operator::Meter;
use super::operator::expand::Expand;
use super::operator::join::{BoundedJoin, Condition, Index, Shape, StaticJoin, StaticTable};
use super::operator::late::EventTime;
use super::operator::project::{Project, Rename};
use super::operator::sample::Sample;
use super::operator::session::SessionWindow;
use super::operator::set_operation::SetOperation;
use super::operator::sort::Sort;
use super::operator::time_window::TimeWindow;
use super::operator::watermark::SharedStats;
use super::operator::window::Window;
use super::source::{Signal, SourceContext};
use super::state::codec::Direction;
use super::{EngineError, Frame, Resources};
use crate::plan::LogicalPlan;
use crate::plan::expr::{ColumnId, Expr, NamedExpr, SortKey};
use crate::plan::logical::{Column, JoinKind, Scan};
use crate::plan::streaming::conjuncts;
use crate::plan::time_range::session_end;
use crate::progress::OutputMode;
use crate::types::{DataType, Value};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What a query is built among.
pub struct Surroundings<'a> {
    pub eval: EvalContext,
    pub resources: Resources,
    pub clock: Arc<dyn Clock>,
    /// Raised when a source has something new.
    pub wake: Arc<Signal>,
    /// The query's name, for messages.
    pub query: String,
    pub system: &'a dyn SystemTables,
}

impl Surroundings<'_> {
    /// For opening sources.
    pub fn source_context(&self) -> SourceContext {
        let (wake, clock) = (Arc::clone(&self.wake), Arc::clone(&self.clock));
        SourceContext { wake, clock, zone: self.eval.zone, bad: Arc::default(), query: self.query.clone(), folder: None }
    }
}

/// A tree ready to run.
pub struct Built {
    /// Where the result comes from.
    pub root: Node,
    /// The scans to open, in the order of their numbers; with the meter of each.
    pub sources: Vec<(Scan, Arc<Meter>)>,
    /// Each WATERMARK: its delay in microseconds and what it sees.
    pub watermarks: Vec<(i64, SharedStats)>,
    /// Whether a batch without data must follow when the watermark moved.
    pub follows_watermark: bool,
    /// Whether a WATERMARK stands over another: once it has a time nobody knows which of them it is.
    pub redefined: bool,
    /// The columns that late rows can have, a list a place that drops them.
    pub late_columns: Vec<Arc<[Column]>>,
    /// How many partitions state has.
    pub partitions: usize,
}

/// Builds one query.
pub struct Builder<'a> {
    around: &'a Surroundings<'a>,
    /// `None` for a bounded query.
    mode: Option<OutputMode>,
    partitions: usize,
    sources: Vec<(Scan, Arc<Meter>)>,
    watermarks: Vec<(i64, SharedStats)>,
    follows_watermark: bool,
    /// What the select list calls columns that it only hands on.
    names: HashMap<ColumnId, String>,
    late_columns: Vec<Arc<[Column]>>,
    /// What a LIMIT right above asks for.
    asked: Asked,
    /// Whether a WATERMARK stands over another.
    watermark_redefined: bool,
}

type Needed = HashSet<ColumnId>;

impl<'a> Builder<'a> {
    /// For a query that runs once.
    pub fn bounded(around: &'a Surroundings<'a>) -> Builder<'a> {
        let partitions = around.resources.pool().width().next_power_of_two();
        Builder::new(around, None, partitions)
    }

    /// For a streaming query; `partitions` 0 means one a worker.
    pub fn streaming(around: &'a Surroundings<'a>, mode: OutputMode, partitions: usize) -> Builder<'a> {
        let width = if partitions == 0 { around.resources.pool().width() } else { partitions };
        Builder::new(around, Some(mode), rounded(width))
    }

    fn new(around: &'a Surroundings<'a>, mode: Option<OutputMode>, partitions: usize) -> Builder<'a> {
        Builder {
            around,
            mode,
            partitions,
            sources: vec![],
            watermarks: vec![],
            follows_watermark: false,
            names: HashMap::new(),
            late_columns: vec![],
            asked: None,
            watermark_redefined: false,
        }
    }

    /// The tree of a plan.
    ///
    /// # Errors
    /// What is not built yet, a bounded side that cannot be read, a defect in the plan.
    pub fn build(mut self, plan: &LogicalPlan) -> Result<Built, EngineError> {
        let needed = plan.columns().iter().map(|c| c.id).collect();
        let root = self.node(plan, &needed)?;
        let follows_watermark = self.follows_watermark && !self.watermarks.is_empty();
        let (sources, watermarks, partitions) = (self.sources, self.watermarks, self.partitions);
        let redefined = self.watermark_redefined;
        Ok(Built { root, sources, watermarks, follows_watermark, redefined, late_columns: self.late_columns, partitions })
    }

    fn node(&mut self, plan: &LogicalPlan, needed: &Needed) -> Result<Node, EngineError> {
        let asked = self.asked.take();
        match plan {
            LogicalPlan::Scan(scan) => Ok(self.scan(scan)),
            LogicalPlan::Memory { name, columns } => self.memory(name, columns),
            LogicalPlan::Values { rows, columns } => self.values(rows, columns),
            LogicalPlan::Range { start, end, step, column } => Ok(range(*start, *end, *step, column.id)),
            LogicalPlan::System { function, args, columns } => Ok(Node::Frames(vec![self.around.system.rows(function, args, columns)?])),
            LogicalPlan::Project { input, exprs } => {
                self.asked = asked;
                self.project(input, exprs, needed)
            }
            LogicalPlan::Filter { input, predicate } => self.filtered(input, predicate, asked, needed),
            LogicalPlan::Generate { input, generator, outer, columns } => self.generate(input, generator, *outer, columns, needed),
            LogicalPlan::Watermark { input, column, delay } => self.watermark(input, *column, *delay, asked, needed),
            LogicalPlan::TimeWindow { input, time, size, slide, start, column } => {
                let below = with(needed, [time]);
                let keep = kept(input, needed);
                let step = TimeWindow { time: self.bind(time)?, size: *size, slide: *slide, start: *start, id: column.id, keep };
                Ok(self.node(input, &below)?.then(step))
            }
            LogicalPlan::SessionWindow { input, time, gap, column } => {
                let below = with(needed, [time, gap]);
                let keep = kept(input, needed);
                let end = self.bind(&session_end(time, gap))?;
                let step = SessionWindow { time: self.bind(time)?, end, id: column.id, keep };
                Ok(self.node(input, &below)?.then(step))
            }
            LogicalPlan::Aggregate { input, keys, aggregates } => self.aggregate(input, keys, aggregates),
            LogicalPlan::Expand { input, projections, columns } => {
                let below = with(&Needed::new(), projections.iter().flatten());
                let projections =
                    projections.iter().map(|p| p.iter().map(|e| self.bind(e)).collect()).collect::<Result<Vec<Vec<_>>, _>>()?;
                let ids = columns.iter().map(|c| c.id).collect();
                Ok(self.node(input, &below)?.then(Expand { projections, ids }))
            }
            LogicalPlan::Join { left, right, kind, condition } => self.join(plan, left, right, *kind, condition.as_ref(), needed),
            LogicalPlan::Union { inputs, columns } => self.union(inputs, columns),
            LogicalPlan::SetOperation { left, right, intersect, all } => self.set_operation(left, right, *intersect, *all),
            LogicalPlan::Deduplicate { input, keys, within_watermark } => self.deduplicate(input, keys, *within_watermark, needed),
            LogicalPlan::Sort { input, keys } => {
                let below = with(needed, keys.iter().map(|k| &k.expr));
                let node = self.node(input, &below)?;
                Ok(Node::operator(vec![node], Sort { keys: self.sort_keys(keys)? }))
            }
            LogicalPlan::Limit { input, limit, offset } => self.limited(input, *limit, *offset, needed),
            LogicalPlan::Window { input, calls } => {
                let below = with(needed, calls.iter().map(|c| &c.expr));
                let node = self.node(input, &below)?;
                let windows = calls.iter().map(|c| Window::call(c.id, &c.expr, &mut |e| self.bind(e))).collect::<Result<_, _>>()?;
                Ok(Node::operator(vec![node], Window { calls: windows }))
            }
            LogicalPlan::Sample { input, fraction_ppm, seed } => {
                Ok(self.node(input, needed)?.then(Sample { fraction_ppm: *fraction_ppm, seed: *seed }))
            }
        }
    }

    fn scan(&mut self, scan: &Scan) -> Node {
        let meter = Arc::new(Meter::new("decode"));
        self.sources.push((scan.clone(), Arc::clone(&meter)));
        Node::Source { index: self.sources.len() - 1, meter }
    }

    fn memory(&self, name: &str, columns: &[Column]) -> Result<Node, EngineError> {
        let table = self
            .around
            .resources
            .table(name)
            .ok_or_else(|| EngineError::data("TABLE_OR_VIEW_NOT_FOUND", format!("the table {name} holds no rows any more")))?;
        // The table of a query that has not had a batch yet.
        if table.frames.is_empty() {
            return Ok(Node::Frames(Vec::new()));
        }
        // The plan may read fewer columns than the table has, in its own order.
        let positions = columns
            .iter()
            .map(|c| table.columns.iter().position(|t| t.name.eq_ignore_ascii_case(&c.name)))
            .collect::<Option<Vec<usize>>>()
            .ok_or_else(|| EngineError::internal(format!("the table {name} has other columns than the plan")))?;
        let positions = if table.columns.len() == columns.len() { (0..columns.len()).collect() } else { positions };
        let ids: Vec<ColumnId> = columns.iter().map(|c| c.id).collect();
        let frame = |f: &Frame| Frame::new(ids.clone(), positions.iter().map(|p| f.columns()[*p].clone()).collect(), f.rows());
        Ok(Node::Frames(table.frames.iter().map(frame).collect()))
    }

    fn values(&self, rows: &[Vec<Expr>], columns: &[Column]) -> Result<Node, EngineError> {
        let mut series = Vec::with_capacity(columns.len());
        for (at, column) in columns.iter().enumerate() {
            let values: Vec<Value> =
                rows.iter().map(|row| self.bind(&row[at])?.evaluate_scalar(&self.around.eval)).collect::<Result<_, _>>()?;
            series.push(series_of(&values, &column.data_type));
        }
        Ok(Node::Frames(vec![Frame::new(columns.iter().map(|c| c.id).collect(), series, rows.len())]))
    }

    fn project(&mut self, input: &LogicalPlan, exprs: &[NamedExpr], needed: &Needed) -> Result<Node, EngineError> {
        let used: Vec<&NamedExpr> = exprs.iter().filter(|e| needed.contains(&e.id) || is_fallible(&e.expr)).collect();
        let mut below = with(&Needed::new(), used.iter().map(|e| &e.expr));
        let mut bound = used.iter().map(|e| Ok((e.id, self.bind(&e.expr)?))).collect::<Result<Vec<_>, EngineError>>()?;
        for named in &used {
            if let Expr::Column { id, .. } = &named.expr {
                self.names.entry(*id).or_insert_with(|| named.name.clone());
            }
        }
        // What somebody above wants to know of late rows passes through, though it is no column of the result.
        for column in input.columns().into_iter().filter(|c| needed.contains(&c.id) && exprs.iter().all(|e| e.id != c.id)) {
            bound.push((column.id, self.bind(&column.expr())?));
            below.insert(column.id);
        }
        if self.mode.is_some() {
            let ids: Vec<ColumnId> = bound.iter().map(|(id, _)| *id).collect();
            let mut wanted: Vec<Expr> = used.iter().map(|e| e.expr.clone()).collect();
            let columns = input.columns();
            wanted.extend(ids[wanted.len()..].iter().filter_map(|id| columns.iter().find(|c| c.id == *id)).map(Column::expr));
            let make = move |exprs: Vec<Expr>| {
                let exprs = ids.iter().zip(&exprs).map(|(id, e)| Ok((*id, bind(e)?))).collect::<Result<_, EngineError>>()?;
                Ok(Project { exprs })
            };
            if let Some(step) = self.refreshing(&wanted, make)? {
                return Ok(self.node(input, &below)?.then(step));
            }
        }
        Ok(self.node(input, &below)?.then(Project { exprs: bound }))
    }

    fn union(&mut self, inputs: &[LogicalPlan], columns: &[Column]) -> Result<Node, EngineError> {
        let mut nodes = Vec::with_capacity(inputs.len());
        for input in inputs {
            let from = input.columns();
            let needed = from.iter().map(|c| c.id).collect();
            let renames = from.iter().zip(columns).map(|(from, to)| (from.id, to.id)).collect();
            if self.mode.is_some() && !input.is_streaming() {
                // A table beside a stream gives its rows in every batch.
                let rows = run_bounded(input, &self.around.eval, &self.around.resources, self.around.system)?;
                nodes.push(Node::Frames(vec![rows]).then(Rename { columns: renames }));
                continue;
            }
            nodes.push(self.node(input, &needed)?.then(Rename { columns: renames }));
        }
        Ok(Node::Union(nodes))
    }

    fn set_operation(&mut self, left: &LogicalPlan, right: &LogicalPlan, intersect: bool, all: bool) -> Result<Node, EngineError> {
        if left.is_streaming() || right.is_streaming() {
            return Err(not_built(if intersect { "INTERSECT" } else { "EXCEPT" }));
        }
        let mut side = |plan: &LogicalPlan| {
            let columns = plan.columns();
            let needed = columns.iter().map(|c| c.id).collect();
            // The columns in their order and nothing else: rows compare by position.
            let renames = columns.iter().map(|c| (c.id, c.id)).collect();
            Ok::<Node, EngineError>(self.node(plan, &needed)?.then(Rename { columns: renames }))
        };
        let inputs = vec![side(left)?, side(right)?];
        let types = left.columns().into_iter().map(|c| c.data_type).collect();
        Ok(Node::operator(inputs, SetOperation { intersect, all, types }))
    }

    fn join(
        &mut self,
        plan: &LogicalPlan,
        left: &LogicalPlan,
        right: &LogicalPlan,
        kind: JoinKind,
        condition: Option<&Expr>,
        needed: &Needed,
    ) -> Result<Node, EngineError> {
        let streams = (left.is_streaming(), right.is_streaming());
        if streams == (true, true) {
            return self.stream_join(plan, [left, right], kind, condition, needed);
        }
        let swapped = streams.1 || (!streams.0 && kind == JoinKind::Right);
        let keep = Shape::keep(kind, swapped).ok_or_else(|| {
            EngineError::user("this outer join never knows that no row of the stream will come; put the stream on the outer side")
        })?;
        let below = with(needed, condition);
        let (probing, indexed) = if swapped { (right, left) } else { (left, right) };
        let shape = Shape {
            keep,
            swapped,
            condition: self.condition(left, right, condition)?,
            indexed: typed(indexed, &below),
            output: typed(plan, needed).into_iter().map(|c| c.0).collect(),
        };
        let probe = self.node(probing, &below)?;
        if streams == (false, false) {
            let index = self.node(indexed, &below)?;
            let inputs = if swapped { vec![index, probe] } else { vec![probe, index] };
            return Ok(Node::operator(inputs, BoundedJoin { shape, probing: typed(probing, &below) }));
        }
        // The files are looked at first: a change while they are read is seen at the next batch.
        let refresh = self.refresh(indexed)?;
        let table = run_bounded(indexed, &self.around.eval, &self.around.resources, self.around.system)?;
        let table = StaticTable::new(Index::new(table, &shape, &self.around.eval)?, refresh);
        Ok(probe.then(StaticJoin { shape, table }))
    }

    fn event_time(&self, e: &Expr) -> Result<EventTime, EngineError> {
        Ok(EventTime { bound: self.bind(e)?, window: matches!(e.data_type(), DataType::Struct(_)) })
    }

    /// Equalities between the sides become keys.
    fn condition(&self, left: &LogicalPlan, right: &LogicalPlan, condition: Option<&Expr>) -> Result<Condition, EngineError> {
        let ids = |plan: &LogicalPlan| plan.columns().iter().map(|c| c.id).collect::<Needed>();
        let (left, right) = (ids(left), ids(right));
        let on = |e: &Expr, side: &Needed| {
            let columns = e.columns();
            !columns.is_empty() && columns.iter().all(|c| side.contains(c))
        };
        let mut parts = Vec::new();
        if let Some(condition) = condition {
            conjuncts(condition, &mut parts);
        }
        let (mut keys, mut rest): (Vec<_>, Option<Expr>) = (Vec::new(), None);
        for part in parts {
            if let Expr::Call { function, args, .. } = part
                && matches!(function.0, "=" | "<=>")
                && let [a, b] = &args[..]
            {
                let pair = if on(a, &left) && on(b, &right) {
                    Some((a, b))
                } else if on(b, &left) && on(a, &right) {
                    Some((b, a))
                } else {
                    None
                };
                if let Some((l, r)) = pair {
                    keys.push((self.bind(l)?, self.bind(r)?, function.0 == "<=>"));
                    continue;
                }
            }
            rest = Some(match rest {
                None => part.clone(),
                Some(before) => Expr::And(Box::new(before), Box::new(part.clone())),
            });
        }
        Ok(Condition { keys, rest: rest.map(|r| self.bind(&r)).transpose()? })
    }

    fn sort_keys(&self, keys: &[SortKey]) -> Result<Vec<(Bound, Direction)>, EngineError> {
        keys.iter().map(|k| Ok((self.bind(&k.expr)?, Direction { descending: k.descending, nulls_first: k.nulls_first }))).collect()
    }

    /// Binds an expression; sub-queries in it run now and become constants.
    fn bind(&self, expr: &Expr) -> Result<Bound, EngineError> {
        if expr.any(&|e| matches!(e, Expr::Subquery { .. })) { bind(&self.without_subqueries(expr.clone())?) } else { bind(expr) }
    }

    fn without_subqueries(&self, expr: Expr) -> Result<Expr, EngineError> {
        without_subqueries(expr, &self.around.eval, &self.around.resources, self.around.system)
    }
}

/// How many partitions a query's state has where so many are asked for: a power of two.
pub fn rounded(partitions: usize) -> usize {
    partitions.clamp(1, 1 << 10).next_power_of_two()
}

fn not_built(what: &str) -> EngineError {
    EngineError::user(format!("{what} is not built yet"))
}

/// The columns that `exprs` read besides those in `needed`.
fn with<'e>(needed: &Needed, exprs: impl IntoIterator<Item = &'e Expr>) -> Needed {
    let mut all = needed.clone();
    for expr in exprs {
        all.extend(expr.columns());
    }
    all
}

/// The columns of `plan` that are needed.
fn kept(plan: &LogicalPlan, needed: &Needed) -> Vec<ColumnId> {
    plan.columns().into_iter().map(|c| c.id).filter(|id| needed.contains(id)).collect()
}

fn typed(plan: &LogicalPlan, needed: &Needed) -> Vec<(ColumnId, DataType)> {
    plan.columns().into_iter().filter(|c| needed.contains(&c.id)).map(|c| (c.id, c.data_type)).collect()
}

/// Whether leaving the expression out could hide an error that Spark reports.
fn is_fallible(expr: &Expr) -> bool {
    expr.any(&|e| matches!(e, Expr::Call { function, .. } if matches!(function.0, "assert_true" | "raise_error")))
}

fn range(start: i64, end: i64, step: i64, id: ColumnId) -> Node {
    const PIECE: usize = 1 << 16;
    let count =
        if step == 0 { 0 } else { (i128::from(end) - i128::from(start) + i128::from(step) - i128::from(step.signum())) / i128::from(step) };
    let count = usize::try_from(count.max(0)).unwrap_or(usize::MAX);
    let piece = |from: usize| {
        let rows = PIECE.min(count - from);
        let values = (from..from + rows).map(|i| start.wrapping_add(step.wrapping_mul(i as i64))).collect();
        Frame::new(vec![id], vec![number_series::<i64>(values, None)], rows)
    };
    if count == 0 {
        return Node::Frames(vec![Frame::new(vec![id], vec![number_series::<i64>(vec![], None)], 0)]);
    }
    Node::Frames((0..count).step_by(PIECE).map(piece).collect())
}
