//! Counts entries of an index, without reading the rows that they stand for.

use std::ptr;

use pgrx::pg_sys;

use super::index_scan::{Index, IndexKey, READING};

impl Index {
    /// How many entries have this key in the first column, counting no further than `most`; those of rows that are
    /// dead, or are not committed yet, as well.
    ///
    /// # Errors
    /// Raises 55000 when the table does not exist: the extension is absent or of another version.
    pub fn count(&self, key: IndexKey<'_>, most: usize) -> usize {
        let opened = self.open(READING);
        let (procedure, argument) = key.equality();
        let mut scan_key = pg_sys::ScanKeyData::default();
        // SAFETY: table and index are open and locked until the scan has ended; after an error the resource owner
        // releases all of it. The key is initialised before it is used, with the equality of the column's type; its
        // collation is "C", as ScanKeyInit sets it and the columns declare it. No row is fetched, so any snapshot will
        // do; one that is none of MVCC leaves no predicate locks, by which serializable transactions that insert beside
        // each other would fail.
        unsafe {
            let index = pg_sys::index_open(opened.index, READING);
            let snapshot = &raw mut pg_sys::SnapshotAnyData;
            #[cfg(not(feature = "pg18"))]
            let scan = pg_sys::index_beginscan(opened.table, index, snapshot, 1, 0);
            #[cfg(feature = "pg18")]
            let scan = pg_sys::index_beginscan(opened.table, index, snapshot, ptr::null_mut(), 1, 0);
            pg_sys::ScanKeyInit(
                &mut scan_key,
                1,
                pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber,
                procedure,
                argument.unwrap_or(pg_sys::Datum::null()),
            );
            pg_sys::index_rescan(scan, &mut scan_key, 1, ptr::null_mut(), 0);
            let forward = pg_sys::ScanDirection::ForwardScanDirection;
            let count = (0..most).take_while(|_| !pg_sys::index_getnext_tid(scan, forward).is_null()).count();
            pg_sys::index_endscan(scan);
            pg_sys::index_close(index, READING);
            pg_sys::table_close(opened.table, READING);
            count
        }
    }
}
