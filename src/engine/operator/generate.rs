//! Generators: the rows that a row's collection, structs or expressions stand for, beside the row's columns.
//!
//! Elements are taken over as they lie in the list's values, without looking at any; the row's own columns
//! are repeated only where somebody above needs them. Splitting a text at a fixed character and exploding
//! the parts, the core of every word count, is one loop that never builds the lists.

use super::time_window::only;
use super::{BatchContext, Step};
use crate::engine::columns::null_series;
use crate::engine::eval::Bound;
use crate::engine::eval::access::{self, Cells};
use crate::engine::eval::string_slice::Slices;
use crate::engine::{EngineError, Frame};
use crate::plan::expr::ColumnId;
use crate::types::DataType;
use polars::prelude::{IdxCa, PlSmallStr, Series};

/// What generates the rows.
pub enum Generator {
    /// `explode(array or map)`; with the position before it for posexplode.
    Explode { list: Bound, position: bool, map: bool },
    /// `inline(array of structs)`
    Inline(Bound),
    /// `stack(n, …)`: `rows` rows of the expressions; those that are missing are NULL.
    Stack { rows: usize, exprs: Vec<Bound> },
    /// One row of these: json_tuple.
    Row(Vec<Bound>),
    /// `explode(split(text, delimiter))`
    Split { text: Bound, delimiter: u8 },
}

/// Puts a generator's rows beside the columns of their row.
pub struct Generate {
    /// What generates.
    pub generator: Generator,
    /// A row whose generator gives nothing stays, with NULLs.
    pub outer: bool,
    /// Columns of the input that somebody needs above.
    pub keep: Vec<ColumnId>,
    /// The new columns with their types.
    pub columns: Vec<(ColumnId, DataType)>,
}

impl Step for Generate {
    fn name(&self) -> &'static str {
        "generate"
    }

    fn apply(&self, frame: Frame, context: &BatchContext) -> Result<Frame, EngineError> {
        match &self.generator {
            Generator::Explode { list, position, map } => {
                let column = list.evaluate(&frame, &context.eval)?;
                let (rows, mut columns) = self.elements(&column, *position)?;
                if *map {
                    let entries = columns.pop().ok_or_else(|| EngineError::internal("a map without entries"))?;
                    columns.extend(access::members(&entries)?);
                }
                self.beside(frame, rows, columns)
            }
            Generator::Inline(list) => {
                let column = list.evaluate(&frame, &context.eval)?;
                let (rows, columns) = self.elements(&column, false)?;
                let members = access::members(&columns[0])?;
                self.beside(frame, rows, members)
            }
            Generator::Stack { rows, exprs } => self.stack(frame, *rows, exprs, context),
            Generator::Row(exprs) => {
                let mut out = only(frame.clone(), &self.keep);
                for ((id, _), expr) in self.columns.iter().zip(exprs) {
                    out.push(*id, expr.evaluate(&frame, &context.eval)?);
                }
                Ok(out)
            }
            Generator::Split { text, delimiter } => self.split(frame, text, *delimiter, context),
        }
    }
}

impl Generate {
    /// The row that each element belongs to, and the columns of positions (if asked for) and elements.
    fn elements(&self, column: &Series, position: bool) -> Result<(Vec<u32>, Vec<Series>), EngineError> {
        let lists = access::lists(column)?;
        let offsets = lists.offsets();
        let nulls = lists.validity().is_some_and(|v| v.unset_bits() > 0);
        let empties = self.outer && offsets.windows(2).any(|w| w[0] == w[1]);
        let plain = !nulls && !empties;
        let total = (offsets[lists.len()] - offsets[0]) as usize;
        let mut rows = Vec::with_capacity(total);
        let mut positions: Vec<Option<i32>> = Vec::new();
        if plain {
            for row in 0..lists.len() {
                let (start, end) = lists.value(row);
                rows.extend(std::iter::repeat_n(row as u32, end - start));
                if position {
                    positions.extend((0..(end - start) as i32).map(Some));
                }
            }
            let elements = lists.inner().slice(offsets[0], total);
            return Ok((rows, columns_of(positions, position, elements)));
        }
        let mut taken: Vec<Option<u32>> = Vec::with_capacity(total);
        for row in 0..lists.len() {
            let (start, end) = lists.at(row).unwrap_or((0, 0));
            for at in start..end {
                rows.push(row as u32);
                taken.push(Some(at as u32));
                positions.push(Some((at - start) as i32));
            }
            if start == end && self.outer {
                rows.push(row as u32);
                taken.push(None);
                positions.push(None);
            }
        }
        let elements = lists.inner().take(&taken.into_iter().collect::<IdxCa>())?;
        Ok((rows, columns_of(positions, position, elements)))
    }

