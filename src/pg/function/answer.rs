//! The answer of a function that returns a set, put row by row.
//!
//! The rows take no more memory than `work_mem`, however many there are: the store spills to disk.

use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::pg_sys;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};

use crate::pg::process::fault;
use crate::pg::sql::statement::Argument;

/// The answer of the called function, which takes it as its last argument and returns it. The function's SQL is written
/// by hand, since only that gives the columns of the rows.
pub struct Answer {
    set: *mut pg_sys::ReturnSetInfo,
}

impl Answer {
    /// Adds a row with the columns that the function is declared to return.
    pub fn put<const N: usize>(&mut self, fields: [Argument; N]) {
        let values = fields.map(Argument::into_datum);
        let mut nulls = values.map(|value| value.is_none());
        let mut values = values.map(|value| value.unwrap_or(pg_sys::Datum::null()));
        // SAFETY: the store and its descriptor live as long as the call; there are as many values as columns, and they
        // are copied into the store's own memory context.
        unsafe {
            let set = &*self.set;
            assert!((*set.setDesc).natts as usize == N, "function does not return {N} columns");
            pg_sys::tuplestore_putvalues(set.setResult, set.setDesc, values.as_mut_ptr(), nulls.as_mut_ptr());
        }
        fault::step();
    }
}

// SAFETY: never an argument in SQL: it is made from the call itself.
unsafe impl SqlTranslatable for Answer {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(Answer);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::Skip);
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Ok(ReturnsRef::SetOf(SqlMappingRef::literal("record")));
}

// SAFETY: where the caller accepts a set, the fcinfo of a function declared to return a set of rows has a
// ReturnSetInfo. InitMaterializedSRF raises where it does not, and otherwise makes a store that outlives the call.
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
