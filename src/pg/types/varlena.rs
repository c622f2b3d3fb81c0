//! The bytes of varlena values.

use std::slice;

use crate::pg::report::diagnostics::Watch;
use pgrx::prelude::*;
use pgrx::varlena::{vardata_any, varsize_any};
use pgrx::{pg_sys, varatt_is_1b, varatt_is_1b_e, varatt_is_4b_u};

/// The bytes of a value where they are or, if it is compressed or out of line, of a detoasted copy.
///
/// # Safety
/// `datum` must be a varlena that outlives the result, as must the current memory context.
///
/// # Errors
/// Raises XX001 for an impossible header.
pub(in crate::pg) unsafe fn bytes<'a>(datum: pg_sys::Datum) -> &'a [u8] {
    // SAFETY: guaranteed by the caller; detoasting raises or returns a value in line.
    unsafe {
        in_line(datum).unwrap_or_else(|| {
            let _watch = Watch::if_large(datum);
            in_place(pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr()))
        })
    }
}

/// The bytes of a value that is neither compressed nor out of line. Makes no call to the server, which would cost more
/// than everything else done with a short argument.
///
/// # Safety
/// As for [`bytes`].
pub(in crate::pg) unsafe fn in_line<'a>(datum: pg_sys::Datum) -> Option<&'a [u8]> {
    let value: *const pg_sys::varlena = datum.cast_mut_ptr();
    // SAFETY: the header says how the value is stored.
    unsafe {
        let is_in_line = varatt_is_4b_u(value) || varatt_is_1b(value) && !varatt_is_1b_e(value);
        is_in_line.then(|| in_place(value))
    }
}

/// # Safety
/// `value` must be in line.
unsafe fn in_place<'a>(value: *const pg_sys::varlena) -> &'a [u8] {
    // SAFETY: the header says where the bytes begin and the value ends.
    unsafe {
        let first: *const u8 = vardata_any(value).cast();
        let header = first.offset_from_unsigned(value.cast());
        let Some(length) = varsize_any(value).checked_sub(header) else {
            // As in a page of zeros: nothing tells how far to read.
            ereport!(ERROR, PgSqlErrorCode::ERRCODE_DATA_CORRUPTED, "length of a stored value is damaged");
        };
        slice::from_raw_parts(first, length)
    }
}
