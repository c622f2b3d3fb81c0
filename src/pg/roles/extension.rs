//! The extension as it is installed in this database, proved by its entries in the catalogs.
//!
//! A name proves nothing: once the extension is dropped, or its schema renamed, whoever may create a schema can make
//! one called `tokenauth` with tables of our names and triggers of their own. So before our SQL runs with more rights
//! than its caller has, and before a relation of ours is read, the schema and the relation must be members of the
//! extension.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_int};
use std::sync::atomic::{AtomicU64, Ordering};

use pgrx::pg_sys::SysCacheIdentifier::{NAMESPACEOID, PROCNAMEARGSNSP, RELOID};
use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

use super::{authorization, citus, library};
use crate::pg::process::backend_local::backend_local;
use crate::pg::scan::invalidation;

/// The name of the extension, and of its schema.
pub(super) const NAME: &CStr = c"tokenauth";

/// Every table and view of ours, by which our SQL names them.
const RELATIONS: &[&CStr] = &[
    c"announced",
    c"as_issued",
    c"binding",
    c"change",
    c"counting",
    c"derived_death",
    c"erased",
    c"erased_id",
    c"event",
    c"events",
    c"heartbeat",
    c"import",
    c"key",
    c"kind",
    c"mass_death",
    c"member",
    c"metrics",
    c"principal",
    c"signal",
    c"token",
    c"tokens",
    c"usage",
    c"usage_batch",
    c"usage_copy",
    c"usage_hourly",
];

/// The installed extension.
#[derive(Clone, Copy)]
pub struct Extension {
    oid: pg_sys::Oid,
    schema: pg_sys::Oid,
    /// The owner of the schema, who could replace anything in it: our SQL never runs with more rights than that.
    pub owner: pg_sys::Oid,
}

/// The generation in which this library was found to be new enough for the extension.
static SERVED: AtomicU64 = AtomicU64::new(0);

