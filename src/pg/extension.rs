//! The extension as it is installed in this database, proved by its entries in the catalogs.
//!
//! A name proves nothing: once the extension is dropped, or its schema renamed, whoever may create a schema can make
//! one called `tokenauth` with tables of our names and triggers of their own. So before our SQL runs with more rights
//! than its caller has, and before a relation of ours is read, the schema and the relation must be members of the
//! extension.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_int};

use pgrx::pg_sys::SysCacheIdentifier::{NAMESPACEOID, PROCNAMEARGSNSP};
use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

use super::authorization;

/// The name of the extension, and of its schema.
const NAME: &CStr = c"tokenauth";

/// The installed extension.
#[derive(Clone, Copy)]
pub struct Extension {
    oid: pg_sys::Oid,
    schema: pg_sys::Oid,
    /// The owner of the schema, who could replace anything in it: our SQL never runs with more rights than that.
    pub owner: pg_sys::Oid,
}

thread_local! {
    /// The extension, with the generation in which it was found.
    static INSTALLED: Cell<Option<(u64, Extension)>> = const { Cell::new(None) };
    /// Relations that are members of it, in the same generation.
    static MEMBERS: RefCell<Vec<pg_sys::Oid>> = const { RefCell::new(Vec::new()) };
}

impl Extension {
    /// The extension, if it is installed in this database and our schema is its own.
    pub fn find() -> Option<Self> {
        let generation = authorization::generation();
        if let Some((_, extension)) = INSTALLED.get().filter(|(known, _)| *known == generation) {
            return Some(extension);
        }
        MEMBERS.take();
        let found = look_up();
        INSTALLED.set(found.map(|extension| (generation, extension)));
        found
    }

    /// As [`find`](Self::find).
    ///
    /// # Errors
    /// Raises 55000 when it is not.
    pub fn installed() -> Self {
        Extension::find().unwrap_or_else(|| raise_not_installed())
    }

    /// The relation of this name, if it is a member.
    pub(super) fn relation(&self, name: &CStr) -> Option<pg_sys::Oid> {
        // SAFETY: a syscache look-up of a name; an absent one returns InvalidOid.
        let relation = unsafe { pg_sys::get_relname_relid(name.as_ptr(), self.schema) };
        if MEMBERS.with_borrow(|members| members.contains(&relation)) {
            return Some(relation);
        }
        let is_member = relation != pg_sys::InvalidOid && self.owns(pg_sys::RelationRelationId, relation);
        is_member.then(|| {
            MEMBERS.with_borrow_mut(|members| members.push(relation));
            relation
        })
    }

    /// The index of this name, if it is one of this table.
    pub(super) fn index(&self, name: &CStr, table: pg_sys::Oid) -> Option<pg_sys::Oid> {
        // SAFETY: syscache look-ups; an absent name or index returns InvalidOid.
        unsafe {
            let index = pg_sys::get_relname_relid(name.as_ptr(), self.schema);
            (index != pg_sys::InvalidOid && pg_sys::IndexGetRelation(index, true) == table).then_some(index)
        }
    }

    /// Whether this function is a member.
    pub(super) fn has_function(&self, function: pg_sys::Oid) -> bool {
        self.owns(pg_sys::ProcedureRelationId, function)
    }

    /// The function of this name. The extension has no two of one name.
    pub(super) fn function(&self, name: &CStr) -> Option<pg_sys::Oid> {
        // SAFETY: the list is released after the last use of its tuples, which are rows of pg_proc.
        unsafe {
            let none = pg_sys::Datum::null();
            let list = pg_sys::SearchSysCacheList(PROCNAMEARGSNSP as c_int, 1, name.as_ptr().into(), none, none);
            let count = usize::try_from((*list).n_members).unwrap_or_default();
            let functions = std::slice::from_raw_parts((*list).members.as_ptr(), count);
            let found = functions.iter().find_map(|&function| {
                let row: pg_sys::Form_pg_proc = pg_sys::GETSTRUCT(&raw mut (*function).tuple).cast();
                ((*row).pronamespace == self.schema).then_some((*row).oid)
            });
            pg_sys::ReleaseCatCacheList(list);
            found.filter(|&function| self.has_function(function))
        }
    }

    fn owns(&self, class: pg_sys::Oid, object: pg_sys::Oid) -> bool {
        // SAFETY: an index scan of pg_depend.
        unsafe { pg_sys::getExtensionOfObject(class, object) == self.oid }
    }
}

fn look_up() -> Option<Extension> {
    // SAFETY: look-ups in the catalogs; an absent name returns InvalidOid. The cached row is released after its use.
    unsafe {
        let oid = pg_sys::get_extension_oid(NAME.as_ptr(), true);
        let schema = pg_sys::get_namespace_oid(NAME.as_ptr(), true);
        if oid == pg_sys::InvalidOid || schema == pg_sys::InvalidOid {
            return None;
        }
        let row = pg_sys::SearchSysCache1(NAMESPACEOID as c_int, schema.into());
        if row.is_null() {
            return None;
        }
        let form: pg_sys::Form_pg_namespace = pg_sys::GETSTRUCT(row).cast();
        let owner = (*form).nspowner;
        pg_sys::ReleaseSysCache(row);
        let extension = Extension { oid, schema, owner };
        extension.owns(pg_sys::NamespaceRelationId, schema).then_some(extension)
    }
}

/// Raises 55000: the extension, or a part of it, is not there.
pub(super) fn raise_not_installed() -> ! {
    ereport!(
        ERROR,
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        "extension \"tokenauth\" is not installed in this database as this library needs it",
        "Its tables were not found; ALTER EXTENSION tokenauth UPDATE brings them up to the library's version."
    );
}
