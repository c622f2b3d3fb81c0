//! A signature as it is written: 64 bytes, read as one big-endian number, in 86 digits of base62.
//!
//! Base62 as in the rest of a token, so that a word in a log holds all of it and no digit needs to be escaped.

use std::iter;

use crate::token::base62;

/// Number of characters of a signature: 86 base62 digits hold any number of 512 bits.
pub const SIGNATURE_LEN: usize = 86;

/// How many digits are converted at once, as many as 64 bits hold for certain.
const STEP: usize = 10;

/// What so many digits count up to.
const RADIX: u128 = 62_u128.pow(STEP as u32);

/// The digits of a signature, those to the left padded with `0`.
pub fn encode(signature: &[u8; 64]) -> [u8; SIGNATURE_LEN] {
    let mut limbs = limbs_of(signature);
    let mut digits = [b'0'; SIGNATURE_LEN];
    for group in digits.rchunks_mut(STEP) {
        let rest = limbs.iter_mut().fold(0, |rest, limb| {
            let dividend = rest << 64 | u128::from(*limb);
            *limb = (dividend / RADIX) as u64;
            dividend % RADIX
        });
        let written: [u8; STEP] = base62::encode(rest as u64);
        group.copy_from_slice(&written[STEP - group.len()..]);
    }
    digits
}

/// The signature of these digits; `None` for a byte that is no digit and for a number of more than 512 bits.
pub fn decode(digits: &[u8; SIGNATURE_LEN]) -> Option<[u8; 64]> {
    let (first, others) = digits.split_at(SIGNATURE_LEN % STEP);
    let mut limbs = [0_u64; 8];
    for group in iter::once(first).chain(others.chunks(STEP)) {
        let mut padded = [b'0'; STEP];
        padded[STEP - group.len()..].copy_from_slice(group);
        let value = u128::from(base62::decode(&padded)?);
        let beyond = limbs.iter_mut().rev().fold(value, |carry, limb| {
            let product = u128::from(*limb) * RADIX + carry;
            *limb = product as u64;
            product >> 64
        });
        if beyond != 0 {
            return None;
        }
    }
    let mut signature = [0; 64];
    for (bytes, limb) in signature.chunks_mut(8).zip(limbs) {
        bytes.copy_from_slice(&limb.to_be_bytes());
    }
    Some(signature)
}

fn limbs_of(signature: &[u8; 64]) -> [u64; 8] {
    let mut limbs = [0; 8];
    for (limb, bytes) in limbs.iter_mut().zip(signature.chunks(8)) {
        *limb = bytes.iter().fold(0, |limb, &byte| limb << 8 | u64::from(byte));
    }
    limbs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digits(text: &str) -> [u8; SIGNATURE_LEN] {
        text.as_bytes().try_into().unwrap()
    }

    #[test]
    fn small_numbers_are_padded_and_the_greatest_has_its_digits() {
        let mut one = [0; 64];
        one[63] = 1;
        assert_eq!(encode(&[0; 64]), digits(&"0".repeat(86)));
        assert_eq!(encode(&one), digits(&format!("{}1", "0".repeat(85))));
        assert_eq!(decode(&encode(&[0xff; 64])), Some([0xff; 64]));
    }

    #[test]
    fn numbers_of_more_than_512_bits_and_other_bytes_are_refused() {
        let mut next = encode(&[0xff; 64]);
        // The last digit of 2⁵¹² - 1 is not the greatest, so the next number differs in it alone.
        let last = &mut next[85];
        *last = base62::DIGITS[base62::DIGITS.iter().position(|digit| digit == last).unwrap() + 1];
        assert_eq!(decode(&next), None);
        assert_eq!(decode(&[b'z'; 86]), None);
        for other in [b'-', b'_', b'.', b' ', 0, 0xff] {
            for place in [0, 5, 6, 85] {
                let mut text = [b'0'; 86];
                text[place] = other;
                assert_eq!(decode(&text), None);
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(signature in proptest::collection::vec(any::<u8>(), 64)) {
            let signature: [u8; 64] = signature.try_into().unwrap();
            prop_assert_eq!(decode(&encode(&signature)), Some(signature));
        }

        #[test]
        fn digits_are_refused_or_are_the_only_ones_of_their_number(text in "[0-9A-Za-z]{86}") {
            if let Some(signature) = decode(&digits(&text)) {
                prop_assert_eq!(encode(&signature), digits(&text));
            }
        }
    }
}
