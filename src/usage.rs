//! Usage: when and how often tokens are used, counted without a write.
//!
//! If the library is preloaded, verification counts into shared memory (`slots`, which states the locking rules),
//! whatever the transaction is and however it ends, on standbys too; workers write the counts to tables. Otherwise
//! `in_transaction` does what is possible without. Counting never makes verification fail, or wait for the disk or a
//! row lock.

#![forbid(unsafe_code)]

pub mod agenda;
pub mod batch;
pub mod complete;
mod findings;
pub mod hours;
pub mod in_memory;
mod in_transaction;
pub mod seen;
pub mod slots;
pub mod snapshot_file;
pub mod tables;
mod unusual;
pub mod wake;

use pgrx::{PgXactCallbackEvent, Uuid, register_xact_callback};

use crate::error::{Error, ServerError};
use crate::model::network::Client;
use crate::model::verdict::Verdict;
use crate::pg::process::shared_memory;
use crate::pg::types::clock::Timestamp;
use crate::settings;

use crate::model::rate::Rate;
pub use findings::findings;
pub use in_memory::Denial;
use slots::Slots;

/// Counts one verification of a token that exists. Returns a denial that is to become an event, so that the caller can
/// add the correlation id that it tells its client.
///
/// Without shared memory, the first use of a token after its rotation is written at once: whether the old token is
/// still in use decides when it may go.
#[inline]
pub fn count(token: Uuid, verdict: Verdict, rotated: bool, client: Option<Client>, now: Timestamp) -> Option<Denial> {
    if !settings::usage_tracking() {
        in_memory::leave_out();
        return None;
    }
    match shared_memory::slots() {
        Some(slots) => in_memory::count(slots, token, verdict, client, now),
        None => {
            in_transaction::count(token, verdict.ok(), rotated, now);
            None
        }
    }
}

/// Asks the processor for what counting a use of this token will need, while it is being judged; `is_known` if this
/// backend has counted its uses before.
#[inline]
pub fn prefetch(token: Uuid, is_known: bool) {
    let Some(slots) = shared_memory::slots().filter(|_| settings::usage_tracking()) else { return };
    let key = in_memory::key(token);
    if is_known { slots.prefetch(&key) } else { slots.prefetch_widely(&key) }
}

/// Counts one verification that found no token.
pub fn count_without_token(verdict: Verdict, client: Option<Client>) -> Option<Denial> {
    let slots = shared_memory::slots().filter(|_| settings::usage_tracking())?;
    in_memory::count_without_token(slots, verdict, client)
}

/// Forgets from where these tokens were used, as far as memory knows it. Not taken back by a rollback.
pub fn forget_clients(mut tokens: Vec<Uuid>) {
    let Some(slots) = shared_memory::slots() else { return };
    for token in &tokens {
        slots.forget_clients(&in_memory::key(*token));
    }
    // Each denial that waits is looked for among them under a flag, and an owner may have had millions.
    tokens.sort_unstable_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
    slots.header.samples.forget_clients(crate::pg::process::database::current(), |token| {
        tokens.binary_search_by(|erased| erased.as_bytes().cmp(token)).is_ok()
    });
}

/// How long until a token may be used again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RetryAfter {
    /// Whole seconds, as in `Retry-After`.
    pub seconds: u64,
}

/// Takes one use from the allowance of a token of a kind with a rate, or returns when there is one again. Each server
/// counts on its own. Admits every token if there is no shared memory to count in.
pub fn admit(token: Uuid, rate: Rate, now: Timestamp) -> Result<(), RetryAfter> {
    rated(|slots| slots.admit(&in_memory::key(token), rate, now.micros()))
}

/// As [`admit`], without taking the use.
pub fn would_admit(token: Uuid, rate: Rate, now: Timestamp) -> Result<(), RetryAfter> {
    rated(|slots| slots.would_admit(&in_memory::key(token), rate, now.micros()))
}

fn rated(judge: impl FnOnce(Slots<'static>) -> Result<(), i64>) -> Result<(), RetryAfter> {
    let judged = shared_memory::slots().map_or(Ok(()), judge);
    judged.map_err(|micros| RetryAfter { seconds: u64::try_from(micros).unwrap_or_default().div_ceil(1_000_000) })
}

/// Whether there is shared memory.
pub fn is_preloaded() -> bool {
    shared_memory::slots().is_some()
}

/// Logs that usage is only approximate, if the library is not preloaded. Called once per installation.
pub fn say_what_is_missing() {
    if !is_preloaded() {
        Error::from(ServerError::NotPreloaded("exact usage")).log();
    }
}

/// Has beats begin in this database when the transaction commits: it will need them then. Otherwise a worker would find
/// that out within the hour; one finds out soon where it does not.
pub fn begin_beats_at_commit() {
    let Some(slots) = shared_memory::slots() else { return };
    let Some(database) = in_memory::database(slots) else { return };
    register_xact_callback(PgXactCallbackEvent::Commit, move || {
        database.set_needs_beats(true);
        wake::launcher(slots);
    });
}

/// Has beats begin in this database, unless they have. The transaction may be rolled back yet: a worker looks whether
/// they are needed.
pub fn begin_beats() {
    let Some(slots) = shared_memory::slots() else { return };
    if let Some(database) = in_memory::database(slots).filter(|database| !database.needs_beats()) {
        database.set_needs_beats(true);
        wake::launcher(slots);
    }
}

/// Registers the shared memory. Called once, while the postmaster loads the library.
pub fn preload() {
    shared_memory::register(shared_memory::Hooks {
        capacity: settings::usage_slots,
        begin: snapshot_file::begin,
        end: snapshot_file::end,
    });
}
