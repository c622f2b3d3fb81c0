//! Counts entries of an index, without reading the rows that they stand for.

use std::ptr;

use pgrx::pg_sys;

use super::index_key::IndexKey;
use super::index_scan::Index;

impl Index {
    /// How many entries have this key in the first column, counting no further than `most`; those of rows that are
    /// dead, or are not committed yet, as well.
    ///
    /// # Errors
    /// Raises 55000 when the table does not exist: the extension is absent or of another version.
    pub fn count(&self, key: IndexKey<'_>, most: usize) -> usize {
        let opened = self.open_to_walk();
        let mut condition = key.equals(1);
        // SAFETY: table and index are open until the scan has ended; after an error the resource owner releases all of
        // it. No row is fetched, so any snapshot will do; one that is none of MVCC leaves no predicate locks, by which
        // serializable transactions that insert beside each other would fail.
        unsafe {
            let scan = opened.begin(&raw mut pg_sys::SnapshotAnyData, 1);
            pg_sys::index_rescan(scan, &mut condition, 1, ptr::null_mut(), 0);
            let forward = pg_sys::ScanDirection::ForwardScanDirection;
            let count = (0..most).take_while(|_| !pg_sys::index_getnext_tid(scan, forward).is_null()).count();
            pg_sys::index_endscan(scan);
            count
        }
    }
}
