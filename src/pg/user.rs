//! Acting as somebody else for a moment, as the server's own referential triggers do.
//!
//! Whoever writes a bound table writes principals, without any right on them and without a function that could be called
//! to write others: a SECURITY DEFINER function would have to be executable by everybody. So it is the user that is
//! switched, around constant SQL of ours and nothing else.

use std::ffi::c_int;

use pgrx::pg_sys;

use super::probe;

/// Another user, until dropped. An abort gives the former one back as well.
pub struct ActingAs {
    user: pg_sys::Oid,
    context: c_int,
}

impl ActingAs {
    /// The owner of our tables: for constant SQL only, under a `search_path` that the function has set.
    pub fn owner_of_ours() -> Self {
        Self::switch(owner(probe::relation(c"principal")), 0)
    }

    /// The owner of a table of the application, for its own expressions, unable to leave anything behind that acts with
    /// the rights of the caller: as REFRESH MATERIALIZED VIEW does it.
    pub fn owner_of(table: pg_sys::Oid) -> Self {
        Self::switch(owner(table), pg_sys::SECURITY_RESTRICTED_OPERATION as c_int)
    }

    fn switch(to: pg_sys::Oid, restriction: c_int) -> Self {
        let mut former = ActingAs { user: pg_sys::InvalidOid, context: 0 };
        // SAFETY: sets this backend's user as fmgr_security_definer and ri_PerformCheck do; SECURITY_LOCAL_USERID_CHANGE
        // keeps SET ROLE from taking hold meanwhile.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut former.user, &mut former.context);
            let context = former.context | restriction | pg_sys::SECURITY_LOCAL_USERID_CHANGE as c_int;
            pg_sys::SetUserIdAndSecContext(to, context);
        }
        former
    }
}

impl Drop for ActingAs {
    fn drop(&mut self) {
        // Also while an error unwinds: it is but an assignment, and the sooner the better.
        // SAFETY: gives back what `switch` found; guards nest.
        unsafe { pg_sys::SetUserIdAndSecContext(self.user, self.context) };
    }
}

fn owner(table: pg_sys::Oid) -> pg_sys::Oid {
    // SAFETY: the relation is open while its owner is read; relation_open raises when it does not exist.
    unsafe {
        let relation = pg_sys::relation_open(table, pg_sys::AccessShareLock as c_int);
        let owner = (*(*relation).rd_rel).relowner;
        pg_sys::relation_close(relation, pg_sys::NoLock as c_int);
        owner
    }
}
