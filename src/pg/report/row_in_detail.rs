//! Keeps the rows of our tables out of errors.
//!
//! In DETAIL of an error about a constraint, PostgreSQL shows the row that breaks it to whoever may read the table. Our
//! functions write as the owner of the tables, who may, for callers who may not: a row of a token has its digest, by
//! which it can be verified. What was broken is told by the message and the names of table, column and constraint.

use std::ffi::{CStr, c_char, c_int};

use pgrx::{PgSqlErrorCode, pg_sys};

/// What is told in place of the row.
pub(super) const IN_ITS_PLACE: &CStr = c"Rows are not shown to callers of functions of extension \"tokenauth\".";

/// Whether the DETAIL of an error that was raised while our functions write shows a row of ours, or a key of it.
///
/// # Safety
/// The texts of the error must be NULL or zero-terminated.
pub(super) unsafe fn is_shown(error: &pg_sys::ErrorData) -> bool {
    /// The class of a code is in its lower bits, as `ERRCODE_TO_CATEGORY` of elog.h takes it.
    const CLASS: c_int = (1 << 12) - 1;
    const CONSTRAINTS: c_int = PgSqlErrorCode::ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION as c_int;
    let bytes = |text: *const c_char| {
        if text.is_null() {
            return &b""[..];
        }
        // SAFETY: guaranteed by the caller.
        unsafe { CStr::from_ptr(text) }.to_bytes()
    };
    // One that refers to a row that is being removed is of the table with the reference, which is somebody else's. The
    // message before its translation tells both apart.
    let is_of_ours = || {
        bytes(error.schema_name) == b"tokenauth" || bytes(error.message_id).starts_with(b"update or delete on table")
    };
    error.sqlerrcode & CLASS == CONSTRAINTS && !error.detail.is_null() && is_of_ours()
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    fn is_shown_by(code: PgSqlErrorCode, schema: Option<&CStr>, message: Option<&CStr>, detail: Option<&CStr>) -> bool {
        let text = |text: Option<&CStr>| text.map_or(ptr::null_mut(), |text| text.as_ptr().cast_mut());
        let error = pg_sys::ErrorData {
            sqlerrcode: code as c_int,
            schema_name: text(schema),
            message_id: text(message),
            detail: text(detail),
            ..Default::default()
        };
        // SAFETY: the texts outlive the error.
        unsafe { is_shown(&error) }
    }

    #[test]
    fn a_row_is_shown_by_constraints_of_our_tables_and_by_references_to_them() {
        const ROW: Option<&CStr> = Some(c"Failing row contains (1).");
        let (ours, public) = (Some(c"tokenauth"), Some(c"public"));
        for code in [
            PgSqlErrorCode::ERRCODE_NOT_NULL_VIOLATION,
            PgSqlErrorCode::ERRCODE_CHECK_VIOLATION,
            PgSqlErrorCode::ERRCODE_UNIQUE_VIOLATION,
            PgSqlErrorCode::ERRCODE_EXCLUSION_VIOLATION,
            PgSqlErrorCode::ERRCODE_FOREIGN_KEY_VIOLATION,
        ] {
            assert!(is_shown_by(code, ours, None, ROW));
            assert!(!is_shown_by(code, ours, None, None) && !is_shown_by(code, public, None, ROW));
            assert!(!is_shown_by(code, None, None, ROW));
        }
        let removed = Some(c"update or delete on table \"%s\" violates foreign key constraint \"%s\" on table \"%s\"");
        let added = Some(c"insert or update on table \"%s\" violates foreign key constraint \"%s\"");
        for code in [PgSqlErrorCode::ERRCODE_FOREIGN_KEY_VIOLATION, PgSqlErrorCode::ERRCODE_RESTRICT_VIOLATION] {
            assert!(is_shown_by(code, public, removed, ROW) && !is_shown_by(code, public, added, ROW));
        }
        assert!(!is_shown_by(PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE, ours, None, ROW));
        assert!(!is_shown_by(PgSqlErrorCode::ERRCODE_WITH_CHECK_OPTION_VIOLATION, None, None, ROW));
    }
}
