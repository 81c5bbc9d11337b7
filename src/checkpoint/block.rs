//! Rows of state as columns of numbers and of bytes: the form that deltas and snapshots keep them in.
//!
//! ```text
//! block  = rows u32, number of columns u8, column*
//! column = kind u8, then by kind
//!   the same number in every row: base      one more in every row: base      as an earlier column: which
//!   numbers of 1 to 8 bytes: base, what each row has above it               bytes: lengths as a column, length u64, bytes
//! ```
//! A column takes as few bytes a row as its numbers lie apart, and none where they follow from the first one: encoding
//! is one pass to look and one to pack, without a branch a row.

/// Rows that a writer puts into one block: its columns stay in a core's own cache.
pub const LOT: usize = 8192;
/// No block has more.
const MOST_ROWS: usize = 1 << 24;

const SAME: u8 = 0;
const STEPS: u8 = 1;
const COPY: u8 = 2;
const BYTES: u8 = 3;
/// And the number of bytes each row has.
const NUMBERS: u8 = 16;

/// Rows as columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    rows: usize,
    columns: Vec<Column>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Column {
    Numbers(Vec<i64>),
    Bytes { lengths: Vec<i64>, bytes: Vec<u8> },
}

impl Block {
    /// No columns yet, for `rows` rows.
    pub fn new(rows: usize) -> Block {
        Block { rows, columns: Vec::new() }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns so far.
    pub fn columns(&self) -> usize {
        self.columns.len()
    }

    /// Adds a column: a number a row, or anything else of 64 bits.
    pub fn numbers(&mut self, values: impl Iterator<Item = i64>) {
        let mut column = Vec::with_capacity(self.rows);
        column.extend(values);
        debug_assert_eq!(column.len(), self.rows);
        self.columns.push(Column::Numbers(column));
    }

    /// Adds a column of bytes.
    pub fn bytes<'a>(&mut self, values: impl Iterator<Item = &'a [u8]>) {
        self.bytes_by(values, |value, out| out.extend_from_slice(value));
    }

    /// Adds a column of bytes that `write` appends, a call a row.
    pub fn bytes_by<T>(&mut self, values: impl Iterator<Item = T>, mut write: impl FnMut(T, &mut Vec<u8>)) {
        let (mut lengths, mut bytes) = (Vec::with_capacity(self.rows), Vec::with_capacity(self.rows * 8));
        for value in values {
            let before = bytes.len();
            write(value, &mut bytes);
            lengths.push((bytes.len() - before) as i64);
        }
        debug_assert_eq!(lengths.len(), self.rows);
        self.columns.push(Column::Bytes { lengths, bytes });
    }

