//! Bytes by slot: keys and columns of no fixed width.
//!
//! Short ones stand in a cell by slot, of sixteen bytes or, where keys have more than that, of thirty-two: to find one
//! then costs one place in memory. Others lie one after the other in segments of some hundred
//! kilobytes, each behind its slot and length. A segment most of which was removed is written again into the last one, so that clean-up is done a little at a time and
//! costs what was removed.

use super::hash;
use super::slots::Slots;
use polars_arrow::array::View;

/// Bytes after which a segment is closed and the next begun.
const SEGMENT: usize = 256 << 10;
/// Slot and length before each value in a segment.
const HEADER: usize = 8;

/// A short value itself, or where a long one lies: its segment and place, four bytes each. The last byte is the length
/// of a short value, [`LONG`] or [`NONE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell<const N: usize>([u8; N]);

const LONG: u8 = 0xFF;
const NONE: u8 = 0xFE;

impl<const N: usize> Cell<N> {
    /// No value: nothing was put under that slot, or it was removed.
    const NOTHING: Cell<N> = {
        let mut bytes = [0; N];
        bytes[N - 1] = NONE;
        Cell(bytes)
    };

    /// A value of fewer than `N` bytes.
    #[inline]
    fn short(value: &[u8]) -> Option<Cell<N>> {
        let n = value.len();
        if n >= N {
            return None;
        }
        let first = value.first_chunk().filter(|_| n > 16).map_or_else(|| hash::short(value), |first| u128::from_le_bytes(*first));
        let mut bytes = [0; N];
        bytes[..16].copy_from_slice(&first.to_le_bytes());
        if n > 16 {
            let last = u128::from_le_bytes(*value.last_chunk()?) >> (8 * (32 - n));
            bytes[N - 16..].copy_from_slice(&last.to_le_bytes());
        }
        bytes[N - 1] = n as u8;
        Some(Cell(bytes))
    }

    fn long(segment: u32, at: u32) -> Cell<N> {
        let mut bytes = [0; N];
        bytes[..4].copy_from_slice(&segment.to_le_bytes());
        bytes[4..8].copy_from_slice(&at.to_le_bytes());
        bytes[N - 1] = LONG;
        Cell(bytes)
    }

    /// Segment and place of a long value.
    #[inline]
    fn place(&self) -> Option<(u32, u32)> {
        (self.0[N - 1] == LONG).then(|| (number(&self.0), number(&self.0[4..])))
    }
}

/// A value to look for.
pub(super) enum Wanted<'a, const N: usize> {
    Short(ShortValue<N>),
    Long(&'a [u8]),
}

/// A value as it stands in its cell.
pub(super) struct ShortValue<const N: usize>(Cell<N>);

impl<'a, const N: usize> Wanted<'a, N> {
    #[inline]
    pub(super) fn new(value: &'a [u8]) -> Wanted<'a, N> {
        Cell::short(value).map_or(Wanted::Long(value), |cell| Wanted::Short(ShortValue(cell)))
    }
}

impl<'a> Wanted<'a, 16> {
    /// The string of a view, whose bytes are only read where they lie in a buffer.
    #[inline]
    pub(super) fn text(view: &View, value: impl FnOnce() -> &'a str) -> Wanted<'a, 16> {
        if !view.is_inline() {
            return Wanted::new(value().as_bytes());
        }
        // The bytes of a view follow its length, with zeros behind them.
        let number = view.as_u128() >> 32 | u128::from(view.length) << (120);
        Wanted::Short(ShortValue(Cell(number.to_le_bytes())))
    }
}

#[derive(Debug, Default)]
struct Segment {
    bytes: Vec<u8>,
    garbage: usize,
}

/// Values of any length under slot numbers; those of fewer than `N` bytes (16 or 32) stand in their cells.
#[derive(Debug)]
pub(super) struct Arena<const N: usize = 16> {
    segments: Vec<Segment>,
    /// Segments that are empty and may be filled again.
    free: Vec<u32>,
    /// The one being filled.
    open: Option<u32>,
    cells: Slots<Cell<N>>,
    /// Capacity of all segments.
    held: usize,
}

impl<const N: usize> Default for Arena<N> {
    fn default() -> Arena<N> {
        Arena { segments: Vec::new(), free: Vec::new(), open: None, cells: Slots::default(), held: 0 }
    }
}

impl<const N: usize> Arena<N> {
    /// The value of a slot; empty where there is none.
    #[inline]
    pub(super) fn get(&self, slot: u32) -> &[u8] {
        let cell = &self.cells[slot as usize];
        match cell.0[N - 1] {
            LONG => self.long(cell),
            NONE => &[],
            length => &cell.0[..length as usize],
        }
    }

    /// A byte of a slot's cell, read to have the cell near.
    #[inline]
    pub(super) fn look(&self, slot: u32) -> u8 {
        self.cells.get(slot as usize).map_or(0, |cell| cell.0[N - 1])
    }

    /// Whether that is the value of a slot.
    #[inline]
    pub(super) fn is(&self, slot: u32, wanted: &Wanted<'_, N>) -> bool {
        let cell = &self.cells[slot as usize];
        match wanted {
            Wanted::Short(value) => value.0 == *cell,
            Wanted::Long(value) => cell.0[N - 1] == LONG && self.long(cell) == *value,
        }
    }

