//! Why nothing can be derived from a token, or not this.

use super::parts::{ErrorParts, invalid};
use crate::token::derived::{Caveats, MAX_DERIVED_LEN};

/// A child cannot be made.
#[derive(Debug)]
pub enum DeriveError {
    /// The text is no token of ours.
    FromNothing,
    /// The text is that of a child.
    FromChild,
    /// It would not work for a time, or beyond the calendar.
    Lifetime,
    /// The label is none.
    Label,
    /// Data scopes that a child cannot be narrowed to.
    DataScopes,
    /// Its text would be too long.
    TooLong,
}

impl DeriveError {
    pub(super) fn parts(&self) -> ErrorParts {
        match self {
            Self::FromNothing => invalid("text is not that of a token")
                .detail("Children are derived from the whole text of a token that was issued here or elsewhere."),
            Self::FromChild => invalid("text is that of a derived token")
                .detail("A derived token has no children of its own.")
                .hint("Derive from the token that it was derived from."),
            Self::Lifetime => invalid("expires_in is out of range")
                .detail("A derived token works for a positive time, and not beyond the year 9999."),
            Self::Label => invalid("label is malformed").detail(format!(
                "A label has from 1 to {} printable ASCII characters, without quotation marks and backslashes.",
                Caveats::MAX_LABEL
            )),
            Self::DataScopes => invalid("data_scopes cannot be a caveat")
                .detail(
                    "They name at least one dimension, and have no quotation marks, backslashes or control characters.",
                )
                .hint("Leave data_scopes out for what the parent allows."),
            Self::TooLong => invalid("derived token is too long")
                .detail(format!("Its text may have at most {MAX_DERIVED_LEN} characters."))
                .hint("Narrow it to fewer scopes, values or networks; patterns such as \"devices:*\" take little."),
        }
    }
}
