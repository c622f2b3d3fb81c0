//! Tables of the application: as an argument, locked, and watched for changes of their form.

use std::cell::{Cell, RefCell};
use std::ffi::c_int;

use pgrx::callconv::{Arg, ArgAbi};
use pgrx::nullable::Nullable;
use pgrx::{FromDatum, IntoDatum, impl_sql_translatable, pg_guard, pg_sys};

use super::probe;

/// A `regclass` argument.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Table(pg_sys::Oid);

impl Table {
    /// Of this oid.
    pub fn of(oid: pg_sys::Oid) -> Self {
        Table(oid)
    }

    /// Its oid.
    pub fn oid(self) -> pg_sys::Oid {
        self.0
    }

    /// Holds off every writer, as CREATE TRIGGER does, until the transaction ends. Readers go on.
    pub fn lock_against_writers(self) {
        // SAFETY: takes a heavyweight lock; a table that is gone is noticed by whoever looks at it next.
        unsafe { pg_sys::LockRelationOid(self.0, pg_sys::ShareRowExclusiveLock as c_int) };
    }
}

/// Lets one transaction at a time change which tables are bound; nobody else waits for it.
pub fn lock_bindings() {
    // SAFETY: a lock that conflicts with itself, and with neither reading nor writing the table.
    unsafe { pg_sys::LockRelationOid(probe::relation(c"principal"), pg_sys::ShareUpdateExclusiveLock as c_int) };
}

thread_local! {
    static WATCHED: RefCell<Vec<pg_sys::Oid>> = const { RefCell::new(Vec::new()) };
    /// Moves whenever a watched table may have changed its form, its name or its triggers.
    static FORMS: Cell<u64> = const { Cell::new(0) };
}

/// The generation of what may be remembered of watched tables.
pub fn forms() -> u64 {
    FORMS.get()
}

/// Watches a table from now on.
pub fn watch(table: pg_sys::Oid) {
    WATCHED.with_borrow_mut(|watched| {
        if !watched.contains(&table) {
            watched.push(table);
        }
    });
}

/// Registers the callback, once, from `_PG_init`.
pub fn register() {
    // SAFETY: the callback is a static function that lives as long as the backend.
    unsafe { pg_sys::CacheRegisterRelcacheCallback(Some(notice), pg_sys::Datum::null()) };
}

#[pg_guard]
unsafe extern "C-unwind" fn notice(_argument: pg_sys::Datum, relation: pg_sys::Oid) {
    if relation == pg_sys::InvalidOid || WATCHED.with_borrow(|watched| watched.contains(&relation)) {
        FORMS.set(FORMS.get() + 1);
    }
}

impl FromDatum for Table {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, oid: pg_sys::Oid) -> Option<Self> {
        // SAFETY: the caller vouches for a regclass, which is an oid.
        unsafe { pg_sys::Oid::from_polymorphic_datum(datum, is_null, oid) }.map(Table)
    }
}

impl IntoDatum for Table {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        self.0.into_datum()
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::REGCLASSOID
    }
}

impl_sql_translatable!(Table, "regclass");

// SAFETY: a regclass argument is unboxed by FromDatum above.
unsafe impl<'fcx> ArgAbi<'fcx> for Table {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: forwarded from the caller.
        unsafe { arg.unbox_arg_using_from_datum() }.unwrap_or(Table(pg_sys::InvalidOid))
    }

    unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
        // SAFETY: forwarded from the caller.
        unsafe { arg.unbox_arg_using_from_datum() }.into()
    }
}
