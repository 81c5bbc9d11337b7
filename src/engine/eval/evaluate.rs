//! Running [`Bound`] expressions over frames, under a selection of rows where it matters.
//!
//! `CASE WHEN y <> 0 THEN x / y ELSE 0 END` over three rows:
//!
//! ```text
//! y            2  0  4        the condition is evaluated for all rows
//! y <> 0       T  F  T
//! x / y        on rows 0, 2   the frame is cut down to the columns x and y and those two rows
//! 0            one value      stands for all rows that are left
//! result       gathered: row 0 ← quotient 0, row 1 ← the zero, row 2 ← quotient 1
//! ```
//!
//! What cannot fail and costs little is evaluated for all rows instead and zipped together, which is faster
//! than cutting rows out. An error within a selection is told the row of the whole frame.

use super::access::{self, broadcast, flag_series, flags};
use super::bind::{Bound, Node};
use super::select::select;
use super::{Argument, EvalContext, KernelCall, Lambda, cast, compare};
use crate::engine::columns::{null_series, one_chunk, value_at};
use crate::engine::{Blame, EngineError, Frame};
use crate::plan::explain::literal;
use crate::plan::expr::ColumnId;
use crate::plan::places::CAST;
use crate::types::{DataType, Value};
use polars::prelude::{BooleanChunked, ChunkFull, IdxCa, IdxSize, PlSmallStr, Series};
use polars_arrow::bitmap::{self, Bitmap, MutableBitmap};

/// Above this weight an expression is evaluated only where it is needed, even if it cannot fail.
const HEAVY: u32 = 8;

impl Bound {
    /// The Spark type of the value.
    pub fn data_type(&self) -> &DataType {
        &self.data_type
    }

    /// Whether it gives the same for every row of a batch.
    pub fn is_constant(&self) -> bool {
        self.constant
    }

    /// Whether some values of its columns make it fail.
    pub fn is_fallible(&self) -> bool {
        self.fallible
    }

    /// The columns of the frame that it reads.
    pub fn columns(&self) -> &[ColumnId] {
        &self.columns
    }

    /// The value for every row of the frame.
    ///
    /// # Errors
    /// What the data makes fail, with Spark's condition and the row.
    pub fn evaluate(&self, frame: &Frame, ctx: &EvalContext) -> Result<Series, EngineError> {
        let column = broadcast(self.cells(frame, ctx)?, frame.rows());
        debug_assert_eq!(column.len(), frame.rows());
        Ok(one_chunk(column))
    }

    /// The value for every row, or just one where it is the same for all.
    pub fn evaluate_compact(&self, frame: &Frame, ctx: &EvalContext) -> Result<Series, EngineError> {
        self.cells(frame, ctx)
    }

    /// The value of an expression without columns.
    pub fn evaluate_scalar(&self, ctx: &EvalContext) -> Result<Value, EngineError> {
        let column = self.cells(&Frame::new(Vec::new(), Vec::new(), 1), ctx)?;
        Ok(value_at(&column, 0, &self.data_type))
    }

    /// The rows where a condition is TRUE; neither FALSE nor NULL is.
    pub fn mask(&self, frame: &Frame, ctx: &EvalContext) -> Result<BooleanChunked, EngineError> {
        let column = self.cells(frame, ctx)?;
        let truth = is_true(&column)?;
        if truth.len() == frame.rows() {
            return Ok(BooleanChunked::from_bitmap(PlSmallStr::EMPTY, truth));
        }
        Ok(BooleanChunked::full(PlSmallStr::EMPTY, truth.get_bit(0), frame.rows()))
    }

