//! histogram_numeric: bins that move to where the values are (Ben-Haim and Tom-Tov, "A streaming parallel
//! decision tree algorithm", 2010).
//!
//! Each value is a bin of its own until there are more bins than asked for; then the two nearest become one at
//! their mean. Of several pairs as near, chance picks one: the generator is Java's with a fixed seed, as in Spark.

use super::{Fold, Made, Shape, Updates, column, constant, each, number_of};
use crate::engine::EngineError;
use crate::engine::columns::series_of;
use crate::engine::eval::access::numbers;
use crate::engine::state::slots::Slots;
use crate::engine::state::stored::stored;
use crate::plan::expr::AggregateCall;
use crate::types::{DataType, Value};
use polars::prelude::Series;

pub(super) fn make(call: &AggregateCall) -> Result<Option<Made>, EngineError> {
    if call.function.0 != "histogram_numeric" {
        return Ok(None);
    }
    let bins = constant(call, 1).and_then(Value::as_int).and_then(|n| usize::try_from(n).ok());
    let bins = bins.ok_or_else(|| EngineError::internal("histogram_numeric without its number of bins"))?;
    let center = match &call.data_type {
        DataType::Array(bin) => match &**bin {
            DataType::Struct(members) => members[0].data_type.clone(),
            _ => DataType::Double,
        },
        _ => DataType::Double,
    };
    Ok(Some(column(Histogram { bins, center, data_type: call.data_type.clone() }, &[Shape::Double])))
}

struct Histogram {
    /// At most this many.
    bins: usize,
    /// The type of a bin's centre.
    center: DataType,
    data_type: DataType,
}

#[derive(Clone, Copy)]
struct Bin {
    center: f64,
    count: f64,
}

#[derive(Clone, Default)]
struct Bins {
    bins: Vec<Bin>,
    chance: Option<JavaRandom>,
}

/// `java.util.Random`: 48 bits, linear congruential.
#[derive(Default, Clone, Copy)]
struct JavaRandom {
    seed: u64,
}

stored!(Bin { center, count });

stored!(Bins { bins, chance });

stored!(JavaRandom { seed });

impl JavaRandom {
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;

    fn new(seed: u64) -> JavaRandom {
        JavaRandom { seed: (seed ^ JavaRandom::MULTIPLIER) & JavaRandom::MASK }
    }

    fn bits(&mut self, n: u32) -> u64 {
        self.seed = self.seed.wrapping_mul(JavaRandom::MULTIPLIER).wrapping_add(11) & JavaRandom::MASK;
        self.seed >> (48 - n)
    }

    /// From 0 up to 1.
    fn double(&mut self) -> f64 {
        let high = self.bits(26) << 27;
        (high + self.bits(27)) as f64 / (1u64 << 53) as f64
    }
}

impl Bins {
    fn add(&mut self, value: f64, most: usize) {
        match self.bins.binary_search_by(|bin| bin.center.total_cmp(&value)) {
            Ok(at) => self.bins[at].count += 1.0,
            Err(at) => {
                self.bins.insert(at, Bin { center: value, count: 1.0 });
                self.trim(most);
            }
        }
    }

    fn trim(&mut self, most: usize) {
        let chance = self.chance.get_or_insert_with(|| JavaRandom::new(31183));
        while self.bins.len() > most {
            let (mut at, mut least, mut ties) = (0, f64::INFINITY, 0);
            for (i, pair) in self.bins.windows(2).enumerate() {
                let gap = pair[1].center - pair[0].center;
                if i == 0 || gap < least {
                    (at, least, ties) = (i, gap, 1);
                } else if gap == least {
                    ties += 1;
                    if chance.double() <= 1.0 / f64::from(ties) {
                        at = i;
                    }
                }
            }
            let (a, b) = (self.bins[at], self.bins.remove(at + 1));
            let count = a.count + b.count;
            self.bins[at] = Bin { center: a.center * a.count / count + b.center * b.count / count, count };
        }
    }
}

impl Fold for Histogram {
    type State = Bins;
    const HEAP: bool = true;

    fn update(&self, states: &mut Slots<Bins>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let values = numbers::<f64>(&args[0])?;
        each(updates, values.validity, |slot, row| states[slot].add(values.values[row], self.bins));
        Ok(())
    }

    fn merge(&self, into: &mut Bins, from: Bins) -> Result<(), EngineError> {
        if into.bins.is_empty() {
            *into = from;
            return Ok(());
        }
        into.bins.extend(from.bins);
        into.bins.sort_by(|a, b| a.center.total_cmp(&b.center));
        into.trim(self.bins);
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a Bins>) -> Result<Series, EngineError> {
        let bin = |bin: &Bin| Value::Struct(vec![number_of(bin.center, &self.center), Value::Double(bin.count)]);
        let one = |bins: &'a Bins| if bins.bins.is_empty() { Value::Null } else { Value::Array(bins.bins.iter().map(bin).collect()) };
        Ok(series_of(&states.map(one).collect::<Vec<_>>(), &self.data_type))
    }

    fn heap(&self, state: &Bins) -> usize {
        state.bins.capacity() * size_of::<Bin>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_values_share_a_bin() {
        let bins = |values: &[f64], most: usize| {
            let mut bins = Bins::default();
            values.iter().for_each(|v| bins.add(*v, most));
            bins.bins.iter().map(|b| (b.center, b.count)).collect::<Vec<_>>()
        };
        // As histogram_numeric in Spark 4.3 gives them.
        assert_eq!(bins(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 3), [(2.0, 3.0), (4.5, 2.0), (6.5, 2.0)]);
        assert_eq!(bins(&[1.5, 2.5, 3.5, 4.5, 5.5], 3), [(1.5, 1.0), (3.0, 2.0), (5.0, 2.0)]);
    }
}
