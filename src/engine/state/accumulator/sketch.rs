//! approx_count_distinct: HyperLogLog++ over Spark's hash, with Spark's registers and corrections.
//!
//! The estimate of raw HyperLogLog is too high for small counts. `hyperloglog.txt` says by how much: a line for
//! each number of index bits from 4 to 18, with pairs of a count and the mean raw estimate for it, as published
//! in the appendix to Heule, Nunkesser and Hall, "HyperLogLog in practice" (2013).

use super::{Fold, Made, Shape, Updates, column, constant, each};
use crate::engine::EngineError;
use crate::engine::eval::access::{number_series, validity};
use crate::engine::eval::hash::xx_hashes;
use crate::engine::state::slots::Slots;
use crate::plan::expr::{AggregateCall, Expr};
use crate::types::{DataType, Value};
use polars::prelude::Series;

pub(super) fn make(call: &AggregateCall) -> Result<Option<Made>, EngineError> {
    if call.function.0 != "approx_count_distinct" {
        return Ok(None);
    }
    let deviation = match (constant(call, 1), call.args.get(1).map(Expr::data_type)) {
        (None, None) => 0.05,
        (Some(Value::Double(d)), _) => *d,
        (Some(Value::Float(f)), _) => f64::from(*f),
        (Some(Value::Int(n)), _) => *n as f64,
        (Some(Value::Decimal(d)), _) => {
            let scale = match &call.args[1] {
                Expr::Cast { expr, .. } => expr.data_type(),
                other => other.data_type(),
            };
            let DataType::Decimal(_, scale) = scale else { return Err(EngineError::internal("a decimal without its type")) };
            *d as f64 / 10f64.powi(i32::from(scale))
        }
        _ => return Err(EngineError::data("DATATYPE_MISMATCH.NON_FOLDABLE_INPUT", "relativeSD must be a constant number")),
    };
    if !(deviation > 0.0 && deviation <= 0.39) {
        return Err(EngineError::data(
            "FAILED_FUNCTION_CALL",
            format!("relativeSD must lie above 0 and not above 0.39, found {deviation}"),
        ));
    }
    let bits = (2.0 * (1.106 / deviation).ln() / 2f64.ln()).ceil() as u32;
    let data_type = call.args.first().map_or(DataType::Void, Expr::data_type);
    Ok(Some(column(Registers::new(bits, data_type), &[Shape::Raw])))
}

/// How many groups of registers, and the type that decides how values hash.
struct Registers {
    bits: u32,
    data_type: DataType,
    pairs: Vec<(f64, f64)>,
}

/// Up to this many, empty registers are counted instead, by number of index bits from 4.
const LINEAR_UP_TO: [f64; 15] =
    [10.0, 20.0, 40.0, 80.0, 220.0, 400.0, 900.0, 1800.0, 3100.0, 6500.0, 15500.0, 20000.0, 50000.0, 120_000.0, 350_000.0];

/// How many pairs nearest to an estimate its correction is the mean of.
const NEIGHBOURS: usize = 6;

/// The published pairs for that many index bits: counts, and the mean raw estimate of each, ascending.
fn published(bits: u32) -> Option<Vec<(f64, f64)>> {
    let line = include_str!("hyperloglog.txt").lines().nth(bits.checked_sub(4)? as usize)?;
    let pair = |pair: &str| pair.split_once(':').and_then(|(count, raw)| Some((count.parse().ok()?, raw.parse().ok()?)));
    line.split(' ').map(pair).collect()
}

impl Registers {
    fn new(bits: u32, data_type: DataType) -> Registers {
        Registers { bits, data_type, pairs: published(bits).unwrap_or_default() }
    }