    /// One cell for each row, or one for all.
    fn cells(&self, frame: &Frame, ctx: &EvalContext) -> Result<Series, EngineError> {
        if frame.rows() == 0 {
            return Ok(null_series(&self.data_type, 0));
        }
        match &self.node {
            Node::Column(id) => {
                frame.column(*id).cloned().ok_or_else(|| EngineError::internal(format!("no column #{} in the frame", id.0)))
            }
            Node::Constant(value) => Ok(value.clone()),
            Node::Call { entry, .. } => self.call(frame, ctx).map_err(|e| self.blamed(e, entry.name, frame)),
            Node::Cast { expr, attempt } => {
                let cells = expr.cells(frame, ctx)?;
                let cast = cast::cast(&cells, &expr.data_type, &self.data_type, *attempt, ctx);
                cast.map_err(|e| self.blamed(e, CAST, frame))
            }
            Node::Case { branches, otherwise } => self.case(branches, otherwise.as_deref(), frame, ctx),
            Node::And(a, b) => connect(a, b, false, frame, ctx),
            Node::Or(a, b) => connect(a, b, true, frame, ctx),
            Node::Coalesce(args) => self.coalesce(args, frame, ctx),
            Node::Among { expr, members } => members.test(&expr.cells(frame, ctx)?),
            Node::In { expr, list } => is_in(expr, list, frame, ctx),
            Node::Field { expr, index } => member(&expr.cells(frame, ctx)?, *index),
        }
    }

    /// The error with this operation, and the values of its columns in the row at fault.
    fn blamed(&self, error: EngineError, operation: &'static str, frame: &Frame) -> EngineError {
        error.blame(|row| {
            let value = |id: &ColumnId| {
                let (column, data_type) = (frame.column(*id)?, self.type_of(*id)?);
                let row = row.or((frame.rows() == 1).then_some(0)).filter(|row| *row < column.len())?;
                Some(literal(&value_at(column, row, data_type), data_type))
            };
            Blame { operation, columns: self.columns.iter().map(|id| (*id, value(id))).collect() }
        })
    }

    /// The type of a column that the expression reads.
    fn type_of(&self, id: ColumnId) -> Option<&DataType> {
        match &self.node {
            Node::Column(own) => (*own == id).then_some(&self.data_type),
            Node::Constant(_) => None,
            Node::Call { args, .. } | Node::Coalesce(args) => args.iter().find_map(|a| a.type_of(id)),
            Node::Cast { expr, .. } | Node::Field { expr, .. } | Node::Among { expr, .. } => expr.type_of(id),
            Node::Case { branches, otherwise } => {
                branches.iter().flat_map(|(c, v)| [c, v]).chain(otherwise.as_deref()).find_map(|b| b.type_of(id))
            }
            Node::And(a, b) | Node::Or(a, b) => a.type_of(id).or_else(|| b.type_of(id)),
            Node::In { expr, list } => expr.type_of(id).or_else(|| list.iter().find_map(|b| b.type_of(id))),
        }
    }

    /// The cells of the rows chosen (ascending), or one for all of them.
    fn selected(&self, rows: &[IdxSize], frame: &Frame, ctx: &EvalContext) -> Result<Series, EngineError> {
        if rows.len() == frame.rows() {
            return self.cells(frame, ctx);
        }
        if let Node::Constant(value) = &self.node {
            return Ok(value.clone());
        }
        let part = cut(frame, &self.columns, rows)?;
        self.cells(&part, ctx).map_err(|e| back(e, rows))
    }

