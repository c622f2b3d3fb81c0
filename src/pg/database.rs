//! This session's database, role and number, and whether a database exists.

use pgrx::pg_sys;

/// The database that this process is connected to.
#[inline]
pub fn current() -> u32 {
    // SAFETY: set once, when the process connects.
    unsafe { pg_sys::MyDatabaseId }.to_u32()
}

/// A number that differs from one process to the next.
#[inline]
pub fn process() -> u32 {
    // SAFETY: set once, when the process begins.
    unsafe { pg_sys::MyProcPid }.cast_unsigned()
}

/// The role that is logged in.
pub fn session_role() -> u32 {
    // SAFETY: reads this backend's state.
    unsafe { pg_sys::GetSessionUserId() }.to_u32()
}

/// Whether the server can write, or replays what another has written.
pub fn is_in_recovery() -> bool {
    // SAFETY: reads shared state.
    unsafe { pg_sys::RecoveryInProgress() }
}
