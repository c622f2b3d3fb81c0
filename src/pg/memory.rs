//! Copies of what callers pass, of any size.
//!
//! When memory runs out, PostgreSQL refuses the statement, but Rust aborts the process, and with it every session of
//! the server. Therefore whatever may be large is copied here, and nowhere else.

use pgrx::prelude::*;

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

#[cold]
fn refuse(size: usize) {
    ereport!(
        ERROR,
        PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY,
        "out of memory",
        format!("Failed on a copy of {size} bytes.")
    );
}
