//! Window functions over bounded input: OVER (PARTITION BY … ORDER BY … frame).
//!
//! Rows are ordered once per call by partition and order keys. Ranks follow from the places where those
//! keys change; an aggregate gets one state per distinct frame, and a frame that only grows starts from the
//! state of the one before.

use super::window_frames::{Extent, RangeKey, extent};
use super::window_values::{counter_diff, nth, shift};
use super::{BatchContext, Flow, Operator, Task, gather};
use crate::engine::columns::null_series;
use crate::engine::eval::access::number_series;
use crate::engine::eval::zone::Zone;
use crate::engine::eval::{Bound, EvalContext};
use crate::engine::state::accumulator::{Aggregate, Updates};
use crate::engine::state::codec::{Direction, Rows, encode_ordered};
use crate::engine::{EngineError, Frame};
use crate::plan::expr::{ColumnId, Expr, SortKey};
use crate::types::{DataType, Value};
use polars::prelude::{IdxCa, Series};

/// Adds a column per call.
pub struct Window {
    /// The calls, in the order of their columns.
    pub calls: Vec<WindowCall>,
}

/// One call with its window.
pub struct WindowCall {
    id: ColumnId,
    what: What,
    /// Partition and order as the plan has them: calls of one window share its sort.
    spec: (Vec<Expr>, Vec<SortKey>),
    partition_by: Vec<Bound>,
    order_by: Vec<(Bound, Direction)>,
    frame: Extent,
    data_type: DataType,
}

enum What {
    RowNumber,
    Rank,
    DenseRank,
    PercentRank,
    CumeDist,
    Ntile(i64),
    /// lag and lead: how many rows after this one, and what stands where there is none.
    Shift {
        input: Bound,
        by: i64,
        default: Option<Bound>,
        ignore_nulls: bool,
    },
    /// counter_diff: the counter, and when it began.
    Counter {
        input: Bound,
        start: Option<Bound>,
    },
    Nth {
        input: Bound,
        n: i64,
        ignore_nulls: bool,
    },
    Aggregate {
        aggregate: Aggregate,
        args: Vec<Bound>,
        filter: Option<Bound>,
    },
}

impl Window {
    /// The call that a plan's window expression stands for.
    ///
    /// # Errors
    /// A function or frame that is not built.
    pub fn call(id: ColumnId, expr: &Expr, bind: &mut dyn FnMut(&Expr) -> Result<Bound, EngineError>) -> Result<WindowCall, EngineError> {
        let Expr::Window { call, partition_by, order_by, frame, data_type } = expr else {
            return Err(EngineError::internal("a window column that is no window function"));
        };
        let spec = (partition_by.clone(), order_by.clone());
        let partition_by = partition_by.iter().map(&mut *bind).collect::<Result<_, _>>()?;
        let key = order_by.first().map(|k| k.expr.data_type());
        let extent = extent(frame.as_ref(), key.as_ref())?;
        let order_by = order_by
            .iter()
            .map(|k| Ok((bind(&k.expr)?, Direction { descending: k.descending, nulls_first: k.nulls_first })))
            .collect::<Result<_, EngineError>>()?;
        Ok(WindowCall { id, what: what(call, bind)?, spec, partition_by, order_by, frame: extent, data_type: data_type.clone() })
    }
}

fn what(call: &Expr, bind: &mut dyn FnMut(&Expr) -> Result<Bound, EngineError>) -> Result<What, EngineError> {
    if let Expr::Aggregate(call) = call {
        let aggregate = Aggregate::new(call)?;
        let args = aggregate.args().iter().map(&mut *bind).collect::<Result<_, _>>()?;
        let filter = aggregate.filter().map(&mut *bind).transpose()?;
        return Ok(What::Aggregate { aggregate, args, filter });
    }
    let Expr::Call { function, args, .. } = call else { return Err(EngineError::internal("a window function that is no call")) };
    let constant = |at: usize, otherwise: i64| match args.get(at) {
        None => Ok(otherwise),
        Some(e) => constant_int(e).ok_or_else(|| EngineError::user(format!("{} takes a constant whole number here", function.0))),
    };
    Ok(match function.0 {
        "row_number" => What::RowNumber,
        "rank" => What::Rank,
        "dense_rank" => What::DenseRank,
        "percent_rank" => What::PercentRank,
        "cume_dist" => What::CumeDist,
        "ntile" => What::Ntile(constant(0, 1)?.max(1)),
        "lag" | "lead" => {
            let by = constant(1, 1)?;
            let default = args.get(2).map(&mut *bind).transpose()?;
            let ignore_nulls = matches!(args.get(3), Some(Expr::Literal { value: Value::Boolean(true), .. }));
            What::Shift { input: bind(&args[0])?, by: if function.0 == "lag" { -by } else { by }, default, ignore_nulls }
        }
        "counter_diff" => What::Counter { input: bind(&args[0])?, start: args.get(1).map(&mut *bind).transpose()? },
        "nth_value" => {
            let ignore_nulls = matches!(args.get(2), Some(Expr::Literal { value: Value::Boolean(true), .. }));
            What::Nth { input: bind(&args[0])?, n: constant(1, 1)?, ignore_nulls }
        }
        other => return Err(EngineError::user(format!("the window function {other} is not built yet"))),
    })
}

