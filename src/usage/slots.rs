//! Counts uses of tokens in memory that all processes of the server share. Pure logic: runs over any zeroed memory.
//!
//! # Where a record is
//!
//! What is known of a token is its record: uses, the flight they are in, the bucket of its rate. **A record is in one
//! place at a time**: in one of the eight ways of the set that the token's random bits select, or in one of the two
//! pages of the overflow that other bits select. A token that is presented gets its record into its set; if all ways
//! are taken, the record of the token that was presented longest ago moves to the overflow, whole, and comes back,
//! whole, when that token is presented again. So a token in use keeps its slot, and the sets are to the overflow what a
//! cache is to the next one.
//!
//! # What can be promised
//!
//! Memory is bounded by `tokenauth.usage_slots`, and a verification never waits for the disk. So nothing can keep the
//! uses of every token when tokens are used faster than the worker writes them for longer than memory lasts. Below that
//! nothing is lost: the worker is woken when a quarter of the memory waits (`is_filling`), not by the clock alone, and
//! what it has written makes room. Above it, who fills memory makes room. A full page of the overflow gives up, in this
//! order: a record with nothing to lose; the bucket of a token all of whose uses are written; the uses of the token
//! presented longest ago, of the database that has most records in the page. Such uses are counted as dropped, which
//! `doctor()` tells. A bucket is lost only then, so that a rate holds for every token that was not the longest idle of
//! the many thousand that memory has room for.
//!
//! # Locking
//!
//! **The contents of a set or page, keys included, are read and written only under its flag.** So a slot that was found
//! cannot have become another token's by the time it is written, and what belongs together (an address, a count and its
//! moment) is never torn. Words are atomic only because processes share them: under a flag each access is a plain load
//! or store. The one exception is a look at the tags of a page before its flag is taken, which only decides whether
//! taking it is worthwhile.
//!
//! - A record enters a page only under the flags of both its set and the page. So whoever holds the flag of a token's
//!   set and does not find it in either knows that it has no record, and gives it one.
//! - Lock order: `exporting`, a set, a page. Nobody holds the flags of two sets or of two pages, or takes a set's flag
//!   while holding a page's. Under those of `Databases` and `Samples` no other is taken.
//! - A flag is held for a few dozen instructions, a few hundred where records move, which never allocate, raise, read a
//!   clock or call the server. Taking it is one compare-and-exchange, releasing it one store. `Database::exporting`
//!   alone is held for longer, while a batch is handed out. `scripts/bench-holds` measures for how long.
//! - A process that has waited for a flag longer than `flag::PATIENCE` gives up, and the use that it was to count is
//!   dropped and counted as dropped: a process that was stopped while holding a flag must not stop verification. (If it
//!   is killed, the server restarts with new memory.)
//! - Counters outside of records (verdicts, drops, how many records wait) need no flag: they are atomics that are only
//!   added to. Whoever reads them decides nothing that must be exact.
//!
//! # Life of a use
//!
//! Uses wait in their record until a batch takes them. They are then in flight until the flight is settled (the batch's
//! transaction has committed), given back, or forgotten (the batch, handed out by a standby, has arrived). A record
//! moves with its flight, and is found by its token again; one in an open flight is never given up. A settled flight
//! stays until the next one replaces it: a reader whose snapshot is older than the commit adds it, and one whose
//! snapshot is newer sees that the table has the batch.

mod address;
mod batches;
mod database;
mod flag;
mod group;
mod header;
mod kept;
mod moment;
mod overflow;
mod record;
mod samples;
mod seen_networks;
mod slot;
mod tagged;

use std::sync::atomic::Ordering::Relaxed;

use crate::model::rate::Rate;
pub use address::Address;
pub use batches::Taken;
pub use database::{DATABASES, Database, Databases, OpenBatch, VERDICTS};
use group::Group;
pub use header::Header;
pub use kept::{Numbers, Saved};
pub use moment::has_passed;
pub use overflow::OverflowPage;
use overflow::{Overflow, PLACES, Placement};
pub use record::{Counted, Flight, Missed, Record, Use};
pub use samples::{LABEL, Sample, Samples};
pub use slot::{Slot, UsageKey, WORDS, Word};
use tagged::Tagged;

/// How many slots a set has.
const WAYS: usize = 8;

/// The slots that a token's may be among.
pub type SlotSet = Group<WAYS>;

/// For how long a slot with nothing to lose is kept although another needs one, in microseconds: readers whose snapshot
/// is older than the last batch still add its flight.
const RESTED: u64 = 10_000_000;

/// No count of uses and no number of a batch reaches this: a million a second would take nine years. Sums of several
/// cannot overflow.
pub const UNREACHED: u64 = 1 << 48;

