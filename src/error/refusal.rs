//! Why an actor may not pass on a token.

use super::parts::{ErrorParts, denied};
use crate::pg::types::clock::Timestamp;

/// Why an actor may not pass on a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The token follows its owner and may grow, and the one presented is of another kind.
    OnlyBySameKind,
    /// The token follows its owner and may grow, and the one presented has another owner.
    OnlyForSameOwner,
    /// The actor does not hold what the token would grant: its scopes, or its data scopes.
    NotHeld(&'static str),
    /// Likewise, but the token grants less for now.
    NotHeldLater(&'static str),
    /// The token would outlive the one presented, which works until then.
    Outlives(Timestamp),
    /// The token could be used from where the one presented cannot.
    Wider,
}

impl Refusal {
    /// The refusal of a token of this kind.
    pub(super) fn parts(self, kind: &str) -> ErrorParts {
        match self {
            Self::OnlyBySameKind => {
                denied(format!("token of kind \"{kind}\" can be handed out only by a token of that kind"))
                    .detail("What it grants is not chosen, and may become more than the token presented grants now.")
            }
            Self::OnlyForSameOwner => {
                denied(format!("token of kind \"{kind}\" can be handed out only by a token of its owner"))
                    .detail("What it grants is not chosen, and may become more than the token presented grants now.")
            }
            Self::NotHeld(what) => denied(format!("{what} of a token must be held by the actor"))
                .detail("The token would grant more than the actor holds now."),
            Self::NotHeldLater(what) => denied(format!("{what} of a token must be held by the actor"))
                .detail("The token was granted more than the actor holds; for now it grants less, but that may change.")
                .hint("Use tokenauth.edit() first to cut what it was granted."),
            Self::Outlives(end) => denied("token must not outlive the token presented")
                .detail(format!("The token presented expires at {}.", end.shown()))
                .hint("Give an earlier expiry, or let the application make the call, without an identity."),
            Self::Wider => denied("networks of a token must lie within those of the token presented")
                .hint("Give networks within those, or let the application make the call, without an identity."),
        }
    }
}
