//! Inserts and rewrites a row of ours as the executor does for a statement, but without one: no parser, planner or
//! plan. A statement that writes one row spends most of its time on being set up.
//!
//! Only of a table as it was installed (`plain_table.rs`). Where somebody has put triggers, rules, policies or columns
//! on it that ask for a statement, the row is written by one.

use std::ffi::{CStr, c_int};
use std::ptr;
use std::rc::Rc;

use pgrx::pg_sys;

use super::catalog_update::ColumnValue;
use super::index_key::IndexKey;
use super::index_scan::{Opened, UniqueIndex};
use super::plain_table::{self, PlainTable};
use super::snapshot::LatestSnapshot;
use super::target::Target;
use crate::pg::process::fault;
use crate::pg::report::diagnostics::Watch;
use crate::pg::roles::extension::raise_not_installed;
use crate::pg::transaction::acting_as::set_path_that_is_due;
use crate::pg::transaction::xact;
use crate::pg::types::row::Row;

impl UniqueIndex {
    /// Inserts a row into the table; columns that are not given have their default.
    ///
    /// # Errors
    /// Raises 25006 in a read-only transaction, 55000 when the table does not have these columns, 09000 when a trigger
    /// has kept the row out, and what an INSERT raises.
    pub fn insert<const N: usize>(&self, values: [ColumnValue; N]) {
        let Some(writing) = Writing::begin(self, Way::Insert) else {
            if self.insert_by_statement(values, "") == 0 {
                self.raise_kept();
            }
            return;
        };
        // SAFETY: the slot is filled with a value for each column before it is stored, and everything is of one table.
        unsafe {
            writing.fill_defaults(&values);
            writing.fill(values);
            pg_sys::ExecBSInsertTriggers(writing.target.estate, writing.target.relation);
            pg_sys::ExecSimpleRelationInsert(writing.target.relation, writing.target.estate, writing.target.slot);
            fault::step();
            pg_sys::ExecASInsertTriggers(writing.target.estate, writing.target.relation, ptr::null_mut());
        }
        writing.end();
    }

    /// As [`insert`](Self::insert), but inserts nothing and returns false when another row has the same `key` in the
    /// indexed column, as ON CONFLICT DO NOTHING does.
    ///
    /// # Errors
    /// As `insert`.
    pub fn insert_unless_taken<const N: usize>(&self, key: IndexKey<'_>, values: [ColumnValue; N]) -> bool {
        let Some(writing) = Writing::begin(self, Way::InsertSpeculatively) else {
            let (_, key_column) = self.names(&[self.column()]);
            let unless_taken = format!("ON CONFLICT ({}) DO NOTHING", key_column.concat());
            let is_inserted = self.insert_by_statement(values, &unless_taken) == 1;
            if !is_inserted && self.find(key, &LatestSnapshot::take(), |_| ()).is_none() {
                self.raise_kept();
            }
            return is_inserted;
        };
        // SAFETY: as in `insert`.
        let is_inserted = unsafe {
            writing.fill_defaults(&values);
            writing.fill(values);
            pg_sys::ExecBSInsertTriggers(writing.target.estate, writing.target.relation);
            pg_sys::ExecConstraints(writing.target.relation, writing.target.slot, writing.target.estate);
            let is_inserted = writing.insert_speculatively(self.column());
            pg_sys::ExecASInsertTriggers(writing.target.estate, writing.target.relation, ptr::null_mut());
            is_inserted
        };
        writing.end();
        is_inserted
    }

