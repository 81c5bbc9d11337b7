//! What a CSV reader's options say.

use super::*;

/// Options of the CSV reader.
#[derive(Clone, Debug)]
pub(crate) struct CsvOptions {
    pub(crate) mode: Mode,
    pub(crate) corrupt_column: String,
    pub(in crate::engine::source::decode) dialect: CsvDialect,
    pub(crate) header: bool,
    /// The header's names need not be those of the schema.
    pub(in crate::engine::source::decode) enforce_schema: bool,
    pub(in crate::engine::source::decode) comment: Option<char>,
    pub(in crate::engine::source::decode) null_value: String,
    pub(in crate::engine::source::decode) empty_value: String,
    pub(in crate::engine::source::decode) nan_value: String,
    pub(in crate::engine::source::decode) positive_inf: String,
    pub(in crate::engine::source::decode) negative_inf: String,
    pub(in crate::engine::source::decode) max_columns: usize,
    pub(in crate::engine::source::decode) max_chars: Option<usize>,
    pub(crate) multi_line: bool,
    pub(crate) line_end: LineEnd,
    pub(crate) encoding: Encoding,
    pub(crate) patterns: TimePatterns,
    pub(crate) zone: Tz,
    pub(crate) infer_schema: bool,
    /// Dates are told from timestamps when types are inferred.
    pub(in crate::engine::source::decode) prefer_date: bool,
    pub(crate) sampling: Sampling,
}

/// Columns that a record may have unless `maxColumns` says otherwise.
const MAX_COLUMNS: usize = 20_480;

impl CsvOptions {
    /// Spark's defaults.
    pub(crate) fn new(zone: Tz) -> CsvOptions {
        CsvOptions {
            mode: Mode::Permissive,
            corrupt_column: "_corrupt_record".to_string(),
            dialect: CsvDialect {
                separator: b",".to_vec(),
                quote: Some(b'"'),
                escape: Some(b'\\'),
                escape_escape: Some(b'\\'),
                trim_leading: false,
                trim_trailing: false,
                line_end: b"\n".to_vec(),
                stray_quote: StrayQuote::StopAtDelimiter,
            },
            header: false,
            enforce_schema: true,
            comment: None,
            null_value: String::new(),
            empty_value: String::new(),
            nan_value: "NaN".to_string(),
            positive_inf: "Inf".to_string(),
            negative_inf: "-Inf".to_string(),
            max_columns: MAX_COLUMNS,
            max_chars: None,
            multi_line: false,
            line_end: LineEnd::Any,
            encoding: Encoding::Utf8,
            patterns: TimePatterns::default(),
            zone,
            infer_schema: false,
            prefer_date: true,
            sampling: Sampling::default(),
        }
    }

