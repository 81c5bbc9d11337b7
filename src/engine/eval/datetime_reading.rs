//! Reading a text by a datetime pattern.

use super::datetime_pattern::{Field, Item, MONTHS, Sign};
use super::zone::{Zone, days_from_civil, days_in_month, is_leap};

/// What a text has given so far.
#[derive(Clone, Default)]
pub(super) struct Read {
    before_christ: Option<bool>,
    year: Option<i64>,
    year_of_era: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: Option<i64>,
    half_day_hour: Option<i64>,
    afternoon: Option<bool>,
    minute: Option<i64>,
    second: Option<i64>,
    nanos: Option<i64>,
    pub(super) zone: Option<Zone>,
}

/// Sets what was not set, or was set to the same.
fn set<T: PartialEq>(slot: &mut Option<T>, value: T) -> Option<()> {
    match slot {
        Some(known) => (*known == value).then_some(()),
        None => {
            *slot = Some(value);
            Some(())
        }
    }
}

impl Read {
    fn number(&mut self, field: Field, value: i64) -> Option<()> {
        let within = |low: i64, high: i64| (low..=high).contains(&value).then_some(value);
        match field {
            Field::Year => set(&mut self.year, within(-999_999_999, 999_999_999)?),
            Field::YearOfEra => set(&mut self.year_of_era, within(1, 999_999_999)?),
            Field::Month => set(&mut self.month, within(1, 12)?),
            Field::Day => set(&mut self.day, within(1, 31)?),
            Field::DayOfYear => set(&mut self.day_of_year, within(1, 366)?),
            Field::Hour => set(&mut self.hour, within(0, 23)?),
            Field::ClockHour => set(&mut self.hour, within(1, 24)? % 24),
            Field::HalfDayHour => set(&mut self.half_day_hour, within(0, 11)?),
            Field::ClockHalfDayHour => set(&mut self.half_day_hour, within(1, 12)? % 12),
            Field::Minute => set(&mut self.minute, within(0, 59)?),
            Field::Second => set(&mut self.second, within(0, 59)?),
            Field::Era | Field::Quarter | Field::DayOfWeek | Field::AlignedDay | Field::AmPm => Some(()),
        }
    }

    /// Days since 1970-01-01.
    pub(super) fn date(&self) -> Option<i64> {
        let era_year = self.year_of_era.map(|y| if self.before_christ == Some(true) { 1 - y } else { y });
        let year = match (self.year, era_year) {
            (Some(a), Some(b)) if a != b => return None,
            (a, b) => a.or(b),
        };
        if let (Some(year), Some(day)) = (year, self.day_of_year)
            && self.month.is_none()
        {
            return (day <= 365 + i64::from(is_leap(year))).then(|| days_from_civil(year, 1, 1) + day - 1);
        }
        let (year, month, day) = (year.unwrap_or(1970), self.month.unwrap_or(1) as u32, self.day.unwrap_or(1) as u32);
        (day <= days_in_month(year, month)).then(|| days_from_civil(year, month, day))
    }

    /// Microseconds of the day.
    pub(super) fn time(&self) -> Option<i64> {
        let hour = match (self.hour, self.half_day_hour, self.afternoon) {
            (Some(hour), _, Some(afternoon)) if (hour >= 12) != afternoon => return None,
            (Some(hour), Some(half), _) if hour % 12 != half => return None,
            (Some(hour), ..) => hour,
            (None, half, afternoon) => half.unwrap_or(0) + if afternoon == Some(true) { 12 } else { 0 },
        };
        let seconds = (hour * 60 + self.minute.unwrap_or(0)) * 60 + self.second.unwrap_or(0);
        Some(seconds * 1_000_000 + self.nanos.unwrap_or(0) / 1000)
    }
}

/// The rest of the text after the items, or `None` when it does not fit.
pub(super) fn read_items<'t>(items: &[Item], text: &'t str, read: &mut Read) -> Option<&'t str> {
    items.iter().try_fold(text, |rest, item| read_item(item, rest, read))
}

