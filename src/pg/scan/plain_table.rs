//! Tables of ours on which nobody has put anything, and their CHECK constraints, compiled once: for one row, the
//! executor spends more time on reading and compiling them than on everything else that it does.
//!
//! Rows of such a table may be written without a statement. Any other is written by one, so that whatever somebody has
//! put on it applies as they expect.

use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::{CStr, c_char, c_void};
use std::mem::ManuallyDrop;
use std::rc::Rc;

use pgrx::pg_sys;

use super::invalidation;
use super::target::Target;
use crate::pg::process::backend_local::backend_local;

/// A plain table: its constraints, compiled, and what its last row was written with.
pub(super) struct PlainTable {
    /// One for each constraint, in the order of the table; NULL where there are none.
    constraints: *mut *mut pg_sys::ExprState,
    /// What they are allocated in.
    memory: pg_sys::MemoryContext,
    /// Whether rows may be written with what others were written with.
    keeps_target: OnceCell<bool>,
    /// Nothing while a row is being written, nor after an error in that.
    target: Cell<Option<Target>>,
}

/// A table that was looked at: `None` if it is not plain.
struct Known {
    table: pg_sys::Oid,
    generation: u64,
    plain: Option<Rc<PlainTable>>,
}

backend_local! {
    /// Not dropped at the end of the process, when the server's memory is no longer ours to free.
    static KNOWN: RefCell<ManuallyDrop<Vec<Known>>> = const { RefCell::new(ManuallyDrop::new(Vec::new())) };
}

impl PlainTable {
    /// The table, if it is plain; from memory unless its definition may have changed.
    ///
    /// # Safety
    /// `table` must be open and locked.
    pub(super) unsafe fn of(table: pg_sys::Relation) -> Option<Rc<Self>> {
        // SAFETY: guaranteed by the caller.
        let oid = unsafe { (*table).rd_id };
        invalidation::watch_table(oid);
        let generation = invalidation::names();
        let known = KNOWN.with_borrow_mut(|known| {
            // Whoever is writing at this moment keeps what it has borrowed.
            known.retain(|one| one.generation == generation);
            known.iter().find(|one| one.table == oid).map(|one| one.plain.clone())
        });
        known.unwrap_or_else(|| {
            // SAFETY: guaranteed by the caller.
            let plain = unsafe { is_plain(table).then(|| Rc::new(PlainTable::compile(table))) };
            KNOWN.with_borrow_mut(|known| known.push(Known { table: oid, generation, plain: plain.clone() }));
            plain
        })
    }

    /// Lets the executor use the compiled constraints.
    ///
    /// # Safety
    /// `target` must have just been initialised with this table, and be used no longer than `self` is held.
    pub(super) unsafe fn lend(&self, target: *mut pg_sys::ResultRelInfo) {
        // SAFETY: guaranteed by the caller; the executor only reads them.
        unsafe {
            #[cfg(not(feature = "pg18"))]
            ((*target).ri_ConstraintExprs = self.constraints);
            #[cfg(feature = "pg18")]
            ((*target).ri_CheckConstraintExprs = self.constraints);
        }
    }

    /// Whether a target may be kept, which is asked once.
    pub(super) fn keeps_target(&self, has_constant_expressions: impl FnOnce() -> bool) -> bool {
        *self.keeps_target.get_or_init(has_constant_expressions)
    }

    /// What the last row was written with, unless a row is being written.
    pub(super) fn take_target(&self) -> Option<Target> {
        self.target.take()
    }

    /// Keeps it for the next row.
    pub(super) fn keep_target(&self, target: Target) {
        self.target.set(Some(target));
    }

