//! A batch's result as lines to show: which rows are new, which cells changed and by how much.
//!
//! In complete mode a batch is compared with the one before; in update mode, where a batch brings only what
//! changed, each row is compared with the last that had the same keys. Rows that were only ever added to
//! (append) carry no marks. In append and update mode the older batches stand below, each under its heading.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::format;
use crate::diagnostic::printable;
use crate::progress::{BatchResult, DisplayRow, OutputMode};

/// Rows stacked at most; older batches beyond that are reached by paging back.
const MAX_LINES: usize = 1_000;
/// Rows searched at most for the last with the same keys: a bound to the work per batch.
const MAX_LOOKBACK: usize = 20_000;

/// How a row relates to the batches before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mark {
    #[default]
    Same,
    Changed,
    New,
}

impl Mark {
    /// The character before the row.
    pub(super) fn sign(self) -> char {
        match self {
            Mark::Same => ' ',
            Mark::Changed => '~',
            Mark::New => '+',
        }
    }
}

/// A cell's text and whether it differs from before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cell {
    pub text: String,
    pub changed: bool,
    pub null: bool,
}

/// One column of the screen: a column of the result, or the change of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub name: String,
    pub number: bool,
    /// Widest of its cells and its name, in terminal columns.
    pub width: usize,
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TableLine {
    /// Heading of an older batch: its number and how many rows it brought.
    Batch {
        batch_id: u64,
        rows: u64,
    },
    Row(TableRow),
}

/// One row with its marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TableRow {
    pub mark: Mark,
    pub cells: Vec<Cell>,
    /// Position among the results, and of the row in it.
    pub result: usize,
    pub row: usize,
    /// The row it was compared with.
    pub previous: Option<DisplayRow>,
}

/// The lines of a result and what to say about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub columns: Vec<Column>,
    pub lines: Vec<TableLine>,
    /// Rows of the batch that passed the filter, were shown at most, were there at all.
    pub matched: usize,
    pub kept: usize,
    pub total: u64,
    pub changed: usize,
    pub added: usize,
}

/// How to build a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub mode: OutputMode,
    /// Only rows with this text in some cell, whatever its case; empty: all.
    pub filter: &'a str,
    pub changed_first: bool,
}

/// The table of the result at `index`, with older ones below where the mode adds rows.
pub(super) fn build(results: &VecDeque<Arc<BatchResult>>, index: usize, view: View<'_>) -> Table {
    let Some(result) = results.get(index) else { return Table::default() };
    let shape = Shape::of(result, view.mode);
    let mut table = Table { kept: result.rows.len(), total: result.total_rows, ..Table::default() };
    for (at, rows) in batches(results, index, &shape, view).into_iter().rev() {
        if at == index {
            table.matched = rows.len();
            table.changed = rows.iter().filter(|r| r.mark == Mark::Changed).count();
            table.added = rows.iter().filter(|r| r.mark == Mark::New).count();
        } else if !rows.is_empty() {
            table.lines.push(TableLine::Batch { batch_id: results[at].batch_id, rows: results[at].total_rows });
        }
        table.lines.extend(rows.into_iter().map(TableLine::Row));
    }
    table.columns = shape.columns(result, &table.lines);
    table
}

/// The batches to show with their rows, oldest first, up to the one at `index`.
fn batches(results: &VecDeque<Arc<BatchResult>>, index: usize, shape: &Shape, view: View<'_>) -> Vec<(usize, Vec<TableRow>)> {
    let shown = match view.mode {
        OutputMode::Complete => index,
        OutputMode::Append | OutputMode::Update => first_within(results, index, MAX_LINES),
    };
    let rows = |at: usize, before: &Before<'_>| (at, rows_of(&results[at], at, before, shape, view));
    if view.mode == OutputMode::Update && !shape.keys.is_empty() {
        // One walk from old to new, so that each row meets the last one with its keys.
        let start = first_within(results, index, MAX_LOOKBACK).min(shown);
        let from_the_first = start == 0 && results[0].batch_id == 0;
        let mut before = Before::Keyed { keys: &shape.keys, rows: HashMap::new(), whole: from_the_first };
        let mut all = Vec::new();
        for (at, result) in results.iter().enumerate().take(index + 1).skip(start) {
            if at >= shown {
                // The very first batch has nothing to differ from.
                all.push(rows(at, if at == 0 { &Before::Nothing } else { &before }));
            }
            before.learn(result);
        }
        return all;
    }
    (shown..=index).map(|at| rows(at, &Before::of(results, at, &shape.keys, view.mode))).collect()
}

