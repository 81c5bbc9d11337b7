//! approx_percentile: the summary of Greenwald and Khanna ("Space-efficient online computation of quantile
//! summaries", 2001), whose memory does not grow with the number of values.
//!
//! A summary keeps some of the values, each with how many it stands for (`weight`) and how far its rank may be
//! off (`spread`). New values wait in a buffer until there are [`BUFFER`], are then sorted in, and neighbours
//! that one of them can stand for are merged. Sizes are Spark's, so that the same value comes out.

use super::percentile::{element, shares};
use super::{Fold, Made, Shape, Updates, column, constant, each, number_of};
use crate::engine::EngineError;
use crate::engine::columns::series_of;
use crate::engine::eval::access::numbers;
use crate::engine::state::slots::Slots;
use crate::engine::state::stored::stored;
use crate::plan::expr::AggregateCall;
use crate::types::{DataType, Value};
use polars::prelude::Series;
use std::borrow::Cow;

/// Values that wait before they are sorted in.
const BUFFER: usize = 50_000;

/// Samples from which on a summary is compressed each time the buffer is sorted in.
const LARGE: usize = 10_000;

/// 1 / the error, where the call does not say.
const ACCURACY: i64 = 10_000;

pub(super) fn make(call: &AggregateCall) -> Result<Option<Made>, EngineError> {
    if call.function.0 != "approx_percentile" {
        return Ok(None);
    }
    let (shares, array) = shares(call)?;
    let accuracy = constant(call, 2).and_then(Value::as_int).unwrap_or(ACCURACY);
    let kind = Quantiles { shares, array, error: 1.0 / accuracy as f64, data_type: element(&call.data_type, array) };
    Ok(Some(column(kind, &[Shape::Double])))
}

struct Quantiles {
    shares: Vec<f64>,
    array: bool,
    /// How far the rank of a result may be off, as a share of all values.
    error: f64,
    data_type: DataType,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Sample {
    value: f64,
    /// By how much the least rank grows from the sample before.
    weight: i64,
    /// Between the least and the greatest possible rank.
    spread: i64,
}

#[derive(Clone, Default)]
struct Summary {
    samples: Vec<Sample>,
    /// Values that the samples stand for.
    count: i64,
    waiting: Vec<f64>,
}

stored!(Sample { value, weight, spread });

stored!(Summary { samples, count, waiting });

impl Summary {
    fn add(&mut self, value: f64, error: f64) {
        self.waiting.push(value);
        if self.waiting.len() >= BUFFER {
            self.sort_in(error);
            if self.samples.len() >= LARGE {
                self.merge_neighbours(error);
            }
        }
    }

    fn sort_in(&mut self, error: f64) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_by(f64::total_cmp);
        let mut merged = Vec::with_capacity(self.samples.len() + waiting.len());
        let mut at = 0;
        for (i, value) in waiting.iter().enumerate() {
            while at < self.samples.len() && self.samples[at].value <= *value {
                merged.push(self.samples[at]);
                at += 1;
            }
            self.count += 1;
            let edge = merged.is_empty() || at == self.samples.len() && i == waiting.len() - 1;
            let spread = if edge { 0 } else { (2.0 * error * self.count as f64).floor() as i64 };
            merged.push(Sample { value: *value, weight: 1, spread });
        }
        merged.extend_from_slice(&self.samples[at..]);
        self.samples = merged;
    }

    fn merge_neighbours(&mut self, error: f64) {
        let threshold = 2.0 * error * self.count as f64;
        let (Some(first), Some(last)) = (self.samples.first().copied(), self.samples.last().copied()) else { return };
        let mut kept = Vec::new();
        let mut head = last;
        for sample in self.samples.iter().rev().skip(1).take(self.samples.len().saturating_sub(2)) {
            if ((sample.weight + head.weight + head.spread) as f64) < threshold {
                head.weight += sample.weight;
            } else {
                kept.push(head);
                head = *sample;
            }
        }
        kept.push(head);
        if first.value <= head.value && self.samples.len() > 1 {
            kept.push(first);
        }
        kept.reverse();
        self.samples = kept;
    }

