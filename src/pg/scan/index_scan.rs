//! Reads a row of one of our tables by its unique index, through the access methods: no SQL, planner or privileges.
//!
//! PostgreSQL reads its own catalogs this way. The caller needs no right on the table, no function has to be SECURITY
//! DEFINER, and a probe takes a few microseconds instead of the tens that a statement takes.

use std::cell::Cell;
use std::ffi::{CStr, c_int};

use pgrx::pg_sys;

use super::index_definition::Fault;
use super::index_key::IndexKey;
use super::snapshot::LatestSnapshot;
use super::{index_proof, invalidation, our_indexes};
use crate::pg::process::fault;
use crate::pg::report::diagnostics::Watch;
use crate::pg::roles::citus;
use crate::pg::roles::extension::{Extension, raise_not_installed};
use crate::pg::types::row::Row;

/// A table of ours and one of its indexes.
pub struct Index {
    pub(super) table: &'static CStr,
    name: &'static CStr,
    found: Cell<Option<RelationOids>>,
}

#[derive(Clone, Copy)]
struct RelationOids {
    table: pg_sys::Oid,
    /// `InvalidOid` until the index is proved to be as it was made.
    index: pg_sys::Oid,
    generation: u64,
}

// SAFETY: a backend has one thread; pgrx stops any other from calling the server.
unsafe impl Sync for Index {}

/// A table of ours and the unique index on one of its columns.
pub struct UniqueIndex {
    index: Index,
    column: pg_sys::AttrNumber,
}

impl UniqueIndex {
    /// The `table` of our schema and its unique `index` on the column with this number.
    pub const fn new(table: &'static CStr, index: &'static CStr, column: pg_sys::AttrNumber) -> Self {
        UniqueIndex { index: Index::new(table, index), column }
    }

    /// Whether the installed extension has the table: an earlier release may not.
    ///
    /// # Errors
    /// Raises 55000 when the extension is not installed.
    pub fn is_there(&self) -> bool {
        Extension::installed().relation(self.index.table).is_some()
    }

    /// The index, to walk along it.
    pub const fn index(&self) -> &Index {
        &self.index
    }

    /// Reads the row with this key, as the snapshot shows it.
    ///
    /// # Errors
    /// Raises 55000 when the table does not exist: the extension is absent or of another version; and when its index is
    /// not as it was made.
    pub fn find<T>(&self, key: IndexKey<'_>, snapshot: &LatestSnapshot, read: impl FnOnce(&Row) -> T) -> Option<T> {
        let scan = IndexScan::begin(self, key, snapshot);
        let tuple = scan.next()?;
        // SAFETY: the tuple belongs to the scanned relation and lives until the scan moves on or ends.
        let row = unsafe { Row::new(tuple, scan.descriptor()) };
        Some(read(&row))
    }

    /// The number of the indexed column.
    pub(in crate::pg) fn column(&self) -> usize {
        usize::try_from(self.column).unwrap_or_default()
    }

    /// As [`find`](Self::find), for the tuple itself.
    pub(in crate::pg) fn find_tuple<T>(
        &self,
        key: IndexKey<'_>,
        snapshot: &LatestSnapshot,
        take: impl FnOnce(pg_sys::Relation, pg_sys::HeapTuple) -> T,
    ) -> Option<T> {
        let scan = IndexScan::begin(self, key, snapshot);
        scan.next().map(|tuple| take(scan.table, tuple))
    }

    /// As [`find_tuple`](Self::find_tuple), in the table that the caller has opened.
    pub(in crate::pg) fn find_in<T>(
        &self,
        opened: Opened,
        key: IndexKey<'_>,
        snapshot: &LatestSnapshot,
        take: impl FnOnce(pg_sys::HeapTuple) -> T,
    ) -> Option<T> {
        IndexScan::of(self, opened, false, key, snapshot).next().map(take)
    }

    /// Opens the table and locks it in this mode.
    pub(in crate::pg) fn open(&self, mode: pg_sys::LOCKMODE) -> Opened {
        self.index.open(mode)
    }
}

impl Index {
    /// The `table` of our schema and its index of this name.
    pub const fn new(table: &'static CStr, name: &'static CStr) -> Self {
        Index { table, name, found: Cell::new(None) }
    }

    pub(in crate::pg) fn table_oid(&self) -> pg_sys::Oid {
        self.found().table
    }

    fn found(&self) -> RelationOids {
        let generation = invalidation::names();
        if let Some(found) = self.found.get().filter(|found| found.generation == generation) {
            return found;
        }
        let extension = Extension::installed();
        citus::refuse_tables_of_ours(&extension);
        let table = extension.relation(self.table).unwrap_or_else(|| raise_not_installed());
        let found = RelationOids { table, index: pg_sys::InvalidOid, generation };
        invalidation::watch_table(found.table);
        self.found.set(Some(found));
        found
    }
}

/// A table that is open and locked.
#[derive(Clone, Copy)]
pub(in crate::pg) struct Opened {
    pub table: pg_sys::Relation,
    /// The oid of the index, which is valid under the lock.
    pub index: pg_sys::Oid,
}

