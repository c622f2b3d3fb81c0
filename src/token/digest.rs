//! The digest: all that the database keeps of a token's secret.
//!
//! It is SHA-256 of the whole text, or HMAC-SHA-256 of that under a pepper; a pepper can thus be applied to a digest
//! that the application computed. Imported tokens may have others. Digests are compared in constant time only: there
//! is no `==`, and nothing here prints one.

use std::fmt;

use sha2::{Digest as _, Sha256, Sha512};
use subtle::ConstantTimeEq;

use super::{ImportKey, Pepper};

/// 32 or 64 bytes computed from a token text.
#[derive(Clone)]
pub struct Digest(Bytes);

#[derive(Clone)]
enum Bytes {
    Short([u8; 32]),
    Long([u8; 64]),
}

impl Digest {
    /// SHA-256 of a text.
    pub fn sha256(text: &[u8]) -> Self {
        Self(Bytes::Short(Sha256::digest(text).into()))
    }

    /// SHA-512 of a text.
    pub fn sha512(text: &[u8]) -> Self {
        Self(Bytes::Long(Sha512::digest(text).into()))
    }

    /// HMAC-SHA-256 of a text, under a key of an older system.
    pub fn under(key: &ImportKey, text: &[u8]) -> Self {
        Self(Bytes::Short(key.authenticate(text)))
    }

    /// HMAC-SHA-256 of this digest under a pepper.
    #[must_use]
    pub fn peppered(&self, pepper: &Pepper) -> Self {
        Self(Bytes::Short(pepper.authenticate(self.as_bytes())))
    }

    /// Takes over a digest that was computed elsewhere.
    ///
    /// # Errors
    /// [`MalformedDigest::Length`] for anything but 32 or 64 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MalformedDigest> {
        let short = bytes.try_into().map(Bytes::Short);
        short.or_else(|_| bytes.try_into().map(Bytes::Long)).map(Self).map_err(|_| MalformedDigest::Length)
    }

    /// Reads a digest of so many bytes in hex, upper or lower case, as older systems store them.
    ///
    /// # Errors
    /// [`MalformedDigest::Length`] when it has another length, [`MalformedDigest::Hex`] for a character that is not a
    /// hex digit.
    pub fn from_hex(length: usize, text: &[u8]) -> Result<Self, MalformedDigest> {
        // Check the length first: a text of any size can then be decoded into a buffer of fixed size.
        if text.len() != 2 * length {
            return Err(MalformedDigest::Length);
        }
        let mut bytes = [0; 64];
        let bytes = bytes.get_mut(..length).ok_or(MalformedDigest::Length)?;
        hex::decode_to_slice(text, bytes).map_err(|_| MalformedDigest::Hex)?;
        Self::from_bytes(bytes)
    }

    /// The bytes that are stored.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::Short(bytes) => bytes,
            Bytes::Long(bytes) => bytes,
        }
    }

    /// Whether `stored` equals this digest; the time taken does not depend on where they differ.
    ///
    /// Different lengths never match. That answer comes sooner, but lengths are not secret.
    pub fn matches(&self, stored: &[u8]) -> bool {
        self.as_bytes().ct_eq(stored).into()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({} bytes)", self.as_bytes().len())
    }
}

/// Why a value is not a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MalformedDigest {
    /// It has the wrong length.
    Length,
    /// It has a character that is not a hex digit.
    Hex,
}

impl fmt::Display for MalformedDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "digest has the wrong length",
            Self::Hex => "digest is not in hex",
        })
    }
}

