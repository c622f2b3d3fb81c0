//! Answers of composite types, and arguments.

use std::cell::OnceCell;
use std::ptr;
use std::rc::Rc;

use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::nullable::Nullable;
use pgrx::{FromDatum, impl_sql_translatable, pg_sys, varsize_any};

use super::detached_datum::DetachedAround;
use super::row::{Row, Value};
use crate::pg::report::diagnostics::Watch;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::sql::statement::{Argument, Statement};
use crate::pg::transaction::acting_as::ActingAs;

/// The most fields that one of our composite types may have, in later releases too.
const MOST_FIELDS: usize = 32;

/// The fields of a composite value, in the order of its type.
///
/// The tuple is formed by hand: pgrx looks the type up by name at each call, which costs more than the whole
/// verification.
pub struct Fields<const N: usize>([Option<pg_sys::Datum>; N]);

impl<const N: usize> Fields<N> {
    /// Makes fields of these values, which must have the types of the fields.
    pub fn new(values: [Argument; N]) -> Self {
        const { assert!(N <= MOST_FIELDS) };
        Fields(values.map(Argument::into_datum))
    }

    /// Forms the tuple, of the type that the called function is declared to return.
    ///
    /// While a library and the extension's objects are updated one after the other, the type may have fewer fields than
    /// these, or more, which are then NULL: releases only ever append fields.
    ///
    /// # Safety
    /// `fcinfo` must be of a call of a function declared to return the composite type that begins with these fields.
    unsafe fn form(self, fcinfo: &FcInfo<'_>) -> pg_sys::HeapTupleHeader {
        let mut values = [pg_sys::Datum::null(); MOST_FIELDS];
        let mut nulls = [true; MOST_FIELDS];
        for (index, value) in self.0.into_iter().enumerate() {
            nulls[index] = value.is_none();
            values[index] = value.unwrap_or(pg_sys::Datum::null());
        }
        // SAFETY: the caller guarantees that the descriptor has columns of the values' types; there are values for as
        // many columns as it has. The formed tuple is palloc'd.
        unsafe {
            let descriptor = result_descriptor(fcinfo);
            assert!((*descriptor).natts as usize <= MOST_FIELDS, "composite type has more than {MOST_FIELDS} fields");
            (*pg_sys::heap_form_tuple(descriptor, values.as_mut_ptr(), nulls.as_mut_ptr())).t_data
        }
    }
}

/// The descriptor of the function's result, looked up once per use of the function in a query.
///
/// # Safety
/// `fcinfo` must be of a call of a function declared to return a composite type.
unsafe fn result_descriptor(fcinfo: &FcInfo<'_>) -> pg_sys::TupleDesc {
    // SAFETY: guaranteed by the caller; `fn_extra` belongs to the called function, which keeps nothing else there, and
    // `fn_mcxt` lives as long as that.
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

/// Answer of type `tokenauth.issued`.
pub struct IssuedFields(pub Fields<9>);

impl_sql_translatable!(IssuedFields, "tokenauth.issued");

// SAFETY: the datum is of the type that the function declares.
unsafe impl BoxRet for IssuedFields {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        // SAFETY: called with the fcinfo of a function that returns this type.
        unsafe {
            let formed = self.0.form(fcinfo);
            fcinfo.return_raw_datum(pg_sys::HeapTupleHeaderGetDatum(formed))
        }
    }
}

/// Answer of type `tokenauth.recent_usage`; NULL when nothing is known.
pub struct RecentUsage(pub Option<Fields<3>>);

impl_sql_translatable!(RecentUsage, "tokenauth.recent_usage");

// SAFETY: the datum is of the type that the function declares.
unsafe impl BoxRet for RecentUsage {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        match self.0 {
            None => fcinfo.return_null(),
            // SAFETY: called with the fcinfo of a function that returns this type.
            Some(fields) => unsafe {
                let formed = fields.form(fcinfo);
                fcinfo.return_raw_datum(pg_sys::HeapTupleHeaderGetDatum(formed))
            },
        }
    }
}

/// Length of a correlation id.
pub const CORRELATION: usize = 32;

/// The number of that field of a verification. A cached verification has an other one each time.
const CORRELATION_FIELD: usize = 15;