/// The text after a prefix, whatever its case.
fn after_prefix<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

fn read_item<'t>(item: &Item, text: &'t str, read: &mut Read) -> Option<&'t str> {
    match item {
        Item::Literal(literal) => after_prefix(text, literal),
        Item::Number { field, min, max, sign, after, .. } => {
            let (value, rest) = read_number(text, *min, *max, *sign, *after)?;
            read.number(*field, value)?;
            Some(rest)
        }
        Item::TwoDigitYear { field, after } => {
            let (value, rest) = read_number(text, 2, 2, Sign::Never, *after)?;
            read.number(*field, 2000 + value)?;
            Some(rest)
        }
        Item::Text { field, full } => read_name(*field, *full, text, read),
        Item::Fraction(max) => {
            let digits = text.bytes().take(*max).take_while(u8::is_ascii_digit).count();
            let value: i64 = text[..digits].parse().ok()?;
            set(&mut read.nanos, value * 10i64.pow(9 - digits as u32))?;
            Some(&text[digits..])
        }
        Item::ZoneId => read_zone(text, read, false),
        Item::ZoneName { .. } => read_zone(text, read, true),
        Item::Offset { shape, zero } => read_offset(text, *shape, zero, read),
        Item::LocalizedOffset { .. } => {
            let rest = after_prefix(text, "GMT")?;
            let end = rest.bytes().take_while(|b| b.is_ascii_digit() || b"+-:".contains(b)).count();
            let zone = if end == 0 { Zone::UTC } else { Zone::named(&rest[..end])? };
            read.zone = Some(zone);
            Some(&rest[end..])
        }
        Item::Optional(section) => {
            let mut attempt = read.clone();
            match read_items(section, text, &mut attempt) {
                Some(rest) => {
                    *read = attempt;
                    Some(rest)
                }
                None => Some(text),
            }
        }
    }
}

/// Java's strict reading of a number: the digits that following numbers need are left to them.
fn read_number(text: &str, min: usize, max: usize, sign: Sign, after: usize) -> Option<(i64, &str)> {
    let (negative, positive) = match text.as_bytes().first()? {
        b'-' if sign != Sign::Never => (true, false),
        b'+' if sign == Sign::Exceeds => (false, true),
        _ => (false, false),
    };
    let digits = &text[usize::from(negative || positive)..];
    let available = digits.bytes().take(max + after).take_while(u8::is_ascii_digit).count();
    if available < min {
        return None;
    }
    let count = if after > 0 { min.max(available.saturating_sub(after)) } else { available };
    let value: i64 = digits[..count].parse().ok()?;
    if negative && value == 0 {
        return None;
    }
    // More digits than the pattern has need a plus, and only they may have one.
    if sign == Sign::Exceeds && !negative && positive != (count > min) {
        return None;
    }
    Some((if negative { -value } else { value }, &digits[count..]))
}

fn read_name<'t>(field: Field, full: bool, text: &'t str, read: &mut Read) -> Option<&'t str> {
    fn find<'t>(names: &[&str], full: bool, text: &'t str) -> Option<(usize, &'t str)> {
        names.iter().enumerate().find_map(|(i, name)| Some((i, after_prefix(text, if full { name } else { &name[..3] })?)))
    }
    match field {
        Field::Month => {
            let (index, rest) = find(&MONTHS, full, text)?;
            read.number(field, index as i64 + 1)?;
            Some(rest)
        }
        Field::AmPm => {
            let afternoon = after_prefix(text, "PM").is_some();
            let rest = after_prefix(text, if afternoon { "PM" } else { "AM" })?;
            set(&mut read.afternoon, afternoon)?;
            Some(rest)
        }
        Field::Era => {
            let (bc, ad) = if full { ("Before Christ", "Anno Domini") } else { ("BC", "AD") };
            let before = after_prefix(text, bc).is_some();
            let rest = after_prefix(text, if before { bc } else { ad })?;
            set(&mut read.before_christ, before)?;
            Some(rest)
        }
        _ => None,
    }
}