impl std::error::Error for MalformedDigest {}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, Mac};
    use proptest::prelude::*;

    use super::*;
    use crate::token::{check_value, vectors};

    #[test]
    fn sha256_and_sha512_give_the_published_digests() {
        for case in vectors::cases("sha2.json", "cases") {
            let message = vectors::bytes(&case["message_hex"]).repeat(case["repeat"].as_u64().unwrap() as usize);
            assert_eq!(Digest::sha256(&message).as_bytes(), vectors::bytes(&case["sha256"]));
            assert_eq!(Digest::sha512(&message).as_bytes(), vectors::bytes(&case["sha512"]));
        }
    }

    #[test]
    fn hmac_gives_the_published_codes() {
        for case in vectors::cases("hmac_sha256.json", "rfc4231") {
            let (key, data) = (vectors::bytes(&case["key"]), vectors::bytes(&case["data"]));
            let mut hmac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
            hmac.update(&data);
            let expected = vectors::bytes(&case["hmac"]);
            assert_eq!(&hmac.finalize().into_bytes()[..expected.len()], expected);
            // Among the keys is one longer than a block.
            assert_eq!(&Digest::under(&ImportKey::new(&key), &data).as_bytes()[..expected.len()], expected);
        }
    }

    #[test]
    fn known_tokens_have_their_known_digests_under_known_peppers() {
        for case in vectors::cases("hmac_sha256.json", "peppered_tokens") {
            let pepper = Pepper::new(&vectors::array(&case["pepper"]));
            let digest = Digest::sha256(vectors::text(&case["text"]).as_bytes()).peppered(&pepper);
            assert_eq!(digest.as_bytes(), vectors::bytes(&case["digest"]));
        }
    }

    #[test]
    fn known_keys_have_their_known_check_values() {
        for case in vectors::cases("hmac_sha256.json", "check_values") {
            assert_eq!(check_value(&vectors::bytes(&case["key"])), *vectors::bytes(&case["check_value"]));
        }
    }

    #[test]
    fn a_digest_of_another_length_does_not_match() {
        let digest = Digest::sha512(b"abc");
        assert!(digest.matches(digest.as_bytes()));
        assert!(!digest.matches(&digest.as_bytes()[..32]));
        assert!(!digest.matches(b""));
        assert!(!Digest::sha256(b"abc").matches(&[0; 64]));
    }

    #[test]
    fn every_single_bit_counts() {
        let digest = Digest::sha256(b"abc");
        for bit in 0..256 {
            let mut stored = digest.as_bytes().to_vec();
            stored[bit / 8] ^= 1 << (bit % 8);
            assert!(!digest.matches(&stored));
        }
    }

    #[test]
    fn debug_output_holds_nothing_of_the_digest() {
        assert_eq!(format!("{:?}", Digest::sha256(b"abc")), "Digest(32 bytes)");
    }

    #[test]
    fn hex_of_the_wrong_length_or_alphabet_is_refused() {
        let refused = |length, text: &[u8]| Digest::from_hex(length, text).err();
        assert_eq!(refused(32, b""), Some(MalformedDigest::Length));
        assert_eq!(refused(32, &[b'0'; 63]), Some(MalformedDigest::Length));
        assert_eq!(refused(32, &[b'0'; 128]), Some(MalformedDigest::Length));
        assert_eq!(refused(64, &[b'0'; 64]), Some(MalformedDigest::Length));
        assert_eq!(refused(32, &[b'g'; 64]), Some(MalformedDigest::Hex));
        assert_eq!(refused(64, &[0xff; 128]), Some(MalformedDigest::Hex));
    }

    proptest! {
        #[test]
        fn hex_of_either_case_is_the_digest(text: Vec<u8>) {
            let (short, long) = (Digest::sha256(&text), Digest::sha512(&text));
            for (length, digest) in [(32, short), (64, long)] {
                for hex in [hex::encode(digest.as_bytes()), hex::encode_upper(digest.as_bytes())] {
                    prop_assert!(digest.matches(Digest::from_hex(length, hex.as_bytes()).unwrap().as_bytes()));
                }
            }
        }

        #[test]
        fn only_32_or_64_bytes_are_a_digest(bytes in proptest::collection::vec(any::<u8>(), 0..130)) {
            prop_assert_eq!(Digest::from_bytes(&bytes).is_ok(), matches!(bytes.len(), 32 | 64));
        }
    }
}
