//! What is wrong with what comes from elsewhere: an older system, another server, a standby.

use super::parts::{ErrorParts, invalid, unready};
use crate::token::pasted::masked;

/// Something cannot be imported.
#[derive(Debug)]
pub enum ImportError {
    /// The hint of a token is the token itself.
    HintIsToken,
    /// The database is not updated, and its tables do not know this algorithm.
    OlderTables(String),
    /// The creation of a token lies in the future.
    CreatedLater,
    /// The document is not one of revocations.
    NotRevocations,
    /// The document of revocations has an unknown version.
    RevocationsVersion,
    /// An element of a list in that document, counted from 1, is malformed.
    Revocation { of: &'static str, index: usize },
    /// The document is not usage as it was exported.
    NotUsage,
}

impl ImportError {
    pub(super) fn parts(&self) -> ErrorParts {
        match self {
            Self::HintIsToken => invalid("hint must not be the token itself").detail("Lists and events show hints."),
            Self::OlderTables(algorithm) => {
                unready(format!("digests of algorithm \"{}\" cannot be stored in this database yet", masked(algorithm)))
                    .hint("ALTER EXTENSION tokenauth UPDATE brings its tables up to the library's version.")
            }
            Self::CreatedLater => invalid("created_at must not be in the future"),
            Self::NotRevocations => {
                invalid("revocations are malformed").hint("Pass on what tokenauth.export_revocations() answered.")
            }
            Self::RevocationsVersion => invalid("revocations are of an unknown version")
                .hint("Update the extension to the version that exported them."),
            Self::Revocation { of, index } => invalid("revocations are malformed")
                .detail(format!("Element {index} of {of} is not one."))
                .hint("Pass on what tokenauth.export_revocations() answered."),
            Self::NotUsage => {
                invalid("batch is not a batch of usage").hint("Pass on what tokenauth.usage_export() answered.")
            }
        }
    }
}
