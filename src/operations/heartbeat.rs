//! Beats: a row that the primary rewrites every two seconds, so that its copies can tell how old they are.
//!
//! They are written where a publication brings them to readers, or `tokenauth.heartbeat` asks for them. A worker
//! connects for each and ends: nobody who wants to drop the database finds it there for long.

use super::unasked::as_owner;
use crate::catalog::{change, heartbeat};
use crate::pg::process::{background_worker, shared_memory};
use crate::settings;
use crate::usage::{self, in_memory};

/// Runs a worker that writes a beat in the database with this object identifier, if it needs one.
pub fn run(oid: u32) {
    let Some(slots) = shared_memory::slots() else { return };
    background_worker::connect_to(oid);
    let needs_beats = beat().unwrap_or(false);
    // A database that needs none, and was not used yet, takes no place among the others.
    let known = if needs_beats { in_memory::database(slots) } else { slots.header.databases.known(oid) };
    if let Some(database) = known {
        database.set_needs_beats(needs_beats);
    }
}

/// Writes a beat if this database needs one, and returns whether it does; `None` where the extension is not installed.
fn beat() -> Option<bool> {
    as_owner(|| {
        let is_needed = is_needed();
        if is_needed {
            // First, so that a reader has removed what it can before it comes to the beat that counts that.
            heartbeat::beat(change::take());
        }
        is_needed
    })
}

/// Has the next beat tell readers that this transaction has changed what they verify. Where nobody knew that beats are
/// needed, they begin.
pub fn record_change() {
    if change::record() {
        usage::begin_beats();
    }
}

/// Whether this database needs beats. A reader has those of its primary.
pub fn is_needed() -> bool {
    !settings::reader() && heartbeat::is_needed(settings::heartbeat())
}