impl Index {
    /// Opens the table and locks it in this mode.
    ///
    /// # Errors
    /// Raises 55000 when there is no such table, as when the extension is absent or of another version, and when the
    /// index is not as it was made.
    pub(in crate::pg) fn open(&self, mode: pg_sys::LOCKMODE) -> Opened {
        self.open_if_proved(mode).unwrap_or_else(|fault| our_indexes::of(self.name).raise(fault))
    }

    /// As [`open`](Self::open), but says how the index differs, and opens nothing then.
    pub(super) fn open_if_proved(&self, mode: pg_sys::LOCKMODE) -> Result<Opened, Fault> {
        loop {
            let found = self.found();
            lock(found.table, mode);
            // While waiting, the table may have been dropped, or REINDEX CONCURRENTLY may have replaced its index.
            let mut proved = Ok(pg_sys::InvalidOid);
            if invalidation::names() == found.generation {
                proved = if found.index == pg_sys::InvalidOid { self.prove(found) } else { Ok(found.index) };
            }
            match proved {
                Ok(index) if index != pg_sys::InvalidOid => {
                    // SAFETY: locked above, and exists.
                    let table = unsafe { pg_sys::table_open(found.table, pg_sys::NoLock as c_int) };
                    fault::step();
                    return Ok(Opened { table, index });
                }
                _ => {
                    // SAFETY: locked above.
                    unsafe { pg_sys::UnlockRelationOid(found.table, mode) };
                    proved?;
                }
            }
        }
    }

    /// Proves the index, of which the table is locked; `InvalidOid`: names may denote others by now.
    #[cold]
    fn prove(&self, found: RelationOids) -> Result<pg_sys::Oid, Fault> {
        // SAFETY: the table is locked.
        let proved = unsafe { index_proof::prove(our_indexes::of(self.name), &Extension::installed(), found.table) };
        if invalidation::names() != found.generation {
            return Ok(pg_sys::InvalidOid);
        }
        let index = proved?;
        self.found.set(Some(RelationOids { index, ..found }));
        Ok(index)
    }
}

/// Locks a table: waits for whoever changes or drops it, and processes the invalidations of that change.
fn lock(table: pg_sys::Oid, mode: pg_sys::LOCKMODE) {
    // SAFETY: takes a heavyweight lock if that is possible at once.
    if unsafe { !pg_sys::ConditionalLockRelationOid(table, mode) } {
        // Only a wait can end in a deadlock, of which the log tells more than the client.
        let _watch = Watch::begin();
        // SAFETY: waits for the lock.
        unsafe { pg_sys::LockRelationOid(table, mode) };
    }
}

/// The oid of a relation of ours.
///
/// # Errors
/// Raises 55000 when there is none of this name in the installed extension.
pub(in crate::pg) fn relation(name: &CStr) -> pg_sys::Oid {
    Extension::installed().relation(name).unwrap_or_else(|| raise_not_installed())
}

/// The lock under which rows are read.
pub(in crate::pg) const READING: pg_sys::LOCKMODE = pg_sys::AccessShareLock as pg_sys::LOCKMODE;

/// An index scan for one key.
///
/// It goes backward. While some snapshot is old, no version of a row goes away, and a row that is changed again and
/// again leaves an entry of the index for each page that its versions fill. Entries of one key are in the order of
/// pages, and since no page gets room, new versions go to the end of the table: backward, the newest comes first, and
/// forward after all the others.
struct IndexScan {
    table: pg_sys::Relation,
    index: pg_sys::Relation,
    scan: pg_sys::SysScanDesc,
    /// Whether the table was opened for this scan, and is to be closed with it.
    is_own: bool,
}

impl IndexScan {
    fn begin(indexed: &UniqueIndex, key: IndexKey<'_>, snapshot: &LatestSnapshot) -> Self {
        IndexScan::of(indexed, indexed.open(READING), true, key, snapshot)
    }

    fn of(
        indexed: &UniqueIndex,
        Opened { table, index }: Opened,
        is_own: bool,
        key: IndexKey<'_>,
        snapshot: &LatestSnapshot,
    ) -> Self {
        let mut scan_key = key.equals(indexed.column);
        // SAFETY: the key is of the column's type, and the table is open while the scan is.
        unsafe {
            let index = pg_sys::index_open(index, READING);
            let scan = pg_sys::systable_beginscan_ordered(table, index, snapshot.as_ptr(), 1, &mut scan_key);
            IndexScan { table, index, scan, is_own }
        }
    }

    fn next(&self) -> Option<pg_sys::HeapTuple> {
        // SAFETY: the scan is open.
        let tuple =
            unsafe { pg_sys::systable_getnext_ordered(self.scan, pg_sys::ScanDirection::BackwardScanDirection) };
        fault::step();
        (!tuple.is_null()).then_some(tuple)
    }

    fn descriptor(&self) -> pg_sys::TupleDesc {
        // SAFETY: the relation is open.
        unsafe { (*self.table).rd_att }
    }
}

impl Drop for IndexScan {
    fn drop(&mut self) {
        // After an error the resource owner closes scan and relation.
        if !std::thread::panicking() {
            // SAFETY: the scan is ended and its index closed only here, and its table if it is its own, which releases
            // their locks.
            unsafe {
                pg_sys::systable_endscan_ordered(self.scan);
                pg_sys::index_close(self.index, READING);
                if self.is_own {
                    pg_sys::table_close(self.table, READING);
                }
            }
        }
    }
}
