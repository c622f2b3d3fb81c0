//! What the rules of a kind of tokens forbid, and what cannot be done to a kind.

use pgrx::PgSqlErrorCode;

use super::parts::{ErrorParts, absent, invalid, unknown, unready};

/// A kind does not allow it.
#[derive(Debug)]
pub enum KindError {
    /// It does not exist.
    NotFound(String),
    /// It cannot be owned by principals of this type.
    OwnerType { kind: String, owner_type: String },
    /// Its tokens must have a name.
    NameRequired(String),
    /// Its tokens must have a name, and the one to rotate has none.
    NamelessSuccessor(String),
    /// The owner has as many tokens of it as it may.
    TooManyActive { kind: String, most: i32 },
    /// No new tokens of it are made.
    Closed(String),
    /// It does not keep token texts.
    NotRevealed(String),
    /// It has tokens that depend on this column.
    InUse { kind: String, column: &'static str },
    /// It has tokens.
    HasTokens(String),
}

impl KindError {
    pub(super) fn parts(&self) -> ErrorParts {
        match self {
            Self::NotFound(kind) => unknown(format!("token kind \"{kind}\" does not exist"))
                .hint("Kinds are rows of the table tokenauth.kind."),
            Self::OwnerType { kind, owner_type } => {
                invalid(format!("principals of type \"{owner_type}\" cannot own tokens of kind \"{kind}\""))
                    .hint("The column owner_types of tokenauth.kind lists the types that can.")
            }
            Self::NameRequired(kind) => absent(format!("tokens of kind \"{kind}\" must have a name")),
            Self::NamelessSuccessor(kind) => absent(format!("tokens of kind \"{kind}\" must have a name"))
                .detail("The token to rotate has none, and its successor would have none either.")
                .hint("Use tokenauth.edit() first to give it one."),
            Self::TooManyActive { kind, most } => ErrorParts::new(
                PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
                format!("owner has reached the limit for tokens of kind \"{kind}\""),
            )
            .detail(format!("At most {most} may be alive at once."))
            .hint("Revoke one first; max_active_per_owner of the kind is the limit."),
            Self::Closed(kind) => unready(format!("token kind \"{kind}\" is closed"))
                .detail("No new tokens of it are made; the column closed of tokenauth.kind says so."),
            Self::NotRevealed(kind) => unready(format!("tokens of kind \"{kind}\" cannot be revealed"))
                .detail("Their texts are not kept; the column reveal of tokenauth.kind says so."),
            Self::InUse { kind, column } => unready(format!("{column} of token kind \"{kind}\" cannot be changed"))
                .detail("The kind has tokens, whose text or validity depends on it.")
                .hint("Make another kind."),
            Self::HasTokens(kind) => unready(format!("token kind \"{kind}\" cannot be deleted"))
                .detail("The kind has tokens; revoked and deleted ones count too."),
        }
    }
}