/// Answer of type `tokenauth.verification`.
pub enum Verification {
    /// Formed from these fields.
    Formed(Fields<16>),
    /// Formed from these fields, cached for the next time.
    CachedComposite(Fields<16>, Rc<dyn CachedComposite>),
    /// Copied from what is cached, with this correlation id.
    Cached(Rc<dyn CachedComposite>, [u8; CORRELATION]),
}

/// The owner of a cached answer.
pub trait CachedComposite {
    fn cached_answer(&self) -> &CachedDatum;
}

/// A verification that was returned once, to be returned again by copying it: only the correlation id differs.
#[derive(Default)]
pub struct CachedDatum(OnceCell<DetachedAround>);

impl CachedDatum {
    /// Whether there is a copy.
    pub fn is_taken(&self) -> bool {
        self.0.get().is_some()
    }

    /// Asks the processor for it.
    #[inline]
    pub fn prefetch(&self) {
        if let Some(kept) = self.0.get() {
            kept.prefetch();
        }
    }

    /// Keeps a copy of a formed tuple.
    ///
    /// # Safety
    /// `formed` must be a verification with a correlation id.
    unsafe fn take(&self, formed: pg_sys::HeapTupleHeader) {
        // SAFETY: guaranteed by the caller. A value that is as short as this lies in the tuple itself, which is a
        // varlena.
        let kept = unsafe {
            let row = deformed(formed);
            let Some(id) = row.bytes(CORRELATION_FIELD).filter(|id| id.len() == CORRELATION) else { return };
            DetachedAround::copy(formed.cast(), id.as_ptr().addr() - formed.addr(), CORRELATION)
        };
        if let Some(kept) = kept {
            // Taken before, it is the same.
            let _ = self.0.set(kept);
        }
    }
}

impl_sql_translatable!(Verification, "tokenauth.verification");

// SAFETY: the datum is of the type that the function declares.
unsafe impl BoxRet for Verification {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        // SAFETY: called with the fcinfo of a function that returns this type. What is cached is of the same type: it
        // is forgotten with everything else when the extension's objects change.
        unsafe {
            let formed = match self {
                Verification::Formed(fields) => pg_sys::HeapTupleHeaderGetDatum(fields.form(fcinfo)),
                Verification::CachedComposite(fields, owner) => {
                    let formed = fields.form(fcinfo);
                    owner.cached_answer().take(formed);
                    pg_sys::HeapTupleHeaderGetDatum(formed)
                }
                Verification::Cached(owner, correlation) => match owner.cached_answer().0.get() {
                    Some(cached) => cached.restored(&correlation),
                    None => return fcinfo.return_null(),
                },
            };
            fcinfo.return_raw_datum(formed)
        }
    }
}

/// An argument of type `tokenauth.verification`.
pub struct VerificationArgument(Row);

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
        // SAFETY: the caller guarantees a composite datum: a varlena that begins with a tuple header, which names its
        // type.
        unsafe {
            let _watch = Watch::if_large(datum);
            let header: pg_sys::HeapTupleHeader = pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast();
            Some(VerificationArgument(deformed(header)))
        }
    }
}

/// The fields of a composite datum.
///
/// # Safety
/// `header` must be of a composite datum in line, and stay in memory as long as values are read.
unsafe fn deformed(header: pg_sys::HeapTupleHeader) -> Row {
    // SAFETY: guaranteed by the caller. The row's values lie in the datum, not in the HeapTupleData, which is only
    // needed to deform it; the descriptor is released at once because the row keeps nothing of it.
    unsafe {
        let mut tuple =
            pg_sys::HeapTupleData { t_len: varsize_any(header.cast()) as u32, t_data: header, ..Default::default() };
        let composite = (*header).t_choice.t_datum;
        let descriptor = pg_sys::lookup_rowtype_tupdesc(composite.datum_typeid, composite.datum_typmod);
        let row = Row::new(&mut tuple, descriptor);
        if (*descriptor).tdrefcount >= 0 {
            pg_sys::DecrTupleDescRefCount(descriptor);
        }
        row
    }
}

impl_sql_translatable!(VerificationArgument, "tokenauth.verification");

// SAFETY: an argument of this type is unboxed by FromDatum above.
unsafe impl<'fcx> ArgAbi<'fcx> for VerificationArgument {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: forwarded from the caller, which has excluded NULL.
        unsafe { arg.unbox_arg_using_from_datum() }.unwrap_or_else(|| panic!("unexpected null argument"))
    }

    unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
        // SAFETY: forwarded from the caller.
        unsafe { arg.unbox_arg_using_from_datum() }.into()
    }
}

