//! Window functions over bounded input: OVER (PARTITION BY … ORDER BY … frame).
//!
//! Rows are ordered once per call by partition and order keys. Ranks follow from the places where those
//! keys change; an aggregate gets one state per distinct frame, and a frame that only grows starts from the
//! state of the one before.

use super::{BatchContext, Flow, Operator, Task, gather};
use crate::engine::columns::null_series;
use crate::engine::eval::access::{number_series, numbers};
use crate::engine::eval::{Bound, EvalContext};
use crate::engine::state::accumulator::{Aggregate, Updates};
use crate::engine::state::codec::{Direction, Rows, encode_ordered};
use crate::engine::{EngineError, Frame};
use crate::plan::expr::{self, ColumnId, Expr};
use crate::types::{DataType, Value};
use polars::prelude::{self as pl, IdxCa, Series};

/// Adds a column per call.
pub struct Window {
    /// The calls, in the order of their columns.
    pub calls: Vec<WindowCall>,
}

/// One call with its window.
pub struct WindowCall {
    id: ColumnId,
    what: What,
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

/// Which rows around a row a function sees.
#[derive(Clone, Copy, Debug)]
enum Extent {
    Partition,
    /// From the partition's start to the row's last peer.
    Running,
    /// Offsets in rows.
    Rows(Option<i64>, Option<i64>),
    /// Offsets in the order key's value.
    Range(Option<f64>, Option<f64>),
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
        let partition_by = partition_by.iter().map(&mut *bind).collect::<Result<_, _>>()?;
        let extent = extent(frame.as_ref(), order_by.is_empty())?;
        let order_by = order_by
            .iter()
            .map(|k| Ok((bind(&k.expr)?, Direction { descending: k.descending, nulls_first: k.nulls_first })))
            .collect::<Result<_, EngineError>>()?;
        Ok(WindowCall { id, what: what(call, bind)?, partition_by, order_by, frame: extent, data_type: data_type.clone() })
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
            What::Shift { input: bind(&args[0])?, by: if function.0 == "lag" { -by } else { by }, default }
        }
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

fn extent(frame: Option<&expr::Frame>, unordered: bool) -> Result<Extent, EngineError> {
    let Some(frame) = frame else { return Ok(if unordered { Extent::Partition } else { Extent::Running }) };
    let number = |value: &Value| match value {
        Value::Int(n) | Value::DayTime(n) => Ok(*n as f64),
        Value::YearMonth(n) => Ok(f64::from(*n)),
        Value::Double(d) => Ok(*d),
        Value::Float(f) => Ok(f64::from(*f)),
        _ => Err(EngineError::user("a bound of this type is not built yet for window frames")),
    };
    let bound = |b: &expr::Bound| match b {
        expr::Bound::Unbounded => Ok(None),
        expr::Bound::Offset(value) => number(value).map(Some),
    };
    let (start, end) = (bound(&frame.start)?, bound(&frame.end)?);
    Ok(match (start, end) {
        (None, None) => Extent::Partition,
        (start, end) if frame.rows => Extent::Rows(start.map(|n| n as i64), end.map(|n| n as i64)),
        (None, Some(0.0)) => Extent::Running,
        (start, end) => Extent::Range(start, end),
    })
}

impl Operator for Window {
    fn name(&self) -> &'static str {
        "over"
    }

    fn step(&mut self, mut inputs: Vec<Vec<Task>>, context: &BatchContext) -> Result<Flow, EngineError> {
        let Some(mut frame) = gather(inputs.remove(0), context)? else { return Ok(Flow { frames: vec![], rows_in: 0 }) };
        for call in &self.calls {
            let column = call.compute(&frame, &context.eval)?;
            frame.push(call.id, column);
        }
        let rows_in = frame.rows() as u64;
        Ok(Flow { frames: vec![frame], rows_in })
    }
}

/// The rows of a frame in window order.
struct Ordered {
    /// Row numbers of the frame, in order.
    order: Vec<u32>,
    /// Where partitions begin in `order`, and its end.
    partitions: Vec<usize>,
    /// For each place in `order`, where its peers begin and end.
    peers: Vec<(usize, usize)>,
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

