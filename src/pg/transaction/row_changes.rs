//! Whether this transaction has changed or removed rows that verification reads.
//!
//! Then a record of that is written before it commits or is prepared, in the transaction itself: a reader that has
//! applied the one has the other.

use std::cell::Cell;

use super::shallowest::Shallowest;
use crate::pg::process::backend_local::backend_local;

backend_local! {
    /// Where this transaction has changed such a row.
    static CHANGED: Shallowest = const { Shallowest::nowhere() };
    /// Writes the record.
    static WRITE: Cell<fn()> = const { Cell::new(|| ()) };
}

/// Has `write` called before the end of each transaction that has changed such a row. Called once, from `_PG_init`.
pub fn record_by(write: fn()) {
    WRITE.set(write);
}

/// Records that this transaction has changed such a row, or may have.
pub fn mark() {
    CHANGED.with(Shallowest::mark);
}

pub(super) fn merge(level: i32) {
    CHANGED.with(|changed| changed.merge(level));
}

pub(super) fn undo_from(level: i32) {
    CHANGED.with(|changed| changed.undo_from(level));
}

/// Writes the record of this transaction if it needs one. To be called when nothing else is to be written.
pub(super) fn record() {
    if CHANGED.with(Shallowest::is_somewhere) {
        WRITE.get()();
    }
}