    fn long(&self, cell: &Cell<N>) -> &[u8] {
        let Some((segment, at)) = cell.place() else { return &[] };
        let (header, rest) = self.segments[segment as usize].bytes[at as usize..].split_at(HEADER);
        &rest[..number(&header[4..]) as usize]
    }

    /// Puts a value under a slot, in place of any that is there.
    #[inline]
    pub(super) fn put(&mut self, slot: u32, value: &Wanted<'_, N>) {
        if self.cells.len() > slot as usize {
            self.remove(slot);
        }
        let cell = match value {
            Wanted::Short(value) => value.0,
            Wanted::Long(value) => self.append(slot, value),
        };
        self.cells.put(slot as usize, cell, &Cell::NOTHING);
    }

    /// Makes room for a slot, which has the empty value until it is given one.
    pub(super) fn touch(&mut self, slot: u32) {
        self.cells.grow(slot as usize + 1, &Cell::NOTHING);
    }

    /// Forgets the value of a slot.
    pub(super) fn remove(&mut self, slot: u32) {
        let cell = std::mem::replace(&mut self.cells[slot as usize], Cell::NOTHING);
        let Some((index, at)) = cell.place() else { return };
        let segment = &mut self.segments[index as usize];
        segment.garbage += HEADER + number(&segment.bytes[at as usize + 4..]) as usize;
        let full = self.open != Some(index);
        if full && segment.garbage * 2 > segment.bytes.len() {
            self.rewrite(index);
        }
    }

    /// Bytes of memory in use.
    pub(super) fn bytes(&self) -> usize {
        self.held + self.cells.bytes() + self.segments.capacity() * size_of::<Segment>()
    }

    #[inline]
    fn append(&mut self, slot: u32, value: &[u8]) -> Cell<N> {
        let need = HEADER + value.len();
        let open = match self.open {
            Some(open) if self.segments[open as usize].bytes.len() + need <= SEGMENT => open,
            _ => self.next_segment(need),
        };
        let bytes = &mut self.segments[open as usize].bytes;
        let (at, before) = (bytes.len(), bytes.capacity());
        bytes.extend_from_slice(&slot.to_le_bytes());
        bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
        bytes.extend_from_slice(value);
        self.held += bytes.capacity() - before;
        Cell::long(open, at as u32)
    }

    fn next_segment(&mut self, need: usize) -> u32 {
        let open = self.free.pop().unwrap_or_else(|| {
            self.segments.push(Segment::default());
            self.segments.len() as u32 - 1
        });
        // The first segment starts small: many tables never fill it.
        if self.segments.len() > 1 {
            let bytes = &mut self.segments[open as usize].bytes;
            bytes.reserve_exact(need.max(SEGMENT));
            self.held += bytes.capacity();
        }
        self.open = Some(open);
        open
    }

    /// Moves what is still there to the open segment.
    fn rewrite(&mut self, index: u32) {
        let old = std::mem::take(&mut self.segments[index as usize]);
        self.held -= old.bytes.capacity();
        let mut at = 0;
        while at < old.bytes.len() {
            let (slot, length) = (number(&old.bytes[at..]), number(&old.bytes[at + 4..]) as usize);
            if self.cells[slot as usize] == Cell::long(index, at as u32) {
                let cell = self.append(slot, &old.bytes[at + HEADER..at + HEADER + length]);
                self.cells[slot as usize] = cell;
            }
            at += HEADER + length;
        }
        self.free.push(index);
    }
}

#[inline]
fn number(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_values_of_every_length_apart() {
        tells_apart(Arena::<16>::default());
        tells_apart(Arena::<32>::default());
    }

    fn tells_apart<const N: usize>(mut arena: Arena<N>) {
        let all: Vec<Vec<u8>> = (0..40).flat_map(|n: u8| [vec![n + 1; n as usize], (0..n).collect(), vec![0; n as usize]]).collect();
        for (slot, value) in all.iter().enumerate() {
            arena.put(slot as u32, &Wanted::new(value));
        }
        for (slot, value) in all.iter().enumerate() {
            assert_eq!(arena.get(slot as u32), value);
            for other in &all {
                assert_eq!(arena.is(slot as u32, &Wanted::new(other)), value == other, "{value:?} {other:?}");
            }
        }
    }

    #[test]
    fn rewrites_segments_that_are_mostly_garbage() {
        let mut arena = Arena::<16>::default();
        let value = |slot: u32| vec![slot as u8; 1000 + slot as usize % 7];
        for slot in 0..2000 {
            arena.put(slot, &Wanted::new(&value(slot)));
        }
        arena.put(2000, &Wanted::new(&vec![1; SEGMENT * 2]));
        arena.touch(2002);
        let full = arena.bytes();
        for slot in (0..2000).filter(|s| s % 4 != 0) {
            arena.remove(slot);
        }
        assert!(arena.bytes() < full * 2 / 3, "{} of {full}", arena.bytes());
        assert!((0..2000).all(|s| arena.get(s) == if s % 4 == 0 { value(s) } else { vec![] }));
        assert_eq!((arena.get(2000).len(), arena.get(2001).len(), arena.get(2002).len()), (SEGMENT * 2, 0, 0));
        arena.put(4, &Wanted::new(b"other"));
        assert_eq!(arena.get(4), b"other");
        assert!(!arena.free.is_empty());
        (0..2000).filter(|s| s % 4 != 0).for_each(|s| arena.put(s, &Wanted::new(&value(s))));
        assert!((0..2000).filter(|s| *s != 4).all(|s| arena.get(s) == value(s)));
    }
}