/// The numbers of sets and of pages of the overflow for this many slots.
pub fn layout(slots: usize) -> (usize, usize) {
    /// Even with few slots a burst must find room until the worker has come.
    const FEWEST_PAGES: usize = 4096 / PLACES;
    let sets = slots.div_ceil(WAYS);
    // Keys do not spread evenly: with as many tokens as slots, a seventh find no way in their set. The rest is for
    // bursts: it holds what a session presents that goes through all tokens while the worker writes at three quarters
    // of its speed.
    (sets, (sets * WAYS).div_ceil(PLACES).max(FEWEST_PAGES))
}

/// The whole memory, borrowed from wherever it lies.
#[derive(Clone, Copy)]
pub struct Slots<'a> {
    /// All but sets and pages.
    pub header: &'a Header,
    sets: &'a [SlotSet],
    overflow: Overflow<'a>,
}

/// What this memory knows of the uses of a token.
#[derive(Default)]
pub struct Recent {
    /// Counts of uses that no batch has taken, and moments of all uses.
    pub record: Record,
    /// Uses that a batch has taken.
    pub flight: Option<Flight>,
}

impl<'a> Slots<'a> {
    /// Borrows memory that is all zeros or was used in this way before.
    pub fn over(header: &'a Header, sets: &'a [SlotSet], pages: &'a [OverflowPage]) -> Self {
        Slots { header, sets, overflow: Overflow::over(pages, &header.occupied) }
    }

    /// Initializes zeroed memory.
    pub fn begin(&self, node: [u8; 16]) {
        let (high, low) = halves(node);
        self.header.node[0].set(high);
        self.header.node[1].set(low);
    }

    /// The number that tells batches of this memory from those of any other.
    pub fn node(&self) -> [u8; 16] {
        whole(self.header.node[0].get(), self.header.node[1].get())
    }

    /// For how many records there is room.
    pub fn capacity(&self) -> usize {
        self.sets.len() * WAYS + self.overflow.pages().len() * PLACES
    }

    /// Returns the number of a new batch.
    pub fn next_batch(&self) -> u64 {
        self.header.batch.fetch_add(1, Relaxed) + 1
    }

    /// Makes numbers of batches continue after this one.
    pub fn continue_after(&self, batch: u64) {
        self.header.batch.fetch_max(batch, Relaxed);
    }

    /// The number of the last batch.
    pub fn last_batch(&self) -> u64 {
        self.header.batch.load(Relaxed)
    }

    /// How many uses were not counted for lack of room.
    pub fn dropped(&self) -> u64 {
        self.header.dropped.load(Relaxed)
    }

    /// How many uses of tokens of this database may be unknown, dropped or left out. One that was dropped may have been
    /// of any database.
    pub fn lost(&self, database: &Database) -> u64 {
        self.dropped().wrapping_add(database.left_out())
    }

    /// Forgets the client and the networks of a token's uses.
    pub fn forget_clients(&self, key: &UsageKey) {
        self.with_record(key, Slot::forget_clients);
    }

    /// Counts a use that cannot be counted for its token.
    pub fn drop_use(&self) {
        self.header.dropped.fetch_add(1, Relaxed);
    }

    /// How often a token lost its slot to another while uses waited in it.
    pub fn evicted(&self) -> u64 {
        self.header.evicted.load(Relaxed)
    }

    /// How many tokens were kept out of the log.
    pub fn masked(&self) -> u64 {
        self.header.masked.load(Relaxed)
    }

    /// Counts tokens that were kept out of the log.
    pub fn count_masked(&self, tokens: u64) {
        self.header.masked.fetch_add(tokens, Relaxed);
    }

    /// How many tokens have uses that wait to be written.
    pub fn backlog(&self) -> u64 {
        self.header.waiting.load(Relaxed).max(0).cast_unsigned()
    }

    /// Whether so much waits that it must be written before its time, to make room for what comes meanwhile.
    pub fn is_filling(&self) -> bool {
        self.header.waiting.load(Relaxed) * 4 >= self.capacity() as i64
    }

    #[inline]
    pub fn count(&self, key: &UsageKey, used: &Use) -> Counted {
        let Some(counted) = self.with_slot(key, used.at, |slot| slot.add(used)) else {
            self.drop_use();
            return Counted::default();
        };
        if counted.is_first {
            self.header.waiting.fetch_add(1, Relaxed);
        }
        counted
    }

    /// Asks the processor for the record of a token that is about to be counted, where it most often is: another
    /// processor may have it.
    #[inline]
    pub fn prefetch(&self, key: &UsageKey) {
        let tagged = Tagged::of(key);
        let set = self.set(tagged.hash);
        set.prefetch();
        set.prefetch_slot(tagged.way());
    }

    /// As [`prefetch`](Self::prefetch), for a token that was hardly presented lately: wherever its record may be, or
    /// may take the place of another's.
    #[inline]
    pub fn prefetch_widely(&self, key: &UsageKey) {
        let tagged = Tagged::of(key);
        let set = self.set(tagged.hash);
        set.prefetch();
        (0..WAYS).for_each(|way| set.prefetch_slot(way));
        self.overflow.prefetch(tagged);
    }

