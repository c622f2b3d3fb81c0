//! Keeps of errors what pgrx does not.
//!
//! pgrx catches an error of the server, copies its SQLSTATE, message, DETAIL and HINT as if they were UTF-8, and raises
//! a new error with these once the frames of Rust are unwound. Lost are the DETAIL that is meant for the log alone
//! (which processes have deadlocked, and over what), the context, the names of table and constraint, the codes that
//! pgrx does not know, and whatever is not UTF-8. And it allocates without limit: a message of any size would end the
//! server.
//!
//! An error context callback sees each error as it is raised. One of ours copies it; another is left behind while Rust
//! unwinds, and completes the new error from the copy. In the same way, errors of our own are told in the encoding of
//! the server.

use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell, UnsafeCell};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::{env, ptr, thread};

use pgrx::{PgSqlErrorCode, pg_sys};

use super::{reserve, row_in_detail};
use crate::pg::process::backend_local::backend_local;
use crate::pg::types::varlena;

/// Longest text of an error that passes through Rust; the whole is put back at the end.
const MOST: usize = 64 * 1024;

/// How large a value must be for its conversion to be watched, which takes more time than converting a small one.
const LARGE: usize = 64 * 1024;

/// The fields of `ErrorData` by which clients are told names, as in `postgres_ext.h`.
mod named {
    pub const SCHEMA: i32 = b's' as i32;
    pub const TABLE: i32 = b't' as i32;
    pub const COLUMN: i32 = b'c' as i32;
    pub const TYPE: i32 = b'd' as i32;
    pub const CONSTRAINT: i32 = b'n' as i32;
}

// Declared here, without pgrx's guards: the callbacks have nothing to drop, and are called from the server's own
// frames.
unsafe extern "C-unwind" {
    fn CopyErrorData() -> *mut pg_sys::ErrorData;
    fn MemoryContextReset(context: pg_sys::MemoryContext);
    fn geterrcode() -> c_int;
    fn errcode(sqlerrcode: c_int) -> c_int;
    fn errmsg_internal(format: *const c_char, ...) -> c_int;
    fn errdetail_internal(format: *const c_char, ...) -> c_int;
    fn errdetail_log(format: *const c_char, ...) -> c_int;
    fn errhint(format: *const c_char, ...) -> c_int;
    fn errcontext_msg(format: *const c_char, ...) -> c_int;
    fn err_generic_string(field: c_int, text: *const c_char) -> c_int;
    fn errposition(position: c_int) -> c_int;
    fn internalerrposition(position: c_int) -> c_int;
    fn internalerrquery(query: *const c_char) -> c_int;
    fn errhidestmt(hide: bool) -> c_int;
    fn errhidecontext(hide: bool) -> c_int;
}

backend_local! {
    /// Where the last error of the server is kept, where the next one will be, and where an error of our own is: each
    /// is reset as a whole before it is used again.
    static KEPT: Cell<pg_sys::MemoryContext> = const { Cell::new(ptr::null_mut()) };
    static SPARE: Cell<pg_sys::MemoryContext> = const { Cell::new(ptr::null_mut()) };
    static OURS: Cell<pg_sys::MemoryContext> = const { Cell::new(ptr::null_mut()) };
    /// The last error of the server that was raised while it was watched for.
    static LAST: Cell<*mut pg_sys::ErrorData> = const { Cell::new(ptr::null_mut()) };
    /// What the error that pgrx is about to raise ought to be: the last one, or an error of our own.
    static WHOLE: Cell<*mut pg_sys::ErrorData> = const { Cell::new(ptr::null_mut()) };
    /// Its message as pgrx has it, by which it is recognised.
    static EXPECTED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// The innermost of those that watch: it alone copies an error, before the frames around it add to its context what
    /// they will add again.
    static INNERMOST: Cell<*mut pg_sys::ErrorContextCallback> = const { Cell::new(ptr::null_mut()) };
    /// The callback that completes it; where it is in the server's list, it is there once.
    static COMPLETION: UnsafeCell<pg_sys::ErrorContextCallback> = const {
        UnsafeCell::new(pg_sys::ErrorContextCallback {
            previous: ptr::null_mut(),
            callback: None,
            arg: ptr::null_mut(),
        })
    };
}

