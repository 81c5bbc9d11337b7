//! Whole rows kept by slot: typed columns that give slots out again.
//!
//! Putting rows in and gathering them costs what the batch asks for, never what the store holds. Numbers lie
//! in lists by slot; everything else as bytes in one arena per column.

use super::arena::{Arena, Wanted};
use super::codec;
use super::slots::Slots;
use super::stored::{self, Stored};
use crate::checkpoint::{Block, Columns};
use crate::engine::EngineError;
use crate::engine::columns::physical;
use crate::engine::eval::access::{self, Cells, flag_series, number_series};
use crate::types::DataType;
use polars::prelude::{self as pl, PlSmallStr, Series};
use polars_arrow::array::MutableBinaryViewArray;
use polars_arrow::bitmap::{Bitmap, BitmapBuilder};

/// Rows of fixed columns under slot numbers.
pub struct RowStore {
    columns: Vec<Column>,
    free: Vec<u32>,
    slots: u32,
}

struct Column {
    values: Values,
    /// By slot; `None` while there was no NULL yet.
    valid: Option<Slots<bool>>,
}

/// What bytes in an arena mean.
#[derive(Clone)]
enum Form {
    Text,
    Binary,
    /// A value of any other type in the codec's plain form, NULL included.
    Coded(DataType),
}

enum Values {
    Flags(Slots<bool>),
    I8(Slots<i8>),
    I16(Slots<i16>),
    I32(Slots<i32>),
    I64(Slots<i64>),
    I128(Slots<i128>),
    F32(Slots<f32>),
    F64(Slots<f64>),
    Bytes { arena: Arena, form: Form },
}

/// Does the same with each width of number.
macro_rules! each_width {
    ($values:expr, $v:ident, $t:ident => $number:expr, $flags:ident => $flag:expr, ($arena:ident, $form:ident) => $bytes:expr) => {
        match $values {
            Values::Flags($flags) => $flag,
            Values::I8($v) => {
                type $t = i8;
                $number
            }
            Values::I16($v) => {
                type $t = i16;
                $number
            }
            Values::I32($v) => {
                type $t = i32;
                $number
            }
            Values::I64($v) => {
                type $t = i64;
                $number
            }
            Values::I128($v) => {
                type $t = i128;
                $number
            }
            Values::F32($v) => {
                type $t = f32;
                $number
            }
            Values::F64($v) => {
                type $t = f64;
                $number
            }
            Values::Bytes { arena: $arena, form: $form } => $bytes,
        }
    };
}

impl Values {
    fn new(data_type: &DataType) -> Values {
        let bytes = |form| Values::Bytes { arena: Arena::default(), form };
        match physical(data_type) {
            pl::DataType::Boolean => Values::Flags(Slots::default()),
            pl::DataType::Int8 => Values::I8(Slots::default()),
            pl::DataType::Int16 => Values::I16(Slots::default()),
            pl::DataType::Int32 => Values::I32(Slots::default()),
            pl::DataType::Int64 => Values::I64(Slots::default()),
            pl::DataType::Int128 => Values::I128(Slots::default()),
            pl::DataType::Float32 => Values::F32(Slots::default()),
            pl::DataType::Float64 => Values::F64(Slots::default()),
            pl::DataType::String => bytes(Form::Text),
            pl::DataType::Binary => bytes(Form::Binary),
            _ => bytes(Form::Coded(data_type.clone())),
        }
    }
}

impl RowStore {
    /// An empty store for columns of those types.
    pub fn new(types: &[DataType]) -> RowStore {
        let columns = types.iter().map(|t| Column { values: Values::new(t), valid: None }).collect();
        RowStore { columns, free: Vec::new(), slots: 0 }
    }

    /// One more than the highest slot ever given out.
    pub fn slots(&self) -> usize {
        self.slots as usize
    }

    /// Puts `rows` of `columns` in and gives the slot of each.
    ///
    /// # Errors
    /// A column that is not of its type.
    pub fn put(&mut self, columns: &[&Series], rows: &[u32]) -> Result<Vec<u32>, EngineError> {
        let reused = self.free.len().min(rows.len());
        let mut slots = self.free.split_off(self.free.len() - reused);
        let fresh = (rows.len() - reused) as u32;
        slots.extend(self.slots..self.slots + fresh);
        self.slots += fresh;
        for (column, series) in self.columns.iter_mut().zip(columns) {
            column.put(series, rows, &slots, self.slots as usize)?;
        }
        Ok(slots)
    }

