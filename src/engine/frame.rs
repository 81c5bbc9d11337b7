//! Rows on their way through a query.

use crate::plan::expr::ColumnId;
use polars::prelude::*;

/// Columns of equal length under the plan's column ids.
///
/// Users' names, which may repeat, live in the plan and come back only at the edge. Every column is one
/// chunk, of the physical type that [`super::columns`] says.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    ids: Vec<ColumnId>,
    columns: Vec<Series>,
    rows: usize,
}

impl Frame {
    /// A frame of `rows` rows; `columns` all have that length.
    pub fn new(ids: Vec<ColumnId>, columns: Vec<Series>, rows: usize) -> Frame {
        debug_assert_eq!(ids.len(), columns.len());
        debug_assert!(columns.iter().all(|c| c.len() == rows));
        let columns = columns.into_iter().map(|c| if c.n_chunks() == 1 { c } else { c.rechunk() }).collect();
        Frame { ids, columns, rows }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The ids in order.
    pub fn ids(&self) -> &[ColumnId] {
        &self.ids
    }

    /// The columns in order.
    pub fn columns(&self) -> &[Series] {
        &self.columns
    }

    /// The column of that id.
    pub fn column(&self, id: ColumnId) -> Option<&Series> {
        self.ids.iter().position(|i| *i == id).map(|i| &self.columns[i])
    }

    /// Adds a column of the frame's length.
    pub fn push(&mut self, id: ColumnId, column: Series) {
        debug_assert_eq!(column.len(), self.rows);
        self.ids.push(id);
        self.columns.push(if column.n_chunks() == 1 { column } else { column.rechunk() });
    }

    /// The rows where `mask` is true; NULL counts as false.
    pub fn filter(&self, mask: &BooleanChunked) -> PolarsResult<Frame> {
        let columns = self.columns.iter().map(|c| c.filter(mask)).collect::<PolarsResult<Vec<_>>>()?;
        let rows = match columns.first() {
            Some(first) => first.len(),
            None => mask.sum().unwrap_or(0) as usize,
        };
        Ok(Frame::new(self.ids.clone(), columns, rows))
    }

    /// The rows at `indices`, in that order; an index may repeat.
    pub fn take(&self, indices: &IdxCa) -> PolarsResult<Frame> {
        let columns = self.columns.iter().map(|c| c.take(indices)).collect::<PolarsResult<Vec<_>>>()?;
        Ok(Frame::new(self.ids.clone(), columns, indices.len()))
    }

    /// Rows `offset..offset + length`, cut to what is there.
    pub fn slice(&self, offset: usize, length: usize) -> Frame {
        let length = length.min(self.rows.saturating_sub(offset));
        let columns = self.columns.iter().map(|c| c.slice(offset as i64, length)).collect();
        Frame { ids: self.ids.clone(), columns, rows: length }
    }

    /// The rows of all frames one after the other; all have the same ids. `None` without frames.
    pub fn concat(frames: Vec<Frame>) -> PolarsResult<Option<Frame>> {
        let mut frames = frames.into_iter();
        let Some(mut all) = frames.next() else { return Ok(None) };
        for frame in frames {
            all.rows += frame.rows;
            for (left, right) in all.columns.iter_mut().zip(frame.columns) {
                left.append_owned(right)?;
            }
        }
        Ok(Some(Frame::new(all.ids, all.columns, all.rows)))
    }
}
