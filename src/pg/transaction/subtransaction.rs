//! Runs code whose error is an answer instead of the end of the statement.

use std::panic::AssertUnwindSafe;
use std::ptr;

use crate::pg::process::fault;
use crate::pg::report::diagnostics;
use pgrx::pg_sys::panic::CaughtError;
use pgrx::{PgTryBuilder, pg_sys};

/// Runs `attempt` in a subtransaction of its own, like a PL/pgSQL block with EXCEPTION. When it raises or returns an
/// error, its effects are rolled back and the message is returned.
pub fn attempt<T, E: ToString>(attempt: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    // SAFETY: memory context and resource owner are restored, whichever way the subtransaction ends.
    let (context, owner) = unsafe {
        let before = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(ptr::null());
        pg_sys::MemoryContextSwitchTo(before.0);
        before
    };
    let outcome = PgTryBuilder::new(AssertUnwindSafe(|| {
        fault::step();
        attempt().map_err(|error| Failure::Message(error.to_string()))
    }))
    .catch_others(|caught| match caught {
        CaughtError::PostgresError(raised) | CaughtError::ErrorReport(raised)
            if raised.sql_error_code() != pgrx::PgSqlErrorCode::ERRCODE_QUERY_CANCELED =>
        {
            Err(Failure::Message(raised.message().to_owned()))
        }
        other => Err(Failure::Passed(Box::new(other))),
    })
    .execute();
    // SAFETY: ends the subtransaction begun above; nested ones have ended before it.
    unsafe {
        if outcome.is_ok() {
            pg_sys::ReleaseCurrentSubTransaction();
        } else {
            pg_sys::RollbackAndReleaseCurrentSubTransaction();
        }
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
    }
    // An error that is not raised further leaves nothing behind of what was kept of it.
    diagnostics::clear_next();
    outcome.map_err(|failure| match failure {
        Failure::Message(message) => message,
        Failure::Passed(error) => error.rethrow(),
    })
}

enum Failure {
    Message(String),
    Passed(Box<CaughtError>),
}