/// The first of the results up to `index` such that all from it on hold at most `rows` rows; `index` itself at least.
fn first_within(results: &VecDeque<Arc<BatchResult>>, index: usize, rows: usize) -> usize {
    let mut total = results[index].rows.len();
    let mut first = index;
    while let Some(before) = first.checked_sub(1).map(|at| &results[at]) {
        total += before.rows.len();
        if total > rows || before.columns != results[index].columns {
            break;
        }
        first -= 1;
    }
    first
}

/// Which columns of the result become which columns of the screen.
struct Shape {
    /// What identifies a row; empty when nothing is known to.
    keys: Vec<usize>,
    /// Rows can be told apart from batch to batch, by keys or because there is only one.
    identified: bool,
    numbers: Vec<bool>,
    /// The column whose change is shown to the right of it.
    change: Option<usize>,
}

impl Shape {
    fn of(result: &BatchResult, mode: OutputMode) -> Shape {
        let numbers: Vec<bool> = result.columns.iter().map(|(_, kind)| is_number(kind)).collect();
        // A query that groups by more than it shows has several rows with the same visible keys.
        let mut seen = HashSet::new();
        let unique = result.rows.iter().all(|row| seen.insert(key_of(row, Some(&result.keys))));
        let keys = if unique { result.keys.clone() } else { Vec::new() };
        let single = result.total_rows == 1 && mode != OutputMode::Append;
        let identified = !keys.is_empty() || single;
        let comparable = mode != OutputMode::Append && identified;
        let change = (0..numbers.len()).find(|at| comparable && numbers[*at] && !keys.contains(at));
        Shape { keys, identified, numbers, change }
    }

    fn cells(&self, row: &DisplayRow, mark: Mark, previous: Option<&DisplayRow>) -> Vec<Cell> {
        let mut cells = Vec::with_capacity(row.len() + 1);
        for (at, value) in row.iter().enumerate() {
            let before = previous.and_then(|p| p.get(at));
            let changed = mark == Mark::Changed && before.is_some_and(|b| b != value);
            cells.push(Cell { text: self.text(at, value.as_deref()), changed, null: value.is_none() });
            if self.change == Some(at) {
                let text = match mark {
                    Mark::New => "new".to_owned(),
                    Mark::Changed => change_of(before.and_then(|b| b.as_deref()), value.as_deref()),
                    Mark::Same => String::new(),
                };
                cells.push(Cell { text, changed: mark != Mark::Same, null: false });
            }
        }
        cells
    }

    /// Keys and unknown columns keep their digits: an id or a year is no quantity.
    fn text(&self, column: usize, value: Option<&str>) -> String {
        let Some(value) = value else { return "NULL".to_owned() };
        let number = self.numbers.get(column).copied().unwrap_or(false);
        if number && self.identified && !self.keys.contains(&column) {
            return shorter(value);
        }
        printable(value).into_owned()
    }

    fn columns(&self, result: &BatchResult, lines: &[TableLine]) -> Vec<Column> {
        let mut columns = Vec::new();
        for (at, (name, _)) in result.columns.iter().enumerate() {
            let name = printable(name).into_owned();
            columns.push(Column { width: format::width(&name), name, number: self.numbers[at] });
            if self.change == Some(at) {
                columns.push(Column { name: "change".to_owned(), number: true, width: "change".len() });
            }
        }
        for line in lines {
            if let TableLine::Row(row) = line {
                for (column, cell) in columns.iter_mut().zip(&row.cells) {
                    column.width = column.width.max(format::width(&cell.text));
                }
            }
        }
        columns
    }
}

fn rows_of(result: &BatchResult, at: usize, before: &Before<'_>, shape: &Shape, view: View<'_>) -> Vec<TableRow> {
    let wanted = view.filter.to_lowercase();
    let mut rows: Vec<TableRow> = result
        .rows
        .iter()
        .enumerate()
        .filter(|(_, row)| wanted.is_empty() || row.iter().any(|cell| matches(cell.as_deref(), &wanted)))
        .map(|(position, row)| {
            let (mark, previous) = before.compare(row);
            let cells = shape.cells(row, mark, previous);
            TableRow { mark, cells, result: at, row: position, previous: previous.cloned() }
        })
        .collect();
    if view.changed_first {
        rows.sort_by_key(|row| row.mark == Mark::Same);
    }
    rows
}

fn matches(cell: Option<&str>, wanted: &str) -> bool {
    cell.unwrap_or("NULL").to_lowercase().contains(wanted)
}

type Key<'a> = Vec<Option<&'a str>>;

