//! A connection to SPI, by which statements run.

use std::ffi::{c_char, c_int, c_long};
use std::ptr;

use pgrx::pg_sys;

use super::planner::Planning;
use super::rows::Rows;
use super::statement::Argument;
use crate::pg::process::fault;
use crate::pg::report::diagnostics::Watch;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::transaction::acting_as::set_path_that_is_due;
use crate::pg::types::row::Row;

/// An open SPI connection, closed on drop; after an error the abort closes it, as for callers in C.
pub(in crate::pg) struct Spi {
    _watch: Watch,
}

impl Spi {
    pub(in crate::pg) fn connect() -> Self {
        let watch = Watch::begin();
        set_path_that_is_due();
        // SAFETY: may be called wherever SQL may run; nests.
        let answer = unsafe { pg_sys::SPI_connect() };
        assert!(answer == pg_sys::SPI_OK_CONNECT as c_int, "could not connect to SPI");
        fault::step();
        Spi { _watch: watch }
    }

    /// A connection for a statement that reads `rows` by their names.
    pub(super) fn with(rows: &[&Rows]) -> Self {
        let spi = Self::connect();
        rows.iter().for_each(|rows| rows.register());
        spi
    }

    /// Makes the plan that is kept of this source for any arguments, unless there is one that is still valid: the
    /// choices are for it alone, and not for what triggers run when it does.
    pub(super) fn plan(&self, source: pg_sys::SPIPlanPtr, _choices: Planning) {
        // SAFETY: the source is kept and has one statement, so there is a plan, which is released to the same owner.
        unsafe {
            let plan = pg_sys::SPI_plan_get_cached_plan(source);
            pg_sys::ReleaseCachedPlan(plan, pg_sys::CurrentResourceOwner);
        }
        fault::step();
    }

    /// Runs a plan by a snapshot of now, and returns how many rows it wrote or found, at most `most` unless that is 0.
    /// The plan must have been made for arguments of these types.
    pub(super) fn execute(&self, plan: pg_sys::SPIPlanPtr, arguments: &[Argument], most: c_long) -> u64 {
        let mut values: Vec<pg_sys::Datum> =
            arguments.iter().map(|argument| argument.datum().unwrap_or(pg_sys::Datum::null())).collect();
        let nulls: Vec<c_char> =
            arguments.iter().map(|argument| if argument.datum().is_none() { b'n' } else { b' ' } as c_char).collect();
        let snapshot = LatestSnapshot::take();
        // SAFETY: plan, values and nulls agree in number and types, since the plan was made for these types. Not
        // read-only, so that the command counter advances and the statement sees what this transaction has just done.
        let answer = unsafe {
            pg_sys::SPI_execute_snapshot(
                plan,
                values.as_mut_ptr(),
                nulls.as_ptr(),
                snapshot.as_ptr(),
                ptr::null_mut(),
                false,
                true,
                most,
            )
        };
        assert!(answer >= 0, "could not run a statement (SPI answered {answer})");
        fault::step();
        // SAFETY: set by the call above.
        unsafe { pg_sys::SPI_processed }
    }

    pub(super) fn tuple(&self, index: u64) -> Option<(pg_sys::HeapTuple, pg_sys::TupleDesc)> {
        // SAFETY: the table of the last statement lives until the connection ends; `numvals` bounds it.
        unsafe {
            let table = pg_sys::SPI_tuptable.as_ref()?;
            let index = usize::try_from(index).ok().filter(|&index| (index as u64) < table.numvals)?;
            Some((*table.vals.add(index), table.tupdesc))
        }
    }

    pub(super) fn row(&self, index: u64) -> Option<Row> {
        // SAFETY: tuple and descriptor belong together and live as long as this connection.
        self.tuple(index).map(|(tuple, descriptor)| unsafe { Row::new(tuple, descriptor) })
    }
}

impl Drop for Spi {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: closes the connection that `connect` opened; connections nest like these guards.
            unsafe { pg_sys::SPI_finish() };
        }
    }
}
