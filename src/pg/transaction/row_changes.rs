//! Which commits have changed or removed rows that verification reads, by where they end in the WAL.
//!
//! The next beat tells readers of them, so that one which has not applied such a commit notices. The server that makes
//! them notes them in shared memory, and the worker of a subscription those that it has applied (`origin`). Both count
//! a row, not a statement that might have changed one: what changes none is not sent.

use pgrx::pg_sys;

use super::origin;
use super::shallowest::Shallowest;
use crate::pg::process::backend_local::backend_local;
use crate::pg::process::{background_worker, database, shared_memory};

backend_local! {
    /// Where this transaction has changed such a row.
    static CHANGED: Shallowest = const { Shallowest::nowhere() };
}

/// Records that this transaction has changed such a row, or has emptied a table of them.
pub fn mark() {
    CHANGED.with(Shallowest::mark);
}

pub(super) fn merge(level: i32) {
    CHANGED.with(|changed| changed.merge(level));
}

pub(super) fn undo_from(level: i32) {
    CHANGED.with(|changed| changed.undo_from(level));
}

/// Notes the commit, before whoever waits for it is told that it is done: a beat that is written after that tells of
/// it.
pub(super) fn commit() {
    if !CHANGED.with(Shallowest::is_somewhere) {
        return;
    }
    if background_worker::is_applying() {
        origin::note_applied();
    }
    // SAFETY: reads this backend's transaction state, which is still that of the transaction. Without a number it has
    // written no commit, and the variable tells of an earlier one.
    let end = unsafe {
        let has_number = pg_sys::GetTopTransactionIdIfAny() != pg_sys::InvalidTransactionId;
        has_number.then_some(pg_sys::XactLastCommitEnd)
    };
    if let (Some(end), Some(slots)) = (end, shared_memory::slots()) {
        slots.header.changes.note(database::current(), end);
    }
}