/// What a batch's rows are compared with.
enum Before<'a> {
    /// There is nothing to compare with.
    Nothing,
    /// By grouping keys; `whole` when a row that is not there was not there before either.
    Keyed { keys: &'a [usize], rows: HashMap<Key<'a>, &'a DisplayRow>, whole: bool },
    /// One row then and now, as of an aggregate without keys.
    Single(&'a DisplayRow),
    /// Without keys: how often each row was there.
    Rows(HashMap<Key<'a>, usize>, bool),
}

impl<'a> Before<'a> {
    fn of(results: &'a VecDeque<Arc<BatchResult>>, at: usize, keys: &'a [usize], mode: OutputMode) -> Before<'a> {
        let Some(last) = at.checked_sub(1).map(|i| &results[i]) else { return Before::Nothing };
        match mode {
            OutputMode::Append => Before::Nothing,
            OutputMode::Complete if keys.is_empty() => match (&last.rows[..], &results[at].rows[..]) {
                ([one], [_]) => Before::Single(one),
                _ => {
                    let mut seen = HashMap::new();
                    for row in &last.rows {
                        *seen.entry(key_of(row, None)).or_insert(0) += 1;
                    }
                    Before::Rows(seen, is_whole(last))
                }
            },
            OutputMode::Complete => {
                let rows = last.rows.iter().map(|row| (key_of(row, Some(keys)), row)).collect();
                Before::Keyed { keys, rows, whole: is_whole(last) }
            }
            // With keys, update mode learns batch by batch.
            OutputMode::Update => match &last.rows[..] {
                [one] if results[at].rows.len() == 1 => Before::Single(one),
                _ => Before::Nothing,
            },
        }
    }

    /// Takes the rows of a batch as the last of their keys.
    fn learn(&mut self, result: &'a BatchResult) {
        if let Before::Keyed { keys, rows, whole } = self {
            *whole &= is_whole(result);
            rows.extend(result.rows.iter().map(|row| (key_of(row, Some(keys)), row)));
        }
    }

    fn compare(&self, row: &DisplayRow) -> (Mark, Option<&'a DisplayRow>) {
        let differs = |before: &'a DisplayRow| if before == row { Mark::Same } else { Mark::Changed };
        match self {
            Before::Nothing => (Mark::Same, None),
            Before::Single(before) => (differs(before), Some(before)),
            Before::Keyed { keys, rows, whole } => match rows.get(&key_of(row, Some(keys))) {
                Some(before) => (differs(before), Some(before)),
                None if *whole => (Mark::New, None),
                None => (Mark::Changed, None),
            },
            Before::Rows(seen, whole) => {
                let known = seen.contains_key(&key_of(row, None)) || !whole;
                (if known { Mark::Same } else { Mark::New }, None)
            }
        }
    }
}

fn is_whole(result: &BatchResult) -> bool {
    result.rows.len() as u64 >= result.total_rows
}

fn key_of<'a>(row: &'a DisplayRow, keys: Option<&[usize]>) -> Key<'a> {
    match keys {
        Some(keys) => keys.iter().map(|at| row.get(*at).and_then(|cell| cell.as_deref())).collect(),
        None => row.iter().map(|cell| cell.as_deref()).collect(),
    }
}

/// Whether values of the simple type `kind` are quantities, shown at the right.
pub(super) fn is_number(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    kind.starts_with("decimal") || matches!(kind.as_str(), "tinyint" | "smallint" | "int" | "bigint" | "float" | "double")
}

/// A number's text with groups of three; a long fraction is cut to four digits (the row view has all of them).
fn shorter(text: &str) -> String {
    let text = printable(text);
    let long = text.len() > 12 && text.contains('.') && !text.contains('E');
    match text.parse::<f64>() {
        Ok(value) if long && value.abs() >= 0.001 => {
            let rounded = format!("{value:.4}");
            format::grouped(rounded.trim_end_matches('0').trim_end_matches('.')).into_owned()
        }
        _ => format::grouped(&text).into_owned(),
    }
}

/// `+12`, `-0.5`; empty when either is no number.
fn change_of(before: Option<&str>, now: Option<&str>) -> String {
    let (Some(before), Some(now)) = (before, now) else { return String::new() };
    if let (Ok(before), Ok(now)) = (before.parse::<i128>(), now.parse::<i128>()) {
        return match now.checked_sub(before) {
            Some(0) | None => String::new(),
            Some(change) => format::grouped(&format!("{change:+}")).into_owned(),
        };
    }
    match (before.parse::<f64>(), now.parse::<f64>()) {
        (Ok(before), Ok(now)) if before.is_finite() && now.is_finite() && before != now => {
            let digits = decimals(&before.to_string()).max(decimals(&now.to_string())).min(4);
            let change = format!("{:+.digits$}", now - before);
            let change = if digits > 0 { change.trim_end_matches('0').trim_end_matches('.') } else { &change };
            format::grouped(change).into_owned()
        }
        _ => String::new(),
    }
}

