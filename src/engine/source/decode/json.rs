//! JSON records → columns, by the rules of Spark's JSON reader.
//!
//! Bytes go straight into typed columns, and only fields that the query uses are decoded; the others are passed
//! over, though checked. A record that is no JSON is a row of NULLs (PERMISSIVE), is left out (DROPMALFORMED) or
//! fails the batch (FAILFAST); a value of the wrong type is NULL in its row, which then counts as bad, too.

use super::builder::{Builder, StructCells};
use super::json_scan::{Dialect, Fault, Scanner};
use super::json_value::{Node, Object, Reader, TimePatterns};
use super::lines::{Encoding, LineEnd};
use super::time::TimeReader;
use super::{BadRecords, Mode, Sampling, english, time_patterns};
use crate::engine::EngineError;
use crate::engine::source::declared::Declared;
use crate::types::{DataType, Field};
use chrono_tz::Tz;
use polars::prelude::Series;

/// Options of the JSON reader.
#[derive(Clone, Debug)]
pub(crate) struct JsonOptions {
    pub(crate) mode: Mode,
    /// The column that takes the text of bad records, where it is among the columns.
    pub(crate) corrupt_column: String,
    pub(crate) dialect: Dialect,
    pub(crate) patterns: TimePatterns,
    pub(crate) zone: Tz,
    pub(crate) multi_line: bool,
    pub(crate) line_end: LineEnd,
    pub(crate) encoding: Encoding,
    pub(crate) infer: JsonInference,
}

/// Options that only the inference of a schema looks at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct JsonInference {
    pub(crate) primitives_as_string: bool,
    pub(crate) prefers_decimal: bool,
    pub(crate) drop_all_null: bool,
    pub(crate) timestamps: bool,
    pub(crate) sampling: Sampling,
}

impl JsonOptions {
    /// Spark's defaults.
    pub(crate) fn new(zone: Tz) -> JsonOptions {
        JsonOptions {
            mode: Mode::Permissive,
            corrupt_column: "_corrupt_record".to_string(),
            dialect: Dialect::default(),
            patterns: TimePatterns::default(),
            zone,
            multi_line: false,
            line_end: LineEnd::Any,
            encoding: Encoding::Utf8,
            infer: JsonInference::default(),
        }
    }

    /// The options as declared.
    ///
    /// # Errors
    /// A value that does not fit its option.
    pub(crate) fn read(declared: &Declared<'_>, zone: Tz) -> Result<JsonOptions, EngineError> {
        let mut options = JsonOptions::new(declared.zone("timeZone")?.unwrap_or(zone));
        let flag = |name, default| Ok::<bool, EngineError>(declared.boolean(name)?.unwrap_or(default));
        options.mode = Mode::read(declared)?;
        if let Some(name) = declared.text("columnNameOfCorruptRecord") {
            options.corrupt_column = name.to_string();
        }
        options.dialect = Dialect {
            unquoted_names: flag("allowUnquotedFieldNames", false)?,
            single_quotes: flag("allowSingleQuotes", true)?,
            comments: flag("allowComments", false)?,
            leading_zeros: flag("allowNumericLeadingZeros", false)?,
            any_escape: flag("allowBackslashEscapingAnyCharacter", false)?,
            non_numeric: flag("allowNonNumericNumbers", true)?,
            control_chars: flag("allowUnquotedControlChars", false)?,
        };
        options.patterns = time_patterns(declared, options.zone)?;
        options.multi_line = flag("multiLine", false)?;
        if let Some(text) = declared.text("lineSep") {
            options.line_end = LineEnd::Text(declared.not_empty("lineSep", text)?.as_bytes().to_vec());
        }
        if let Some(name) = declared.text("encoding").or_else(|| declared.text("charset")) {
            options.encoding = Encoding::named(name)?;
        }
        options.infer = JsonInference {
            primitives_as_string: flag("primitivesAsString", false)?,
            prefers_decimal: flag("prefersDecimal", false)?,
            drop_all_null: flag("dropFieldIfAllNull", false)?,
            timestamps: flag("inferTimestamp", false)?,
            sampling: Sampling::read(declared)?,
        };
        english(declared)?;
        Ok(options)
    }
}

