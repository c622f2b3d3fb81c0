//! Keys from outside the database, as far as token digests need them.
//!
//! A pepper turns a digest into one that nobody can compute who only has the database. Never prints a key, and
//! overwrites what it knows of one when dropped.

use std::hint::black_box;

use hmac::digest::Key;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroize;

/// Bytes of a key.
pub const KEY_LEN: usize = 32;

/// What a check value is taken of. Not 32 bytes, so it is the digest of no token.
const CHECKED: &[u8] = b"tokenauth key check value";

/// A key under which digests are stored.
///
/// Keeps the hash states after the key instead of the key: each use then hashes two blocks, not four. Has no `Debug` or
/// `Clone`.
pub struct Pepper(Hmac<Sha256>);

impl Pepper {
    /// The pepper with this key.
    pub fn new(key: &[u8; KEY_LEN]) -> Self {
        Self(keyed(key))
    }

    /// HMAC-SHA-256 of `message` under this pepper.
    pub(super) fn authenticate(&self, message: &[u8]) -> [u8; 32] {
        self.0.clone().chain_update(message).finalize().into_bytes().into()
    }
}

impl Drop for Pepper {
    fn drop(&mut self) {
        // The hash crate has no way to wipe its states; those of another key wipe them too, as long as the compiler must
        // believe that they are read once more.
        self.0 = keyed(&[0; KEY_LEN]);
        black_box(&self.0);
    }
}

/// What table `key` stores to recognise a key by, of a pepper or a seal: HMAC-SHA-256 of a constant.
///
/// A missing or wrong key is then its own clear error, instead of a database full of unknown tokens.
pub fn check_value(key: &[u8; KEY_LEN]) -> [u8; 32] {
    keyed(key).chain_update(CHECKED).finalize().into_bytes().into()
}

/// HMAC-SHA-256 that has taken in its key.
fn keyed(key: &[u8; KEY_LEN]) -> Hmac<Sha256> {
    // HMAC fills a short key up with zeros to one block (RFC 2104). Taking the whole block
    // needs no answer to a wrong length, which cannot happen here.
    let mut block = Key::<Hmac<Sha256>>::default();
    block[..KEY_LEN].copy_from_slice(key);
    let keyed = Hmac::new(&block);
    block.as_mut_slice().zeroize();
    keyed
}