fn decimals(text: &str) -> usize {
    text.find('.').map_or(0, |at| text.len() - at - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(batch_id: u64, keys: &[usize], rows: &[(&str, i64)]) -> Arc<BatchResult> {
        Arc::new(BatchResult {
            batch_id,
            columns: vec![("word".into(), "string".into()), ("n".into(), "bigint".into())],
            keys: keys.to_vec(),
            rows: rows.iter().map(|(word, n)| vec![Some((*word).into()), Some(n.to_string())]).collect(),
            total_rows: rows.len() as u64,
            watermark: None,
        })
    }

    fn lines(table: &Table) -> Vec<String> {
        let text = |row: &TableRow| row.cells.iter().map(|c| c.text.as_str()).collect::<Vec<_>>().join(" ");
        table
            .lines
            .iter()
            .map(|line| match line {
                TableLine::Batch { batch_id, rows } => format!("batch {batch_id}: {rows}"),
                TableLine::Row(row) => format!("{} {}", row.mark.sign(), text(row)).trim_end().to_owned(),
            })
            .collect()
    }

    fn view(mode: OutputMode) -> View<'static> {
        View { mode, filter: "", changed_first: false }
    }

    #[test]
    fn complete_batches_are_compared_by_key() {
        let results = VecDeque::from([result(0, &[0], &[("a", 1000), ("b", 2)]), result(1, &[0], &[("a", 2204), ("b", 2), ("c", 1)])]);
        let table = build(&results, 1, view(OutputMode::Complete));
        assert_eq!(lines(&table), ["~ a 2,204 +1,204", "  b 2", "+ c 1 new"]);
        assert_eq!((table.changed, table.added, table.matched), (1, 1, 3));
        assert_eq!(lines(&build(&results, 0, view(OutputMode::Complete))), ["  a 1,000", "  b 2"]);
    }

    #[test]
    fn update_batches_are_compared_with_the_last_row_of_the_key() {
        let results = VecDeque::from([result(0, &[0], &[("a", 1)]), result(1, &[0], &[("b", 5)]), result(2, &[0], &[("a", 3), ("c", 1)])]);
        let table = build(&results, 2, view(OutputMode::Update));
        assert_eq!(lines(&table), ["~ a 3 +2", "+ c 1 new", "batch 1: 1", "+ b 5 new", "batch 0: 1", "  a 1"]);
    }

    #[test]
    fn a_key_out_of_sight_is_not_called_new() {
        let results = VecDeque::from([result(7, &[0], &[("a", 1)]), result(8, &[0], &[("b", 5)])]);
        assert_eq!(lines(&build(&results, 1, view(OutputMode::Update)))[0], "~ b 5");
    }

    #[test]
    fn without_keys_rows_are_compared_whole_and_a_single_row_by_place() {
        let results = VecDeque::from([result(0, &[], &[("a", 1), ("b", 2)]), result(1, &[], &[("a", 1), ("b", 3000)])]);
        assert_eq!(lines(&build(&results, 1, view(OutputMode::Complete))), ["  a 1", "+ b 3000"]);
        let single = VecDeque::from([result(0, &[], &[("all", 1)]), result(1, &[], &[("all", 3)])]);
        assert_eq!(lines(&build(&single, 1, view(OutputMode::Complete))), ["~ all 3 +2"]);
    }

    #[test]
    fn keys_that_repeat_identify_nothing() {
        let results = VecDeque::from([result(0, &[0], &[("a", 1), ("a", 2)]), result(1, &[0], &[("a", 1), ("a", 3)])]);
        assert_eq!(lines(&build(&results, 1, view(OutputMode::Complete))), ["  a 1", "+ a 3"]);
    }

    #[test]
    fn filters_and_orders() {
        let results = VecDeque::from([result(0, &[0], &[("alpha", 1), ("beta", 2)]), result(1, &[0], &[("alpha", 1), ("beta", 3)])]);
        let filtered = View { mode: OutputMode::Complete, filter: "ALP", changed_first: false };
        assert_eq!(lines(&build(&results, 1, filtered)), ["  alpha 1"]);
        let ordered = View { mode: OutputMode::Complete, filter: "", changed_first: true };
        assert_eq!(lines(&build(&results, 1, ordered)), ["~ beta 3 +1", "  alpha 1"]);
    }

    #[test]
    fn changes_of_fractions_are_rounded() {
        assert_eq!(change_of(Some("1.5"), Some("2.25")), "+0.75");
        assert_eq!(change_of(Some("0.1"), Some("0.30000000000000004")), "+0.2");
        assert_eq!(change_of(Some("1"), None), "");
        assert_eq!(change_of(Some("9"), Some("3")), "-6");
        assert_eq!(shorter("1234.5678912345"), "1,234.5679");
        assert_eq!(shorter("0.0000001234567"), "0.0000001234567");
    }
}
