//! Who may not make a call, and as whom not.

use super::parts::{ErrorParts, denied};

/// Whoever asks may not.
#[derive(Debug)]
pub enum AccessError {
    /// The effective user may not execute this function.
    MayNotExecute(String),
    /// `grant_access` or `revoke_access` is called by somebody other than the owner of the extension.
    NotExtensionOwner,
    /// A role without `manage` access makes a trusted call.
    NotTrusted,
    /// Nobody is authenticated, and the role has no `manage` access.
    NotAuthenticated,
    /// `require_actor` is on, and the call names no actor under no identity.
    ActorRequired,
    /// The actor given is not the identity of the transaction.
    OtherActor,
    /// The actor is inactive.
    ActorInactive(String),
    /// The actor has no authority over tokens of this kind and owner.
    NotAllowed(String),
    /// The actor has no authority over any token of this owner.
    NotAllowedFor(String),
    /// The operation is not allowed under an identity.
    UnderIdentity,
    /// The operation is not allowed under the identity of a derived token.
    UnderChild,
    /// UPDATE, DELETE or TRUNCATE of the events.
    AppendOnly,
}

impl AccessError {
    pub(super) fn parts(&self) -> ErrorParts {
        match self {
            Self::MayNotExecute(function) => denied(format!("permission denied for function {function}")),
            Self::NotExtensionOwner => denied("must be owner of extension \"tokenauth\""),
            Self::NotTrusted => denied("permission denied for trusted calls")
                .hint("The role needs \"manage\" access; see tokenauth.grant_access()."),
            Self::NotAuthenticated => denied("permission denied for trusted calls").hint(
                "Authenticate the transaction first; without that, the role needs \"manage\" access, \
                 see tokenauth.grant_access().",
            ),
            Self::ActorRequired => denied("permission denied without an identity or an actor")
                .detail("The setting tokenauth.require_actor is on for this role.")
                .hint("Authenticate the transaction first, or pass the actor."),
            Self::OtherActor => denied("actor must be the identity of the transaction")
                .detail("Who presents a token acts for its owner and for nobody else."),
            Self::ActorInactive(actor) => {
                denied(format!("principal \"{actor}\" is inactive")).detail("An actor must be active.")
            }
            Self::NotAllowed(kind) => denied(format!("permission denied for tokens of kind \"{kind}\"")).detail(
                "The columns issue_permission, manage_permission and self_service of tokenauth.kind \
                 say who may do what.",
            ),
            Self::NotAllowedFor(owner) => denied(format!("permission denied for tokens of principal \"{owner}\"")),
            Self::UnderIdentity => denied("permission denied under an identity")
                .detail(
                    "The transaction is authenticated by a token, and no token changes \
                     kinds, principals, members, bindings, history or grants.",
                )
                .hint("Call this in a transaction that is not authenticated."),
            Self::UnderChild => denied("permission denied under a derived token").detail(
                "The transaction is authenticated by a derived token, by which nothing is handed out, \
                 changed or revoked.",
            ),
            Self::AppendOnly => denied("events cannot be changed or removed"),
        }
    }
}
