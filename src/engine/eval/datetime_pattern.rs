//! Datetime patterns: `yyyy-MM-dd HH:mm:ss` as Java's `DateTimeFormatter` reads it, with Spark's restrictions.
//!
//! A pattern is a list of [`Item`]s. Reading follows Java in its strict mode without regard to case:
//! numbers side by side share their digits as Java shares them, fractions of a second may be shorter than
//! the pattern says, and what a text leaves out is taken from 1970-01-01 00:00:00. Writing uses English names.

use super::zone::{Zone, civil_from_days, days_from_civil, days_in_month, is_leap};
use crate::engine::EngineError;
use chrono_tz::Tz;
use std::fmt::Write as _;

/// A pattern for reading or for writing.
#[derive(Clone, Debug, PartialEq)]
pub struct DatetimePattern {
    items: Vec<Item>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Era,
    Year,
    YearOfEra,
    Quarter,
    Month,
    Day,
    DayOfYear,
    DayOfWeek,
    AlignedDay,
    AmPm,
    /// `H`, 0 to 23.
    Hour,
    /// `k`, 1 to 24.
    ClockHour,
    /// `K`, 0 to 11.
    HalfDayHour,
    /// `h`, 1 to 12.
    ClockHalfDayHour,
    Minute,
    Second,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    /// A minus only.
    Normal,
    /// None.
    Never,
    /// A plus when there are more digits than the pattern has.
    Exceeds,
}

#[derive(Clone, Debug, PartialEq)]
enum Item {
    Literal(String),
    /// `after`: digits that directly following numbers need; `fixed`: has exactly `min` digits.
    Number {
        field: Field,
        min: usize,
        max: usize,
        sign: Sign,
        after: usize,
        fixed: bool,
    },
    /// Two digits of a year from 2000 on.
    TwoDigitYear {
        field: Field,
        after: usize,
    },
    Text {
        field: Field,
        full: bool,
    },
    /// At most so many digits of a second's fraction; exactly so many when written.
    Fraction(usize),
    ZoneId,
    ZoneName {
        full: bool,
    },
    /// Java's pattern by number, and what stands for no offset.
    Offset {
        shape: usize,
        zero: &'static str,
    },
    LocalizedOffset {
        full: bool,
    },
    Optional(Vec<Item>),
}

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const QUARTERS: [&str; 4] = ["1st quarter", "2nd quarter", "3rd quarter", "4th quarter"];
const DAY: i64 = 86_400_000_000;

/// The English name of a month, 1 to 12.
pub(super) fn month_name(month: u32) -> &'static str {
    MONTHS[(month as usize - 1) % 12]
}

/// The English name of a day of the week, Monday 1 to Sunday 7.
pub(super) fn day_name(day: u32) -> &'static str {
    DAYS[(day as usize - 1) % 7]
}

impl DatetimePattern {
    /// A pattern for reading texts.
    ///
    /// # Errors
    /// `INCONSISTENT_BEHAVIOR_CROSS_VERSION.*` or `INVALID_DATETIME_PATTERN.*`.
    pub fn parse(pattern: &str) -> Result<DatetimePattern, EngineError> {
        DatetimePattern::compile(pattern, true)
    }

    /// A pattern for writing values.
    ///
    /// # Errors
    /// As for [`DatetimePattern::parse`].
    pub fn for_writing(pattern: &str) -> Result<DatetimePattern, EngineError> {
        DatetimePattern::compile(pattern, false)
    }

