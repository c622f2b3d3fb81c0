//! Rows on their way into a statement: a tuplestore that SQL reads as a relation, as triggers read transition tables.
//!
//! However many there are, they take no memory beyond `work_mem`, and none of their values ever becomes SQL text.

use std::ffi::{CStr, c_int};
use std::ptr;

use pgrx::pg_sys;
use pgrx::varlena::varsize_any;

use super::statement::Argument;
use crate::pg::types::row::Row;

/// Named rows, registered with each statement that reads them; the statement must end before they are dropped.
pub struct Rows {
    relation: Box<pg_sys::EphemeralNamedRelationData>,
    is_owned: bool,
    /// Whether the last row that was added is in. A store that could not spill to disk is half written: ending it would
    /// write once more, or free rows twice, so it is left to the abort of the transaction.
    is_whole: bool,
    /// The memory context in which they were begun. Rows are added from within shorter-lived contexts, which must not
    /// own what a store allocates when it spills to disk.
    context: pg_sys::MemoryContext,
}

impl Rows {
    /// No rows yet, with these columns.
    pub fn new(name: &'static CStr, columns: &[(&'static CStr, pg_sys::Oid)]) -> Self {
        let count = c_int::try_from(columns.len()).expect("rows have few columns");
        // SAFETY: the descriptor has room for `count` columns, which are numbered from 1; names are copied.
        let descriptor = unsafe {
            let descriptor = pg_sys::CreateTemplateTupleDesc(count);
            for (number, (column, oid)) in (1..).zip(columns) {
                pg_sys::TupleDescInitEntry(descriptor, number, column.as_ptr(), *oid, -1, 0);
            }
            descriptor
        };
        Self::named(name, pg_sys::InvalidOid, descriptor, begin_store(), true)
    }

    /// The transition table of a trigger.
    ///
    /// # Safety
    /// `store` must be the trigger manager's, contain rows of this table, and outlive the result.
    pub(in crate::pg) unsafe fn of_transition(
        name: &'static CStr,
        table: pg_sys::Oid,
        store: *mut pg_sys::Tuplestorestate,
    ) -> Self {
        Self::named(name, table, ptr::null_mut(), store, false)
    }

    /// The one row of a row trigger.
    ///
    /// # Safety
    /// `tuple` must be a row of this table.
    pub(in crate::pg) unsafe fn of_tuple(name: &'static CStr, table: pg_sys::Oid, tuple: pg_sys::HeapTuple) -> Self {
        let store = begin_store();
        // SAFETY: the caller guarantees the tuple, which is copied.
        unsafe { pg_sys::tuplestore_puttuple(store, tuple) };
        Self::named(name, table, ptr::null_mut(), store, true)
    }

    /// No rows of a table yet.
    pub fn of_table(name: &'static CStr, table: pg_sys::Oid) -> Self {
        Self::named(name, table, ptr::null_mut(), begin_store(), true)
    }

    fn named(
        name: &'static CStr,
        table: pg_sys::Oid,
        descriptor: pg_sys::TupleDesc,
        store: *mut pg_sys::Tuplestorestate,
        is_owned: bool,
    ) -> Self {
        let mut relation = Box::new(pg_sys::EphemeralNamedRelationData::default());
        relation.md.name = name.as_ptr().cast_mut();
        relation.md.reliddesc = table;
        relation.md.tupdesc = descriptor;
        relation.md.enrtype = pg_sys::EphemeralNameRelationType::ENR_NAMED_TUPLESTORE;
        // Plans are kept and serve one row as well as a million: of one, to go to tables that it takes for large, the
        // planner uses our indexes.
        relation.md.enrtuples = 1.0;
        relation.reldata = store.cast();
        Rows {
            relation,
            is_owned,
            is_whole: true,
            // SAFETY: reads this backend's state.
            context: unsafe { pg_sys::CurrentMemoryContext },
        }
    }

    /// Adds a row.
    pub fn put(&mut self, fields: impl IntoIterator<Item = Argument>) {
        let mut values = Vec::new();
        let mut nulls = Vec::new();
        for field in fields {
            let datum = field.into_datum();
            nulls.push(datum.is_none());
            values.push(datum.unwrap_or(pg_sys::Datum::null()));
        }
        self.put_raw(&values, &nulls);
    }

    /// Adds a copy of a row of the same columns.
    pub fn put_row(&mut self, row: &Row) {
        let (values, nulls) = row.raw();
        self.put_raw(values, nulls);
    }

    /// Adds a copy of a row of the table, which is the only column of `row`.
    pub fn put_whole(&mut self, row: &Row) {
        let (values, _) = row.raw();
        // SAFETY: a composite value has a tuple's header, which says how long it is; the tuple is copied.
        unsafe {
            let header: pg_sys::HeapTupleHeader = pg_sys::pg_detoast_datum(values[0].cast_mut_ptr()).cast();
            let mut tuple = pg_sys::HeapTupleData {
                t_len: u32::try_from(varsize_any(header.cast())).expect("a tuple is less than a gigabyte"),
                t_data: header,
                ..Default::default()
            };
            let caller = pg_sys::MemoryContextSwitchTo(self.context);
            self.is_whole = false;
            pg_sys::tuplestore_puttuple(self.store(), &raw mut tuple);
            self.is_whole = true;
            pg_sys::MemoryContextSwitchTo(caller);
        }
    }

    /// Lets a plan that is made for these rows alone know how many they are.
    pub fn count(&mut self) {
        self.relation.md.enrtuples = self.len() as f64;
    }

    fn put_raw(&mut self, values: &[pg_sys::Datum], nulls: &[bool]) {
        // SAFETY: as many values as the descriptor has columns, whose types the caller guarantees; they are copied.
        unsafe {
            let columns = usize::try_from((*self.descriptor()).natts);
            assert_eq!(columns, Ok(values.len()), "rows of another form");
            let caller = pg_sys::MemoryContextSwitchTo(self.context);
            self.is_whole = false;
            pg_sys::tuplestore_putvalues(
                self.store(),
                self.descriptor(),
                values.as_ptr().cast_mut(),
                nulls.as_ptr().cast_mut(),
            );
            self.is_whole = true;
            pg_sys::MemoryContextSwitchTo(caller);
        }
    }

    /// The number of rows.
    pub fn len(&self) -> u64 {
        // SAFETY: the store lives as long as `self`.
        u64::try_from(unsafe { pg_sys::tuplestore_tuple_count(self.store()) }).unwrap_or_default()
    }

    /// The name by which SQL reads them.
    pub fn name(&self) -> &[u8] {
        // SAFETY: a static string.
        unsafe { CStr::from_ptr(self.relation.md.name) }.to_bytes()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(in crate::pg) fn store(&self) -> *mut pg_sys::Tuplestorestate {
        self.relation.reldata.cast()
    }

    pub(in crate::pg) fn descriptor(&self) -> pg_sys::TupleDesc {
        self.relation.md.tupdesc
    }

    /// Makes them a relation in the current SPI connection.
    pub(in crate::pg) fn register(&self) {
        // SAFETY: inside an SPI connection, which only reads through the pointer.
        let answer = unsafe { pg_sys::SPI_register_relation((&raw const *self.relation).cast_mut()) };
        assert!(answer == pg_sys::SPI_OK_REL_REGISTER as c_int, "could not name rows");
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        // After an error the abort frees memory and temporary files.
        if self.is_owned && self.is_whole && !std::thread::panicking() {
            // SAFETY: begun by `begin_store`, ended only here.
            unsafe { pg_sys::tuplestore_end(self.store()) };
        }
    }
}

