//! Bytes as base64url without padding (RFC 4648 section 5), each in its one spelling.

use crate::token::base62::{NO_DIGIT, values};

/// The digits in the order of their values.
const DIGITS: [u8; 64] = *b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The value of each byte read as a digit.
const VALUES: [u8; 256] = values(&DIGITS);

/// Whether the byte is a digit.
pub fn is_digit(byte: u8) -> bool {
    VALUES[usize::from(byte)] != NO_DIGIT
}

/// Appends the text of these bytes.
pub fn encode_into(text: &mut String, bytes: &[u8]) {
    for group in bytes.chunks(3) {
        let mut bits = [0; 4];
        bits[1..=group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes(bits);
        // Three bytes are four digits, two are three, and one is two.
        text.extend((0..=group.len()).map(|digit| char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize])));
    }
}

/// The bytes of a text; `None` if it is not written as [`encode_into`] writes them. Unused bits must be zero, or two
/// texts would have the same bytes.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for group in text.chunks(4) {
        let mut bits = 0_u32;
        for (place, &digit) in group.iter().enumerate() {
            let value = VALUES[usize::from(digit)];
            if value == NO_DIGIT {
                return None;
            }
            bits |= u32::from(value) << (18 - 6 * place);
        }
        let [_, decoded @ ..] = bits.to_be_bytes();
        let (whole, unused) = decoded.split_at(group.len() - 1);
        if whole.is_empty() || unused.iter().any(|&byte| byte != 0) {
            return None;
        }
        bytes.extend_from_slice(whole);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode(bytes: &[u8]) -> String {
        let mut text = String::new();
        encode_into(&mut text, bytes);
        text
    }

    #[test]
    fn the_examples_of_the_standard_have_their_texts() {
        for (bytes, text) in
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE")]
        {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text.as_bytes()).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(encode(&[0xfb, 0xff]), "-_8");
    }

    #[test]
    fn padding_other_alphabets_single_digits_and_unused_bits_are_refused() {
        for text in ["Zg==", "Zm8=", "Zh", "Zm9", "+/8", "Zm9vY", "A", "Zm9v\n", " Zm9v", "Zm 9v"] {
            assert_eq!(decode(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(bytes: Vec<u8>) {
            prop_assert_eq!(decode(encode(&bytes).as_bytes()), Some(bytes));
        }

        #[test]
        fn what_can_be_read_is_the_only_text_of_its_bytes(text in "[A-Za-z0-9_-]{0,20}") {
            if let Some(bytes) = decode(text.as_bytes()) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
