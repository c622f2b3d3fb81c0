//! Why a text is no token.
//!
//! For tests and for the answer to the person who writes a prefix; a stranger who presents a token is only
//! told that it is malformed. Never carries any part of the text.

use std::fmt;

/// The first rule of the token's form that a text breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It is too short or too long.
    Length,
    /// It has a byte that may not stand there: prefixes have `[A-Za-z0-9_-]`, the rest `[A-Za-z0-9]`.
    Alphabet,
    /// Its lookup is a number of more than 64 bits.
    Lookup,
    /// Its checksum is not that of what stands before it.
    Checksum,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "length is out of bounds",
            Self::Alphabet => "a character is not allowed",
            Self::Lookup => "lookup is out of bounds",
            Self::Checksum => "checksum does not match",
        })
    }
}

impl std::error::Error for Malformed {}