    /// Rewrites the row with this key, which this transaction has locked, as `change` says.
    ///
    /// # Errors
    /// As `insert`, with what an UPDATE raises.
    pub fn update<const N: usize>(&self, key: IndexKey<'_>, change: impl FnOnce(&Row) -> [ColumnValue; N]) {
        let Some(writing) = Writing::begin(self, Way::Update) else {
            let values = self.find(key, &LatestSnapshot::take(), change);
            if values.is_none_or(|values| self.update_by_statement(key, values) == 0) {
                self.raise_kept();
            }
            return;
        };
        let snapshot = LatestSnapshot::take();
        let is_updated = self
            .find_in(writing.opened, key, &snapshot, |tuple| {
                // SAFETY: the tuple is of this table and stays while the scan does not move, and with it the values of
                // columns that do not change. The trigger before the statement, one of ours, writes nothing.
                unsafe {
                    let descriptor = (*writing.opened.table).rd_att;
                    let values = change(&Row::new(tuple, descriptor));
                    let (datums, nulls) = ((*writing.target.slot).tts_values, (*writing.target.slot).tts_isnull);
                    pg_sys::heap_deform_tuple(tuple, descriptor, datums, nulls);
                    writing.fill(values);
                    pg_sys::ExecBSUpdateTriggers(writing.target.estate, writing.target.relation);
                    writing.update((*tuple).t_self);
                    pg_sys::ExecASUpdateTriggers(writing.target.estate, writing.target.relation, ptr::null_mut());
                }
            })
            .is_some();
        if !is_updated {
            self.raise_kept();
        }
        writing.end();
    }
}

/// One row being written. After an error the abort of the transaction releases what is open.
struct Writing {
    opened: Opened,
    target: Target,
    /// Under which triggers run where no statement of a client has one, as in a worker.
    snapshot: Option<LatestSnapshot>,
    /// Whose constraints the target has borrowed.
    plain: Rc<PlainTable>,
    _watch: Watch,
}

/// How a row is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Insert,
    /// Unless its value in the indexed column is taken.
    InsertSpeculatively,
    Update,
}

impl Way {
    /// The command, as PostgreSQL names it where it must not run.
    fn command(self) -> &'static CStr {
        if self == Way::Update { c"UPDATE" } else { c"INSERT" }
    }
}

impl Writing {
    /// `None` when a statement has to write the row.
    fn begin(indexed: &UniqueIndex, way: Way) -> Option<Self> {
        let watch = Watch::begin();
        xact::refuse_read_only(way.command());
        xact::refuse_parallel(way.command());
        let opened = indexed.open(pg_sys::RowExclusiveLock as pg_sys::LOCKMODE);
        // SAFETY: open and locked.
        let Some(plain) = (unsafe { PlainTable::of(opened.table) }) else {
            // SAFETY: opened above; its lock is kept.
            unsafe { pg_sys::table_close(opened.table, pg_sys::NoLock as c_int) };
            return None;
        };
        // SAFETY: what the executor does before it runs a statement; `end` undoes it in the opposite order. The row is
        // written by a command of its own, after what this transaction has just done. To insert a row takes no
        // snapshot, and none is taken. What triggers of an update make lasts as long as the state.
        unsafe {
            pg_sys::CommandCounterIncrement();
            let snapshot = (!pg_sys::ActiveSnapshotSet()).then(LatestSnapshot::take);
            if let Some(snapshot) = &snapshot {
                pg_sys::PushActiveSnapshot(snapshot.as_ptr());
            }
            let target = Target::open(opened.table, &plain, way == Way::InsertSpeculatively, way != Way::Update);
            (*target.estate).es_snapshot = pg_sys::GetActiveSnapshot();
            (*target.estate).es_output_cid = pg_sys::GetCurrentCommandId(true);
            pg_sys::AfterTriggerBeginQuery();
            fault::step();
            Some(Writing { opened, target, snapshot, plain, _watch: watch })
        }
    }

    fn end(self) {
        let Writing { opened, target, snapshot, plain, _watch } = self;
        // SAFETY: ends what `begin` has begun; triggers after the statement fire while all is still there. The lock of
        // the table is kept until the transaction ends, as after a statement; what was written is visible from now on.
        unsafe {
            pg_sys::AfterTriggerEndQuery(target.estate);
            fault::step();
            target.close(&plain);
            pg_sys::table_close(opened.table, pg_sys::NoLock as c_int);
            if snapshot.is_some() {
                pg_sys::PopActiveSnapshot();
            }
            pg_sys::CommandCounterIncrement();
        }
    }

