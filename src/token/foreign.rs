//! How older systems computed the digests that `import` takes over, identified by the name stored in the token's row.
//!
//! The names are written into tables and dumps: a name never changes and is never reused.

use std::borrow::Cow;

use zeroize::Zeroizing;

use super::{Digest, ImportKey, Lookup};

/// A way to compute a digest from the text that a holder presents; the likelier one comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ForeignAlgorithm {
    /// SHA-256 of the text.
    Sha256,
    /// SHA-512 of the text.
    Sha512,
    /// SHA-256 of what follows the first `|`.
    Sha256AfterBar,
    /// SHA-512 of the bytes that the text spells in hexadecimal.
    Sha512OfHex,
    /// HMAC-SHA-256 of the text, under the key with this id.
    HmacSha256(Box<str>),
    /// HMAC-SHA-256 of what follows the first `.`, under the key with this id.
    HmacSha256AfterDot(Box<str>),
}

/// Longest id of a key, in bytes.
pub const MOST_KEY_ID: usize = 63;

/// The bytes that a text of 512 hexadecimal digits spells.
const MOST_SPELT: usize = 256;

impl ForeignAlgorithm {
    /// What is written about the names in messages.
    pub const NAMES: &str = "\"sha256\", \"sha512\", \"sha512-of-hex\", \"sha256-after-bar\", \"hmac-sha256:<key>\" \
                             and \"hmac-sha256-after-dot:<key>\"";

    /// The name stored with each token.
    pub fn name(&self) -> Cow<'static, str> {
        match self {
            Self::Sha256 => "sha256".into(),
            Self::Sha512 => "sha512".into(),
            Self::Sha256AfterBar => "sha256-after-bar".into(),
            Self::Sha512OfHex => "sha512-of-hex".into(),
            Self::HmacSha256(key) => format!("hmac-sha256:{key}").into(),
            Self::HmacSha256AfterDot(key) => format!("hmac-sha256-after-dot:{key}").into(),
        }
    }

    /// The algorithm with this name.
    pub fn named(name: &str) -> Option<Self> {
        let (family, key) = match name.split_once(':') {
            Some((family, key)) => (family, Some(key)),
            None => (name, None),
        };
        if key.is_some_and(|key| !is_key_id(key.as_bytes())) {
            return None;
        }
        match (family, key) {
            ("sha256", None) => Some(Self::Sha256),
            ("sha512", None) => Some(Self::Sha512),
            ("sha256-after-bar", None) => Some(Self::Sha256AfterBar),
            ("sha512-of-hex", None) => Some(Self::Sha512OfHex),
            ("hmac-sha256", Some(key)) => Some(Self::HmacSha256(key.into())),
            ("hmac-sha256-after-dot", Some(key)) => Some(Self::HmacSha256AfterDot(key.into())),
            _ => None,
        }
    }

    /// The id of the key that it needs.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::HmacSha256(key) | Self::HmacSha256AfterDot(key) => Some(key),
            _ => None,
        }
    }

    /// Whether 0.1.0 had it.
    pub fn is_of_first_release(&self) -> bool {
        matches!(self, Self::Sha256 | Self::Sha512)
    }

    /// Length of a digest in bytes.
    pub fn digest_len(&self) -> usize {
        if matches!(self, Self::Sha512 | Self::Sha512OfHex) { 64 } else { 32 }
    }

    /// What it hashes of a text; `None` for a text that no token of it has.
    pub fn secret<'a>(&self, text: &'a [u8]) -> Option<Secret<'a>> {
        let after = |mark| text.iter().position(|&byte| byte == mark).map(|at| Secret::Part(&text[at + 1..]));
        match self {
            Self::Sha256 | Self::Sha512 | Self::HmacSha256(_) => Some(Secret::Part(text)),
            Self::Sha256AfterBar => after(b'|'),
            Self::HmacSha256AfterDot(_) => after(b'.'),
            Self::Sha512OfHex => {
                let length = Some(text.len() / 2).filter(|&length| length <= MOST_SPELT)?;
                let mut spelt = Zeroizing::new(vec![0; length]);
                hex::decode_to_slice(text, spelt.as_mut_slice()).ok()?;
                Some(Secret::Spelt(spelt))
            }
        }
    }

    /// The digest of such a secret; `None` without the key that it needs.
    pub fn digest(&self, secret: &Secret<'_>, key: Option<&ImportKey>) -> Option<Digest> {
        let secret = secret.bytes();
        Some(match self {
            Self::Sha256 | Self::Sha256AfterBar => Digest::sha256(secret),
            Self::Sha512 | Self::Sha512OfHex => Digest::sha512(secret),
            Self::HmacSha256(_) | Self::HmacSha256AfterDot(_) => Digest::under(key?, secret),
        })
    }

    /// The lookup of a token that was imported with this digest: the first 64 bits of the digest or, where the text is
    /// not hashed as it is, of a digest over both. So the same digest by two algorithms is of two tokens, and a text is
    /// compared only by the algorithm that a row names.
    pub fn lookup(&self, digest: &Digest) -> Lookup {
        match self {
            Self::Sha256 | Self::Sha512 => Lookup::of_digest(digest),
            _ => Lookup::of_digest(&Digest::sha256(&[self.name().as_bytes(), b"\0", digest.as_bytes()].concat())),
        }
    }
}

