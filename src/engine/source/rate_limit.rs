//! How many rows a batch should take from a receiver: Spark's PID controller, as a pure function of what was observed.
//!
//! It aims at batches that take as long as their trigger interval: after each batch the rate moves by the error
//! between the rate asked for and the rate reached, and by what the backlog says (rows that waited while a batch
//! was late). Names and defaults are those of `spark.streaming.backpressure.*`.

/// The controller's settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateSettings {
    /// `spark.streaming.backpressure.pid.proportional`
    pub proportional: f64,
    /// `spark.streaming.backpressure.pid.integral`
    pub integral: f64,
    /// `spark.streaming.backpressure.pid.derived`
    pub derived: f64,
    /// `spark.streaming.backpressure.pid.minRate`, rows per second.
    pub min_rate: f64,
    /// `spark.streaming.backpressure.initialRate`, rows per second, until the controller has an estimate.
    pub initial_rate: Option<f64>,
    /// `spark.streaming.receiver.maxRate`, rows per second, never exceeded.
    pub max_rate: Option<f64>,
}

impl Default for RateSettings {
    fn default() -> RateSettings {
        RateSettings { proportional: 1.0, integral: 0.2, derived: 0.0, min_rate: 100.0, initial_rate: None, max_rate: None }
    }
}

/// A setting whose value does not fit: the setting's name and what it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRateSetting {
    /// Its name.
    pub name: String,
    /// A sentence.
    pub message: String,
}

/// Every setting read here.
pub const RATE_SETTINGS: &[&str] = &[
    "spark.streaming.backpressure.enabled",
    "spark.streaming.backpressure.initialRate",
    "spark.streaming.backpressure.pid.proportional",
    "spark.streaming.backpressure.pid.integral",
    "spark.streaming.backpressure.pid.derived",
    "spark.streaming.backpressure.pid.minRate",
    "spark.streaming.receiver.maxRate",
];

impl RateSettings {
    /// From the session's settings; `None` unless backpressure is enabled.
    pub fn read(setting: &dyn Fn(&str) -> Option<String>) -> Result<Option<RateSettings>, BadRateSetting> {
        let number = |name: &str, least: f64, strict: bool| -> Result<Option<f64>, BadRateSetting> {
            let Some(text) = setting(name) else { return Ok(None) };
            match text.trim().parse::<f64>() {
                Ok(n) if n.is_finite() && (n > least || (!strict && n == least)) => Ok(Some(n)),
                _ => {
                    let bound = if strict { "greater than" } else { "at least" };
                    Err(BadRateSetting {
                        name: name.to_string(),
                        message: format!("{name} is {text}, but must be a number {bound} {least}"),
                    })
                }
            }
        };
        let enabled = match setting("spark.streaming.backpressure.enabled").as_deref().map(str::trim) {
            None => false,
            Some(text) if text.eq_ignore_ascii_case("true") => true,
            Some(text) if text.eq_ignore_ascii_case("false") => false,
            Some(text) => {
                let name = "spark.streaming.backpressure.enabled".to_string();
                return Err(BadRateSetting { message: format!("{name} is {text}, but must be true or false"), name });
            }
        };
        let defaults = RateSettings::default();
        let settings = RateSettings {
            proportional: number("spark.streaming.backpressure.pid.proportional", 0.0, false)?.unwrap_or(defaults.proportional),
            integral: number("spark.streaming.backpressure.pid.integral", 0.0, false)?.unwrap_or(defaults.integral),
            derived: number("spark.streaming.backpressure.pid.derived", 0.0, false)?.unwrap_or(defaults.derived),
            min_rate: number("spark.streaming.backpressure.pid.minRate", 0.0, true)?.unwrap_or(defaults.min_rate),
            initial_rate: number("spark.streaming.backpressure.initialRate", 0.0, true)?,
            max_rate: number("spark.streaming.receiver.maxRate", 0.0, true)?,
        };
        Ok(enabled.then_some(settings))
    }
}

/// What a batch was like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchFacts {
    /// When it ended, milliseconds; only differences count.
    pub ended: i64,
    /// Rows it took.
    pub rows: u64,
    /// Milliseconds it worked.
    pub processing: f64,
    /// Milliseconds it started too late.
    pub waited: f64,
    /// Milliseconds between triggers.
    pub interval: f64,
}

/// The controller's memory.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Estimate {
    ended: i64,
    rate: f64,
    error: f64,
}

/// A rate that follows what the batches manage.
#[derive(Clone, Debug)]
pub struct RateLimit {
    settings: RateSettings,
    estimate: Option<Estimate>,
    /// The rate in force: from the second batch with rows on.
    rate: Option<f64>,
    interval: f64,
}

impl RateLimit {
    /// A controller that has seen nothing yet.
    pub fn new(settings: RateSettings) -> RateLimit {
        RateLimit { settings, estimate: None, rate: None, interval: 1000.0 }
    }

    /// Takes a batch into account. A batch without rows or time says nothing about the rate.
    pub fn observe(&mut self, facts: &BatchFacts) {
        self.interval = facts.interval;
        let (estimate, rate) = next_rate(&self.settings, self.estimate, facts);
        self.estimate = estimate;
        self.rate = rate.or(self.rate);
    }

