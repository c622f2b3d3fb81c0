//! Whether every use of every token is known: who revokes for want of use must be sure that there was none.
//!
//! Counting is complete from one round of the worker to the next if the same memory has counted meanwhile, or one that
//! took over from it at a clean stop; if no use was dropped or, since `tokenauth.usage_tracking` was off, left out; and
//! if not more than two hours have passed, in which the server may have been down, and no token could be used. Whatever
//! else there is, be it a crash, a promotion, a restored dump or a copied server, begins anew. Uses on copies are known
//! as far as they were brought in.

use std::time::Duration;

use pgrx::Uuid;

use super::slots::{Database, Slots};
use super::{in_memory, shared_memory};
use crate::catalog::{counting, usage_copy};
use crate::pg::process::database::is_in_recovery;
use crate::pg::types::clock::Timestamp;
use crate::settings;

/// How long the worker may have had no round.
const MOST_APART: Duration = Duration::from_secs(2 * 3600);

/// How long ago the usage of a copy may have been brought in, in microseconds.
const COPIES_READ: i64 = 86_400_000_000;

/// Why uses of tokens may not be known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unknown {
    /// The library is not preloaded, or there are too many databases.
    NotCounted,
    /// No round of the worker is known, or it was too long ago.
    NoRound,
    /// Uses were dropped or left out since the last round.
    Lost,
    /// The usage of so many known copies was not brought in for a day.
    UnreadCopies(i64),
    /// So many subscriptions are fed of which no usage was ever brought in.
    UnreadSubscriptions(i64),
}

impl Unknown {
    /// In a sentence.
    pub fn because(self) -> String {
        match self {
            Self::NotCounted => "uses are not counted in shared memory".to_owned(),
            Self::NoRound => "the worker has not noted a round within the last two hours".to_owned(),
            Self::Lost => "uses were not counted since the worker's last round".to_owned(),
            Self::UnreadCopies(copies) => format!("the usage of {copies} copies was not brought in for a day"),
            Self::UnreadSubscriptions(copies) => format!("the usage of {copies} subscriptions was never brought in"),
        }
    }
}

/// Notes a round of the worker, as the owner of our tables. Returns what is to be told to memory once this has been
/// committed.
pub fn note(slots: Slots<'static>, database: &Database) -> Noted {
    let lost = slots.lost(database);
    let now = Timestamp::now();
    let since = unbroken(database, lost, now).unwrap_or(now);
    counting::note(Uuid::from_bytes(slots.node()), since, now);
    Noted { lost }
}

/// A round that was noted, with how many uses had been lost by then.
pub struct Noted {
    lost: u64,
}

impl Noted {
    /// Tells memory that the round was committed.
    pub fn commit(self, slots: Slots<'static>, database: &Database) {
        database.set_noted(slots.node(), self.lost);
    }
}

/// Since when counting has been complete, by the last round and what memory knows of the time since.
fn unbroken(database: &Database, lost: u64, now: Timestamp) -> Option<Timestamp> {
    let (node, lost_then) = database.noted()?;
    let last = counting::last()?;
    let most = MOST_APART + settings::usage_flush_interval();
    let apart = now.micros_since(last.until);
    let is_continued = last.is_here && *last.node.as_bytes() == node && lost == lost_then;
    (is_continued && apart >= 0 && u128::from(apart.unsigned_abs()) <= most.as_micros()).then_some(last.since)
}

/// Since when all uses of tokens are known, here and on the copies.
///
/// # Errors
/// Why that is not known.
pub fn since() -> Result<Timestamp, Unknown> {
    let slots = shared_memory::slots().ok_or(Unknown::NotCounted)?;
    let database = in_memory::database(slots).ok_or(Unknown::NotCounted)?;
    if is_in_recovery() || !counting::exists() || !usage_copy::exists() {
        return Err(Unknown::NoRound);
    }
    let lost = slots.lost(database);
    if database.noted().is_some_and(|(_, lost_then)| lost_then != lost) {
        return Err(Unknown::Lost);
    }
    let now = Timestamp::now();
    let since = unbroken(database, lost, now).ok_or(Unknown::NoRound)?;
    let a_day_ago = Timestamp::of_micros(now.micros() - COPIES_READ).unwrap_or(now);
    match (usage_copy::count_unread(a_day_ago), usage_copy::count_unknown()) {
        (0, 0) => Ok(since),
        (0, unknown) => Err(Unknown::UnreadSubscriptions(unknown)),
        (unread, _) => Err(Unknown::UnreadCopies(unread)),
    }
}
