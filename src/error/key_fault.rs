//! Why the key file is unusable.

use std::fmt;

use crate::pg::process::private_file::FileFault;
use crate::token::MOST_KEY_ID;

/// Why a key file is unusable. Reveals neither its contents nor its path: clients see this too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// It is not fit to be a file of the server's.
    File(FileFault),
    /// A line, counted from 1, is malformed.
    Line(usize),
    /// A line, counted from 1, has the id of an earlier one.
    Repeated(usize),
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyFault::File(fault) => fault.fmt(f),
            KeyFault::Line(number) => write!(
                f,
                "line {number} must be \"pepper\" or \"seal\", an id of at most {MOST_KEY_ID} letters, digits, \"_\", \
                 \".\" and \"-\", and 64 hexadecimal digits; or \"import\", such an id, and 2 to 512 of them"
            ),
            KeyFault::Repeated(number) => write!(f, "line {number} has the id of an earlier line"),
        }
    }
}