    fn call(&self, frame: &Frame, ctx: &EvalContext) -> Result<Series, EngineError> {
        let Node::Call { entry, args, lambdas, strict } = &self.node else {
            return Err(EngineError::internal("not a call"));
        };
        let mut columns: Vec<Argument> = Vec::with_capacity(args.len());
        for arg in args {
            let column = match columns.last() {
                Some(left) if *strict && arg.fallible && access::validity(&left.column).is_some() => {
                    where_valid(&left.column, arg, frame, ctx)?
                }
                _ => arg.cells(frame, ctx)?,
            };
            columns.push(Argument { column, data_type: arg.data_type.clone() });
        }
        if lambdas.iter().any(|l| !l.outer.is_empty() || !l.body.constant && l.varies()) {
            columns.iter_mut().for_each(|a| a.column = broadcast(a.column.clone(), frame.rows()));
        }
        let scoped: Vec<ScopedLambda<'_>> = lambdas.iter().map(|lambda| ScopedLambda { lambda, frame, ctx }).collect();
        let lambdas: Vec<&dyn Lambda> = scoped.iter().map(|l| l as &dyn Lambda).collect();
        let call = KernelCall { args: &columns, lambdas: &lambdas, rows: frame.rows(), returns: &self.data_type, context: ctx };
        let column = (entry.kernel)(&call)?;
        debug_assert!(column.len() == frame.rows() || column.len() == 1, "{} gave {} cells for {}", entry.name, column.len(), frame.rows());
        Ok(one_chunk(column))
    }

    fn case(
        &self,
        branches: &[(Bound, Bound)],
        otherwise: Option<&Bound>,
        frame: &Frame,
        ctx: &EvalContext,
    ) -> Result<Series, EngineError> {
        let conditions_fail = branches.iter().skip(1).any(|(c, _)| c.fallible);
        let values = || branches.iter().map(|(_, v)| v).chain(otherwise);
        let light = values().all(|v| !v.fallible && v.weight < HEAVY) && self.data_type.is_atomic();
        if light && !conditions_fail {
            return self.case_of_all(branches, otherwise, frame, ctx);
        }
        let mut merge = Merge::new(frame.rows());
        let mut rest: Vec<IdxSize> = (0..frame.rows() as IdxSize).collect();
        for (condition, value) in branches {
            let truth = is_true(&condition.selected(&rest, frame, ctx)?)?;
            let (chosen, left) = partition(&rest, &truth);
            if !chosen.is_empty() {
                merge.place(&chosen, value.selected(&chosen, frame, ctx)?)?;
            }
            rest = left;
            if rest.is_empty() {
                break;
            }
        }
        if let (Some(otherwise), false) = (otherwise, rest.is_empty()) {
            merge.place(&rest, otherwise.selected(&rest, frame, ctx)?)?;
        }
        merge.finish(&self.data_type)
    }

    /// `CASE` whose values cannot fail: evaluated for all rows, then zipped from the last branch to the first.
    fn case_of_all(
        &self,
        branches: &[(Bound, Bound)],
        otherwise: Option<&Bound>,
        frame: &Frame,
        ctx: &EvalContext,
    ) -> Result<Series, EngineError> {
        let mut result = match otherwise {
            Some(value) => value.cells(frame, ctx)?,
            None => null_series(&self.data_type, 1),
        };
        for (condition, value) in branches.iter().rev() {
            let truth = is_true(&condition.cells(frame, ctx)?)?;
            match truth.unset_bits() {
                0 => result = value.cells(frame, ctx)?,
                n if n == truth.len() => {}
                _ => {
                    result = select(&truth, &value.cells(frame, ctx)?, &result, &self.data_type)?;
                }
            }
        }
        Ok(result)
    }

    fn coalesce(&self, args: &[Bound], frame: &Frame, ctx: &EvalContext) -> Result<Series, EngineError> {
        let Some((first, rest)) = args.split_first() else { return Ok(null_series(&self.data_type, 1)) };
        let first = first.cells(frame, ctx)?;
        if first.null_count() == 0 {
            return Ok(first);
        }
        if rest.iter().all(|a| !a.fallible && a.weight < HEAVY) && self.data_type.is_atomic() {
            let mut result = first;
            for arg in rest {
                let next = arg.cells(frame, ctx)?;
                let full = result.len().max(next.len());
                result = one_chunk(broadcast(result, full));
                let Some(valid) = access::validity(&result).cloned() else { break };
                result = select(&valid, &result, &next, &self.data_type)?;
                if result.null_count() == 0 {
                    break;
                }
            }
            return Ok(result);
        }
        let mut merge = Merge::new(frame.rows());
        let mut left: Vec<IdxSize> = (0..frame.rows() as IdxSize).collect();
        let mut column = first;
        let mut rest = rest.iter();
        loop {
            let valid = access::validity(&column).cloned().unwrap_or_else(|| Bitmap::new_with_value(true, column.len()));
            let (_, nulls) = partition(&left, &valid);
            merge.place(&left, column)?;
            left = nulls;
            match rest.next() {
                Some(arg) if !left.is_empty() => column = arg.selected(&left, frame, ctx)?,
                _ => return merge.finish(&self.data_type),
            }
        }
    }
}