    /// The columns from the first one on.
    pub fn reader(&self) -> Columns<'_> {
        Columns { rows: self.rows, left: self.columns.iter() }
    }

    /// The numbers of a column; `None` where it has bytes.
    pub(super) fn numbers_of(&self, column: usize) -> Option<&[i64]> {
        match self.columns.get(column)? {
            Column::Numbers(values) => Some(values),
            Column::Bytes { .. } => None,
        }
    }

    /// Bytes that its columns take in memory.
    pub(super) fn size(&self) -> usize {
        let size = |c: &Column| match c {
            Column::Numbers(values) => values.len() * 8,
            Column::Bytes { lengths, bytes } => lengths.len() * 8 + bytes.len(),
        };
        self.columns.iter().map(size).sum()
    }

    /// Calls `visit` with the first `keys` columns of each row as bytes: equal rows have equal bytes.
    pub(super) fn each_key(&self, keys: usize, mut visit: impl FnMut(&[u8])) {
        let columns = &self.columns[..keys.min(self.columns.len())];
        let (mut key, mut ats) = (Vec::new(), vec![0; columns.len()]);
        for row in 0..self.rows {
            key.clear();
            for (column, at) in columns.iter().zip(&mut ats) {
                match column {
                    Column::Numbers(values) => key.extend_from_slice(&values[row].to_le_bytes()),
                    Column::Bytes { lengths, bytes } => {
                        let length = lengths[row] as usize;
                        key.extend_from_slice(&lengths[row].to_le_bytes());
                        key.extend_from_slice(&bytes[*at..*at + length]);
                        *at += length;
                    }
                }
            }
            visit(&key);
        }
    }

    /// Appends some rows, ascending, of a block with the same columns; false when its columns are others.
    pub(super) fn append(&mut self, other: &Block, rows: &[u32]) -> bool {
        if self.columns.is_empty() && self.rows == 0 {
            let empty = |c: &Column| match c {
                Column::Numbers(_) => Column::Numbers(Vec::new()),
                Column::Bytes { .. } => Column::Bytes { lengths: Vec::new(), bytes: Vec::new() },
            };
            self.columns = other.columns.iter().map(empty).collect();
        }
        self.rows += rows.len();
        let mut fits = self.columns.len() == other.columns.len();
        for pair in self.columns.iter_mut().zip(&other.columns) {
            match pair {
                (Column::Numbers(into), Column::Numbers(from)) => into.extend(rows.iter().map(|row| from[*row as usize])),
                (Column::Bytes { lengths, bytes }, Column::Bytes { lengths: from, bytes: all }) => {
                    let (mut at, mut wanted) = (0, rows.iter().peekable());
                    for (row, length) in from.iter().enumerate() {
                        if wanted.next_if(|w| **w as usize == row).is_some() {
                            lengths.push(*length);
                            bytes.extend_from_slice(&all[at..at + *length as usize]);
                        }
                        at += *length as usize;
                    }
                }
                _ => fits = false,
            }
        }
        fits
    }

    /// Appends the block as bytes.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.rows as u32).to_le_bytes());
        out.push(self.columns.len() as u8);
        for (at, column) in self.columns.iter().enumerate() {
            match column {
                Column::Numbers(values) => encode_numbers(values, &self.columns[..at], out),
                Column::Bytes { lengths, bytes } => {
                    out.push(BYTES);
                    encode_numbers(lengths, &[], out);
                    out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
                    out.extend_from_slice(bytes);
                }
            }
        }
    }

    /// Takes a block off the front of bytes; `None` when they are something else.
    pub(super) fn decode(bytes: &mut &[u8]) -> Option<Block> {
        Block::decode_first(bytes, usize::MAX)
    }

    /// The first columns of a block, at most as many as it has.
    pub(super) fn decode_first(bytes: &mut &[u8], columns: usize) -> Option<Block> {
        let rows = u32::from_le_bytes(take(bytes)?) as usize;
        let [count] = take(bytes)?;
        if rows > MOST_ROWS {
            return None;
        }
        let mut block = Block::new(rows);
        for _ in 0..usize::from(count).min(columns) {
            let [kind] = take(bytes)?;
            let column = match kind {
                BYTES => {
                    let [kind] = take(bytes)?;
                    let lengths = decode_numbers(kind, rows, &[], bytes)?;
                    let total = lengths.iter().try_fold(0u64, |sum, length| sum.checked_add(u64::try_from(*length).ok()?))?;
                    if u64::from_le_bytes(take(bytes)?) != total {
                        return None;
                    }
                    let (own, rest) = bytes.split_at_checked(usize::try_from(total).ok()?)?;
                    *bytes = rest;
                    Column::Bytes { lengths, bytes: own.to_vec() }
                }
                kind => Column::Numbers(decode_numbers(kind, rows, &block.columns, bytes)?),
            };
            block.columns.push(column);
        }
        Some(block)
    }
}

/// The columns of a block, taken one after the other. `None` where the next one is of another kind, or there is none.
pub struct Columns<'a> {
    rows: usize,
    left: std::slice::Iter<'a, Column>,
}

impl<'a> Columns<'a> {
    /// Rows of every column.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// A column of numbers.
    pub fn numbers(&mut self) -> Option<&'a [i64]> {
        match self.left.next()? {
            Column::Numbers(values) => Some(values),
            Column::Bytes { .. } => None,
        }
    }

    /// A column of bytes.
    pub fn bytes(&mut self) -> Option<impl Iterator<Item = &'a [u8]> + use<'a>> {
        let Column::Bytes { lengths, bytes } = self.left.next()? else { return None };
        let mut rest = &bytes[..];
        Some(lengths.iter().map(move |length| {
            let (value, after) = rest.split_at((*length as usize).min(rest.len()));
            rest = after;
            value
        }))
    }

    /// Whether every column was taken.
    pub fn is_done(&self) -> bool {
        self.left.len() == 0
    }
}

pub(super) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

fn encode_numbers(values: &[i64], earlier: &[Column], out: &mut Vec<u8>) {
    let first = values.first().copied().unwrap_or(0);
    let (mut min, mut max) = (first, first);
    for value in values {
        min = min.min(*value);
        max = max.max(*value);
    }
    let kind = |kind: u8, base: i64, out: &mut Vec<u8>| {
        out.push(kind);
        out.extend_from_slice(&base.to_le_bytes());
    };
    let range = max.wrapping_sub(min).cast_unsigned();
    if range == 0 {
        return kind(SAME, min, out);
    }
    if range == values.len() as u64 - 1 && values.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == 1) {
        return kind(STEPS, first, out);
    }
    if let Some(at) = earlier.iter().position(|c| matches!(c, Column::Numbers(other) if other == values)) {
        return out.extend_from_slice(&[COPY, at as u8]);
    }
    let width = 8 - range.leading_zeros() / 8;
    let base = if width == 8 { 0 } else { min };
    kind(NUMBERS + width as u8, base, out);
    match width {
        1 => pack::<1>(values, base, out),
        2 => pack::<2>(values, base, out),
        3 => pack::<3>(values, base, out),
        4 => pack::<4>(values, base, out),
        5 => pack::<5>(values, base, out),
        6 => pack::<6>(values, base, out),
        7 => pack::<7>(values, base, out),
        _ => pack::<8>(values, base, out),
    }
}

