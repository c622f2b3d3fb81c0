//! What a token cannot grant.

use super::parts::{ErrorParts, denied, invalid};
use super::refusal::Refusal;
use crate::token::pasted;

/// A token would grant what it must not.
#[derive(Debug)]
pub enum GrantError {
    /// Scopes or data scopes are given for a kind whose tokens carry none of their own.
    NotChosen { what: &'static str, kind: String },
    /// A chosen scope is beyond the ceiling of the kind.
    BeyondCeiling { kind: String, scope: String },
    /// The owner does not hold a chosen scope.
    ScopeNotHeld(String),
    /// The owner does not hold what the token would grant.
    NotHeld(&'static str),
    /// The actor may not pass on a token of this kind, for this reason.
    NotPassedOn { kind: String, why: Refusal },
}

impl GrantError {
    pub(super) fn parts(&self) -> ErrorParts {
        match self {
            Self::NotChosen { what, kind } => invalid(format!("{what} cannot be chosen for tokens of kind \"{kind}\""))
                .detail("Kinds of permission mode \"live\" and \"all\" take everything from elsewhere."),
            // A token that strayed into a list of scopes has the form of one.
            Self::BeyondCeiling { kind, scope } => invalid(format!("scope is beyond the ceiling of kind \"{kind}\""))
                .detail(format!("It is scope \"{}\".", pasted::masked(scope))),
            Self::ScopeNotHeld(scope) => denied("scopes of a token must be held by its owner")
                .detail(format!("Scope \"{}\" is not.", pasted::masked(scope))),
            Self::NotHeld(what) => denied(format!("{what} of a token must be held by its owner"))
                .detail("The token would grant more than its owner holds now."),
            Self::NotPassedOn { kind, why } => why.parts(kind),
        }
    }
}
