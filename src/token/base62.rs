//! Numbers written with the 62 characters that are safe in a shell, a URL and a header.
//!
//! The digits `0-9A-Za-z` are in ASCII order. Numbers are written most significant digit first and padded with `0` to a
//! fixed width, so that texts of equal width sort as their values do. Never overflows and never branches on a digit.

/// The digits in the order of their values.
pub(super) const DIGITS: [u8; 62] = *b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What [`values`] has for a byte that is not a digit; no digit has a value with this bit set.
pub(super) const NO_DIGIT: u8 = 0x80;

/// The value of each byte read as a digit.
const VALUES: [u8; 256] = values(&DIGITS);

/// The value of each byte read as one of these digits, at most 128.
pub(super) const fn values(digits: &[u8]) -> [u8; 256] {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < digits.len() {
        values[digits[value] as usize] = value as u8;
        value += 1;
    }
    values
}

/// Writes `value` with exactly `N` digits; higher digits that do not fit are dropped.
pub(super) fn encode<const N: usize>(mut value: u64) -> [u8; N] {
    let mut digits = [DIGITS[0]; N];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(value % 62) as usize];
        value /= 62;
    }
    digits
}

/// Reads `N` digits, at most ten: ten digits stay below 2⁶⁰, so no step needs an overflow check.
///
/// Returns `None` when a byte is not a digit.
pub(super) fn decode<const N: usize>(digits: &[u8; N]) -> Option<u64> {
    const { assert!(N <= 10) };
    let mut value = 0;
    let mut seen = 0;
    for &digit in digits {
        let digit = VALUES[usize::from(digit)];
        seen |= digit;
        value = value * 62 + u64::from(digit);
    }
    (seen & NO_DIGIT == 0).then_some(value)
}

/// Whether every byte is a digit.
///
/// Tests all of them instead of stopping at the first that is not: the compiler can vectorize a loop without branches.
pub(super) fn is_base62(text: &[u8]) -> bool {
    text.iter().fold(true, |so_far, byte| so_far & byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::token::vectors;

    #[test]
    fn known_numbers_have_their_known_digits() {
        for case in vectors::cases("base62.json", "six_digits") {
            let value: u64 = vectors::text(&case["value"]).parse().unwrap();
            let digits: [u8; 6] = vectors::text(&case["digits"]).as_bytes().try_into().unwrap();
            assert_eq!(encode(value), digits);
            assert_eq!(decode(&digits), Some(value));
        }
    }

    #[test]
    fn a_byte_is_a_digit_exactly_when_it_is_an_ascii_letter_or_number() {
        for byte in 0..=u8::MAX {
            assert_eq!(decode(&[byte]).is_some(), byte.is_ascii_alphanumeric(), "{byte:#04x}");
            assert_eq!(is_base62(&[b'0', byte, b'z']), byte.is_ascii_alphanumeric(), "{byte:#04x}");
        }
    }

    #[test]
    fn ten_bytes_that_are_no_digits_do_not_overflow() {
        assert_eq!(decode(&[0xff; 10]), None);
        assert_eq!(decode(b"zzzzzzzzzz"), Some(62u64.pow(10) - 1));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in 0..62u64.pow(10)) {
            prop_assert_eq!(decode(&encode::<10>(value)), Some(value));
        }

        #[test]
        fn digits_sort_as_their_numbers(a in 0..62u64.pow(10), b in 0..62u64.pow(10)) {
            prop_assert_eq!(encode::<10>(a).cmp(&encode::<10>(b)), a.cmp(&b));
        }
    }
}
