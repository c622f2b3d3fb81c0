//! Copies of what callers hand over, of any size.
//!
//! Rust ends the process when memory runs out, and with it every session of the server; PostgreSQL refuses the statement.
//! Whatever may be large is therefore copied here, and nowhere else.

use pgrx::prelude::*;

/// A copy.
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

#[cold]
fn refuse(size: usize) {
    ereport!(
        ERROR,
        PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY,
        "out of memory",
        format!("Failed on a copy of {size} bytes.")
    );
}
