//! One CSV record, field by field, as Spark's parser cuts it.
//!
//! A closing quote is one that a separator or the end follows, white space between them allowed. Where a quote inside a
//! quoted field is followed by anything else, the whole field counts as unquoted and runs to the next separator.

/// Characters with a meaning.
#[derive(Clone, Debug)]
pub(super) struct CsvDialect {
    pub(super) separator: Vec<u8>,
    pub(super) quote: Option<u8>,
    pub(super) escape: Option<u8>,
    /// What escapes the escape character in a quoted field.
    pub(super) escape_escape: Option<u8>,
    pub(super) trim_leading: bool,
    pub(super) trim_trailing: bool,
    /// What ends a record of several lines.
    pub(super) line_end: Vec<u8>,
    pub(super) stray_quote: StrayQuote,
}

/// What becomes of a quoted field with a quote in it that nothing escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StrayQuote {
    /// It counts as unquoted, up to the next separator.
    StopAtDelimiter,
    /// The quote is a part of the field, which goes on to a closing quote.
    StopAtClosingQuote,
    /// The quote is left out, and the field goes on to a closing quote.
    BackToDelimiter,
    /// The field is NULL.
    Skip,
    /// The record fails.
    Raise,
}

impl StrayQuote {
    /// By Spark's name.
    pub(super) fn named(name: &str) -> Option<StrayQuote> {
        Some(match name.to_ascii_uppercase().as_str() {
            "STOP_AT_DELIMITER" => StrayQuote::StopAtDelimiter,
            "STOP_AT_CLOSING_QUOTE" => StrayQuote::StopAtClosingQuote,
            "BACK_TO_DELIMITER" => StrayQuote::BackToDelimiter,
            "SKIP_VALUE" => StrayQuote::Skip,
            "RAISE_ERROR" => StrayQuote::Raise,
            _ => return None,
        })
    }
}

/// A field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CsvField<'a> {
    /// Nothing between two separators.
    Missing,
    /// `""`
    EmptyQuotes,
    /// A quoted field with a quote in it that nothing escapes, to be left out or refused.
    Stray,
    Text(&'a str),
}

/// Cuts records.
#[derive(Debug)]
pub(super) struct CsvCutter {
    pub(super) dialect: CsvDialect,
    scratch: String,
    /// How the last quoted field ended.
    ending: Ending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Closed,
    Stray,
    Unclosed,
}

/// What to do after a field.
pub(super) enum Next {
    Field,
    /// The rest of the record does not matter.
    Stop,
}

impl CsvCutter {
    pub(super) fn new(dialect: CsvDialect) -> CsvCutter {
        CsvCutter { dialect, scratch: String::new(), ending: Ending::Closed }
    }

    /// Whether the last quoted field ran to the end of the text.
    pub(super) fn unclosed(&self) -> bool {
        self.ending == Ending::Unclosed
    }

