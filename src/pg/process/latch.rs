//! Latches of other processes.

use pgrx::pg_sys;

/// This process's latch, as a number that is good in every process of the server: shared memory has the same address in
/// all of them.
pub fn own() -> u64 {
    // SAFETY: set once, when the process begins, to its latch in shared memory.
    unsafe { pg_sys::MyLatch as u64 }
}

/// Sets a latch; 0 is none.
pub fn set(latch: u64) {
    if latch != 0 {
        // SAFETY: a number of `own`. The latch of a process lies in shared memory as long as the server runs; if the
        // process has ended, nobody or its successor is woken. SetLatch neither waits nor raises.
        unsafe { pg_sys::SetLatch(latch as *mut pg_sys::Latch) };
    }
}