/// Decodes records one after the other; then gives the columns.
#[derive(Debug)]
pub(crate) struct JsonDecoder {
    options: JsonOptions,
    object: Object,
    cells: StructCells,
    /// The member of `cells` that takes the text of bad records.
    corrupt: Option<usize>,
    reader: Reader,
    bad: BadRecords,
    fields: Vec<Field>,
    /// The line that the next record begins in.
    line: u64,
}

/// What became of a record.
enum Record {
    /// Nothing but white space.
    Blank,
    Rows,
    /// Some of its values were of the wrong type.
    Partial,
    /// No JSON, or no object.
    Bad,
}

impl JsonDecoder {
    /// For columns of those fields.
    pub(crate) fn new(fields: &[Field], options: JsonOptions) -> JsonDecoder {
        let corrupt = fields.iter().position(|f| f.name == options.corrupt_column && f.data_type == DataType::String);
        let named = fields.iter().enumerate().map(|(i, f)| ((Some(i) != corrupt).then_some(f.name.as_str()), &f.data_type));
        let object = Object::new(named, &options.patterns);
        let Builder::Struct(cells) = Builder::new(&DataType::Struct(fields.to_vec())) else {
            unreachable!("a struct's builder is one of structs")
        };
        let reader = Reader { times: TimeReader::new(options.zone), scratch: String::new(), rewrites: false, partial: false };
        JsonDecoder { options, object, cells, corrupt, reader, bad: BadRecords::default(), fields: fields.to_vec(), line: 0 }
    }

    /// Makes room for about that many rows.
    pub(crate) fn reserve(&mut self, rows: usize) {
        self.cells.members.iter_mut().for_each(|m| m.reserve(rows));
    }

    /// Decodes lines, one record each.
    ///
    /// # Errors
    /// A bad record, in mode FAILFAST.
    pub(crate) fn push(&mut self, lines: &[u8]) -> Result<(), EngineError> {
        let end = self.options.line_end.clone();
        match std::str::from_utf8(lines) {
            Ok(text) => {
                // Line ends are whole characters, so that every line is a str again.
                end.split(lines, |line| self.push_text(within(text, line)))
            }
            Err(_) => end.split(lines, |line| self.push_record(line)),
        }
    }

    /// Decodes one record of any bytes: a line, or with `multiLine` a whole file.
    pub(crate) fn push_record(&mut self, record: &[u8]) -> Result<(), EngineError> {
        match std::str::from_utf8(record) {
            Ok(text) => self.push_text(text),
            Err(_) => {
                let row = self.cells.len();
                let done = self.give_up(row, &String::from_utf8_lossy(record));
                self.line += 1;
                done
            }
        }
    }

    /// Decodes one record.
    #[inline]
    pub(crate) fn push_text(&mut self, text: &str) -> Result<(), EngineError> {
        let row = self.cells.len();
        let done = match self.record(text) {
            Record::Rows | Record::Blank => Ok(()),
            Record::Partial => self.keep_partial(row, text),
            Record::Bad => self.give_up(row, text),
        };
        self.line += 1;
        done
    }

    fn record(&mut self, text: &str) -> Record {
        let JsonDecoder { options, object, cells, reader, .. } = self;
        let mut scan = Scanner::new(text, &options.dialect);
        reader.partial = false;
        if scan.mark_and_space().is_err() {
            return Record::Bad;
        }
        let outcome = match scan.peek() {
            None => return Record::Blank,
            Some(b'{') => reader.members(&mut scan, object, cells, 1).map(|()| cells.end_row()),
            Some(b'[') => root_array(&mut scan, reader, object, cells),
            Some(_) => Err(Fault::Syntax),
        };
        match outcome {
            Err(_) => Record::Bad,
            Ok(()) if reader.partial => Record::Partial,
            Ok(()) => Record::Rows,
        }
    }

    fn note(&mut self, text: &str) {
        let JsonDecoder { bad, fields, options, line, .. } = self;
        bad.add(*line, text, || reason(text, fields, options));
    }