    /// Forgets rows.
    pub fn remove(&mut self, slots: &[u32]) {
        for column in &mut self.columns {
            column.remove(slots);
        }
        self.free.extend_from_slice(slots);
    }

    /// Column `index` of the rows in those slots, in their order.
    ///
    /// # Errors
    /// A defect: bytes that cannot be read back.
    pub fn gather(&self, index: usize, slots: &[u32]) -> Result<Series, EngineError> {
        self.columns[index].gather(slots)
    }

    /// Column `index` as 64-bit integers by slot, and which are not NULL; `None` for other types.
    pub fn integers(&self, index: usize) -> Option<(&Slots<i64>, Option<&Slots<bool>>)> {
        match &self.columns[index].values {
            Values::I64(values) => Some((values, self.columns[index].valid.as_ref())),
            _ => None,
        }
    }

    /// Appends the rows in those slots as columns, exactly.
    pub fn write_columns(&self, slots: &[u32], out: &mut Block) {
        self.columns.iter().for_each(|column| column.write(slots, out));
    }

    /// Takes rows that `write_columns` gave into an empty store, or behind those that came so before; their slots.
    /// `None` for columns of another kind.
    pub fn read_columns(&mut self, columns: &mut Columns<'_>) -> Option<Vec<u32>> {
        let first = self.slots;
        self.slots += columns.rows() as u32;
        let slots: Vec<u32> = (first..self.slots).collect();
        for column in &mut self.columns {
            column.read(&slots, columns)?;
        }
        Some(slots)
    }

    /// Appends the row in a slot as bytes, exactly.
    pub fn write_row(&self, slot: u32, out: &mut Vec<u8>) {
        self.columns.iter().for_each(|c| c.write_cell(slot as usize, out));
    }

    /// Takes a row that `write_row` gave off the front of bytes and keeps it; its slot. `None` for bytes of other columns.
    pub fn put_row(&mut self, bytes: &mut &[u8]) -> Option<u32> {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots += 1;
            self.slots - 1
        });
        let total = self.slots as usize;
        for column in &mut self.columns {
            column.read_cell(slot as usize, total, bytes)?;
        }
        Some(slot)
    }

    /// Bytes of memory in use.
    pub fn bytes(&self) -> usize {
        self.columns.iter().map(Column::bytes).sum::<usize>() + self.free.capacity() * 4
    }
}

impl Column {
    fn put(&mut self, series: &Series, rows: &[u32], slots: &[u32], total: usize) -> Result<(), EngineError> {
        let validity = access::validity(series).filter(|v| v.unset_bits() > 0);
        if self.valid.is_none() && validity.is_some() {
            self.valid = Some(Slots::default());
        }
        if let Some(valid) = &mut self.valid {
            valid.grow(total, &true);
            rows.iter().zip(slots).for_each(|(row, slot)| valid[*slot as usize] = validity.is_none_or(|v| v.get_bit(*row as usize)));
        }
        each_width!(&mut self.values,
            values, T => {
                let numbers = access::numbers::<T>(series)?;
                put_each(values, rows, slots, total, |row| numbers.values[row]);
            },
            flags => {
                let cells = access::flags(series)?;
                put_each(flags, rows, slots, total, |row| cells.value(row));
            },
            (arena, form) => {
                let mut push = |slot: u32, bytes: &[u8]| arena.put(slot, &Wanted::new(bytes));
                let pairs = rows.iter().zip(slots);
                match form {
                    Form::Text => {
                        let cells = access::texts(series)?;
                        pairs.for_each(|(row, slot)| push(*slot, cells.value(*row as usize).as_bytes()));
                    }
                    Form::Binary => {
                        let cells = access::bytes(series)?;
                        pairs.for_each(|(row, slot)| push(*slot, cells.value(*row as usize)));
                    }
                    Form::Coded(data_type) => {
                        let coded = codec::encode(std::slice::from_ref(series), std::slice::from_ref(data_type), series.len())?;
                        pairs.for_each(|(row, slot)| push(*slot, coded.row(*row as usize)));
                    }
                }
            }
        );
        Ok(())
    }

