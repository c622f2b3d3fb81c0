//! Messages that are no errors.

use pgrx::prelude::*;

/// Tells the client something that it may want to know; the log gets it where `log_min_messages` says so.
pub fn notice(text: String) {
    ereport!(NOTICE, PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION, text);
}