    fn compile(pattern: &str, reading: bool) -> Result<DatetimePattern, EngineError> {
        let found = refuse(pattern, reading).and_then(|()| Builder::new(pattern).run().ok_or(Refusal::Malformed));
        match found {
            Ok(mut items) => {
                share_digits(&mut items);
                Ok(DatetimePattern { items })
            }
            // Spark 2 could read it, perhaps with another meaning.
            Err(_) if legacy(pattern) => Err(EngineError::data(
                "INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_PATTERN_RECOGNITION",
                format!("the datetime pattern '{pattern}' was accepted before Spark 3 and no longer is"),
            )
            .help("see Spark's page of datetime patterns for what there is instead")),
            Err(Refusal::WeekBased(letter)) => Err(EngineError::data(
                "INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_WEEK_BASED_PATTERN",
                format!("'{letter}' in the datetime pattern '{pattern}' counts by weeks, which is not supported"),
            )
            .help("use `extract` for fields that count by weeks")),
            Err(Refusal::Letter(letter)) => Err(EngineError::data(
                "INVALID_DATETIME_PATTERN.ILLEGAL_CHARACTER",
                format!("illegal character '{letter}' in the datetime pattern '{pattern}'"),
            )),
            Err(Refusal::Length(letters)) => {
                Err(EngineError::data("INVALID_DATETIME_PATTERN.LENGTH", format!("too many letters in the datetime pattern: {letters}")))
            }
            Err(Refusal::Malformed) => {
                Err(EngineError::data("INVALID_DATETIME_PATTERN.WITH_SUGGESTION", format!("'{pattern}' is not a datetime pattern")))
            }
        }
    }

    /// The instant that a text means, in microseconds; `zone` holds where the text names none. `None`: it does not fit.
    pub fn parse_timestamp(&self, text: &str, zone: &Zone) -> Option<i64> {
        let read = self.read(text)?;
        let (days, time) = (read.date()?, read.time()?);
        Some(read.zone.as_ref().unwrap_or(zone).to_instant(days * DAY + time))
    }

    /// The local date and time that a text shows, in microseconds; a zone in the text is read over.
    pub fn parse_local(&self, text: &str) -> Option<i64> {
        let read = self.read(text)?;
        Some(read.date()? * DAY + read.time()?)
    }

    /// The day that a text shows, in days since 1970-01-01.
    pub fn parse_date(&self, text: &str) -> Option<i32> {
        let read = self.read(text)?;
        read.time()?;
        i32::try_from(read.date()?).ok()
    }

    fn read(&self, text: &str) -> Option<Read> {
        let mut read = Read::default();
        let rest = read_items(&self.items, text, &mut read)?;
        rest.is_empty().then_some(read)
    }

    /// Appends an instant, in microseconds, as a clock in the zone shows it.
    pub fn format(&self, instant: i64, zone: Tz, out: &mut String) {
        let place = Zone::new(zone);
        let offset = place.offset_at(instant);
        self.write(&Shown::new(instant.saturating_add(offset), instant, offset, zone), out);
    }

    /// Appends a local date and time, in microseconds; it counts as UTC where the pattern asks for a zone.
    pub fn format_local(&self, local: i64, out: &mut String) {
        self.write(&Shown::new(local, local, 0, Tz::UTC), out);
    }

    fn write(&self, shown: &Shown, out: &mut String) {
        self.items.iter().for_each(|item| shown.write(item, out));
    }
}

/// Why a pattern is refused.
enum Refusal {
    WeekBased(char),
    Letter(char),
    Length(String),
    Malformed,
}

/// What Spark does not let through although Java knows it.
fn refuse(pattern: &str, reading: bool) -> Result<(), Refusal> {
    // Every other part stands in quotes.
    for part in pattern.split('\'').step_by(2) {
        if let Some(letter) = part.chars().find(|c| "YWwuec".contains(*c)) {
            return Err(Refusal::WeekBased(letter));
        }
        if let Some(letter) = part.chars().find(|c| "ABnNp".contains(*c) || reading && "EFqQ".contains(*c)) {
            return Err(Refusal::Letter(letter));
        }
        for (letter, count) in [("G", 5), ("M", 5), ("L", 5), ("E", 5), ("Q", 5), ("q", 5), ("y", 11)] {
            let letters = letter.repeat(count);
            if part.contains(&letters) {
                return Err(Refusal::Length(letters));
            }
        }
    }
    Ok(())
}

/// Whether Java's older `SimpleDateFormat` takes the pattern.
fn legacy(pattern: &str) -> bool {
    let quotes_close = pattern.matches('\'').count().is_multiple_of(2);
    let known = |part: &str| part.chars().all(|c| !c.is_ascii_alphabetic() || "GyMdkHmsSEDFwWahKzZYuXL".contains(c));
    quotes_close && pattern.split('\'').step_by(2).all(|part| known(part) && !part.contains("XXXX"))
}