    /// Takes one use from the token's allowance, or returns the microseconds until there is one. Admits the token if it
    /// can get no slot: nobody is refused for lack of room.
    pub fn admit(&self, key: &UsageKey, rate: Rate, now: i64) -> Result<(), i64> {
        self.with_slot(key, now, |slot| slot.admit(rate, now)).unwrap_or(Ok(()))
    }

    /// As [`admit`](Self::admit), without taking the use.
    pub fn would_admit(&self, key: &UsageKey, rate: Rate, now: i64) -> Result<(), i64> {
        self.with_record(key, |slot| slot.would_admit(rate, now)).unwrap_or(Ok(()))
    }

    /// What this memory knows of the uses of a token.
    pub fn recent(&self, key: &UsageKey) -> Recent {
        let mut recent = Recent::default();
        self.with_record(key, |slot| slot.add_to(&mut recent));
        recent
    }

    /// Acts on the slot of a token that is presented.
    #[inline]
    fn with_slot<T>(&self, key: &UsageKey, now: i64, act: impl FnOnce(&Slot) -> T) -> Option<T> {
        let tagged = Tagged::of(key);
        let set = self.set(tagged.hash);
        let _held = set.hold()?;
        let way = set.find(key, tagged.tag).or_else(|| self.enter(set, key, tagged, now))?;
        Some(act(set.slot(way)))
    }

    /// Acts on the record of a token where it is, if it has one.
    fn with_record<T>(&self, key: &UsageKey, act: impl FnOnce(&Slot) -> T) -> Option<T> {
        let tagged = Tagged::of(key);
        let set = self.set(tagged.hash);
        let _held = set.hold()?;
        match set.find(key, tagged.tag) {
            Some(way) => Some(act(set.slot(way))),
            None => self.overflow.with(key, tagged, |page, at| act(page.slot(at))),
        }
    }

    /// Gives a token a way of its set, whose flag the caller holds, with the record that it has in the overflow, or a
    /// new one.
    #[inline(never)]
    fn enter(&self, set: &SlotSet, key: &UsageKey, tagged: Tagged, now: i64) -> Option<usize> {
        // Taken out first: room must not be made at its cost.
        let record = self.overflow.remove(key, tagged).map(Slot::of_words);
        let Some(way) = set.free(tagged.way()).or_else(|| self.make_room(set, now)) else {
            if let Some(record) = record.filter(|record| !self.move_to_overflow(record, now)) {
                self.give_up(record.waiting_uses());
            }
            return None;
        };
        match record {
            Some(record) => set.slot(way).copy(&record),
            None => set.slot(way).begin(key),
        }
        set.occupy(way, tagged.tag);
        Some(way)
    }

    /// Takes a way from another token, whose record moves to the overflow.
    fn make_room(&self, set: &SlotSet, now: i64) -> Option<usize> {
        // In this order: most have not rested, and all that need be read of those is their first line.
        let has_rested = |slot: &Slot| slot.idle(now) > RESTED && !slot.is_worth_keeping(now);
        if let Some(way) = set.longest_idle(now, has_rested) {
            return Some(way);
        }
        let way = set.longest_idle(now, |_| true)?;
        if self.move_to_overflow(set.slot(way), now) || !set.slot(way).is_worth_keeping(now) {
            return Some(way);
        }
        let way = set.longest_idle(now, |slot| !slot.is_in_open_flight())?;
        self.give_up(set.slot(way).waiting_uses());
        Some(way)
    }

    fn move_to_overflow(&self, slot: &Slot, now: i64) -> bool {
        match self.overflow.put(slot, now) {
            Placement::Refused => return false,
            Placement::Replaced(uses) => self.give_up(uses),
            Placement::Placed => {}
        }
        self.header.evicted.fetch_add(u64::from(slot.is_waiting()), Relaxed);
        true
    }

    /// Counts the uses of a record that is given up.
    fn give_up(&self, uses: u64) {
        if uses > 0 {
            self.header.dropped.fetch_add(uses, Relaxed);
            self.header.waiting.fetch_sub(1, Relaxed);
        }
    }

    fn set(&self, hash: u64) -> &'a SlotSet {
        // Distributes as evenly as the remainder of a division, several times as fast.
        &self.sets[((hash >> 32) as usize * self.sets.len()) >> 32]
    }
}

/// The two words of an id.
pub fn halves(bytes: [u8; 16]) -> (u64, u64) {
    let number = u128::from_be_bytes(bytes);
    ((number >> 64) as u64, number as u64)
}

/// The id of two words.
pub fn whole(high: u64, low: u64) -> [u8; 16] {
    ((u128::from(high) << 64) | u128::from(low)).to_be_bytes()
}

#[cfg(test)]
mod tests;
