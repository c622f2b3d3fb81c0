//! Sealed token texts: only a holder of the key can read them again, and only for the token they belong to.
//!
//! The cipher is XChaCha20-Poly1305 with a random nonce for each text; 24 bytes are enough that nonces never repeat.
//! The token's id is authenticated with the text, so a sealed text that is moved to another row does not open. This
//! module never prints a key or a text; an opened text is wiped when dropped.

use chacha20poly1305::aead::{AeadInPlace as _, KeyInit as _};
use chacha20poly1305::{Key, Tag, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::new_token::fill_randomly;
use super::{KEY_LEN, RandomError};

/// The first byte of a sealed text: identifies the cipher, so that another one can follow later.
const VERSION: u8 = 1;

const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;

/// A key that seals token texts and opens them. Has no `Debug` or `Clone`; the cipher wipes its key when dropped.
pub struct Seal(XChaCha20Poly1305);

impl Seal {
    /// The seal with this key.
    pub fn new(key: &[u8; KEY_LEN]) -> Self {
        Self(XChaCha20Poly1305::new(Key::from_slice(key)))
    }

    /// Seals the text of the token with this id: version, nonce, ciphertext, tag.
    ///
    /// # Errors
    /// [`RandomError`] when the operating system cannot provide randomness.
    pub fn close(&self, text: &[u8], token: &[u8; 16]) -> Result<Vec<u8>, RandomError> {
        let mut nonce = [0; NONCE_LEN];
        fill_randomly(&mut nonce)?;
        Ok(self.close_with(&nonce, text, token))
    }

    /// The text that was sealed for the token with this id, or `None` when `sealed` was not made for it with this key.
    pub fn open(&self, sealed: &[u8], token: &[u8; 16]) -> Option<Zeroizing<Vec<u8>>> {
        let (&version, sealed) = sealed.split_first()?;
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let (text, tag) = sealed.split_last_chunk::<TAG_LEN>()?;
        if version != VERSION {
            return None;
        }
        let mut text = Zeroizing::new(text.to_vec());
        self.0.decrypt_in_place_detached(XNonce::from_slice(nonce), token, &mut text, Tag::from_slice(tag)).ok()?;
        Some(text)
    }

    fn close_with(&self, nonce: &[u8; NONCE_LEN], text: &[u8], token: &[u8]) -> Vec<u8> {
        // The text is encrypted in place, in memory that never grows: no copy of it is left behind.
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + text.len() + TAG_LEN);
        sealed.push(VERSION);
        sealed.extend_from_slice(nonce);
        let start = sealed.len();
        sealed.extend_from_slice(text);
        let tag = self
            .0
            .encrypt_in_place_detached(XNonce::from_slice(nonce), token, &mut sealed[start..])
            .expect("a token is shorter than the 256 GB that the cipher can take");
        sealed.extend_from_slice(&tag);
        sealed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::token::vectors;

    const KEY: [u8; KEY_LEN] = [7; KEY_LEN];
    const TEXT: &[u8] = b"sk_00000000000abcdefghijklmnopqrstuvwxyz012345AAAAAA";
    const TOKEN: [u8; 16] = *b"0123456789abcdef";

    #[test]
    fn the_cipher_gives_the_published_answer() {
        for case in vectors::cases("xchacha20_poly1305.json", "draft") {
            let seal = Seal::new(&vectors::array(&case["key"]));
            let nonce = vectors::array(&case["nonce"]);
            let sealed = seal.close_with(&nonce, &vectors::bytes(&case["plaintext"]), &vectors::bytes(&case["aad"]));
            let expected =
                [vec![VERSION], nonce.to_vec(), vectors::bytes(&case["ciphertext"]), vectors::bytes(&case["tag"])];
            assert_eq!(sealed, expected.concat());
        }
    }

    #[test]
    fn known_tokens_have_their_known_sealed_texts() {
        for case in vectors::cases("xchacha20_poly1305.json", "sealed_tokens") {
            let seal = Seal::new(&vectors::array(&case["key"]));
            let (text, token) = (vectors::text(&case["text"]), vectors::array(&case["id"]));
            let sealed = vectors::bytes(&case["sealed"]);
            assert_eq!(seal.close_with(&vectors::array(&case["nonce"]), text.as_bytes(), &token), sealed);
            assert_eq!(seal.open(&sealed, &token).as_deref().map(Vec::as_slice), Some(text.as_bytes()));
        }
    }

    #[test]
    fn what_is_sealed_is_opened_and_never_sealed_alike_twice() {
        let seal = Seal::new(&KEY);
        let (one, other) = (seal.close(TEXT, &TOKEN).unwrap(), seal.close(TEXT, &TOKEN).unwrap());
        assert_ne!(one, other);
        for sealed in [one, other] {
            assert_eq!(seal.open(&sealed, &TOKEN).as_deref().map(Vec::as_slice), Some(TEXT));
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_refused() {
        let seal = Seal::new(&KEY);
        let sealed = seal.close(TEXT, &TOKEN).unwrap();
        for bit in 0..8 * sealed.len() {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(seal.open(&flipped, &TOKEN).is_none(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(seal.open(&sealed[..length], &TOKEN).is_none(), "{length} bytes");
        }
        assert!(seal.open(&[&sealed[..], &[0]].concat(), &TOKEN).is_none());
    }

    #[test]
    fn a_sealed_text_opens_for_its_own_token_and_key_only() {
        let seal = Seal::new(&KEY);
        let sealed = seal.close(TEXT, &TOKEN).unwrap();
        for bit in 0..8 * TOKEN.len() {
            let mut other = TOKEN;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(seal.open(&sealed, &other).is_none());
        }
        for bit in 0..8 * KEY_LEN {
            let mut other = KEY;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(Seal::new(&other).open(&sealed, &TOKEN).is_none());
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_refused(sealed in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Seal::new(&KEY).open(&sealed, &TOKEN).is_none());
        }

        #[test]
        fn any_text_comes_back(text in proptest::collection::vec(any::<u8>(), 0..200), token: [u8; 16]) {
            let seal = Seal::new(&KEY);
            let sealed = seal.close(&text, &token).unwrap();
            let opened = seal.open(&sealed, &token);
            prop_assert_eq!(opened.as_deref(), Some(&text));
        }
    }
}