    /// The new columns beside the kept ones of their rows.
    fn beside(&self, frame: Frame, rows: Vec<u32>, columns: Vec<Series>) -> Result<Frame, EngineError> {
        let count = rows.len();
        let kept = only(frame, &self.keep);
        let mut out =
            if kept.ids().is_empty() { Frame::new(vec![], vec![], count) } else { kept.take(&IdxCa::from_vec(PlSmallStr::EMPTY, rows))? };
        for ((id, _), column) in self.columns.iter().zip(columns) {
            out.push(*id, column);
        }
        Ok(out)
    }

    fn stack(&self, frame: Frame, rows: usize, exprs: &[Bound], context: &BatchContext) -> Result<Frame, EngineError> {
        let (height, width) = (frame.rows(), self.columns.len());
        // Copy after copy first, then into the order of the input: row `i` of copy `r` lies at `r * height + i`.
        let order: Vec<u32> = (0..height).flat_map(|i| (0..rows).map(move |r| (r * height + i) as u32)).collect();
        let order = IdxCa::from_vec(PlSmallStr::EMPTY, order);
        let mut columns = Vec::with_capacity(width);
        for (at, (_, data_type)) in self.columns.iter().enumerate() {
            let mut all: Option<Series> = None;
            for copy in 0..rows {
                let part = match exprs.get(copy * width + at) {
                    Some(expr) => expr.evaluate(&frame, &context.eval)?,
                    None => null_series(data_type, height),
                };
                match &mut all {
                    None => all = Some(part),
                    Some(all) => {
                        all.append(&part)?;
                    }
                }
            }
            columns.push(all.unwrap_or_else(|| null_series(data_type, 0)).rechunk().take(&order)?);
        }
        let from = (0..height).flat_map(|i| std::iter::repeat_n(i as u32, rows)).collect();
        self.beside(frame, from, columns)
    }

    fn split(&self, frame: Frame, text: &Bound, delimiter: u8, context: &BatchContext) -> Result<Frame, EngineError> {
        let column = text.evaluate(&frame, &context.eval)?;
        let texts = access::texts(&column)?;
        let wanted = !only(frame.slice(0, 0), &self.keep).ids().is_empty();
        let mut rows = Vec::new();
        let mut words = Slices::new(texts, expected(&texts, delimiter));
        for row in 0..texts.len() {
            let before = words.len();
            if texts.at(row).is_some() {
                words.split(row, delimiter);
            } else if self.outer {
                words.push_null();
            }
            if wanted {
                rows.extend(std::iter::repeat_n(row as u32, words.len() - before));
            }
        }
        let words = words.finish();
        if wanted {
            return self.beside(frame, rows, vec![words]);
        }
        let count = words.len();
        Ok(Frame::new(vec![self.columns[0].0], vec![words], count))
    }
}

/// About as many pieces as the texts have, from the first ones: room that is too small would be doubled, and copied.
fn expected(texts: &access::Texts<'_>, delimiter: u8) -> usize {
    let seen = texts.len().min(64);
    let pieces = |row: usize| texts.at(row).map_or(1, |text| memchr::memchr_iter(delimiter, text.as_bytes()).count() + 1);
    let found: usize = (0..seen).map(pieces).sum();
    found * texts.len() * 9 / (8 * seen.max(1))
}

fn columns_of(positions: Vec<Option<i32>>, position: bool, elements: Series) -> Vec<Series> {
    if !position {
        return vec![elements];
    }
    let positions: polars::prelude::Int32Chunked = positions.into_iter().collect();
    vec![polars::prelude::IntoSeries::into_series(positions), elements]
}
