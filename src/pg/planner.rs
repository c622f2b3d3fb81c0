//! How plans that are kept for the session reach tables.
//!
//! A plan keeps what the statistics said on the day it was made: over a table that was nearly empty then, reading all of
//! it for each row seemed cheap, and is quadratic once both have grown. So such plans are made with the planner's
//! alternatives to indexes switched off, as its own settings do it: then nothing depends on statistics.

use pgrx::pg_sys;

/// Makes the planner prefer indexes until dropped; an error drops it as well.
pub struct IndexesFirst {
    seqscan: bool,
    hashjoin: bool,
    mergejoin: bool,
    jit: bool,
}

impl IndexesFirst {
    /// For a query of the application: tables are reached by an index where there is one. How they are joined is the
    /// planner's choice, since the join that suits them may be one without any index.
    pub fn for_any_query() -> Self {
        // SAFETY: reads this backend's settings.
        unsafe { Self::switch(pg_sys::enable_hashjoin, pg_sys::enable_mergejoin) }
    }

    /// For a statement of ours, whose tables have an index for every join.
    pub fn for_ours() -> Self {
        Self::switch(false, false)
    }

    fn switch(hashjoin: bool, mergejoin: bool) -> Self {
        // The variables themselves, as the planner reads them: setting them by name would cost more than what is run.
        // SAFETY: plain variables of a backend, which has one thread.
        unsafe {
            let former = IndexesFirst {
                seqscan: pg_sys::enable_seqscan,
                hashjoin: pg_sys::enable_hashjoin,
                mergejoin: pg_sys::enable_mergejoin,
                jit: pg_sys::jit_enabled,
            };
            pg_sys::enable_seqscan = false;
            pg_sys::enable_hashjoin = hashjoin;
            pg_sys::enable_mergejoin = mergejoin;
            // What has to be read as a whole all the same counts as immensely dear, and so as worth compiling.
            pg_sys::jit_enabled = false;
            former
        }
    }
}

impl Drop for IndexesFirst {
    fn drop(&mut self) {
        // SAFETY: restores what `switch` found; guards nest.
        unsafe {
            pg_sys::enable_seqscan = self.seqscan;
            pg_sys::enable_hashjoin = self.hashjoin;
            pg_sys::enable_mergejoin = self.mergejoin;
            pg_sys::jit_enabled = self.jit;
        }
    }
}
