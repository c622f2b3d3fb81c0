//! The newest committed state, whatever the isolation level of the transaction.

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::pg::process::fault;
use crate::pg::transaction::xact;

/// A registered snapshot taken now, released on drop.
///
/// The transaction's own snapshot suits neither verification nor revocation: in REPEATABLE READ it shows tokens as they
/// were when the transaction began.
pub struct LatestSnapshot(pg_sys::Snapshot);

impl LatestSnapshot {
    /// Takes a snapshot that sees what others have committed and what this transaction has done so far.
    ///
    /// # Errors
    /// Raises 25000 in a parallel query, which can call our functions only through a wrongly declared function.
    pub fn take() -> Self {
        if xact::is_parallel() {
            refuse();
        }
        // SAFETY: GetLatestSnapshot returns a static that the next call overwrites; RegisterSnapshot copies it and pins
        // the copy to the current resource owner. In parallel mode it would raise an error without a code.
        let snapshot = LatestSnapshot(unsafe { pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot()) });
        fault::step();
        snapshot
    }

    /// As [`take`](Self::take), and sees what the running command itself has changed so far, as a statement of ours
    /// would.
    ///
    /// # Errors
    /// As `take`.
    pub fn of_now() -> Self {
        if xact::is_parallel() {
            refuse();
        }
        // SAFETY: called between two commands; in parallel mode it would raise an error without a code.
        unsafe { pg_sys::CommandCounterIncrement() };
        LatestSnapshot::take()
    }

    /// Registers the snapshot of the running statement, for reads that must agree with the statement's own.
    pub fn of_statement() -> Self {
        // SAFETY: a function called in a statement has an active snapshot; pinned as above.
        LatestSnapshot(unsafe { pg_sys::RegisterSnapshot(pg_sys::GetActiveSnapshot()) })
    }

    pub(in crate::pg) fn as_ptr(&self) -> pg_sys::Snapshot {
        self.0
    }
}

#[cold]
fn refuse() {
    ereport!(
        ERROR,
        PgSqlErrorCode::ERRCODE_INVALID_TRANSACTION_STATE,
        "cannot read the newest state of tokens during a parallel operation",
        "A function that calls one of tokenauth's is not declared PARALLEL UNSAFE."
    );
}

impl Drop for LatestSnapshot {
    fn drop(&mut self) {
        // After an error the abort releases the resource owner; releasing the snapshot here too would release it twice.
        if !std::thread::panicking() {
            // SAFETY: registered above with the same resource owner, since these guards never outlive a function call.
            unsafe { pg_sys::UnregisterSnapshot(self.0) };
        }
    }
}
