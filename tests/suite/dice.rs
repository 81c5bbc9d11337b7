//! A small generator of numbers: the same in every run.

pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// The next number below `sides`.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    /// The same for an index.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.roll(n as u64) as usize
    }
}
