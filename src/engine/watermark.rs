//! How far event time has come: what each WATERMARK saw → the watermarks of the next batch.
//!
//! Two watermarks go with a batch: it emits and evicts with its own, and drops rows that the one before
//! called late. So a late row has one batch of grace.

/// The watermarks of a query. Times in milliseconds since the epoch, as Spark keeps them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// Of each WATERMARK: its delay, and how far it has come; `None` before any data.
    inputs: Vec<(i64, Option<i64>)>,
    current: i64,
    last: i64,
}

impl Watermarks {
    /// The start, at the epoch; delays in microseconds.
    pub fn new(delays_micros: &[i64]) -> Watermarks {
        Watermarks { inputs: delays_micros.iter().map(|d| (d.div_euclid(1000), None)).collect(), current: 0, last: 0 }
    }

    /// Whether the query has a WATERMARK at all.
    pub fn any(&self) -> bool {
        !self.inputs.is_empty()
    }

    /// In force in the coming batch, in microseconds: groups at or below it leave.
    pub fn evict(&self) -> Option<i64> {
        self.any().then(|| self.current.saturating_mul(1000))
    }

    /// Of the batch before, in microseconds: rows at or below it are late in the coming batch.
    pub fn late(&self) -> Option<i64> {
        self.any().then(|| self.last.saturating_mul(1000))
    }

    /// Whether the coming batch would run with a later watermark than the last.
    pub fn moved(&self) -> bool {
        self.current > self.last
    }

    /// A batch is done; `latest` holds the latest event time, in milliseconds, that each WATERMARK saw in it.
    /// An input without data yet holds all others at the epoch; a watermark never goes back.
    pub fn advance(&mut self, latest: &[Option<i64>]) {
        for ((delay, reached), latest) in self.inputs.iter_mut().zip(latest) {
            if let Some(latest) = latest {
                *reached = Some(reached.unwrap_or(i64::MIN).max(latest.saturating_sub(*delay)));
            }
        }
        self.last = self.current;
        let least = self.inputs.iter().map(|(_, reached)| reached.unwrap_or(0)).min();
        self.current = self.current.max(least.unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_latest_less_the_delay() {
        let mut w = Watermarks::new(&[10_000_000]);
        assert_eq!((w.evict(), w.late()), (Some(0), Some(0)));
        w.advance(&[Some(31_000)]);
        assert_eq!((w.evict(), w.late(), w.moved()), (Some(21_000_000), Some(0), true));
        w.advance(&[Some(5_000)]);
        assert_eq!((w.evict(), w.late(), w.moved()), (Some(21_000_000), Some(21_000_000), false));
        w.advance(&[None]);
        assert!(!w.moved());
    }

    #[test]
    fn takes_the_minimum_and_waits_for_the_silent() {
        let mut w = Watermarks::new(&[0, 1_000_000]);
        w.advance(&[Some(9_000), None]);
        assert_eq!(w.evict(), Some(0));
        w.advance(&[Some(12_000), Some(8_500)]);
        assert_eq!(w.evict(), Some(7_500_000));
    }

    #[test]
    fn a_query_without_has_none() {
        let mut w = Watermarks::new(&[]);
        w.advance(&[]);
        assert_eq!((w.evict(), w.late(), w.moved()), (None, None, false));
    }
}
