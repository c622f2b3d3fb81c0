//! Inserts and rewrites a row of ours as the executor does for a statement, but without one: no parser, planner or
//! plan.
//!
//! Everything a statement applies is applied: triggers of the row and of the statement, constraints, defaults and every
//! index. Only rules are not, as in logical replication. A statement that writes one row spends most of its time on
//! being set up.

use std::ffi::{CStr, c_int};
use std::ptr;

use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

use super::catalog_update::ColumnValue;
use super::checks;
use super::index_scan::{IndexKey, Opened, UniqueIndex};
use super::snapshot::LatestSnapshot;
use crate::pg::report::diagnostics::Watch;
use crate::pg::roles::extension::raise_not_installed;
use crate::pg::transaction::xact;
use crate::pg::types::row::{MOST_COLUMNS, Row};

// pgrx does not declare it.
unsafe extern "C-unwind" {
    fn ExecComputeStoredGenerated(
        target: *mut pg_sys::ResultRelInfo,
        estate: *mut pg_sys::EState,
        slot: *mut pg_sys::TupleTableSlot,
        command: pg_sys::CmdType::Type,
    );
}

impl UniqueIndex {
    /// Inserts a row into the table; columns that are not given have their default.
    ///
    /// # Errors
    /// Raises 25006 in a read-only transaction, 55000 when the table does not have these columns, and what an INSERT
    /// raises.
    pub fn insert<const N: usize>(&self, values: [ColumnValue; N]) {
        let writing = Writing::begin(self, c"INSERT", false);
        // SAFETY: the slot is filled with a value for each column before it is stored, and everything is of one table.
        unsafe {
            writing.fill(values, &mut |column| writing.default(column));
            pg_sys::ExecBSInsertTriggers(writing.estate, writing.target);
            pg_sys::ExecSimpleRelationInsert(writing.target, writing.estate, writing.slot);
            pg_sys::ExecASInsertTriggers(writing.estate, writing.target, ptr::null_mut());
        }
        writing.end();
    }

    /// As [`insert`](Self::insert), but inserts nothing and returns false when another row has the same value in the
    /// indexed column, as ON CONFLICT DO NOTHING does.
    ///
    /// # Errors
    /// As `insert`.
    pub fn insert_unless_taken<const N: usize>(&self, values: [ColumnValue; N]) -> bool {
        let writing = Writing::begin(self, c"INSERT", true);
        // SAFETY: as in `insert`.
        let is_inserted = unsafe {
            writing.fill(values, &mut |column| writing.default(column));
            pg_sys::ExecBSInsertTriggers(writing.estate, writing.target);
            let is_inserted = writing.passes_row_triggers() && writing.insert_speculatively();
            pg_sys::ExecASInsertTriggers(writing.estate, writing.target, ptr::null_mut());
            is_inserted
        };
        writing.end();
        is_inserted
    }

    /// Rewrites the row with this key, which this transaction has locked, as `change` says; returns whether there is
    /// one.
    ///
    /// # Errors
    /// As `insert`, with what an UPDATE raises.
    pub fn update<const N: usize>(&self, key: IndexKey<'_>, change: impl FnOnce(&Row) -> [ColumnValue; N]) -> bool {
        let writing = Writing::begin(self, c"UPDATE", false);
        let snapshot = LatestSnapshot::take();
        let is_updated = self
            .find_in(writing.opened, key, &snapshot, |tuple| {
                // SAFETY: the tuple is of this table and stays while the scan does not move, and with it the values of
                // columns that do not change. The trigger before the statement only sends a message.
                unsafe {
                    let row = Row::new(tuple, (*writing.opened.table).rd_att);
                    writing.fill(change(&row), &mut |column| row.raw_value(column));
                    pg_sys::ExecBSUpdateTriggers(writing.estate, writing.target);
                    writing.update((*tuple).t_self);
                    pg_sys::ExecASUpdateTriggers(writing.estate, writing.target, ptr::null_mut());
                }
            })
            .is_some();
        writing.end();
        is_updated
    }
}