/// `arg` for the rows where `left` is not NULL; NULL elsewhere.
fn where_valid(left: &Series, arg: &Bound, frame: &Frame, ctx: &EvalContext) -> Result<Series, EngineError> {
    let valid = access::validity(left).cloned().unwrap_or_else(|| Bitmap::new_with_value(true, left.len()));
    let all: Vec<IdxSize> = (0..frame.rows() as IdxSize).collect();
    let (chosen, _) = partition(&all, &valid);
    if chosen.is_empty() {
        return Ok(null_series(&arg.data_type, 1));
    }
    let mut merge = Merge::new(frame.rows());
    merge.place(&chosen, arg.selected(&chosen, frame, ctx)?)?;
    merge.finish(&arg.data_type)
}

/// `AND`, or with `or` `OR`: the right side sees the rows that the left side does not decide.
fn connect(left: &Bound, right: &Bound, or: bool, frame: &Frame, ctx: &EvalContext) -> Result<Series, EngineError> {
    let a = left.cells(frame, ctx)?;
    let decided = if or { is_true(&a)? } else { is_false(&a)? };
    let open = decided.unset_bits();
    if open == 0 {
        return Ok(a);
    }
    let whole = decided.len() == 1 || open == decided.len() || !right.fallible && (right.weight < HEAVY || open * 2 > decided.len());
    let b = if whole {
        right.cells(frame, ctx)?
    } else {
        let all: Vec<IdxSize> = (0..frame.rows() as IdxSize).collect();
        let (_, rows) = partition(&all, &decided);
        spread(&right.selected(&rows, frame, ctx)?, &rows, frame.rows())?
    };
    kleene(&a, &b, or)
}

/// Booleans of the rows chosen, FALSE elsewhere: their value there does not count.
fn spread(cells: &Series, rows: &[IdxSize], n: usize) -> Result<Series, EngineError> {
    let cells = flags(cells)?;
    let mut values = MutableBitmap::from_len_zeroed(n);
    let mut valid = MutableBitmap::from_len_set(n);
    for (i, row) in rows.iter().enumerate() {
        match access::Cells::at(&cells, i) {
            Some(value) => values.set(*row as usize, value),
            None => valid.set(*row as usize, false),
        }
    }
    Ok(flag_series(values.freeze(), Some(valid.freeze())))
}

/// SQL's three-valued `AND` and `OR` of two columns.
pub(super) fn kleene(a: &Series, b: &Series, or: bool) -> Result<Series, EngineError> {
    let n = access::length(&[a.len(), b.len()]);
    let (a, b) = (broadcast(a.clone(), n), broadcast(b.clone(), n));
    let (x, y) = (flags(&a)?.0, flags(&b)?.0);
    let values = if or { bitmap::or(x.values(), y.values()) } else { bitmap::and(x.values(), y.values()) };
    if x.validity().is_none() && y.validity().is_none() {
        return Ok(flag_series(values, None));
    }
    let (ta, fa, tb, fb) = (is_true(&a)?, is_false(&a)?, is_true(&b)?, is_false(&b)?);
    let (truth, falsity) = match or {
        true => (bitmap::or(&ta, &tb), bitmap::and(&fa, &fb)),
        false => (bitmap::and(&ta, &tb), bitmap::or(&fa, &fb)),
    };
    let valid = bitmap::or(&truth, &falsity);
    Ok(flag_series(truth, if valid.unset_bits() == 0 { None } else { Some(valid) }))
}

