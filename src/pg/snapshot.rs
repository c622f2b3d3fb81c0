//! The newest committed state, whatever the isolation level of the transaction.

use pgrx::pg_sys;

/// A registered snapshot taken now, given back on drop.
///
/// The transaction's own snapshot would do for neither verification nor revocation: in REPEATABLE READ it shows a token
/// as it was when the transaction began.
pub struct Latest(pg_sys::Snapshot);

impl Latest {
    /// Takes it. It sees what others have committed and what this transaction has done up to now.
    pub fn take() -> Self {
        // SAFETY: GetLatestSnapshot answers a static that the next call overwrites; RegisterSnapshot copies it and pins
        // the copy to the current resource owner. It raises in parallel mode, which our functions declare unsafe.
        Latest(unsafe { pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot()) })
    }

    /// That of the statement that is running: for what must agree with what the statement itself reads.
    pub fn of_statement() -> Self {
        // SAFETY: a function called in a statement has an active snapshot; pinned as above.
        Latest(unsafe { pg_sys::RegisterSnapshot(pg_sys::GetActiveSnapshot()) })
    }

    pub(super) fn as_ptr(&self) -> pg_sys::Snapshot {
        self.0
    }
}

impl Drop for Latest {
    fn drop(&mut self) {
        // After an error the resource owner is released by the abort; it must not be asked for things twice.
        if !std::thread::panicking() {
            // SAFETY: registered by `take` with the same resource owner: these guards never outlive a function call.
            unsafe { pg_sys::UnregisterSnapshot(self.0) };
        }
    }
}