    /// Rows per second in force; `None` while there is no limit.
    pub fn rate(&self) -> Option<f64> {
        match (self.rate.or(self.settings.initial_rate), self.settings.max_rate) {
            (Some(rate), Some(most)) => Some(rate.min(most)),
            (rate, most) => rate.or(most),
        }
    }

    /// Most rows of the next batch; at least one.
    pub fn rows_per_batch(&self) -> Option<u64> {
        self.rate().map(|rate| ((rate * self.interval / 1000.0) as u64).max(1))
    }
}

/// One step of the controller: its new memory and, from the second observation on, the new rate.
fn next_rate(settings: &RateSettings, last: Option<Estimate>, batch: &BatchFacts) -> (Option<Estimate>, Option<f64>) {
    if batch.rows == 0 || batch.processing <= 0.0 || last.is_some_and(|l| batch.ended <= l.ended) {
        return (last, None);
    }
    let reached = batch.rows as f64 / batch.processing * 1000.0;
    let Some(last) = last else {
        return (Some(Estimate { ended: batch.ended, rate: reached, error: 0.0 }), None);
    };
    let seconds = (batch.ended - last.ended) as f64 / 1000.0;
    let error = last.rate - reached;
    let backlog = batch.waited * reached / batch.interval;
    let slope = (error - last.error) / seconds;
    let rate = last.rate - settings.proportional * error - settings.integral * backlog - settings.derived * slope;
    let rate = rate.max(settings.min_rate);
    (Some(Estimate { ended: batch.ended, rate, error }), Some(rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (end, rows, processing, waited) → rate
    type Step = ((i64, u64, f64, f64), Option<f64>);

    /// Steps observed in Spark 4.3.
    fn check(settings: RateSettings, interval: f64, steps: &[Step]) {
        let mut memory = None;
        for ((ended, rows, processing, waited), expected) in steps {
            let facts = BatchFacts { ended: *ended, rows: *rows, processing: *processing, waited: *waited, interval };
            let (next, rate) = next_rate(&settings, memory, &facts);
            memory = next;
            match (rate, expected) {
                (Some(rate), Some(expected)) => assert!((rate - expected).abs() < 1e-5, "{facts:?}: {rate} is not {expected}"),
                (rate, expected) => assert_eq!(rate, *expected, "{facts:?}"),
            }
        }
    }

    #[test]
    fn follows_spark() {
        let settings = RateSettings { min_rate: 10.0, ..RateSettings::default() };
        let steps = [
            ((0, 0, 0.0, 0.0), None),
            ((1000, 2000, 1000.0, 0.0), None),
            ((2000, 2000, 1200.0, 200.0), Some(1600.0)),
            ((3000, 1500, 900.0, 400.0), Some(1_533.333_333)),
            ((4000, 0, 10.0, 0.0), None),
            ((5000, 1000, 0.0, 0.0), None),
            ((5000, 1000, 300.0, 0.0), Some(3_333.333_333)),
            ((6000, 1000, 300.0, 0.0), Some(3_333.333_333)),
            ((7000, 5, 900.0, 0.0), Some(10.0)),
        ];
        check(settings, 1000.0, &steps);
        let settings = RateSettings { derived: 0.5, ..RateSettings::default() };
        let steps = [
            ((1000, 500_000, 400.0, 0.0), None),
            ((1500, 500_000, 700.0, 100.0), Some(150_000.0)),
            ((2100, 300_000, 500.0, 200.0), Some(1_373_428.571_429)),
            ((2600, 200_000, 200.0, 0.0), Some(176_571.428_571)),
        ];
        check(settings, 500.0, &steps);
    }

    #[test]
    fn limits_rows_by_the_interval() {
        let mut limit = RateLimit::new(RateSettings { initial_rate: Some(50.0), max_rate: Some(900.0), ..RateSettings::default() });
        assert_eq!(limit.rows_per_batch(), Some(50));
        let facts = |ended, rows| BatchFacts { ended, rows, processing: 1000.0, waited: 0.0, interval: 2000.0 };
        limit.observe(&facts(1000, 1000));
        limit.observe(&facts(3000, 700));
        assert_eq!(limit.rows_per_batch(), Some(1400));
        limit.observe(&facts(5000, 4000));
        assert_eq!(limit.rows_per_batch(), Some(1800));
        assert_eq!(RateLimit::new(RateSettings::default()).rows_per_batch(), None);
    }

    #[test]
    fn settings_have_sparks_names() {
        let read = |pairs: &'static [(&str, &str)]| {
            RateSettings::read(&move |name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| v.to_string()))
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("spark.streaming.backpressure.enabled", "true")]), Ok(Some(RateSettings::default())));
        let bad = read(&[("spark.streaming.backpressure.pid.minRate", "0")]).unwrap_err();
        assert_eq!(bad.message, "spark.streaming.backpressure.pid.minRate is 0, but must be a number greater than 0");
    }
}