fn begin_store() -> *mut pg_sys::Tuplestorestate {
    // SAFETY: begins a store in the current memory context, spilling to disk beyond work_mem.
    unsafe { pg_sys::tuplestore_begin_heap(true, false, pg_sys::work_mem) }
}

/// Reads rows back one by one, in the order in which they were added; one reader at a time.
pub struct Reader<'a> {
    rows: &'a Rows,
    slot: *mut pg_sys::TupleTableSlot,
}

impl<'a> Reader<'a> {
    /// Starts at the first row.
    pub fn new(rows: &'a Rows) -> Self {
        // SAFETY: rows that are read back were made by `Rows::new` and have a descriptor.
        let slot = unsafe {
            pg_sys::tuplestore_rescan(rows.store());
            pg_sys::MakeSingleTupleTableSlot(rows.descriptor(), &raw const pg_sys::TTSOpsMinimalTuple)
        };
        Reader { rows, slot }
    }

    /// The next row, borrowed until the one after it is read.
    pub fn next(&mut self) -> Option<Row> {
        // SAFETY: slot and store agree in form; the store's own read pointer moves forward.
        unsafe {
            // A row read back from disk belongs to the slot, and must live until the slot releases it.
            let caller = pg_sys::MemoryContextSwitchTo(self.rows.context);
            let found = pg_sys::tuplestore_gettupleslot(self.rows.store(), true, false, self.slot);
            pg_sys::MemoryContextSwitchTo(caller);
            found.then(|| Row::of_slot(self.slot))
        }
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: made by `new`, dropped only here.
            unsafe { pg_sys::ExecDropSingleTupleTableSlot(self.slot) };
        }
    }
}
