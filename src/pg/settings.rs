//! The namespace of our settings.

use std::ffi::CStr;

use pgrx::pg_sys;

/// Makes an unknown setting of this prefix an error instead of a placeholder that is silently kept.
pub fn reserve(prefix: &'static CStr) {
    // SAFETY: copies the name.
    unsafe { pg_sys::MarkGUCPrefixReserved(prefix.as_ptr()) };
}
