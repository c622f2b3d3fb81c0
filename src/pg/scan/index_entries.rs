//! Looks at entries of an index, without reading the rows that they stand for.

use std::ffi::c_int;
use std::ptr;

use pgrx::itemptr::item_pointer_get_both;
use pgrx::prelude::*;

use super::index_key::IndexKey;
use super::index_scan::Index;
use super::index_walk::OpenIndex;

impl Index {
    /// How many entries have this key in the first column, counting no further than `most`; those of rows that are
    /// dead, or are not committed yet, as well. `None` when the index is missing, or is not as it was made.
    ///
    /// # Errors
    /// Raises 55000 when the table does not exist: the extension is absent or of another version.
    pub fn count_if_possible(&self, key: IndexKey<'_>, most: usize) -> Option<usize> {
        let opened = self.open_to_walk_if_possible()?;
        Some(scan_entries(&opened, Some(key), true, |entries| entries.take(most).count()))
    }

    /// Whether there are entries, be it of rows that are dead.
    ///
    /// # Errors
    /// Raises 55000 when the table does not exist, and when the index is not as it was made.
    pub fn has_entries(&self) -> bool {
        scan_entries(&self.open_to_walk(), None, false, |entries| entries.next().is_some())
    }

    /// Raises XX001 if an entry with this key in the first column leads to where no row can have been, so that the file
    /// of the table is damaged. Of a page of zeros every scan says that its rows are gone, as if they had been deleted.
    ///
    /// # Errors
    /// As [`has_entries`](Self::has_entries), besides.
    pub fn refuse_lost_row(&self, key: IndexKey<'_>) {
        // VACUUM removes an entry and then what it leads to. It may have come between reading the one and the other;
        // then another look finds no entry.
        if self.leads_nowhere(key) && self.leads_nowhere(key) {
            ereport!(
                ERROR,
                PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
                format!("a row of table \"{}\" is lost", self.table.to_string_lossy()),
                "An index leads to a page that does not have it."
            );
        }
    }

    fn leads_nowhere(&self, key: IndexKey<'_>) -> bool {
        scan_entries(&self.open_to_walk(), Some(key), false, |entries| entries.any(|entry| entry.leads_nowhere()))
    }
}

/// Scans the entries with this key, or all of them. A scan that has found a row gone marks its entry, and others pass
/// over that if they `ignore_marked`.
fn scan_entries<T>(
    opened: &OpenIndex,
    key: Option<IndexKey<'_>>,
    ignore_marked: bool,
    look: impl FnOnce(&mut Entries) -> T,
) -> T {
    let mut condition = key.map(|key| key.equals(1));
    // SAFETY: table and index are open until the scan has ended; after an error the resource owner releases all of it.
    // No row is fetched, so any snapshot will do; one that is none of MVCC leaves no predicate locks, by which
    // serializable transactions that insert beside each other would fail.
    unsafe {
        let conditions = c_int::from(condition.is_some());
        let scan = opened.begin(&raw mut pg_sys::SnapshotAnyData, conditions);
        (*scan).ignore_killed_tuples &= ignore_marked;
        let keys = condition.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
        pg_sys::index_rescan(scan, keys, conditions, ptr::null_mut(), 0);
        let seen = look(&mut Entries(scan));
        pg_sys::index_endscan(scan);
        seen
    }
}

/// What an open scan finds.
struct Entries(pg_sys::IndexScanDesc);

impl Iterator for Entries {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        // SAFETY: the scan is open, and so is its table.
        unsafe {
            let place = pg_sys::index_getnext_tid(self.0, pg_sys::ScanDirection::ForwardScanDirection);
            (!place.is_null()).then(|| Entry { table: (*self.0).heapRelation, place: *place })
        }
    }
}

/// An entry, while the scan is open that has found it.
struct Entry {
    table: pg_sys::Relation,
    place: pg_sys::ItemPointerData,
}

impl Entry {
    fn leads_nowhere(&self) -> bool {
        let (block, offset) = item_pointer_get_both(self.place);
        // SAFETY: the table is open. Reading a block raises if there is none, nothing does while it is locked; after
        // that error the resource owner has nothing of it to release.
        unsafe {
            let buffer = pg_sys::ReadBuffer(self.table, block);
            pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_SHARE as c_int);
            let page = pg_sys::BufferGetPage(buffer);
            let leads_nowhere = pg_sys::PageIsNew(page)
                || offset > pg_sys::PageGetMaxOffsetNumber(page)
                || (*pg_sys::PageGetItemId(page, offset)).lp_flags() == pg_sys::LP_UNUSED;
            pg_sys::UnlockReleaseBuffer(buffer);
            leads_nowhere
        }
    }
}
