//! How plans that are kept for the session reach tables, and how much memory they take.
//!
//! A plan keeps what the statistics said on the day it was made: over a table that was nearly empty then, reading all
//! of it for each row seemed cheap, and is quadratic once both have grown. So such plans are made with the planner's
//! alternatives to indexes switched off, as its own settings do it, and for tables that are [large](super::table_size):
//! then nothing depends on statistics, nor on what indexes somebody has added.

use std::ffi::c_int;

use pgrx::pg_sys;

use super::table_size::{self, Size};

/// The planner's choices until dropped; an error drops it as well.
pub struct Planning {
    former: Choices,
}

/// What the planner may use.
#[derive(Clone, Copy)]
struct Choices {
    seqscan: bool,
    indexscan: bool,
    nestloop: bool,
    hashjoin: bool,
    mergejoin: bool,
    hashagg: bool,
    jit: bool,
    /// What it costs to pass a row from one process to another.
    parallel_tuple_cost: f64,
    /// Whether plans are made for arguments.
    plan_cache_mode: c_int,
    tables: Size,
}

impl Planning {
    /// For a query of the application, of which each row is to be reached by an index where there is one. How tables
    /// are joined is the planner's choice, since the join that suits them may be one without any index.
    pub fn reaching_rows() -> Self {
        // What has to be read as a whole all the same counts as immensely dear, and so as worth compiling.
        Self::choose(|choices| Choices { seqscan: false, jit: false, ..choices })
    }

    /// For a statement of ours that reads few rows of our tables, or goes to them from as many rows as it is given:
    /// there is an index for every join. What it is given is never looked through for a row of a table.
    pub fn joining_ours() -> Self {
        Self::choose(|choices| Choices { seqscan: false, ..from_row_to_row(choices) })
    }

    /// The same for one that chooses some rows of a whole table before.
    pub fn choosing_ours() -> Self {
        Self::choose(from_row_to_row)
    }

    /// For a statement of ours that reads whole tables and passes on little of them: how few groups there are of what
    /// it computes, the planner does not know.
    pub fn reading_all() -> Self {
        Self::choose(|choices| Choices { parallel_tuple_cost: 0.0, tables: Size::Full, ..choices })
    }

    /// For a query of the application that is made for its tables, and for rows in memory, as they are now.
    pub fn as_it_is() -> Self {
        Self::choose(|choices| Choices { tables: Size::Full, ..choices })
    }

    /// While a statement runs that says itself whether its plan is kept or made for its arguments: whatever the session
    /// has set.
    pub fn as_asked() -> Option<Self> {
        let auto = pg_sys::PlanCacheMode::PLAN_CACHE_MODE_AUTO as c_int;
        let is_set = Choices::now().plan_cache_mode != auto;
        is_set.then(|| Self::choose(|choices| Choices { plan_cache_mode: auto, ..choices }))
    }

    /// For a statement of ours that compares whole sets: what sorts spills to disk, where EXCEPT by hashing does not.
    pub fn comparing_sets() -> Self {
        Self::choose(|choices| Choices { hashagg: false, ..choices })
    }

    fn choose(choice: impl FnOnce(Choices) -> Choices) -> Self {
        let former = Choices::now();
        choice(former).set();
        Planning { former }
    }
}

fn from_row_to_row(choices: Choices) -> Choices {
    Choices {
        indexscan: true,
        nestloop: true,
        hashjoin: false,
        mergejoin: false,
        hashagg: false,
        jit: false,
        tables: Size::Large,
        ..choices
    }
}

impl Drop for Planning {
    fn drop(&mut self) {
        // Guards nest.
        self.former.set();
    }
}

impl Choices {
    fn now() -> Self {
        // SAFETY: plain variables of a backend, which has one thread.
        unsafe {
            Choices {
                seqscan: pg_sys::enable_seqscan,
                indexscan: pg_sys::enable_indexscan,
                nestloop: pg_sys::enable_nestloop,
                hashjoin: pg_sys::enable_hashjoin,
                mergejoin: pg_sys::enable_mergejoin,
                hashagg: pg_sys::enable_hashagg,
                jit: pg_sys::jit_enabled,
                parallel_tuple_cost: pg_sys::parallel_tuple_cost,
                plan_cache_mode: pg_sys::plan_cache_mode,
                tables: table_size::taken(),
            }
        }
    }

    /// Sets the variables themselves, as the planner reads them: setting them by name would cost more than what is run.
    fn set(self) {
        // SAFETY: as above.
        unsafe {
            pg_sys::enable_seqscan = self.seqscan;
            pg_sys::enable_indexscan = self.indexscan;
            pg_sys::enable_nestloop = self.nestloop;
            pg_sys::enable_hashjoin = self.hashjoin;
            pg_sys::enable_mergejoin = self.mergejoin;
            pg_sys::enable_hashagg = self.hashagg;
            pg_sys::jit_enabled = self.jit;
            pg_sys::parallel_tuple_cost = self.parallel_tuple_cost;
            pg_sys::plan_cache_mode = self.plan_cache_mode;
        }
        table_size::take(self.tables);
    }
}
