//! What a transaction cannot do with an identity.

use pgrx::PgSqlErrorCode;

use super::parts::{ErrorParts, denied};

/// A transaction gets no identity, or cannot use it.
#[derive(Debug)]
pub enum IdentityError {
    /// The token does not authenticate, for whatever reason.
    NotAccepted,
    /// The token does not grant what is required.
    ScopeNotGranted,
    /// The transaction has another identity, or was closed for identities.
    Second,
    /// The call follows an identity that was refused or has ended.
    Lost,
    /// It would change in a security-restricted operation.
    RestrictedChange,
    /// Code of somebody else asks for something by it.
    RestrictedUse,
    /// A parallel worker asks for it, and does not have it.
    InWorker,
    /// Another node of Citus has opened the session, and has it.
    OnOtherNode,
}

const OTHERS_CODE: &str = "The code of an index, of a materialized view or of a bound expression runs in the \
                           transaction of somebody else.";

impl IdentityError {
    pub(super) fn parts(&self) -> ErrorParts {
        match self {
            Self::NotAccepted => {
                ErrorParts::new(PgSqlErrorCode::ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "token is not accepted")
            }
            Self::ScopeNotGranted => denied("token does not grant what is required"),
            Self::Second => ErrorParts::new(
                PgSqlErrorCode::ERRCODE_ACTIVE_SQL_TRANSACTION,
                "transaction cannot be authenticated by another token",
            )
            .detail("It has an identity, or an attempt has failed, or sign_out() was called.")
            .hint("Begin another transaction."),
            Self::Lost => denied("permission denied after authentication has failed or ended")
                .detail("What comes after that in the transaction is not taken for the application's own call.")
                .hint("Begin another transaction."),
            Self::RestrictedChange => {
                denied("cannot change the identity of a transaction within security-restricted operation")
                    .detail(OTHERS_CODE)
            }
            Self::RestrictedUse => {
                denied("cannot act by the identity of a transaction within security-restricted operation")
                    .detail(OTHERS_CODE)
            }
            Self::InWorker => ErrorParts::new(
                PgSqlErrorCode::ERRCODE_INVALID_TRANSACTION_STATE,
                "parallel workers do not know who is authenticated",
            )
            .hint("Declare the functions that ask for it PARALLEL RESTRICTED."),
            Self::OnOtherNode => ErrorParts::new(
                PgSqlErrorCode::ERRCODE_INVALID_TRANSACTION_STATE,
                "cannot ask for tokens, or who is authenticated, in a session of another node",
            )
            .detail("Citus has opened it for a part of a query; tokens and the identity are where the query came in.")
            .hint("Ask before the query, and give it the answer as a parameter."),
        }
    }
}