    fn write_cell(&self, slot: usize, out: &mut Vec<u8>) {
        let valid = self.valid.as_ref().is_none_or(|v| v[slot]);
        valid.put(out);
        if !valid {
            return;
        }
        each_width!(&self.values,
            values, T => <T as Stored>::put(&values[slot], out),
            flags => flags[slot].put(out),
            (arena, _form) => stored::put_bytes(arena.get(slot as u32), out)
        );
    }

    fn read_cell(&mut self, slot: usize, total: usize, bytes: &mut &[u8]) -> Option<()> {
        let is_valid = bool::take(bytes)?;
        if self.valid.is_none() && !is_valid {
            self.valid = Some(Slots::default());
        }
        if let Some(valid) = &mut self.valid {
            valid.grow(total, &true);
            valid[slot] = is_valid;
        }
        each_width!(&mut self.values,
            values, T => {
                values.grow(total, &T::default());
                if is_valid {
                    values[slot] = T::take(bytes)?;
                }
            },
            flags => {
                flags.grow(total, &false);
                if is_valid {
                    flags[slot] = bool::take(bytes)?;
                }
            },
            (arena, form) => {
                // In the coded form NULL is a cell like any other.
                let cell: &[u8] = match (is_valid, form) {
                    (true, _) => stored::take_bytes(bytes)?,
                    (false, Form::Coded(_)) => &[0],
                    (false, _) => &[],
                };
                arena.put(slot as u32, &Wanted::new(cell));
            }
        );
        Some(())
    }

    /// Which are not NULL, and the values.
    fn write(&self, slots: &[u32], out: &mut Block) {
        let valid = |slot: &u32| self.valid.as_ref().is_none_or(|valid| valid[*slot as usize]);
        out.numbers(slots.iter().map(|slot| i64::from(valid(slot))));
        each_width!(&self.values,
            values, T => <T as Stored>::put_all(slots.iter().map(|slot| &values[*slot as usize]), out),
            flags => bool::put_all(slots.iter().map(|slot| &flags[*slot as usize]), out),
            (arena, _form) => out.bytes(slots.iter().map(|slot| arena.get(*slot)))
        );
    }

    fn read(&mut self, slots: &[u32], columns: &mut Columns<'_>) -> Option<()> {
        let total = slots.last().map_or(0, |last| *last as usize + 1);
        let valid = columns.numbers()?;
        if self.valid.is_none() && valid.contains(&0) {
            self.valid = Some(Slots::default());
        }
        if let Some(all) = &mut self.valid {
            all.grow(total, &true);
            slots.iter().zip(valid).for_each(|(slot, valid)| all[*slot as usize] = *valid != 0);
        }
        each_width!(&mut self.values,
            values, T => {
                values.grow(total, &T::default());
                slots.iter().zip(<T as Stored>::take_all(columns)?).for_each(|(slot, value)| values[*slot as usize] = value);
            },
            flags => {
                flags.grow(total, &false);
                slots.iter().zip(bool::take_all(columns)?).for_each(|(slot, flag)| flags[*slot as usize] = flag);
            },
            (arena, _form) => slots.iter().zip(columns.bytes()?).for_each(|(slot, cell)| arena.put(*slot, &Wanted::new(cell)))
        );
        Some(())
    }

    fn remove(&mut self, slots: &[u32]) {
        if let Values::Bytes { arena, .. } = &mut self.values {
            slots.iter().for_each(|slot| arena.remove(*slot));
        }
    }