backend_local! {
    /// The extension, with the generation in which it was found.
    static INSTALLED: Cell<Option<(u64, Extension)>> = const { Cell::new(None) };
    /// Relations that are members of it, in the same generation.
    static MEMBERS: RefCell<Vec<pg_sys::Oid>> = const { RefCell::new(Vec::new()) };
    /// The generations, of the catalogs and of our relations, in which all names were proved.
    static PROVED: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

impl Extension {
    /// The extension, if it is installed in this database and our schema is its own.
    ///
    /// # Errors
    /// Raises 55000 if this library is too old for it.
    #[inline]
    pub fn find() -> Option<Self> {
        let generation = authorization::generation();
        if let Some((_, extension)) = INSTALLED.get().filter(|(known, _)| *known == generation) {
            return Some(extension);
        }
        Extension::find_anew(generation)
    }

    #[cold]
    fn find_anew(generation: u64) -> Option<Self> {
        MEMBERS.take();
        let found = look_up();
        citus::look();
        if let Some(extension) = found {
            library::refuse_newer(extension.oid);
        }
        INSTALLED.set(found.map(|extension| (generation, extension)));
        found
    }

    /// Refuses a call where the installed extension is too new for this library.
    ///
    /// # Errors
    /// Raises 55000.
    #[inline]
    pub fn refuse_newer() {
        let generation = authorization::generation();
        if SERVED.load(Ordering::Relaxed) != generation && Extension::find().is_some() {
            SERVED.store(generation, Ordering::Relaxed);
        }
    }

    /// As [`find`](Self::find).
    ///
    /// # Errors
    /// Raises 55000 when it is not.
    pub fn installed() -> Self {
        Extension::find().unwrap_or_else(|| raise_not_installed())
    }

    /// Checks that whatever our SQL may name is ours, before it runs as our owner: each relation that exists must be a
    /// member and belong to the owner of the schema. Any other owner could make the statement run code of its own.
    ///
    /// # Errors
    /// Raises 55000 when one is not.
    pub fn proved(self) -> Self {
        let generations = || (authorization::generation(), invalidation::names());
        if PROVED.get() != generations() {
            let before = generations();
            citus::refuse_tables_of_ours(&self);
            let existing = RELATIONS.iter().filter(|name| self.prove(name)).count();
            // One that is missing, since the extension is not updated yet, may appear without notice.
            if existing == RELATIONS.len() {
                PROVED.set(before);
            }
        }
        self
    }

    /// Whether there is a relation of this name.
    fn prove(&self, name: &CStr) -> bool {
        let Some(relation) = self.named(name) else { return false };
        invalidation::watch_table(relation);
        if self.relation(name) != Some(relation) || owner(relation) != Some(self.owner) {
            let name = name.to_string_lossy();
            ereport!(
                ERROR,
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("relation \"tokenauth.{name}\" does not belong to extension \"tokenauth\" and its owner"),
                "Its owner could run code of its own with the rights of whoever uses the extension."
            );
        }
        true
    }

    /// Whether it has a relation of this name: releases add some.
    pub fn has(&self, name: &CStr) -> bool {
        self.relation(name).is_some()
    }

    /// The relation of this name, if it is a member.
    pub(in crate::pg) fn relation(&self, name: &CStr) -> Option<pg_sys::Oid> {
        let relation = self.named(name)?;
        if MEMBERS.with_borrow(|members| members.contains(&relation)) {
            return Some(relation);
        }
        self.owns(pg_sys::RelationRelationId, relation).then(|| {
            MEMBERS.with_borrow_mut(|members| members.push(relation));
            relation
        })
    }

    /// Whether it has a relation of this name: one that a later version has may not be there yet.
    pub fn has_relation(&self, name: &CStr) -> bool {
        self.relation(name).is_some()
    }

    /// The oid of its schema.
    pub(in crate::pg) fn schema(&self) -> pg_sys::Oid {
        self.schema
    }

    /// The relation of this name in its schema, whatever it is.
    pub(in crate::pg) fn named(&self, name: &CStr) -> Option<pg_sys::Oid> {
        // SAFETY: a syscache look-up of a name; an absent one returns InvalidOid.
        let relation = unsafe { pg_sys::get_relname_relid(name.as_ptr(), self.schema) };
        (relation != pg_sys::InvalidOid).then_some(relation)
    }

    /// Whether this relation is in our schema.
    pub(super) fn has_in_schema(&self, relation: pg_sys::Oid) -> bool {
        // SAFETY: a look-up in the system cache; of an absent relation it returns InvalidOid.
        unsafe { pg_sys::get_rel_namespace(relation) == self.schema }
    }

    /// Whether this function is a member.
    pub(in crate::pg) fn has_function(&self, function: pg_sys::Oid) -> bool {
        self.owns(pg_sys::ProcedureRelationId, function)
    }

    /// The function of this name. The extension has no two of one name.
    pub(in crate::pg) fn function(&self, name: &CStr) -> Option<pg_sys::Oid> {
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

fn owner(relation: pg_sys::Oid) -> Option<pg_sys::Oid> {
    // SAFETY: a look-up in the system cache; the row is released after its use.
    unsafe {
        let row = pg_sys::SearchSysCache1(RELOID as c_int, relation.into());
        if row.is_null() {
            return None;
        }
        let form: pg_sys::Form_pg_class = pg_sys::GETSTRUCT(row).cast();
        let owner = (*form).relowner;
        pg_sys::ReleaseSysCache(row);
        Some(owner)
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
pub(in crate::pg) fn raise_not_installed() -> ! {
    ereport!(
        ERROR,
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        "extension \"tokenauth\" is not installed in this database as this library needs it",
        "Its tables were not found; ALTER EXTENSION tokenauth UPDATE brings them up to the library's version."
    );
}

/// The scripts that make our tables and views, for tests of what is listed of them.
#[cfg(test)]
pub const SCRIPTS: &str = concat!(
    include_str!("../../../sql/schema/kind.sql"),
    include_str!("../../../sql/schema/principal.sql"),
    include_str!("../../../sql/schema/binding.sql"),
    include_str!("../../../sql/schema/token.sql"),
    include_str!("../../../sql/schema/event.sql"),
    include_str!("../../../sql/schema/replication.sql"),
    include_str!("../../../sql/schema/types.sql"),
    include_str!("../../../sql/schema/views.sql"),
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_and_view_of_the_installation_script_is_proved() {
        let is_name = |character: char| character.is_ascii_lowercase() || character == '_';
        let mut created: Vec<&str> = ["CREATE TABLE tokenauth.", "CREATE VIEW tokenauth."]
            .into_iter()
            .flat_map(|command| SCRIPTS.split(command).skip(1))
            .map(|rest| rest.split(|character| !is_name(character)).next().unwrap_or_default())
            .collect();
        created.sort_unstable();
        assert_eq!(created, RELATIONS.iter().map(|name| name.to_str().unwrap_or_default()).collect::<Vec<_>>());
    }
}
