//! What the executor writes rows of a table with: its state, and the table with its indexes as the target of a row.
//!
//! For a single row most of the time would go into making that: expressions of indexes are planned and compiled,
//! triggers copied. Where nothing in it can go out of date unnoticed it is kept for the next row, with the table's
//! constraints. Nothing is kept that would have to be released: relations are opened anew for each row, and the slot
//! has a descriptor of its own.

use std::cell::Cell;
use std::ffi::CStr;
use std::{ptr, thread};

use pgrx::pg_sys;

use super::plain_table::{PlainTable, all_of, is_constant};
use crate::pg::roles::authorization;
use crate::pg::transaction::acting_as::set_path_that_is_due;
use crate::pg::transaction::locks_held::LocksHeld;

/// The lock under which entries are added to an index.
const WRITING: pg_sys::LOCKMODE = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;
const NONE: pg_sys::LOCKMODE = pg_sys::NoLock as pg_sys::LOCKMODE;

/// The executor's state and a table as its target. All of it is in the state's own memory, which goes when it is
/// dropped.
pub(super) struct Target {
    pub estate: *mut pg_sys::EState,
    /// The table; it is in no range table, as where logical replication or COPY route rows.
    pub relation: *mut pg_sys::ResultRelInfo,
    /// The row, without memory of its own.
    pub slot: *mut pg_sys::TupleTableSlot,
    indexes: Vec<pg_sys::Oid>,
    is_speculative: bool,
    /// Whether the next row may be written with it as well.
    is_reusable: Cell<bool>,
    /// Since when the functions that it calls are what they were.
    functions: u64,
    /// When it was used last; `None`: it is new.
    used: Option<LocksHeld>,
    /// Whether the locks of the indexes were not given back then.
    keeps_locks: bool,
    /// The lock under which the indexes are open: none where that of an earlier row is still held.
    lock: pg_sys::LOCKMODE,
}

impl Target {
    /// Opens the table's indexes and makes all that is needed to write a row of it, or takes what was kept.
    ///
    /// # Safety
    /// `table` must be that of `plain`, open and locked for writing; `plain` must be held as long as the target.
    pub unsafe fn open(table: pg_sys::Relation, plain: &PlainTable, is_speculative: bool, is_reusable: bool) -> Self {
        let functions = authorization::generation();
        let kept = is_reusable.then(|| plain.take_target()).flatten();
        // SAFETY: guaranteed by the caller.
        unsafe {
            match kept.filter(|kept| kept.functions == functions && kept.is_speculative == is_speculative) {
                Some(mut kept) => {
                    kept.open_again(table);
                    kept
                }
                None => Target::new(table, plain, is_speculative, is_reusable, functions),
            }
        }
    }

    /// # Safety
    /// As for `open`.
    unsafe fn new(
        table: pg_sys::Relation,
        plain: &PlainTable,
        is_speculative: bool,
        is_reusable: bool,
        functions: u64,
    ) -> Self {
        // Indexes and triggers may have expressions that call functions of others, and defaults, too. What is kept for
        // the next row has none.
        set_path_that_is_due();
        // SAFETY: guaranteed by the caller. Should anything raise, the memory goes with that of the call, under which
        // it stays until it is kept.
        unsafe {
            let estate = pg_sys::CreateExecutorState();
            let memory = (*estate).es_query_cxt;
            let former = pg_sys::MemoryContextSwitchTo(memory);
            let relation: *mut pg_sys::ResultRelInfo = pg_sys::palloc0(size_of::<pg_sys::ResultRelInfo>()).cast();
            pg_sys::InitResultRelInfo(relation, table, 0, ptr::null_mut(), 0);
            plain.lend(relation);
            if let Some(triggers) = (*relation).ri_TrigDesc.as_ref() {
                // The executor looks them up when they fire, in whatever memory is current.
                for place in 0..usize::try_from(triggers.numtriggers).unwrap_or_default() {
                    let function = (*triggers.triggers.add(place)).tgfoid;
                    pg_sys::fmgr_info_cxt(function, (*relation).ri_TrigFunctions.add(place), memory);
                }
            }
            pg_sys::ExecOpenIndices(relation, is_speculative);
            // A relation's own descriptor would be pinned by each slot.
            let descriptor = pg_sys::CreateTupleDescCopy((*table).rd_att);
            let slot = pg_sys::MakeSingleTupleTableSlot(descriptor, &raw const pg_sys::TTSOpsVirtual);
            (*slot).tts_tableOid = (*table).rd_id;
            pg_sys::MemoryContextSwitchTo(former);
            let count = usize::try_from((*relation).ri_NumIndices).unwrap_or_default();
            let indexes = (0..count).map(|place| (**(*relation).ri_IndexRelationDescs.add(place)).rd_id).collect();
            let is_reusable = Cell::new(is_reusable);
            Target {
                estate,
                relation,
                slot,
                indexes,
                is_speculative,
                is_reusable,
                functions,
                used: None,
                keeps_locks: false,
                lock: WRITING,
            }
        }
    }

