//! A set of rows as the answer of a function, put one by one.
//!
//! However many there are, they cost no memory beyond `work_mem`: the store spills to disk.

use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::pg_sys;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};

use super::statement::Argument;

/// The answer of the function that is being called, which takes it as its last argument and returns it. Its SQL is written
/// by hand, since only that says which columns the rows have.
pub struct Answer {
    set: *mut pg_sys::ReturnSetInfo,
}

impl Answer {
    /// Adds a row, of the columns that the function is declared to return.
    pub fn put<const N: usize>(&mut self, fields: [Argument; N]) {
        let values = fields.map(Argument::into_datum);
        let mut nulls = values.map(|value| value.is_none());
        let mut values = values.map(|value| value.unwrap_or(pg_sys::Datum::null()));
        // SAFETY: the store and its descriptor live as long as the call; there are as many values as columns, and they are
        // copied, in the store's own memory context whichever is current.
        unsafe {
            let set = &*self.set;
            assert!((*set.setDesc).natts as usize == N, "function does not return {N} columns");
            pg_sys::tuplestore_putvalues(set.setResult, set.setDesc, values.as_mut_ptr(), nulls.as_mut_ptr());
        }
    }
}

// SAFETY: never an SQL argument: the call itself carries it.
unsafe impl SqlTranslatable for Answer {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(Answer);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::Skip);
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Ok(ReturnsRef::SetOf(SqlMappingRef::literal("record")));
}

// SAFETY: the fcinfo of a function that is declared to return a set of rows has, where a set can be taken, a ReturnSetInfo;
// InitMaterializedSRF raises where it cannot, and else makes a store that outlives the call.
unsafe impl<'fcx> ArgAbi<'fcx> for Answer {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: the virtual argument is the fcinfo itself, valid during the call.
        unsafe {
            let call = pg_sys::FunctionCallInfo::unbox_arg_unchecked(arg);
            pg_sys::InitMaterializedSRF(call, 0);
            Answer { set: (*call).resultinfo.cast() }
        }
    }

    fn is_virtual_arg() -> bool {
        true
    }
}

// SAFETY: in materialize mode the rows are in the call's ReturnSetInfo, and the value returned is NULL.
unsafe impl BoxRet for Answer {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        fcinfo.return_null()
    }
}