/// A context for copies of errors that lives as long as the backend.
fn context(name: &'static CStr) -> pg_sys::MemoryContext {
    // SAFETY: a child of the context that is never reset; the name is static.
    unsafe {
        pg_sys::AllocSetContextCreateInternal(
            pg_sys::TopMemoryContext,
            name.as_ptr(),
            pg_sys::ALLOCSET_SMALL_MINSIZE as usize,
            pg_sys::ALLOCSET_SMALL_INITSIZE as usize,
            pg_sys::ALLOCSET_SMALL_MAXSIZE as usize,
        )
    }
}

/// Makes what the callbacks need, which must not allocate much themselves.
fn prepare() {
    // Each by itself: there may be memory for one and not for the next.
    for made in [&KEPT, &SPARE, &OURS] {
        if made.get().is_null() {
            made.set(context(c"tokenauth error"));
        }
    }
    reserve::keep();
}

/// Keeps Rust's stack frames, which pgrx would show to clients in DETAIL, out of errors, whatever `RUST_BACKTRACE` says
/// in the environment of the server. Called once, from `_PG_init`.
pub fn forget_backtraces() {
    /// What Rust looks at first.
    const SETTING: &str = "RUST_LIB_BACKTRACE";
    let former = env::var_os(SETTING);
    // Rust looks at its environment at the first capture, and keeps the answer.
    // SAFETY: a server process has one thread when it loads a library.
    unsafe {
        env::set_var(SETTING, "0");
        drop(Backtrace::capture());
        match former {
            Some(former) => env::set_var(SETTING, former),
            None => env::remove_var(SETTING),
        }
    }
}

/// Watches for errors of the server as long as it lives.
pub(in crate::pg) struct Watch {
    callback: Box<pg_sys::ErrorContextCallback>,
    around: *mut pg_sys::ErrorContextCallback,
}

impl Watch {
    /// Watches the conversion of a value, if that may take much memory.
    ///
    /// # Safety
    /// `datum` must be a varlena.
    #[inline]
    pub(in crate::pg) unsafe fn if_large(datum: pg_sys::Datum) -> Option<Self> {
        // SAFETY: guaranteed by the caller; the size of a value that is not in line is that before compression.
        let size =
            unsafe { varlena::in_line(datum).map_or_else(|| pg_sys::toast_raw_datum_size(datum), |bytes| bytes.len()) };
        (size > LARGE).then(Watch::begin)
    }

