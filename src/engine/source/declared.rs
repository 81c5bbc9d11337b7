//! The options of a declared stream, each asked for by name; one that nobody asked for is refused.

use crate::diagnostic::nearest;
use crate::engine::EngineError;
use std::cell::RefCell;

/// Options of one stream. Names compare without regard to case.
pub(super) struct Declared<'a> {
    /// Such as `socket`, for messages.
    format: &'a str,
    options: &'a [(String, String)],
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Declared<'a> {
    pub(super) fn new(format: &'a str, options: &'a [(String, String)]) -> Declared<'a> {
        Declared { format, options, asked: RefCell::default() }
    }

    /// The value as written.
    pub(super) fn text(&self, name: &'static str) -> Option<&'a str> {
        self.asked.borrow_mut().push(name);
        self.options.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// A value of whole numbers from `least` to `most`.
    pub(super) fn number(&self, name: &'static str, least: i64, most: i64) -> Result<Option<i64>, EngineError> {
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
    pub(super) fn boolean(&self, name: &'static str) -> Result<Option<bool>, EngineError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.trim() {
            t if t.eq_ignore_ascii_case("true") => Ok(Some(true)),
            t if t.eq_ignore_ascii_case("false") => Ok(Some(false)),
            _ => Err(self.bad(name, text, "true or false")),
        }
    }

    /// What to say of a value that does not fit.
    pub(super) fn bad(&self, name: &str, text: &str, wanted: &str) -> EngineError {
        EngineError::user(format!("option {name} of {} is '{text}', but must be {wanted}", self.format))
    }

    /// Refuses options that nobody asked for.
    pub(super) fn finish(&self) -> Result<(), EngineError> {
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
