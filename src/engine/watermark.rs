//! How far event time has come: what each WATERMARK saw → the watermarks of the next batch.
//!
//! Two watermarks go with a batch: it emits and evicts with its own, and drops rows that the one before
//! called late. So a late row has one batch of grace.

/// How the watermarks of several inputs become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// The one furthest behind: no input's rows are late because of another.
    #[default]
    Min,
    /// The one furthest ahead: rows of slower inputs are late.
    Max,
}

/// The watermarks of a query. Times in milliseconds since the epoch, as Spark keeps them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// Of each WATERMARK: its delay, and how far it has come; `None` before any data.
    inputs: Vec<(i64, Option<i64>)>,
    policy: Policy,
    current: i64,
    last: i64,
}

impl Watermarks {
    /// The start, at the epoch; delays in microseconds.
    pub fn new(delays_micros: &[i64], policy: Policy) -> Watermarks {
        Watermarks { inputs: delays_micros.iter().map(|d| (d.div_euclid(1000), None)).collect(), policy, current: 0, last: 0 }
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

    /// As text: the watermark in force, the one before, and how far each input has come; milliseconds, `-` for none yet.
    pub fn text(&self) -> String {
        let reached: Vec<String> = self.inputs.iter().map(|(_, r)| r.map_or("-".to_string(), |r| r.to_string())).collect();
        format!("{}/{}/{}", self.current, self.last, reached.join(","))
    }

    /// Goes on where `text` was written; `None` for other text. Inputs count only when there are as many.
    pub fn restore(&mut self, text: &str) -> Option<()> {
        let (current, rest) = text.split_once('/')?;
        let (last, reached) = rest.split_once('/')?;
        (self.current, self.last) = (current.parse().ok()?, last.parse().ok()?);
        let reached: Vec<Option<i64>> = reached.split(',').map(|r| r.parse().ok()).collect();
        if reached.len() == self.inputs.len() {
            self.inputs.iter_mut().zip(reached).for_each(|(input, r)| input.1 = r);
        }
        Some(())
    }

    /// A batch is done; `latest` holds the latest event time, in milliseconds, that each WATERMARK saw in it.
    /// An input without data yet stands at the epoch; a watermark never goes back.
    pub fn advance(&mut self, latest: &[Option<i64>]) {
        for ((delay, reached), latest) in self.inputs.iter_mut().zip(latest) {
            if let Some(latest) = latest {
                *reached = Some(reached.unwrap_or(i64::MIN).max(latest.saturating_sub(*delay)));
            }
        }
        self.last = self.current;
        let reached = self.inputs.iter().map(|(_, reached)| reached.unwrap_or(0));
        let chosen = match self.policy {
            Policy::Min => reached.min(),
            Policy::Max => reached.max(),
        };
        self.current = self.current.max(chosen.unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_latest_less_the_delay() {
        let mut w = Watermarks::new(&[10_000_000], Policy::Min);
        assert_eq!((w.evict(), w.late()), (Some(0), Some(0)));
        w.advance(&[Some(31_000)]);
        assert_eq!((w.evict(), w.late(), w.moved()), (Some(21_000_000), Some(0), true));
        w.advance(&[Some(5_000)]);
        assert_eq!((w.evict(), w.late(), w.moved()), (Some(21_000_000), Some(21_000_000), false));
        w.advance(&[None]);
        assert!(!w.moved());
        let mut again = Watermarks::new(&[10_000_000], Policy::default());
        assert_eq!(w.text(), "21000/21000/21000");
        assert_eq!((again.restore(&w.text()), &again), (Some(()), &w));
        assert_eq!(again.restore("x"), None);
    }

    #[test]
    fn takes_the_minimum_and_waits_for_the_silent() {
        let mut w = Watermarks::new(&[0, 1_000_000], Policy::Min);
        w.advance(&[Some(9_000), None]);
        assert_eq!(w.evict(), Some(0));
        w.advance(&[Some(12_000), Some(8_500)]);
        assert_eq!(w.evict(), Some(7_500_000));
    }

    #[test]
    fn takes_the_maximum_when_asked() {
        let mut w = Watermarks::new(&[0, 1_000_000], Policy::Max);
        w.advance(&[Some(9_000), None]);
        assert_eq!(w.evict(), Some(9_000_000));
        w.advance(&[None, Some(12_500)]);
        assert_eq!((w.evict(), w.late()), (Some(11_500_000), Some(9_000_000)));
    }

    #[test]
    fn a_query_without_has_none() {
        let mut w = Watermarks::new(&[], Policy::Min);
        w.advance(&[]);
        assert_eq!((w.evict(), w.late(), w.moved()), (None, None, false));
    }
}