    /// Puts the row into the slot: these values, over what the slot's arrays have of every other column.
    ///
    /// # Errors
    /// Raises 55000 when the table lacks a column, or one has another type: it is of another version.
    ///
    /// # Safety
    /// The arrays must have a value for each column of the table, and all values live as long as the slot holds them.
    unsafe fn fill<const N: usize>(&self, values: [ColumnValue; N]) {
        // SAFETY: guaranteed by the caller. The slot was made for the table's columns, and its arrays have one entry
        // for each; a value of a column's type is what the column takes.
        unsafe {
            let columns = (*(*self.opened.table).rd_att).natts as usize;
            let (datums, nulls) = ((*self.target.slot).tts_values, (*self.target.slot).tts_isnull);
            for (column, value) in values {
                if column > columns || plain_table::attribute(self.opened.table, column).atttypid != value.oid() {
                    raise_not_installed();
                }
                let datum = value.into_datum();
                *nulls.add(column - 1) = datum.is_none();
                *datums.add(column - 1) = datum.unwrap_or(pg_sys::Datum::null());
            }
            pg_sys::ExecStoreVirtualTuple(self.target.slot);
        }
    }

    /// Puts the defaults of all columns but the given ones into the slot's arrays.
    ///
    /// # Safety
    /// The slot must be empty.
    unsafe fn fill_defaults(&self, given: &[ColumnValue]) {
        // SAFETY: the slot was made for the table's columns, and its arrays have one entry for each.
        unsafe {
            let columns = (*(*self.opened.table).rd_att).natts as usize;
            let (datums, nulls) = ((*self.target.slot).tts_values, (*self.target.slot).tts_isnull);
            std::slice::from_raw_parts_mut(nulls, columns).fill(true);
            for column in 1..=columns {
                if plain_table::attribute(self.opened.table, column).atthasdef
                    && given.iter().all(|(known, _)| *known != column)
                    && let Some(datum) = self.default(column)
                {
                    *nulls.add(column - 1) = false;
                    *datums.add(column - 1) = datum;
                }
            }
        }
    }

    /// The default of a column: a release may add a column that this library does not know yet.
    ///
    /// # Safety
    /// The table must have a column of this number, and that a default.
    unsafe fn default(&self, column: usize) -> Option<pg_sys::Datum> {
        // SAFETY: guaranteed by the caller. The expression is planned and evaluated in the memory of this one row.
        unsafe {
            self.target.use_once();
            set_path_that_is_due();
            let node = pg_sys::build_column_default(self.opened.table, column as c_int);
            let state = pg_sys::ExecPrepareExpr(node.cast(), self.target.estate);
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
            let existing = (*self.target.estate).es_per_tuple_exprcontext;
            if existing.is_null() { pg_sys::MakePerTupleExprContext(self.target.estate) } else { existing }
        }
    }

    /// Inserts the row unless its value in this column, the indexed one, is taken. Values are hardly ever taken, so
    /// unlike ExecInsert it does not look first: a row whose value turns out to be taken is taken back.
    ///
    /// # Safety
    /// The slot must hold the row, and the indexes be open for speculative insertion.
    unsafe fn insert_speculatively(&self, column: usize) -> bool {
        // SAFETY: guaranteed by the caller. Whoever inserts the same value meanwhile waits for the lock that is taken
        // here, and then looks again. The list lives in the caller's memory context.
        unsafe {
            let arbiters = self.arbiters(column);
            let xid = pg_sys::GetCurrentTransactionId();
            loop {
                pgrx::check_for_interrupts!();
                let token = pg_sys::SpeculativeInsertionLockAcquire(xid);
                let (table, slot) = (self.opened.table, self.target.slot);
                let command = (*self.target.estate).es_output_cid;
                pg_sys::table_tuple_insert_speculative(table, slot, command, 0, ptr::null_mut(), token);
                fault::step();
                let mut is_taken = false;
                let deferred = self.insert_index_tuples(arbiters, &mut is_taken);
                pg_sys::table_tuple_complete_speculative(table, slot, token, !is_taken);
                pg_sys::SpeculativeInsertionLockRelease(xid);
                if !is_taken {
                    pg_sys::ExecARInsertTriggers(
                        self.target.estate,
                        self.target.relation,
                        slot,
                        deferred,
                        ptr::null_mut(),
                    );
                    return true;
                }
                // Waits until whoever has inserted the same value has committed or taken it back.
                if !self.is_free(arbiters) {
                    return false;
                }
            }
        }
    }

