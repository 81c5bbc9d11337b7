//! Writing a time by a datetime pattern.

use super::datetime_pattern::{Field, Item, QUARTERS, Sign, day_name, month_name};
use super::zone::{Zone, civil_from_days, days_from_civil};
use chrono_tz::Tz;
use std::fmt::Write as _;

const DAY: i64 = 86_400_000_000;

/// A date and time on its way into a text.
pub(super) struct Shown {
    year: i64,
    month: u32,
    day: u32,
    days: i64,
    /// Microseconds of the day.
    time: i64,
    instant: i64,
    /// Microseconds ahead of UTC.
    offset: i64,
    zone: Tz,
}

impl Shown {
    pub(super) fn new(local: i64, instant: i64, offset: i64, zone: Tz) -> Shown {
        let days = local.div_euclid(DAY);
        let (year, month, day) = civil_from_days(days);
        Shown { year, month, day, days, time: local.rem_euclid(DAY), instant, offset, zone }
    }

    fn number(&self, field: Field) -> i64 {
        let hour = self.time / 3_600_000_000;
        match field {
            Field::Era => i64::from(self.year > 0),
            Field::Year => self.year,
            Field::YearOfEra => {
                if self.year > 0 {
                    self.year
                } else {
                    1 - self.year
                }
            }
            Field::Quarter => i64::from((self.month - 1) / 3 + 1),
            Field::Month => i64::from(self.month),
            Field::Day => i64::from(self.day),
            Field::DayOfYear => self.days - days_from_civil(self.year, 1, 1) + 1,
            Field::DayOfWeek => (self.days + 3).rem_euclid(7) + 1,
            Field::AlignedDay => i64::from((self.day - 1) % 7 + 1),
            Field::AmPm => i64::from(hour >= 12),
            Field::Hour => hour,
            Field::ClockHour => {
                if hour == 0 {
                    24
                } else {
                    hour
                }
            }
            Field::HalfDayHour => hour % 12,
            Field::ClockHalfDayHour => {
                if hour % 12 == 0 {
                    12
                } else {
                    hour % 12
                }
            }
            Field::Minute => self.time / 60_000_000 % 60,
            Field::Second => self.time / 1_000_000 % 60,
        }
    }

    fn name(&self, field: Field, full: bool) -> String {
        let value = self.number(field);
        let short = |name: &str| if full { name.to_string() } else { name[..3].to_string() };
        match field {
            Field::Month => short(month_name(value as u32)),
            Field::DayOfWeek => short(day_name(value as u32)),
            Field::Quarter if full => QUARTERS[value as usize - 1].to_string(),
            Field::Quarter => format!("Q{value}"),
            Field::AmPm => if value == 1 { "PM" } else { "AM" }.to_string(),
            _ => match (value, full) {
                (1, true) => "Anno Domini",
                (1, false) => "AD",
                (_, true) => "Before Christ",
                (_, false) => "BC",
            }
            .to_string(),
        }
    }

    pub(super) fn write(&self, item: &Item, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = match item {
            Item::Literal(text) => write!(out, "{text}"),
            Item::Number { field, min, sign, .. } => {
                let value = self.number(*field);
                let digits = value.unsigned_abs().to_string();
                let mark = if value < 0 {
                    "-"
                } else if *sign == Sign::Exceeds && digits.len() > *min {
                    "+"
                } else {
                    ""
                };
                write!(out, "{mark}{digits:0>min$}")
            }
            Item::TwoDigitYear { field, .. } => write!(out, "{:02}", self.number(*field).rem_euclid(100)),
            Item::Text { field, full } => write!(out, "{}", self.name(*field, *full)),
            Item::Fraction(count) => {
                let nanos = format!("{:09}", self.time % 1_000_000 * 1000);
                write!(out, "{}", &nanos[..*count])
            }
            Item::ZoneId => write!(out, "{}", self.zone.name()),
            Item::ZoneName { full } => write!(out, "{}", self.zone_name(*full)),
            Item::Offset { shape, zero } => write!(out, "{}", self.offset_text(*shape, zero)),
            Item::LocalizedOffset { full } => write!(out, "{}", self.localized_offset(*full)),
            Item::Optional(section) => {
                section.iter().for_each(|item| self.write(item, out));
                Ok(())
            }
        };
    }

