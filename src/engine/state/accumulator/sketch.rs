//! approx_count_distinct: HyperLogLog++ over Spark's hash, with as many registers as Spark takes.
//!
//! While registers are empty the count is linear, as Spark's; above that the estimate is Ertl's, which
//! needs no table of corrections.

use super::{Fold, Made, Shape, Updates, column, constant, each};
use crate::engine::EngineError;
use crate::engine::columns::value_at;
use crate::engine::eval::access::{number_series, validity};
use crate::engine::state::slots::Slots;
use crate::plan::expr::{AggregateCall, Expr};
use crate::types::{DataType, Value};
use polars::prelude::Series;
use xxhash_rust::xxh64::xxh64;

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
        return Err(EngineError::user(format!("relativeSD must lie above 0 and not above 0.39, found {deviation}")));
    }
    let bits = (2.0 * (1.106 / deviation).ln() / 2f64.ln()).ceil() as u32;
    let data_type = call.args.first().map_or(DataType::Void, Expr::data_type);
    Ok(Some(column(Registers { bits: bits.max(4), data_type }, &[Shape::Raw])))
}

/// How many groups of registers, and the type that decides how values hash.
struct Registers {
    bits: u32,
    data_type: DataType,
}

/// Below this many, Spark counts empty registers, by number of index bits from 4.
const LINEAR_UP_TO: [f64; 15] =
    [10.0, 20.0, 40.0, 80.0, 220.0, 400.0, 900.0, 1800.0, 3100.0, 6500.0, 11500.0, 20000.0, 50000.0, 120_000.0, 350_000.0];

impl Registers {
    fn estimate(&self, registers: &[u8]) -> i64 {
        let m = registers.len() as f64;
        let zeros = registers.iter().filter(|r| **r == 0).count() as f64;
        if zeros > 0.0 {
            let linear = m * (m / zeros).ln();
            if linear <= LINEAR_UP_TO.get(self.bits as usize - 4).copied().unwrap_or(0.0) {
                return linear.round() as i64;
            }
        }
        // Ertl 2017, "New cardinality estimation algorithms for HyperLogLog sketches", algorithm 6.
        let q = 64 - self.bits as usize;
        let mut counts = vec![0f64; q + 2];
        registers.iter().for_each(|r| counts[usize::from(*r).min(q + 1)] += 1.0);
        let mut z = m * tau(1.0 - counts[q + 1] / m);
        for k in (1..=q).rev() {
            z = 0.5 * (z + counts[k]);
        }
        z += m * sigma(counts[0] / m);
        (m * m / (2.0 * 2f64.ln()) / z).round() as i64
    }
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

/// Spark's xxhash64 of a value; `seed` chains the members of nested ones.
fn hash(value: &Value, data_type: &DataType, seed: u64) -> u64 {
    match (value, data_type) {
        (Value::Null, _) => seed,
        (Value::Boolean(b), _) => xxh64(&i32::from(*b).to_le_bytes(), seed),
        (Value::Int(n), DataType::BigInt) | (Value::Timestamp(n) | Value::DayTime(n), _) => xxh64(&n.to_le_bytes(), seed),
        (Value::Int(n), _) => xxh64(&(*n as i32).to_le_bytes(), seed),
        (Value::Date(n) | Value::YearMonth(n), _) => xxh64(&n.to_le_bytes(), seed),
        (Value::Float(f), _) => xxh64(&(if f.is_nan() { f32::NAN } else { f + 0.0 }).to_bits().to_le_bytes(), seed),
        (Value::Double(d), _) => xxh64(&(if d.is_nan() { f64::NAN } else { d + 0.0 }).to_bits().to_le_bytes(), seed),
        (Value::Decimal(d), DataType::Decimal(precision, _)) if *precision <= 18 => xxh64(&(*d as i64).to_le_bytes(), seed),
        (Value::Decimal(d), _) => xxh64(&shortest(*d), seed),
        (Value::String(s), _) => xxh64(s.as_bytes(), seed),
        (Value::Binary(b), _) => xxh64(b, seed),
        (Value::Calendar(months, days, micros), _) => {
            let micros = xxh64(&micros.to_le_bytes(), seed);
            xxh64(&months.to_le_bytes(), xxh64(&days.to_le_bytes(), micros))
        }
        (Value::Array(values), DataType::Array(element)) => values.iter().fold(seed, |h, v| hash(v, element, h)),
        (Value::Struct(values), DataType::Struct(fields)) => values.iter().zip(fields).fold(seed, |h, (v, f)| hash(v, &f.data_type, h)),
        (Value::Map(entries), DataType::Map(k, v)) => entries.iter().fold(seed, |h, (a, b)| hash(b, v, hash(a, k, h))),
        _ => seed,
    }
}

/// The shortest big-endian two's complement bytes.
fn shortest(value: i128) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let sign = if value < 0 { 0xFF } else { 0 };
    let skip = bytes.iter().take_while(|b| **b == sign).count().min(15);
    let skip = if skip > 0 && (bytes[skip] & 0x80 == 0) != (value >= 0) { skip - 1 } else { skip };
    bytes[skip..].to_vec()
}

impl Fold for Registers {
    type State = Option<Box<[u8]>>;
    const HEAP: bool = true;

    fn update(&self, states: &mut Slots<Self::State>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let padding = 1u64 << (self.bits - 1);
        each(updates, validity(&args[0]), |slot, row| {
            let hash = hash(&value_at(&args[0], row, &self.data_type), &self.data_type, 42);
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
    fn estimates_lie_near() {
        let sketch = Registers { bits: 9, data_type: DataType::BigInt };
        for n in [0i64, 1, 50, 300, 5_000, 100_000] {
            let mut registers = vec![0u8; 512];
            for i in 0..n {
                let hash = hash(&Value::Int(i), &DataType::BigInt, 42);
                let rank = ((hash << 9) | 256).leading_zeros() as u8 + 1;
                let index = (hash >> 55) as usize;
                registers[index] = registers[index].max(rank);
            }
            let off = (sketch.estimate(&registers) - n).abs() as f64;
            assert!(off <= 0.15 * n as f64, "{n}: off by {off}");
        }
    }

    #[test]
    fn decimals_hash_by_their_shortest_bytes() {
        assert_eq!(shortest(0), [0]);
        assert_eq!(shortest(127), [127]);
        assert_eq!(shortest(128), [0, 128]);
        assert_eq!(shortest(-1), [255]);
        assert_eq!(shortest(-129), [255, 127]);
    }
}