    fn keep_partial(&mut self, row: usize, text: &str) -> Result<(), EngineError> {
        match self.options.mode {
            Mode::Permissive => {
                self.note(text);
                let rows = self.cells.len() - row;
                self.set_corrupt(row, rows, text);
                Ok(())
            }
            Mode::DropMalformed => {
                self.note(text);
                self.take_back(row);
                Ok(())
            }
            Mode::FailFast => Err(super::malformed(text, &reason(text, &self.fields, &self.options)).at_row(self.line as usize)),
        }
    }

    fn give_up(&mut self, row: usize, text: &str) -> Result<(), EngineError> {
        self.take_back(row);
        match self.options.mode {
            Mode::Permissive => {
                self.note(text);
                self.cells.end_row();
                self.set_corrupt(row, 1, text);
                Ok(())
            }
            Mode::DropMalformed => {
                self.note(text);
                Ok(())
            }
            Mode::FailFast => Err(super::malformed(text, &reason(text, &self.fields, &self.options)).at_row(self.line as usize)),
        }
    }

    fn set_corrupt(&mut self, row: usize, rows: usize, text: &str) {
        let Some(corrupt) = self.corrupt else { return };
        let column = &mut self.cells.members[corrupt];
        column.truncate(row);
        if let Builder::Text(cells) = column {
            for _ in 0..rows {
                cells.push(text);
            }
        }
    }

    fn take_back(&mut self, row: usize) {
        self.cells.truncate(row);
    }

    /// Rows so far.
    pub(crate) fn rows(&self) -> usize {
        self.cells.len()
    }

    /// The columns, in the order of the fields, and what was bad.
    pub(crate) fn finish(self) -> Result<(Vec<Series>, BadRecords), EngineError> {
        let columns = self.cells.members.into_iter().map(Builder::finish).collect::<Result<_, _>>()?;
        Ok((columns, self.bad))
    }
}

/// Decodes one text after the other into a column of any type: `from_json`.
#[derive(Debug)]
pub(crate) struct JsonValueDecoder {
    options: JsonOptions,
    data_type: DataType,
    node: Node,
    builder: Builder,
    /// The member of a struct that takes the text of bad values.
    corrupt: Option<usize>,
    reader: Reader,
}

impl JsonValueDecoder {
    /// For a column of that type.
    pub(crate) fn new(data_type: &DataType, options: JsonOptions) -> JsonValueDecoder {
        let mut corrupt = None;
        let node = match data_type {
            DataType::Struct(fields) => {
                corrupt = fields.iter().position(|f| f.name == options.corrupt_column && f.data_type == DataType::String);
                let named = fields.iter().enumerate().map(|(i, f)| ((Some(i) != corrupt).then_some(f.name.as_str()), &f.data_type));
                Node::Struct(Object::new(named, &options.patterns))
            }
            other => Node::new(other, &options.patterns),
        };
        let reader = Reader { times: TimeReader::new(options.zone), scratch: String::new(), rewrites: true, partial: false };
        JsonValueDecoder { options, data_type: data_type.clone(), node, builder: Builder::new(data_type), corrupt, reader }
    }

    /// Makes room for that many values.
    pub(crate) fn reserve(&mut self, values: usize) {
        self.builder.reserve(values);
    }

    /// Adds the value of a text. NULL and blanks are NULL; what is bad is a struct of NULLs, or NULL for other types.
    ///
    /// # Errors
    /// A bad text, in mode FAILFAST.
    pub(crate) fn push(&mut self, text: Option<&str>) -> Result<(), EngineError> {
        let row = self.builder.len();
        let Some(text) = text.filter(|t| !t.bytes().all(|b| b <= b' ')) else {
            self.builder.push_null();
            return Ok(());
        };
        self.reader.partial = false;
        let done = self.read(text);
        if done.is_ok() && !self.reader.partial {
            return Ok(());
        }
        if self.options.mode == Mode::FailFast {
            let error = super::malformed(text, &self.reason(text));
            let array = matches!(self.data_type, DataType::Struct(_)) && text.trim_start().starts_with('[');
            return Err(if array { error.condition("MALFORMED_RECORD_IN_PARSING.CANNOT_PARSE_JSON_ARRAYS_AS_STRUCTS") } else { error });
        }
        if done.is_err() {
            self.builder.truncate(row);
        }
        match &mut self.builder {
            Builder::Struct(cells) => {
                if done.is_err() {
                    cells.end_row();
                }
                if let Some(corrupt) = self.corrupt
                    && let Builder::Text(texts) = {
                        cells.members[corrupt].truncate(row);
                        &mut cells.members[corrupt]
                    }
                {
                    texts.push(text);
                }
            }
            other if done.is_err() => other.push_null(),
            _ => {}
        }
        Ok(())
    }

