//! Raises errors with a SQLSTATE that is not PostgreSQL's own, which pgrx would turn into XX000.
//!
//! PostgreSQL raises an error by a jump that skips the destructors of all frames between. So the error is raised from a
//! frame that has nothing to drop, after the function that did the work has returned.

use std::ffi::{c_char, c_int};
use std::ptr;

use pgrx::callconv::{BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::{impl_sql_translatable, pg_sys};

/// The result of a function whose errors the outermost frame raises.
pub struct Raise(Option<Raised>);

/// An error, in the server encoding.
pub struct Raised {
    /// Five digits or capital letters.
    pub sqlstate: [u8; 5],
    /// Its primary line.
    pub message: Vec<u8>,
    pub detail: Vec<u8>,
}

impl Raise {
    /// No error: the function returns void.
    pub fn nothing() -> Self {
        Raise(None)
    }

    pub fn error(raised: Raised) -> Self {
        Raise(Some(raised))
    }
}

impl_sql_translatable!(Raise, "void");

/// An error on its way from one frame to the other, in memory that the server frees after the error.
#[repr(C)]
struct Parcel {
    sqlstate: c_int,
    message: *const c_char,
    detail: *const c_char,
}

// SAFETY: the answer is NULL or a palloc'd `Parcel`, which only the frames below take.
unsafe impl BoxRet for Raise {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        let Some(Raised { sqlstate, message, detail }) = self.0 else {
            return fcinfo.return_null();
        };
        let parcel = Parcel { sqlstate: packed(sqlstate), message: palloced(&message), detail: palloced(&detail) };
        // SAFETY: palloc aligns for anything and gives as much as is asked for; what is written holds nothing to drop.
        unsafe {
            let place = pg_sys::palloc(size_of::<Parcel>()).cast::<Parcel>();
            place.write(parcel);
            fcinfo.return_raw_datum(pg_sys::Datum::from(place))
        }
    }
}

/// A palloc'd, zero-terminated copy, up to the first zero byte.
fn palloced(text: &[u8]) -> *const c_char {
    // SAFETY: copies at most as many bytes as there are.
    unsafe { pg_sys::pnstrdup(text.as_ptr().cast(), text.len()) }
}

/// Packs it as `MAKE_SQLSTATE` of elog.h does: six bits for each character.
fn packed(sqlstate: [u8; 5]) -> c_int {
    sqlstate.iter().rev().fold(0, |packed, &character| packed << 6 | c_int::from(character.wrapping_sub(b'0') & 0x3F))
}

// Declared here, without pgrx's guards, which would turn the jump into a panic.
unsafe extern "C-unwind" {
    fn errstart(elevel: c_int, domain: *const c_char) -> bool;
    fn errcode(sqlerrcode: c_int) -> c_int;
    fn errmsg_internal(format: *const c_char, ...) -> c_int;
    fn errdetail_internal(format: *const c_char, ...) -> c_int;
    fn errfinish(filename: *const c_char, lineno: c_int, funcname: *const c_char);

    /// The function that `#[pg_extern]` generates for `pre_request`. Its guard handles its own errors and panics.
    fn pre_request_wrapper(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum;
}

/// The outermost frame of `tokenauth.pre_request()`.
///
/// # Safety
/// To be called by the server's function manager.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn pre_request_raising(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: the call is passed on as it came; the answer is the one that `box_into` of `Raise` made.
    unsafe {
        let answer = pre_request_wrapper(fcinfo);
        if !(*fcinfo).isnull {
            raise(answer.cast_mut_ptr::<Parcel>());
        }
        (*fcinfo).isnull = false;
    }
    pg_sys::Datum::null()
}

/// Tells the server the calling convention of `pre_request_raising`: version 1.
#[unsafe(no_mangle)]
extern "C" fn pg_finfo_pre_request_raising() -> &'static pg_sys::Pg_finfo_record {
    const VERSION_1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &VERSION_1
}

/// Raises the error; neither this function nor its caller has a destructor that the jump would skip.
///
/// # Safety
/// `parcel` must be one that `Raise` has made.
unsafe fn raise(parcel: *const Parcel) {
    // SAFETY: as ereport() expands; errfinish copies nothing that it does not have yet, and does not return from an
    // ERROR.
    unsafe {
        errstart(pg_sys::PGERROR as c_int, ptr::null());
        errcode((*parcel).sqlstate);
        errmsg_internal(c"%s".as_ptr(), (*parcel).message);
        errdetail_internal(c"%s".as_ptr(), (*parcel).detail);
        errfinish(concat!(file!(), "\0").as_ptr().cast(), line!() as c_int, c"pre_request".as_ptr());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_packed_as_the_server_does() {
        for (state, code) in [
            (*b"22004", pgrx::PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED),
            (*b"25P02", pgrx::PgSqlErrorCode::ERRCODE_IN_FAILED_SQL_TRANSACTION),
            (*b"XX001", pgrx::PgSqlErrorCode::ERRCODE_DATA_CORRUPTED),
        ] {
            assert_eq!(packed(state), code as c_int);
        }
    }
}
