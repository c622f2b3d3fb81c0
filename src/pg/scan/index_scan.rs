//! Reads a row of one of our tables by its unique index, through the access methods: no SQL, planner or privileges.
//!
//! PostgreSQL reads its own catalogs this way. The caller needs no right on the table, no function has to be SECURITY
//! DEFINER, and a probe takes a few microseconds instead of the tens that a statement takes.

use std::cell::Cell;
use std::ffi::{CStr, c_int};

use pgrx::{IntoDatum, pg_sys};

use super::invalidation;
use super::snapshot::LatestSnapshot;
use crate::pg::report::diagnostics::Watch;
use crate::pg::roles::extension::{Extension, raise_not_installed};
use crate::pg::types::row::Row;

/// A table of ours and the unique index on one of its columns.
pub struct UniqueIndex {
    table: &'static CStr,
    index: &'static CStr,
    column: pg_sys::AttrNumber,
    found: Cell<Option<Found>>,
}

#[derive(Clone, Copy)]
struct Found {
    table: pg_sys::Oid,
    index: pg_sys::Oid,
    generation: u64,
}

// SAFETY: a backend has one thread; pgrx stops any other from calling the server.
unsafe impl Sync for UniqueIndex {}

/// The value to look for.
pub enum Key<'a> {
    /// In a `bigint` column.
    Bigint(i64),
    /// In a `uuid` column.
    Uuid(pgrx::Uuid),
    /// In a `text COLLATE "C"` column.
    Text(&'a [u8]),
}

impl UniqueIndex {
    /// The `table` of our schema and its unique `index` on the column with this number.
    pub const fn new(table: &'static CStr, index: &'static CStr, column: pg_sys::AttrNumber) -> Self {
        UniqueIndex { table, index, column, found: Cell::new(None) }
    }

    /// Reads the row with this key, as the snapshot shows it.
    ///
    /// # Errors
    /// Raises 55000 when the table does not exist: the extension is absent or of another version.
    pub fn find<T>(&self, key: Key<'_>, snapshot: &LatestSnapshot, read: impl FnOnce(&Row) -> T) -> Option<T> {
        let scan = Scan::begin(self, key, snapshot);
        let tuple = scan.next()?;
        // SAFETY: the tuple belongs to the scanned relation and lives until the scan moves on or ends.
        let row = unsafe { Row::new(tuple, scan.descriptor()) };
        Some(read(&row))
    }

    pub(in crate::pg) fn table_oid(&self) -> pg_sys::Oid {
        self.found().table
    }

    /// As [`find`](Self::find), for the tuple itself.
    pub(in crate::pg) fn find_tuple<T>(
        &self,
        key: Key<'_>,
        snapshot: &LatestSnapshot,
        take: impl FnOnce(pg_sys::Relation, pg_sys::HeapTuple) -> T,
    ) -> Option<T> {
        let scan = Scan::begin(self, key, snapshot);
        scan.next().map(|tuple| take(scan.table, tuple))
    }

    fn found(&self) -> Found {
        let generation = invalidation::names();
        if let Some(found) = self.found.get().filter(|found| found.generation == generation) {
            return found;
        }
        let extension = Extension::installed();
        let table = extension.relation(self.table).unwrap_or_else(|| raise_not_installed());
        let index = extension.index(self.index, table).unwrap_or_else(|| raise_not_installed());
        let found = Found { table, index, generation };
        invalidation::watch_table(found.table);
        self.found.set(Some(found));
        found
    }
}

impl UniqueIndex {
    /// The table, opened and locked, with the oids that are valid under that lock.
    fn open(&self) -> (Found, pg_sys::Relation) {
        loop {
            let found = self.found();
            lock(found.table);
            // While waiting, the table may have been dropped, or REINDEX CONCURRENTLY may have replaced its index.
            if invalidation::names() == found.generation {
                // SAFETY: locked above, and exists. Closing it releases the lock.
                return (found, unsafe { pg_sys::table_open(found.table, pg_sys::NoLock as c_int) });
            }
            // SAFETY: locked above.
            unsafe { pg_sys::UnlockRelationOid(found.table, pg_sys::AccessShareLock as c_int) };
        }
    }
}

/// Locks a table for reading: waits for whoever changes or drops it, and processes the invalidations of that change.
fn lock(table: pg_sys::Oid) {
    const MODE: c_int = pg_sys::AccessShareLock as c_int;
    // SAFETY: takes a heavyweight lock if that is possible at once.
    if unsafe { !pg_sys::ConditionalLockRelationOid(table, MODE) } {
        // Only a wait can end in a deadlock, of which the log tells more than the client.
        let _watch = Watch::begin();
        // SAFETY: waits for the lock.
        unsafe { pg_sys::LockRelationOid(table, MODE) };
    }
}

/// The oid of a relation of ours.
///
/// # Errors
/// Raises 55000 when there is none of this name in the installed extension.
pub(in crate::pg) fn relation(name: &CStr) -> pg_sys::Oid {
    Extension::installed().relation(name).unwrap_or_else(|| raise_not_installed())
}

/// An index scan for one key.
struct Scan {
    table: pg_sys::Relation,
    scan: pg_sys::SysScanDesc,
}

impl Scan {
    fn begin(indexed: &UniqueIndex, key: Key<'_>, snapshot: &LatestSnapshot) -> Self {
        let (procedure, argument) = match key {
            Key::Bigint(key) => (pg_sys::F_INT8EQ, key.into_datum()),
            Key::Uuid(key) => (pg_sys::F_UUID_EQ, key.into_datum()),
            Key::Text(key) => (pg_sys::F_TEXTEQ, key.into_datum()),
        };
        let mut scan_key = pg_sys::ScanKeyData::default();
        // SAFETY: the key is initialised before it is used, with the equality of the column's type; its collation is
        // "C", as ScanKeyInit sets it and the columns declare it. The relation is open while the scan is.
        unsafe {
            pg_sys::ScanKeyInit(
                &mut scan_key,
                indexed.column,
                pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber,
                procedure.into(),
                argument.unwrap_or(pg_sys::Datum::null()),
            );
            let (found, table) = indexed.open();
            let scan = pg_sys::systable_beginscan(table, found.index, true, snapshot.as_ptr(), 1, &mut scan_key);
            Scan { table, scan }
        }
    }

    fn next(&self) -> Option<pg_sys::HeapTuple> {
        // SAFETY: the scan is open.
        let tuple = unsafe { pg_sys::systable_getnext(self.scan) };
        (!tuple.is_null()).then_some(tuple)
    }

    fn descriptor(&self) -> pg_sys::TupleDesc {
        // SAFETY: the relation is open.
        unsafe { (*self.table).rd_att }
    }
}

impl Drop for Scan {
    fn drop(&mut self) {
        // After an error the resource owner closes scan and relation.
        if !std::thread::panicking() {
            // SAFETY: both were opened by `begin` and are closed only here.
            unsafe {
                pg_sys::systable_endscan(self.scan);
                pg_sys::table_close(self.table, pg_sys::AccessShareLock as c_int);
            }
        }
    }
}
