//! Calendar arithmetic and time zones, on plain numbers of days and microseconds.
//!
//! Dates are proleptic Gregorian. A wall-clock time that a zone skips is moved forward by the length of the gap,
//! one that it shows twice means the earlier instant: both as `java.time` does, which Spark uses.

use chrono::{NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;

const SECOND: i64 = 1_000_000;

/// A place on the calendar of the world: a fixed offset or a zone with rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Microseconds ahead of UTC.
    Fixed(i64),
    Named(Tz),
}

/// Java's three-letter names, and the names or offsets that they stand for.
const SHORT: &[(&str, &str)] = &[
    ("ACT", "Australia/Darwin"),
    ("AET", "Australia/Sydney"),
    ("AGT", "America/Argentina/Buenos_Aires"),
    ("ART", "Africa/Cairo"),
    ("AST", "America/Anchorage"),
    ("BET", "America/Sao_Paulo"),
    ("BST", "Asia/Dhaka"),
    ("CAT", "Africa/Harare"),
    ("CNT", "America/St_Johns"),
    ("CST", "America/Chicago"),
    ("CTT", "Asia/Shanghai"),
    ("EAT", "Africa/Addis_Ababa"),
    ("ECT", "Europe/Paris"),
    ("EST", "-05:00"),
    ("HST", "-10:00"),
    ("IET", "America/Indiana/Indianapolis"),
    ("IST", "Asia/Kolkata"),
    ("JST", "Asia/Tokyo"),
    ("MIT", "Pacific/Apia"),
    ("MST", "-07:00"),
    ("NET", "Asia/Yerevan"),
    ("NST", "Pacific/Auckland"),
    ("PLT", "Asia/Karachi"),
    ("PNT", "America/Phoenix"),
    ("PRT", "America/Puerto_Rico"),
    ("PST", "America/Los_Angeles"),
    ("SST", "Pacific/Guadalcanal"),
    ("VST", "Asia/Ho_Chi_Minh"),
];

impl Zone {
    /// UTC.
    pub const UTC: Zone = Zone(Kind::Fixed(0));

    /// The zone of a session.
    pub fn new(tz: Tz) -> Zone {
        use chrono_tz::Tz::{Etc__GMT, Etc__UCT, Etc__UTC, Etc__Universal, Etc__Zulu, GMT, UCT, UTC, Universal, Zulu};
        let fixed = matches!(tz, UTC | GMT | Zulu | UCT | Universal | Etc__UTC | Etc__GMT | Etc__Zulu | Etc__UCT | Etc__Universal);
        Zone(if fixed { Kind::Fixed(0) } else { Kind::Named(tz) })
    }

    /// The zone of that name as Spark reads it: `Europe/Paris`, `+1`, `-08:30`, `UTC+2`, `Z`, `PST`.
    pub fn named(name: &str) -> Option<Zone> {
        let name = name.trim();
        let name = SHORT.iter().find(|(short, _)| *short == name).map_or(name, |(_, long)| long);
        match name {
            "Z" | "UTC" | "GMT" | "UT" => return Some(Zone::UTC),
            _ => {}
        }
        if name.starts_with(['+', '-']) {
            return offset(name).map(|micros| Zone(Kind::Fixed(micros)));
        }
        for prefix in ["UTC", "GMT", "UT"] {
            if let Some(rest) = name.strip_prefix(prefix)
                && rest.starts_with(['+', '-'])
            {
                return offset(rest).map(|micros| Zone(Kind::Fixed(micros)));
            }
        }
        name.parse::<Tz>().ok().map(Zone::new)
    }

    /// The same zone under a name of the time zone database; `None` for an offset that is no whole hour.
    pub fn tz(&self) -> Option<Tz> {
        match self.0 {
            Kind::Named(tz) => Some(tz),
            Kind::Fixed(0) => Some(Tz::UTC),
            // The names count westwards.
            Kind::Fixed(micros) if micros % (3600 * SECOND) == 0 => format!("Etc/GMT{:+}", -micros / (3600 * SECOND)).parse().ok(),
            Kind::Fixed(_) => None,
        }
    }

    /// Whether local time is UTC, or ahead of it by the same amount, at all times.
    pub fn is_fixed(&self) -> bool {
        matches!(self.0, Kind::Fixed(_))
    }

    /// What a clock in the zone shows at an instant, both in microseconds.
    pub fn to_local(&self, instant: i64) -> i64 {
        instant.saturating_add(self.offset_at(instant))
    }

