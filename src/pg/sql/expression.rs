//! Checks that a text is one SQL expression, and recognises the simplest.

use std::ffi::{CStr, CString};

use pgrx::{is_a, pg_sys};

/// Whether a text is one expression, and nothing that would extend beyond the parentheses it is put in.
///
/// # Errors
/// Raises 42601 for a text that does not parse.
pub fn is_expression(text: &[u8]) -> bool {
    // SAFETY: the pointer is used in no way.
    unsafe { parse(text) }.is_some()
}

/// A column, perhaps behind a constant text: `id`, `users.id::text`, `'user:' || id`.
#[derive(Debug, PartialEq, Eq)]
pub struct ColumnReference {
    /// The constant text before it.
    pub prefix: Vec<u8>,
    /// The name of the column.
    pub column: Vec<u8>,
}

/// The column that an expression shows as text, if it is as simple as that.
///
/// # Errors
/// Raises 42601 for a text that does not parse.
pub fn column_reference(text: &[u8]) -> Option<ColumnReference> {
    // SAFETY: a parse tree, in which each node is used as the type its tag gives.
    unsafe { reference(parse(text)?) }
}

/// The parse tree of a text, if it is one expression.
///
/// # Safety
/// The tree lives as long as the current memory context.
unsafe fn parse(text: &[u8]) -> Option<*mut pg_sys::Node> {
    // On lines of its own, so that a comment at its end cannot swallow the parenthesis.
    let query = CString::new([b"SELECT (\n", text, b"\n)"].concat()).expect("text in a database has no zero byte");
    // SAFETY: raw_parser reads the text and returns a list of RawStmt; each node is used as the type its tag gives.
    unsafe {
        let statements = pg_sys::raw_parser(query.as_ptr(), pg_sys::RawParseMode::RAW_PARSE_DEFAULT);
        let raw = only::<pg_sys::RawStmt>(statements)?;
        if !is_a((*raw).stmt, pg_sys::NodeTag::T_SelectStmt) {
            return None;
        }
        let select = &*(*raw).stmt.cast::<pg_sys::SelectStmt>();
        let target = only::<pg_sys::ResTarget>(select.targetList).filter(|target| (**target).name.is_null())?;
        let is_alone = select.op == pg_sys::SetOperation::SETOP_NONE
            && select.intoClause.is_null()
            && select.withClause.is_null()
            && [select.whereClause, select.havingClause, select.limitOffset, select.limitCount]
                .iter()
                .all(|clause| clause.is_null())
            && [select.fromClause, select.groupClause, select.windowClause, select.sortClause, select.lockingClause]
                .iter()
                .all(|clause| clause.is_null());
        is_alone.then_some((*target).val)
    }
}

/// # Safety
/// `node` must be one of a raw parse tree.
unsafe fn reference(node: *mut pg_sys::Node) -> Option<ColumnReference> {
    // SAFETY: each node is used as the type its tag gives.
    unsafe {
        if is_a(node, pg_sys::NodeTag::T_ColumnRef) {
            let column = string(last((*node.cast::<pg_sys::ColumnRef>()).fields)?)?;
            return Some(ColumnReference { prefix: Vec::new(), column });
        }
        if is_a(node, pg_sys::NodeTag::T_TypeCast) {
            let cast = &*node.cast::<pg_sys::TypeCast>();
            let type_name = &*cast.typeName;
            let is_text = type_name.arrayBounds.is_null() && string(last(type_name.names)?)? == b"text";
            return if is_text { reference(cast.arg) } else { None };
        }
        if is_a(node, pg_sys::NodeTag::T_A_Expr) {
            let operation = &*node.cast::<pg_sys::A_Expr>();
            let is_plain = operation.kind == pg_sys::A_Expr_Kind::AEXPR_OP
                && string(only(operation.name)?)? == b"||"
                && is_a(operation.lexpr, pg_sys::NodeTag::T_A_Const);
            let constant = is_plain.then(|| &*operation.lexpr.cast::<pg_sys::A_Const>()).filter(|it| !it.isnull)?;
            let mut prefix = string((&raw const constant.val).cast_mut().cast())?;
            let behind = reference(operation.rexpr)?;
            prefix.extend_from_slice(&behind.prefix);
            return Some(ColumnReference { prefix, column: behind.column });
        }
        None
    }
}

/// The text of a string node.
///
/// # Safety
/// `node` must be one of a raw parse tree.
unsafe fn string(node: *mut pg_sys::Node) -> Option<Vec<u8>> {
    // SAFETY: a string node has a zero-terminated text.
    unsafe {
        is_a(node, pg_sys::NodeTag::T_String)
            .then(|| CStr::from_ptr((*node.cast::<pg_sys::String>()).sval).to_bytes().to_vec())
    }
}

/// The last part of a name, which may have its schema before it.
///
/// # Safety
/// The list must be one of nodes.
unsafe fn last(names: *mut pg_sys::List) -> Option<*mut pg_sys::Node> {
    // SAFETY: an empty list is NULL, and a list has `length` cells.
    unsafe {
        let names = names.as_ref()?;
        let place = usize::try_from(names.length).ok()?.checked_sub(1)?;
        Some((*names.elements.add(place)).ptr_value.cast())
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
