//! Dates and timestamps in text, as Spark's JSON and CSV readers take them without a pattern.

use chrono::{Datelike, LocalResult, NaiveDateTime, Offset as _, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use std::sync::Arc;

/// Reads a date (days) or a time (microseconds) by a pattern that an option gave.
#[derive(Clone)]
pub(crate) struct Pattern {
    text: String,
    parse: Arc<dyn Fn(&str) -> Option<i64> + Send + Sync>,
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
    zone: Tz,
    last_date: [u8; 10],
    last_days: i64,
}

impl TimeReader {
    /// For texts without a zone of their own, in `zone`.
    pub(crate) fn new(zone: Tz) -> TimeReader {
        TimeReader { zone, last_date: [0; 10], last_days: 0 }
    }

    /// The session's zone.
    pub(crate) fn zone(&self) -> Tz {
        self.zone
    }

    /// Microseconds of a TIMESTAMP.
    #[inline]
    pub(crate) fn timestamp(&mut self, text: &[u8]) -> Option<i64> {
        if let Some((micros, utc)) = self.fast(text) {
            return if utc || self.zone == Tz::UTC { Some(micros) } else { local_to_utc(micros, self.zone) };
        }
        let (parts, zone) = segments(text)?;
        let zone = match zone {
            Some(text) => zone_of(&text)?,
            None => Zone::Named(self.zone),
        };
        let micros = match parts.date {
            Some(days) => days * DAY + parts.micros,
            None => today(&zone) * DAY + parts.micros,
        };
        match zone {
            Zone::Named(zone) => local_to_utc(micros, zone),
            Zone::Fixed(seconds) => Some(micros - i64::from(seconds) * SECOND),
        }
    }

    /// Microseconds of a TIMESTAMP_NTZ: a text with a zone is none.
    pub(crate) fn timestamp_ntz(&mut self, text: &[u8]) -> Option<i64> {
        match self.fast(text) {
            Some((micros, false)) => Some(micros),
            Some((_, true)) => None,
            None => match segments(text)? {
                (parts, None) => parts.date.map(|days| days * DAY + parts.micros),
                _ => None,
            },
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
    days_of(i64::from(year), two(date[5], date[6])?, two(date[8], date[9])?)
}

/// Days since the epoch of a date of the proleptic Gregorian calendar, if there is such a date.
pub(crate) fn days_of(year: i64, month: u32, day: u32) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if day == 0 || day > longest {
        return None;
    }
    // Years begin in March here, so that the leap day comes last.
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let of_era = y.rem_euclid(400);
    let of_year = (153 * (i64::from(month) + if month > 2 { -3 } else { 9 }) + 2) / 5 + i64::from(day) - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// Days of a DATE: `y…y[-m[-d[(T| )anything]]]`, else a bare number of days.
pub(crate) fn date(text: &[u8]) -> Option<i32> {
    if let Some(days) = text.first_chunk::<10>().filter(|_| text.len() == 10).and_then(plain_date) {
        return i32::try_from(days).ok();
    }
    spark_date(text).or_else(|| std::str::from_utf8(text).ok()?.parse::<i32>().ok())
}

fn spark_date(text: &[u8]) -> Option<i32> {
    let text = trim(text);
    let (sign, mut rest) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, text),
    };
    let mut parts = [1i64, 1, 1];
    for (i, part) in parts.iter_mut().enumerate() {
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if !(if i == 0 { 4..=7 } else { 1..=2 }).contains(&digits) {
            return None;
        }
        *part = rest[..digits].iter().fold(0, |n, d| n * 10 + i64::from(d - b'0'));
        rest = &rest[digits..];
        match rest {
            [] => break,
            [b'-', more @ ..] if i < 2 => rest = more,
            [b'T' | b' ', ..] if i == 2 => break,
            _ => return None,
        }
    }
    let days = days_of(sign * parts[0], parts[1] as u32, parts[2] as u32)?;
    i32::try_from(days).ok()
}

/// What a text says of a time: its date, unless it has only a time of day, and microseconds into the day.
struct Parts {
    date: Option<i64>,
    micros: i64,
}

/// White space and control characters at both ends do not count.
fn trim(text: &[u8]) -> &[u8] {
    let blank = |b: &u8| *b <= b' ' || *b == 0x7f;
    let start = text.iter().position(|b| !blank(b)).unwrap_or(text.len());
    let end = text.iter().rposition(|b| !blank(b)).map_or(start, |i| i + 1);
    &text[start..end]
}

/// The general form: `[+-]y…y[-m[-d[(T| )h[:m[:s[.f]][zone]]]]]]`, or a time of day `[T]h:m:s[.f][zone]`.
/// A zone can only follow the seconds.
fn segments(text: &[u8]) -> Option<(Parts, Option<String>)> {
    let text = trim(text);
    let signed = matches!(text.first(), Some(b'-' | b'+'));
    let sign = if text.first() == Some(&b'-') { -1 } else { 1 };
    let body = if signed { &text[1..] } else { text };
    let mut rest = body;
    let mut date = [1i64, 1, 1];
    let mut just_time = false;
    if let (false, [b'T', more @ ..]) = (signed, body) {
        just_time = true;
        rest = more;
    } else if !signed && body.iter().position(|b| !b.is_ascii_digit()).is_some_and(|i| body[i] == b':') {
        just_time = true;
    } else {
        for (i, part) in date.iter_mut().enumerate() {
            (*part, rest) = digits(rest, if i == 0 { 4..=6 } else { 1..=2 })?;
            match rest {
                [] => return finish_date(sign, date, 0, false).map(|p| (p, None)),
                [b'-', more @ ..] if i < 2 => rest = more,
                [b'T' | b' ', more @ ..] if i == 2 => rest = more,
                _ => return None,
            }
        }
    }
    let mut clock = [0i64; 3];
    let mut micros = 0;
    let mut zone = None;
    for (i, part) in clock.iter_mut().enumerate() {
        (*part, rest) = digits(rest, 1..=2)?;
        match rest {
            [] => break,
            [b':', more @ ..] if i < 2 => rest = more,
            _ if i == 2 => {
                if let [b'.', fraction @ ..] = rest {
                    let n = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
                    micros = (0..6).fold(0, |v, k| v * 10 + if k < n { i64::from(fraction[k] - b'0') } else { 0 });
                    rest = &fraction[n..];
                }
                if !rest.is_empty() {
                    zone = Some(std::str::from_utf8(rest).ok()?.to_string());
                }
            }
            _ => return None,
        }
    }
    if clock[0] > 23 || clock[1] > 59 || clock[2] > 59 {
        return None;
    }
    let micros = ((clock[0] * 60 + clock[1]) * 60 + clock[2]) * SECOND + micros;
    Some((finish_date(sign, date, micros, just_time)?, zone))
}

fn digits(text: &[u8], allowed: std::ops::RangeInclusive<usize>) -> Option<(i64, &[u8])> {
    let n = text.iter().take_while(|b| b.is_ascii_digit()).count();
    if !allowed.contains(&n) {
        return None;
    }
    Some((text[..n].iter().fold(0, |v, d| v * 10 + i64::from(d - b'0')), &text[n..]))
}

fn finish_date(sign: i64, date: [i64; 3], micros: i64, just_time: bool) -> Option<Parts> {
    let days = if just_time { None } else { Some(days_of(sign * date[0], date[1] as u32, date[2] as u32)?) };
    Some(Parts { date: days, micros })
}

/// A time zone of a timestamp's text.
enum Zone {
    Named(Tz),
    /// Seconds east of Greenwich.
    Fixed(i32),
}

/// `Z`, `+h[h][:]mm`, `UTC+1`, `GMT-03:00`, or a region's name.
fn zone_of(text: &str) -> Option<Zone> {
    let text = text.trim();
    if matches!(text, "Z" | "UTC" | "GMT" | "UT") {
        return Some(Zone::Fixed(0));
    }
    let bare = ["UTC", "GMT", "UT"].iter().find_map(|p| text.strip_prefix(p)).unwrap_or(text);
    if let Some(sign) = bare.chars().next().filter(|c| matches!(c, '+' | '-')) {
        let seconds = offset_seconds(&bare[1..])?;
        return Some(Zone::Fixed(if sign == '-' { -seconds } else { seconds }));
    }
    text.parse::<Tz>().ok().map(Zone::Named)
}

fn offset_seconds(text: &str) -> Option<i32> {
    let colon: Vec<&str> = text.split(':').collect();
    let parts: Vec<&str> = match (colon.as_slice(), text.len()) {
        ([_], 1 | 2) => vec![text],
        ([_], 4 | 6) => text.as_bytes().chunks(2).filter_map(|c| std::str::from_utf8(c).ok()).collect(),
        ([_, _] | [_, _, _], _) => colon,
        _ => return None,
    };
    let mut seconds = 0;
    for (i, part) in parts.iter().enumerate() {
        let ok = part.bytes().all(|b| b.is_ascii_digit()) && (1..=2).contains(&part.len());
        let n: i32 = if ok { part.parse().ok()? } else { return None };
        seconds += n * [3600, 60, 1].get(i)?;
    }
    if seconds > 18 * 3600 { None } else { Some(seconds) }
}

#[expect(clippy::disallowed_methods, reason = "a time of day without a date means today, as in Spark")]
fn today(zone: &Zone) -> i64 {
    let now = Utc::now();
    let date = match zone {
        Zone::Named(zone) => now.with_timezone(zone).date_naive(),
        Zone::Fixed(seconds) => (now + TimeDelta::seconds(i64::from(*seconds))).date_naive(),
    };
    i64::from(date.num_days_from_ce()) - 719_163
}

/// The instant of a wall-clock time: the earlier one where the clock goes back; in a gap the clock's old offset counts.
pub(crate) fn local_to_utc(micros: i64, zone: Tz) -> Option<i64> {
    if zone == Tz::UTC {
        return Some(micros);
    }
    let at = |micros: i64| -> Option<NaiveDateTime> { chrono::DateTime::from_timestamp_micros(micros).map(|t| t.naive_utc()) };
    let Some(local) = at(micros) else { return Some(micros) };
    let offset = match zone.offset_from_local_datetime(&local) {
        LocalResult::Single(offset) | LocalResult::Ambiguous(offset, _) => offset,
        LocalResult::None => zone.offset_from_local_datetime(&(local - TimeDelta::hours(24))).earliest()?,
    };
    Some(micros - i64::from(offset.fix().local_minus_utc()) * SECOND)
}

/// The inside of `INTERVAL '…' UNIT [TO UNIT]`, or the bare text, with its sign taken off.
fn interval_body(text: &str) -> (i64, &str) {
    let text = text.trim();
    let body = match text.get(..8).filter(|head| head.eq_ignore_ascii_case("interval")) {
        Some(_) => text[8..].trim_start().trim_start_matches('\'').split('\'').next().unwrap_or(""),
        None => text,
    };
    match body.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, body.strip_prefix('+').unwrap_or(body)),
    }
}