    /// The indexes that tell whether a value in this column is taken. REINDEX CONCURRENTLY has two of them for a while,
    /// both of which get entries; a value that is taken in one that is not asked is an error.
    ///
    /// # Safety
    /// The indexes must be open.
    unsafe fn arbiters(&self, column: usize) -> *mut pg_sys::List {
        // SAFETY: guaranteed by the caller; both arrays have so many elements, and a key has a column at least.
        unsafe {
            let target = &*self.target.relation;
            let mut arbiters = ptr::null_mut();
            for place in 0..usize::try_from(target.ri_NumIndices).unwrap_or_default() {
                let form = &*(**target.ri_IndexRelationDescs.add(place)).rd_index;
                let info = &**target.ri_IndexRelationInfo.add(place);
                let is_of_column = info.ii_NumIndexKeyAttrs == 1
                    && usize::try_from(info.ii_IndexAttrNumbers[0]) == Ok(column)
                    && info.ii_Predicate.is_null();
                if is_of_column && info.ii_Unique && form.indimmediate {
                    arbiters = pg_sys::lappend_oid(arbiters, form.indexrelid);
                }
            }
            arbiters
        }
    }

    /// # Safety
    /// As for `insert_speculatively`, once the row is in the table.
    unsafe fn insert_index_tuples(&self, arbiters: *mut pg_sys::List, is_taken: &mut bool) -> *mut pg_sys::List {
        let Target { relation: target, slot, estate, .. } = self.target;
        // SAFETY: guaranteed by the caller.
        unsafe {
            #[cfg(feature = "pg15")]
            return pg_sys::ExecInsertIndexTuples(target, slot, estate, false, true, is_taken, arbiters);
            #[cfg(not(feature = "pg15"))]
            return pg_sys::ExecInsertIndexTuples(target, slot, estate, false, true, is_taken, arbiters, false);
        }
    }

    /// # Safety
    /// As for `insert_speculatively`.
    unsafe fn is_free(&self, arbiters: *mut pg_sys::List) -> bool {
        let Target { relation: target, slot, estate, .. } = self.target;
        let mut other = pg_sys::ItemPointerData::default();
        // SAFETY: guaranteed by the caller.
        unsafe {
            #[cfg(not(feature = "pg18"))]
            {
                pg_sys::ExecCheckIndexConstraints(target, slot, estate, &mut other, arbiters)
            }
            #[cfg(feature = "pg18")]
            {
                // The row itself is not in the table.
                let mut itself = pg_sys::ItemPointerData::default();
                pg_sys::ExecCheckIndexConstraints(target, slot, estate, &mut other, &mut itself, arbiters)
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
            pg_sys::EvalPlanQualInit(&mut again, self.target.estate, ptr::null_mut(), none, -1);
            #[cfg(not(feature = "pg15"))]
            pg_sys::EvalPlanQualInit(&mut again, self.target.estate, ptr::null_mut(), none, -1, none);
            again.origslot = self.target.slot;
            pg_sys::ExecSimpleRelationUpdate(
                self.target.relation,
                self.target.estate,
                &mut again,
                search,
                self.target.slot,
            );
            fault::step();
            pg_sys::EvalPlanQualEnd(&mut again);
            pg_sys::ExecDropSingleTupleTableSlot(search);
        }
    }
}