/// One row being written. After an error the abort of the transaction releases all that it holds.
struct Writing {
    opened: Opened,
    estate: *mut pg_sys::EState,
    target: *mut pg_sys::ResultRelInfo,
    slot: *mut pg_sys::TupleTableSlot,
    /// Under which triggers run where no statement of a client has one, as in a worker.
    snapshot: Option<LatestSnapshot>,
    _watch: Watch,
}

impl Writing {
    fn begin(indexed: &UniqueIndex, command: &CStr, is_speculative: bool) -> Self {
        let watch = Watch::begin();
        xact::refuse_read_only(command);
        xact::refuse_parallel(command);
        let opened = indexed.open(pg_sys::RowExclusiveLock as pg_sys::LOCKMODE);
        // SAFETY: what the executor does before it runs a statement; `end` undoes it in the opposite order. The row is
        // written by a command of its own, after what this transaction has just done. To insert a row takes no
        // snapshot, and none is taken. The target is in no range table, as where logical replication or COPY route
        // rows.
        unsafe {
            pg_sys::CommandCounterIncrement();
            let snapshot = (!pg_sys::ActiveSnapshotSet()).then(LatestSnapshot::take);
            if let Some(snapshot) = &snapshot {
                pg_sys::PushActiveSnapshot(snapshot.as_ptr());
            }
            let estate = pg_sys::CreateExecutorState();
            (*estate).es_snapshot = pg_sys::GetActiveSnapshot();
            (*estate).es_output_cid = pg_sys::GetCurrentCommandId(true);
            let target: *mut pg_sys::ResultRelInfo =
                pg_sys::MemoryContextAllocZero((*estate).es_query_cxt, size_of::<pg_sys::ResultRelInfo>()).cast();
            pg_sys::InitResultRelInfo(target, opened.table, 0, ptr::null_mut(), 0);
            checks::lend(target);
            pg_sys::ExecOpenIndices(target, is_speculative);
            pg_sys::AfterTriggerBeginQuery();
            let slot = pg_sys::MakeSingleTupleTableSlot((*opened.table).rd_att, &raw const pg_sys::TTSOpsVirtual);
            (*slot).tts_tableOid = (*opened.table).rd_id;
            Writing { opened, estate, target, slot, snapshot, _watch: watch }
        }
    }

    fn end(self) {
        // SAFETY: ends what `begin` has begun; triggers after the statement fire while all is still there. The lock of
        // the table is kept until the transaction ends, as after a statement; what was written is visible from now on.
        unsafe {
            pg_sys::AfterTriggerEndQuery(self.estate);
            pg_sys::ExecCloseIndices(self.target);
            pg_sys::ExecDropSingleTupleTableSlot(self.slot);
            pg_sys::ExecResetTupleTable((*self.estate).es_tupleTable, false);
            pg_sys::ExecCloseResultRelations(self.estate);
            pg_sys::FreeExecutorState(self.estate);
            pg_sys::table_close(self.opened.table, pg_sys::NoLock as c_int);
            if self.snapshot.is_some() {
                pg_sys::PopActiveSnapshot();
            }
            pg_sys::CommandCounterIncrement();
        }
    }

    /// Puts a row into the slot: the values given, and of every other column what `other` says.
    ///
    /// # Errors
    /// Raises 55000 when the table lacks a column, or one has another type: it is of another version.
    ///
    /// # Safety
    /// The values must live as long as the slot holds them, and `other` answer with values of the columns' types.
    unsafe fn fill<const N: usize>(
        &self,
        values: [ColumnValue; N],
        other: &mut dyn FnMut(usize) -> Option<pg_sys::Datum>,
    ) {
        // SAFETY: the slot was made for the table's columns, and its arrays have one entry for each; each is written
        // once before the slot is stored. A value of a column's type is what the column takes.
        unsafe {
            let columns = (*(*self.opened.table).rd_att).natts as usize;
            let (datums, nulls) = ((*self.slot).tts_values, (*self.slot).tts_isnull);
            std::slice::from_raw_parts_mut(nulls, columns).fill(true);
            let mut is_given = [false; MOST_COLUMNS];
            assert!(columns <= MOST_COLUMNS, "table has {columns} columns, expected {MOST_COLUMNS} at most");
            for (column, value) in values {
                if column > columns || self.attribute(column).atttypid != value.oid() {
                    raise_not_installed();
                }
                is_given[column - 1] = true;
                let datum = value.into_datum();
                *nulls.add(column - 1) = datum.is_none();
                *datums.add(column - 1) = datum.unwrap_or(pg_sys::Datum::null());
            }
            for column in (1..=columns).filter(|column| !is_given[column - 1]) {
                let datum = other(column);
                *nulls.add(column - 1) = datum.is_none();
                *datums.add(column - 1) = datum.unwrap_or(pg_sys::Datum::null());
            }
            pg_sys::ExecStoreVirtualTuple(self.slot);
        }
    }

