//! Runs code whose error is an answer instead of the end of the statement.

use std::panic::AssertUnwindSafe;
use std::ptr;

use pgrx::pg_sys::panic::CaughtError;
use pgrx::{PgSqlErrorCode, PgTryBuilder, pg_sys};

use super::xact;
use crate::pg::process::fault;
use crate::pg::report::diagnostics;

/// Runs `attempt` in a subtransaction of its own, like a PL/pgSQL block with EXCEPTION. When it raises or returns an
/// error, its effects are rolled back and the message is returned.
pub fn attempt<T, E: ToString>(attempt: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    let outcome = in_subtransaction(|| attempt().map_err(|error| Failure::Message(error.to_string())));
    // An error that is not raised further leaves nothing behind of what was kept of it.
    diagnostics::clear_next();
    outcome.map_err(|failure| match failure {
        Failure::Message(message) => message,
        Failure::Raised(error) => error.rethrow(),
    })
}

enum Failure {
    Message(String),
    Raised(Box<CaughtError>),
}

impl From<Box<CaughtError>> for Failure {
    fn from(caught: Box<CaughtError>) -> Self {
        match *caught {
            CaughtError::PostgresError(raised) | CaughtError::ErrorReport(raised)
                if raised.sql_error_code() != PgSqlErrorCode::ERRCODE_QUERY_CANCELED =>
            {
                Failure::Message(raised.message().to_owned())
            }
            other => Failure::Raised(Box::new(other)),
        }
    }
}

/// Runs what changes or locks rows by a snapshot of now, until nobody has changed one of them since.
///
/// READ COMMITTED goes on with the newer version of a row by itself. REPEATABLE READ ends there with 40001, since that
/// version is none that the transaction may see; but what we write is judged by what is committed now, so it is taken
/// back and done again. A SERIALIZABLE transaction ends: it must be as if it had been alone.
///
/// # Errors
/// Raises 40001 to whoever was disturbed again and again, and whatever else `run` raises.
pub fn until_undisturbed<T>(mut run: impl FnMut() -> T) -> T {
    /// How often a statement over many rows may find that it was overtaken.
    const MOST: usize = 100;
    if xact::is_repeatable_read() {
        for _ in 1..MOST {
            match in_subtransaction(|| Ok(run())) {
                Ok(value) => return value,
                Err(caught) => take_conflict(caught),
            }
            pgrx::check_for_interrupts!();
        }
    }
    run()
}

/// Passes over an error that says that somebody else has changed a row meanwhile, and raises any other further.
fn take_conflict(caught: Box<CaughtError>) {
    match *caught {
        CaughtError::PostgresError(raised)
            if raised.sql_error_code() == PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE =>
        {
            diagnostics::clear_next();
        }
        other => other.rethrow(),
    }
}

/// Runs code in a subtransaction, whose effects are rolled back when it returns or raises an error.
fn in_subtransaction<T, E: From<Box<CaughtError>>>(run: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    // SAFETY: memory context and resource owner are restored, whichever way the subtransaction ends.
    let (context, owner) = unsafe {
        let before = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(ptr::null());
        pg_sys::MemoryContextSwitchTo(before.0);
        before
    };
    let outcome = PgTryBuilder::new(AssertUnwindSafe(|| {
        fault::step();
        run()
    }))
    .catch_others(|caught| Err(Box::new(caught).into()))
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
    outcome
}