    pub(in crate::pg) fn begin() -> Self {
        prepare();
        // SAFETY: the callback is boxed, so its address stays; it is taken off the list before it is freed.
        unsafe {
            take_off_completion();
            let mut callback = Box::new(pg_sys::ErrorContextCallback {
                previous: pg_sys::error_context_stack,
                callback: Some(keep),
                arg: ptr::null_mut(),
            });
            let address = &raw mut *callback;
            (*address).arg = address.cast();
            pg_sys::error_context_stack = address;
            Watch { callback, around: INNERMOST.replace(address) }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // SAFETY: whatever was put on the list later has been taken off, by its owner or by whoever caught an error.
        unsafe { pg_sys::error_context_stack = self.callback.previous };
        INNERMOST.set(self.around);
        if let Some(message) = thread::panicking().then(last_message).flatten() {
            complete_next(LAST.get(), String::from_utf8_lossy(&message).as_bytes());
        }
    }
}

/// The message of the last error, as long as pgrx gets it.
fn last_message() -> Option<Vec<u8>> {
    // SAFETY: the copy lives until the next error; its message is a string or NULL.
    let message = unsafe { text(LAST.get().as_ref()?.message) };
    Some(message[..message.len().min(MOST)].to_vec())
}

/// The message of the server's last error, in the server's encoding, if this is what pgrx has made of it.
pub fn original(message: &str) -> Option<Vec<u8>> {
    last_message().filter(|last| String::from_utf8_lossy(last) == message)
}

/// Sees to it that the next error with this message is told in the encoding of the server: with these as its message,
/// DETAIL and HINT.
pub fn set_next(message: &str, [converted, detail, hint]: [Option<Vec<u8>>; 3]) {
    prepare();
    WHOLE.set(ptr::null_mut());
    let string = |text: Option<Vec<u8>>| {
        let text = text.and_then(|text| CString::new(text).ok());
        // SAFETY: copies the string into the memory that is given.
        text.map_or(ptr::null_mut(), |text| unsafe { pg_sys::MemoryContextStrdup(OURS.get(), text.as_ptr()) })
    };
    // SAFETY: nothing refers to what was there; zeroes are a valid ErrorData, with no text and no number.
    let whole = unsafe {
        MemoryContextReset(OURS.get());
        let whole: *mut pg_sys::ErrorData =
            pg_sys::MemoryContextAllocZero(OURS.get(), size_of::<pg_sys::ErrorData>()).cast();
        (*whole).message = string(converted);
        (*whole).detail = string(detail);
        (*whole).hint = string(hint);
        whole
    };
    complete_next(whole, message.as_bytes());
}

/// Takes back what [`set_next`] has left behind, after a message that was no error.
pub fn clear_next() {
    // SAFETY: called between two calls of the server.
    unsafe { take_off_completion() };
}

/// The bytes of a string; none of NULL.
///
/// # Safety
/// `string` must be NULL or zero-terminated, and outlive the result.
unsafe fn text<'a>(string: *const c_char) -> &'a [u8] {
    // SAFETY: guaranteed by the caller.
    if string.is_null() { b"" } else { unsafe { CStr::from_ptr(string).to_bytes() } }
}

/// Puts the completing callback first on the server's list. Does not raise: it is called while Rust unwinds.
fn complete_next(whole: *mut pg_sys::ErrorData, message: &[u8]) {
    WHOLE.set(whole);
    EXPECTED.with_borrow_mut(|expected| {
        expected.clear();
        expected.extend_from_slice(message);
    });
    COMPLETION.with(|completion| {
        // SAFETY: the list consists of callbacks whose owners are still running, and of this one, which is static.
        unsafe {
            take_off_completion();
            let completion = completion.get();
            (*completion).callback = Some(complete);
            (*completion).previous = pg_sys::error_context_stack;
            pg_sys::error_context_stack = completion;
        }
    });
}

/// Takes the completing callback off the list of the server, wherever it is in it. Left there, it would do no harm: it
/// is static, and completes only the error that it knows.
///
/// # Safety
/// The list must consist of live callbacks, as it always does while code of the server runs.
unsafe fn take_off_completion() {
    COMPLETION.with(|completion| {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let mut place = &raw mut pg_sys::error_context_stack;
            while !(*place).is_null() && *place != completion.get() {
                place = &raw mut (**place).previous;
            }
            if !(*place).is_null() {
                *place = (**place).previous;
            }
        }
    });
}

/// Called by the server as an error, or anything less, is raised.
unsafe extern "C-unwind" fn keep(watch: *mut c_void) {
    if watch != INNERMOST.get().cast() {
        return;
    }
    // SAFETY: as PL/pgSQL's callback, it is called with the error on top of the server's stack of errors. Only the copy
    // can raise, when there is no memory: then that is the error. Nothing here has a destructor that it would skip.
    unsafe {
        if geterrcode() == PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY as c_int {
            reserve::give();
            return;
        }
        let data = copy();
        if (*data).elevel != pg_sys::PGERROR as c_int {
            return;
        }
        if row_in_detail::is_shown(&*data) {
            errdetail_internal(c"%s".as_ptr(), row_in_detail::IN_ITS_PLACE.as_ptr());
            // Never freed by itself.
            (*data).detail = row_in_detail::IN_ITS_PLACE.as_ptr().cast_mut();
        }
        if WHOLE.get() == LAST.get() {
            WHOLE.set(ptr::null_mut());
        }
        LAST.set(data);
        SPARE.set(KEPT.replace(SPARE.get()));
        shorten((*data).message, errmsg_internal);
        shorten((*data).detail, errdetail_internal);
        shorten((*data).hint, errhint);
    }
}