    /// # Safety
    /// The table must have a column of this number.
    unsafe fn attribute(&self, column: usize) -> &pg_sys::FormData_pg_attribute {
        // SAFETY: guaranteed by the caller; a descriptor has an entry for each column.
        unsafe {
            let descriptor = (*self.opened.table).rd_att;
            #[cfg(not(feature = "pg18"))]
            return &*(*descriptor).attrs.as_ptr().add(column - 1);
            #[cfg(feature = "pg18")]
            return &*pg_sys::TupleDescAttr(descriptor, column as c_int - 1);
        }
    }

    /// The default of a column, if it has one: a release may add a column that this library does not know yet.
    ///
    /// # Safety
    /// The table must have a column of this number.
    unsafe fn default(&self, column: usize) -> Option<pg_sys::Datum> {
        // SAFETY: guaranteed by the caller. The expression is planned and evaluated in the memory of this one row.
        unsafe {
            let attribute = self.attribute(column);
            if !attribute.atthasdef || attribute.attgenerated != 0 {
                return None;
            }
            let node = pg_sys::build_column_default(self.opened.table, column as c_int);
            let state = pg_sys::ExecPrepareExpr(node.cast(), self.estate);
            let mut is_null = false;
            let datum = pg_sys::ExecEvalExprSwitchContext(state, self.expressions(), &mut is_null);
            (!is_null).then_some(datum)
        }
    }