    fn reason(&self, text: &str) -> String {
        match &self.data_type {
            DataType::Struct(fields) => reason(text, fields, &self.options),
            other => no_json(text, &self.options.dialect).unwrap_or_else(|| format!("no {}", other.sql())),
        }
    }

    fn read(&mut self, text: &str) -> Result<(), Fault> {
        let mut scan = Scanner::new(text, &self.options.dialect);
        scan.space()?;
        match (&mut self.node, &mut self.builder, scan.peek()) {
            (Node::Struct(object), Builder::Struct(cells), Some(b'{')) => {
                self.reader.members(&mut scan, object, cells, 1)?;
                cells.end_row();
                Ok(())
            }
            (Node::Struct(_), ..) => Err(Fault::Syntax),
            // One object stands for an array of it.
            (Node::Array(element), Builder::List(cells), Some(b'{')) => {
                self.reader.read(&mut scan, element, &mut cells.inner, 1)?;
                cells.end_row();
                Ok(())
            }
            (node, builder, _) => self.reader.read(&mut scan, node, builder, 0),
        }
    }

    /// The column.
    pub(crate) fn finish(self) -> Result<Series, EngineError> {
        self.builder.finish()
    }
}

/// What is wrong with a bad record, in a few words.
fn reason(text: &str, fields: &[Field], options: &JsonOptions) -> String {
    if let Some(why) = no_json(text, &options.dialect) {
        return why;
    }
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if !text.starts_with(['{', '[']) {
        return "no JSON object".to_string();
    }
    let plain = JsonOptions { mode: Mode::Permissive, ..options.clone() };
    let wrong = fields.iter().filter(|f| f.name != options.corrupt_column).find(|field| {
        let mut one = JsonDecoder::new(&[(*field).clone()], plain.clone());
        matches!(one.record(text), Record::Partial)
    });
    match wrong {
        Some(field) => format!("the value of {} is no {}", field.name, field.data_type.sql()),
        None => "an array with something else than objects in it".to_string(),
    }
}

/// Where a text stops being JSON, if it does.
fn no_json(text: &str, dialect: &Dialect) -> Option<String> {
    let mut scan = Scanner::new(text, dialect);
    let done = scan.mark_and_space().and_then(|()| scan.skip(0));
    let at = scan.pos.min(text.len());
    let at = (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    match done {
        Ok(()) => None,
        Err(_) if at == text.len() => Some("it ends in the middle of a value".to_string()),
        Err(_) => Some(format!("no JSON from character {} on", text[..at].chars().count() + 1)),
    }
}

/// A top-level array: one row per object in it.
fn root_array(scan: &mut Scanner<'_>, reader: &mut Reader, object: &mut Object, cells: &mut StructCells) -> Result<(), Fault> {
    scan.pos += 1;
    scan.space()?;
    if scan.eat(b']') {
        return Ok(());
    }
    loop {
        if scan.peek() != Some(b'{') {
            return Err(Fault::Syntax);
        }
        reader.members(scan, object, cells, 2)?;
        cells.end_row();
        scan.space()?;
        if scan.eat(b']') {
            return Ok(());
        }
        scan.comma()?;
    }
}

/// The part of `text` that `line`, a slice of its bytes, covers.
pub(super) fn within<'t>(text: &'t str, line: &[u8]) -> &'t str {
    let start = line.as_ptr() as usize - text.as_ptr() as usize;
    &text[start..start + line.len()]
}
