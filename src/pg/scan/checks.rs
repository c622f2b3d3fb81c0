//! The CHECK constraints of our tables, compiled once: for one row, the executor spends more time on reading and
//! compiling them than on everything else that it does.

use std::cell::RefCell;
use std::ffi::c_void;
use std::ptr;

use pgrx::pg_sys;

use super::invalidation;

/// The compiled constraints of a table.
struct Compiled {
    table: pg_sys::Oid,
    generation: u64,
    /// One for each constraint, in the order of the table; NULL where they have to be compiled for each row.
    constraints: *mut *mut pg_sys::ExprState,
    /// What they are allocated in.
    memory: pg_sys::MemoryContext,
}

thread_local! {
    static COMPILED: RefCell<Vec<Compiled>> = const { RefCell::new(Vec::new()) };
}

/// Lets the executor use the compiled constraints of a table that it is about to write.
///
/// # Safety
/// `target` must have just been initialised with a table of ours that is open and locked.
pub(super) unsafe fn lend(target: *mut pg_sys::ResultRelInfo) {
    // SAFETY: guaranteed by the caller. The table keeps its constraints, and the backend what was compiled of them, as
    // long as the lock is held.
    unsafe {
        let table = (*target).ri_RelationDesc;
        let has_any = (*(*table).rd_att).constr.as_ref().is_some_and(|all| all.num_check > 0);
        if has_any {
            let compiled = of(table);
            #[cfg(not(feature = "pg18"))]
            ((*target).ri_ConstraintExprs = compiled);
            #[cfg(feature = "pg18")]
            ((*target).ri_CheckConstraintExprs = compiled);
        }
    }
}

/// The compiled constraints of a table, from memory unless its definition has changed.
///
/// # Safety
/// `table` must be open and locked, and have constraints.
unsafe fn of(table: pg_sys::Relation) -> *mut *mut pg_sys::ExprState {
    // SAFETY: guaranteed by the caller.
    let (oid, generation) = unsafe { ((*table).rd_id, invalidation::names()) };
    invalidation::watch_table(oid);
    let known = COMPILED.with_borrow(|all| {
        all.iter().find(|one| one.table == oid && one.generation == generation).map(|one| one.constraints)
    });
    known.unwrap_or_else(|| {
        // Of all tables at once: a change of one is rare, and with the next release or installation all have other
        // oids.
        let stale = COMPILED.take();
        let (kept, stale): (Vec<_>, Vec<_>) = stale.into_iter().partition(|one| one.generation == generation);
        COMPILED.set(kept);
        for one in stale {
            // SAFETY: nothing refers to constraints of a former generation: whoever borrows them holds the table
            // locked.
            unsafe { pg_sys::MemoryContextDelete(one.memory) };
        }
        // SAFETY: guaranteed by the caller.
        let compiled = unsafe { compile(table, oid, generation) };
        let constraints = compiled.constraints;
        COMPILED.with_borrow_mut(|all| all.push(compiled));
        constraints
    })
}

/// # Safety
/// As for [`of`].
unsafe fn compile(table: pg_sys::Relation, oid: pg_sys::Oid, generation: u64) -> Compiled {
    // SAFETY: guaranteed by the caller. What is compiled outlives the call in a context of its own; what compiling
    // leaves behind there is small. Should compiling raise, the context is lost until the backend ends.
    unsafe {
        let memory = pg_sys::AllocSetContextCreateInternal(
            pg_sys::CacheMemoryContext,
            c"tokenauth constraints".as_ptr(),
            pg_sys::ALLOCSET_SMALL_MINSIZE as usize,
            pg_sys::ALLOCSET_SMALL_INITSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
        );
        let constr = &*(*(*table).rd_att).constr;
        let count = usize::from(constr.num_check);
        let former = pg_sys::MemoryContextSwitchTo(memory);
        let constraints: *mut *mut pg_sys::ExprState = pg_sys::palloc0(count * size_of::<*mut c_void>()).cast();
        let mut are_constant = true;
        for index in 0..count {
            let stored = (*constr.check.add(index)).ccbin;
            let (mut relations, mut items) = (ptr::null_mut(), ptr::null_mut());
            let node = pg_sys::stringToNode(stored).cast();
            let planned = pg_sys::expression_planner_with_deps(node, &mut relations, &mut items);
            *constraints.add(index) = pg_sys::ExecInitExpr(planned, ptr::null_mut());
            // A function or type that is not the server's own can change without a change of the table.
            are_constant &= relations.is_null() && items.is_null();
        }
        pg_sys::MemoryContextSwitchTo(former);
        Compiled {
            table: oid,
            generation,
            constraints: if are_constant { constraints } else { ptr::null_mut() },
            memory,
        }
    }
}