    /// Sign, hours, minutes and seconds of the offset.
    fn offset_parts(&self) -> (char, i64, i64, i64) {
        let seconds = self.offset.abs() / 1_000_000;
        (if self.offset < 0 { '-' } else { '+' }, seconds / 3600, seconds / 60 % 60, seconds % 60)
    }

    fn offset_text(&self, shape: usize, zero: &str) -> String {
        if self.offset == 0 {
            return zero.to_string();
        }
        let (sign, hours, minutes, seconds) = self.offset_parts();
        let colon = if shape.is_multiple_of(2) { ":" } else { "" };
        let mut text = format!("{sign}{hours:02}");
        if shape != 1 || minutes != 0 {
            let _ = write!(text, "{colon}{minutes:02}");
        }
        if shape >= 5 && seconds != 0 {
            let _ = write!(text, "{colon}{seconds:02}");
        }
        text
    }

    fn localized_offset(&self, full: bool) -> String {
        let (sign, hours, minutes, seconds) = self.offset_parts();
        match (self.offset, full) {
            (0, _) => "GMT".to_string(),
            (_, true) if seconds != 0 => format!("GMT{sign}{hours:02}:{minutes:02}:{seconds:02}"),
            (_, true) => format!("GMT{sign}{hours:02}:{minutes:02}"),
            (_, false) if minutes != 0 => format!("GMT{sign}{hours}:{minutes:02}"),
            (_, false) => format!("GMT{sign}{hours}"),
        }
    }

    /// The name of the clock, such as `PDT` or `Pacific Daylight Time`; the zone's id where there is none.
    fn zone_name(&self, full: bool) -> String {
        use chrono::{Offset as _, TimeZone as _};
        use chrono_tz::OffsetName as _;
        if Zone::new(self.zone).is_fixed() {
            let name =
                if self.zone.name().ends_with("GMT") { ("GMT", "Greenwich Mean Time") } else { ("UTC", "Coordinated Universal Time") };
            return if full { name.1 } else { name.0 }.to_string();
        }
        let Some(utc) = chrono::DateTime::from_timestamp_micros(self.instant) else { return self.zone.name().to_string() };
        let offset = self.zone.offset_from_utc_datetime(&utc.naive_utc());
        debug_assert_eq!(i64::from(offset.fix().local_minus_utc()) * 1_000_000, self.offset);
        let short = offset.abbreviation().filter(|a| a.starts_with(|c: char| c.is_ascii_alphabetic()));
        let long = match short {
            _ if !full => None,
            Some("PST") => Some("Pacific Standard Time"),
            Some("PDT") => Some("Pacific Daylight Time"),
            Some("MST") => Some("Mountain Standard Time"),
            Some("MDT") => Some("Mountain Daylight Time"),
            Some("CST") if self.zone.name().starts_with("America/") => Some("Central Standard Time"),
            Some("CDT") => Some("Central Daylight Time"),
            Some("EST") => Some("Eastern Standard Time"),
            Some("EDT") => Some("Eastern Daylight Time"),
            Some("CET") => Some("Central European Standard Time"),
            Some("CEST") => Some("Central European Summer Time"),
            Some("EET") => Some("Eastern European Standard Time"),
            Some("EEST") => Some("Eastern European Summer Time"),
            Some("GMT") => Some("Greenwich Mean Time"),
            Some("BST") => Some("British Summer Time"),
            Some("IST") if self.zone.name().starts_with("Asia/") => Some("India Standard Time"),
            Some("JST") => Some("Japan Standard Time"),
            Some("CST") => Some("China Standard Time"),
            _ => None,
        };
        long.or(short).unwrap_or(self.zone.name()).to_string()
    }
}