/// Whether this can be the id of a key, by which rows, messages and events refer to it.
pub fn is_key_id(id: &[u8]) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
    (1..=MOST_KEY_ID).contains(&id.len()) && id.iter().all(is_allowed)
}

/// What is hashed of a text. Has no `Debug`.
pub enum Secret<'a> {
    /// A part of it.
    Part(&'a [u8]),
    /// What it spells.
    Spelt(Zeroizing<Vec<u8>>),
}

impl Secret<'_> {
    /// The bytes that are hashed.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Part(bytes) => bytes,
            Self::Spelt(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 6] = [
        "sha256",
        "sha512",
        "sha256-after-bar",
        "sha512-of-hex",
        "hmac-sha256:netbox_1",
        "hmac-sha256-after-dot:a.b-C",
    ];

    fn digest(name: &str, text: &[u8]) -> Option<Digest> {
        let algorithm = ForeignAlgorithm::named(name).unwrap();
        algorithm.digest(&algorithm.secret(text)?, Some(&ImportKey::new(b"Jefe")))
    }

    #[test]
    fn the_stored_names_never_change() {
        for name in NAMES {
            assert_eq!(ForeignAlgorithm::named(name).unwrap().name(), name);
        }
    }

    #[test]
    fn other_names_are_unknown() {
        let long = format!("hmac-sha256:{}", "k".repeat(MOST_KEY_ID + 1));
        for name in [
            "",
            "SHA256",
            "sha-256",
            "md5",
            "sha256 ",
            "hmac-sha256",
            "hmac-sha256:",
            "hmac-sha256:a b",
            "sha256:k",
            "hmac-sha512:k",
            "hmac-sha256:k:l",
            &long,
        ] {
            assert_eq!(ForeignAlgorithm::named(name), None, "{name}");
        }
    }

    #[test]
    fn what_follows_the_mark_is_hashed_and_a_text_without_it_is_none() {
        let plain = Digest::sha256(b"secret");
        assert!(digest("sha256-after-bar", b"12|secret").unwrap().matches(plain.as_bytes()));
        assert!(digest("sha256-after-bar", b"|secret").unwrap().matches(plain.as_bytes()));
        let of_two = Digest::sha256(b"a|b");
        assert!(digest("sha256-after-bar", b"1|a|b").unwrap().matches(of_two.as_bytes()));
        assert!(digest("sha256-after-bar", b"secret").is_none());
        assert!(digest("hmac-sha256-after-dot:k", b"secret").is_none());
    }

    #[test]
    fn an_hmac_is_the_published_one() {
        // Test case 2 of RFC 4231.
        let message = b"what do ya want for nothing?";
        let published = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        for (name, text) in [
            ("hmac-sha256:k", message.to_vec()),
            ("hmac-sha256-after-dot:k", [b"nbt_key.".as_slice(), message].concat()),
        ] {
            assert_eq!(hex::encode(digest(name, &text).unwrap().as_bytes()), published);
        }
    }

    #[test]
    fn hexadecimal_of_either_case_spells_bytes_and_nothing_else_does() {
        let spelt = Digest::sha512(&[0xab, 0xcd]);
        for text in [b"abcd", b"ABCD", b"aBcD"] {
            assert!(digest("sha512-of-hex", text).unwrap().matches(spelt.as_bytes()));
        }
        for text in [b"abc".as_slice(), b"abcg", &[b'0'; 514]] {
            assert!(digest("sha512-of-hex", text).is_none());
        }
    }

    #[test]
    fn one_digest_by_two_algorithms_is_found_in_two_places() {
        let digest = Digest::sha256(b"secret");
        let mut lookups: Vec<Lookup> =
            NAMES.iter().map(|name| ForeignAlgorithm::named(name).unwrap().lookup(&digest)).collect();
        // These two never have the same digest.
        assert_eq!(lookups.remove(0), lookups[0]);
        lookups.sort_by_key(|lookup| lookup.to_bigint());
        lookups.dedup();
        assert_eq!(lookups.len(), 5);
    }

    proptest! {
        #[test]
        fn no_text_and_no_name_panics(text: Vec<u8>, name in ".{0,80}") {
            let _ = ForeignAlgorithm::named(&name);
            for name in NAMES {
                let _ = digest(name, &text);
            }
        }
    }
}