fn constant_int(e: &Expr) -> Option<i64> {
    match e {
        Expr::Literal { value, .. } => value.as_int(),
        Expr::Cast { expr, .. } => constant_int(expr),
        Expr::Call { function, args, .. } if function.0 == "negative" => constant_int(&args[0]).map(|n| -n),
        _ => None,
    }
}

impl Operator for Window {
    fn name(&self) -> &'static str {
        "over"
    }

    fn step(&mut self, mut inputs: Vec<Vec<Task>>, context: &BatchContext) -> Result<Flow, EngineError> {
        let Some(mut frame) = gather(inputs.remove(0), context)? else { return Ok(Flow { frames: vec![], rows_in: 0 }) };
        let rows_in = frame.rows() as u64;
        let mut done = vec![false; self.calls.len()];
        for i in 0..self.calls.len() {
            if done[i] || frame.rows() == 0 {
                continue;
            }
            // Rows leave in the window's order, as Spark's do.
            let ordered = self.calls[i].ordered(&frame, &context.eval)?;
            frame = ordered.apply(frame)?;
            let ordered = ordered.settled();
            for (call, done) in self.calls.iter().zip(&mut done).skip(i) {
                if call.spec == self.calls[i].spec {
                    let column = call.compute(&frame, &ordered, &context.eval)?;
                    frame.push(call.id, column);
                    *done = true;
                }
            }
        }
        if frame.rows() == 0 {
            for call in &self.calls {
                frame.push(call.id, null_series(&call.data_type, 0));
            }
        }
        Ok(Flow { frames: vec![frame], rows_in })
    }
}

/// The rows of a frame in window order.
pub(super) struct Ordered {
    /// Row numbers of the frame, in order.
    pub(super) order: Vec<u32>,
    /// Where partitions begin in `order`, and its end.
    pub(super) partitions: Vec<usize>,
    /// For each place in `order`, where its peers begin and end.
    peers: Vec<(usize, usize)>,
}

impl Ordered {
    /// The frame with its rows in this order.
    fn apply(&self, frame: Frame) -> Result<Frame, EngineError> {
        if self.order.iter().enumerate().all(|(place, row)| place == *row as usize) {
            return Ok(frame);
        }
        Ok(frame.take(&IdxCa::from_vec("".into(), self.order.clone()))?)
    }

    /// The same partitions and peers over rows that stand in order already.
    fn settled(mut self) -> Ordered {
        (0..).zip(&mut self.order).for_each(|(place, row)| *row = place);
        self
    }
}

fn keys_of(frame: &Frame, keys: &[(Bound, Direction)], eval: &EvalContext) -> Result<Rows, EngineError> {
    let columns: Vec<Series> = keys.iter().map(|(k, _)| k.evaluate(frame, eval)).collect::<Result<_, _>>()?;
    let types: Vec<DataType> = keys.iter().map(|(k, _)| k.data_type().clone()).collect();
    let directions: Vec<Direction> = keys.iter().map(|(_, d)| *d).collect();
    encode_ordered(&columns, &types, &directions, frame.rows())
}

impl WindowCall {
    fn ordered(&self, frame: &Frame, eval: &EvalContext) -> Result<Ordered, EngineError> {
        let columns: Vec<Series> = self.partition_by.iter().map(|k| k.evaluate(frame, eval)).collect::<Result<_, _>>()?;
        let types: Vec<DataType> = self.partition_by.iter().map(|k| k.data_type().clone()).collect();
        let up = vec![Direction { descending: false, nulls_first: true }; types.len()];
        let groups = encode_ordered(&columns, &types, &up, frame.rows())?;
        let keys = keys_of(frame, &self.order_by, eval)?;
        let mut order: Vec<u32> = (0..frame.rows() as u32).collect();
        let at = |row: u32| (groups.row(row as usize), keys.row(row as usize));
        order.sort_by(|a, b| at(*a).cmp(&at(*b)));
        let mut partitions = vec![0];
        let mut peers = vec![(0, 0); order.len()];
        let mut start = 0;
        for place in 1..=order.len() {
            let ends_group = place == order.len() || groups.row(order[place] as usize) != groups.row(order[place - 1] as usize);
            if ends_group || keys.row(order[place] as usize) != keys.row(order[place - 1] as usize) {
                peers[start..place].fill((start, place));
                start = place;
            }
            if ends_group {
                partitions.push(place);
            }
        }
        Ok(Ordered { order, partitions, peers })
    }

