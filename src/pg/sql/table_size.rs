//! What the planner takes the size of tables for.
//!
//! A plan over rows in memory, of which there may be one or a million, must go from each of them to our tables by an
//! index. To go the other way, through all rows in memory for each row of a table, seems as good to a planner that
//! believes the table to be empty, to have hardly any rows that fulfil a condition, or to have an index of just those;
//! and it is quadratic. No statistics are right for a plan that is kept, and those of a table that was filled a moment
//! ago are wrong anyway. So the planner is told how large tables of ours may become, while it makes such a plan.

use std::cell::Cell;
use std::ptr;

use pgrx::pg_sys;

use crate::pg::process::backend_local::backend_local;

/// What tables are taken for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// As their statistics say.
    Counted,
    /// To have at least as many rows as their pages tell, whatever was counted when they had fewer.
    Full,
    /// To be large, with nothing known of what is in them.
    Large,
}

/// The hooks of other libraries, which are called before ours.
#[derive(Clone, Copy)]
struct Others {
    relation: pg_sys::get_relation_info_hook_type,
    column: pg_sys::get_relation_stats_hook_type,
    index: pg_sys::get_index_stats_hook_type,
}

backend_local! {
    static TAKEN: Cell<Size> = const { Cell::new(Size::Counted) };
    static OTHERS: Cell<Others> = const { Cell::new(Others { relation: None, column: None, index: None }) };
}

/// Makes the planner ask here; once, from `_PG_init`.
pub fn register() {
    // SAFETY: variables of this process, which has one thread; the functions are static.
    unsafe {
        OTHERS.set(Others {
            relation: pg_sys::get_relation_info_hook,
            column: pg_sys::get_relation_stats_hook,
            index: pg_sys::get_index_stats_hook,
        });
        pg_sys::get_relation_info_hook = Some(relation_info);
        pg_sys::get_relation_stats_hook = Some(column_statistics);
        pg_sys::get_index_stats_hook = Some(index_statistics);
    }
}

pub(super) fn taken() -> Size {
    TAKEN.get()
}

pub(super) fn take(tables: Size) {
    TAKEN.set(tables);
}

/// So many rows that to read all of a table is never the way to some of them.
const LARGE: f64 = 1e8;

/// Rows on a page of ours that is as full as it is kept.
const PER_PAGE: f64 = 20.0;

/// As few rows as a page has that was written lately.
const AT_LEAST_PER_PAGE: f64 = 10.0;

// The hooks are not guarded: nothing in them panics, nothing has a destructor, and what another library raises passes
// through them as it would from one C function to another.

unsafe extern "C-unwind" fn relation_info(
    root: *mut pg_sys::PlannerInfo,
    oid: pg_sys::Oid,
    is_parent: bool,
    relation: *mut pg_sys::RelOptInfo,
) {
    // SAFETY: the planner passes what it has found out of a relation, for hooks to change.
    unsafe {
        if let Some(next) = OTHERS.get().relation {
            next(root, oid, is_parent, relation);
        }
        match TAKEN.get() {
            Size::Counted => {}
            Size::Full => fill(&mut *relation),
            Size::Large => enlarge(&mut *relation),
        }
    }
}

/// # Safety
/// The relation must be as the planner has found it, with its indexes.
unsafe fn fill(relation: &mut pg_sys::RelOptInfo) {
    relation.tuples = relation.tuples.max(f64::from(relation.pages) * AT_LEAST_PER_PAGE);
    // SAFETY: the caller's.
    unsafe {
        each_index(relation, |index| {
            if index.indpred.is_null() {
                index.tuples = index.tuples.max(relation.tuples);
            }
        });
    }
}

/// # Safety
/// As of [`fill`].
unsafe fn enlarge(relation: &mut pg_sys::RelOptInfo) {
    relation.tuples = LARGE;
    relation.pages = (LARGE / PER_PAGE) as pg_sys::BlockNumber;
    relation.allvisfrac = 0.0;
    // What somebody has had counted of several columns together.
    relation.statlist = ptr::null_mut();
    // SAFETY: the caller's.
    unsafe {
        each_index(relation, |index| {
            index.tuples = LARGE;
            index.pages = relation.pages / 4;
        });
    }
}

/// # Safety
/// As of [`fill`].
unsafe fn each_index(relation: &pg_sys::RelOptInfo, mut change: impl FnMut(&mut pg_sys::IndexOptInfo)) {
    // SAFETY: a list has as many cells as it says; an empty one is NULL.
    unsafe {
        let Some(indexes) = relation.indexlist.as_ref() else { return };
        for place in 0..usize::try_from(indexes.length).unwrap_or_default() {
            change(&mut *(*indexes.elements.add(place)).ptr_value.cast());
        }
    }
}

unsafe extern "C-unwind" fn column_statistics(
    root: *mut pg_sys::PlannerInfo,
    entry: *mut pg_sys::RangeTblEntry,
    column: pg_sys::AttrNumber,
    found: *mut pg_sys::VariableStatData,
) -> bool {
    // SAFETY: the planner passes an entry of its range table, and where to put what is known of the column.
    unsafe {
        let is_table = (*entry).rtekind == pg_sys::RTEKind::RTE_RELATION;
        if is_table && TAKEN.get() == Size::Large {
            return know_nothing(found);
        }
        OTHERS.get().column.is_some_and(|next| next(root, entry, column, found))
    }
}

unsafe extern "C-unwind" fn index_statistics(
    root: *mut pg_sys::PlannerInfo,
    index: pg_sys::Oid,
    column: pg_sys::AttrNumber,
    found: *mut pg_sys::VariableStatData,
) -> bool {
    // SAFETY: as above.
    unsafe {
        if TAKEN.get() == Size::Large {
            return know_nothing(found);
        }
        OTHERS.get().index.is_some_and(|next| next(root, index, column, found))
    }
}

/// Answers that there are no statistics. Not all that ask, `brincostestimate` among them, have said so before.
///
/// # Safety
/// `found` must be what the planner has passed to a hook.
unsafe fn know_nothing(found: *mut pg_sys::VariableStatData) -> bool {
    // SAFETY: guaranteed by the caller.
    unsafe {
        (*found).statsTuple = ptr::null_mut();
        (*found).freefunc = None;
    }
    true
}