    /// Where expressions over the row are evaluated.
    ///
    /// # Safety
    /// The executor's state must not have ended.
    unsafe fn expressions(&self) -> *mut pg_sys::ExprContext {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let existing = (*self.estate).es_per_tuple_exprcontext;
            if existing.is_null() { pg_sys::MakePerTupleExprContext(self.estate) } else { existing }
        }
    }

    /// Whether no trigger keeps the row from being inserted, once it is complete and satisfies the constraints.
    ///
    /// # Safety
    /// The slot must hold the row.
    unsafe fn passes_row_triggers(&self) -> bool {
        // SAFETY: guaranteed by the caller; as ExecInsert and ExecSimpleRelationInsert do before they insert.
        unsafe {
            let triggers = (*self.target).ri_TrigDesc.as_ref();
            if triggers.is_some_and(|triggers| triggers.trig_insert_before_row)
                && !pg_sys::ExecBRInsertTriggers(self.estate, self.target, self.slot)
            {
                return false;
            }
            if let Some(constraints) = (*(*self.opened.table).rd_att).constr.as_ref() {
                if constraints.has_generated_stored {
                    let insert = pg_sys::CmdType::CMD_INSERT;
                    pg_guard_ffi_boundary(|| {
                        ExecComputeStoredGenerated(self.target, self.estate, self.slot, insert);
                    });
                }
                pg_sys::ExecConstraints(self.target, self.slot, self.estate);
            }
            true
        }
    }

    /// Inserts the row unless its value in the indexed column is taken. Values are hardly ever taken, so unlike
    /// ExecInsert it does not look first: a row whose value turns out to be taken is taken back.
    ///
    /// # Safety
    /// The slot must hold the row, and the indexes be open for speculative insertion.
    unsafe fn insert_speculatively(&self) -> bool {
        // SAFETY: guaranteed by the caller. Whoever inserts the same value meanwhile waits for the lock that is taken
        // here, and then looks again. The list lives in the caller's memory context.
        unsafe {
            let arbiter = pg_sys::lappend_oid(ptr::null_mut(), self.opened.index);
            let xid = pg_sys::GetCurrentTransactionId();
            loop {
                pgrx::check_for_interrupts!();
                let token = pg_sys::SpeculativeInsertionLockAcquire(xid);
                let (table, slot) = (self.opened.table, self.slot);
                let command = (*self.estate).es_output_cid;
                pg_sys::table_tuple_insert_speculative(table, slot, command, 0, ptr::null_mut(), token);
                let mut is_taken = false;
                let deferred = self.insert_index_tuples(arbiter, &mut is_taken);
                pg_sys::table_tuple_complete_speculative(table, slot, token, !is_taken);
                pg_sys::SpeculativeInsertionLockRelease(xid);
                if !is_taken {
                    pg_sys::ExecARInsertTriggers(self.estate, self.target, slot, deferred, ptr::null_mut());
                    return true;
                }
                // Waits until whoever has inserted the same value has committed or taken it back.
                if !self.is_free(arbiter) {
                    return false;
                }
            }
        }
    }

    /// # Safety
    /// As for `insert_speculatively`, once the row is in the table.
    unsafe fn insert_index_tuples(&self, arbiter: *mut pg_sys::List, is_taken: &mut bool) -> *mut pg_sys::List {
        let (target, slot, estate) = (self.target, self.slot, self.estate);
        // SAFETY: guaranteed by the caller.
        unsafe {
            #[cfg(feature = "pg15")]
            return pg_sys::ExecInsertIndexTuples(target, slot, estate, false, true, is_taken, arbiter);
            #[cfg(not(feature = "pg15"))]
            return pg_sys::ExecInsertIndexTuples(target, slot, estate, false, true, is_taken, arbiter, false);
        }
    }

    /// # Safety
    /// As for `insert_speculatively`.
    unsafe fn is_free(&self, arbiter: *mut pg_sys::List) -> bool {
        let (target, slot, estate) = (self.target, self.slot, self.estate);
        let mut other = pg_sys::ItemPointerData::default();
        // SAFETY: guaranteed by the caller.
        unsafe {
            #[cfg(not(feature = "pg18"))]
            return pg_sys::ExecCheckIndexConstraints(target, slot, estate, &mut other, arbiter);
            #[cfg(feature = "pg18")]
            {
                // The row itself is not in the table.
                let mut itself = pg_sys::ItemPointerData::default();
                return pg_sys::ExecCheckIndexConstraints(target, slot, estate, &mut other, &mut itself, arbiter);
            }
        }
    }

    /// Replaces the tuple at this address by the row in the slot.
    ///
    /// # Safety
    /// The slot must hold the row, and the address be that of a tuple which this transaction has locked.
    unsafe fn update(&self, former: pg_sys::ItemPointerData) {
        // SAFETY: guaranteed by the caller. Of the former row only the address is read; what would evaluate a query
        // once more, for a row that has changed meanwhile, is there for triggers and never runs, as the row is locked.
        unsafe {
            let search =
                pg_sys::MakeSingleTupleTableSlot((*self.opened.table).rd_att, &raw const pg_sys::TTSOpsVirtual);
            (*search).tts_tid = former;
            let mut again = pg_sys::EPQState::default();
            let none = ptr::null_mut();
            #[cfg(feature = "pg15")]
            pg_sys::EvalPlanQualInit(&mut again, self.estate, ptr::null_mut(), none, -1);
            #[cfg(not(feature = "pg15"))]
            pg_sys::EvalPlanQualInit(&mut again, self.estate, ptr::null_mut(), none, -1, none);
            again.origslot = self.slot;
            pg_sys::ExecSimpleRelationUpdate(self.target, self.estate, &mut again, search, self.slot);
            pg_sys::EvalPlanQualEnd(&mut again);
            pg_sys::ExecDropSingleTupleTableSlot(search);
        }
    }
}