/// Declares the answer of functions that return a composite value computed by a statement.
macro_rules! composite_from_statement {
    ($(#[$meta:meta])* $name:ident, $sql:literal) => {
        $(#[$meta])*
        pub struct $name(pg_sys::Datum);

        impl $name {
            /// Runs a statement and returns the only column, of that type, of its first row.
            pub fn from_first(statement: &Statement, arguments: &[Argument]) -> Option<Self> {
                statement.first_datum(arguments).map($name)
            }
        }

        impl_sql_translatable!($name, $sql);

        // SAFETY: the datum is a composite of that type in the caller's memory context.
        unsafe impl BoxRet for $name {
            unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
                // SAFETY: as above.
                unsafe { fcinfo.return_raw_datum(self.0) }
            }
        }
    };
}

composite_from_statement!(
    /// One row of the view `tokenauth.tokens`.
    TokensRow,
    "tokenauth.tokens"
);
composite_from_statement!(
    /// A value of type `tokenauth.rotation`.
    RotationRow,
    "tokenauth.rotation"
);

/// Rows of `tokenauth.tokens`, which are put when the function returns.
pub struct TokensRows(Box<dyn FnOnce(&mut RowStore)>);

impl TokensRows {
    /// The rows of this statement, which runs as `owner`, with the arguments that `of` makes of its snapshot.
    pub fn new<const N: usize>(
        statement: &'static Statement,
        of: impl FnOnce(&LatestSnapshot) -> [Argument; N] + 'static,
        owner: ActingAs,
    ) -> Self {
        TokensRows::put_by(move |rows| {
            let _owner = owner;
            let snapshot = LatestSnapshot::of_now();
            statement.each(&snapshot, &of(&snapshot), |row| rows.put_row(row));
        })
    }

    /// The rows that this puts.
    pub fn put_by(put: impl FnOnce(&mut RowStore) + 'static) -> Self {
        TokensRows(Box::new(put))
    }
}

/// Where the rows of an answer are put. They take no more memory than `work_mem`, however many there are: the store
/// spills to disk.
pub struct RowStore {
    store: *mut pg_sys::Tuplestorestate,
    descriptor: pg_sys::TupleDesc,
}

impl RowStore {
    /// Adds a copy of a row of a statement, with the columns of the answer.
    pub fn put_row(&mut self, row: &Row) {
        let (values, nulls) = row.raw();
        self.put_raw(values, nulls);
    }

    /// Adds a copy of a row with these fields. While a library and the extension's objects are updated one after the
    /// other, the answer may have fewer fields than these, or more, which are then NULL: releases only append fields.
    pub fn put(&mut self, fields: &[Value]) {
        let mut values = [pg_sys::Datum::null(); MOST_FIELDS];
        let mut nulls = [true; MOST_FIELDS];
        for (index, datum) in fields.iter().enumerate().filter_map(|(index, field)| Some((index, field.datum()?))) {
            (values[index], nulls[index]) = (datum, false);
        }
        self.put_raw(&values, &nulls);
    }

    fn put_raw(&mut self, values: &[pg_sys::Datum], nulls: &[bool]) {
        // SAFETY: there are values for as many columns as the answer has, of their types; they are copied into the
        // store's own memory.
        unsafe {
            assert!((*self.descriptor).natts as usize <= values.len(), "answer has more columns than its rows");
            let (values, nulls) = (values.as_ptr().cast_mut(), nulls.as_ptr().cast_mut());
            pg_sys::tuplestore_putvalues(self.store, self.descriptor, values, nulls);
        }
    }
}

impl_sql_translatable!(TokensRows, "SETOF tokenauth.tokens");

// SAFETY: in materialize mode the result is the tuplestore in the call's ReturnSetInfo, and the value returned is NULL.
unsafe impl BoxRet for TokensRows {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        // SAFETY: InitMaterializedSRF raises unless the caller accepts a set; the store it makes outlives the call.
        let mut rows = unsafe {
            let call = fcinfo.as_mut_ptr();
            pg_sys::InitMaterializedSRF(call, 0);
            let answer: *mut pg_sys::ReturnSetInfo = (*call).resultinfo.cast();
            RowStore { store: (*answer).setResult, descriptor: (*answer).setDesc }
        };
        (self.0)(&mut rows);
        fcinfo.return_null()
    }
}
