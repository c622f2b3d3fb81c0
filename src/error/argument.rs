//! What is wrong with an argument by itself, whatever the rows say.

use super::parts::{ErrorParts, absent, invalid, sentence};
use crate::model::data_scope::DataScopeError;
use crate::model::network::NetworkError;
use crate::model::principal_name::PrincipalNameError;
use crate::model::scope::{ScopeError, ScopesError};

/// An argument, or a column of a table of ours, is not what it must be.
#[derive(Debug)]
pub enum ArgumentError {
    /// A required argument or column is NULL.
    Absent(&'static str),
    /// An element of an array, counted from 1, is NULL.
    AbsentElement { of: &'static str, index: usize },
    /// An array has more than one dimension.
    Nested(&'static str),
    /// A list has too many elements.
    TooManyElements { of: &'static str, most: usize },
    /// A text or JSON document is too long.
    TooLong { what: &'static str, most: usize },
    /// A text for people has a token in it.
    HoldsToken(&'static str),
    /// A number must be positive.
    NotPositive(&'static str),
    /// A length of time must not be negative.
    Negative(&'static str),
    /// No token can have the status.
    NoSuchStatus,
    /// A page cannot have that many rows.
    PageSize { most: i32 },
    /// A text does not name a principal.
    Principal { what: &'static str, why: PrincipalNameError },
    /// A text is not a type of principals; the element of `owner_types` is counted from 1.
    OwnerType { index: usize },
    /// The type of a binding is not a type of principals.
    BoundType,
    /// A text is not a scope.
    Scope { of: &'static str, why: ScopeError },
    /// A list of scopes is malformed.
    Scopes { of: &'static str, why: ScopesError },
    /// Data scopes are malformed.
    DataScopes(DataScopeError),
    /// A network, counted from 1, is malformed.
    Network { index: usize, why: NetworkError },
    /// A token is to be issued with an empty list of networks.
    NoNetworks,
    /// `metadata` is not a JSON object.
    Metadata,
    /// A composite made by hand has a verdict that does not exist.
    NoSuchVerdict,
    /// The access does not exist.
    NoSuchAccess,
    /// `revoke_all` is called without any selection.
    NothingSelected,
}

const PRINCIPAL_TYPE: &str =
    "The type of a principal is a lower-case letter followed by at most 31 such letters, digits or \"_\".";

const SCOPE: &str = "A scope has one to four segments of letters, digits, \"_\", \".\", \"/\" and \"-\", joined by \
                     \":\"; a segment may be \"*\".";

impl ArgumentError {
    pub(super) fn parts(&self) -> ErrorParts {
        match self {
            Self::Absent(what) => absent(format!("{what} must not be null")),
            Self::AbsentElement { of, index } => absent(format!("element {index} of {of} must not be null")),
            Self::Nested(what) => invalid(format!("{what} must be a one-dimensional array")),
            Self::TooManyElements { of, most } => {
                invalid(format!("{of} has too many elements")).detail(format!("It may have at most {most} elements."))
            }
            Self::TooLong { what, most } => {
                invalid(format!("{what} is too long")).detail(format!("It may have at most {most} bytes."))
            }
            Self::HoldsToken(what) => invalid(format!("{what} contains the text of a token"))
                .hint("Leave the token out: everybody who sees lists or events would read it."),
            Self::NotPositive(what) => invalid(format!("{what} must be positive")),
            Self::Negative(what) => invalid(format!("{what} must not be negative")),
            Self::NoSuchStatus => invalid("status does not exist").hint(
                "A token is active, disabled, not_yet_valid, expired, revoked or suspended; \"*\" means any status.",
            ),
            Self::PageSize { most } => invalid("page_size is out of range")
                .detail(format!("A page has from 1 to {most} rows."))
                .hint("Leave page_size out for all rows."),
            Self::Principal { what, why } => invalid(format!("{what} does not name a principal")).detail(sentence(why)),
            Self::OwnerType { index } => {
                invalid(format!("element {index} of owner_types does not name a type of principals"))
                    .detail(PRINCIPAL_TYPE)
            }
            Self::BoundType => invalid("type does not name a type of principals").detail(PRINCIPAL_TYPE),
            Self::Scope { of, why } => invalid(format!("{of} is not a scope")).detail(sentence(why)),
            Self::Scopes { of, why } => {
                invalid(format!("{of} is not a list of scopes")).detail(sentence(why)).hint(SCOPE)
            }
            Self::DataScopes(why) => invalid("data_scopes is malformed")
                .detail(sentence(why))
                .hint("Data scopes look like {\"site\": [\"nyc\", \"lon\"]}."),
            Self::Network { index, why } => {
                invalid(format!("element {index} of networks is not a network")).detail(sentence(why))
            }
            Self::NoNetworks => invalid("networks must not be empty")
                .detail("An empty list would not restrict the token.")
                .hint("Leave networks out for a token that may be used from anywhere."),
            Self::Metadata => invalid("metadata must be a JSON object"),
            Self::NoSuchVerdict => invalid("verdict does not exist").hint("Pass on what tokenauth.verify() answered."),
            Self::NoSuchAccess => {
                invalid("access does not exist").hint("Accesses are identity, verify, self, manage, observe and admin.")
            }
            Self::NothingSelected => absent("revoke_all selects nothing").hint(
                "Give owner, kind or issued_before; issued_before => now() selects every token issued until now.",
            ),
        }
    }
}
