//! What is wrong with a digest that a caller gives.

use pgrx::PgSqlErrorCode;

use super::parts::{ErrorParts, invalid};
use crate::token::{ForeignAlgorithm, MalformedDigest};

/// A digest cannot be taken.
#[derive(Debug)]
pub enum DigestError {
    /// It has a length that no algorithm produces.
    Length,
    /// It comes with a lookup, and is too long for a token of ours.
    TooLong,
    /// Digests of this algorithm cannot be imported.
    NoSuchAlgorithm,
    /// It comes from an older system, and is malformed.
    Malformed { algorithm: ForeignAlgorithm, why: MalformedDigest },
    /// It is that of an empty text, or of a word that stands for none.
    OfNothing,
    /// It was imported before.
    Known,
}

impl DigestError {
    pub(super) fn parts(&self) -> ErrorParts {
        match self {
            Self::Length => {
                invalid("digest has the wrong length").detail("A SHA-256 digest has 32 bytes, a SHA-512 digest 64.")
            }
            Self::TooLong => invalid("digest has the wrong length")
                .detail("That of a token with a lookup is its SHA-256, of 32 bytes.")
                .hint("Pass the bytes of the digest, not their hexadecimal text."),
            Self::NoSuchAlgorithm => invalid("algorithm does not exist")
                .hint(format!("Digests of {} can be imported.", ForeignAlgorithm::NAMES)),
            Self::Malformed { algorithm, why } => invalid(why.to_string()).detail(format!(
                "A digest of algorithm \"{}\" is written as {} hexadecimal digits.",
                algorithm.name(),
                2 * algorithm.digest_len()
            )),
            Self::OfNothing => invalid("digest is not that of a token")
                .detail("It is the digest of an empty text, or of a word such as \"null\"."),
            Self::Known => {
                ErrorParts::new(PgSqlErrorCode::ERRCODE_DUPLICATE_OBJECT, "token with this digest already exists")
                    .hint("It was imported before; revoked and deleted tokens keep their digests.")
            }
        }
    }
}