    /// # Safety
    /// As for `open`; nothing of the table's definition may have changed since the target was made.
    unsafe fn open_again(&mut self, table: pg_sys::Relation) {
        let relation = self.relation;
        self.lock = if self.keeps_locks && self.used == Some(LocksHeld::now()) { NONE } else { WRITING };
        // SAFETY: guaranteed by the caller; there are as many indexes as before, and they are locked from here on.
        unsafe {
            (*relation).ri_RelationDesc = table;
            for (place, &oid) in self.indexes.iter().enumerate() {
                let index = pg_sys::index_open(oid, self.lock);
                *(*relation).ri_IndexRelationDescs.add(place) = index;
                // CREATE INDEX CONCURRENTLY tells only the index itself when it is to be written.
                (**(*relation).ri_IndexRelationInfo.add(place)).ii_ReadyForInserts = (*(*index).rd_index).indisready;
            }
        }
    }

    /// Keeps it from being used for another row: it has got memory for this one that only goes with it.
    pub fn use_once(&self) {
        self.is_reusable.set(false);
    }

    /// Closes the indexes, and keeps the target for the next row of the table if that is possible.
    ///
    /// The locks of indexes are given back, as at the end of a statement, but from the second row of a transaction on:
    /// to take them for each of a million would take longer than to write their entries.
    ///
    /// # Safety
    /// The table must still be open, and everything that was begun with the target ended.
    pub unsafe fn close(mut self, plain: &PlainTable) {
        let (estate, relation) = (self.estate, self.relation);
        // SAFETY: guaranteed by the caller.
        unsafe {
            pg_sys::ExecClearTuple(self.slot);
            // What triggers have opened.
            let is_clean = (*estate).es_tupleTable.is_null() && (*estate).es_trig_target_relations.is_null();
            if !self.is_reusable.get() || !is_clean || !plain.keeps_target(|| has_constant_expressions(relation)) {
                match self.used {
                    None => pg_sys::ExecCloseIndices(relation),
                    // B-trees, which have nothing else to give back than their locks.
                    Some(_) => self.close_indexes(self.lock),
                }
                pg_sys::ExecResetTupleTable((*estate).es_tupleTable, false);
                pg_sys::ExecCloseResultRelations(estate);
                return;
            }
            let now = LocksHeld::now();
            self.keeps_locks = self.used.is_some_and(|used| used.is_of_transaction_of(now));
            self.close_indexes(if self.keeps_locks { NONE } else { self.lock });
            if let Some(expressions) = (*estate).es_per_tuple_exprcontext.as_ref() {
                pg_sys::MemoryContextReset(expressions.ecxt_per_tuple_memory);
            }
            if self.used.is_none() {
                pg_sys::MemoryContextSetParent((*estate).es_query_cxt, pg_sys::CacheMemoryContext);
            }
            self.used = Some(now);
        }
        plain.keep_target(self);
    }

    /// # Safety
    /// The indexes must be open, and under this lock, if any, for this row.
    unsafe fn close_indexes(&self, unlock: pg_sys::LOCKMODE) {
        // SAFETY: guaranteed by the caller.
        unsafe {
            for place in 0..self.indexes.len() {
                pg_sys::index_close(*(*self.relation).ri_IndexRelationDescs.add(place), unlock);
            }
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // SAFETY: nobody uses it any more; an error unwinds to here before the memory around it goes, and what
        // functions would do at the end of a query is not for a query that has failed.
        unsafe {
            if thread::panicking() {
                pg_sys::MemoryContextDelete((*self.estate).es_query_cxt);
            } else {
                pg_sys::FreeExecutorState(self.estate);
            }
        }
    }
}

/// Whether all that was compiled for one row is right for the next, and calls no function but the server's own: the
/// conditions of triggers, and indexes that are B-trees, which keep nothing between two rows.
///
/// # Safety
/// The indexes must be open.
unsafe fn has_constant_expressions(relation: *mut pg_sys::ResultRelInfo) -> bool {
    // SAFETY: guaranteed by the caller; the text is zero-terminated.
    let is_constant_list =
        |list: *mut pg_sys::List| unsafe { is_constant(CStr::from_ptr(pg_sys::nodeToString(list.cast())).to_bytes()) };
    // SAFETY: as above; there may be no condition.
    let is_constant_trigger = |trigger: &pg_sys::Trigger| unsafe {
        u32::from(trigger.tgtype.cast_unsigned()) & pg_sys::TRIGGER_TYPE_INSERT == 0
            || trigger.tgqual.is_null()
            || is_constant(CStr::from_ptr(trigger.tgqual).to_bytes())
    };
    // SAFETY: guaranteed by the caller; both arrays have so many elements.
    unsafe {
        let has_constant_indexes = (0..usize::try_from((*relation).ri_NumIndices).unwrap_or_default()).all(|place| {
            let index = *(*relation).ri_IndexRelationDescs.add(place);
            let info = *(*relation).ri_IndexRelationInfo.add(place);
            (*(*index).rd_rel).relam == pg_sys::BTREE_AM_OID
                && is_constant_list((*info).ii_Expressions)
                && is_constant_list((*info).ii_Predicate)
        });
        let triggers = (*relation).ri_TrigDesc.as_ref();
        has_constant_indexes && triggers.is_none_or(|triggers| all_of(triggers).iter().all(is_constant_trigger))
    }
}