    fn compute(&self, frame: &Frame, eval: &EvalContext) -> Result<Series, EngineError> {
        if frame.rows() == 0 {
            return Ok(null_series(&self.data_type, 0));
        }
        let ordered = self.ordered(frame, eval)?;
        let in_order = match &self.what {
            What::Shift { input, by, default } => shift(frame, &ordered, (input, *by, default.as_ref()), eval)?,
            What::Nth { input, n, ignore_nulls } => {
                let frames = self.frames(frame, &ordered, eval)?;
                nth(&input.evaluate(frame, eval)?, &ordered, &frames, *n, *ignore_nulls)?
            }
            What::Aggregate { aggregate, args, filter } => {
                let frames = self.frames(frame, &ordered, eval)?;
                aggregate_frames(frame, &ordered, &frames, (aggregate, args, filter.as_ref()), eval)?
            }
            rank => ranks(rank, &ordered),
        };
        // Back from window order to the frame's.
        let mut back = vec![0u32; frame.rows()];
        ordered.order.iter().enumerate().for_each(|(place, row)| back[*row as usize] = place as u32);
        Ok(in_order.take(&IdxCa::from_vec("".into(), back))?.rechunk())
    }

    /// The places that each place's frame spans.
    fn frames(&self, frame: &Frame, ordered: &Ordered, eval: &EvalContext) -> Result<Vec<(usize, usize)>, EngineError> {
        let mut out = Vec::with_capacity(ordered.order.len());
        let values = match self.frame {
            Extent::Range(..) => Some(self.range_values(frame, ordered, eval)?),
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
                    Extent::Range(from, to) => {
                        let values = values.as_deref().unwrap_or_default();
                        let Some(own) = values[place] else {
                            out.push((from.map_or(first, |_| ordered.peers[place].0), to.map_or(end, |_| ordered.peers[place].1)));
                            continue;
                        };
                        let inside =
                            |p: &usize| values[*p].is_some_and(|v| from.is_none_or(|n| v >= own + n) && to.is_none_or(|n| v <= own + n));
                        let start = (first..end).find(inside).unwrap_or(place);
                        let stop = (start..end).rev().find(inside).map_or(start, |p| p + 1);
                        (if from.is_none() { first } else { start }, if to.is_none() { end } else { stop })
                    }
                });
            }
        }
        Ok(out)
    }

    /// The single order key as numbers that ascend, in window order.
    fn range_values(&self, frame: &Frame, ordered: &Ordered, eval: &EvalContext) -> Result<Vec<Option<f64>>, EngineError> {
        let [(key, direction)] = &self.order_by[..] else {
            return Err(EngineError::user("a RANGE frame with offsets needs exactly one ORDER BY key"));
        };
        let mut scale = 1.0;
        if let DataType::Decimal(_, digits) = key.data_type() {
            scale = 10f64.powi(-i32::from(*digits));
        }
        if *key.data_type() == DataType::Date {
            scale = 1.0;
        }
        let column = key.evaluate(frame, eval)?.cast(&pl::DataType::Float64)?.rechunk();
        let values = numbers::<f64>(&column)?;
        let sign = if direction.descending { -1.0 } else { 1.0 };
        let value = |row: &u32| {
            let row = *row as usize;
            values.validity.is_none_or(|v| v.get_bit(row)).then(|| values.values[row] * scale * sign)
        };
        Ok(ordered.order.iter().map(value).collect())
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

fn shift(
    frame: &Frame,
    ordered: &Ordered,
    (input, by, default): (&Bound, i64, Option<&Bound>),
    eval: &EvalContext,
) -> Result<Series, EngineError> {
    let mut taken: Vec<Option<u32>> = Vec::with_capacity(ordered.order.len());
    for partition in ordered.partitions.windows(2) {
        for place in partition[0]..partition[1] {
            let there = place as i64 + by;
            let inside = there >= partition[0] as i64 && there < partition[1] as i64;
            taken.push(inside.then(|| ordered.order[there as usize]));
        }
    }
    let missing: Vec<bool> = taken.iter().map(Option::is_none).collect();
    let values = input.evaluate(frame, eval)?.take(&taken.into_iter().collect::<IdxCa>())?.rechunk();
    let Some(default) = default else { return Ok(values) };
    let defaults = default.evaluate(frame, eval)?.take(&IdxCa::from_vec("".into(), ordered.order.clone()))?.rechunk();
    let mask: pl::BooleanChunked = missing.into_iter().map(Some).collect();
    Ok(defaults.zip_with(&mask, &values)?.rechunk())
}

fn nth(values: &Series, ordered: &Ordered, frames: &[(usize, usize)], n: i64, ignore_nulls: bool) -> Result<Series, EngineError> {
    let valid = |row: u32| !ignore_nulls || !crate::engine::eval::access::is_null(values, row as usize);
    let n = usize::try_from(n - 1).map_err(|_| EngineError::user("nth_value counts from 1"))?;
    let pick = |(start, end): &(usize, usize)| ordered.order[*start..*end].iter().copied().filter(|r| valid(*r)).nth(n);
    Ok(values.take(&frames.iter().map(pick).collect::<IdxCa>())?.rechunk())
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
