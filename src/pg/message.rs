//! Messages that are not errors.

use pgrx::prelude::*;

/// Sends the client a NOTICE; the log gets it too, depending on `log_min_messages`.
pub fn notice(text: String) {
    ereport!(NOTICE, PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION, text);
}