/// A copy of the error that is being raised, in the spare memory.
///
/// # Safety
/// To be called from an error context callback, after `prepare`.
unsafe fn copy() -> *mut pg_sys::ErrorData {
    // SAFETY: guaranteed by the caller; nothing refers to what is in the spare memory.
    unsafe {
        let context = pg_sys::CurrentMemoryContext;
        MemoryContextReset(SPARE.get());
        pg_sys::CurrentMemoryContext = SPARE.get();
        let data = CopyErrorData();
        pg_sys::CurrentMemoryContext = context;
        data
    }
}

type SetField = unsafe extern "C-unwind" fn(*const c_char, ...) -> c_int;

/// Replaces a text of the error that is being raised by its beginning, if it is long.
///
/// # Safety
/// `string` must be NULL or zero-terminated.
unsafe fn shorten(string: *const c_char, set: SetField) {
    // SAFETY: guaranteed by the caller; the precision bounds what is read.
    unsafe {
        if text(string).len() > MOST {
            set(c"%.*s".as_ptr(), MOST as c_int, string);
        }
    }
}

/// Called by the server as pgrx raises the new error, or as any other is raised.
unsafe extern "C-unwind" fn complete(_argument: *mut c_void) {
    // SAFETY: as in `keep`.
    unsafe {
        let whole = WHOLE.get();
        if whole.is_null() || geterrcode() == PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY as c_int {
            return;
        }
        let raised = copy();
        let is_of_the_server = whole == LAST.get();
        let is_expected = EXPECTED.with_borrow(|expected| expected == text((*raised).message))
            && (!is_of_the_server || (*raised).lineno == (*whole).lineno);
        if is_expected {
            complete_from(&*whole);
            WHOLE.set(ptr::null_mut());
        }
        if is_expected && is_of_the_server {
            // It may be large.
            LAST.set(ptr::null_mut());
            MemoryContextReset(KEPT.get());
        }
    }
}

/// Sets all fields of the error that is being raised.
///
/// # Safety
/// To be called from an error context callback.
unsafe fn complete_from(whole: &pg_sys::ErrorData) {
    const STRING: *const c_char = c"%s".as_ptr();
    let texts: [(*const c_char, SetField); 5] = [
        (whole.message, errmsg_internal),
        (whole.detail, errdetail_internal),
        (whole.detail_log, errdetail_log),
        (whole.hint, errhint),
        (whole.context, errcontext_msg),
    ];
    let names = [
        (named::SCHEMA, whole.schema_name),
        (named::TABLE, whole.table_name),
        (named::COLUMN, whole.column_name),
        (named::TYPE, whole.datatype_name),
        (named::CONSTRAINT, whole.constraint_name),
    ];
    // SAFETY: guaranteed by the caller; each string is zero-terminated and copied.
    unsafe {
        if whole.sqlerrcode != 0 {
            errcode(whole.sqlerrcode);
        }
        for (text, set) in texts {
            if !text.is_null() {
                set(STRING, text);
            }
        }
        for (field, name) in names {
            if !name.is_null() {
                err_generic_string(field, name);
            }
        }
        if !whole.internalquery.is_null() {
            internalerrquery(whole.internalquery);
        }
        errposition(whole.cursorpos);
        internalerrposition(whole.internalpos);
        errhidestmt(whole.hide_stmt);
        errhidecontext(whole.hide_ctx);
    }
}
