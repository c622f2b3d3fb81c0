//! Reads catalogs: from begin to end those with few rows and without an index that would help, others by an index.

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

/// Reads the first row of a catalog that meets these conditions on columns of its index, as this snapshot shows it. The
/// row lasts while it is read.
///
/// # Safety
/// There must be a table and an index of it with these oids, which has these columns first.
pub(in crate::pg) unsafe fn first_row<T, const N: usize>(
    catalog: pg_sys::Oid,
    index: pg_sys::Oid,
    mut conditions: [pg_sys::ScanKeyData; N],
    snapshot: &LatestSnapshot,
    read: impl FnOnce(&Row) -> T,
) -> Option<T> {
    let (count, keys) = (N as c_int, conditions.as_mut_ptr());
    // SAFETY: guaranteed by the caller; as above.
    unsafe {
        let table = pg_sys::table_open(catalog, pg_sys::AccessShareLock as c_int);
        let scan = pg_sys::systable_beginscan(table, index, true, snapshot.as_ptr(), count, keys);
        let tuple = pg_sys::systable_getnext(scan);
        let found = (!tuple.is_null()).then(|| read(&Row::new(tuple, (*table).rd_att)));
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(table, pg_sys::AccessShareLock as c_int);
        found
    }
}
