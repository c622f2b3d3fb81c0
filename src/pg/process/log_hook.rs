//! Masks tokens in messages on their way into the server's log.
//!
//! The hook runs in any process that logs something, the postmaster included, and at any moment: while an error is
//! being handled, in the middle of a commit, when memory has run out. So it allocates nothing, takes no lock, looks
//! nothing up and raises nothing. It overwrites bytes in place, keeps the length, and is installed only while the
//! setting is on.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::{ptr, slice};

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use pgrx::{pg_guard, pg_sys};

use super::shared_memory;
use crate::pg::process::backend_local::backend_local;
use crate::token::remains::Lines;
use crate::token::{embedded, remains};

// Const and without destructors, so that reading them allocates nothing.
backend_local! {
    static IS_ON: Cell<bool> = const { Cell::new(false) };
    static IS_INSTALLED: Cell<bool> = const { Cell::new(false) };
    /// The hook to call after ours.
    static NEXT: Cell<pg_sys::emit_log_hook_type> = const { Cell::new(None) };
}

/// Defines the setting that masks the log, once, from `_PG_init`.
///
/// With the library in `shared_preload_libraries`, the postmaster assigns the setting before it has children;
/// afterwards every process follows the configuration file by itself.
pub fn define_setting(
    name: &'static CStr,
    short: &'static CStr,
    long: &'static CStr,
    setting: &'static GucSetting<bool>,
    context: GucContext,
) {
    // SAFETY: the hook is a static, guarded function that keeps nothing of its arguments.
    unsafe {
        GucRegistry::define_bool_guc_with_hooks(
            name,
            short,
            long,
            setting,
            context,
            GucFlags::default(),
            None,
            Some(assigned),
            None,
        );
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn assigned(is_on: bool, _extra: *mut c_void) {
    IS_ON.set(is_on);
    // SAFETY: a variable of this process, which has one thread.
    unsafe {
        if is_on && !IS_INSTALLED.get() {
            NEXT.set(pg_sys::emit_log_hook);
            pg_sys::emit_log_hook = Some(mask);
            IS_INSTALLED.set(true);
        } else if !is_on && IS_INSTALLED.get() && pg_sys::emit_log_hook.is_some_and(is_ours) {
            // If another hook was installed after ours, ours stays and only passes messages on.
            pg_sys::emit_log_hook = NEXT.get();
            IS_INSTALLED.set(false);
        }
    }
}

type Hook = unsafe extern "C-unwind" fn(*mut pg_sys::ErrorData);

fn is_ours(hook: Hook) -> bool {
    ptr::fn_addr_eq(hook, mask as Hook)
}

/// Not guarded: a guard turns panics into errors, and an error raised while logging would itself be logged.
unsafe extern "C-unwind" fn mask(report: *mut pg_sys::ErrorData) {
    if IS_ON.get() {
        // SAFETY: the server passes the report that it is about to write.
        if let Some(report) = unsafe { report.as_mut() } {
            // SAFETY: as above.
            let masked = unsafe { mask_fields(report) + hide_statement(report) };
            if let Some(slots) = shared_memory::slots().filter(|_| masked > 0) {
                slots.count_masked(masked as u64);
            }
        }
    }
    // Last, so that a hook that ships the log elsewhere gets it masked.
    if let Some(next) = NEXT.get() {
        // SAFETY: passed on as it came. Nothing here has a destructor that an error raised there would skip.
        unsafe { next(report) };
    }
}

/// Masks the tokens in every field that the log shows, and returns their number. The client gets the same message.
///
/// # Safety
/// `report` must be one that is about to be written.
unsafe fn mask_fields(report: &mut pg_sys::ErrorData) -> usize {
    let pg_sys::ErrorData { message, detail, detail_log, hint, context, backtrace, internalquery, .. } = *report;
    // A detail may quote the begin of a statement, or a part of a document.
    let whole = [message, hint, context, backtrace, internalquery].map(|field| (field, Lines::Whole));
    let cut = [detail, detail_log].map(|field| (field, Lines::Cut));
    whole
        .into_iter()
        .chain(cut)
        .filter(|(field, _)| !field.is_null())
        .map(|(field, lines)| {
            // SAFETY: fields that are not declared const are palloc'd, zero-terminated strings of this report alone
            // (elog.h).
            let bytes =
                unsafe { slice::from_raw_parts_mut(field.cast::<u8>(), CStr::from_ptr(field).to_bytes().len()) };
            if !remains::are_possible(bytes) {
                return 0;
            }
            embedded::mask_in_place(bytes) + remains::mask_in_place(bytes, lines)
        })
        .sum()
}

/// Keeps a statement that contains tokens off the log, and returns their number; 0 when it would not be logged anyway.
///
/// The server goes on executing this text and shows it in its views, so it is read and never overwritten.
///
/// # Safety
/// `report` must be one that is about to be written.
unsafe fn hide_statement(report: &mut pg_sys::ErrorData) -> usize {
    // SAFETY: reads this process's state; the text is NULL or a zero-terminated string.
    let statement: *const c_char = unsafe { pg_sys::debug_query_string };
    if report.hide_stmt || statement.is_null() || !is_logged(report.elevel) {
        return 0;
    }
    // SAFETY: as above.
    let text = unsafe { CStr::from_ptr(statement) }.to_bytes();
    if !remains::are_possible(text) {
        return 0;
    }
    let found = match embedded::find(text).count() {
        0 => usize::from(remains::contains(text)),
        found => found,
    };
    report.hide_stmt = found > 0;
    found
}

/// Whether the statement is logged with messages of this level, as `is_log_level_output` of elog.c decides.
fn is_logged(level: c_int) -> bool {
    const LOG: c_int = pg_sys::LOG as c_int;
    const LOG_SERVER_ONLY: c_int = pg_sys::LOG_SERVER_ONLY as c_int;
    const ERROR: c_int = pg_sys::PGERROR as c_int;
    const FATAL: c_int = pg_sys::FATAL as c_int;
    // SAFETY: reads this process's setting.
    match (level, unsafe { pg_sys::log_min_error_statement }) {
        (LOG | LOG_SERVER_ONLY, least) => least == LOG || least <= ERROR,
        (level, LOG) => level >= FATAL,
        (level, least) => level >= least,
    }
}
