//! Variances, skewness, kurtosis, covariances and linear regression, by updates of central moments.

use super::{Fold, Made, Shape, Updates, column, each};
use crate::engine::EngineError;
use crate::engine::eval::access::{self, Output, both_valid, numbers};
use crate::engine::state::slots::Slots;
use crate::engine::state::stored::stored;
use polars::prelude::Series;

pub(super) fn make(name: &str) -> Option<Result<Made, EngineError>> {
    type One = fn(&Spread) -> Option<f64>;
    type Two = fn(&Joint) -> Option<f64>;
    let one: Option<One> = match name {
        "var_pop" => Some(|s| (s.n > 0.0).then(|| s.m2 / s.n)),
        "var_samp" => Some(|s| (s.n > 1.0).then(|| s.m2 / (s.n - 1.0))),
        "stddev_pop" => Some(|s| (s.n > 0.0).then(|| (s.m2 / s.n).sqrt())),
        "stddev_samp" => Some(|s| (s.n > 1.0).then(|| (s.m2 / (s.n - 1.0)).sqrt())),
        _ => None,
    };
    if let Some(result) = one {
        return Some(Ok(column(Variance { result }, &[Shape::Double])));
    }
    let higher: Option<fn(&Shape4) -> Option<f64>> = match name {
        "skewness" => Some(|s| (s.n > 0.0 && s.m2 != 0.0).then(|| s.n.sqrt() * s.m3 / (s.m2 * s.m2 * s.m2).sqrt())),
        "kurtosis" => Some(|s| (s.n > 0.0 && s.m2 != 0.0).then(|| s.n * s.m4 / (s.m2 * s.m2) - 3.0)),
        _ => None,
    };
    if let Some(result) = higher {
        return Some(Ok(column(Higher { result }, &[Shape::Double])));
    }
    let two: Two = match name {
        "covar_pop" => |s| (s.n > 0.0).then(|| s.xy / s.n),
        "covar_samp" => |s| (s.n > 1.0).then(|| s.xy / (s.n - 1.0)),
        "corr" => |s| (s.n > 1.0 && s.xx * s.yy != 0.0).then(|| s.xy / (s.xx * s.yy).sqrt()),
        "regr_avgx" => |s| (s.n > 0.0).then_some(s.x),
        "regr_avgy" => |s| (s.n > 0.0).then_some(s.y),
        "regr_sxx" => |s| (s.n > 0.0).then_some(s.xx),
        "regr_syy" => |s| (s.n > 0.0).then_some(s.yy),
        "regr_sxy" => |s| (s.n > 0.0).then_some(s.xy),
        "regr_slope" => |s| (s.n > 0.0 && s.xx != 0.0).then(|| s.xy / s.xx),
        "regr_intercept" => |s| (s.n > 0.0 && s.xx != 0.0).then(|| s.y - s.xy / s.xx * s.x),
        // Here x is the first argument, as for corr.
        "regr_r2" => |s| {
            let corr = s.xy / (s.xx * s.yy).sqrt();
            (s.n > 0.0 && s.yy != 0.0).then_some(if s.xx == 0.0 { 1.0 } else { corr * corr })
        },
        _ => return None,
    };
    // The functions of regression take y first, as SQL has it. The order shows in the last bits.
    let y_first = name.starts_with("regr_") && name != "regr_r2";
    Some(Ok(column(Pairs { result: two, y_first }, &[Shape::Double, Shape::Double])))
}

fn results<'a, S: 'a>(states: impl ExactSizeIterator<Item = &'a S>, result: fn(&S) -> Option<f64>) -> Result<Series, EngineError> {
    let mut builder = f64::builder(states.len());
    for state in states {
        match result(state) {
            Some(v) => v.push_to(&mut builder),
            None => f64::push_null(&mut builder),
        }
    }
    Ok(<f64 as access::Output>::finish(builder))
}

/// Count, mean and second central moment.
#[derive(Clone, Copy, Default)]
struct Spread {
    n: f64,
    mean: f64,
    m2: f64,
}

stored!(Spread { n, mean, m2 });

struct Variance {
    result: fn(&Spread) -> Option<f64>,
}

impl Fold for Variance {
    type State = Spread;

    fn update(&self, states: &mut Slots<Spread>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let values = numbers::<f64>(&args[0])?;
        each(updates, values.validity, |slot, row| {
            let s = &mut states[slot];
            s.n += 1.0;
            let delta = values.values[row] - s.mean;
            let share = delta / s.n;
            s.mean += share;
            s.m2 += delta * (delta - share);
        });
        Ok(())
    }

