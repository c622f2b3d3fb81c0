//! Counts uses in the verifying transaction, if the library is not preloaded.
//!
//! It updates the token's row of `usage` at most once a minute per token and backend, and only if that is possible at
//! once: in a read-write READ COMMITTED transaction, with the row not locked. Uses between two updates are counted here
//! and added by the next one. This never makes verification wait or fail.

use std::cell::RefCell;

use pgrx::Uuid;

use crate::pg::process::backend_local::backend_local;
use crate::pg::scan::catalog_update::{UpdateOutcome, catalog_update_nowait};
use crate::pg::scan::index_key::IndexKey;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::sql::statement::Argument;
use crate::pg::transaction::xact;
use crate::pg::types::clock::Timestamp;
use crate::settings;
use crate::usage::slots::has_passed;
use crate::usage::tables::{BY_TOKEN, column};

/// Shortest time between two writes of a row, in microseconds.
const INTERVAL: i64 = 60_000_000;

/// Counts one verification of a token that exists.
///
/// The first use of a token after its rotation is written at once: whether the old token is still in use decides when
/// it may go.
pub fn count(token: Uuid, valid: bool, rotated: bool, now: Timestamp) {
    RECENT.with_borrow_mut(|recent| {
        let recent = recent.entry(token);
        recent.pending.add(valid, now);
        let is_first_since_rotation = valid && rotated && !recent.rotation_seen;
        if (is_first_since_rotation || recent.is_due(valid, now)) && !settings::reader() && xact::may_write_usage() {
            recent.write(valid, is_first_since_rotation, now);
        }
    });
}

/// Uses that are not written yet.
#[derive(Clone, Copy, Default)]
struct PendingUses {
    requests: i64,
    denials: i64,
    last_used_at: Option<Timestamp>,
}

impl PendingUses {
    fn add(&mut self, valid: bool, now: Timestamp) {
        if valid {
            self.requests += 1;
            self.last_used_at = Some(now);
        } else {
            self.denials += 1;
        }
    }
}

/// What this backend knows of the uses of one token.
#[derive(Clone, Copy)]
struct RecentUses {
    token: Uuid,
    pending: PendingUses,
    /// When a valid use was last written, or found written by another backend.
    request_written: Option<Timestamp>,
    /// When a denial was last written.
    denial_written: Option<Timestamp>,
    /// Whether a use was written after the token had been rotated.
    rotation_seen: bool,
    /// How many rollbacks there had been at the last write: after another one, it may be undone.
    rollbacks: u64,
}

impl RecentUses {
    fn new(token: Uuid) -> Self {
        RecentUses {
            token,
            pending: PendingUses::default(),
            request_written: None,
            denial_written: None,
            rotation_seen: false,
            rollbacks: 0,
        }
    }

    /// Whether a write is due. Requests and denials are due separately, so that a denial never hides that the token is
    /// in use.
    fn is_due(&self, valid: bool, now: Timestamp) -> bool {
        let written = if valid { self.request_written } else { self.denial_written };
        self.rollbacks != xact::rollbacks()
            || written.is_none_or(|written| has_passed(INTERVAL, written.micros(), now.micros()))
    }

    fn write(&mut self, valid: bool, is_first_since_rotation: bool, now: Timestamp) {
        let pending = self.pending;
        let update = || {
            catalog_update_nowait(&BY_TOKEN, IndexKey::Uuid(self.token), &LatestSnapshot::take(), |row| {
                let last_used_at: Option<Timestamp> = row.optional(column::LAST_USED_AT);
                // Another backend has written it within the interval.
                let is_recent = |last: Timestamp| !has_passed(INTERVAL, last.micros(), now.micros());
                if valid && !is_first_since_rotation && last_used_at.is_some_and(is_recent) {
                    return None;
                }
                let requests: i64 = row.required(column::REQUEST_COUNT);
                let denials: i64 = row.required(column::DENIED_COUNT);
                Some([
                    (column::LAST_USED_AT, Argument::of(pending.last_used_at.or(last_used_at))),
                    (column::REQUEST_COUNT, Argument::of(requests + pending.requests)),
                    (column::DENIED_COUNT, Argument::of(denials + pending.denials)),
                ])
            })
        };
        let touched = xact::commit_asynchronously_if_alone(update);
        if touched == UpdateOutcome::Skipped {
            return;
        }
        if touched == UpdateOutcome::Written {
            self.pending = PendingUses::default();
        }
        let written = if valid { &mut self.request_written } else { &mut self.denial_written };
        *written = Some(now);
        self.rotation_seen |= is_first_since_rotation;
        self.rollbacks = xact::rollbacks();
    }
}

/// The tokens that this backend has seen lately: a table of fixed size, in which a new token replaces the one in its
/// place.
struct TokenTable {
    slots: Vec<Option<RecentUses>>,
}

impl TokenTable {
    const SLOTS: usize = 16384;

    fn entry(&mut self, token: Uuid) -> &mut RecentUses {
        if self.slots.is_empty() {
            self.slots = vec![None; Self::SLOTS];
        }
        // The last bytes of a uuid of version 7 are random.
        let bytes = token.as_bytes();
        let slot = &mut self.slots[usize::from(u16::from_be_bytes([bytes[14], bytes[15]])) % Self::SLOTS];
        if slot.is_none_or(|recent| recent.token != token) {
            *slot = None;
        }
        slot.get_or_insert(RecentUses::new(token))
    }
}

backend_local! {
    static RECENT: RefCell<TokenTable> = const { RefCell::new(TokenTable { slots: Vec::new() }) };
}
