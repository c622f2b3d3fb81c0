//! What PostgreSQL takes for the initial privileges of an extension's objects.
//!
//! While an extension is created, every GRANT and REVOKE is also recorded in `pg_init_privs`, so that `pg_dump` writes
//! only what was changed later. Of a table's row type it dumps no privileges, and warns of such a record.

use pgrx::pg_sys;

/// While it lives, privileges are granted and revoked without a record of them as initial ones.
pub struct Unrecorded {
    creating: bool,
}

impl Unrecorded {
    /// From now on.
    pub fn begin() -> Self {
        // SAFETY: a flag of this backend. GRANT and REVOKE look at it for those records alone; after an error CREATE
        // EXTENSION clears it by itself.
        unsafe {
            let creating = pg_sys::creating_extension;
            pg_sys::creating_extension = false;
            Unrecorded { creating }
        }
    }
}

impl Drop for Unrecorded {
    fn drop(&mut self) {
        // SAFETY: restores what `begin` found.
        unsafe { pg_sys::creating_extension = self.creating };
    }
}
