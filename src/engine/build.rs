//! [`LogicalPlan`] → tree of operators: expressions bound, sources numbered, bounded sides read.
//!
//! On the way down goes the set of columns that somebody above needs, so that an operator which repeats
//! rows (a generator, overlapping windows) does not repeat columns that nobody looks at.

mod subqueries;
mod timed;

use self::subqueries::without_subqueries;
use self::timed::{one_event_time, window_size, with_time, without_ids};
use super::bounded::{SystemTables, run_bounded};
use super::clock::Clock;
use super::columns::series_of;
use super::eval::access::number_series;
use super::eval::{Bound, EvalContext, bind};
use super::node::Node;
use super::operator::Meter;
use super::operator::aggregate::{AGGREGATE, AggregateOperator, Preparation};
use super::operator::expand::Expand;
use super::operator::filter::Filter;
use super::operator::generate::{Generate, Generator};
use super::operator::join::{BoundedJoin, Condition, Index, Shape, StaticJoin, StaticTable};
use super::operator::late::{EventTime, LateNote};
use super::operator::limit::Limit;
use super::operator::project::{Project, Rename};
use super::operator::sample::Sample;
use super::operator::session::{SESSION, SessionKeys, SessionOperator, SessionWindow};
use super::operator::set_operation::SetOperation;
use super::operator::sort::Sort;
use super::operator::stream_join::{self, STREAM_JOIN, StreamJoin};
use super::operator::time_window::TimeWindow;
use super::operator::watermark::{SharedStats, Watermark};
use super::operator::window::Window;
use super::source::{Signal, SourceContext};
use super::state::Emit;
use super::state::accumulator::Aggregate;
use super::state::codec::Direction;
use super::state::keys::KeyKind;
use super::state_schema;
use super::{EngineError, Frame, Resources};
use crate::plan::LogicalPlan;
use crate::plan::expr::{ColumnId, Expr, NamedExpr, SortKey};
use crate::plan::logical::{Column, JoinKind, NamedAggregate, Scan};
use crate::plan::streaming::{carries, conjuncts, event_time_columns, has_streaming_aggregate};
use crate::plan::time_range::{StateBound, ordered, session_end, state_bound};
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
    /// How many rows of a batch a LIMIT right above asks for, and which of them count.
    asked: Option<(u64, Option<Expr>)>,
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
            LogicalPlan::Filter { input, predicate } => {
                let below = with(needed, [predicate]);
                if matches!(&**input, LogicalPlan::Watermark { .. }) {
                    self.asked = asked.map(|(limit, _)| (limit, Some(predicate.clone())));
                }
                if self.mode.is_some()
                    && let Some(step) = self.refreshing([predicate], |e| Ok(Filter { predicate: bind(&e[0])? }))?
                {
                    return Ok(self.node(input, &below)?.then(step));
                }
                Ok(self.node(input, &below)?.then(Filter { predicate: self.bind(predicate)? }))
            }
            LogicalPlan::Generate { input, generator, outer, columns } => self.generate(input, generator, *outer, columns, needed),
            LogicalPlan::Watermark { input, column, delay } => {
                let mut below = needed.clone();
                below.insert(*column);
                let mut node = self.node(input, &below)?;
                if let Some((limit, counted)) = asked {
                    // As in Spark, rows that a LIMIT does not ask for do not move the watermark.
                    let counted = counted.map(|e| self.bind(&e)).transpose()?;
                    node = Node::operator(vec![node], Limit::until(limit, counted));
                }
                self.watermark_redefined |= input.is_streaming() && has_watermark(input);
                let stats = SharedStats::default();
                self.watermarks.push((*delay, Arc::clone(&stats)));
                Ok(if input.is_streaming() { node.then(Watermark { column: *column, stats }) } else { node })
            }
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
            LogicalPlan::Limit { input, limit, offset } => {
                // Above an aggregation each batch has a whole result of its own; all else only ever adds rows.
                let adds = self.mode == Some(OutputMode::Append) || !has_streaming_aggregate(input);
                let whole_run = self.mode.is_some() && input.is_streaming() && adds;
                self.asked = limit.filter(|_| whole_run).map(|n| (n, None));
                let node = self.node(input, needed)?;
                Ok(Node::operator(vec![node], Limit::new(*limit, *offset, whole_run)))
            }
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

    fn generate(
        &mut self,
        input: &LogicalPlan,
        generator: &Expr,
        outer: bool,
        columns: &[Column],
        needed: &Needed,
    ) -> Result<Node, EngineError> {
        let below = with(needed, [generator]);
        let node = self.node(input, &below)?;
        let Expr::Call { function, args, .. } = generator else { return Err(EngineError::internal("a generator that is no call")) };
        let outer = outer || function.0.ends_with("_outer");
        let generator = match function.0 {
            "explode" | "explode_outer" | "posexplode" | "posexplode_outer" => {
                let position = function.0.starts_with("pos");
                match plain_split(&args[0]).filter(|_| !position) {
                    Some((text, delimiter)) => Generator::Split { text: self.bind(text)?, delimiter },
                    None => {
                        let map = matches!(args[0].data_type(), DataType::Map(..));
                        Generator::Explode { list: self.bind(&args[0])?, position, map }
                    }
                }
            }
            "inline" | "inline_outer" => Generator::Inline(self.bind(&args[0])?),
            "stack" => {
                let rows = self.bind(&args[0])?.evaluate_scalar(&self.around.eval)?.as_int().unwrap_or(0);
                let exprs = args[1..].iter().map(|e| self.bind(e)).collect::<Result<_, _>>()?;
                Generator::Stack { rows: usize::try_from(rows).unwrap_or(0), exprs }
            }
            "json_tuple" => Generator::Row(args[1..].iter().map(|f| self.bind(&json_field(&args[0], f)?)).collect::<Result<_, _>>()?),
            other => return Err(not_built(other)),
        };
        let keep = kept(input, needed);
        let columns = columns.iter().map(|c| (c.id, c.data_type.clone())).collect();
        Ok(node.then(Generate { generator, outer, keep, columns }))
    }

    fn aggregate(&mut self, input: &LogicalPlan, keys: &[NamedExpr], aggregates: &[NamedAggregate]) -> Result<Node, EngineError> {
        let args = aggregates.iter().flat_map(|a| a.call.args.iter().chain(&a.call.filter));
        let below = with(&Needed::new(), keys.iter().map(|k| &k.expr).chain(args));
        let event_time = event_time_columns(input);
        if input.is_streaming() && matches!(self.mode, Some(OutputMode::Append | OutputMode::Update)) {
            let once = |at: usize| keys[..at].iter().all(|k| k.expr != keys[at].expr);
            let timed = keys.iter().enumerate().filter(|(at, k)| carries(&k.expr, &event_time) && once(*at));
            one_event_time(timed.map(|(_, k)| k.name.as_str()))?;
        }
        let expiring = keys.iter().position(|k| carries(&k.expr, &event_time));
        let session = {
            let sessions = session_columns(input);
            keys.iter().position(|k| matches!(k.expr, Expr::Column { id, .. } if sessions.contains(&id)))
        };
        let operator = if session.is_some() { SESSION } else { AGGREGATE };
        let late = expiring.map(|at| self.late_note(operator, input, &keys[at].expr, &below)).transpose()?;
        let node = self.node(input, &late.iter().fold(below, with_time))?;
        let size = expiring.and_then(|at| match &keys[at].expr {
            Expr::Column { id, .. } => window_size(input, *id),
            _ => None,
        });
        let event_time = expiring.map(|at| (at, matches!(keys[at].expr.data_type(), DataType::Struct(_))));
        let bound = keys.iter().map(|k| self.bind(&k.expr)).collect::<Result<Vec<_>, _>>()?;
        let mut calls = Vec::with_capacity(aggregates.len());
        for named in aggregates {
            let aggregate = Aggregate::new(&named.call)?;
            let args = aggregate.args().iter().map(|a| self.bind(a)).collect::<Result<Vec<_>, _>>()?;
            let filter = aggregate.filter().map(|f| self.bind(f)).transpose()?;
            calls.push((aggregate, args, filter));
        }
        // As people know them: by the select list, else by what they are.
        let column = |id: ColumnId, name: &str, data_type: &DataType| {
            let name = self.names.get(&id).map_or_else(|| without_ids(name), Clone::clone);
            Column { id, name, data_type: data_type.clone() }
        };
        let key_name = |k: &NamedExpr| match &k.expr {
            Expr::Column { name, .. } => name.clone(),
            _ => k.name.clone(),
        };
        let columns: Vec<Column> = keys
            .iter()
            .map(|k| column(k.id, &key_name(k), &k.expr.data_type()))
            .chain(aggregates.iter().map(|a| column(a.id, &a.name, &a.call.data_type)))
            .collect();
        let schema = keys.iter().map(|k| state_schema::key(&k.expr, input)).chain(aggregates.iter().map(state_schema::aggregate)).collect();
        if let Some(at) = session {
            return self.sessions(node, input.is_streaming(), bound, at, calls, late.filter(|_| expiring == Some(at)), &columns, schema);
        }
        self.grouped(node, input.is_streaming(), bound, calls, event_time, late, size, &columns, schema)
    }

    #[expect(clippy::too_many_arguments, reason = "what a GROUP BY is made of, each part once")]
    fn sessions(
        &mut self,
        node: Node,
        streaming: bool,
        mut keys: Vec<Bound>,
        place: usize,
        aggregates: Vec<(Aggregate, Vec<Bound>, Option<Bound>)>,
        late: Option<LateNote>,
        columns: &[Column],
        schema: Vec<String>,
    ) -> Result<Node, EngineError> {
        let mode = self.mode.filter(|_| streaming);
        let session = keys.remove(place);
        if mode.is_some() && keys.is_empty() {
            return Err(EngineError::user("sessions over a whole stream are not possible: they need one more key")
                .help("GROUP BY session_window(ts, '10 seconds') and another column, such as a user"));
        }
        let emit = if mode == Some(OutputMode::Append) { Emit::Closed } else { Emit::All };
        let closes = mode == Some(OutputMode::Append) && late.is_some();
        self.follows_watermark |= closes;
        let kind = KeyKind::of(&keys.iter().map(|k| k.data_type().clone()).collect::<Vec<_>>());
        let keys = SessionKeys { keys, kind, session, place, aggregates, late: late.filter(|_| mode.is_some()).map(|l| self.noted(l)) };
        let operator = SessionOperator::new(keys, columns, self.partitions, emit, closes, mode.is_none())?;
        Ok(Node::operator(vec![node], operator.with_schema(schema)))
    }

    #[expect(clippy::too_many_arguments, reason = "what a GROUP BY is made of, each part once")]
    fn grouped(
        &mut self,
        node: Node,
        streaming: bool,
        keys: Vec<Bound>,
        aggregates: Vec<(Aggregate, Vec<Bound>, Option<Bound>)>,
        event_time: Option<(usize, bool)>,
        late: Option<LateNote>,
        window_size: Option<i64>,
        columns: &[Column],
        schema: Vec<String>,
    ) -> Result<Node, EngineError> {
        let mode = self.mode.filter(|_| streaming);
        let emit = match mode {
            None | Some(OutputMode::Complete) => Emit::All,
            Some(OutputMode::Update) => Emit::Changed,
            Some(OutputMode::Append) => Emit::Closed,
        };
        let incremental = matches!(mode, Some(OutputMode::Append | OutputMode::Update));
        self.follows_watermark |= incremental;
        let closes = incremental && event_time.is_some();
        let kind = KeyKind::of(&keys.iter().map(|k| k.data_type().clone()).collect::<Vec<_>>());
        let (event_time, window_size) = (event_time.filter(|_| closes), window_size.filter(|_| closes));
        let preparation =
            Preparation { keys, kind, aggregates, event_time, window_size, late: late.filter(|_| closes).map(|l| self.noted(l)) };
        let operator = AggregateOperator::new(preparation, columns, self.partitions, emit, closes, mode.is_none())?;
        Ok(Node::operator(vec![node], operator.with_schema(schema)))
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

    /// Two streams: rows of both sides are kept for as long as a partner can come.
    fn stream_join(
        &mut self,
        plan: &LogicalPlan,
        sides: [&LogicalPlan; 2],
        kind: JoinKind,
        condition: Option<&Expr>,
        needed: &Needed,
    ) -> Result<Node, EngineError> {
        let parts = JoinParts::of(sides, condition);
        if parts.keys.is_empty() {
            return Err(EngineError::user("a join of two streams needs an equality between them")
                .help("add one to ON, such as a.id = b.id, or join with a bounded table"));
        }
        let kept = sides.map(|side| typed(side, &with(needed, &parts.rest)));
        let place = |id: &ColumnId| {
            let on = |side: usize| kept[side].iter().position(|(k, _)| k == id).map(|at| (side, at));
            on(0).or_else(|| on(1)).ok_or_else(|| EngineError::internal("a column of a join is missing"))
        };
        let mut checks = Vec::new();
        let mut rest: Option<Expr> = None;
        for part in &parts.rest {
            match ordered(part).map(|o| Ok::<_, EngineError>((place(&o.less)?, place(&o.more)?, o))).transpose()? {
                Some(((0, left), (1, right), o)) => {
                    checks.push(stream_join::Check { left_is_less: true, left, right, micros: o.micros, inclusive: o.inclusive });
                }
                Some(((1, right), (0, left), o)) => {
                    checks.push(stream_join::Check { left_is_less: false, left, right, micros: o.micros, inclusive: o.inclusive });
                }
                _ => rest = Some(and(rest, part)),
            }
        }
        let rest = match rest {
            None => None,
            Some(rest) => Some((self.bind(&rest)?, rest.columns().iter().map(place).collect::<Result<_, _>>()?)),
        };
        let output = typed(plan, needed).iter().map(|(id, _)| place(id)).collect::<Result<_, _>>()?;
        let below = with(needed, condition);
        let expiry = expiry_of(sides, &parts, &below);
        self.follows_watermark |= expiry.iter().any(Option::is_some);
        let (mut inputs, mut specs) = (Vec::with_capacity(2), Vec::with_capacity(2));
        for ((side, kept), (at, expiry)) in sides.into_iter().zip(kept.clone()).zip(expiry.into_iter().enumerate()) {
            let event_time = event_time_columns(side);
            // Spark does not see an event time that nobody reads, so that it neither drops nor lets go by it.
            let late = side.columns().into_iter().find(|c| event_time.contains(&c.id) && below.contains(&c.id)).map(|c| c.expr());
            let note = late.as_ref().map(|time| self.late_note(STREAM_JOIN, side, time, &below)).transpose()?;
            let below = with(&below, late.iter().chain(expiry.as_ref().map(|(e, _)| e)));
            inputs.push(self.node(side, &note.iter().fold(below, with_time))?);
            let keys = parts.keys.iter().map(|pair| self.bind(&pair[at])).collect::<Result<_, _>>()?;
            let late = late.zip(note).map(|(e, note)| Ok::<_, EngineError>((self.event_time(&e)?, self.noted(note)))).transpose()?;
            let expiry = expiry.map(|(e, bound)| Ok::<_, EngineError>((self.event_time(&e)?, bound))).transpose()?;
            let only = parts.only[at].iter().fold(None, |all, part| Some(and(all, part)));
            let only = only.map(|e| self.bind(&e)).transpose()?;
            let names = std::iter::once(("side".to_string(), DataType::String))
                .chain(side.columns().into_iter().filter(|c| kept.iter().any(|(id, _)| *id == c.id)).map(|c| (c.name, c.data_type)))
                .collect();
            specs.push(stream_join::Side { keys, kept, names, only, late, expiry });
        }
        let sides: [stream_join::Side; 2] = specs.try_into().map_err(|_| EngineError::internal("a join without two sides"))?;
        let join = StreamJoin::new(stream_join::Shape { kind, sides, checks, rest, output }, self.partitions);
        Ok(Node::operator(inputs, join))
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

/// The columns of the plan's output that are sessions which may still grow.
fn session_columns(plan: &LogicalPlan) -> Needed {
    match plan {
        LogicalPlan::SessionWindow { input, column, .. } => with(&session_columns(input), [&column.expr()]),
        LogicalPlan::Project { input, exprs } => {
            let sessions = session_columns(input);
            let hands_on = |e: &&NamedExpr| matches!(e.expr, Expr::Column { id, .. } if sessions.contains(&id));
            exprs.iter().filter(hands_on).map(|e| e.id).collect()
        }
        LogicalPlan::Aggregate { .. } => Needed::new(),
        other => other.inputs().into_iter().flat_map(session_columns).collect(),
    }
}

/// The condition of a join of two streams, taken apart.
struct JoinParts {
    /// Equal on both sides: left and right.
    keys: Vec<[Expr; 2]>,
    /// The keys by `=`. By `<=>` two rows can be partners whose event time nobody knows, so that no watermark lets go.
    strict: Vec<[Expr; 2]>,
    /// On one side alone.
    only: [Vec<Expr>; 2],
    /// On pairs.
    rest: Vec<Expr>,
}

impl JoinParts {
    fn of(sides: [&LogicalPlan; 2], condition: Option<&Expr>) -> JoinParts {
        let ids = sides.map(|side| side.columns().iter().map(|c| c.id).collect::<Needed>());
        let on = |e: &Expr, side: usize| !e.columns().is_empty() && e.columns().iter().all(|c| ids[side].contains(c));
        let mut parts = Vec::new();
        if let Some(condition) = condition {
            conjuncts(condition, &mut parts);
        }
        let mut out = JoinParts { keys: vec![], strict: vec![], only: [vec![], vec![]], rest: vec![] };
        for part in parts {
            match part {
                Expr::Call { function, args, .. } if matches!(function.0, "=" | "<=>") && args.len() == 2 => {
                    let pair = match () {
                        () if on(&args[0], 0) && on(&args[1], 1) => Some([args[0].clone(), args[1].clone()]),
                        () if on(&args[1], 0) && on(&args[0], 1) => Some([args[1].clone(), args[0].clone()]),
                        () => None,
                    };
                    if let Some(pair) = pair {
                        out.strict.extend((function.0 == "=").then(|| pair.clone()));
                        out.keys.push(pair);
                        continue;
                    }
                }
                _ => {}
            }
            match part {
                part if on(part, 0) => out.only[0].push(part.clone()),
                part if on(part, 1) => out.only[1].push(part.clone()),
                part => out.rest.push(part.clone()),
            }
        }
        out
    }
}

/// By what the rows of each side of a join leave, and up to which time: an event time
/// among the keys holds for both sides, else a side's own event time where the condition bounds it.
fn expiry_of(sides: [&LogicalPlan; 2], parts: &JoinParts, below: &Needed) -> [Option<(Expr, StateBound)>; 2] {
    let event_time = sides.map(event_time_columns);
    let is_event_time = |e: &Expr, side: usize| matches!(e, Expr::Column { id, .. } if event_time[side].contains(id));
    let key = [0, 1].into_iter().find_map(|side| parts.strict.iter().find(|pair| is_event_time(&pair[side], side)));
    if let Some([left, right]) = key {
        let bound = StateBound { after_watermark: Some(0), fixed: None };
        return [Some((left.clone(), bound)), Some((right.clone(), bound))];
    }
    let whole = parts.only.iter().flatten().chain(&parts.rest).fold(None, |all, part| Some(and(all, part)));
    [0, 1].map(|side| {
        let columns = sides[side].columns();
        let own = columns.iter().find(|c| event_time[side].contains(&c.id) && below.contains(&c.id))?;
        let ids = columns.iter().map(|c| c.id).collect();
        state_bound(whole.as_ref(), &ids, &event_time[1 - side]).map(|bound| (own.expr(), bound))
    })
}

fn and(all: Option<Expr>, part: &Expr) -> Expr {
    match all {
        None => part.clone(),
        Some(all) => Expr::And(Box::new(all), Box::new(part.clone())),
    }
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

/// Whether a WATERMARK stands anywhere in the plan.
fn has_watermark(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Watermark { .. }) || plan.inputs().into_iter().any(has_watermark)
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

/// `split(text, 'c')` by one plain character, without a limit: the text and the character.
fn plain_split(expr: &Expr) -> Option<(&Expr, u8)> {
    let Expr::Call { function, args, .. } = expr else { return None };
    if function.0 != "split" {
        return None;
    }
    let unlimited = match args.get(2) {
        None => true,
        Some(Expr::Literal { value, .. }) => value.as_int() == Some(-1),
        Some(_) => false,
    };
    let Some(Expr::Literal { value: Value::String(pattern), .. }) = args.get(1).filter(|_| unlimited) else { return None };
    match pattern.as_bytes() {
        [c] if c.is_ascii() && !br"\.[]{}()*+?^$|".contains(c) => Some((&args[0], *c)),
        [b'\\', c] if c.is_ascii_punctuation() => Some((&args[0], *c)),
        _ => None,
    }
}

/// The field of a JSON text that `json_tuple` asks for.
fn json_field(json: &Expr, field: &Expr) -> Result<Expr, EngineError> {
    let Expr::Literal { value: Value::String(name), .. } = field else {
        return Err(EngineError::user("json_tuple takes constant field names only"));
    };
    Ok(Expr::call("get_json_object", vec![json.clone(), Expr::string(format!("$['{name}']"))], DataType::String))
}
