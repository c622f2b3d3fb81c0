//! This session's database, and whether its server accepts writes.

use pgrx::pg_sys;

/// The database that this process is connected to.
#[inline]
pub fn current() -> u32 {
    // SAFETY: set once, when the process connects.
    unsafe { pg_sys::MyDatabaseId }.to_u32()
}

/// Whether the server is a standby or recovering, and so cannot write.
pub fn is_in_recovery() -> bool {
    // SAFETY: reads shared state.
    unsafe { pg_sys::RecoveryInProgress() }
}
