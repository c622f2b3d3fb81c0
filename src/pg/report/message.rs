//! Messages that are not errors.

use pgrx::prelude::*;

use super::diagnostics;
use crate::pg::types::encoding;

/// Sends the client a NOTICE; the log gets it too, depending on `log_min_messages`.
pub fn notice(text: String) {
    if let Some(converted) = encoding::message(&text) {
        diagnostics::set_next(&text, [Some(converted), None, None]);
    }
    ereport!(NOTICE, PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION, text);
    diagnostics::clear_next();
}
