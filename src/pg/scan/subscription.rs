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
}

/// The state of a table that was copied and has come to the point at which the others were then.
const CAUGHT_UP: i8 = b's' as i8;
/// The state of one whose changes are applied with those of the others.
const READY: i8 = b'r' as i8;

/// How tables are followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Followed {
    /// All by one subscription, which brings their changes in the order in which they were committed.
    InStep,
    /// So, but some have only just been copied, up to a commit that the subscription has yet to come to.
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
    let found = entries(snapshot);
    let mut followed = Followed::InStep;
    let mut followed_by = None;
    for table in relations(tables) {
        let mut of_table = found.iter().filter(|entry| entry.relation == table);
        let (Some(entry), None) = (of_table.next(), of_table.next()) else { return Followed::Apart };
        if *followed_by.get_or_insert(entry.subscription) != entry.subscription {
            return Followed::Apart;
        }
        followed = match entry.state {
            READY => followed,
            CAUGHT_UP if followed == Followed::InStep => Followed::Together,
            CAUGHT_UP => followed,
            _ => Followed::Copying,
        };
    }
    followed
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
}

fn entries(snapshot: &LatestSnapshot) -> Vec<Entry> {
    let mut entries = Vec::new();
    let take = |row: &Row| {
        entries.push(Entry {
            subscription: row.required(column::SUBSCRIPTION),
            relation: row.required(column::RELATION),
            state: row.required(column::STATE),
        });
    };
    // SAFETY: every database has this catalog.
    unsafe { catalog_scan::each_row(SUBSCRIPTION_REL.into(), Some(snapshot), take) };
    entries
}
