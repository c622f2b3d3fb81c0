//! What our settings need from the server: their prefix, their hooks, and other configuration.

use std::cell::Cell;
use std::ffi::{CStr, CString, OsStr, c_char, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting, GucValue};
use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::pg::process::backend_local::backend_local;
use crate::pg::types::clock;
use crate::pg::types::memory::copied;

/// Makes an unknown setting with this prefix an error, instead of a placeholder that is silently kept.
pub fn reserve(prefix: &'static CStr) {
    // SAFETY: copies the name.
    unsafe { pg_sys::MarkGUCPrefixReserved(prefix.as_ptr()) };
}

/// The value of a setting that each verification asks for: `GucSetting::get` also checks which thread it is called by,
/// which takes longer than to read it.
#[inline]
pub fn current<T: GucValue<Raw = T> + Copy>(setting: &'static GucSetting<T>) -> T {
    // SAFETY: the server writes it between statements, in the one thread of this process.
    unsafe { *setting.as_ptr() }
}

backend_local! {
    /// Whether the postmaster has loaded the library; inherited by its children.
    static PRELOADED: Cell<bool> = const { Cell::new(false) };
}

/// Defines a setting that names a file, which only superusers see. `look` is called with each value it takes, at the
/// start and at each reload: once for the whole server if the postmaster has loaded the library, otherwise once in each
/// process that has.
pub fn define_file(
    name: &'static CStr,
    short: &'static CStr,
    long: &'static CStr,
    setting: &'static GucSetting<Option<CString>>,
    context: GucContext,
    look: fn(&CStr),
) {
    /// The function to call. There is one such setting.
    static LOOK: std::sync::OnceLock<fn(&CStr)> = std::sync::OnceLock::new();

    #[pg_guard]
    unsafe extern "C-unwind" fn assigned(value: *const c_char, _extra: *mut c_void) {
        // SAFETY: reads this process's state.
        let (is_child, is_worker) = unsafe { (pg_sys::IsUnderPostmaster, pg_sys::ParallelWorkerNumber >= 0) };
        // The process that started the worker has called it already.
        if value.is_null() || is_worker || is_child && PRELOADED.get() {
            return;
        }
        if let Some(look) = LOOK.get() {
            // SAFETY: the setting's new value is a string that lives while it is being assigned.
            look(unsafe { CStr::from_ptr(value) });
        }
    }

    LOOK.get_or_init(|| look);
    // SAFETY: reads this process's state.
    PRELOADED.set(unsafe { pg_sys::process_shared_preload_libraries_in_progress });
    // SAFETY: the hook is a static, guarded function that keeps nothing of its arguments.
    unsafe {
        GucRegistry::define_string_guc_with_hooks(
            name,
            short,
            long,
            setting,
            context,
            GucFlags::SUPERUSER_ONLY,
            None,
            Some(assigned),
            None,
        );
    }
}

/// Defines a setting that is empty or a name of at most 255 bytes: each use of it makes a copy.
pub fn define_name(
    name: &'static CStr,
    short: &'static CStr,
    long: &'static CStr,
    setting: &'static GucSetting<Option<CString>>,
    context: GucContext,
) {
    #[pg_guard]
    unsafe extern "C-unwind" fn is_good(
        value: *mut *mut c_char,
        _extra: *mut *mut c_void,
        _source: pg_sys::GucSource::Type,
    ) -> bool {
        const MOST: usize = 255;
        // SAFETY: the hook gets the string to be set, or NULL for none.
        unsafe { (*value).as_ref().is_none_or(|text| CStr::from_ptr(text).count_bytes() <= MOST) }
    }

    // SAFETY: the hook is a static, guarded function that keeps nothing of its arguments.
    unsafe {
        let flags = GucFlags::default();
        GucRegistry::define_string_guc_with_hooks(
            name,
            short,
            long,
            setting,
            context,
            flags,
            Some(is_good),
            None,
            None,
        );
    }
}

/// Defines a setting that is empty or a non-negative interval.
pub fn define_interval(
    name: &'static CStr,
    short: &'static CStr,
    long: &'static CStr,
    setting: &'static GucSetting<Option<CString>>,
    context: GucContext,
) {
    #[pg_guard]
    unsafe extern "C-unwind" fn is_good(
        value: *mut *mut c_char,
        _extra: *mut *mut c_void,
        _source: pg_sys::GucSource::Type,
    ) -> bool {
        // SAFETY: the hook gets the string to be set, or NULL for none.
        let text = unsafe { (*value).as_ref().map(|text| CStr::from_ptr(text)) };
        text.is_none_or(|text| {
            text.is_empty() || clock::parse_interval(text).is_some_and(|interval| !clock::is_negative(&interval))
        })
    }

    // SAFETY: the hook is a static, guarded function that keeps nothing of its arguments.
    unsafe {
        GucRegistry::define_string_guc_with_hooks(
            name,
            short,
            long,
            setting,
            context,
            GucFlags::default(),
            Some(is_good),
            None,
            None,
        );
    }
}

/// The value of a setting that is not ours; `None` when it does not exist.
///
/// # Errors
/// Raises 42501 for a setting that only superusers may read.
pub fn value(name: &CStr) -> Option<Vec<u8>> {
    // SAFETY: with `missing_ok` an unknown name is NULL. A value is a string that lives until the setting changes, or
    // the next call, and is copied before either.
    unsafe {
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, true);
        (!value.is_null()).then(|| copied(CStr::from_ptr(value).to_bytes()))
    }
}

/// When this process last loaded the configuration file.
pub fn reloaded_at() -> i64 {
    // SAFETY: a plain variable of this process, which it alone writes.
    unsafe { pg_sys::PgReloadTime }
}

pub fn data_directory() -> &'static Path {
    // SAFETY: set once, before any library is loaded, and never freed.
    path_of(unsafe { CStr::from_ptr(pg_sys::DataDir) })
}

/// A path as the operating system takes it.
pub fn path_of(path: &CStr) -> &Path {
    Path::new(OsStr::from_bytes(path.to_bytes()))
}
