//! What the columns of a query are joined from, compared with the keys of an index.

use std::ffi::CString;

use pgrx::{is_a, pg_sys};

use super::query::Query;
use crate::pg::types::varlena;

/// The parts of each column of a query over one table: what is joined by `||` with a constant between, freed of casts
/// that lose nothing; and the whole column.
pub struct ColumnParts {
    /// Owns the nodes.
    _query: Query,
    nodes: Vec<*mut pg_sys::Node>,
}

impl ColumnParts {
    /// Those of this query, which is analysed as the current user and not run.
    ///
    /// # Errors
    /// Raises what the parser raises.
    pub fn of(sql: &[u8]) -> Self {
        let query = Query::prepare_once(sql, &[]);
        let mut nodes = Vec::new();
        for column in query.columns() {
            let whole = bare(column);
            nodes.push(whole);
            let joined = joined(whole);
            let are_apart = joined.windows(2).all(|pair| pair.iter().any(|&node| is_text(node)));
            if are_apart {
                nodes.extend(joined);
            }
        }
        ColumnParts { _query: query, nodes }
    }

    /// Whether every key of an index is one of the parts. `columns` are the numbers of its columns, 0 for an
    /// expression; `expressions` are these, as the catalog stores them.
    pub fn cover(&self, columns: &[i16], expressions: Option<&[u8]>) -> bool {
        let stored = expressions.map(|text| CString::new(text).expect("a node in the catalog has no zero byte"));
        // SAFETY: the text is a list of nodes that the catalog stores, which is read into memory of the current
        // context.
        let expressions: *mut pg_sys::List =
            stored.map_or(std::ptr::null_mut(), |text| unsafe { pg_sys::stringToNode(text.as_ptr()) }.cast());
        let mut expressions = elements(expressions).into_iter();
        !columns.is_empty()
            && columns.iter().all(|&column| match column {
                0 => expressions.next().is_some_and(|key| {
                    let key = bare(key);
                    // SAFETY: both are whole expressions, in memory that outlives the call.
                    self.nodes.iter().any(|&part| unsafe { pg_sys::equal(part.cast(), key.cast()) })
                }),
                column => self.nodes.iter().any(|&part| is_column(part, column)),
            })
    }
}

/// The functions behind `||` for text with text and with anything.
const JOINS: [u32; 3] = [1258, 2003, 2004];

/// The operands of `||`, from left to right; an expression that is none is its only one.
fn joined(node: *mut pg_sys::Node) -> Vec<*mut pg_sys::Node> {
    // SAFETY: a node is used as the type its tag gives.
    unsafe {
        if is_a(node, pg_sys::NodeTag::T_OpExpr) {
            let operator = &*node.cast::<pg_sys::OpExpr>();
            if JOINS.contains(&operator.opfuncid.to_u32()) {
                return elements(operator.args).into_iter().flat_map(|operand| joined(bare(operand))).collect();
            }
        }
    }
    vec![node]
}

/// An expression without casts to text and others that keep different values different.
fn bare(node: *mut pg_sys::Node) -> *mut pg_sys::Node {
    // SAFETY: a node is used as the type its tag gives.
    let argument: *mut pg_sys::Expr = unsafe {
        if is_a(node, pg_sys::NodeTag::T_RelabelType) {
            (*node.cast::<pg_sys::RelabelType>()).arg
        } else if is_a(node, pg_sys::NodeTag::T_CollateExpr) {
            (*node.cast::<pg_sys::CollateExpr>()).arg
        } else if is_a(node, pg_sys::NodeTag::T_CoerceToDomain) {
            (*node.cast::<pg_sys::CoerceToDomain>()).arg
        } else if is_a(node, pg_sys::NodeTag::T_CoerceViaIO) {
            let cast = &*node.cast::<pg_sys::CoerceViaIO>();
            if cast.resulttype == pg_sys::TEXTOID { cast.arg } else { std::ptr::null_mut() }
        } else if is_a(node, pg_sys::NodeTag::T_FuncExpr) {
            let call = &*node.cast::<pg_sys::FuncExpr>();
            let is_cast = call.funcformat != pg_sys::CoercionForm::COERCE_EXPLICIT_CALL
                && call.funcresulttype == pg_sys::TEXTOID
                // One of PostgreSQL's own.
                && call.funcid.to_u32() < pg_sys::FirstNormalObjectId;
            match elements(call.args)[..] {
                [only] if is_cast => only.cast(),
                _ => std::ptr::null_mut(),
            }
        } else {
            std::ptr::null_mut()
        }
    };
    if argument.is_null() { node } else { bare(argument.cast()) }
}

/// Whether an expression is this column of the query's only table.
fn is_column(node: *mut pg_sys::Node, column: i16) -> bool {
    // SAFETY: a node is used as the type its tag gives.
    unsafe {
        is_a(node, pg_sys::NodeTag::T_Var) && {
            let variable = &*node.cast::<pg_sys::Var>();
            variable.varno == 1 && variable.varlevelsup == 0 && variable.varattno == column
        }
    }
}

/// Whether an expression is a constant text, and not an empty one.
fn is_text(node: *mut pg_sys::Node) -> bool {
    // SAFETY: a node is used as the type its tag gives; the datum of a constant of type text is one.
    unsafe {
        is_a(node, pg_sys::NodeTag::T_Const) && {
            let constant = &*node.cast::<pg_sys::Const>();
            constant.consttype == pg_sys::TEXTOID
                && !constant.constisnull
                && !varlena::bytes(constant.constvalue).is_empty()
        }
    }
}

/// The nodes of a list.
pub(in crate::pg) fn elements(list: *mut pg_sys::List) -> Vec<*mut pg_sys::Node> {
    // SAFETY: an empty list is NULL, and a list of nodes has `length` cells that point to them.
    unsafe {
        let Some(list) = list.as_ref() else {
            return Vec::new();
        };
        let length = usize::try_from(list.length).unwrap_or_default();
        (0..length).map(|place| (*list.elements.add(place)).ptr_value.cast()).collect()
    }
}
