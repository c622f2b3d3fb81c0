//! Keys from outside the database, as far as token digests need them.
//!
//! A pepper makes the stored digest impossible to compute for someone who has only the database. This module never
//! prints a key, and overwrites what it holds of one when dropped.

use std::hint::black_box;

use hmac::digest::Key;
use hmac::{Hmac, Mac};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroize;

/// Length of a key in bytes.
pub const KEY_LEN: usize = 32;

/// The message of a check value. It is not 32 bytes long, so the result is never the digest of a token.
const CHECKED: &[u8] = b"tokenauth key check value";

/// A key under which digests are stored.
///
/// It keeps the hash states after the key instead of the key itself, so each use hashes two blocks instead of four. It
/// has no `Debug` or `Clone`.
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
        // The hash crate cannot wipe its states. Overwriting them with those of another key does, as long as the
        // compiler has to assume that they are read once more.
        self.0 = keyed(&[0; KEY_LEN]);
        black_box(&self.0);
    }
}

/// A key under which an older system stored digests. It has no `Debug` or `Clone`.
pub struct ImportKey(Pepper);

impl ImportKey {
    /// The longest key, in bytes.
    pub const MOST: usize = 256;

    /// The key of these bytes.
    pub fn new(key: &[u8]) -> Self {
        Self(Pepper(keyed(key)))
    }

    /// HMAC-SHA-256 of `message` under this key.
    pub(super) fn authenticate(&self, message: &[u8]) -> [u8; 32] {
        self.0.authenticate(message)
    }
}

/// The value by which table `key` recognises a key, whatever its purpose: HMAC-SHA-256 of a constant.
///
/// A missing or wrong key thus gets an error of its own, instead of making every token unknown.
pub fn check_value(key: &[u8]) -> [u8; 32] {
    keyed(key).chain_update(CHECKED).finalize().into_bytes().into()
}

/// HMAC-SHA-256 after it has taken in its key.
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    // HMAC pads a short key with zeros to one block, and hashes a longer one first (RFC 2104). Passing the whole block
    // avoids handling a wrong length, which cannot happen here.
    let mut block = Key::<Hmac<Sha256>>::default();
    if key.len() > block.len() {
        block[..KEY_LEN].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let keyed = Hmac::new(&block);
    block.as_mut_slice().zeroize();
    keyed
}
