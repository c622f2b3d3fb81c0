//! What a token is, and should not be, or is not, and should be.

use pgrx::{PgSqlErrorCode, Uuid};

use super::parts::{ErrorParts, unknown, unready};

/// A token is not in a state for the operation.
#[derive(Debug)]
pub enum TokenError {
    /// It does not exist, or was deleted.
    NotFound(Uuid),
    /// It is revoked.
    Revoked(Uuid),
    /// It has expired; for `edit`, its kind does not let expired tokens be edited.
    Expired(Uuid),
    /// It starts working later.
    NotYetValid(Uuid),
    /// It is disabled.
    Disabled(Uuid),
    /// It has already been rotated.
    Rotated(Uuid),
    /// Its text was not kept.
    NotSealed(Uuid),
    /// Its stored sealed text does not open.
    SealBroken(Uuid),
    /// As many of its children as are remembered for long were revoked by themselves.
    ManyChildrenRevoked { parent: Uuid, most: i64 },
}

impl TokenError {
    pub(super) fn parts(&self) -> ErrorParts {
        match self {
            Self::NotFound(id) => unknown(format!("token \"{id:-x}\" does not exist")),
            Self::Revoked(id) => unready(format!("token \"{id:-x}\" is revoked"))
                .hint("A revoked token cannot be brought back; issue another."),
            Self::Expired(id) => unready(format!("token \"{id:-x}\" is expired")).hint("Delete it and issue another."),
            Self::NotYetValid(id) => unready(format!("token \"{id:-x}\" is not valid yet")),
            Self::Disabled(id) => {
                unready(format!("token \"{id:-x}\" is disabled")).hint("Use tokenauth.enable() first.")
            }
            Self::Rotated(id) => unready(format!("token \"{id:-x}\" was rotated"))
                .detail("A token has one successor, and its expiry is not raised again.")
                .hint("Rotate its successor; tokenauth.rotation_status() names it."),
            Self::NotSealed(id) => unready(format!("text of token \"{id:-x}\" was not kept"))
                .detail("It was imported, or issued before its kind kept texts."),
            Self::SealBroken(id) => ErrorParts::new(
                PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
                format!("sealed text of token \"{id:-x}\" does not open"),
            )
            .detail("It was damaged, or put there from another token.")
            .hint("The token itself works on; revoke it and issue another to have a text that can be revealed."),
            Self::ManyChildrenRevoked { parent, most } => ErrorParts::new(
                PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
                format!("too many tokens derived from token \"{parent:-x}\" are revoked"),
            )
            .detail(format!("{most} that were made for later, or for too long, are remembered until they end."))
            .hint("Revoke the token itself: that revokes all that are derived from it."),
        }
    }
}
