//! Memory in reserve for the moment when there is no more: pgrx copies the error that says so, and if that copy fails
//! in turn, the server ends.

use crate::pg::process::backend_local::backend_local;
use std::cell::RefCell;

/// How much it is. Never touched, so it takes address space and no memory.
const RESERVED: usize = 4 << 20;

backend_local! {
    static RESERVE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Takes it, unless it is there.
pub(super) fn keep() {
    RESERVE.with_borrow_mut(|reserve| {
        if reserve.capacity() == 0 {
            // Without it all goes on as it would otherwise.
            let _ = reserve.try_reserve_exact(RESERVED);
        }
    });
}

/// Gives it back, for the report that there is no more.
pub(in crate::pg) fn give() {
    RESERVE.with_borrow_mut(|reserve| *reserve = Vec::new());
}