    /// All values sorted in and compressed.
    fn settled(&self, error: f64) -> Cow<'_, Summary> {
        if self.waiting.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut summary = self.clone();
        summary.settle(error);
        Cow::Owned(summary)
    }

    fn settle(&mut self, error: f64) {
        if !self.waiting.is_empty() {
            self.sort_in(error);
            self.merge_neighbours(error);
        }
    }

    /// Two settled summaries as one: a sample amid the other's may be off by as much as those are.
    fn join(&mut self, other: Summary, error: f64) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = other;
            return;
        }
        let drift = |count: i64| (2.0 * error * count as f64).floor() as i64;
        let (own, others) = (drift(other.count), drift(self.count));
        let mut merged = Vec::with_capacity(self.samples.len() + other.samples.len());
        let (mut i, mut j) = (0, 0);
        while i < self.samples.len() && j < other.samples.len() {
            let (mine, theirs) = (self.samples[i], other.samples[j]);
            if mine.value < theirs.value {
                i += 1;
                merged.push(Sample { spread: mine.spread + if j > 0 { own } else { 0 }, ..mine });
            } else {
                j += 1;
                merged.push(Sample { spread: theirs.spread + if i > 0 { others } else { 0 }, ..theirs });
            }
        }
        merged.extend_from_slice(&self.samples[i..]);
        merged.extend_from_slice(&other.samples[j..]);
        self.samples = merged;
        self.count += other.count;
        self.merge_neighbours(error);
    }

    /// The value whose rank is that share of all, within the error; the summary is settled and not empty.
    fn at(&self, share: f64, error: f64) -> f64 {
        let (first, last) = (self.samples[0].value, self.samples[self.samples.len() - 1].value);
        if share <= error {
            return first;
        }
        if share >= 1.0 - error {
            return last;
        }
        let rank = (share * self.count as f64).ceil();
        let tolerance = self.samples.iter().map(|s| s.weight + s.spread).max().unwrap_or(0) as f64 / 2.0;
        let mut least = 0;
        for sample in &self.samples[..self.samples.len() - 1] {
            least += sample.weight;
            let most = least + sample.spread;
            if most as f64 - tolerance <= rank && rank <= least as f64 + tolerance {
                return sample.value;
            }
        }
        last
    }
}

impl Fold for Quantiles {
    type State = Summary;
    const HEAP: bool = true;

    fn update(&self, states: &mut Slots<Summary>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let values = numbers::<f64>(&args[0])?;
        each(updates, values.validity, |slot, row| states[slot].add(values.values[row], self.error));
        Ok(())
    }

    fn merge(&self, into: &mut Summary, mut from: Summary) -> Result<(), EngineError> {
        into.settle(self.error);
        from.settle(self.error);
        into.join(from, self.error);
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a Summary>) -> Result<Series, EngineError> {
        let mut out = Vec::with_capacity(states.len());
        for state in states {
            let summary = state.settled(self.error);
            let one = |share: &f64| number_of(summary.at(*share, self.error), &self.data_type);
            out.push(match (summary.samples.is_empty(), self.array) {
                (true, _) => Value::Null,
                (false, true) => Value::Array(self.shares.iter().map(one).collect()),
                (false, false) => one(&self.shares[0]),
            });
        }
        let data_type = if self.array { DataType::array(self.data_type.clone()) } else { self.data_type.clone() };
        Ok(series_of(&out, &data_type))
    }

    fn heap(&self, state: &Summary) -> usize {
        state.samples.capacity() * size_of::<Sample>() + state.waiting.capacity() * 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(values: impl Iterator<Item = i64>, error: f64) -> Summary {
        let mut summary = Summary::default();
        values.for_each(|v| summary.add(v as f64, error));
        summary.settle(error);
        summary
    }

    #[test]
    fn ranks_are_those_of_spark() {
        // approx_percentile(id, array(0.1, 0.25, 0.5, 0.9, 0.99), accuracy) in Spark 4.3.
        let shares = [0.1, 0.25, 0.5, 0.9, 0.99];
        let small = summary(0..1000, 0.1);
        assert_eq!(shares.map(|s| small.at(s, 0.1)), [0.0, 155.0, 412.0, 999.0, 999.0]);
        let large = summary(0..100_000, 0.01);
        assert_eq!(shares.map(|s| large.at(s, 0.01)), [10504.0, 24445.0, 49999.0, 89150.0, 99999.0]);
        let fine = summary((0..200_000).map(|i| i * 7919 % 100_003), 0.0001);
        assert_eq!(shares.map(|s| fine.at(s, 0.0001)), [9991.0, 24998.0, 49996.0, 89996.0, 99000.0]);
    }

    #[test]
    fn memory_does_not_follow_the_values() {
        let one = summary((0..1_000_000).map(|i| i * 7919 % 1_000_003), 0.001);
        assert!(one.samples.len() < 5_000, "{} samples", one.samples.len());
    }

    #[test]
    fn joined_summaries_stay_within_twice_the_error() {
        let mut all = summary(0..50_000, 0.01);
        all.join(summary(50_000..100_000, 0.01), 0.01);
        assert_eq!(all.count, 100_000);
        for share in [0.1, 0.5, 0.9] {
            assert!((all.at(share, 0.01) / 100_000.0 - share).abs() < 0.02, "{share}");
        }
    }
}
