//! How far the worker of a subscription had come when it began.
//!
//! It asks the primary for what follows the last commit that it has applied, by its place in the primary's WAL. A
//! server that was a standby when the primary before it was lost may not have come so far: at the places in between it
//! writes something else, of which the worker never hears.

use std::cell::Cell;

use pgrx::pg_sys;

use crate::pg::process::backend_local::backend_local;
use crate::pg::process::background_worker;

backend_local! {
    /// The place, in a worker of a subscription.
    static BEGAN_AT: Cell<Option<pg_sys::XLogRecPtr>> = const { Cell::new(None) };
}

/// Notes it. To be called before each commit: the first of such a worker comes before it has applied anything.
pub fn note() {
    // SAFETY: reads a variable of this process.
    let has_origin = unsafe { pg_sys::replorigin_session_origin } != 0;
    if has_origin && BEGAN_AT.get().is_none() && background_worker::is_applying() {
        // SAFETY: a worker has set up the progress of its origin before it sets the variable; reads it under a lock.
        BEGAN_AT.set(Some(unsafe { pg_sys::replorigin_session_get_progress(false) }));
    }
}

/// The end of the last commit that had been applied when this worker began; `None` in any other process.
pub fn began_at() -> Option<u64> {
    BEGAN_AT.get()
}
