//! Answers of composite types.

use std::ptr;

use pgrx::callconv::{BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::{FromDatum, pg_sys};

use super::row::Row;
use super::statement::{Argument, Statement};

/// The fields of a composite value, in the order of its type.
///
/// The tuple is formed by hand: pgrx's own way looks the type up by name at each call and costs more than the whole
/// verification.
pub struct Fields<const N: usize>([Option<pg_sys::Datum>; N]);

impl<const N: usize> Fields<N> {
    /// Of these values, which must be of the types of the fields.
    pub fn new(values: [Argument; N]) -> Self {
        Fields(values.map(Argument::into_datum))
    }

    /// The composite datum, of the type that the called function is declared to return.
    pub(super) unsafe fn form<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        let mut values = self.0.map(|value| value.unwrap_or(pg_sys::Datum::null()));
        let mut nulls = self.0.map(|value| value.is_none());
        // SAFETY: the descriptor has N columns of the values' types, which the SQL declaration of the function and the
        // regression tests of each type vouch for; the formed tuple is palloc'd.
        unsafe {
            let descriptor = result_descriptor(fcinfo);
            assert!(
                (*descriptor).natts as usize == N,
                "composite type does not have {N} fields"
            );
            let tuple = pg_sys::heap_form_tuple(descriptor, values.as_mut_ptr(), nulls.as_mut_ptr());
            fcinfo.return_raw_datum(pg_sys::HeapTupleHeaderGetDatum((*tuple).t_data))
        }
    }
}

/// The descriptor of the function's result, looked up once per use of the function in a query.
///
/// # Safety
/// `fcinfo` must be that of a call of a function declared to return a composite type.
unsafe fn result_descriptor(fcinfo: &FcInfo<'_>) -> pg_sys::TupleDesc {
    // SAFETY: by the caller's word; `fn_extra` belongs to the called function, which keeps nothing else there, and
    // `fn_mcxt` lives as long as it.
    unsafe {
        let call = fcinfo.as_mut_ptr();
        let function = (*call).flinfo;
        if (*function).fn_extra.is_null() {
            let mut descriptor = ptr::null_mut();
            pg_sys::get_call_result_type(call, ptr::null_mut(), &mut descriptor);
            let previous = pg_sys::MemoryContextSwitchTo((*function).fn_mcxt);
            (*function).fn_extra = pg_sys::BlessTupleDesc(pg_sys::CreateTupleDescCopy(descriptor)).cast();
            pg_sys::MemoryContextSwitchTo(previous);
        }
        (*function).fn_extra.cast()
    }
}

