//! The order in which Spark's `OpenHashMap` holds keys, which decides `mode` between values as frequent.

use crate::engine::eval::hash::spark_hash;
use crate::types::{DataType, Value};

/// Keys at first; doubles when seven tenths are in use.
const CAPACITY: usize = 64;

/// `hashCode` of the value's Java class; `None` where that is not known.
pub(super) fn code(value: &Value, data_type: &DataType) -> Option<i32> {
    let long = |n: i64| (n ^ ((n as u64) >> 32) as i64) as i32;
    Some(match (value, data_type) {
        (Value::Boolean(b), _) => {
            if *b {
                1231
            } else {
                1237
            }
        }
        (Value::Int(n), DataType::BigInt) | (Value::Timestamp(n) | Value::DayTime(n), _) => long(*n),
        (Value::Int(n), _) => *n as i32,
        (Value::Date(n) | Value::YearMonth(n), _) => *n,
        (Value::Float(f), _) => f.to_bits() as i32,
        (Value::Double(d), _) => long(d.to_bits() as i64),
        (Value::String(s), _) => spark_hash(s.as_bytes()),
        _ => return None,
    })
}

/// The keys in the order that the table holds them after they came in the order `keys`.
pub(super) fn order(keys: &[usize], codes: &[i32]) -> Vec<usize> {
    let mut table: Vec<Option<usize>> = vec![None; CAPACITY];
    for (before, key) in keys.iter().enumerate() {
        place(&mut table, *key, codes);
        if before + 1 > table.len() * 7 / 10 {
            let mut larger = vec![None; table.len() * 2];
            table.iter().flatten().for_each(|key| place(&mut larger, *key, codes));
            table = larger;
        }
    }
    table.into_iter().flatten().collect()
}

fn place(table: &mut [Option<usize>], key: usize, codes: &[i32]) {
    let mask = table.len() - 1;
    let (mut at, mut step) = (scattered(codes[key]) as usize & mask, 1);
    while table[at].is_some() {
        at = (at + step) & mask;
        step += 1;
    }
    table[at] = Some(key);
}

/// Murmur3 of one number with seed 0, which spreads codes that are near each other.
fn scattered(code: i32) -> u32 {
    let k = (code as u32).wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let mut h = k.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64) ^ 4;
    h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_is_the_one_that_spark_picks() {
        let first = |values: &[i64]| {
            let codes: Vec<i32> = values.iter().map(|v| *v as i32).collect();
            values[order(&(0..values.len()).collect::<Vec<_>>(), &codes)[0]]
        };
        assert_eq!(first(&[-10, 0, 10]), 0);
        assert_eq!(first(&[5, 3, 9, 1, 100, 7]), 100);
    }

    #[test]
    fn no_key_is_lost_when_the_table_grows() {
        let codes: Vec<i32> = (0..1000).collect();
        let mut keys = order(&(0..1000).collect::<Vec<_>>(), &codes);
        keys.sort_unstable();
        assert_eq!(keys, (0..1000).collect::<Vec<_>>());
    }
}
