//! What is wrong with a report of leaked tokens, or with looking for them.

use super::parts::{ErrorParts, invalid};

/// Leaked tokens cannot be looked for or reported so.
#[derive(Debug)]
pub enum LeakError {
    /// Nothing tells the kind's tokens from other texts.
    NoPrefix(String),
    /// The report is no array of objects with a text `token`.
    Report,
    /// The report has too many tokens.
    TooMany { most: usize },
}

impl LeakError {
    pub(super) fn parts(&self) -> ErrorParts {
        match self {
            Self::NoPrefix(kind) => invalid(format!("tokens of kind \"{kind}\" have no prefix"))
                .detail("A pattern of them would find any text of their length."),
            Self::Report => invalid("report is malformed")
                .detail("It is an array of objects with token, type, url and source, all of them texts."),
            Self::TooMany { most } => {
                invalid("report has too many tokens").detail(format!("It may have at most {most}; send several."))
            }
        }
    }
}
