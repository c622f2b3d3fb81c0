//! Acts as another user for a while, as the server's own referential triggers do.
//!
//! No function of ours is SECURITY DEFINER: inside one, nobody can tell who made the call. Ours are called as whoever
//! calls, ask what that user may do, and switch only around constant SQL of ours.

use std::cell::Cell;
use std::ffi::{CStr, c_int};

use pgrx::pg_sys;

use super::guc_scope::{self, GucScope, SEARCH_PATH};
use crate::pg::process::backend_local::backend_local;
use crate::pg::process::fault;
use crate::pg::roles::extension::Extension;

backend_local! {
    /// Whether what runs now is SQL of ours.
    static OURS: Cell<bool> = const { Cell::new(false) };
    /// Whether our search path is still to be set by whoever needs it.
    static PATH_IS_DUE: Cell<bool> = const { Cell::new(false) };
}

// Declared here, without pgrx's guard, which costs more than the function: it reads a variable and cannot raise.
unsafe extern "C-unwind" {
    fn InSecurityRestrictedOperation() -> bool;
}

/// Whether the code that runs now is somebody's that PostgreSQL runs for another: of an index expression, a
/// materialized view or a row that logical replication applies.
#[inline]
pub fn is_security_restricted() -> bool {
    // SAFETY: reads this backend's state.
    unsafe { InSecurityRestrictedOperation() }
}

/// Whether the statement that runs now does so as another user, as those of our functions do, and those of functions
/// that are SECURITY DEFINER.
pub fn is_switched() -> bool {
    let (mut user, mut context) = (pg_sys::InvalidOid, 0);
    // SAFETY: reads this backend's state.
    unsafe { pg_sys::GetUserIdAndSecContext(&mut user, &mut context) };
    context & pg_sys::SECURITY_LOCAL_USERID_CHANGE as c_int != 0
}

/// Whether the statement that runs now is one of ours, and no other that happens to run as another user.
pub fn is_ours() -> bool {
    OURS.get()
}

/// Sets our search path if whoever acts as the owner of our schema has left that to the first who needs it. To be
/// called before each statement, and before expressions that others have put on a table of ours.
pub(in crate::pg) fn set_path_that_is_due() {
    if PATH_IS_DUE.get() {
        // Where it was set in a scope that has ended, it is found undone, and is set again.
        guc_scope::change(SEARCH_PATH);
    }
}

/// Another user until dropped; an abort restores the former one as well.
pub struct ActingAs {
    user: pg_sys::Oid,
    context: c_int,
    was_ours: bool,
    was_path_due: bool,
    /// The settings of meanwhile.
    settings: Option<GucScope>,
}

impl ActingAs {
    /// Acts as the owner of our schema, under a search path of ours: for constant SQL only.
    ///
    /// # Errors
    /// Raises 55000 when the schema is not that of the installed extension, or a relation in it belongs to others.
    pub fn owner_of_ours() -> Self {
        Self::owner(Extension::installed(), 0, &[SEARCH_PATH])
    }

    /// As [`owner_of_ours`](Self::owner_of_ours), for what usually reads and writes rows without any statement: to set
    /// the search path takes longer than that, so it is left to the first who needs it.
    ///
    /// # Errors
    /// As `owner_of_ours`.
    pub fn owner_of_ours_for_rows() -> Self {
        let acting = Self::owner(Extension::installed(), 0, &[]);
        PATH_IS_DUE.set(true);
        acting
    }

    /// As [`owner_of_ours`](Self::owner_of_ours), for what runs unasked and as a superuser: whatever code it may come
    /// upon cannot leave anything behind. `None` where the extension is not installed.
    ///
    /// # Errors
    /// Raises 55000 when a relation in its schema belongs to others.
    pub fn owner_of_ours_restricted() -> Option<Self> {
        let restriction = pg_sys::SECURITY_RESTRICTED_OPERATION as c_int;
        Extension::find().map(|extension| Self::owner(extension, restriction, &[SEARCH_PATH]))
    }

    fn owner(extension: Extension, restriction: c_int, settings: &[(&'static CStr, &'static CStr)]) -> Self {
        let mut acting = Self::switch(extension.proved().owner, restriction);
        OURS.set(true);
        acting.settings = Some(GucScope::set(settings));
        acting
    }

    /// Acts as the owner of a table of the application, to run its expressions, as REFRESH MATERIALIZED VIEW does: they
    /// cannot leave anything behind that would act with the caller's rights.
    pub fn owner_of(table: pg_sys::Oid) -> Self {
        let mut acting = Self::switch(owner(table), pg_sys::SECURITY_RESTRICTED_OPERATION as c_int);
        OURS.set(false);
        // Settings that they change end with it, too.
        acting.settings = Some(GucScope::set(&[]));
        acting
    }

    fn switch(to: pg_sys::Oid, restriction: c_int) -> Self {
        let (was_ours, was_path_due) = (OURS.get(), PATH_IS_DUE.replace(false));
        let mut former = ActingAs { user: pg_sys::InvalidOid, context: 0, was_ours, was_path_due, settings: None };
        // SAFETY: sets this backend's user as fmgr_security_definer and ri_PerformCheck do;
        // SECURITY_LOCAL_USERID_CHANGE forbids SET ROLE meanwhile.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut former.user, &mut former.context);
            let context = former.context | restriction | pg_sys::SECURITY_LOCAL_USERID_CHANGE as c_int;
            pg_sys::SetUserIdAndSecContext(to, context);
        }
        fault::step();
        former
    }
}

impl Drop for ActingAs {
    fn drop(&mut self) {
        // Also while an error unwinds: these are only assignments, and the sooner the better.
        PATH_IS_DUE.set(self.was_path_due);
        // SAFETY: restores what `switch` found; guards nest.
        unsafe { pg_sys::SetUserIdAndSecContext(self.user, self.context) };
        OURS.set(self.was_ours);
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
