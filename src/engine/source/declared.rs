//! The options of a declared stream, each asked for by name; one that nobody asked for is refused.

use crate::diagnostic::nearest;
use crate::engine::EngineError;
use crate::engine::eval::zone::Zone;
use std::cell::RefCell;

/// Options of one stream. Names compare without regard to case.
pub(crate) struct Declared<'a> {
    /// Such as `socket`, for messages.
    format: &'a str,
    options: &'a [(String, String)],
    asked: RefCell<Vec<&'static str>>,
    /// Read, and meant for one reader only.
    taken: RefCell<Vec<&'static str>>,
}

impl<'a> Declared<'a> {
    pub(crate) fn new(format: &'a str, options: &'a [(String, String)]) -> Declared<'a> {
        Declared { format, options, asked: RefCell::default(), taken: RefCell::default() }
    }

    /// Whether these are the options of a function's call.
    pub(crate) fn is_function(&self) -> bool {
        self.format.contains("_")
    }

    /// The value as written.
    pub(crate) fn text(&self, name: &'static str) -> Option<&'a str> {
        self.asked.borrow_mut().push(name);
        if self.taken.borrow().contains(&name) {
            return None;
        }
        self.options.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// From now on the option looks as if it was not given: its value was meant for who read it.
    pub(crate) fn take(&self, name: &'static str) {
        self.taken.borrow_mut().push(name);
    }

    /// A value of whole numbers from `least` to `most`.
    pub(crate) fn number(&self, name: &'static str, least: i64, most: i64) -> Result<Option<i64>, EngineError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.trim().parse::<i64>() {
            Ok(n) if (least..=most).contains(&n) => Ok(Some(n)),
            _ => {
                let wanted = if most == i64::MAX { format!("of at least {least}") } else { format!("from {least} to {most}") };
                Err(self.bad(name, text, &format!("a whole number {wanted}")))
            }
        }
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self, name: &'static str) -> Result<Option<bool>, EngineError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.trim() {
            t if t.eq_ignore_ascii_case("true") => Ok(Some(true)),
            t if t.eq_ignore_ascii_case("false") => Ok(Some(false)),
            _ => Err(self.bad(name, text, "true or false")),
        }
    }

    /// A text of at least one character.
    pub(crate) fn not_empty(&self, name: &str, text: &'a str) -> Result<&'a str, EngineError> {
        if text.is_empty() { Err(self.bad(name, text, "at least one character")) } else { Ok(text) }
    }

    /// Exactly one character, or none when the text is empty.
    pub(crate) fn character(&self, name: &'static str) -> Result<Option<Option<char>>, EngineError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (first, None) => Ok(Some(first)),
            _ => Err(self.bad(name, text, "one character")),
        }
    }

    /// A number of bytes, with a unit or without: `64m`, `1gb`, `1000`.
    pub(crate) fn bytes(&self, name: &'static str) -> Result<Option<u64>, EngineError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let lower = text.trim().to_ascii_lowercase();
        let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match &lower[digits.len()..] {
            "" | "b" => Some(0),
            "k" | "kb" => Some(10),
            "m" | "mb" => Some(20),
            "g" | "gb" => Some(30),
            "t" | "tb" => Some(40),
            _ => None,
        };
        let number = digits.trim().parse::<u64>().ok().filter(|n| *n > 0);
        match (number, unit) {
            (Some(n), Some(shift)) if n.leading_zeros() > shift => Ok(Some(n << shift)),
            _ => Err(self.bad(name, text, "a size such as 64m or 1gb")),
        }
    }

    /// A duration in microseconds: `7d`, `12h`, `30 minutes`, `1 day 2 hours`; a bare number is milliseconds.
    pub(crate) fn duration(&self, name: &'static str) -> Result<Option<i64>, EngineError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let lower = text.trim().to_ascii_lowercase();
        let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match &lower[digits.len()..] {
            "us" => Some(1),
            "" | "ms" => Some(1_000),
            "s" => Some(1_000_000),
            "m" | "min" => Some(60_000_000),
            "h" => Some(3_600_000_000),
            "d" => Some(86_400_000_000),
            _ => None,
        };
        let short = unit.and_then(|unit| digits.trim().parse::<i64>().ok().and_then(|n| n.checked_mul(unit)));
        let long = || {
            let parts = crate::lang::literal::parse_interval_text(&lower).ok().filter(|p| p.months == 0)?;
            i64::from(parts.days).checked_mul(86_400_000_000)?.checked_add(parts.micros)
        };
        match short.or_else(long).filter(|n| *n >= 0) {
            Some(micros) => Ok(Some(micros)),
            None => Err(self.bad(name, text, "a duration such as 7d, 12h or '30 minutes'")),
        }
    }

    /// A time zone by its name.
    pub(crate) fn zone(&self, name: &'static str) -> Result<Option<chrono_tz::Tz>, EngineError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match Zone::named(text).and_then(|zone| zone.tz()) {
            Some(zone) => Ok(Some(zone)),
            None => Err(self.bad(name, text, "a time zone such as UTC, Europe/Paris or +02:00").condition("INVALID_TIMEZONE")),
        }
    }

    /// What to say of a value that does not fit.
    pub(crate) fn bad(&self, name: &str, text: &str, wanted: &str) -> EngineError {
        EngineError::user(format!("option {name} of {} is '{text}', but must be {wanted}", self.format))
    }

    /// What to say of an option that was probably meant to be `name`, where `name` is missing.
    pub(crate) fn misspelt(&self, name: &'static str) -> Option<EngineError> {
        let slip = |key: &str| !key.eq_ignore_ascii_case(name) && nearest(key, [name]).is_some();
        let (key, _) =
            self.options.iter().find(|(key, _)| slip(key) && !self.asked.borrow().iter().any(|a| a.eq_ignore_ascii_case(key)))?;
        Some(EngineError::user(format!("{} has no option {key}", self.format)).help(format!("did you mean {name}?")))
    }

    /// Refuses options that nobody asked for.
    pub(crate) fn finish(&self) -> Result<(), EngineError> {
        let asked = self.asked.borrow();
        let Some((key, _)) = self.options.iter().find(|(key, _)| !asked.iter().any(|name| key.eq_ignore_ascii_case(name))) else {
            return Ok(());
        };
        let error = EngineError::user(format!("{} has no option {key}", self.format));
        Err(match nearest(key, asked.iter().copied()) {
            Some(name) => error.help(format!("did you mean {name}?")),
            None => error.help(format!("options: {}", asked.join(", "))),
        })
    }
}
