//! Finds an index of ours and proves that it is as it was made, before rows are read by it.
//!
//! Its definition cannot change, only another index take its name, and that is told to every backend as a change of the
//! table. So it is proved once, for as long as names denote what they do.

use std::ffi::{CStr, c_int};
use std::slice;

use pgrx::pg_sys;

use super::catalog_scan;
use super::index_definition::{Definition, Fault, Found, FoundColumn};
use super::index_scan::READING;
use super::snapshot::LatestSnapshot;
use super::{invalidation, our_indexes};
use crate::pg::roles::extension::Extension;
use crate::pg::transaction::guc_scope::{GucScope, SEARCH_PATH};
use crate::pg::types::row::Row;
use crate::pg::types::varlena;

/// The index of this definition on this table.
///
/// # Errors
/// How the one of that name differs.
///
/// # Safety
/// The table must be locked.
pub(super) unsafe fn prove(
    definition: &Definition,
    ours: &Extension,
    table: pg_sys::Oid,
) -> Result<pg_sys::Oid, Fault> {
    // SAFETY: guaranteed by the caller.
    let (index, found) = unsafe { look(definition.name, ours, table) }.ok_or(Fault::Missing)?;
    definition.fault(&found).map_or(Ok(index), Err)
}

/// The index of this name, if it is one of the table.
///
/// # Safety
/// The table must be locked.
unsafe fn look(name: &CStr, ours: &Extension, table: pg_sys::Oid) -> Option<(pg_sys::Oid, Found)> {
    // SAFETY: guaranteed by the caller.
    let known = ours.named(name).and_then(|index| Some((index, unsafe { find(index, table)? })));
    if known.as_ref().is_some_and(|(_, found)| found.is_complete) {
        return known;
    }
    // REINDEX CONCURRENTLY puts another index into its place in one transaction, of which what the server caches may
    // have heard in part only. A snapshot shows both, the name and whether that index is complete.
    let (index, is_complete) = newest(ours, name)?;
    // SAFETY: guaranteed by the caller.
    let found = unsafe { find(index, table) }?;
    Some((index, Found { is_complete, ..found }))
}

/// Every index of ours that is not as it was made. Those that are not there since the extension is of an earlier
/// release do not count, nor those that somebody keeps all others from reading: that is not waited for.
///
/// # Errors
/// Raises 55000 when the extension is not installed.
pub fn faults() -> Vec<(&'static Definition, Fault)> {
    let ours = Extension::installed();
    our_indexes::ALL.iter().filter_map(|definition| Some((definition, fault(definition, &ours)?))).collect()
}

fn fault(definition: &Definition, ours: &Extension) -> Option<Fault> {
    if !definition.comes_with().all(|table| ours.has(table)) {
        return None;
    }
    let table = ours.relation(definition.table)?;
    let relations: Vec<_> = [table].into_iter().chain(ours.named(definition.name)).collect();
    // SAFETY: the table is locked meanwhile.
    let found = while_locked(&relations, || unsafe { look(definition.name, ours, table) })?;
    found.map_or(Some(Fault::Missing), |(_, found)| {
        definition.fault(&found).or_else(|| definition.is_demoted(&found).then_some(Fault::NotPrimary))
    })
}

/// What is found while these relations are locked for reading; `None` if somebody keeps others from that. An error
/// leaves the locks to the end of the transaction.
fn while_locked<T>(relations: &[pg_sys::Oid], find: impl FnOnce() -> T) -> Option<T> {
    // SAFETY: takes a heavyweight lock if that is possible at once.
    let lock = |relation: &pg_sys::Oid| unsafe { pg_sys::ConditionalLockRelationOid(*relation, READING) };
    let locked: Vec<_> = relations.iter().copied().take_while(lock).collect();
    let found = (locked.len() == relations.len()).then(find);
    for relation in locked {
        // SAFETY: gives back what was taken above.
        unsafe { pg_sys::UnlockRelationOid(relation, READING) };
    }
    found
}

/// An index as it is, if it is one of this table.
///
/// # Safety
/// The table must be locked.
unsafe fn find(index: pg_sys::Oid, table: pg_sys::Oid) -> Option<Found> {
    invalidation::watch_index(index);
    // SAFETY: opens nothing if it is gone; it stays while it is locked. Only an index has a row of pg_index.
    unsafe {
        let relation = pg_sys::try_relation_open(index, READING);
        let opened = relation.as_ref()?;
        let is_of_table = opened.rd_index.as_ref().is_some_and(|form| form.indrelid == table);
        let found = is_of_table.then(|| read(opened));
        pg_sys::relation_close(relation, READING);
        found
    }
}

