//! Dates and timestamps in text, as Spark's JSON and CSV readers take them without a pattern.

use crate::engine::clock::{Clock, SystemClock};
use crate::engine::eval::parse;
use crate::engine::eval::zone::{Zone, days_from_civil, days_in_month};
use chrono_tz::Tz;
use std::sync::Arc;

/// Gives days or microseconds.
type Parse = dyn Fn(&str) -> Option<i64> + Send + Sync;

/// Reads a date (days) or a time (microseconds) by a pattern that an option gave.
#[derive(Clone)]
pub(crate) struct Pattern {
    text: String,
    parse: Arc<Parse>,
}

impl Pattern {
    /// A pattern spelt `text` that reads with `parse`.
    pub(crate) fn new(text: &str, parse: impl Fn(&str) -> Option<i64> + Send + Sync + 'static) -> Pattern {
        Pattern { text: text.to_string(), parse: Arc::new(parse) }
    }

    /// The days or microseconds of a text that fits.
    pub(crate) fn parse(&self, text: &str) -> Option<i64> {
        (self.parse)(text)
    }
}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Pattern").field(&self.text).finish()
    }
}

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// Parses timestamps and dates of one column; remembers the last date, because neighbours share it.
#[derive(Clone, Debug)]
pub(crate) struct TimeReader {
    zone: Zone,
    last_date: [u8; 10],
    last_days: i64,
}

impl TimeReader {
    /// For texts without a zone of their own, in `zone`.
    pub(crate) fn new(zone: Tz) -> TimeReader {
        TimeReader { zone: Zone::new(zone), last_date: [0; 10], last_days: 0 }
    }

    /// Microseconds of a TIMESTAMP.
    #[inline]
    pub(crate) fn timestamp(&mut self, text: &str) -> Option<i64> {
        match self.fast(text.as_bytes()) {
            Some((micros, true)) => Some(micros),
            Some((micros, false)) => Some(self.zone.to_instant(micros)),
            None => parse::timestamp(text, &self.zone, || today(self.zone)),
        }
    }

    /// Microseconds of a TIMESTAMP_NTZ: a text with a zone is none.
    pub(crate) fn timestamp_ntz(&mut self, text: &str) -> Option<i64> {
        match self.fast(text.as_bytes()) {
            Some((micros, false)) => Some(micros),
            Some((_, true)) => None,
            None => {
                let clock = text.trim_end().find(':').map_or("", |at| text[at..].trim_end());
                let zone = clock.contains(|c: char| !c.is_ascii_digit() && c != ':' && c != '.');
                if zone { None } else { parse::timestamp_ntz(text) }
            }
        }
    }

    /// `yyyy-mm-ddThh:mm:ss[.f…][Z]`: the form nearly all data has. Microseconds and whether it ends in Z.
    #[inline]
    fn fast(&mut self, text: &[u8]) -> Option<(i64, bool)> {
        let head: &[u8; 19] = text.first_chunk()?;
        let date: &[u8; 10] = head.first_chunk()?;
        let days = if *date == self.last_date {
            self.last_days
        } else {
            let days = plain_date(date)?;
            (self.last_date, self.last_days) = (*date, days);
            days
        };
        if (head[10] != b'T' && head[10] != b' ') || head[13] != b':' || head[16] != b':' {
            return None;
        }
        let (h, m, s) = (two(head[11], head[12])?, two(head[14], head[15])?, two(head[17], head[18])?);
        if h > 23 || m > 59 || s > 59 {
            return None;
        }
        let (mut micros, mut rest) = (0i64, &text[19..]);
        if let [b'.', digits @ ..] = rest {
            let mut n = 0;
            while let Some(d) = digits.get(n).filter(|d| d.is_ascii_digit()) {
                if n < 6 {
                    micros = micros * 10 + i64::from(d - b'0');
                }
                n += 1;
            }
            for _ in n..6 {
                micros *= 10;
            }
            rest = &digits[n..];
        }
        let utc = match rest {
            [] => false,
            [b'Z'] => true,
            _ => return None,
        };
        Some((days * DAY + (i64::from(h) * 3600 + i64::from(m) * 60 + i64::from(s)) * SECOND + micros, utc))
    }
}

