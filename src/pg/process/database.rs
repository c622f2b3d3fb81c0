//! This session's database, and whether its server accepts writes.

use pgrx::pg_sys;

use crate::pg::types::clock::Timestamp;

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

/// When the last transaction that this standby has replayed was committed, by the primary's clock; `None` if it has
/// replayed none since it was started. The same as `pg_last_xact_replay_timestamp()`.
pub fn replayed_until() -> Option<Timestamp> {
    // SAFETY: reads shared state under a spinlock.
    Timestamp::of_micros(unsafe { pg_sys::GetLatestXTime() })
}