/// # Safety
/// `index` must be an index, open and locked.
unsafe fn read(index: &pg_sys::RelationData) -> Found {
    // SAFETY: guaranteed by the caller; each array has an entry for each column of the key.
    unsafe {
        let form = &*index.rd_index;
        let columns = usize::try_from(form.indnkeyatts).unwrap_or_default();
        let numbers = form.indkey.values.as_slice(columns);
        let families = slice::from_raw_parts(index.rd_opfamily, columns);
        let inputs = slice::from_raw_parts(index.rd_opcintype, columns);
        let collations = slice::from_raw_parts(index.rd_indcollation, columns);
        let options = slice::from_raw_parts(index.rd_indoption, columns);
        let key = (0..columns).map(|at| FoundColumn {
            number: numbers[at],
            family: families[at],
            input: inputs[at],
            collation: collations[at],
            options: options[at],
        });
        Found {
            is_btree: (*index.rd_rel).relam == pg_sys::BTREE_AM_OID,
            is_unique: form.indisunique,
            is_immediate: form.indimmediate,
            is_primary: form.indisprimary,
            is_complete: form.indisvalid && form.indisready && form.indislive,
            key: key.collect(),
            expression: shown(index, pg_sys::Anum_pg_index_indexprs),
            condition: shown(index, pg_sys::Anum_pg_index_indpred),
        }
    }
}

/// An expression of an index as the server shows it; `None`: it has none.
///
/// # Safety
/// As for [`read`].
unsafe fn shown(index: &pg_sys::RelationData, column: u32) -> Option<String> {
    let column = column as c_int;
    // SAFETY: guaranteed by the caller; the row is released after its last use, and the text is copied.
    unsafe {
        if pg_sys::heap_attisnull(index.rd_indextuple, column, std::ptr::null_mut()) {
            return None;
        }
        // Names that others have put before the server's own would be shown in another way.
        let _path = GucScope::set(&[SEARCH_PATH]);
        let cache = pg_sys::SysCacheIdentifier::INDEXRELID as c_int;
        let row = pg_sys::SearchSysCache1(cache, index.rd_id.into());
        if row.is_null() {
            return None;
        }
        let mut is_null = false;
        let stored = pg_sys::SysCacheGetAttr(cache, row, column as pg_sys::AttrNumber, &mut is_null);
        let function = pg_sys::F_PG_GET_EXPR_PG_NODE_TREE_OID;
        let table = (*index.rd_index).indrelid;
        let text = pg_sys::OidFunctionCall2Coll(function, pg_sys::InvalidOid, stored, table.into());
        let text = String::from_utf8_lossy(varlena::bytes(text)).into_owned();
        pg_sys::ReleaseSysCache(row);
        Some(text)
    }
}

/// The relation of this name in our schema, with whether it is a complete index, as one snapshot of now shows them.
fn newest(ours: &Extension, name: &CStr) -> Option<(pg_sys::Oid, bool)> {
    let snapshot = LatestSnapshot::take();
    let by_name = [
        equal(pg_sys::Anum_pg_class_relname, pg_sys::F_NAMEEQ, name.as_ptr().into()),
        equal(pg_sys::Anum_pg_class_relnamespace, pg_sys::F_OIDEQ, ours.schema().into()),
    ];
    let is_complete = |row: &Row| {
        let is = |column| row.required::<bool>(column as usize);
        is(pg_sys::Anum_pg_index_indisvalid)
            && is(pg_sys::Anum_pg_index_indisready)
            && is(pg_sys::Anum_pg_index_indislive)
    };
    // SAFETY: both catalogs have these indexes, with keys of these types.
    unsafe {
        let (classes, names) = (pg_sys::RelationRelationId, pg_sys::ClassNameNspIndexId.into());
        let index: pg_sys::Oid = catalog_scan::first_row(classes, names, by_name, &snapshot, |row| {
            row.required(pg_sys::Anum_pg_class_oid as usize)
        })?;
        let by_oid = [equal(pg_sys::Anum_pg_index_indexrelid, pg_sys::F_OIDEQ, index.into())];
        let (indexes, oids) = (pg_sys::IndexRelationId, pg_sys::IndexRelidIndexId.into());
        Some((index, catalog_scan::first_row(indexes, oids, by_oid, &snapshot, is_complete)?))
    }
}

/// The condition that a column of a catalog equals this value.
fn equal(column: u32, procedure: u32, value: pg_sys::Datum) -> pg_sys::ScanKeyData {
    let mut condition = pg_sys::ScanKeyData::default();
    let equal = pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber;
    // SAFETY: initialises it, with a comparison of the server's own.
    unsafe { pg_sys::ScanKeyInit(&mut condition, column as pg_sys::AttrNumber, equal, procedure.into(), value) };
    condition
}
