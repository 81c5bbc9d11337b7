//! Joins with a bounded side: it is read once and indexed once, every piece of the other side probes it.
//!
//! Keys of `=` hash together (NULL matches nothing), keys of `<=>` too (NULL matches NULL); whatever else the
//! condition asks is evaluated over the pairs that the keys leave. Without keys every pair is one.

use super::{BatchContext, Flow, Operator, Step, Task, gather, run};
use crate::engine::columns::null_series;
use crate::engine::eval::{Bound, EvalContext, access};
use crate::engine::state::keys::{KeyKind, Keys};
use crate::engine::{EngineError, Frame};
use crate::plan::expr::ColumnId;
use crate::plan::logical::JoinKind;
use crate::types::DataType;
use polars::prelude::{IdxCa, PlSmallStr, Series};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// What a join does with the two sides, seen from the side that probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Pairs only.
    Pairs,
    /// Pairs, and rows of the probing side without one.
    Probing,
    /// Pairs, and rows of either side without one.
    Both,
    /// Rows of the probing side that have a match, once each.
    Matched,
    /// Rows of the probing side that have none.
    Unmatched,
}

/// The keys and the rest of a join's condition, bound.
pub struct Condition {
    /// Key expressions of each side, and whether NULL matches NULL.
    pub keys: Vec<(Bound, Bound, bool)>,
    /// The rest, over the columns of both sides.
    pub rest: Option<Bound>,
}

/// How to join; the probing side is the left one unless `swapped`.
pub struct Shape {
    pub keep: Keep,
    /// The right side of the query probes, the left is indexed.
    pub swapped: bool,
    pub condition: Condition,
    /// The indexed side's columns, with their types.
    pub indexed: Vec<(ColumnId, DataType)>,
    /// The output's columns.
    pub output: Vec<ColumnId>,
}

impl Shape {
    /// What a kind of join keeps when the left (or with `swapped` the right) side probes; `None` where that
    /// side cannot probe.
    pub fn keep(kind: JoinKind, swapped: bool) -> Option<Keep> {
        match (kind, swapped) {
            (JoinKind::Inner | JoinKind::Cross, _) => Some(Keep::Pairs),
            (JoinKind::Left, false) | (JoinKind::Right, true) => Some(Keep::Probing),
            (JoinKind::Full, false) => Some(Keep::Both),
            (JoinKind::LeftSemi, false) => Some(Keep::Matched),
            (JoinKind::LeftAnti, false) => Some(Keep::Unmatched),
            _ => None,
        }
    }

    /// The key expressions of the probing and of the indexed side, in this order.
    fn sides(&self) -> impl Iterator<Item = (&Bound, &Bound, bool)> {
        self.condition.keys.iter().map(|(l, r, null)| if self.swapped { (r, l, *null) } else { (l, r, *null) })
    }
}