    /// Calls `each` with every field of the line, in order.
    pub(super) fn line<E>(&mut self, line: &str, mut each: impl FnMut(CsvField<'_>) -> Result<Next, E>) -> Result<(), E> {
        let quoted = self.dialect.quote.is_some_and(|q| memchr::memchr(q, line.as_bytes()).is_some());
        if quoted || self.dialect.separator.len() != 1 {
            return self.record(line, false, each).map(|_| ());
        }
        let mut start = 0;
        for at in memchr::memchr_iter(self.dialect.separator[0], line.as_bytes()) {
            if let Next::Stop = each(self.plain(&line[start..at]))? {
                return Ok(());
            }
            start = at + 1;
        }
        each(self.plain(&line[start..])).map(|_| ())
    }

    /// Calls `each` with every field of the first record of `text`, which runs to the end or, with `lines`, to a line end
    /// outside quotes; gives where the next record begins.
    pub(super) fn record<E>(&mut self, text: &str, lines: bool, mut each: impl FnMut(CsvField<'_>) -> Result<Next, E>) -> Result<usize, E> {
        let mut at = 0;
        let mut wanted = true;
        loop {
            let (field, end) = self.field(text, at, lines);
            if wanted && let Next::Stop = each(field)? {
                wanted = false;
                if !lines {
                    return Ok(text.len());
                }
            }
            if text.as_bytes()[end..].starts_with(&self.dialect.separator) {
                at = end + self.dialect.separator.len();
            } else {
                // A line end, or the end of the text.
                return Ok((end + self.dialect.line_end.len()).min(text.len()));
            }
        }
    }

    /// The field at `at` and where it ends: at a separator, a line end or the end of the text.
    fn field<'t>(&'t mut self, text: &'t str, at: usize, lines: bool) -> (CsvField<'t>, usize) {
        let bytes = text.as_bytes();
        let mut start = at;
        if self.dialect.trim_leading {
            while bytes
                .get(start)
                .is_some_and(|b| *b <= b' ' && !(lines && self.ends_line(&bytes[start..])) && !self.separates(&bytes[start..]))
            {
                start += 1;
            }
        }
        if bytes.get(start).is_some_and(|b| Some(*b) == self.dialect.quote) {
            let end = self.quoted(text, start + 1, lines);
            // A lone quote at the end of a line is its own text.
            if self.ending == Ending::Unclosed && !lines && self.scratch.is_empty() {
                return (CsvField::Text(&text[start..]), end);
            }
            let field = match self.ending {
                Ending::Stray => CsvField::Stray,
                _ if self.scratch.is_empty() => CsvField::EmptyQuotes,
                _ => CsvField::Text(&self.scratch),
            };
            return (field, end);
        }
        let end = self.end_of_plain(bytes, start, lines);
        (self.plain(&text[start..end]), end)
    }

    fn ends_line(&self, bytes: &[u8]) -> bool {
        bytes.starts_with(&self.dialect.line_end)
    }

    fn separates(&self, bytes: &[u8]) -> bool {
        bytes.starts_with(&self.dialect.separator)
    }

    fn end_of_plain(&self, bytes: &[u8], from: usize, lines: bool) -> usize {
        let first = self.dialect.separator[0];
        let mut at = from;
        while at < bytes.len() {
            let found =
                if lines { memchr::memchr2(first, self.dialect.line_end[0], &bytes[at..]) } else { memchr::memchr(first, &bytes[at..]) };
            let Some(step) = found else { return bytes.len() };
            at += step;
            if (lines && self.ends_line(&bytes[at..])) || self.separates(&bytes[at..]) {
                return at;
            }
            at += 1;
        }
        bytes.len()
    }

    /// A quoted field's text into `scratch`; where it ends. `at` is behind the opening quote.
    fn quoted(&mut self, text: &str, mut at: usize, lines: bool) -> usize {
        let bytes = text.as_bytes();
        self.scratch.clear();
        self.ending = Ending::Closed;
        let quote = self.dialect.quote;
        let (escape, again) = (self.dialect.escape, self.dialect.escape_escape);
        let mut from = at;
        while at < bytes.len() {
            let b = Some(bytes[at]);
            let next = bytes.get(at + 1).copied();
            let escapes_quote = b == escape && next == quote;
            let escapes_escape = b == again && next == escape && escape != quote;
            if escapes_quote || escapes_escape {
                self.scratch.push_str(&text[from..at]);
                from = at + 1;
                at += 2;
            } else if b == quote {
                if let Some(end) = self.after_quote(bytes, at + 1, lines) {
                    self.scratch.push_str(&text[from..at]);
                    return end;
                }
                // The first of two quotes at the end of a field is a part of it.
                if next == quote
                    && self.dialect.stray_quote != StrayQuote::BackToDelimiter
                    && self.after_quote(bytes, at + 2, lines).is_some()
                {
                    at += 1;
                    continue;
                }
                match self.dialect.stray_quote {
                    StrayQuote::Skip | StrayQuote::Raise => {
                        self.ending = Ending::Stray;
                        return self.end_of_plain(bytes, at + 1, lines);
                    }
                    StrayQuote::BackToDelimiter => {
                        self.scratch.push_str(&text[from..at]);
                        // Of a pair one stays, and the other may close the field.
                        if next == quote {
                            self.scratch.push(char::from(bytes[at]));
                        }
                        from = at + 1;
                        at += 1;
                        continue;
                    }
                    StrayQuote::StopAtClosingQuote => {
                        at += 1;
                        continue;
                    }
                    StrayQuote::StopAtDelimiter => {}
                }
                if next != quote {
                    // Unescaped: from here on the field is a plain one, its quotes are part of it.
                    let end = self.end_of_plain(bytes, at + 1, lines);
                    self.scratch.push_str(&text[from..end]);
                    self.scratch.insert(0, char::from(bytes[at]));
                    if self.dialect.trim_trailing {
                        self.scratch.truncate(self.scratch.trim_end_matches(|c: char| c <= ' ').len());
                    }
                    return end;
                }
                at += 1;
            } else {
                at += 1;
            }
        }
        self.ending = Ending::Unclosed;
        self.scratch.push_str(&text[from..]);
        bytes.len()
    }

    /// Where the field ends whose closing quote stands before `at`, if that is one.
    fn after_quote(&self, bytes: &[u8], mut at: usize, lines: bool) -> Option<usize> {
        loop {
            if at >= bytes.len() || self.separates(&bytes[at..]) || (lines && self.ends_line(&bytes[at..])) {
                return Some(at);
            }
            if bytes[at] > b' ' {
                return None;
            }
            at += 1;
        }
    }

    fn plain<'t>(&self, text: &'t str) -> CsvField<'t> {
        let blank = |c: char| c <= ' ';
        let text = if self.dialect.trim_leading { text.trim_start_matches(blank) } else { text };
        let text = if self.dialect.trim_trailing { text.trim_end_matches(blank) } else { text };
        if text.is_empty() { CsvField::Missing } else { CsvField::Text(text) }
    }
}
