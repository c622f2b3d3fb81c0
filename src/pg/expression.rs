//! Checks that a text is one SQL expression.

use std::ffi::CString;

use pgrx::{is_a, pg_sys};

/// Whether a text is one expression, and nothing that would extend beyond the parentheses it is put in.
///
/// # Errors
/// Raises 42601 for a text that does not parse.
pub fn is_expression(text: &[u8]) -> bool {
    // On lines of its own, so that a comment at its end cannot swallow the parenthesis.
    let query = CString::new([b"SELECT (\n", text, b"\n)"].concat()).expect("text in a database has no zero byte");
    // SAFETY: raw_parser reads the text and returns a list of RawStmt; each node is used as the type its tag gives.
    unsafe {
        let statements = pg_sys::raw_parser(query.as_ptr(), pg_sys::RawParseMode::RAW_PARSE_DEFAULT);
        let Some(raw) = only::<pg_sys::RawStmt>(statements) else {
            return false;
        };
        if !is_a((*raw).stmt, pg_sys::NodeTag::T_SelectStmt) {
            return false;
        }
        let select = &*(*raw).stmt.cast::<pg_sys::SelectStmt>();
        only::<pg_sys::ResTarget>(select.targetList).is_some_and(|target| (*target).name.is_null())
            && select.op == pg_sys::SetOperation::SETOP_NONE
            && select.intoClause.is_null()
            && select.withClause.is_null()
            && [select.whereClause, select.havingClause, select.limitOffset, select.limitCount]
                .iter()
                .all(|clause| clause.is_null())
            && [select.fromClause, select.groupClause, select.windowClause, select.sortClause, select.lockingClause]
                .iter()
                .all(|clause| clause.is_null())
    }
}

/// The element of a list that has exactly one.
///
/// # Safety
/// The list must be one of `T` nodes.
unsafe fn only<T>(list: *mut pg_sys::List) -> Option<*mut T> {
    // SAFETY: an empty list is NULL, and a list has `length` cells.
    unsafe {
        let list = list.as_ref().filter(|list| list.length == 1)?;
        Some((*list.elements).ptr_value.cast())
    }
}
