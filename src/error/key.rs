//! What is wrong with the keys of the key file.

use super::key_fault::KeyFault;
use super::parts::{ErrorParts, sentence, unready};
use crate::token::pasted::masked;

/// A key cannot be had.
#[derive(Debug)]
pub enum KeyError {
    /// The key file is unusable.
    File(KeyFault),
    /// A key that rows refer to is not in the key file.
    Missing(String),
    /// A key in the key file differs from the one that rows refer to by its id.
    Wrong(String),
    /// There is no key to seal token texts with.
    NoSeal,
    /// There is no key to compute digests of an older system with.
    NoImport(String),
}

impl KeyError {
    pub(super) fn parts(&self) -> ErrorParts {
        match self {
            Self::File(fault) => unready("key file cannot be used")
                .detail(sentence(fault))
                .hint("The setting tokenauth.key_file names it; put it right and reload the configuration."),
            Self::Missing(id) => unready(format!("key \"{}\" is not in the key file", masked(id)))
                .detail("There are tokens that need it.")
                .hint("Put its line back into the file that tokenauth.key_file names, and reload the configuration."),
            Self::Wrong(id) => unready(format!("key \"{}\" in the key file is not the key of that name", masked(id)))
                .detail("Its check value is not the one in the table tokenauth.key.")
                .hint("Restore its line from a backup, or give another key another name."),
            Self::NoImport(id) => unready(format!("key \"{}\" is not in the key file", masked(id))).hint(format!(
                "Put a line \"import {} <its hexadecimal digits>\" into the file that tokenauth.key_file names, \
                 and reload the configuration.",
                masked(id)
            )),
            Self::NoSeal => unready("there is no key to seal token texts with").hint(
                "Put a line \"seal <id> <64 hexadecimal digits>\" into the file that tokenauth.key_file names, \
                 and reload the configuration.",
            ),
        }
    }
}
