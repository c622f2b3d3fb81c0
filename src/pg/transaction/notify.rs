//! Messages to listeners when a transaction commits: NOTIFY, but never at the price of the commit.
//!
//! The server keeps messages in a queue of fixed size until every listener has read them. Any role may listen and then
//! not read, and a transaction that notifies into a full queue fails at its commit. So a transaction sends a single
//! message, at its end, and none at all once the queue is half full.

use std::cell::RefCell;
use std::ffi::c_int;

use pgrx::{Uuid, direct_function_call, pg_sys};

use super::xact;
use crate::pg::process::backend_local::backend_local;
use crate::pg::process::fault;
use crate::pg::sql::statement::Argument;

const CHANNEL: &str = "tokenauth";

/// The most ids in a message: a hundred stay well below the limit of 8000 bytes.
pub const MOST: usize = 100;

/// What the current transaction has to announce.
struct PendingNotice {
    /// Ids, each with the transaction nesting level at which it was added.
    ids: Vec<(c_int, Uuid)>,
    /// The shallowest level at which there were too many to list; 0 if none.
    more_at: c_int,
}

backend_local! {
    static PENDING: RefCell<PendingNotice> = const { RefCell::new(PendingNotice { ids: Vec::new(), more_at: 0 }) };
}

/// Announces at commit that these tokens are revoked.
pub fn revoked(tokens: impl IntoIterator<Item = Uuid>) {
    let level = xact::nesting_level();
    PENDING.with_borrow_mut(|pending| {
        for token in tokens {
            if pending.ids.len() < MOST {
                pending.ids.push((level, token));
            } else {
                pending.more(level);
            }
        }
    });
}

/// Announces at commit that more tokens are revoked than can be listed.
pub fn many_revoked() {
    let level = xact::nesting_level();
    PENDING.with_borrow_mut(|pending| pending.more(level));
}

/// Announces at commit that these tokens, at most `MOST`, are about to expire. Returns false, and does not, when the
/// queue is half full.
pub fn expiring(tokens: &[Uuid]) -> bool {
    let room = has_room();
    if room {
        send(&message("expiring", tokens.iter().copied()));
    }
    room
}

impl PendingNotice {
    fn more(&mut self, level: c_int) {
        self.more_at = if self.more_at == 0 { level } else { self.more_at.min(level) };
    }
}

/// Called at the end of a transaction that is about to commit: sends the message, if there is one and room for it.
pub(in crate::pg) fn send_pending() {
    let PendingNotice { ids, more_at } = PENDING.replace(PendingNotice { ids: Vec::new(), more_at: 0 });
    if ids.is_empty() && more_at == 0 || !has_room() {
        return;
    }
    if more_at > 0 {
        send("{\"all\":true}");
    } else {
        send(&message("revoked", ids.into_iter().map(|(_, token)| token)));
    }
}

/// Called when the transaction has ended.
pub(in crate::pg) fn forget() {
    PENDING.set(PendingNotice { ids: Vec::new(), more_at: 0 });
}

/// A subtransaction of this level has committed: what it had to announce is now its parent's.
pub(in crate::pg) fn merge(level: c_int) {
    PENDING.with_borrow_mut(|pending| {
        for (at, _) in pending.ids.iter_mut().filter(|(at, _)| *at == level) {
            *at -= 1;
        }
        if pending.more_at == level {
            pending.more_at -= 1;
        }
    });
}

/// Subtransactions from this level on were rolled back: there is nothing of theirs to announce.
pub(in crate::pg) fn drop_from(level: c_int) {
    PENDING.with_borrow_mut(|pending| {
        pending.ids.retain(|(at, _)| *at < level);
        if pending.more_at >= level {
            pending.more_at = 0;
        }
    });
}

fn message(what: &str, tokens: impl Iterator<Item = Uuid>) -> String {
    let ids: Vec<String> = tokens.map(|token| format!("\"{token:-x}\"")).collect();
    format!("{{\"{what}\":[{}]}}", ids.join(","))
}

/// Whether less than half of the queue is in use. The other half is left for others that notify at the same moment.
fn has_room() -> bool {
    // SAFETY: takes no arguments; takes two locks of the queue for a moment, and raises nothing.
    let usage: Option<f64> = unsafe { direct_function_call(pg_sys::pg_notification_queue_usage, &[]) };
    usage.is_some_and(|usage| usage < 0.5)
}

fn send(payload: &str) {
    fault::step();
    let [channel, payload] = [CHANNEL, payload].map(|text| Argument::of(text).into_datum());
    // SAFETY: pg_notify takes two texts and copies them. Channel and payload are within its limits, and a transaction
    // that has killed something is neither on a standby nor in a parallel worker.
    unsafe { pgrx::direct_function_call_as_datum(pg_sys::pg_notify, &[channel, payload]) };
}