/// Names of clocks that texts use, and a zone that shows them.
const NAMES: &[(&str, &str)] = &[
    ("Coordinated Universal Time", "UTC"),
    ("Greenwich Mean Time", "GMT"),
    ("Pacific Standard Time", "America/Los_Angeles"),
    ("Pacific Daylight Time", "America/Los_Angeles"),
    ("Mountain Standard Time", "America/Denver"),
    ("Mountain Daylight Time", "America/Denver"),
    ("Central Standard Time", "America/Chicago"),
    ("Central Daylight Time", "America/Chicago"),
    ("Eastern Standard Time", "America/New_York"),
    ("Eastern Daylight Time", "America/New_York"),
    ("Central European Standard Time", "Europe/Paris"),
    ("Central European Summer Time", "Europe/Paris"),
    ("India Standard Time", "Asia/Kolkata"),
    ("Japan Standard Time", "Asia/Tokyo"),
    ("China Standard Time", "Asia/Shanghai"),
    ("PST", "America/Los_Angeles"),
    ("PDT", "America/Los_Angeles"),
    ("MST", "America/Denver"),
    ("MDT", "America/Denver"),
    ("CST", "America/Chicago"),
    ("CDT", "America/Chicago"),
    ("EST", "America/New_York"),
    ("EDT", "America/New_York"),
    ("CEST", "Europe/Paris"),
    ("CET", "Europe/Paris"),
    ("BST", "Europe/London"),
    ("JST", "Asia/Tokyo"),
    ("IST", "Asia/Kolkata"),
];

/// A zone's id, an offset, or with `names` the name of a clock.
fn read_zone<'t>(text: &'t str, read: &mut Read, names: bool) -> Option<&'t str> {
    if names {
        for (name, zone) in NAMES {
            if let Some(rest) = after_prefix(text, name).filter(|r| !r.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/')) {
                read.zone = Zone::named(zone);
                return Some(rest);
            }
        }
    }
    let longest = text.bytes().take_while(|b| b.is_ascii_alphanumeric() || b"/_+-:".contains(b)).count();
    (1..=longest).rev().find_map(|end| {
        let zone = Zone::named(&text[..end])?;
        read.zone = Some(zone);
        Some(&text[end..])
    })
}

/// An offset of Java's pattern number `shape`: `+HHmm`, `+HHMM`, `+HH:MM`, `+HHMMss` or `+HH:MM:ss`.
fn read_offset<'t>(text: &'t str, shape: usize, zero: &str, read: &mut Read) -> Option<&'t str> {
    if let Some(rest) = after_prefix(text, zero) {
        read.zone = Some(Zone::UTC);
        return Some(rest);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let pair = |text: &'t str, colon: bool| -> Option<(i64, &'t str)> {
        let text = if colon { text.strip_prefix(':')? } else { text };
        let digits = text.get(..2).filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
        Some((digits.parse().ok()?, &text[2..]))
    };
    let colon = shape.is_multiple_of(2);
    let (hours, mut rest) = pair(&text[1..], false)?;
    let (mut minutes, mut seconds) = (0, 0);
    match pair(rest, colon) {
        Some((value, more)) => (minutes, rest) = (value, more),
        None if shape == 1 => {}
        None => return None,
    }
    if shape >= 5
        && let Some((value, more)) = pair(rest, colon)
    {
        (seconds, rest) = (value, more);
    }
    let valid = hours <= 18 && minutes <= 59 && seconds <= 59;
    let text = format!("{}{hours:02}:{minutes:02}:{seconds:02}", if sign < 0 { '-' } else { '+' });
    read.zone = Some(valid.then(|| Zone::named(&text))??);
    Some(rest)
}
