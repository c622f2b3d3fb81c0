//! Why a text is not a token.
//!
//! The reason is for tests and for the author of a prefix; someone who presents a token is told only that it is
//! malformed. It never carries any part of the text.

use std::fmt;

/// The first rule of the token's form that a text breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It is too short or too long.
    Length,
    /// It has a byte not allowed in its place: prefixes have `[A-Za-z0-9_-]`, the rest `[A-Za-z0-9]`.
    Alphabet,
    /// Its lookup is a number of more than 64 bits.
    Lookup,
    /// Its checksum does not match the characters before it.
    Checksum,
    /// The caveats of a derived token are not written as they must be.
    Caveats,
    /// The signature of a derived token is not a number of 512 bits.
    Signature,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "length is out of bounds",
            Self::Alphabet => "a character is not allowed",
            Self::Lookup => "lookup is out of bounds",
            Self::Checksum => "checksum does not match",
            Self::Caveats => "caveats are not in their one spelling",
            Self::Signature => "signature is out of bounds",
        })
    }
}

impl std::error::Error for Malformed {}