/// Months of an INTERVAL YEAR TO MONTH: `1-2` or `INTERVAL '1-2' YEAR TO MONTH`.
pub(crate) fn months(text: &str) -> Option<i32> {
    let (sign, body) = interval_body(text);
    let (years, months) = body.split_once('-')?;
    let months: i64 = months.parse().ok().filter(|m| (0..12).contains(m))?;
    let total = years.parse::<u32>().ok().map(i64::from)?.checked_mul(12)?.checked_add(months)?;
    i32::try_from(sign * total).ok()
}

/// Microseconds of an INTERVAL DAY TO SECOND: `1 02:03:04.5` or `INTERVAL '1 02:03:04.5' DAY TO SECOND`.
pub(crate) fn micros(text: &str) -> Option<i64> {
    let (sign, body) = interval_body(text);
    let (days, clock) = body.split_once(' ')?;
    let days = i64::from(days.parse::<u32>().ok()?);
    let parts: Vec<&str> = clock.split(':').collect();
    let [hours, minutes, seconds] = parts.as_slice() else { return None };
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let part = |text: &str, most: i64| text.parse::<u32>().ok().map(i64::from).filter(|n| *n <= most);
    let clock = part(hours, 23)? * 3600 + part(minutes, 59)? * 60 + part(seconds, 59)?;
    if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let micros = fraction.bytes().chain(std::iter::repeat(b'0')).take(6).fold(0, |n, d| n * 10 + i64::from(d - b'0'));
    days.checked_mul(DAY)?.checked_add(clock * SECOND + micros).map(|n| sign * n)
}

