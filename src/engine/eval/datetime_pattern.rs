//! Datetime patterns: `yyyy-MM-dd HH:mm:ss` as Java's `DateTimeFormatter` reads it, with Spark's restrictions.
//!
//! A pattern is a list of `Item`s. Reading follows Java in its strict mode without regard to case:
//! numbers side by side share their digits as Java shares them, fractions of a second may be shorter than
//! the pattern says, and what a text leaves out is taken from 1970-01-01 00:00:00. Writing uses English names.

use super::datetime_reading::{Read, read_items};
use super::datetime_writing::Shown;
use super::zone::Zone;
use crate::engine::EngineError;
use chrono_tz::Tz;

/// A pattern for reading or for writing.
#[derive(Clone, Debug, PartialEq)]
pub struct DatetimePattern {
    items: Vec<Item>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
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
pub(super) enum Sign {
    /// A minus only.
    Normal,
    /// None.
    Never,
    /// A plus when there are more digits than the pattern has.
    Exceeds,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item {
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

pub(super) const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
pub(super) const QUARTERS: [&str; 4] = ["1st quarter", "2nd quarter", "3rd quarter", "4th quarter"];
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

    /// The local date and time of a text that shows no zone, in microseconds.
    pub fn parse_without_zone(&self, text: &str) -> Option<i64> {
        let read = self.read(text)?;
        if read.zone.is_some() { None } else { Some(read.date()? * DAY + read.time()?) }
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