/// One side, found by key.
pub struct Index {
    frame: Frame,
    kind: KeyKind,
    keys: Keys,
    /// The first row of each slot, and the next row of the same key after each row; `NONE` ends.
    heads: Vec<u32>,
    next: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl Index {
    /// Indexes `frame` by its side's keys.
    pub fn new(frame: Frame, shape: &Shape, eval: &EvalContext) -> Result<Index, EngineError> {
        let types: Vec<DataType> = shape.sides().map(|(_, k, _)| k.data_type().clone()).collect();
        let kind = KeyKind::of(&types);
        let columns = shape.sides().map(|(_, k, _)| k.evaluate(&frame, eval)).collect::<Result<Vec<_>, _>>()?;
        let batch = kind.batch(&columns, frame.rows())?;
        let strict: Vec<&Series> = shape.sides().zip(&columns).filter(|((_, _, null), _)| !null).map(|(_, c)| c).collect();
        // From the last row to the first, so that each chain runs in row order.
        let rows: Vec<u32> =
            (0..frame.rows() as u32).rev().filter(|row| !strict.iter().any(|c| access::is_null(c, *row as usize))).collect();
        let mut keys = Keys::new(kind.clone());
        let (mut heads, mut next) = (vec![NONE; usize::from(kind == KeyKind::Global)], vec![NONE; frame.rows()]);
        keys.upsert(&batch, &rows, |row, slot, _| {
            let slot = slot as usize;
            if slot >= heads.len() {
                heads.resize(slot + 1, NONE);
            }
            next[row as usize] = heads[slot];
            heads[slot] = row;
        })?;
        Ok(Index { frame, kind, keys, heads, next })
    }

    /// Pairs of probing and indexed rows whose keys match.
    fn pairs(&self, frame: &Frame, shape: &Shape, eval: &EvalContext) -> Result<(Vec<u32>, Vec<u32>), EngineError> {
        let columns = shape.sides().map(|(k, _, _)| k.evaluate(frame, eval)).collect::<Result<Vec<_>, _>>()?;
        let batch = self.kind.batch(&columns, frame.rows())?;
        let slots = self.keys.find_all(&batch)?;
        let strict: Vec<&Series> = shape.sides().zip(&columns).filter(|((_, _, null), _)| !null).map(|(_, c)| c).collect();
        let (mut probing, mut indexed) = (Vec::with_capacity(frame.rows()), Vec::with_capacity(frame.rows()));
        for (row, slot) in slots.into_iter().enumerate() {
            let Some(slot) = slot.filter(|_| !strict.iter().any(|c| access::is_null(c, row))) else { continue };
            let mut at = self.heads.get(slot as usize).copied().unwrap_or(NONE);
            while at != NONE {
                probing.push(row as u32);
                indexed.push(at);
                at = self.next[at as usize];
            }
        }
        Ok((probing, indexed))
    }
}

/// Rows of both sides, side by side.
fn side_by_side(probing: Frame, indexed: &Frame) -> Frame {
    let mut out = probing;
    for (id, column) in indexed.ids().iter().zip(indexed.columns()) {
        out.push(*id, column.clone());
    }
    out
}

fn indices(rows: Vec<u32>) -> IdxCa {
    IdxCa::from_vec(PlSmallStr::EMPTY, rows)
}

/// The frame's columns in the order of `ids`.
fn arrange(frame: &Frame, ids: &[ColumnId]) -> Result<Frame, EngineError> {
    let column = |id: &ColumnId| frame.column(*id).cloned().ok_or_else(|| EngineError::internal("a column of a join is missing"));
    Ok(Frame::new(ids.to_vec(), ids.iter().map(column).collect::<Result<_, _>>()?, frame.rows()))
}

/// The rows that `frame` gives against the index; marks in `matched` the indexed rows that found a partner.
fn probe(frame: Frame, index: &Index, shape: &Shape, eval: &EvalContext, matched: Option<&mut [bool]>) -> Result<Frame, EngineError> {
    let (mut probing, mut indexed) = index.pairs(&frame, shape, eval)?;
    if let Some(rest) = &shape.condition.rest {
        let candidates = side_by_side(frame.take(&indices(probing.clone()))?, &index.frame.take(&indices(indexed.clone()))?);
        let mask = rest.mask(&candidates, eval)?;
        let hits = |rows: &[u32]| rows.iter().zip(mask.iter()).filter(|(_, m)| *m == Some(true)).map(|(r, _)| *r).collect::<Vec<_>>();
        (probing, indexed) = (hits(&probing), hits(&indexed));
    }
    if let Some(matched) = matched {
        indexed.iter().for_each(|row| matched[*row as usize] = true);
    }
    let mut found = vec![false; if shape.keep == Keep::Pairs { 0 } else { frame.rows() }];
    if shape.keep != Keep::Pairs {
        probing.iter().for_each(|row| found[*row as usize] = true);
    }
    let rows_where = |wanted: bool| (0..frame.rows() as u32).filter(|row| found[*row as usize] == wanted).collect::<Vec<u32>>();
    match shape.keep {
        Keep::Matched => return arrange(&frame.take(&indices(rows_where(true)))?, &shape.output),
        Keep::Unmatched => return arrange(&frame.take(&indices(rows_where(false)))?, &shape.output),
        _ => {}
    }
    let pairs = arrange(&side_by_side(frame.take(&indices(probing))?, &index.frame.take(&indices(indexed))?), &shape.output)?;
    if shape.keep == Keep::Pairs {
        return Ok(pairs);
    }
    let alone = rows_where(false);
    if alone.is_empty() {
        return Ok(pairs);
    }
    let mut rest = frame.take(&indices(alone))?;
    for (id, data_type) in &shape.indexed {
        rest.push(*id, null_series(data_type, rest.rows()));
    }
    let rest = arrange(&rest, &shape.output)?;
    Frame::concat(vec![pairs, rest])?.ok_or_else(|| EngineError::internal("a join without a result"))
}

/// A stream's pieces against a bounded table.
pub struct StaticJoin {
    /// How to join.
    pub shape: Shape,
    /// The table.
    pub table: StaticTable,
}

/// The bounded side of a join with a stream.
pub struct StaticTable {
    index: RwLock<Arc<Index>>,
    /// Of a table that is read again when its files change.
    refresh: Option<Refresh>,
}

/// Reads a table and indexes it.
pub type Read = dyn Fn(&Shape) -> Result<Index, EngineError> + Send + Sync;

/// How to see that a table changed, and how to read it again.
pub struct Refresh {
    /// Its files as they were when it was read last.
    pub known: Mutex<Vec<Option<u64>>>,
    /// Its files as they are.
    pub look: Box<dyn Fn() -> Result<Vec<Option<u64>>, EngineError> + Send + Sync>,
    /// The table as it is.
    pub read: Box<Read>,
}

impl StaticTable {
    /// A table that was read; with `refresh` it is looked at before each batch.
    pub fn new(index: Index, refresh: Option<Refresh>) -> StaticTable {
        StaticTable { index: RwLock::new(Arc::new(index)), refresh }
    }