/// Where a BOOLEAN column is TRUE.
pub(super) fn is_true(column: &Series) -> Result<Bitmap, EngineError> {
    let array = flags(column)?.0;
    Ok(match array.validity() {
        Some(valid) => bitmap::and(array.values(), valid),
        None => array.values().clone(),
    })
}

/// Where a BOOLEAN column is FALSE.
pub(super) fn is_false(column: &Series) -> Result<Bitmap, EngineError> {
    let array = flags(column)?.0;
    let not = !array.values();
    Ok(match array.validity() {
        Some(valid) => bitmap::and(&not, valid),
        None => not,
    })
}

/// `expr IN (list)` over expressions: `=` with each, joined by OR; a later element sees the rows still open.
fn is_in(expr: &Bound, list: &[Bound], frame: &Frame, ctx: &EvalContext) -> Result<Series, EngineError> {
    let value = expr.cells(frame, ctx)?;
    let mut result = flag_series(Bitmap::new_with_value(false, 1), None);
    for element in list {
        let decided = is_true(&result)?;
        if decided.unset_bits() == 0 {
            break;
        }
        let other = if element.fallible && decided.set_bits() > 0 && decided.len() == frame.rows() {
            let all: Vec<IdxSize> = (0..frame.rows() as IdxSize).collect();
            let (_, rows) = partition(&all, &decided);
            let mut merge = Merge::new(frame.rows());
            merge.place(&rows, element.selected(&rows, frame, ctx)?)?;
            merge.finish(&element.data_type)?
        } else {
            element.cells(frame, ctx)?
        };
        let equal = compare::compare(compare::Comparison::Equal, &value, &other, &expr.data_type)?;
        result = kleene(&result, &equal, true)?;
    }
    Ok(result)
}

/// Member `index` of every struct.
fn member(column: &Series, index: usize) -> Result<Series, EngineError> {
    let mut members = access::members(column)?;
    if index >= members.len() {
        return Err(EngineError::internal(format!("no member {index} in a struct of {}", members.len())));
    }
    Ok(one_chunk(members.swap_remove(index)))
}

/// The rows of `rows` whose bit is set, and the others; one bit may stand for all.
fn partition(rows: &[IdxSize], bits: &Bitmap) -> (Vec<IdxSize>, Vec<IdxSize>) {
    if bits.len() == 1 && rows.len() != 1 {
        return if bits.get_bit(0) { (rows.to_vec(), Vec::new()) } else { (Vec::new(), rows.to_vec()) };
    }
    // Every row is written to both lists and counted in one: no branch to mispredict.
    let (mut yes, mut no) = (vec![0; rows.len()], vec![0; rows.len()]);
    let (mut yes_count, mut no_count) = (0, 0);
    for (row, bit) in rows.iter().zip(bits.iter()) {
        yes[yes_count] = *row;
        no[no_count] = *row;
        yes_count += usize::from(bit);
        no_count += usize::from(!bit);
    }
    yes.truncate(yes_count);
    no.truncate(no_count);
    (yes, no)
}

/// The frame cut down to some columns and rows.
fn cut(frame: &Frame, columns: &[ColumnId], rows: &[IdxSize]) -> Result<Frame, EngineError> {
    let index = IdxCa::from_vec(PlSmallStr::EMPTY, rows.to_vec());
    let mut kept = Vec::with_capacity(columns.len());
    for id in columns {
        let column = frame.column(*id).ok_or_else(|| EngineError::internal(format!("no column #{} in the frame", id.0)))?;
        kept.push(column.take(&index)?);
    }
    Ok(Frame::new(columns.to_vec(), kept, rows.len()))
}

