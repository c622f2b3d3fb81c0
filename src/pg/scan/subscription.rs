//! What the server knows of its subscriptions to our tables.

use std::ffi::CString;

use pgrx::pg_sys;

use super::catalog_scan;
use super::snapshot::LatestSnapshot;
use crate::pg::roles::extension::Extension;
use crate::pg::types::row::Row;

/// `pg_subscription_rel`, which pgrx has no name for; the oids of catalogs never change.
const SUBSCRIPTION_REL: u32 = 6102;

/// Columns of that catalog.
mod column {
    pub const SUBSCRIPTION: usize = 1;
    pub const RELATION: usize = 2;
    pub const STATE: usize = 3;
    pub const CAUGHT_UP_AT: usize = 4;
}

/// How tables are followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Followed {
    /// All by one subscription, which brings their changes in the order in which they were committed.
    Together,
    /// So, but some are still being copied: until a table has caught up, it is as old as the beginning of its copy.
    Copying,
    /// Some by none or by another: what arrives in one tells nothing of the others.
    Apart,
}

/// How those of these tables of ours are followed that there are.
///
/// # Errors
/// Raises 55000 when the extension is not installed.
pub fn followed(tables: &[&str], snapshot: &LatestSnapshot) -> Followed {
    /// Of a table that has caught up: `s` until the others have come to the same point, then `r`.
    const CAUGHT_UP: [i8; 2] = [b's' as i8, b'r' as i8];
    let found = entries(snapshot);
    let mut is_copying = false;
    let mut followed_by = None;
    for table in relations(tables) {
        let mut of_table = found.iter().filter(|entry| entry.relation == table);
        let (Some(entry), None) = (of_table.next(), of_table.next()) else { return Followed::Apart };
        if *followed_by.get_or_insert(entry.subscription) != entry.subscription {
            return Followed::Apart;
        }
        is_copying |= !CAUGHT_UP.contains(&entry.state);
    }
    if is_copying { Followed::Copying } else { Followed::Together }
}

/// Up to which place in the primary's WAL the copies of these tables of ours have brought what is in them.
///
/// # Errors
/// Raises 55000 when the extension is not installed.
pub fn copied_until(tables: &[&str], snapshot: &LatestSnapshot) -> u64 {
    let wanted = relations(tables);
    let places = entries(snapshot).into_iter().filter(|entry| wanted.contains(&entry.relation));
    places.filter_map(|entry| entry.caught_up_at).max().unwrap_or_default()
}

/// Those of these tables of ours that there are.
fn relations(tables: &[&str]) -> Vec<pg_sys::Oid> {
    let ours = Extension::installed();
    tables.iter().filter_map(|table| ours.relation(&CString::new(*table).ok()?)).collect()
}

/// A table of a subscription.
struct Entry {
    subscription: pg_sys::Oid,
    relation: pg_sys::Oid,
    /// As PostgreSQL's "char" is read, signed on every machine.
    state: i8,
    /// From where on the subscription applies its changes with those of the others.
    caught_up_at: Option<u64>,
}

fn entries(snapshot: &LatestSnapshot) -> Vec<Entry> {
    let mut entries = Vec::new();
    let take = |row: &Row| {
        entries.push(Entry {
            subscription: row.required(column::SUBSCRIPTION),
            relation: row.required(column::RELATION),
            state: row.required(column::STATE),
            caught_up_at: row.optional::<i64>(column::CAUGHT_UP_AT).map(i64::cast_unsigned),
        });
    };
    // SAFETY: every database has this catalog.
    unsafe { catalog_scan::each_row(SUBSCRIPTION_REL.into(), Some(snapshot), take) };
    entries
}
