//! Where everything stands: the same place at every size.
//!
//! ```text
//! header    which query, its state, batch, mode, groups, guarantee, clock
//! rates     rows in and out, batch time, each with its course
//! ┌ main ─────────────────────────────────┐┌ side ────┐   side: from 120 columns on, 36 wide
//! │ the open panel                        ││ charts   │
//! └───────────────────────────────────────┘└──────────┘
//! flow      source ─▸ buffer ─▸ steps ─▸ sink             boxes, five lines high, from 40 rows on
//! why       one sentence, up to two lines
//! hints     the keys
//! ```

use ratatui::layout::Rect;

/// The least size that everything fits into.
pub(in crate::tui) const LEAST: (u16, u16) = (60, 16);

const SIDE_WIDTH: u16 = 36;
const WHY_LINES: u16 = 2;
const BOX_LINES: u16 = 5;

/// The parts of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tui) struct Areas {
    pub header: Rect,
    pub rates: Rect,
    pub main: Rect,
    pub side: Option<Rect>,
    pub flow: Rect,
    pub why: Rect,
    pub hints: Rect,
}

impl Areas {
    /// Whether the flow line has room to be boxes.
    pub(in crate::tui) fn flow_is_boxes(&self) -> bool {
        self.flow.height >= BOX_LINES
    }
}

/// The parts of a screen of that size; none when it is too small.
pub(in crate::tui) fn areas(columns: u16, rows: u16) -> Option<Areas> {
    if columns < LEAST.0 || rows < LEAST.1 {
        return None;
    }
    let line = |y: u16, height: u16| Rect::new(0, y, columns, height);
    let flow_height = if rows >= 40 { BOX_LINES } else { 1 };
    let hints = line(rows - 1, 1);
    let why = line(hints.y - WHY_LINES, WHY_LINES);
    let flow = line(why.y - flow_height, flow_height);
    let body = line(2, flow.y - 2);
    let side = (columns >= 120).then(|| Rect { x: columns - SIDE_WIDTH, width: SIDE_WIDTH, ..body });
    let main = Rect { width: columns - side.map_or(0, |s| s.width), ..body };
    Some(Areas { header: line(0, 1), rates: line(1, 1), main, side, flow, why, hints })
}
