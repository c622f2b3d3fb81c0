//! What the server, or the transaction, is not in a state for.

use pgrx::PgSqlErrorCode;

use super::parts::{ErrorParts, unready};

/// It cannot be done here and now, whoever asks.
#[derive(Debug)]
pub enum ServerError {
    /// The feature needs shared memory, which exists only when the library is preloaded.
    NotPreloaded(&'static str),
    /// What is asked for would be told by hourly usage that is not kept.
    HoursNotKept(&'static str),
    /// Usage is exported from a server that writes it itself.
    WritesUsage,
    /// Grants can be stripped only while the extension is being created.
    NotInstalling,
    /// A parallel worker calls a function that must run in its leader alone.
    InParallel,
    /// A trigger function of the extension is used outside of its triggers.
    TriggerMisuse,
    /// The operating system provided no random bytes.
    Random,
}

impl ServerError {
    pub(super) fn parts(&self) -> ErrorParts {
        match self {
            Self::NotPreloaded(what) => unready(format!("{what} needs tokenauth to be preloaded"))
                .detail("What it is about is kept in shared memory.")
                .hint("Add \"tokenauth\" to shared_preload_libraries and restart the server."),
            Self::HoursNotKept(what) => unready(format!("unusual_activity() cannot tell {what}"))
                .detail("It would compare with hourly usage that tokenauth.hourly_retention does not keep.")
                .hint("Set tokenauth.hourly_retention to at least 30 days more than the time to look at."),
            Self::WritesUsage => unready("usage is handed out on standbys and readers only")
                .detail("This server writes its usage to tables itself."),
            Self::NotInstalling => unready("grants are stripped only by CREATE EXTENSION"),
            Self::InParallel => ErrorParts::new(
                PgSqlErrorCode::ERRCODE_INVALID_TRANSACTION_STATE,
                "cannot read the newest state of tokens during a parallel operation",
            )
            .detail("A function that calls one of tokenauth's is not declared PARALLEL UNSAFE."),
            Self::TriggerMisuse => ErrorParts::new(
                PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                "trigger function was not called by its own trigger",
            ),
            Self::Random => ErrorParts::new(PgSqlErrorCode::ERRCODE_IO_ERROR, "could not draw random bytes")
                .detail("The operating system's generator failed; nothing was issued."),
        }
    }
}