    /// Reads the table again if its files changed. Those that are gone for a moment count as unchanged.
    fn begin(&self, shape: &Shape) -> Result<(), EngineError> {
        let Some(refresh) = &self.refresh else { return Ok(()) };
        let mut known = refresh.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (refresh.look)()?;
        if now.iter().zip(&*known).any(|(now, known)| now.is_some() && now != known) {
            let index = Arc::new((refresh.read)(shape)?);
            *self.index.write().unwrap_or_else(PoisonError::into_inner) = index;
            *known = now;
        }
        Ok(())
    }
}

impl Step for StaticJoin {
    fn name(&self) -> &'static str {
        "join"
    }

    fn apply(&self, frame: Frame, context: &BatchContext) -> Result<Frame, EngineError> {
        let index = Arc::clone(&self.table.index.read().unwrap_or_else(PoisonError::into_inner));
        probe(frame, &index, &self.shape, &context.eval, None)
    }

    fn begin(&self) -> Result<(), EngineError> {
        self.table.begin(&self.shape)
    }
}

/// Two bounded sides; inputs are left and right as in the query.
pub struct BoundedJoin {
    /// How to join.
    pub shape: Shape,
    /// The probing side's columns, with their types.
    pub probing: Vec<(ColumnId, DataType)>,
}

fn empty(columns: &[(ColumnId, DataType)]) -> Frame {
    Frame::new(columns.iter().map(|c| c.0).collect(), columns.iter().map(|c| null_series(&c.1, 0)).collect(), 0)
}

impl Operator for BoundedJoin {
    fn name(&self) -> &'static str {
        "join"
    }

    fn step(&mut self, mut inputs: Vec<Vec<Task>>, context: &BatchContext) -> Result<Flow, EngineError> {
        let (right, left) = (inputs.pop().unwrap_or_default(), inputs.pop().unwrap_or_default());
        let (probing, indexed) = if self.shape.swapped { (right, left) } else { (left, right) };
        let indexed = gather(indexed, context)?.unwrap_or_else(|| empty(&self.shape.indexed));
        let mut rows_in = indexed.rows() as u64;
        let index = Index::new(indexed, &self.shape, &context.eval)?;
        let pieces = run(probing, context)?;
        rows_in += pieces.iter().map(|f| f.rows() as u64).sum::<u64>();
        if self.shape.keep != Keep::Both {
            let frames = context.resources.pool().map(pieces, |f| probe(f, &index, &self.shape, &context.eval, None));
            return Ok(Flow { frames: frames.into_iter().collect::<Result<_, _>>()?, rows_in });
        }
        let mut matched = vec![false; index.frame.rows()];
        let mut frames = Vec::new();
        for piece in pieces {
            frames.push(probe(piece, &index, &self.shape, &context.eval, Some(&mut matched))?);
        }
        let alone: Vec<u32> = (0..matched.len()).filter(|row| !matched[*row]).map(|row| row as u32).collect();
        let mut rest = index.frame.take(&indices(alone))?;
        for (id, data_type) in &self.probing {
            rest.push(*id, null_series(data_type, rest.rows()));
        }
        frames.push(arrange(&rest, &self.shape.output)?);
        Ok(Flow { frames, rows_in })
    }
}