/// Months, days and microseconds of an INTERVAL: `1 month 2 days 3 seconds`.
pub(crate) fn calendar(text: &str) -> Option<(i32, i32, i64)> {
    let parts = crate::lang::literal::parse_interval_text(text).ok()?;
    Some((parts.months, parts.days, parts.micros))
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
            assert_eq!(reader.timestamp(text.as_bytes()), want, "{text}");
        }
        assert_eq!(reader.timestamp_ntz(b"2024-01-31T10:20:30"), Some(base));
        assert_eq!(reader.timestamp_ntz(b"2024-01-31T10:20:30Z"), None);
        assert_eq!(reader.timestamp_ntz(b"10:20:30"), None);
    }

    #[test]
    fn zones_follow_java() {
        let paris = Tz::Europe__Paris;
        let spring = 1_711_850_400_000_000 + 1_800_000_000; // 2024-03-31 02:30, which does not exist
        assert_eq!(local_to_utc(spring, paris), Some(spring - 3_600_000_000));
        let autumn = 1_729_996_200_000_000; // 2024-10-27 02:30, which comes twice
        assert_eq!(local_to_utc(autumn, paris), Some(autumn - 7_200_000_000));
    }

    #[test]
    fn dates() {
        assert_eq!(date(b"1970-01-02"), Some(1));
        assert_eq!(date(b"2024-01-31T99"), Some(19_753));
        assert_eq!(date(b"2024"), Some(19_723));
        assert_eq!(date(b"20240131"), Some(20_240_131));
        assert_eq!(date(b"2024-02-30"), None);
        assert_eq!(date(b"31/01/2024"), None);
    }
}