/// The error with its row counted in the whole frame.
fn back(error: EngineError, rows: &[IdxSize]) -> EngineError {
    match error.failure().row.and_then(|row| rows.get(row)) {
        Some(row) => error.clone().at_row(*row as usize),
        None => error,
    }
}

/// Gathers cells that were computed for different rows.
struct Merge {
    all: Option<Series>,
    /// For each row its cell in `all`; `IdxSize::MAX`: NULL.
    index: Vec<IdxSize>,
}

impl Merge {
    fn new(rows: usize) -> Merge {
        Merge { all: None, index: vec![IdxSize::MAX; rows] }
    }

    /// `cells[i]` belongs to `rows[i]`; a single cell to all of them. Later placements win.
    fn place(&mut self, rows: &[IdxSize], cells: Series) -> Result<(), EngineError> {
        let offset = self.all.as_ref().map_or(0, |s| s.len()) as IdxSize;
        let step = IdxSize::from(cells.len() != 1);
        for (i, row) in rows.iter().enumerate() {
            self.index[*row as usize] = offset + step * i as IdxSize;
        }
        match &mut self.all {
            None => self.all = Some(cells),
            Some(all) => {
                all.append(&cells)?;
            }
        }
        Ok(())
    }

    fn finish(self, data_type: &DataType) -> Result<Series, EngineError> {
        let Some(all) = self.all else { return Ok(null_series(data_type, 1)) };
        let all = one_chunk(all);
        if self.index.iter().enumerate().all(|(i, at)| *at as usize == i) && all.len() == self.index.len() {
            return Ok(all);
        }
        let missing = self.index.contains(&IdxSize::MAX);
        let index = if missing {
            self.index.iter().map(|i| (*i != IdxSize::MAX).then_some(*i)).collect()
        } else {
            IdxCa::from_vec(PlSmallStr::EMPTY, self.index)
        };
        Ok(one_chunk(all.take(&index)?))
    }
}

/// A lambda's body with the names it brings.
pub(super) struct LambdaBody {
    params: Vec<ColumnId>,
    pub(super) body: Bound,
    /// Columns that the body takes from outside.
    pub(super) outer: Vec<ColumnId>,
}

impl LambdaBody {
    pub(super) fn new(params: &[(ColumnId, DataType)], body: Bound, outer: Vec<ColumnId>) -> LambdaBody {
        LambdaBody { params: params.iter().map(|(id, _)| *id).collect(), body, outer }
    }

    /// Whether the body gives something else each time, so that one row cannot stand for all.
    fn varies(&self) -> bool {
        self.body.columns.is_empty() && !self.body.constant
    }
}

/// A lambda within the frame whose columns it may read.
struct ScopedLambda<'a> {
    lambda: &'a LambdaBody,
    frame: &'a Frame,
    ctx: &'a EvalContext,
}

impl Lambda for ScopedLambda<'_> {
    fn apply(&self, params: Vec<Series>, rows: &[u32]) -> Result<Series, EngineError> {
        let LambdaBody { params: names, body, outer } = self.lambda;
        if rows.is_empty() {
            return Ok(null_series(&body.data_type, 0));
        }
        let mut ids: Vec<ColumnId> = names.iter().copied().take(params.len()).collect();
        let mut columns: Vec<Series> = params.into_iter().take(ids.len()).map(one_chunk).collect();
        if !outer.is_empty() {
            let index = IdxCa::from_vec(PlSmallStr::EMPTY, rows.to_vec());
            for id in outer {
                let column = self.frame.column(*id).ok_or_else(|| EngineError::internal(format!("no column #{} for a lambda", id.0)))?;
                ids.push(*id);
                columns.push(column.take(&index)?);
            }
        }
        body.evaluate(&Frame::new(ids, columns, rows.len()), self.ctx).map_err(|e| back(e, rows))
    }

    fn data_type(&self) -> &DataType {
        &self.lambda.body.data_type
    }

    fn arity(&self) -> usize {
        self.lambda.params.len()
    }
}
