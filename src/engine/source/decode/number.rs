//! Numbers in text: exact doubles without a detour for short ones, decimals rounded half up.

/// Powers of ten that a double holds exactly.
const EXACT: [f64; 23] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22];

/// The double nearest to a JSON number's text, infinite when it is too large.
#[inline]
pub(crate) fn double(text: &[u8]) -> Option<f64> {
    let (negative, body) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    // Up to 15 digits: mantissa and power of ten are exact, so one division rounds correctly.
    if body.len() <= 16 {
        let mut mantissa = 0u64;
        let mut fraction = None;
        let mut plain = true;
        for (i, b) in body.iter().enumerate() {
            let digit = b.wrapping_sub(b'0');
            if digit <= 9 {
                mantissa = mantissa * 10 + u64::from(digit);
            } else if *b == b'.' && fraction.is_none() {
                fraction = Some(body.len() - 1 - i);
            } else {
                plain = false;
                break;
            }
        }
        if plain && mantissa < 1 << 53 && !body.is_empty() {
            let value = mantissa as f64 / EXACT[fraction.unwrap_or(0)];
            return Some(if negative { -value } else { value });
        }
    }
    fast_float2::parse(text).ok()
}

/// The float nearest to a JSON number's text, infinite when it is too large.
pub(crate) fn float(text: &[u8]) -> Option<f32> {
    fast_float2::parse(text).ok()
}

/// The unscaled digits of a decimal number `[+-]d…[.d…][(e|E)[+-]d…]` as DECIMAL(precision, scale), rounded half up;
/// `None` when the text is no number or does not fit.
pub(crate) fn decimal(text: &[u8], precision: u8, scale: u8) -> Option<i128> {
    let (negative, body) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let (mantissa, exponent) = match body.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(i) => (&body[..i], std::str::from_utf8(&body[i + 1..]).ok()?.parse::<i64>().ok()?),
        None => (body, 0),
    };
    let (whole, fraction) = match mantissa.iter().position(|b| *b == b'.') {
        Some(i) => (&mantissa[..i], &mantissa[i + 1..]),
        None => (mantissa, &[][..]),
    };
    if whole.is_empty() && fraction.is_empty() || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return None;
    }
    // How many leading digits stand before the point once the value is multiplied by 10^scale.
    let keep = (whole.len() as i64).checked_add(exponent)?.checked_add(i64::from(scale))?;
    let limit = 10i128.pow(u32::from(precision));
    let mut value: i128 = 0;
    for digit in whole.iter().chain(fraction).take(usize::try_from(keep).unwrap_or(0)) {
        value = value * 10 + i128::from(digit - b'0');
        if value >= limit {
            return None;
        }
    }
    let given = (whole.len() + fraction.len()) as i64;
    for _ in 0..keep.saturating_sub(given) {
        if value == 0 {
            break;
        }
        value *= 10;
        if value >= limit {
            return None;
        }
    }
    let next = usize::try_from(keep).ok().and_then(|k| whole.iter().chain(fraction).nth(k));
    if next.is_some_and(|d| *d >= b'5') {
        value += 1;
    }
    if value >= limit { None } else { Some(if negative { -value } else { value }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_the_nearest() {
        for text in ["0.1", "12.34", "1.7976931348623157e308", "123456789012345.6", "-0.0", "5e-324", "0.3", "9007199254740993", "1e22"] {
            assert_eq!(double(text.as_bytes()).unwrap().to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
        }
        assert_eq!(double(b"1e400"), Some(f64::INFINITY));
    }

    #[test]
    fn decimals_round_half_up() {
        for (text, p, s, want) in [
            ("1.005", 10, 2, Some(101)),
            ("-1.005", 10, 2, Some(-101)),
            ("2.5", 5, 0, Some(3)),
            ("99999.5", 5, 0, None),
            ("100000", 5, 0, None),
            ("1e5", 10, 2, Some(10_000_000)),
            ("1e-3", 38, 18, Some(1_000_000_000_000_000)),
            ("0.00", 10, 2, Some(0)),
            ("1e400", 10, 2, None),
            ("0e400", 10, 2, Some(0)),
            ("0.5", 5, 0, Some(1)),
            ("0.05", 5, 0, Some(0)),
            ("x", 5, 0, None),
            ("", 5, 0, None),
        ] {
            assert_eq!(decimal(text.as_bytes(), p, s), want, "{text}");
        }
    }
}