    fn gather(&self, slots: &[u32]) -> Result<Series, EngineError> {
        let validity = self.valid.as_ref().and_then(|valid| gathered_validity(valid, slots));
        Ok(each_width!(&self.values,
            values, T => number_series::<T>(slots.iter().map(|s| values[*s as usize]).collect(), validity),
            flags => flag_series(access::bits(slots.len(), |i| flags[slots[i] as usize]), validity),
            (arena, form) => {
                let bytes = |slot: &u32| arena.get(*slot);
                let is_valid = |i: usize| validity.as_ref().is_none_or(|v| v.get_bit(i));
                match form {
                    Form::Text => {
                        let mut out = MutableBinaryViewArray::<str>::with_capacity(slots.len());
                        // Only whole strings were put in, so nothing is replaced here.
                        slots.iter().enumerate().for_each(|(i, s)| out.push(is_valid(i).then(|| String::from_utf8_lossy(bytes(s)))));
                        Series::from_array(PlSmallStr::EMPTY, out.freeze())
                    }
                    Form::Binary => {
                        let mut out = MutableBinaryViewArray::<[u8]>::with_capacity(slots.len());
                        slots.iter().enumerate().for_each(|(i, s)| out.push(is_valid(i).then(|| bytes(s))));
                        Series::from_array(PlSmallStr::EMPTY, out.freeze())
                    }
                    Form::Coded(data_type) => {
                        let mut columns = codec::decode(slots.iter().map(bytes), std::slice::from_ref(data_type))?;
                        columns.pop().ok_or_else(|| EngineError::internal("a stored column without its value"))?
                    }
                }
            }
        ))
    }

    fn bytes(&self) -> usize {
        let values = each_width!(&self.values,
            values, _T => values.bytes(),
            flags => flags.bytes(),
            (arena, _form) => arena.bytes()
        );
        values + self.valid.as_ref().map_or(0, Slots::bytes)
    }
}

fn put_each<T: Copy + Default>(values: &mut Slots<T>, rows: &[u32], slots: &[u32], total: usize, cell: impl Fn(usize) -> T) {
    values.grow(total, &T::default());
    rows.iter().zip(slots).for_each(|(row, slot)| values[*slot as usize] = cell(*row as usize));
}

fn gathered_validity(valid: &Slots<bool>, slots: &[u32]) -> Option<Bitmap> {
    let mut bits = BitmapBuilder::with_capacity(slots.len());
    slots.iter().for_each(|s| bits.push(valid[*s as usize]));
    bits.into_opt_validity()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::columns::{series_of, value_at};
    use crate::types::{Field, Value};

    #[test]
    fn gives_back_what_was_put_in_and_reuses_slots() {
        let pair = DataType::Struct(vec![Field::new("a", DataType::Int), Field::new("b", DataType::String)]);
        let types = [DataType::BigInt, DataType::String, DataType::Boolean, pair];
        let row = |n: i64| {
            let text = Value::String(format!("text {n}"));
            [Value::Int(n), text.clone(), Value::Boolean(n % 2 == 0), Value::Struct(vec![Value::Int(n), text])]
        };
        let column = |i: usize, rows: &[[Value; 4]]| series_of(&rows.iter().map(|r| r[i].clone()).collect::<Vec<_>>(), &types[i]);
        let mut store = RowStore::new(&types);
        let nulls = [Value::Null, Value::Null, Value::Null, Value::Null];
        let first: Vec<Series> = (0..4).map(|i| column(i, &[row(1), nulls.clone(), row(3)])).collect();
        let slots = store.put(&first.iter().collect::<Vec<_>>(), &[0, 1, 2]).unwrap();
        store.remove(&slots[..1]);
        let second: Vec<Series> = (0..4).map(|i| column(i, &[row(4), row(5)])).collect();
        let more = store.put(&second.iter().collect::<Vec<_>>(), &[1]).unwrap();
        assert_eq!((store.slots(), more[0]), (3, slots[0]));
        let order = [slots[2], more[0], slots[1]];
        for (i, data_type) in types.iter().enumerate() {
            let gathered = store.gather(i, &order).unwrap();
            let values: Vec<Value> = (0..3).map(|row| value_at(&gathered, row, data_type)).collect();
            assert_eq!(values, [row(3)[i].clone(), row(5)[i].clone(), Value::Null], "{data_type}");
        }
        let mut restored = RowStore::new(&types);
        let mut rows = Block::new(order.len());
        store.write_columns(&order, &mut rows);
        let mut columns = rows.reader();
        let slots = restored.read_columns(&mut columns).unwrap();
        assert!(columns.is_done());
        for (i, data_type) in types.iter().enumerate() {
            let [a, b] = [(&store, &order[..]), (&restored, &slots[..])].map(|(s, at)| s.gather(i, at).unwrap());
            (0..3).for_each(|row| assert_eq!(value_at(&a, row, data_type), value_at(&b, row, data_type), "{data_type}"));
        }
    }
}
