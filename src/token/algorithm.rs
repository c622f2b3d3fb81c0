//! How the stored digest of a token of ours was computed from its text, identified by the name stored in its row.
//!
//! The names are written into tables and dumps: a name never changes and is never reused.

/// A way to compute the stored digest from a token text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-256 of the text. No salt and no slow hash: 190 random bits cannot be guessed at any speed.
    Sha256,
    /// HMAC-SHA-256 of that digest under a pepper: a reader of the table cannot even test a guess.
    HmacSha256,
}

impl Algorithm {
    /// The name stored with each token.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::HmacSha256 => "hmac-sha256",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_names_never_change() {
        assert_eq!([Algorithm::Sha256, Algorithm::HmacSha256].map(Algorithm::name), ["sha256", "hmac-sha256"]);
    }
}