    /// # Safety
    /// `table` must be open, locked and plain.
    unsafe fn compile(table: pg_sys::Relation) -> Self {
        // SAFETY: guaranteed by the caller. Should compiling raise, the context goes with the one of the call, under
        // which it stays until all is compiled.
        unsafe {
            let memory = pg_sys::AllocSetContextCreateInternal(
                pg_sys::CurrentMemoryContext,
                c"tokenauth constraints".as_ptr(),
                pg_sys::ALLOCSET_SMALL_MINSIZE as usize,
                pg_sys::ALLOCSET_SMALL_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            );
            let former = pg_sys::MemoryContextSwitchTo(memory);
            let stored = stored_checks(table);
            let mut constraints = std::ptr::null_mut();
            if !stored.is_empty() {
                constraints = pg_sys::palloc0(size_of_val(stored).max(size_of::<*mut c_void>())).cast();
            }
            for (index, check) in stored.iter().enumerate() {
                let node = pg_sys::stringToNode(check.ccbin).cast();
                let planned = pg_sys::expression_planner(node);
                let compiled: *mut *mut pg_sys::ExprState = constraints;
                *compiled.add(index) = pg_sys::ExecInitExpr(planned, std::ptr::null_mut());
            }
            pg_sys::MemoryContextSwitchTo(former);
            pg_sys::MemoryContextSetParent(memory, pg_sys::CacheMemoryContext);
            PlainTable { constraints, memory, keeps_target: OnceCell::new(), target: Cell::new(None) }
        }
    }
}

impl Drop for PlainTable {
    fn drop(&mut self) {
        // SAFETY: nobody holds it any more.
        unsafe { pg_sys::MemoryContextDelete(self.memory) };
    }
}

/// # Safety
/// `table` must be open; what is returned must not outlive its lock.
unsafe fn stored_checks<'a>(table: pg_sys::Relation) -> &'a [pg_sys::ConstrCheck] {
    // SAFETY: guaranteed by the caller; the array has so many elements.
    unsafe {
        match (*(*table).rd_att).constr.as_ref() {
            Some(all) if all.num_check > 0 => std::slice::from_raw_parts(all.check, usize::from(all.num_check)),
            _ => &[],
        }
    }
}

/// Whether there is nothing on a table but what the executor applies without a statement: no rule, no policy for the
/// owner, no generated or identity column, no trigger but our own, and no constraint that may mean something else one
/// day.
///
/// # Safety
/// `table` must be open and locked.
unsafe fn is_plain(table: pg_sys::Relation) -> bool {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let class = &*(*table).rd_rel;
        if class.relhasrules || class.relforcerowsecurity {
            return false;
        }
        let columns = usize::try_from((*(*table).rd_att).natts).unwrap_or_default();
        (1..=columns).all(|column| has_plain_type(table, column))
            && (*table).trigdesc.as_ref().is_none_or(|triggers| has_own_triggers(table, triggers))
            && stored_checks(table).iter().all(|check| is_constant(CStr::from_ptr(check.ccbin).to_bytes()))
    }
}

/// # Safety
/// `table` must be open, and have a column of this number.
unsafe fn has_plain_type(table: pg_sys::Relation, column: usize) -> bool {
    // SAFETY: guaranteed by the caller.
    let attribute = unsafe { attribute(table, column) };
    // SAFETY: a look-up in the server's cache of types.
    let is_domain = || unsafe { pg_sys::get_typtype(attribute.atttypid) } == pg_sys::TYPTYPE_DOMAIN as c_char;
    attribute.attisdropped || attribute.attidentity == 0 && attribute.attgenerated == 0 && !is_domain()
}

/// A column's row of `pg_attribute`.
///
/// # Safety
/// `table` must be open, and have a column of this number.
pub(super) unsafe fn attribute<'a>(table: pg_sys::Relation, column: usize) -> &'a pg_sys::FormData_pg_attribute {
    // SAFETY: guaranteed by the caller; a descriptor has an entry for each column.
    unsafe {
        let descriptor = (*table).rd_att;
        #[cfg(not(feature = "pg18"))]
        return &*(*descriptor).attrs.as_ptr().add(column - 1);
        #[cfg(feature = "pg18")]
        return &*pg_sys::TupleDescAttr(descriptor, std::ffi::c_int::try_from(column - 1).unwrap_or_default());
    }
}

