//! How a stored digest was computed from the token text, identified by the name stored in the token's row.
//!
//! The names are written into tables and dumps: a name never changes and is never reused.

use std::fmt;

/// A way to compute the stored digest from a token text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// SHA-256 of the text. No salt and no slow hash: 190 random bits cannot be guessed at any speed.
    Sha256,
    /// HMAC-SHA-256 of that digest under a pepper: a reader of the table cannot even test a guess.
    HmacSha256,
    /// SHA-512 of the text, for tokens issued by another system.
    Sha512,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::HmacSha256, Self::Sha512];

    /// The name stored with each token.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::HmacSha256 => "hmac-sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Length of a digest in bytes.
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Sha256 | Self::HmacSha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// Whether digests that another system stored can be imported: not peppered ones, since only we have the pepper.
    pub const fn is_importable(self) -> bool {
        match self {
            Self::Sha256 | Self::Sha512 => true,
            Self::HmacSha256 => false,
        }
    }

    /// The algorithm with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_names_never_change() {
        assert_eq!(Algorithm::ALL.map(Algorithm::name), ["sha256", "hmac-sha256", "sha512"]);
    }

    #[test]
    fn every_algorithm_is_found_by_its_name() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::named(algorithm.name()), Some(algorithm));
        }
    }

    #[test]
    fn other_names_are_unknown() {
        for name in ["", "SHA256", "sha-256", "md5", "sha256 "] {
            assert_eq!(Algorithm::named(name), None);
        }
    }
}
