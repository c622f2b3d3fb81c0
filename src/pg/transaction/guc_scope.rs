//! Changes settings of the server for a while, as a function's SET clause does.

use std::ffi::{CStr, c_int};

use pgrx::pg_sys;

use crate::pg::process::fault;

/// The path under which names without a schema mean PostgreSQL's own objects; temporary ones last, and only tables.
pub const SEARCH_PATH: (&CStr, &CStr) = (c"search_path", c"pg_catalog, pg_temp");

/// Gives settings of the server other values until dropped; an abort restores the former ones too.
pub struct GucScope(c_int);

impl GucScope {
    /// Sets each setting that does not have its value already.
    pub fn set(settings: &[(&'static CStr, &'static CStr)]) -> Self {
        // SAFETY: opens a nesting level, as a function's SET clause does.
        let scope = GucScope(unsafe { pg_sys::NewGUCNestLevel() });
        settings.iter().for_each(|&setting| change(setting));
        fault::step();
        scope
    }
}

/// Gives a setting this value until the innermost scope ends, unless it has it already.
pub fn change((name, value): (&CStr, &CStr)) {
    // SAFETY: as a function's SET clause does, in whatever nesting level is open. GetConfigOption returns a string that
    // lives until the setting changes.
    unsafe {
        let current = pg_sys::GetConfigOption(name.as_ptr(), false, false);
        if current.is_null() || CStr::from_ptr(current) != value {
            pg_sys::set_config_option(
                name.as_ptr(),
                value.as_ptr(),
                pg_sys::GucContext::PGC_USERSET,
                pg_sys::GucSource::PGC_S_SESSION,
                pg_sys::GucAction::GUC_ACTION_SAVE,
                true,
                0,
                false,
            );
        }
    }
}

impl Drop for GucScope {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // Rolled back rather than committed: code of others that has run meanwhile (the expressions of a binding)
            // must not leave a setting behind, least of all a search_path, as PostgreSQL sees to after index
            // expressions. SAFETY: ends the level that `set` opened; guards nest.
            unsafe { pg_sys::AtEOXact_GUC(false, self.0) };
        }
    }
}