/// Whether all triggers call functions of our schema, and ask for nothing that only a statement has: whether a column
/// is among those that it sets, and its rows as a table.
///
/// # Safety
/// `triggers` must be those of `table`, which must be open.
unsafe fn has_own_triggers(table: pg_sys::Relation, triggers: &pg_sys::TriggerDesc) -> bool {
    // SAFETY: guaranteed by the caller.
    unsafe {
        all_of(triggers).iter().all(|trigger| {
            let is_before_row = pg_sys::TRIGGER_TYPE_ROW | pg_sys::TRIGGER_TYPE_BEFORE;
            pg_sys::get_func_namespace(trigger.tgfoid) == (*(*table).rd_rel).relnamespace
                && trigger.tgnattr == 0
                && trigger.tgoldtable.is_null()
                && trigger.tgnewtable.is_null()
                && u32::from(trigger.tgtype.cast_unsigned()) & is_before_row != is_before_row
        })
    }
}

/// The triggers.
///
/// # Safety
/// `triggers` must be those of a table, which must be open.
pub(super) unsafe fn all_of(triggers: &pg_sys::TriggerDesc) -> &[pg_sys::Trigger] {
    // SAFETY: guaranteed by the caller; the array has so many elements.
    unsafe { std::slice::from_raw_parts(triggers.triggers, usize::try_from(triggers.numtriggers).unwrap_or_default()) }
}

/// Whether a constraint, as the catalog stores it, always means the same and keeps nothing of the row that it was
/// evaluated for first: expressions over single columns by functions and operators of the server itself.
pub(super) fn is_constant(stored: &[u8]) -> bool {
    /// Some have other names before PostgreSQL 16.
    const NODES: &str = "ARRAY ARRAYEXPR BOOLEANTEST BOOLEXPR CASE CASEEXPR CASETESTEXPR CASEWHEN CONST FUNCEXPR \
                         NULLTEST OPEXPR RELABELTYPE SCALARARRAYOPEXPR VAR WHEN";
    /// The first oid that is not the server's own.
    const FIRST: u32 = pg_sys::FirstUnpinnedObjectId;
    let stored = String::from_utf8_lossy(stored);
    let nodes = stored.split('{').skip(1);
    let words = stored.split_whitespace();
    nodes
        .map(|node| node.split_whitespace().next().unwrap_or_default())
        .all(|node| NODES.split(' ').any(|known| known == node))
        && words.clone().zip(words.skip(1)).all(|(name, value)| match name {
            ":varattno" => value.parse::<i16>().is_ok_and(|column| column > 0),
            ":argisrow" => value == "false",
            ":funcid" | ":opfuncid" | ":opno" => value.parse::<u32>().is_ok_and(|oid| oid < FIRST),
            _ => true,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constraint_over_columns_by_functions_of_the_server_is_constant() {
        let length = "{OPEXPR :opno 523 :opfuncid 149 :args (\
                      {FUNCEXPR :funcid 1374 :args ({VAR :varno 1 :varattno 3 :vartype 25} :location -1)} \
                      {CONST :constvalue 4 [ -1 32 0 0 ]})}";
        assert!(is_constant(length.as_bytes()));
        assert!(is_constant(
            b"{BOOLEXPR :boolop or :args ({NULLTEST :arg {VAR :varattno 2 :vartype 25} :argisrow false :location -1})}"
        ));
    }

    #[test]
    fn what_looks_at_whole_rows_or_calls_others_is_not() {
        for stored in [
            "{FUNCEXPR :funcid 1269 :args ({VAR :varno 1 :varattno 0 :vartype 16399})}",
            "{FUNCEXPR :funcid 16385 :args ({VAR :varattno 1 :vartype 25})}",
            "{OPEXPR :opno 16390 :opfuncid 149 :args ({VAR :varattno 1 :vartype 25})}",
            "{NULLTEST :arg {VAR :varattno 1 :vartype 25} :argisrow true :location -1}",
            "{COERCETODOMAIN :arg {VAR :varattno 1 :vartype 25}}",
            "{MINMAXEXPR :args ({VAR :varattno 1 :vartype 25})}",
        ] {
            assert!(!is_constant(stored.as_bytes()), "{stored}");
        }
    }
}
