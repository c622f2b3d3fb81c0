//! The checksum of a token: CRC-32 of everything before it, so that most wrong texts cost no table read.
//!
//! The CRC is the one of ISO-HDLC, zlib and PNG (reflected polynomial `EDB88320`, all ones at both ends). It detects
//! every change of a single character but does not prove who made the text. It can also be run backwards, which is how
//! the start of a token inside other text is found in one pass. This module never keeps a secret.

use super::{CHECKSUM_LEN, base62};

/// The register before the first byte; the result is the final register, inverted.
const INITIAL: u32 = u32::MAX;

/// The checksum of `text`.
pub(super) fn of(text: &[u8]) -> u32 {
    crc32fast::hash(text)
}

/// The checksum as it is written in a token.
pub(super) fn encode(checksum: u32) -> [u8; CHECKSUM_LEN] {
    base62::encode(u64::from(checksum))
}

/// Every start from which the rest of `text` has this checksum, the last start first.
///
/// Trying each start forwards would read a text of n bytes n times. A CRC step can be undone when its byte is known, so
/// the register is instead wound back from the end; wherever it holds its initial value, a checksummed text may begin.
pub(super) fn starts(text: &[u8], checksum: u32) -> impl Iterator<Item = usize> {
    let mut register = !checksum;
    let at_the_end = (register == INITIAL).then_some(text.len());
    let before_it = text.iter().enumerate().rev().filter_map(move |(start, &byte)| {
        register = undo(register, byte);
        (register == INITIAL).then_some(start)
    });
    at_the_end.into_iter().chain(before_it)
}

/// The register as it was before it took in `byte`.
///
/// The forward step is `register = (register >> 8) ^ STEP[(register ^ byte) & 0xff]`. After the shift, the top byte
/// comes from the table alone. There all top bytes differ, so the top byte gives the entry, and the entry the rest.
fn undo(register: u32, byte: u8) -> u32 {
    let entry = ENTRY_BY_TOP_BYTE[(register >> 24) as usize];
    ((register ^ STEP[usize::from(entry)]) << 8) | u32::from(entry ^ byte)
}

/// The effect of eight bits on the register.
const STEP: [u32; 256] = {
    let mut step = [0; 256];
    let mut entry = 0;
    while entry < step.len() {
        let mut register = entry as u32;
        let mut bit = 0;
        while bit < 8 {
            register = (register >> 1) ^ if register & 1 == 1 { 0xEDB8_8320 } else { 0 };
            bit += 1;
        }
        step[entry] = register;
        entry += 1;
    }
    step
};

/// Maps a top byte to the index of the entry of [`STEP`] that has it.
const ENTRY_BY_TOP_BYTE: [u8; 256] = {
    let mut entries = [0; 256];
    let mut entry = 0;
    while entry < STEP.len() {
        entries[(STEP[entry] >> 24) as usize] = entry as u8;
        entry += 1;
    }
    entries
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::token::vectors;

    #[test]
    fn known_texts_have_their_known_checksum() {
        for case in vectors::cases("crc32.json", "cases") {
            let text = vectors::bytes(&case["text_hex"]);
            let checksum = u32::from_str_radix(vectors::text(&case["crc32"]), 16).unwrap();
            assert_eq!(of(&text), checksum);
            assert_eq!(encode(checksum), vectors::text(&case["base62"]).as_bytes());
        }
    }

    #[test]
    fn every_byte_taken_in_can_be_undone() {
        for entry in 0..=u8::MAX {
            let register: u32 = 0x1234_5678;
            let after = (register >> 8) ^ STEP[usize::from(register as u8 ^ entry)];
            assert_eq!(undo(after, entry), register);
        }
    }

    #[test]
    fn an_empty_text_starts_at_its_own_end() {
        assert!(starts(b"abc", of(b"")).any(|start| start == 3));
        assert_eq!(starts(b"", of(b"")).collect::<Vec<_>>(), [0]);
    }

    proptest! {
        #[test]
        fn walking_back_finds_what_trying_each_start_finds(
            text in proptest::collection::vec(any::<u8>(), 0..100),
            cut in any::<proptest::sample::Index>(),
        ) {
            let checksum = of(&text[cut.index(text.len() + 1)..]);
            let tried: Vec<_> = (0..=text.len()).rev().filter(|&start| of(&text[start..]) == checksum).collect();
            prop_assert_eq!(starts(&text, checksum).collect::<Vec<_>>(), tried);
        }
    }
}
