//! Signed whole numbers of 256 bits: what decimals need between two roundings.

use std::cmp::Ordering;

/// A sign and a magnitude below 2^256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wide {
    negative: bool,
    high: u128,
    low: u128,
}

/// 10^exponent; exponents above 38 do not fit.
pub(super) fn power_of_ten(exponent: u32) -> Option<i128> {
    10i128.checked_pow(exponent)
}

impl Wide {
    const fn unsigned(high: u128, low: u128) -> Wide {
        Wide { negative: false, high, low }
    }

    /// The same number.
    pub(super) fn from_i128(n: i128) -> Wide {
        Wide { negative: n < 0, high: 0, low: n.unsigned_abs() }
    }

    /// The same number, if it fits.
    pub(super) fn to_i128(self) -> Option<i128> {
        if self.high != 0 {
            return None;
        }
        if self.negative { 0i128.checked_sub_unsigned(self.low) } else { i128::try_from(self.low).ok() }
    }

    /// The exact product.
    pub(super) fn product(a: i128, b: i128) -> Wide {
        let (high, low) = multiply(a.unsigned_abs(), b.unsigned_abs());
        Wide { negative: (a < 0) != (b < 0), high, low }
    }

    /// Times 10^exponent, if that fits.
    pub(super) fn scaled_up(self, mut exponent: u32) -> Option<Wide> {
        let mut value = self;
        while exponent > 0 {
            let step = exponent.min(38);
            let factor = 10u128.pow(step);
            let (carry, low) = multiply(value.low, factor);
            let high = value.high.checked_mul(factor)?.checked_add(carry)?;
            value = Wide { negative: value.negative, high, low };
            exponent -= step;
        }
        Some(value)
    }

    /// Divided by 10^exponent, half away from zero.
    pub(super) fn scaled_down(self, exponent: u32) -> Wide {
        if exponent == 0 {
            return self;
        }
        let divisor = Wide::unsigned(0, 10u128.pow(exponent.min(38)));
        let (quotient, rest) = self.divide(divisor);
        if exponent > 38 {
            // Only the last step may round; what is dropped before it is below half a unit in 10^38.
            return quotient.scaled_down(exponent - 38);
        }
        if rest.doubled().order(divisor) == Ordering::Less { quotient } else { quotient.away_from_zero() }
    }

    /// The sum, if it fits.
    pub(super) fn sum(self, other: Wide) -> Option<Wide> {
        if self.negative == other.negative {
            let (low, carry) = self.low.overflowing_add(other.low);
            let high = self.high.checked_add(other.high)?.checked_add(u128::from(carry))?;
            return Some(Wide { negative: self.negative, high, low });
        }
        let (big, small) = if self.order(other) == Ordering::Less { (other, self) } else { (self, other) };
        let (low, borrow) = big.low.overflowing_sub(small.low);
        Some(Wide { negative: big.negative, high: big.high - small.high - u128::from(borrow), low })
    }

    /// Whether it is below zero, or a zero that came from there.
    pub(super) fn is_negative(self) -> bool {
        self.negative
    }

    /// The same with the sign changed.
    pub(super) fn negated(self) -> Wide {
        Wide { negative: !self.negative, ..self }
    }

    /// Quotient towards zero, and the magnitude of the rest; the rest has the dividend's sign.
    pub(super) fn divide(self, divisor: Wide) -> (Wide, Wide) {
        let negative = self.negative != divisor.negative;
        if self.high == 0 && divisor.high == 0 {
            let quotient = Wide { negative, high: 0, low: self.low / divisor.low };
            return (quotient, Wide::unsigned(0, self.low % divisor.low));
        }
        let (mut quotient, mut rest) = (Wide { negative, high: 0, low: 0 }, Wide::unsigned(0, 0));
        let top = 256 - if self.high != 0 { self.high.leading_zeros() } else { 128 + self.low.leading_zeros() };
        for bit in (0..top).rev() {
            rest = rest.doubled();
            rest.low |= if bit >= 128 { self.high >> (bit - 128) } else { self.low >> bit } & 1;
            quotient.high = quotient.high << 1 | quotient.low >> 127;
            quotient.low <<= 1;
            if rest.order(divisor) != Ordering::Less {
                let (low, borrow) = rest.low.overflowing_sub(divisor.low);
                rest = Wide::unsigned(rest.high - divisor.high - u128::from(borrow), low);
                quotient.low |= 1;
            }
        }
        (quotient, rest)
    }

    /// The magnitudes' order.
    fn order(self, other: Wide) -> Ordering {
        (self.high, self.low).cmp(&(other.high, other.low))
    }

    fn doubled(self) -> Wide {
        Wide { high: self.high << 1 | self.low >> 127, low: self.low << 1, ..self }
    }

    fn away_from_zero(self) -> Wide {
        let (low, carry) = self.low.overflowing_add(1);
        Wide { high: self.high + u128::from(carry), low, ..self }
    }

    /// With the sign of `n`.
    pub(super) fn signed_as(self, n: i128) -> Wide {
        Wide { negative: n < 0, ..self }
    }
}

/// The 256 bits of a product, high half first.
fn multiply(a: u128, b: u128) -> (u128, u128) {
    const HALF: u128 = u64::MAX as u128;
    let (a1, a0, b1, b0) = (a >> 64, a & HALF, b >> 64, b & HALF);
    let low = a0 * b0;
    let (cross, carried) = (a1 * b0).overflowing_add(a0 * b1);
    let (low, carry) = low.overflowing_add(cross << 64);
    let high = a1 * b1 + (cross >> 64) + (u128::from(carried) << 64) + u128::from(carry);
    (high, low)
}

/// `n / divisor`, half away from zero; `divisor` is positive.
pub(super) fn divide_half_up(n: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (n / divisor, n % divisor);
    if rest.unsigned_abs() >= (divisor.unsigned_abs() - rest.unsigned_abs()) { quotient + n.signum() } else { quotient }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_and_quotients_undo_each_other() {
        let samples = [0, 1, -1, 7, 10i128.pow(38) - 1, -(10i128.pow(37)) + 3, i128::MAX, i128::MIN, 1 << 64, (1 << 64) - 1];
        for a in samples {
            for b in samples {
                let product = Wide::product(a, b);
                assert_eq!(product.to_i128(), a.checked_mul(b), "{a} * {b}");
                if b != 0 {
                    let (quotient, rest) = product.divide(Wide::from_i128(b));
                    assert_eq!((quotient.to_i128(), rest.to_i128()), (Some(a), Some(0)), "{a} * {b} / {b}");
                }
                assert_eq!(Wide::from_i128(a).sum(Wide::from_i128(b)).and_then(Wide::to_i128), a.checked_add(b), "{a} + {b}");
            }
        }
    }

    #[test]
    fn rounds_half_away_from_zero() {
        for (n, expected) in [(15, 2), (14, 1), (-15, -2), (-14, -1), (5, 1), (4, 0)] {
            assert_eq!(divide_half_up(n, 10), expected);
            assert_eq!(Wide::from_i128(n).scaled_down(1).to_i128(), Some(expected));
        }
        let big = Wide::from_i128(123).scaled_up(60).expect("fits");
        assert_eq!(big.scaled_down(60).to_i128(), Some(123));
        assert_eq!(Wide::from_i128(1).scaled_up(90), None);
    }
}