#[inline]
fn two(a: u8, b: u8) -> Option<u32> {
    let (a, b) = (a.wrapping_sub(b'0'), b.wrapping_sub(b'0'));
    if a > 9 || b > 9 { None } else { Some(u32::from(a) * 10 + u32::from(b)) }
}

fn plain_date(date: &[u8; 10]) -> Option<i64> {
    if date[4] != b'-' || date[7] != b'-' {
        return None;
    }
    let year = two(date[0], date[1])? * 100 + two(date[2], date[3])?;
    let (month, day) = (two(date[5], date[6])?, two(date[8], date[9])?);
    let exists = (1..=12).contains(&month) && (1..=days_in_month(year.into(), month)).contains(&day);
    exists.then(|| days_from_civil(year.into(), month, day))
}

/// Days of a DATE: `y…y[-m[-d[(T| )anything]]]`, else a bare number of days.
pub(crate) fn date(text: &str) -> Option<i32> {
    parse::date(text).or_else(|| text.parse().ok())
}

/// Months, days and microseconds of an INTERVAL: `1 month 2 days 3 seconds`.
pub(crate) fn calendar(text: &str) -> Option<(i32, i32, i64)> {
    let parts = crate::lang::literal::parse_interval_text(text).ok()?;
    Some((parts.months, parts.days, parts.micros))
}

/// A time of day without a date means today, as in Spark.
fn today(zone: Zone) -> i64 {
    zone.to_local(SystemClock::default().now_micros()).div_euclid(DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_forms_spark_takes() {
        let mut reader = TimeReader::new(Tz::UTC);
        let base = 1_706_696_430_000_000; // 2024-01-31 10:20:30
        for (text, want) in [
            ("2024-01-31T10:20:30Z", Some(base)),
            ("2024-01-31 10:20:30", Some(base)),
            ("2024-01-31T10:20:30.123456789Z", Some(base + 123_456)),
            ("2024-01-31T10:20", Some(base - 30_000_000)),
            ("2024-01-31T10:20Z", None),
            ("2024-01-31T10:20:30+05:30", Some(base - 19_800_000_000)),
            ("2024-01-31T10:20:30+0530", Some(base - 19_800_000_000)),
            ("2024-01-31T10:20:30 Europe/Paris", Some(base - 3_600_000_000)),
            ("2024-01-31T10:20:30GMT+1", Some(base - 3_600_000_000)),
            (" 2024-01-31T10:20:30Z ", Some(base)),
            ("2024-01-31T10:20:30z", None),
            ("2024-01-31t10:20:30", None),
            ("2024-01-31T24:00:00", None),
            ("2024-02-30", None),
            ("2024-01", Some(1_704_067_200_000_000)),
            ("2024-1-1", Some(1_704_067_200_000_000)),
            ("2024-01-31T", None),
            ("", None),
            ("1700000000", None),
        ] {
            assert_eq!(reader.timestamp(text), want, "{text}");
        }
        assert_eq!(reader.timestamp_ntz("2024-01-31T10:20:30"), Some(base));
        assert_eq!(reader.timestamp_ntz("2024-01-31T10:20:30Z"), None);
        assert_eq!(reader.timestamp_ntz("2024-01-31T10:20:30+01:00"), None);
        assert_eq!(reader.timestamp_ntz("2024-01-31 10:20"), Some(base - 30_000_000));
        assert_eq!(reader.timestamp_ntz("10:20:30"), None);
    }

    #[test]
    fn dates() {
        assert_eq!(date("1970-01-02"), Some(1));
        assert_eq!(date("2024-01-31T99"), Some(19_753));
        assert_eq!(date("2024"), Some(19_723));
        assert_eq!(date("20240131"), Some(20_240_131));
        assert_eq!(date("2024-02-30"), None);
        assert_eq!(date("31/01/2024"), None);
    }
}