    /// The options as declared.
    ///
    /// # Errors
    /// A value that does not fit its option.
    pub(crate) fn read(declared: &Declared<'_>, zone: Tz) -> Result<CsvOptions, EngineError> {
        let mut options = CsvOptions::new(declared.zone("timeZone")?.unwrap_or(zone));
        let flag = |name, default| Ok::<bool, EngineError>(declared.boolean(name)?.unwrap_or(default));
        options.mode = Mode::read(declared)?;
        let texts: [(&'static str, &mut String); 6] = [
            ("columnNameOfCorruptRecord", &mut options.corrupt_column),
            ("nullValue", &mut options.null_value),
            ("emptyValue", &mut options.empty_value),
            ("nanValue", &mut options.nan_value),
            ("positiveInf", &mut options.positive_inf),
            ("negativeInf", &mut options.negative_inf),
        ];
        for (name, target) in texts {
            if let Some(text) = declared.text(name) {
                *target = text.to_string();
            }
        }
        options.dialect = read_dialect(declared, options.dialect)?;
        options.header = flag("header", false)?;
        options.enforce_schema = flag("enforceSchema", true)?;
        options.comment = declared.character("comment")?.flatten();
        if let Some(most) = declared.number("maxColumns", 1, i64::from(i32::MAX))? {
            options.max_columns = most as usize;
        }
        options.max_chars = declared.number("maxCharsPerColumn", -1, i64::from(i32::MAX))?.filter(|n| *n > 0).map(|n| n as usize);
        options.multi_line = flag("multiLine", false)?;
        if let Some(text) = declared.text("lineSep") {
            options.line_end = LineEnd::Text(declared.not_empty("lineSep", text)?.as_bytes().to_vec());
        }
        if let Some(name) = declared.text("encoding").or_else(|| declared.text("charset")) {
            options.encoding = Encoding::named(name)?;
        }
        options.patterns = time_patterns(declared, options.zone)?;
        options.infer_schema = flag("inferSchema", false)?;
        options.prefer_date = flag("preferDate", true)?;
        options.sampling = Sampling::read(declared)?;
        english(declared)?;
        Ok(options)
    }

    /// How many fields a line has.
    pub(crate) fn count_fields(&self, line: &str) -> usize {
        let mut count = 0;
        let done: Result<(), std::convert::Infallible> = self.cutter().line(line, |_| {
            count += 1;
            Ok(Next::Field)
        });
        match done {
            Ok(()) => count,
        }
    }

    /// A cutter of records.
    pub(in crate::engine::source::decode) fn cutter(&self) -> CsvCutter {
        CsvCutter::new(self.dialect.clone())
    }

    /// Calls `each` with the text of every record, header included.
    pub(crate) fn records(&self, text: &str, mut each: impl FnMut(&str)) {
        if !self.multi_line {
            let done: Result<(), std::convert::Infallible> = self.line_end.split(text.as_bytes(), |line| {
                let line = crate::engine::source::decode::json::within(text, line);
                if !self.skips(line) {
                    each(line);
                }
                Ok(())
            });
            return match done {
                Ok(()) => {}
            };
        }
        let own = match &self.line_end {
            LineEnd::Text(end) => String::from_utf8_lossy(end).into_owned(),
            LineEnd::Any => "\n".to_string(),
        };
        let text = if self.line_end == LineEnd::Any { text.replace("\r\n", "\n") } else { text.to_string() };
        let mut cutter = CsvCutter::new(CsvDialect { line_end: own.clone().into_bytes(), ..self.dialect.clone() });
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let line = &rest[..memchr::memmem::find(rest.as_bytes(), own.as_bytes()).unwrap_or(rest.len())];
            if line.is_empty() || self.is_comment(line) {
                rest = rest.get(line.len() + own.len()..).unwrap_or("");
                continue;
            }
            let cut: Result<usize, std::convert::Infallible> = cutter.record(rest, true, |_| Ok(Next::Field));
            let Ok(end) = cut;
            // A last line end belongs to a quoted field that nothing closes.
            let closed = end < rest.len() || !cutter.unclosed();
            each(if closed { rest[..end].strip_suffix(own.as_str()).unwrap_or(&rest[..end]) } else { &rest[..end] });
            rest = &rest[end..];
        }
    }

    /// Whether a line is no record: blank, or a comment.
    pub(in crate::engine::source::decode) fn skips(&self, line: &str) -> bool {
        self.is_comment(line) || line.bytes().all(|b| b <= b' ')
    }

    /// Whether a line is a comment.
    pub(crate) fn is_comment(&self, line: &str) -> bool {
        self.comment.is_some_and(|c| line.starts_with(c))
    }

    pub(in crate::engine::source::decode) fn raises_on_stray_quotes(&self) -> bool {
        self.dialect.stray_quote == StrayQuote::Raise
    }

    /// Whether the text of a field stands for NULL.
    pub(in crate::engine::source::decode) fn is_null(&self, text: &str) -> bool {
        text == self.null_value
    }
}

fn read_dialect(declared: &Declared<'_>, mut dialect: CsvDialect) -> Result<CsvDialect, EngineError> {
    if let Some(text) = declared.text("sep").or_else(|| declared.text("delimiter")) {
        let text = declared.not_empty("sep", text)?.replace("\\t", "\t").replace("\\\\", "\\");
        dialect.separator = text.into_bytes();
    }
    let one = |name: &'static str, current: Option<u8>| match declared.character(name)? {
        None => Ok(current),
        Some(None) => Ok(None),
        Some(Some(c)) => {
            u8::try_from(c).ok().filter(u8::is_ascii).map(Some).ok_or_else(|| declared.bad(name, &c.to_string(), "an ASCII character"))
        }
    };
    dialect.quote = one("quote", dialect.quote)?;
    dialect.escape = one("escape", dialect.escape)?;
    let default = if dialect.escape == dialect.quote { None } else { dialect.escape };
    dialect.escape_escape = one("charToEscapeQuoteEscaping", default)?;
    dialect.trim_leading = declared.boolean("ignoreLeadingWhiteSpace")?.unwrap_or(false);
    dialect.trim_trailing = declared.boolean("ignoreTrailingWhiteSpace")?.unwrap_or(false);
    if let Some(how) = declared.text("unescapedQuoteHandling") {
        dialect.stray_quote = StrayQuote::named(how).ok_or_else(|| {
            declared.bad(
                "unescapedQuoteHandling",
                how,
                "STOP_AT_DELIMITER, STOP_AT_CLOSING_QUOTE, BACK_TO_DELIMITER, SKIP_VALUE or RAISE_ERROR",
            )
        })?;
    }
    Ok(dialect)
}