    /// The call's column for a frame whose rows stand in window order.
    fn compute(&self, frame: &Frame, ordered: &Ordered, eval: &EvalContext) -> Result<Series, EngineError> {
        Ok(match &self.what {
            What::Shift { input, by, default, ignore_nulls } => shift(frame, ordered, (input, *by, default.as_ref(), *ignore_nulls), eval)?,
            What::Counter { input, start } => counter_diff(frame, ordered, (input, start.as_ref()), eval)?,
            What::Nth { input, n, ignore_nulls } => {
                let frames = self.frames(frame, ordered, eval)?;
                nth(&input.evaluate(frame, eval)?, ordered, &frames, *n, *ignore_nulls)?
            }
            What::Aggregate { aggregate, args, filter } => {
                let frames = self.frames(frame, ordered, eval)?;
                aggregate_frames(frame, ordered, &frames, (aggregate, args, filter.as_ref()), eval)?
            }
            rank => ranks(rank, ordered),
        })
    }

    /// The places that each place's frame spans.
    fn frames(&self, frame: &Frame, ordered: &Ordered, eval: &EvalContext) -> Result<Vec<(usize, usize)>, EngineError> {
        let mut out = Vec::with_capacity(ordered.order.len());
        let key = match (self.frame, &self.order_by[..]) {
            (Extent::Range(..), [(key, direction)]) => {
                let column = key.evaluate(frame, eval)?;
                Some(RangeKey::new(&column, key.data_type(), direction.descending, &ordered.order, Zone::new(eval.zone))?)
            }
            (Extent::Range(..), _) => return Err(EngineError::user("a RANGE frame with offsets needs exactly one ORDER BY key")),
            _ => None,
        };
        for partition in ordered.partitions.windows(2) {
            let (first, end) = (partition[0], partition[1]);
            let clamp = |place: i64| place.clamp(first as i64, end as i64) as usize;
            for place in first..end {
                out.push(match self.frame {
                    Extent::Partition => (first, end),
                    Extent::Running => (first, ordered.peers[place].1),
                    Extent::Rows(from, to) => {
                        let start = from.map_or(first, |n| clamp(place as i64 + n));
                        (start, to.map_or(end, |n| clamp(place as i64 + n + 1)).max(start))
                    }
                    Extent::Range(from, to) => match &key {
                        Some(key) => key.frame((first, end), place, ordered.peers[place], (from, to))?,
                        None => (first, end),
                    },
                });
            }
        }
        Ok(out)
    }
}

fn ranks(what: &What, ordered: &Ordered) -> Series {
    let mut whole: Vec<i32> = Vec::with_capacity(ordered.order.len());
    let mut shares: Vec<f64> = Vec::new();
    for partition in ordered.partitions.windows(2) {
        let (first, end) = (partition[0], partition[1]);
        let size = end - first;
        let mut dense = 0;
        for place in first..end {
            let (start, stop) = ordered.peers[place];
            dense += i32::from(place == start);
            match what {
                What::RowNumber => whole.push((place - first) as i32 + 1),
                What::Rank => whole.push((start - first) as i32 + 1),
                What::DenseRank => whole.push(dense),
                What::PercentRank => shares.push(if size > 1 { (start - first) as f64 / (size - 1) as f64 } else { 0.0 }),
                What::CumeDist => shares.push((stop - first) as f64 / size as f64),
                What::Ntile(n) => {
                    let (n, at, size) = (*n, (place - first) as i64, size as i64);
                    let (small, larger) = (size / n, size % n);
                    let tile =
                        if at < larger * (small + 1) { at / (small + 1) } else { larger + (at - larger * (small + 1)) / small.max(1) };
                    whole.push(tile as i32 + 1);
                }
                _ => {}
            }
        }
    }
    if shares.is_empty() { number_series(whole, None) } else { number_series(shares, None) }
}

fn aggregate_frames(
    frame: &Frame,
    ordered: &Ordered,
    frames: &[(usize, usize)],
    (aggregate, args, filter): (&Aggregate, &[Bound], Option<&Bound>),
    eval: &EvalContext,
) -> Result<Series, EngineError> {
    let mut columns = Vec::with_capacity(args.len());
    for (arg, shape) in args.iter().zip(aggregate.shapes()) {
        columns.push(shape.give(arg.evaluate(frame, eval)?)?);
    }
    let mask = filter.map(|f| f.mask(frame, eval)).transpose()?;
    let passes = |row: &u32| mask.as_ref().is_none_or(|m| m.get(*row as usize) == Some(true));
    let mut states = aggregate.accumulator()?;
    states.grow(frames.len());
    // One state per distinct frame; `slots` says which one each place reads.
    let mut slots: Vec<u32> = Vec::with_capacity(frames.len());
    for (place, (start, end)) in frames.iter().enumerate() {
        let before = place.checked_sub(1).map(|p| frames[p]);
        if before == Some((*start, *end)) {
            slots.push(slots[place - 1]);
            continue;
        }
        let slot = place as u32;
        let mut from = *start;
        if let Some((first, stop)) = before
            && first == *start
            && stop <= *end
        {
            let saved = states.save(&[slots[place - 1]]);
            states.restore(&[slot], saved);
            from = stop;
        }
        let rows: Vec<u32> = ordered.order[from..*end].iter().copied().filter(passes).collect();
        states.update(Updates { rows: &rows, slots: &vec![slot; rows.len()] }, &columns)?;
        slots.push(slot);
    }
    states.finish(&slots)
}
