//! Reads a catalog from its begin to its end: those without an index that would help, and with few rows.

use std::ffi::c_int;
use std::ptr;

use pgrx::pg_sys;

use super::snapshot::LatestSnapshot;
use crate::pg::types::row::Row;

/// Passes on each row of a catalog, as this snapshot shows it, or without one the server's own for catalogs. A row
/// lasts until the next.
///
/// # Safety
/// There must be a table with this oid.
pub(in crate::pg) unsafe fn each_row(
    catalog: pg_sys::Oid,
    snapshot: Option<&LatestSnapshot>,
    mut take: impl FnMut(&Row),
) {
    let snapshot = snapshot.map_or(ptr::null_mut(), LatestSnapshot::as_ptr);
    // SAFETY: guaranteed by the caller. A scan without an index; its tuples live until it moves on or ends. An error
    // leaves closing to the abort of the transaction.
    unsafe {
        let table = pg_sys::table_open(catalog, pg_sys::AccessShareLock as c_int);
        let scan = pg_sys::systable_beginscan(table, pg_sys::InvalidOid, false, snapshot, 0, ptr::null_mut());
        loop {
            let tuple = pg_sys::systable_getnext(scan);
            if tuple.is_null() {
                break;
            }
            take(&Row::new(tuple, (*table).rd_att));
        }
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(table, pg_sys::AccessShareLock as c_int);
    }
}