    fn estimate(&self, registers: &[u8]) -> i64 {
        let m = registers.len() as f64;
        let alpha = match self.bits {
            4 => 0.673,
            5 => 0.697,
            6 => 0.709,
            _ => 0.7213 / (1.0 + 1.079 / m),
        };
        let raw = alpha * m * m / registers.iter().map(|r| 1.0 / (1u64 << r) as f64).sum::<f64>();
        let zeros = registers.iter().filter(|r| **r == 0).count() as f64;
        if zeros > 0.0 {
            let linear = m * (m / zeros).ln();
            let few = LINEAR_UP_TO.get(self.bits as usize - 4).is_some_and(|most| linear <= *most);
            if few || raw <= 2.5 * m {
                return linear.round() as i64;
            }
        }
        let corrected = if !self.pairs.is_empty() && raw < 5.0 * m { raw - self.excess(raw) } else { raw };
        corrected.round() as i64
    }

    /// By how much a raw estimate is too high: the mean over its nearest neighbours.
    fn excess(&self, raw: f64) -> f64 {
        let nearest = self.pairs.partition_point(|(_, estimate)| *estimate < raw);
        let distance = |i: usize| (raw - self.pairs[i].1).powi(2);
        let mut low = (nearest + 1).saturating_sub(NEIGHBOURS);
        let mut high = (low + NEIGHBOURS).min(self.pairs.len());
        while high < self.pairs.len() && distance(high) < distance(low) {
            low += 1;
            high += 1;
        }
        self.pairs[low..high].iter().map(|(count, estimate)| estimate - count).sum::<f64>() / (high - low) as f64
    }
}

impl Fold for Registers {
    type State = Option<Box<[u8]>>;
    const HEAP: bool = true;

    fn update(&self, states: &mut Slots<Self::State>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let padding = 1u64 << (self.bits - 1);
        let hashes = xx_hashes(&args[0], &self.data_type)?;
        each(updates, validity(&args[0]), |slot, row| {
            let hash = hashes[row];
            let registers = states[slot].get_or_insert_with(|| vec![0; 1 << self.bits].into());
            let index = (hash >> (64 - self.bits)) as usize;
            let rank = ((hash << self.bits) | padding).leading_zeros() as u8 + 1;
            registers[index] = registers[index].max(rank);
        });
        Ok(())
    }

    fn merge(&self, into: &mut Option<Box<[u8]>>, from: Option<Box<[u8]>>) -> Result<(), EngineError> {
        match (into.as_mut(), from) {
            (Some(registers), Some(more)) => registers.iter_mut().zip(more).for_each(|(r, m)| *r = (*r).max(m)),
            (None, more) => *into = more,
            (Some(_), None) => {}
        }
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a Self::State>) -> Result<Series, EngineError> {
        Ok(number_series(states.map(|s| s.as_deref().map_or(0, |r| self.estimate(r))).collect(), None))
    }

    fn heap(&self, state: &Self::State) -> usize {
        state.as_deref().map_or(0, <[u8]>::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_those_of_spark() {
        // approx_count_distinct(id[, rsd]) over range(n) in Spark 4.3.
        for (n, bits, expected) in
            [(1_000, 9, 1_026), (10_000, 9, 9_571), (100_000, 9, 95_546), (100_000, 14, 100_425), (3_000, 7, 3_039), (0, 9, 0)]
        {
            let sketch = Registers::new(bits, DataType::BigInt);
            let column = number_series((0..n as i64).collect(), None);
            let mut states = Slots::default();
            states.grow(1, &None);
            let rows: Vec<u32> = (0..n).collect();
            sketch.update(&mut states, Updates { rows: &rows, slots: &vec![0; rows.len()] }, &[column]).unwrap();
            let found = states[0].as_deref().map_or(0, |r| sketch.estimate(r));
            assert_eq!(found, expected, "{n} values, {bits} bits");
        }
    }

    #[test]
    fn every_precision_has_its_pairs() {
        for bits in 4..=18 {
            let pairs = published(bits).unwrap();
            assert!(pairs.len() >= 79 && pairs.windows(2).all(|w| w[0].0 < w[1].0), "{bits}");
        }
        assert!(published(19).is_none());
    }
}