/// Declares a Rust type as the answer of functions that return a composite type of ours.
macro_rules! composite_answer {
    ($(#[$meta:meta])* $name:ident, $sql:literal, $fields:literal) => {
        $(#[$meta])*
        pub struct $name(pub $crate::pg::composite::Fields<$fields>);

        pgrx::impl_sql_translatable!($name, $sql);

        // SAFETY: `form` makes a datum of the type that the function declares.
        unsafe impl pgrx::callconv::BoxRet for $name {
            unsafe fn box_into<'fcx>(self, fcinfo: &mut pgrx::callconv::FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
                // SAFETY: called with the fcinfo of a function that returns this type.
                unsafe { self.0.form(fcinfo) }
            }
        }
    };
}

composite_answer!(
    /// Answer of type `tokenauth.issued`.
    IssuedFields,
    "tokenauth.issued",
    9
);
composite_answer!(
    /// Answer of type `tokenauth.verification`.
    VerificationFields,
    "tokenauth.verification",
    15
);

/// An argument of type `tokenauth.verification`.
pub struct VerificationArgument(
    Row,
    #[expect(dead_code, reason = "what the row borrows from")] HeldTuple,
);

/// A tuple made from a composite datum.
struct HeldTuple(#[expect(dead_code, reason = "kept in memory, never read by itself")] Box<pg_sys::HeapTupleData>);

impl VerificationArgument {
    /// Its fields, numbered from 1.
    pub fn fields(&self) -> &Row {
        &self.0
    }
}

impl FromDatum for VerificationArgument {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _oid: pg_sys::Oid) -> Option<Self> {
        if is_null {
            return None;
        }
        // SAFETY: the caller vouches for a composite datum: a varlena that begins with a tuple header, which names its
        // type. The descriptor is released at once because `Row::new` takes the tuple apart with it and keeps nothing.
        unsafe {
            let header: pg_sys::HeapTupleHeader = pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast();
            let mut tuple = Box::new(pg_sys::HeapTupleData {
                t_len: pgrx::varsize_any(header.cast()) as u32,
                t_data: header,
                ..Default::default()
            });
            let composite = (*header).t_choice.t_datum;
            let descriptor = pg_sys::lookup_rowtype_tupdesc(composite.datum_typeid, composite.datum_typmod);
            let row = Row::new(&mut *tuple, descriptor);
            if (*descriptor).tdrefcount >= 0 {
                pg_sys::DecrTupleDescRefCount(descriptor);
            }
            Some(VerificationArgument(row, HeldTuple(tuple)))
        }
    }
}

pgrx::impl_sql_translatable!(VerificationArgument, "tokenauth.verification");

// SAFETY: an argument of this type is unboxed by FromDatum above.
unsafe impl<'fcx> pgrx::callconv::ArgAbi<'fcx> for VerificationArgument {
    unsafe fn unbox_arg_unchecked(arg: pgrx::callconv::Arg<'_, 'fcx>) -> Self {
        // SAFETY: forwarded from the caller, who has excluded NULL.
        unsafe { arg.unbox_arg_using_from_datum() }.unwrap_or_else(|| panic!("unexpected null argument"))
    }

    unsafe fn unbox_nullable_arg(arg: pgrx::callconv::Arg<'_, 'fcx>) -> pgrx::nullable::Nullable<Self> {
        // SAFETY: forwarded from the caller.
        unsafe { arg.unbox_arg_using_from_datum() }.into()
    }
}

/// One row of the view `tokenauth.tokens`, as a composite datum.
pub struct TokensRow(pg_sys::Datum);

impl TokensRow {
    /// The one value, of that type, of the first row of a statement's answer.
    pub fn from_first(statement: &Statement, arguments: &[Argument]) -> Option<Self> {
        statement.first_datum(arguments).map(TokensRow)
    }
}

pgrx::impl_sql_translatable!(TokensRow, "tokenauth.tokens");

// SAFETY: the datum is a composite of the view's row type, in the caller's memory context.
unsafe impl BoxRet for TokensRow {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        // SAFETY: as above.
        unsafe { fcinfo.return_raw_datum(self.0) }
    }
}

/// All rows of a statement that answers rows of `tokenauth.tokens`; run when the function returns.
pub struct TokensRows {
    /// The statement.
    pub statement: &'static Statement,
    /// Its arguments.
    pub arguments: Vec<Argument>,
}

pgrx::impl_sql_translatable!(TokensRows, "SETOF tokenauth.tokens");

// SAFETY: in materialize mode the result is the tuplestore in the call's ReturnSetInfo, and the value returned is NULL.
unsafe impl BoxRet for TokensRows {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        // SAFETY: InitMaterializedSRF raises unless the caller accepts a set; the store it makes outlives the call, and
        // putting a tuple copies it.
        unsafe {
            let call = fcinfo.as_mut_ptr();
            pg_sys::InitMaterializedSRF(call, 0);
            let answer: *mut pg_sys::ReturnSetInfo = (*call).resultinfo.cast();
            let store = (*answer).setResult;
            self.statement
                .each(&self.arguments, |tuple, _| pg_sys::tuplestore_puttuple(store, tuple));
        }
        fcinfo.return_null()
    }
}
