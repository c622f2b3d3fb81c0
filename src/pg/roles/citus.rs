//! Citus, where it is installed in the database: what would be silently wrong beside it is refused.
//!
//! Our tables stay ordinary tables: Citus would leave rows behind in what is then a shell, which we read by the access
//! method and would answer from for ever. And the identity of a transaction is private to its session: it does not
//! reach the sessions that Citus opens on other nodes, where policies would see nobody.
//!
//! Whether there is Citus is looked up when the catalogs have changed, never in a call: it is there where its catalog
//! `pg_dist_partition` is, which only a superuser can make.

use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

use super::extension::Extension;
use crate::pg::scan::catalog_scan;
use crate::pg::types::row::Row;
use crate::pg::types::text::Text;

/// Its catalog of tables that are distributed, replicated or otherwise its own; the first column is the table.
const PARTITIONS: &CStr = c"pg_dist_partition";
/// Its catalog of shards; the second column is the shard's number, which ends the name of each of its tables.
const SHARDS: &CStr = c"pg_dist_shard";

/// Whether Citus is installed in this database, as of the last look at the catalogs.
static IS_THERE: AtomicBool = AtomicBool::new(false);

/// Whether Citus is installed in this database.
#[inline]
pub fn is_there() -> bool {
    IS_THERE.load(Relaxed)
}

/// Looks again.
pub(super) fn look() {
    IS_THERE.store(catalog(PARTITIONS).is_some(), Relaxed);
}

/// Whether another node has opened this session, for a part of a query. It says so itself: who forges that is refused
/// what he could have had.
#[inline]
pub fn is_session_of_another_node() -> bool {
    is_there() && calls_itself(b"citus_internal")
}

#[cold]
fn calls_itself(prefix: &[u8]) -> bool {
    // SAFETY: reads a string setting: NULL or zero-terminated.
    unsafe { pg_sys::application_name.as_ref().is_some_and(|name| CStr::from_ptr(name).to_bytes().starts_with(prefix)) }
}

/// The tables of ours that belong to Citus now.
pub fn tables_of_ours() -> Vec<Text> {
    let Some(ours) = Extension::find() else { return Vec::new() };
    let mut names = Vec::new();
    each_row(PARTITIONS, |row| {
        let table: pg_sys::Oid = row.required(1);
        if ours.has_in_schema(table) {
            names.extend(name(table).map(|name| Text::from(name.to_bytes().to_vec())));
        }
    });
    names
}

/// Refuses to go on with tables of ours that belong to Citus.
///
/// # Errors
/// Raises 55000.
pub(in crate::pg) fn refuse_tables_of_ours(ours: &Extension) {
    let mut is_any = false;
    each_row(PARTITIONS, |row| is_any |= ours.has_in_schema(row.required(1)));
    if is_any {
        ereport!(
            ERROR,
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "tables of extension \"tokenauth\" cannot be tables of Citus",
            "Verification would go on with rows that are not kept up to date. The documentation about topologies says \
             how to take a table back; nodes can be readers."
        );
    }
}

/// Whether a table belongs to Citus: it is distributed or replicated, or a shard of such a one.
pub fn has(table: pg_sys::Oid) -> bool {
    let mut is_its_own = false;
    each_row(PARTITIONS, |row| is_its_own |= row.required::<pg_sys::Oid>(1) == table);
    is_its_own || is_shard(table)
}

fn is_shard(table: pg_sys::Oid) -> bool {
    let Some(number) = name(table).and_then(shard_number) else { return false };
    let mut is_known = false;
    each_row(SHARDS, |row| is_known |= row.required::<i64>(2) == number);
    is_known
}

/// The number that ends the name of a shard's table.
fn shard_number(name: &CStr) -> Option<i64> {
    let name = name.to_str().ok()?;
    let (table, number) = name.rsplit_once('_')?;
    let is_number = !table.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
    if is_number { number.parse().ok() } else { None }
}

/// The name of a relation, palloc'd.
fn name<'a>(relation: pg_sys::Oid) -> Option<&'a CStr> {
    // SAFETY: a look-up in the system cache; the name is a copy in the caller's memory context, or null.
    unsafe {
        let name = pg_sys::get_rel_name(relation);
        (!name.is_null()).then(|| CStr::from_ptr(name))
    }
}

fn catalog(name: &CStr) -> Option<pg_sys::Oid> {
    // SAFETY: a look-up of a name; an absent one returns InvalidOid.
    let oid = unsafe { pg_sys::get_relname_relid(name.as_ptr(), pg_sys::PG_CATALOG_NAMESPACE.into()) };
    (oid != pg_sys::InvalidOid).then_some(oid)
}

/// Reads a catalog of Citus, of which there is none where Citus is not.
fn each_row(name: &CStr, take: impl FnMut(&Row)) {
    if let Some(catalog) = catalog(name) {
        // SAFETY: it has just been found.
        unsafe { catalog_scan::each_row(catalog, None, take) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_with_a_number_behind_may_be_that_of_a_shard() {
        assert_eq!(shard_number(c"users_102008"), Some(102_008));
        assert_eq!(shard_number(c"all_users_7"), Some(7));
        for name in [c"users", c"users_", c"_7", c"users_7a", c"users7", c"users_99999999999999999999"] {
            assert_eq!(shard_number(name), None, "{name:?}");
        }
    }
}
