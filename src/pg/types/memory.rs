//! Copies of what callers pass, of any size, and room for what is made of it.
//!
//! When memory runs out, PostgreSQL refuses the statement, but Rust aborts the process, and with it every session of
//! the server. Therefore whatever may be large is copied here, and nowhere else.

use std::hint::black_box;

use pgrx::prelude::*;

use crate::pg::report::reserve;

/// Copies these bytes.
///
/// # Errors
/// Raises 53200 when there is no memory for it.
pub fn copied(bytes: &[u8]) -> Vec<u8> {
    let mut copy = Vec::new();
    if copy.try_reserve_exact(bytes.len()).is_err() {
        refuse(bytes.len());
    }
    copy.extend_from_slice(bytes);
    copy
}

/// Checks that this much could be allocated now, for code that allocates in many small steps, none of which can fail.
///
/// A backend has one thread, so what was free a moment ago still is.
///
/// # Errors
/// Raises 53200 when there is no memory for it.
pub fn expect_room(size: usize) {
    let mut room: Vec<u8> = Vec::new();
    if room.try_reserve_exact(size).is_err() {
        refuse(size);
    }
    // Else the compiler drops an allocation that nothing uses.
    black_box(&mut room);
}

#[cold]
fn refuse(size: usize) {
    reserve::give();
    ereport!(ERROR, PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY, "out of memory", format!("Failed on {size} bytes."));
}
