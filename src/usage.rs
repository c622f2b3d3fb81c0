//! When and how often tokens are used, counted without a write.
//!
//! Where the library is preloaded, verification counts into shared memory (`slots`, which states the locking), whatever the
//! transaction is and becomes, on standbys too; workers write it to tables. Otherwise `in_transaction` does what can be
//! done without. Verification never fails for it and never waits for the disk or a lock on a row.

mod batch;
mod export;
mod findings;
mod in_memory;
mod in_transaction;
mod kept;
mod launcher;
pub mod seen;
pub mod slots;
mod unusual;
mod worker;

use pgrx::Uuid;

use crate::error::Error;
use crate::network::Client;
use crate::pg::clock::Timestamp;
use crate::pg::shared_memory;
use crate::settings;
use crate::verdict::Verdict;

pub use findings::findings;
pub use in_memory::Denial;
pub use slots::Rate;
use slots::Slots;

/// Counts one verification of a token that exists; a denial that is to become an event is handed back, to be given the
/// correlation id that the caller is told.
///
/// Without shared memory, the first use of a token after its rotation is written at once: whether the old token is still
/// in use is what decides when it may go.
#[inline]
pub fn count(token: Uuid, verdict: Verdict, rotated: bool, client: Option<Client>, now: Timestamp) -> Option<Denial> {
    if !settings::usage_tracking() {
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

/// Counts one verification of what is no token that exists.
pub fn count_without_token(verdict: Verdict, client: Option<Client>) -> Option<Denial> {
    let slots = shared_memory::slots().filter(|_| settings::usage_tracking())?;
    in_memory::count_without_token(slots, verdict, client)
}

/// How long until a token may be used again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RetryAfter {
    /// Whole seconds, as `Retry-After` has them.
    pub seconds: u64,
}

/// Takes one from the allowance of a token of a kind with a rate, or says when there is one again. Each server counts by
/// itself; without shared memory there is nothing to count in, and everybody is admitted.
pub fn admit(token: Uuid, rate: Rate, now: Timestamp) -> Result<(), RetryAfter> {
    rated(|slots| slots.admit(&in_memory::key(token), rate, now.micros()))
}

/// Whether there is one, without taking it.
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

/// Tells the log, once for each installation, that usage is not what it could be.
pub fn say_what_is_missing() {
    if !is_preloaded() {
        Error::NotPreloaded("exact usage").log();
    }
}

/// What the launcher does.
pub fn launch() -> ! {
    launcher::run()
}

/// What a worker does in its database.
pub fn flush(database: u32) {
    worker::run(database);
}

/// Called once, while the postmaster loads the library.
pub fn preload() {
    shared_memory::register(shared_memory::Hooks { begin: kept::begin, end: kept::end });
    launcher::register();
}