    /// Microseconds that local time is ahead of UTC at an instant.
    pub fn offset_at(&self, instant: i64) -> i64 {
        match (self.0, naive(instant)) {
            (Kind::Fixed(offset), _) => offset,
            (Kind::Named(tz), Some(utc)) => i64::from(tz.offset_from_utc_datetime(&utc).fix().local_minus_utc()) * SECOND,
            (Kind::Named(_), None) => 0,
        }
    }

    /// The instant at which a clock in the zone shows a local time.
    pub fn to_instant(&self, local: i64) -> i64 {
        let tz = match self.0 {
            Kind::Fixed(offset) => return local.saturating_sub(offset),
            Kind::Named(tz) => tz,
        };
        let Some(time) = naive(local) else { return local };
        let offset = |o: i32| i64::from(o) * SECOND;
        match tz.offset_from_local_datetime(&time) {
            chrono::LocalResult::Single(o) => local - offset(o.fix().local_minus_utc()),
            chrono::LocalResult::Ambiguous(first, _) => local - offset(first.fix().local_minus_utc()),
            // In a gap the offset before it applies, which moves the clock forward by the gap.
            chrono::LocalResult::None => local - self.offset_at(local - self.offset_at(local) - 3 * 3600 * SECOND),
        }
    }
}

/// `+1`, `+01`, `+01:30`, `+1:5`, `+0130`, `+01:30:15`, `+013015` in microseconds, up to 18 hours.
fn offset(text: &str) -> Option<i64> {
    let (sign, rest) = (if text.starts_with('-') { -1 } else { 1 }, &text[1..]);
    let number =
        |s: &str| (!s.is_empty() && s.len() <= 2 && s.bytes().all(|b| b.is_ascii_digit())).then(|| s.parse::<i64>().ok()).flatten();
    let (hours, minutes, seconds) = if rest.contains(':') {
        let mut parts = rest.split(':');
        let hours = number(parts.next()?)?;
        let minutes = number(parts.next()?)?;
        let seconds = match parts.next() {
            Some(s) if s.len() == 2 => number(s)?,
            Some(_) => return None,
            None => 0,
        };
        if parts.next().is_some() {
            return None;
        }
        (hours, minutes, seconds)
    } else {
        match rest.len() {
            1 | 2 => (number(rest)?, 0, 0),
            4 => (number(rest.get(..2)?)?, number(rest.get(2..)?)?, 0),
            6 => (number(rest.get(..2)?)?, number(rest.get(2..4)?)?, number(rest.get(4..)?)?),
            _ => return None,
        }
    };
    let total = hours * 3600 + minutes * 60 + seconds;
    (minutes < 60 && seconds < 60 && total <= 18 * 3600).then_some(sign * total * SECOND)
}

fn naive(micros: i64) -> Option<NaiveDateTime> {
    chrono::DateTime::from_timestamp_micros(micros).map(|d| d.naive_utc())
}

/// Days since 1970-01-01 of a date.
pub fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_index = i64::from((month + 9) % 12);
    let day_of_year = (153 * month_index + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a number of days since 1970-01-01.
pub fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_index + 2) / 5 + 1) as u32;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Whether February has 29 days.
pub fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Length of a month.
pub fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 => 28 + u32::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_agree() {
        for days in (-1_000_000..1_000_000).step_by(379) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
        assert_eq!(civil_from_days(0), (1970, 1, 1));
        assert_eq!(days_from_civil(2024, 2, 29), 19_782);
    }

    #[test]
    fn gaps_move_forward_and_overlaps_mean_the_earlier() {
        let paris = Zone::new(chrono_tz::Europe::Paris);
        let at = |y, m, d, hour: i64, minute: i64| days_from_civil(y, m, d) * 86_400_000_000 + (hour * 60 + minute) * 60 * SECOND;
        // 2024-03-31 02:30 does not exist: 03:30+02:00 is 01:30Z.
        assert_eq!(paris.to_instant(at(2024, 3, 31, 2, 30)), at(2024, 3, 31, 1, 30));
        // 2024-10-27 02:30 comes twice: the first is +02:00.
        assert_eq!(paris.to_instant(at(2024, 10, 27, 2, 30)), at(2024, 10, 27, 0, 30));
        assert_eq!(paris.to_local(at(2024, 7, 1, 10, 0)), at(2024, 7, 1, 12, 0));
    }
}
