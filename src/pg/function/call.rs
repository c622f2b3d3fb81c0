//! Which function of ours is being called.

use std::ffi::CStr;

use pgrx::callconv::{Arg, ArgAbi};
use pgrx::pg_sys;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};

use crate::pg::process::fault;
use crate::pg::roles::extension::Extension;
use crate::pg::types::text::Text;

/// The call of a function of ours, which takes it as its first argument; SQL does not see it.
///
/// Arguments are read after it: where the installed extension is too new for this library, it raises 55000 before any
/// is.
///
/// It is good for nothing but asking whether the caller may make it: a function that does not use it does not compile.
pub struct Call {
    function: pg_sys::Oid,
}

impl Call {
    /// The called function.
    #[inline]
    pub fn function(&self) -> pg_sys::Oid {
        self.function
    }

    /// Its name, without its schema.
    pub fn function_name(&self) -> Text {
        // SAFETY: a syscache look-up; the name is palloc'd and copied, and null when the function is gone.
        let name = unsafe {
            let name = pg_sys::get_func_name(self.function);
            if name.is_null() { c"?" } else { CStr::from_ptr(name) }
        };
        Text::from(name.to_bytes().to_vec())
    }
}

// SAFETY: it never appears as an SQL argument: the call itself carries it.
unsafe impl SqlTranslatable for Call {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(Call);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::Skip);
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Err(ReturnsError::Datum);
}

// SAFETY: whoever calls a function has looked it up, and the fcinfo refers to what was found.
unsafe impl<'fcx> ArgAbi<'fcx> for Call {
    #[inline]
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        Extension::refuse_newer();
        fault::step();
        // SAFETY: the virtual argument is the fcinfo itself, valid during the call. DirectFunctionCall alone leaves
        // `flinfo` null, and nobody calls a function of SQL by it.
        unsafe {
            let call = pg_sys::FunctionCallInfo::unbox_arg_unchecked(arg);
            let function = (*call).flinfo.as_ref().map_or(pg_sys::InvalidOid, |function| function.fn_oid);
            Call { function }
        }
    }

    fn is_virtual_arg() -> bool {
        true
    }
}