/// Turns a pattern into items.
struct Builder<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    /// Sections in brackets that are open, the outermost first.
    open: Vec<Vec<Item>>,
    with_era: bool,
}

impl<'a> Builder<'a> {
    fn new(pattern: &'a str) -> Builder<'a> {
        let with_era = pattern.split('\'').step_by(2).any(|part| part.contains('G'));
        Builder { rest: pattern.chars().peekable(), open: vec![Vec::new()], with_era }
    }

    fn push(&mut self, item: Item) {
        if let Some(items) = self.open.last_mut() {
            items.push(item);
        }
    }

    fn run(mut self) -> Option<Vec<Item>> {
        while let Some(c) = self.rest.next() {
            match c {
                'a'..='z' | 'A'..='Z' => {
                    let mut count = 1;
                    while self.rest.next_if_eq(&c).is_some() {
                        count += 1;
                    }
                    let item = self.field(c, count)?;
                    self.push(item);
                }
                '\'' => {
                    let text = self.quoted()?;
                    self.push(Item::Literal(text));
                }
                '[' => self.open.push(Vec::new()),
                ']' => {
                    let section = self.open.pop()?;
                    self.open.last()?;
                    self.push(Item::Optional(section));
                }
                '{' | '}' | '#' => return None,
                c => self.push(Item::Literal(c.to_string())),
            }
        }
        // A section that is never closed ends with the pattern.
        while self.open.len() > 1 {
            let section = self.open.pop()?;
            self.push(Item::Optional(section));
        }
        self.open.pop()
    }

    /// The text up to the closing quote; two quotes are one.
    fn quoted(&mut self) -> Option<String> {
        let mut text = String::new();
        loop {
            match self.rest.next()? {
                '\'' if self.rest.next_if_eq(&'\'').is_some() => text.push('\''),
                '\'' => return Some(if text.is_empty() { "'".to_string() } else { text }),
                c => text.push(c),
            }
        }
    }

    fn field(&self, letter: char, count: usize) -> Option<Item> {
        let number = |field, min, max, sign| Item::Number { field, min, max, sign, after: 0, fixed: false };
        let plain = |field| number(field, 1, 19, Sign::Normal);
        let one_or_two = |field| match count {
            1 => Some(plain(field)),
            2 => Some(number(field, 2, 2, Sign::Never)),
            _ => None,
        };
        let named = |field| match count {
            1 | 2 => one_or_two(field),
            3 => Some(Item::Text { field, full: false }),
            4 => Some(Item::Text { field, full: true }),
            _ => None,
        };
        let year = if self.with_era { Field::YearOfEra } else { Field::Year };
        match (letter, count) {
            ('y', 2) => Some(Item::TwoDigitYear { field: year, after: 0 }),
            ('y', n) => Some(number(year, n, 19, if n < 4 { Sign::Normal } else { Sign::Exceeds })),
            ('M' | 'L', _) => named(Field::Month),
            ('Q' | 'q', _) => named(Field::Quarter),
            ('d', _) => one_or_two(Field::Day),
            ('D', 1) => Some(plain(Field::DayOfYear)),
            ('D', 2 | 3) => Some(number(Field::DayOfYear, count, 3, Sign::Never)),
            ('E', 1..=4) => Some(Item::Text { field: Field::DayOfWeek, full: count == 4 }),
            ('F', 1) => Some(plain(Field::AlignedDay)),
            ('G', 1..=4) => Some(Item::Text { field: Field::Era, full: count == 4 }),
            ('a', 1) => Some(Item::Text { field: Field::AmPm, full: false }),
            ('H', _) => one_or_two(Field::Hour),
            ('k', _) => one_or_two(Field::ClockHour),
            ('K', _) => one_or_two(Field::HalfDayHour),
            ('h', _) => one_or_two(Field::ClockHalfDayHour),
            ('m', _) => one_or_two(Field::Minute),
            ('s', _) => one_or_two(Field::Second),
            ('S', 1..=9) => Some(Item::Fraction(count)),
            ('V', 2) => Some(Item::ZoneId),
            ('z', 1..=4) | ('v', 1 | 4) => Some(Item::ZoneName { full: count == 4 }),
            ('O', 1 | 4) => Some(Item::LocalizedOffset { full: count == 4 }),
            ('X', 1..=5) => Some(Item::Offset { shape: [1, 3, 4, 5, 6][count - 1], zero: "Z" }),
            ('x', 1..=5) => Some(Item::Offset {
                shape: [1, 3, 4, 5, 6][count - 1],
                zero: if count == 1 {
                    "+00"
                } else if count.is_multiple_of(2) {
                    "+0000"
                } else {
                    "+00:00"
                },
            }),
            ('Z', 1..=3) => Some(Item::Offset { shape: 3, zero: "+0000" }),
            ('Z', 4) => Some(Item::LocalizedOffset { full: true }),
            ('Z', 5) => Some(Item::Offset { shape: 6, zero: "Z" }),
            _ => None,
        }
    }
}

/// Where numbers stand side by side, the first leaves as many digits as the fixed ones after it need.
fn share_digits(items: &mut [Item]) {
    let mut first: Option<usize> = None;
    for index in 0..items.len() {
        let (own, is_fixed) = match &mut items[index] {
            Item::Optional(section) => {
                share_digits(section);
                first = None;
                continue;
            }
            Item::Number { min, max, sign, .. } => (*max, min == max && *sign == Sign::Never),
            Item::TwoDigitYear { .. } => (2, true),
            _ => {
                first = None;
                continue;
            }
        };
        match first {
            Some(base) if is_fixed => {
                if let Item::Number { fixed, .. } = &mut items[index] {
                    *fixed = true;
                }
                if let Item::Number { after, .. } | Item::TwoDigitYear { after, .. } = &mut items[base] {
                    *after += own;
                }
            }
            Some(base) => {
                if let Item::Number { fixed, .. } = &mut items[base] {
                    *fixed = true;
                }
                first = Some(index);
            }
            None => first = Some(index),
        }
    }
}

/// What a text has given so far.
#[derive(Clone, Default)]
struct Read {
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
    zone: Option<Zone>,
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
    fn date(&self) -> Option<i64> {
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
    fn time(&self) -> Option<i64> {
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
fn read_items<'t>(items: &[Item], text: &'t str, read: &mut Read) -> Option<&'t str> {
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

/// A date and time on its way into a text.
struct Shown {
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
    fn new(local: i64, instant: i64, offset: i64, zone: Tz) -> Shown {
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

    fn write(&self, item: &Item, out: &mut String) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(text: &str) -> i64 {
        chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros()
    }

    #[test]
    fn texts_are_read() {
        for (text, pattern, expected) in [
            ("02/01/2024 15:04", "dd/MM/yyyy HH:mm", "2024-01-02T15:04:00Z"),
            ("2024-01-02 3:04 PM", "yyyy-MM-dd h:mm a", "2024-01-02T15:04:00Z"),
            ("20240102030405", "yyyyMMddHHmmss", "2024-01-02T03:04:05Z"),
            ("2024-01-02T03:04:05.123+0100", "yyyy-MM-dd'T'HH:mm:ss.SSSxx", "2024-01-02T02:04:05.123Z"),
            ("03:04", "HH:mm", "1970-01-01T03:04:00Z"),
            ("24", "yy", "2024-01-01T00:00:00Z"),
            ("2024-001", "yyyy-DDD", "2024-01-01T00:00:00Z"),
            ("january 2 2024", "MMMM d yyyy", "2024-01-02T00:00:00Z"),
            ("2024-01-02 03:04:05.1", "yyyy-MM-dd HH:mm:ss.SSS", "2024-01-02T03:04:05.1Z"),
            ("12 AM", "hh a", "1970-01-01T00:00:00Z"),
            ("2024-01-02T03:04:05Z", "yyyy-MM-dd'T'HH:mm:ssX", "2024-01-02T03:04:05Z"),
            ("2024-01-02 Europe/Berlin", "yyyy-MM-dd VV", "2024-01-01T23:00:00Z"),
            ("2024-01-02", "yyyy-MM-dd[ HH:mm]", "2024-01-02T00:00:00Z"),
            ("2024-01-02 10:11", "yyyy-MM-dd[ HH:mm]", "2024-01-02T10:11:00Z"),
            ("2024-01-02 PST", "yyyy-MM-dd z", "2024-01-02T08:00:00Z"),
            ("2024-01-02 GMT+8", "yyyy-MM-dd O", "2024-01-01T16:00:00Z"),
            ("2024-01-02 13 PM", "yyyy-MM-dd HH a", "2024-01-02T13:00:00Z"),
        ] {
            let found = DatetimePattern::parse(pattern).unwrap().parse_timestamp(text, &Zone::UTC);
            assert_eq!(found, Some(instant(expected)), "{text} as {pattern}");
        }
        for (text, pattern) in [
            ("2024-01-02 03:04:05", "yyyy-MM-dd"),
            ("2024-13-02", "yyyy-MM-dd"),
            ("2024-02-30", "yyyy-MM-dd"),
            ("2024-1-2", "yyyy-MM-dd"),
            ("12024-01-02", "yyyy-MM-dd"),
            ("", "yyyy-MM-dd"),
            ("24:00", "HH:mm"),
            ("10 PM", "HH a"),
        ] {
            assert_eq!(DatetimePattern::parse(pattern).unwrap().parse_timestamp(text, &Zone::UTC), None, "{text} as {pattern}");
        }
    }

    #[test]
    fn values_are_written() {
        let at = instant("2024-01-02T03:04:05.678Z");
        for (pattern, expected) in [
            ("G GGGG y yy yyy yyyy yyyyy", "AD Anno Domini 2024 24 2024 2024 02024"),
            ("M MM MMM MMMM L LL LLL LLLL", "1 01 Jan January 1 01 Jan January"),
            ("d dd D DD DDD E EE EEE EEEE", "2 02 2 02 002 Tue Tue Tue Tuesday"),
            ("a h hh H HH k kk K KK m mm s ss", "AM 3 03 3 03 3 03 3 03 4 04 5 05"),
            ("S SS SSS SSSS Q QQ QQQ QQQQ F", "6 67 678 6780 1 01 Q1 1st quarter 2"),
            ("VV z zzzz O OOOO X XXX x xx xxx Z ZZZZ ZZZZZ", "UTC UTC Coordinated Universal Time GMT GMT Z Z +00 +0000 +00:00 +0000 GMT Z"),
            ("''yyyy'' 'at' HH[:mm]", "'2024' at 03:04"),
        ] {
            let mut out = String::new();
            DatetimePattern::for_writing(pattern).unwrap().format(at, Tz::UTC, &mut out);
            assert_eq!(out, expected);
        }
        let mut out = String::new();
        DatetimePattern::for_writing("yyyy-MM-dd HH:mm XXX O z zzzz").unwrap().format(at, Tz::America__Los_Angeles, &mut out);
        assert_eq!(out, "2024-01-01 19:04 -08:00 GMT-8 PST Pacific Standard Time");
    }

    #[test]
    fn patterns_are_refused_as_spark_does() {
        let condition = |pattern: &str, reading: bool| {
            let error = DatetimePattern::compile(pattern, reading).unwrap_err();
            error.failure().condition.clone().unwrap_or_default()
        };
        for (pattern, reading, expected) in [
            ("EEE, d MMM yyyy", true, "INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_PATTERN_RECOGNITION"),
            ("YYYY", false, "INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_PATTERN_RECOGNITION"),
            ("u e", false, "INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_WEEK_BASED_PATTERN"),
            ("p", false, "INVALID_DATETIME_PATTERN.ILLEGAL_CHARACTER"),
            ("yyyyyyyyyyy", false, "INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_PATTERN_RECOGNITION"),
            ("{", false, "INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_PATTERN_RECOGNITION"),
            ("j", false, "INVALID_DATETIME_PATTERN.WITH_SUGGESTION"),
            ("yyyy'abc", false, "INVALID_DATETIME_PATTERN.WITH_SUGGESTION"),
            ("V", false, "INVALID_DATETIME_PATTERN.WITH_SUGGESTION"),
        ] {
            assert_eq!(condition(pattern, reading), expected, "{pattern}");
        }
    }
}