fn pack<const W: usize>(values: &[i64], base: i64, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + values.len() * W, 0);
    for (cell, value) in out[start..].as_chunks_mut::<W>().0.iter_mut().zip(values) {
        cell.copy_from_slice(&value.wrapping_sub(base).to_le_bytes()[..W]);
    }
}

fn decode_numbers(kind: u8, rows: usize, earlier: &[Column], bytes: &mut &[u8]) -> Option<Vec<i64>> {
    if kind == COPY {
        let [which] = take(bytes)?;
        return match earlier.get(usize::from(which))? {
            Column::Numbers(values) => Some(values.clone()),
            Column::Bytes { .. } => None,
        };
    }
    let base = i64::from_le_bytes(take(bytes)?);
    let width = match kind {
        SAME => return Some(vec![base; rows]),
        STEPS => return Some((0..rows as i64).map(|row| base.wrapping_add(row)).collect()),
        kind => usize::from(kind.checked_sub(NUMBERS)?),
    };
    let (cells, rest) = bytes.split_at_checked(rows.checked_mul(width)?)?;
    *bytes = rest;
    Some(match width {
        1 => unpack::<1>(cells, base),
        2 => unpack::<2>(cells, base),
        3 => unpack::<3>(cells, base),
        4 => unpack::<4>(cells, base),
        5 => unpack::<5>(cells, base),
        6 => unpack::<6>(cells, base),
        7 => unpack::<7>(cells, base),
        8 => unpack::<8>(cells, base),
        _ => return None,
    })
}

fn unpack<const W: usize>(cells: &[u8], base: i64) -> Vec<i64> {
    let one = |cell: &[u8; W]| {
        let mut wide = [0; 8];
        wide[..W].copy_from_slice(cell);
        base.wrapping_add(i64::from_le_bytes(wide))
    };
    cells.as_chunks::<W>().0.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(block: &Block) -> (Block, usize) {
        let mut bytes = Vec::new();
        block.encode(&mut bytes);
        let mut rest = &bytes[..];
        let read = Block::decode(&mut rest).unwrap();
        assert!(rest.is_empty());
        for cut in 0..bytes.len() {
            assert!(Block::decode(&mut &bytes[..cut]).is_none_or(|b| b.rows() == 0), "cut to {cut}");
        }
        (read, bytes.len())
    }

    #[test]
    fn columns_of_every_width_come_back() {
        let lists: [&[i64]; 9] = [
            &[7, 7, 7],
            &[-1, 0, 1],
            &[i64::MIN, i64::MAX, 0],
            &[i64::MAX - 1, i64::MAX, i64::MAX - 200],
            &[0, 255, 3],
            &[-70_000, 1, 2],
            &[1 << 40, 3, 9],
            &[f64::NAN.to_bits().cast_signed(), (-0.0f64).to_bits().cast_signed(), 5],
            &[0, 0, 0],
        ];
        let mut block = Block::new(3);
        lists.iter().for_each(|list| block.numbers(list.iter().copied()));
        block.numbers(lists[5].iter().copied());
        block.bytes([&b""[..], b"abc", b"\0"].into_iter());
        let (read, _) = back(&block);
        assert_eq!(read, block);
        let mut columns = read.reader();
        assert!(columns.bytes().is_none());
        assert_eq!(columns.rows(), 3);
    }

    #[test]
    fn what_follows_from_the_first_number_takes_no_bytes_a_row() {
        let rows = 1000;
        let mut block = Block::new(rows);
        block.numbers(std::iter::repeat_n(12, rows));
        block.numbers(5..5 + rows as i64);
        block.numbers((0..rows as i64).map(|n| n * 7 % 200));
        block.numbers((0..rows as i64).map(|n| n * 7 % 200));
        let (read, bytes) = back_quickly(&block);
        assert_eq!(read, block);
        assert!(bytes < rows + 50, "{bytes}");
    }

    fn back_quickly(block: &Block) -> (Block, usize) {
        let mut bytes = Vec::new();
        block.encode(&mut bytes);
        (Block::decode(&mut &bytes[..]).unwrap(), bytes.len())
    }

    #[test]
    fn rows_are_picked_in_order() {
        let mut block = Block::new(4);
        block.numbers([10, 11, 12, 13].into_iter());
        block.bytes([&b"a"[..], b"bb", b"", b"dddd"].into_iter());
        let mut some = Block::default();
        assert!(some.append(&block, &[1, 3]) && some.append(&block, &[0]));
        let mut columns = some.reader();
        assert_eq!(columns.numbers().unwrap(), [11, 13, 10]);
        assert_eq!(columns.bytes().unwrap().collect::<Vec<_>>(), [&b"bb"[..], b"dddd", b"a"]);
        assert!(columns.is_done());
        let mut keys = Vec::new();
        some.each_key(2, |key| keys.push(key.to_vec()));
        assert_eq!(keys[2], [&10i64.to_le_bytes()[..], &1i64.to_le_bytes(), b"a"].concat());
        assert!(!some.append(&Block::new(2), &[0]));
    }
}
