//! Why the key file is unusable.

use std::{fmt, io};

use crate::token::MOST_KEY_ID;

/// Longest key file, in bytes: room for hundreds of keys.
pub const MOST_BYTES: usize = 64 * 1024;

/// Why a key file is unusable. Reveals neither its contents nor its path: clients see this too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// The path does not begin with `/`.
    NotAbsolute,
    /// It lies in the data directory.
    InDataDirectory,
    /// The operating system cannot read it.
    Unreadable(io::ErrorKind),
    /// It is a directory, a pipe or the like.
    NoFile,
    /// It does not belong to the server's user.
    Owner,
    /// Others can read or write it.
    Mode,
    /// It is longer than a key file may be.
    TooLong,
    /// A line, counted from 1, is malformed.
    Line(usize),
    /// A line, counted from 1, has the id of an earlier one.
    Repeated(usize),
}

impl KeyFault {
    #[expect(clippy::needless_pass_by_value, reason = "what map_err passes")]
    pub fn unreadable(error: io::Error) -> Self {
        KeyFault::Unreadable(error.kind())
    }
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyFault::NotAbsolute => f.write_str("its path must be absolute"),
            KeyFault::InDataDirectory => f.write_str("it must lie outside the data directory"),
            KeyFault::Unreadable(kind) => write!(f, "it could not be read: {kind}"),
            KeyFault::NoFile => f.write_str("it must be a regular file"),
            KeyFault::Owner => f.write_str("it must belong to the user that the server runs as"),
            KeyFault::Mode => f.write_str("its mode must be 0600 or 0400"),
            KeyFault::TooLong => write!(f, "it must have at most {MOST_BYTES} bytes"),
            KeyFault::Line(number) => write!(
                f,
                "line {number} must be \"pepper\" or \"seal\", an id of at most {MOST_KEY_ID} letters, digits, \"_\", \
                 \".\" and \"-\", and 64 hexadecimal digits; or \"import\", such an id, and 2 to 512 of them"
            ),
            KeyFault::Repeated(number) => write!(f, "line {number} has the id of an earlier line"),
        }
    }
}
