//! Tables of the application: as arguments, locked, and watched for changes of their definition.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_int};

use pgrx::callconv::{Arg, ArgAbi};
use pgrx::nullable::Nullable;
use pgrx::{FromDatum, IntoDatum, impl_sql_translatable, pg_guard, pg_sys};

use super::index_scan;
use crate::pg::process::backend_local::backend_local;
use crate::pg::report::diagnostics::Watch;
use crate::pg::types::text::Text;

/// A `regclass` argument.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Table(pg_sys::Oid);

impl Table {
    /// The table with this oid.
    pub fn of(oid: pg_sys::Oid) -> Self {
        Table(oid)
    }

    pub fn oid(self) -> pg_sys::Oid {
        self.0
    }

    /// Locks out others until the transaction ends.
    pub fn lock(self, out: Out) {
        let mode = match out {
            Out::Writers => pg_sys::ShareRowExclusiveLock,
            Out::Everybody => pg_sys::AccessExclusiveLock,
        };
        let _watch = Watch::begin();
        // SAFETY: takes a heavyweight lock; if the table is gone, the next access to it notices.
        unsafe { pg_sys::LockRelationOid(self.0, mode as c_int) };
    }
}

/// Whom the lock of a table keeps out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Out {
    /// Those who write it, as CREATE TRIGGER does.
    Writers,
    /// Those who read it too, as DROP TRIGGER does. Whoever will drop one asks for this at once: to keep out writers
    /// first and readers later would be to wait for a reader that is itself about to write.
    Everybody,
}

/// A `name` argument: that of a column.
pub struct ColumnName(Text);

impl ColumnName {
    /// As text.
    pub fn text(&self) -> &Text {
        &self.0
    }
}

/// How to read a column that may hold text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TextForm {
    /// By its cast to `text`.
    Cast,
    /// As its raw bytes, for `bytea`.
    Bytes,
}

/// How to read a column of this type as text; `None` if the type cannot hold any. A domain counts as its base type, an
/// array as its elements.
pub fn text_form(column_type: pg_sys::Oid) -> Option<TextForm> {
    // SAFETY: syscache look-ups; the type is that of a column, which keeps it from being dropped.
    let (base, element, is_string) = unsafe {
        let base = pg_sys::getBaseType(column_type);
        let element = pg_sys::get_base_element_type(base);
        let element = if element == pg_sys::InvalidOid { base } else { pg_sys::getBaseType(element) };
        let mut category: c_char = 0;
        let mut is_preferred = false;
        pg_sys::get_type_category_preferred(element, &mut category, &mut is_preferred);
        (base, element, category as u8 == pg_sys::TYPCATEGORY_STRING)
    };
    match element {
        pg_sys::BYTEAOID if base == element => Some(TextForm::Bytes),
        pg_sys::JSONOID | pg_sys::JSONBOID | pg_sys::XMLOID => Some(TextForm::Cast),
        _ => is_string.then_some(TextForm::Cast),
    }
}

/// Lets one transaction at a time change which tables are bound; nobody else is blocked.
pub fn lock_bindings() {
    let _watch = Watch::begin();
    // SAFETY: a lock that conflicts with itself, and with neither reading nor writing the table.
    unsafe { pg_sys::LockRelationOid(index_scan::relation(c"principal"), pg_sys::ShareUpdateExclusiveLock as c_int) };
}

/// How to lock what a binding supplies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Supply {
    /// To set some of it by hand: many may do so at a time, while nobody binds a table to it.
    SetByHand,
    /// To bind a table to it.
    Bind,
}

/// Locks what a binding to `rows`, a table of ours, supplies; of principals only those of a type. The lock is held
/// until the transaction ends.
///
/// It is on no row: binding neither writes nor locks rows that are already right, so it would not notice one that
/// another transaction is about to change.
pub fn lock_supply(rows: &CStr, of_type: &[u8], supply: Supply) {
    let mode = match supply {
        Supply::SetByHand => pg_sys::RowExclusiveLock,
        Supply::Bind => pg_sys::ShareRowExclusiveLock,
    };
    // Sixteen bits are what the lock manager has for a part of an object; types that share them only wait for each
    // other.
    let part = (crc32fast::hash(of_type) & 0xFFFF) as u16;
    // SAFETY: takes a heavyweight lock of a form that the server has for objects which are no relations, so nobody else
    // takes it.
    unsafe {
        pg_sys::LockDatabaseObject(pg_sys::RelationRelationId, index_scan::relation(rows), part, mode as c_int);
    }
}

backend_local! {
    static WATCHED: RefCell<Vec<pg_sys::Oid>> = const { RefCell::new(Vec::new()) };
    /// Generation of definitions: advances whenever a watched table may have changed columns, name or triggers, and
    /// whenever a cast has changed.
    static FORMS: Cell<u64> = const { Cell::new(0) };
}

/// The generation of what may be cached of watched tables.
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
    // SAFETY: the callbacks are static functions that live as long as the backend.
    unsafe {
        pg_sys::CacheRegisterRelcacheCallback(Some(notice), pg_sys::Datum::null());
        pg_sys::CacheRegisterSyscacheCallback(
            pg_sys::SysCacheIdentifier::CASTSOURCETARGET as c_int,
            Some(notice_cast),
            pg_sys::Datum::null(),
        );
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn notice(_argument: pg_sys::Datum, relation: pg_sys::Oid) {
    if relation == pg_sys::InvalidOid || WATCHED.with_borrow(|watched| watched.contains(&relation)) {
        FORMS.set(FORMS.get() + 1);
    }
}

/// Kept plans hear of a replaced function, but not of a cast by another.
#[pg_guard]
unsafe extern "C-unwind" fn notice_cast(_argument: pg_sys::Datum, _cache: c_int, _hash: u32) {
    FORMS.set(FORMS.get() + 1);
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

impl FromDatum for ColumnName {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _oid: pg_sys::Oid) -> Option<Self> {
        // SAFETY: the caller vouches for a name, which is a zero-terminated string; it is copied.
        (!is_null).then(|| unsafe { ColumnName(CStr::from_ptr(datum.cast_mut_ptr()).to_bytes().to_vec().into()) })
    }
}

impl_sql_translatable!(ColumnName, "name");

// SAFETY: a name argument is unboxed by FromDatum above.
unsafe impl<'fcx> ArgAbi<'fcx> for ColumnName {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: forwarded from the caller, who has excluded NULL.
        unsafe { arg.unbox_arg_using_from_datum() }.unwrap_or_else(|| panic!("unexpected null argument"))
    }

    unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
        // SAFETY: forwarded from the caller.
        unsafe { arg.unbox_arg_using_from_datum() }.into()
    }
}
