//! SQL that contains expressions of the application, planned once and run as the current user.
//!
//! Nothing here switches the user: such SQL must never run with rights that its author does not have.

use std::ffi::{CString, c_int};
use std::ptr;

use pgrx::{pg_guard, pg_sys};

use super::row::Row;
use super::rows::Rows;
use super::snapshot::Latest;
use super::statement::Spi;

/// A planned SELECT.
pub struct Query(pg_sys::SPIPlanPtr);

impl Query {
    /// Plans a query; if it reads `rows`, each run may pass other rows of the same columns.
    ///
    /// # Errors
    /// Raises what the parser and the planner raise.
    pub fn prepare(sql: &[u8], rows: Option<&Rows>) -> Self {
        let sql = CString::new(sql).expect("text in a database has no zero byte");
        let _spi = Spi::connect();
        if let Some(rows) = rows {
            rows.register();
        }
        // SAFETY: inside an SPI connection; the text is copied, and the kept plan survives the connection.
        unsafe {
            let plan = pg_sys::SPI_prepare(sql.as_ptr(), 0, ptr::null_mut());
            assert!(!plan.is_null(), "could not plan a query");
            pg_sys::SPI_keepplan(plan);
            Query(plan)
        }
    }

    /// Whether the result depends only on the rows it is given: on no other table, clock or setting.
    pub fn is_of_its_rows_alone(&self) -> bool {
        // SAFETY: the plan is kept; it has one source for its one statement, with the analysed query. `relationOids`
        // lists a relation once for each time it is read, including that of the rows.
        unsafe {
            let sources = pg_sys::SPI_plan_get_plan_sources(self.0);
            let source: *mut pg_sys::CachedPlanSource = (*(*sources).elements).ptr_value.cast();
            let relations = (*source).relationOids.as_ref().map_or(0, |list| list.length);
            relations <= 1 && !pg_sys::contain_mutable_functions((*source).query_list.cast())
        }
    }

    /// Runs it on the newest committed state and passes each row of the result, in order, to `take`, until that fails.
    ///
    /// # Errors
    /// Those of `take`; raises whatever the expressions raise.
    pub fn each<E>(&self, rows: Option<&Rows>, mut take: impl FnMut(&Row) -> Result<(), E>) -> Result<(), E> {
        let _spi = Spi::connect();
        if let Some(rows) = rows {
            rows.register();
        }
        let mut outcome = Ok(());
        let mut receive = |row: &Row| {
            outcome = take(row);
            outcome.is_ok()
        };
        let mut receiver = Receiver::new(&mut receive);
        // Also sees what this transaction has done so far.
        // SAFETY: called between two commands; the snapshot stays registered and active while the plan runs, and the
        // receiver in place. The query writes nothing itself, so it may run "read-only", which makes SPI use that
        // snapshot.
        let answer = unsafe {
            pg_sys::CommandCounterIncrement();
            let snapshot = Latest::take();
            pg_sys::PushActiveSnapshot(snapshot.as_ptr());
            let options = pg_sys::SPIExecuteOptions {
                read_only: true,
                must_return_tuples: true,
                dest: (&raw mut receiver).cast(),
                ..Default::default()
            };
            let answer = pg_sys::SPI_execute_plan_extended(self.0, &options);
            pg_sys::PopActiveSnapshot();
            answer
        };
        assert!(answer >= 0, "could not run a query (SPI answered {answer})");
        outcome
    }
}

impl Drop for Query {
    fn drop(&mut self) {
        // After an error too: a kept plan belongs to the session, and no abort frees it.
        // SAFETY: kept by `prepare`, freed only here, which touches nothing but memory; a running execution has its own
        // reference to the plan.
        unsafe { pg_sys::SPI_freeplan(self.0) };
    }
}

/// The destination to which the executor sends rows.
#[repr(C)]
struct Receiver<'a> {
    base: pg_sys::DestReceiver,
    /// Memory palloc'd for a row lives here until the next row.
    scratch: pg_sys::MemoryContext,
    take: &'a mut dyn FnMut(&Row) -> bool,
}

impl<'a> Receiver<'a> {
    fn new(take: &'a mut dyn FnMut(&Row) -> bool) -> Self {
        let base = pg_sys::DestReceiver {
            receiveSlot: Some(receive),
            rStartup: Some(start),
            rShutdown: Some(ignore),
            rDestroy: Some(ignore),
            mydest: pg_sys::CommandDest::DestNone,
        };
        // SAFETY: a child of SPI's context, so it ends with the connection.
        let scratch = unsafe {
            pg_sys::AllocSetContextCreateInternal(
                pg_sys::CurrentMemoryContext,
                c"tokenauth row".as_ptr(),
                pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            )
        };
        Receiver { base, scratch, take }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn receive(slot: *mut pg_sys::TupleTableSlot, receiver: *mut pg_sys::DestReceiver) -> bool {
    // SAFETY: the executor passes back what `each` gave it, and a slot that is valid during this call.
    unsafe {
        let receiver = &mut *receiver.cast::<Receiver>();
        pg_sys::MemoryContextReset(receiver.scratch);
        let caller = pg_sys::MemoryContextSwitchTo(receiver.scratch);
        let goes_on = (receiver.take)(&Row::of_slot(slot));
        pg_sys::MemoryContextSwitchTo(caller);
        goes_on
    }
}

unsafe extern "C-unwind" fn start(_receiver: *mut pg_sys::DestReceiver, _operation: c_int, _form: pg_sys::TupleDesc) {}

unsafe extern "C-unwind" fn ignore(_receiver: *mut pg_sys::DestReceiver) {}