    fn merge(&self, into: &mut Spread, from: Spread) -> Result<(), EngineError> {
        if from.n > 0.0 {
            let (n, delta) = (into.n + from.n, from.mean - into.mean);
            into.m2 += from.m2 + delta * delta * into.n * from.n / n;
            into.mean += delta * from.n / n;
            into.n = n;
        }
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a Spread>) -> Result<Series, EngineError> {
        results(states, self.result)
    }
}

/// Count, mean and central moments up to the fourth.
#[derive(Clone, Copy, Default)]
struct Shape4 {
    n: f64,
    mean: f64,
    m2: f64,
    m3: f64,
    m4: f64,
}

stored!(Shape4 { n, mean, m2, m3, m4 });

impl Shape4 {
    /// The moments of both together.
    fn merge(&self, other: &Shape4) -> Shape4 {
        let (a, b) = (self.n, other.n);
        let n = a + b;
        if b == 0.0 || a == 0.0 {
            return if b == 0.0 { *self } else { *other };
        }
        let delta = other.mean - self.mean;
        let share = delta / n;
        Shape4 {
            n,
            mean: self.mean + share * b,
            m2: self.m2 + other.m2 + delta * share * a * b,
            m3: self.m3 + other.m3 + share * share * delta * a * b * (a - b) + 3.0 * share * (a * other.m2 - b * self.m2),
            m4: self.m4
                + other.m4
                + share * share * share * delta * a * b * (a * a - a * b + b * b)
                + 6.0 * share * share * (a * a * other.m2 + b * b * self.m2)
                + 4.0 * share * (a * other.m3 - b * self.m3),
        }
    }
}

struct Higher {
    result: fn(&Shape4) -> Option<f64>,
}

impl Fold for Higher {
    type State = Shape4;

    fn update(&self, states: &mut Slots<Shape4>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let values = numbers::<f64>(&args[0])?;
        each(updates, values.validity, |slot, row| {
            let s = &mut states[slot];
            s.n += 1.0;
            let delta = values.values[row] - s.mean;
            let share = delta / s.n;
            let (delta2, share2) = (delta * delta, share * share);
            s.mean += share;
            s.m2 += delta * (delta - share);
            s.m3 += delta * (delta2 - share2) - 3.0 * share * s.m2;
            s.m4 += delta * (delta * delta2 - share * share2) - 4.0 * share * s.m3 - 6.0 * share2 * s.m2;
        });
        Ok(())
    }

    fn merge(&self, into: &mut Shape4, from: Shape4) -> Result<(), EngineError> {
        *into = into.merge(&from);
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a Shape4>) -> Result<Series, EngineError> {
        results(states, self.result)
    }
}

/// Means, sums of squared deviations and of products of deviations.
#[derive(Clone, Copy, Default)]
struct Joint {
    n: f64,
    x: f64,
    y: f64,
    xx: f64,
    yy: f64,
    xy: f64,
}

stored!(Joint { n, x, y, xx, yy, xy });

struct Pairs {
    result: fn(&Joint) -> Option<f64>,
    y_first: bool,
}

impl Fold for Pairs {
    type State = Joint;

    fn update(&self, states: &mut Slots<Joint>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let (y, x) = if self.y_first { (0, 1) } else { (1, 0) };
        let (ys, xs) = (numbers::<f64>(&args[y])?, numbers::<f64>(&args[x])?);
        let valid = both_valid(ys.validity, xs.validity, ys.values.len());
        each(updates, valid.as_ref(), |slot, row| {
            let s = &mut states[slot];
            s.n += 1.0;
            let (dx, dy) = (xs.values[row] - s.x, ys.values[row] - s.y);
            let (sx, sy) = (dx / s.n, dy / s.n);
            s.x += sx;
            s.y += sy;
            s.xy += dx * (ys.values[row] - s.y);
            s.xx += dx * (xs.values[row] - s.x);
            s.yy += dy * (ys.values[row] - s.y);
        });
        Ok(())
    }

    fn merge(&self, into: &mut Joint, from: Joint) -> Result<(), EngineError> {
        if from.n > 0.0 {
            let n = into.n + from.n;
            let (dx, dy) = (from.x - into.x, from.y - into.y);
            let share = into.n * from.n / n;
            into.xx += from.xx + dx * dx * share;
            into.yy += from.yy + dy * dy * share;
            into.xy += from.xy + dx * dy * share;
            into.x += dx * from.n / n;
            into.y += dy * from.n / n;
            into.n = n;
        }
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a Joint>) -> Result<Series, EngineError> {
        results(states, self.result)
    }
}
