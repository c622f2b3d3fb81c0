//! SQL that contains expressions of the application, planned once and run as the current user.
//!
//! Nothing here switches the user: such SQL must never run with rights that its author does not have.

use std::cell::Cell;
use std::ffi::{CString, c_int};
use std::ptr;

use pgrx::pg_sys;

use super::parts::elements;
use super::planner::Planning;
use super::receiver::Receiver;
use super::rows::Rows;
use super::spi::Spi;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::types::row::Row;

/// A planned SELECT.
pub struct Query {
    plan: pg_sys::SPIPlanPtr,
    /// Whether its plan, and so the way in which its expressions reach tables, is kept for rows yet to come.
    is_kept: bool,
    /// The generation of the plan for which it was last seen whether the result depends on its rows alone.
    of_its_rows_alone: Cell<(Option<c_int>, bool)>,
}

impl Query {
    /// Plans a query that is run again and again, each time with other `rows` of the same columns.
    ///
    /// # Errors
    /// Raises what the parser raises.
    pub fn prepare(sql: &[u8], rows: &[&Rows]) -> Self {
        Self::analysed(sql, rows, true)
    }

    /// Plans a query that is run once or twice: with regard to the tables as they are, and to how many `rows` there
    /// are.
    ///
    /// # Errors
    /// Raises what the parser raises.
    pub fn prepare_once(sql: &[u8], rows: &[&Rows]) -> Self {
        Self::analysed(sql, rows, false)
    }

    fn analysed(sql: &[u8], rows: &[&Rows], is_kept: bool) -> Self {
        let sql = CString::new(sql).expect("text in a database has no zero byte");
        let _spi = Spi::connect();
        for rows in rows {
            rows.register();
        }
        // SAFETY: inside an SPI connection; the text is copied, and the kept plan survives the connection.
        let plan = unsafe {
            let plan = pg_sys::SPI_prepare(sql.as_ptr(), 0, ptr::null_mut());
            assert!(!plan.is_null(), "could not plan a query");
            pg_sys::SPI_keepplan(plan);
            plan
        };
        Query { plan, is_kept, of_its_rows_alone: Cell::new((None, false)) }
    }

    /// Whether the result depends only on the rows it is given: on no other table, clock or setting. Asked again once
    /// the query has been planned anew, since a function in it may have been replaced.
    pub fn is_of_its_rows_alone(&self) -> bool {
        // SAFETY: the plan is kept; it has one source for its one statement, with the analysed query. `relationOids`
        // lists a relation once for each time it is read, including that of the rows.
        unsafe {
            let source = self.source();
            let generation = Some((*source).generation);
            let (seen, answer) = self.of_its_rows_alone.get();
            if seen == generation {
                return answer;
            }
            let relations = (*source).relationOids.as_ref().map_or(0, |list| list.length);
            let answer = relations <= 1 && !pg_sys::contain_mutable_functions((*source).query_list.cast());
            self.of_its_rows_alone.set((generation, answer));
            answer
        }
    }

    fn source(&self) -> *mut pg_sys::CachedPlanSource {
        // SAFETY: the plan is kept, and has one source for its one statement.
        unsafe { (*(*pg_sys::SPI_plan_get_plan_sources(self.plan)).elements).ptr_value.cast() }
    }

    /// Plans it, unless there is a plan that is still valid: the choices are for it alone, and not for what its
    /// expressions run.
    ///
    /// # Safety
    /// Inside an SPI connection with the rows registered, and with an active snapshot.
    unsafe fn plan(&self) {
        let _planning = if self.is_kept { Planning::reaching_rows() } else { Planning::as_it_is() };
        // SAFETY: the plan is kept and has one source, so there is an answer, which is released to the same owner.
        unsafe {
            let plan = pg_sys::SPI_plan_get_cached_plan(self.plan);
            pg_sys::ReleaseCachedPlan(plan, pg_sys::CurrentResourceOwner);
        }
    }

    /// The expressions of its columns, as analysed; they live as long as it does, unless its tables change.
    pub(in crate::pg) fn columns(&self) -> Vec<*mut pg_sys::Node> {
        // SAFETY: the plan is kept; its source has the analysed query, a SELECT.
        unsafe {
            let select: *mut pg_sys::Query = (*(*(*self.source()).query_list).elements).ptr_value.cast();
            let column = |target: *mut pg_sys::Node| (*target.cast::<pg_sys::TargetEntry>()).expr.cast();
            elements((*select).targetList).into_iter().map(column).collect()
        }
    }

    /// Runs it on the newest committed state and passes each row of the result, in order, to `take`, until that fails.
    ///
    /// # Errors
    /// Those of `take`; raises whatever the expressions raise.
    pub fn each<E>(&self, rows: &[&Rows], mut take: impl FnMut(&Row) -> Result<(), E>) -> Result<(), E> {
        let _spi = Spi::connect();
        for rows in rows {
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
            let snapshot = LatestSnapshot::take();
            pg_sys::PushActiveSnapshot(snapshot.as_ptr());
            self.plan();
            let options = pg_sys::SPIExecuteOptions {
                read_only: true,
                must_return_tuples: true,
                dest: receiver.as_ptr(),
                ..Default::default()
            };
            let answer = pg_sys::SPI_execute_plan_extended(self.plan, &options);
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
        unsafe { pg_sys::SPI_freeplan(self.plan) };
    }
}
