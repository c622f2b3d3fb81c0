//! Rewrites a row of ours in passing: only when that can be done at once, and never with an error for the caller.

use std::ffi::c_int;

use pgrx::pg_sys;

use super::index_key::IndexKey;
use super::index_scan::UniqueIndex;
use super::snapshot::LatestSnapshot;
use crate::pg::process::fault;
use crate::pg::sql::statement::Argument;
use crate::pg::types::row::Row;

/// A column to set: its number and its new value.
pub type ColumnValue = (usize, Argument);

/// The result of an attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum UpdateOutcome {
    /// The row is rewritten.
    Written,
    /// `change` asked for no change.
    Unchanged,
    /// The row does not exist, somebody else has locked it or just rewritten it, or its table has more than it was made
    /// with.
    Skipped,
}

/// Rewrites the row with this key as `change` says, unless that would mean waiting for a lock.
///
/// The columns in its own indexes must not change. This is how PostgreSQL writes its own catalogs: what else somebody
/// has put on the table is not applied, so a row of a table that [has more](has_more) than it was made with is left
/// alone.
pub fn catalog_update_nowait<const N: usize>(
    table: &UniqueIndex,
    key: IndexKey<'_>,
    snapshot: &LatestSnapshot,
    change: impl FnOnce(&Row) -> Option<[ColumnValue; N]>,
) -> UpdateOutcome {
    // Does not wait for a lock on the whole table either, such as that of CREATE INDEX.
    let locked = table.index().table_oid();
    // SAFETY: takes a heavyweight lock or returns false; held until the end of the transaction, as after any UPDATE.
    if !unsafe { pg_sys::ConditionalLockRelationOid(locked, pg_sys::RowExclusiveLock as c_int) } {
        return UpdateOutcome::Skipped;
    }
    table
        .find_tuple(key, snapshot, |relation, tuple| {
            // The name may denote another table by now than the one that was locked.
            // SAFETY: the relation is open and locked.
            if unsafe { (*relation).rd_id != locked || has_more(relation) } {
                return UpdateOutcome::Skipped;
            }
            // SAFETY: the tuple belongs to this relation and lives while the scan does not move.
            let row = unsafe { Row::new(tuple, (*relation).rd_att) };
            match change(&row) {
                None => UpdateOutcome::Unchanged,
                // SAFETY: as above.
                Some(changes) if unsafe { lock_at_once(relation, tuple) } => {
                    // SAFETY: as above; after taking the lock, the update can neither wait nor fail.
                    unsafe { rewrite(relation, tuple, changes) };
                    UpdateOutcome::Written
                }
                Some(_) => UpdateOutcome::Skipped,
            }
        })
        .unwrap_or(UpdateOutcome::Skipped)
}

/// Whether somebody has put something on the table that only an UPDATE statement applies: a trigger, a rule, a CHECK
/// constraint, a generated column, or an index that is partial, on expressions, or constrains anything but the key.
/// Such an index is worse than ignored: without an executor its expressions crash.
///
/// # Safety
/// `relation` must be open and locked.
unsafe fn has_more(relation: pg_sys::Relation) -> bool {
    // SAFETY: the relation's cache entry is valid while it is open; the list is palloc'd.
    unsafe {
        let constraints = (*(*relation).rd_att).constr.as_ref();
        let is_constrained = constraints.is_some_and(|all| all.num_check > 0 || all.has_generated_stored);
        if is_constrained || !(*relation).trigdesc.is_null() || !(*relation).rd_rules.is_null() {
            return true;
        }
        let list = pg_sys::RelationGetIndexList(relation);
        let count = list.as_ref().map_or(0, |list| usize::try_from(list.length).unwrap_or_default());
        let is_plain = (0..count).all(|index| is_plain((*(*list).elements.add(index)).oid_value));
        pg_sys::list_free(list);
        !is_plain
    }
}

/// Whether an index has an entry for each row, of its columns alone, and forbids nothing unless it is the primary key.
///
/// # Safety
/// `index` must be that of a table that is open and locked.
unsafe fn is_plain(index: pg_sys::Oid) -> bool {
    // SAFETY: an index lives as long as its table is locked; its row of pg_index is part of its cache entry.
    unsafe {
        let relation = pg_sys::index_open(index, pg_sys::AccessShareLock as c_int);
        let form = &*(*relation).rd_index;
        let has = |column| !pg_sys::heap_attisnull((*relation).rd_indextuple, column, std::ptr::null_mut());
        let is_plain = !has(pg_sys::Anum_pg_index_indexprs as c_int)
            && !has(pg_sys::Anum_pg_index_indpred as c_int)
            && !form.indisexclusion
            && (form.indisprimary || !form.indisunique);
        pg_sys::index_close(relation, pg_sys::AccessShareLock as c_int);
        is_plain
    }
}

/// Locks the tuple as an UPDATE would, if nobody else has locked it and it is still the newest version.
///
/// # Safety
/// `tuple` must be a tuple of `relation`.
unsafe fn lock_at_once(relation: pg_sys::Relation, tuple: pg_sys::HeapTuple) -> bool {
    let mut locked = pg_sys::HeapTupleData::default();
    let mut buffer: pg_sys::Buffer = 0;
    let mut failure = pg_sys::TM_FailureData::default();
    // SAFETY: heap_lock_tuple reads t_self, fills in the rest, and leaves the buffer pinned whatever it returns.
    unsafe {
        locked.t_self = (*tuple).t_self;
        let answer = pg_sys::heap_lock_tuple(
            relation,
            &mut locked,
            pg_sys::GetCurrentCommandId(true),
            pg_sys::LockTupleMode::LockTupleNoKeyExclusive,
            pg_sys::LockWaitPolicy::LockWaitSkip,
            false,
            &mut buffer,
            &mut failure,
        );
        pg_sys::ReleaseBuffer(buffer);
        fault::step();
        answer == pg_sys::TM_Result::TM_Ok
    }
}

/// # Safety
/// `tuple` must be a tuple of `relation`, locked by this transaction, and the changes of its columns' types.
unsafe fn rewrite<const N: usize>(relation: pg_sys::Relation, tuple: pg_sys::HeapTuple, changes: [ColumnValue; N]) {
    let mut columns = [0; N];
    let mut values = [pg_sys::Datum::null(); N];
    let mut nulls = [false; N];
    for (index, (column, value)) in changes.into_iter().enumerate() {
        columns[index] = c_int::try_from(column).unwrap_or_default();
        let datum = value.into_datum();
        nulls[index] = datum.is_none();
        values[index] = datum.unwrap_or(pg_sys::Datum::null());
    }
    // SAFETY: guaranteed by the caller; the new tuple is palloc'd and freed.
    unsafe {
        let changed = pg_sys::heap_modify_tuple_by_cols(
            tuple,
            (*relation).rd_att,
            N as c_int,
            columns.as_mut_ptr(),
            values.as_mut_ptr(),
            nulls.as_mut_ptr(),
        );
        pg_sys::CatalogTupleUpdate(relation, &mut (*tuple).t_self, changed);
        fault::step();
        pg_sys::heap_freetuple(changed);
    }
}
