//! The key by which children are signed, and what the database stores of it.
//!
//! The seed is an HMAC with a constant as key and the parent's whole text as message. Never the other way round: HMAC
//! replaces a key of more than 64 bytes by its SHA-256, and that of a token's text is the digest in its row, from which
//! anybody who reads the table could make children. Of the seed only the public key is stored; where the row has a
//! pepper, with a code under it, so that whoever can merely write the table cannot put a key of its own there.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::token::{Lookup, Pepper};

/// The key of the HMAC that yields the seed.
const SEED: &[u8] = b"tokenauth derive 1";

/// What the message begins with of which the code is made. With what follows it is longer than a digest, so that no
/// code is the digest of a token.
const CODE: &[u8] = b"tokenauth derive key 1";

/// The key by which the holder of a token signs children. It is wiped when dropped, and never printed.
pub struct DerivingKey(SigningKey);

impl DerivingKey {
    /// That of the token with this text.
    pub fn of(text: &[u8]) -> Self {
        let mac = Hmac::<Sha256>::new_from_slice(SEED).expect("a key of any length will do");
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(mac.chain_update(text).finalize().into_bytes().into());
        DerivingKey(SigningKey::from_bytes(&seed))
    }

    /// The signature of a message.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }

    /// What tells its signatures from others'.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }
}

/// The public key of a token's children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// As it is stored with the token of this id and lookup, under this pepper if its digest is.
    pub fn to_stored(self, id: &[u8; 16], lookup: Lookup, pepper: Option<&Pepper>) -> Vec<u8> {
        let mut stored = self.0.to_vec();
        stored.extend(pepper.iter().flat_map(|pepper| self.code(id, lookup, pepper)));
        stored
    }

    /// The key that is stored so; `None` if it was not stored for this token or under this pepper. The code is compared
    /// in constant time.
    pub fn of_stored(stored: &[u8], id: &[u8; 16], lookup: Lookup, pepper: Option<&Pepper>) -> Option<Self> {
        let (key, code) = stored.split_first_chunk()?;
        let key = PublicKey(*key);
        let is_ours = match pepper {
            None => code.is_empty(),
            Some(pepper) => key.code(id, lookup, pepper).as_slice().ct_eq(code).into(),
        };
        is_ours.then_some(key)
    }

    /// Whether this key's owner has signed the message. Signatures that others could make of a given one, and keys for
    /// which any signature holds, are refused.
    pub fn has_signed(self, message: &[u8], signature: &[u8; 64]) -> bool {
        VerifyingKey::from_bytes(&self.0)
            .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
    }

    fn code(self, id: &[u8; 16], lookup: Lookup, pepper: &Pepper) -> [u8; 32] {
        pepper.authenticate(&[CODE, &id[..], &lookup.to_bigint().to_be_bytes()[..], &self.0[..]].concat())
    }
}
