//! How far the worker of a subscription has come, and what the transaction has removed that it applies.
//!
//! It asks the primary for what follows the last commit that it has applied, by its place in the primary's WAL. A
//! server that was a standby when the primary before it was lost may not have come so far: at the places in between it
//! writes something else, of which the worker never hears.

use std::cell::Cell;

use pgrx::pg_sys;

use crate::pg::process::backend_local::backend_local;
use crate::pg::process::background_worker;

backend_local! {
    /// Where the last commit ends that had been applied when the worker of a subscription began; `None` in any other
    /// process.
    static BEGAN_AT: Cell<Option<u64>> = const { Cell::new(None) };
    /// How many records of changes this transaction has removed, as the subscription told.
    static REMOVED: Cell<i64> = const { Cell::new(0) };
}

/// Notes how far the worker has come. To be called before each commit: the first of such a worker comes before it has
/// applied anything.
pub(super) fn note() {
    // SAFETY: reads a variable of this process.
    let has_origin = unsafe { pg_sys::replorigin_session_origin != 0 };
    if BEGAN_AT.get().is_none() && has_origin && background_worker::is_applying() {
        // SAFETY: a worker has set up the progress of its origin before it sets the variable; reads it under a lock.
        BEGAN_AT.set(Some(unsafe { pg_sys::replorigin_session_get_progress(false) }));
    }
}

/// Where the last commit ends, in the primary's WAL, that had been applied when this worker began; `None` in any other
/// process.
pub fn began_at() -> Option<u64> {
    BEGAN_AT.get()
}

/// Notes that the transaction that is being applied has removed a record of a change.
pub fn note_removed() {
    REMOVED.set(REMOVED.get() + 1);
}

/// How many it has removed so far.
pub fn removed() -> i64 {
    REMOVED.get()
}

/// The transaction has ended.
pub(super) fn end() {
    REMOVED.set(0);
}
