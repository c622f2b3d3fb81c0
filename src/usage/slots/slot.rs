//! The words of shared memory that hold the uses of one token.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::moment::{age, has_passed, later};
use super::record::{Counted, Flight, Missed, NETWORKS, Record, Use};
use super::seen_networks::SeenNetworks;
use super::{Recent, UNREACHED, halves, whole};
use crate::model::rate::Rate;

/// A word of shared memory. Its accesses order nothing themselves; where order matters, a flag does.
#[derive(Default)]
#[repr(transparent)]
pub struct Word(AtomicU64);

impl Word {
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    #[inline]
    fn add(&self, value: u64) {
        self.set(self.get() + value);
    }

    /// The word as a moment, in microseconds since 2000; 0 is none.
    #[inline]
    pub fn moment(&self) -> i64 {
        self.get().cast_signed()
    }

    #[inline]
    pub fn set_moment(&self, moment: i64) {
        self.set(moment.cast_unsigned());
    }
}

/// A token of a database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UsageKey {
    /// Object identifier of the database.
    pub database: u32,
    /// Identifier of the token.
    pub token: [u8; 16],
}

impl UsageKey {
    /// Hashes the last 8 bytes of the token id, which are random in a uuid of version 7.
    #[inline]
    pub(super) fn hash(&self) -> u64 {
        let (_, random) = halves(self.token);
        (random ^ u64::from(self.database)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

/// The least time between two denials of a token that become events, in microseconds.
const SAMPLING: i64 = 60_000_000;

/// How many words a slot has: three lines of the processor's cache.
pub const WORDS: usize = 24;

/// The word at which each field begins. What a use without a client reads and writes is in the first line: another
/// processor may have it, and each line that it has costs a tenth of a microsecond.
mod word {
    pub const TOKEN: usize = 0;
    pub const DATABASE: usize = 2;
    /// When it was last presented, by the clock of that moment: the clock may be set back.
    pub const TOUCHED: usize = 3;
    pub const FIRST_USE: usize = 4;
    pub const LAST_USE: usize = 5;
    pub const REQUESTS: usize = 6;
    pub const DENIALS: usize = 7;
    pub const LAST_DENIAL: usize = 8;
    /// Twice the number of the batch, plus one while the flight is open; 0 if there is none.
    pub const FLIGHT: usize = 9;
    pub const FLIGHT_REQUESTS: usize = 10;
    pub const FLIGHT_DENIALS: usize = 11;
    pub const CLIENT: usize = 12;
    pub const NETWORKS: usize = 15;
    /// See [`SeenNetworks`](super::SeenNetworks).
    pub const SEEN: usize = 19;
    /// When the allowance is full again.
    pub const BUCKET: usize = 20;
    /// When a denial last became an event.
    pub const SAMPLED: usize = 21;
    /// A transaction that began after one that may yet commit the token's row; 0 while no batch has missed the row.
    pub const MISSED: usize = 22;
}

/// The uses of one token, guarded by the flag of its set, or of its page of the overflow.
#[derive(Default)]
#[repr(C, align(64))]
pub struct Slot([Word; WORDS]);

impl Slot {
    /// Whether the slot is this token's.
    #[inline]
    pub(super) fn is(&self, key: &UsageKey) -> bool {
        let (high, low) = halves(key.token);
        self.0[word::TOKEN + 1].get() == low && self.0[word::TOKEN].get() == high && self.database() == key.database
    }

    /// The token whose slot it is.
    pub fn key(&self) -> UsageKey {
        UsageKey { database: self.database(), token: whole(self.0[word::TOKEN].get(), self.0[word::TOKEN + 1].get()) }
    }

    #[inline]
    pub(super) fn database(&self) -> u32 {
        self.0[word::DATABASE].get() as u32
    }

    /// Makes it this token's, without any uses.
    pub(super) fn begin(&self, key: &UsageKey) {
        let (high, low) = halves(key.token);
        self.0.iter().for_each(|word| word.set(0));
        self.0[word::TOKEN].set(high);
        self.0[word::TOKEN + 1].set(low);
        self.0[word::DATABASE].set(u64::from(key.database));
    }

    /// Forgets all uses; the slot stays the token's until another needs it.
    pub(super) fn clear(&self) {
        self.0[word::FIRST_USE..].iter().for_each(|word| word.set(0));
    }

    /// Makes it a copy of another slot.
    pub(super) fn copy(&self, other: &Slot) {
        self.set_words(other.words());
    }

    /// All its words, for a file.
    pub fn words(&self) -> [u64; WORDS] {
        std::array::from_fn(|index| self.0[index].get())
    }

    pub(super) fn set_words(&self, words: [u64; WORDS]) {
        self.0.iter().zip(words).for_each(|(word, value)| word.set(value));
    }

    pub(super) fn of_words(words: [u64; WORDS]) -> Self {
        let slot = Slot::default();
        slot.set_words(words);
        slot
    }

    /// Whether these can be the words of a slot, as far as anybody computes with them.
    pub fn are_possible(words: &[u64; WORDS]) -> bool {
        let counts = [word::REQUESTS, word::DENIALS, word::FLIGHT_REQUESTS, word::FLIGHT_DENIALS];
        counts.into_iter().all(|count| words[count] < UNREACHED) && words[word::FLIGHT] >> 1 < UNREACHED
    }

    #[inline]
    pub(super) fn add(&self, used: &Use) -> Counted {
        let word = &self.0;
        let is_first = !self.is_waiting();
        word[word::TOUCHED].set_moment(used.at);
        if let Some(client) = used.client {
            word[word::CLIENT..].iter().zip(client.words()).for_each(|(word, value)| word.set(value));
        }
        if used.valid {
            word[word::REQUESTS].add(1);
            if word[word::FIRST_USE].get() == 0 {
                word[word::FIRST_USE].set_moment(used.at);
            }
            word[word::LAST_USE].set_moment(later(word[word::LAST_USE].moment(), used.at));
            if let Some(client) = used.client {
                self.see(client.network());
            }
            return Counted { is_sample: false, is_first };
        }
        word[word::DENIALS].add(1);
        word[word::LAST_DENIAL].set_moment(later(word[word::LAST_DENIAL].moment(), used.at));
        let sampled = word[word::SAMPLED].moment();
        let is_sample = sampled == 0 || has_passed(SAMPLING, sampled, used.at);
        if is_sample {
            word[word::SAMPLED].set_moment(used.at);
        }
        Counted { is_sample, is_first }
    }

    fn see(&self, network: u64) {
        let seen = self.seen();
        let known = &self.0[word::NETWORKS..word::NETWORKS + NETWORKS];
        if let Some(index) = known.iter().position(|word| word.get() == network) {
            self.set_seen(seen.with(index));
        } else {
            known[seen.oldest()].set(network);
            self.set_seen(seen.with_another());
        }
    }

    fn seen(&self) -> SeenNetworks {
        SeenNetworks(self.0[word::SEEN].get())
    }

    fn set_seen(&self, seen: SeenNetworks) {
        self.0[word::SEEN].set(seen.0);
    }

    /// Takes one use from the allowance, or returns the microseconds until there is one; see [`Rate`].
    pub(super) fn admit(&self, rate: Rate, now: i64) -> Result<(), i64> {
        let bucket = &self.0[word::BUCKET];
        self.0[word::TOUCHED].set_moment(now);
        // Stored in a refusal too: otherwise what a former rate, or a clock that was set back, has left would be cut to
        // the length of the interval anew each time, and never end.
        let at_most_empty = rate.at_most_empty(bucket.moment(), now);
        let taken = rate.take(at_most_empty, now);
        bucket.set_moment(taken.unwrap_or(at_most_empty));
        taken.map(|_| ())
    }

    pub(super) fn would_admit(&self, rate: Rate, now: i64) -> Result<(), i64> {
        rate.take(rate.at_most_empty(self.0[word::BUCKET].moment(), now), now).map(|_| ())
    }

    /// Whether its allowance is used up in part.
    pub(super) fn has_bucket(&self, now: i64) -> bool {
        self.0[word::BUCKET].moment() > now
    }

    /// Whether it has uses that no batch has taken.
    #[inline]
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting_uses() != 0
    }

    /// How many uses it has that no batch has taken.
    #[inline]
    pub(super) fn waiting_uses(&self) -> u64 {
        self.0[word::REQUESTS].get() + self.0[word::DENIALS].get()
    }

    /// Forgets from where it was used.
    pub(super) fn forget_clients(&self) {
        self.0[word::CLIENT..=word::SEEN].iter().for_each(|word| word.set(0));
    }

    /// Whether a batch can take uses from it: only one at a time can have some.
    pub(super) fn can_depart(&self) -> bool {
        self.is_waiting() && !self.is_in_open_flight()
    }

    pub(super) fn is_in_open_flight(&self) -> bool {
        self.0[word::FLIGHT].get() & 1 == 1
    }

    /// The batch of its flight, if that is neither settled nor given back.
    pub fn open_flight(&self) -> Option<u64> {
        Some(self.0[word::FLIGHT].get() >> 1).filter(|_| self.is_in_open_flight())
    }

    /// How long ago it was last presented.
    pub(super) fn idle(&self, now: i64) -> u64 {
        age(self.0[word::TOUCHED].moment(), now)
    }

    /// These uses; of its networks those whose bit is set.
    fn record(&self, requests: u64, denials: u64, networks: u64) -> Record {
        let network = |index: usize| if networks >> index & 1 == 1 { self.0[word::NETWORKS + index].get() } else { 0 };
        Record {
            first_use: self.0[word::FIRST_USE].moment(),
            last_use: self.0[word::LAST_USE].moment(),
            last_denial: self.0[word::LAST_DENIAL].moment(),
            requests,
            denials,
            client: std::array::from_fn(|index| self.0[word::CLIENT + index].get()),
            networks: std::array::from_fn(network),
        }
    }

    /// Puts the waiting uses into a flight of this batch and returns them; `None` if there are none to take.
    pub(super) fn depart(&self, batch: u64) -> Option<Record> {
        if !self.can_depart() {
            return None;
        }
        let word = &self.0;
        let (requests, denials) = (word[word::REQUESTS].get(), word[word::DENIALS].get());
        let seen = self.seen();
        word[word::FLIGHT].set(batch << 1 | 1);
        word[word::FLIGHT_REQUESTS].set(requests);
        word[word::FLIGHT_DENIALS].set(denials);
        word[word::REQUESTS].set(0);
        word[word::DENIALS].set(0);
        self.set_seen(seen.departed());
        Some(self.record(requests, denials, seen.waiting()))
    }

    /// The uses in the open flight of this batch.
    pub fn departed(&self, batch: u64) -> Option<Record> {
        let word = &self.0;
        (self.open_flight() == Some(batch)).then(|| {
            let (requests, denials) = (word[word::FLIGHT_REQUESTS].get(), word[word::FLIGHT_DENIALS].get());
            self.record(requests, denials, self.seen().in_flight())
        })
    }

    pub(super) fn settle(&self, batch: u64) {
        if self.open_flight() == Some(batch) {
            self.0[word::FLIGHT].set(batch << 1);
            self.0[word::MISSED].set(0);
        }
    }

    /// Makes the uses in the open flight of this batch wait again.
    pub fn give_back(&self, batch: u64) {
        if self.open_flight() == Some(batch) {
            let word = &self.0;
            word[word::REQUESTS].add(word[word::FLIGHT_REQUESTS].get());
            word[word::DENIALS].add(word[word::FLIGHT_DENIALS].get());
            self.set_seen(self.seen().given_back());
            word[word::FLIGHT].set(0);
        }
    }

    /// As [`give_back`](Self::give_back), since the batch has found no row of the token; forgets the uses instead if
    /// there can be none any more.
    pub(super) fn miss(&self, batch: u64, missed: Missed) {
        let word = &self.0;
        match word[word::MISSED].get() {
            0 => word[word::MISSED].set(missed.by),
            by if by <= missed.all_ended_before => return self.land(batch),
            _ => {}
        }
        self.give_back(batch);
    }

    /// Forgets the open flight of a batch that was handed out and has arrived.
    pub(super) fn land(&self, batch: u64) {
        if self.open_flight() == Some(batch) {
            self.0[word::FLIGHT].set(0);
        }
    }

    /// Forgets a settled flight: the table has its batch for good, and the memory that it is of ends.
    pub fn forget_settled(&self) {
        if !self.is_in_open_flight() {
            self.0[word::FLIGHT].set(0);
        }
    }

    /// Whether it has uses that no table has for certain.
    pub fn has_unwritten(&self) -> bool {
        self.is_waiting() || self.is_in_open_flight()
    }

    /// Whether anything is lost with it: uses that are not written, or an allowance that is used up in part.
    pub(super) fn is_worth_keeping(&self, now: i64) -> bool {
        self.has_unwritten() || self.has_bucket(now)
    }

    /// Adds the waiting uses of a saved slot of the same token.
    pub(super) fn absorb(&self, saved: &Slot) {
        let (word, other) = (&self.0, &saved.0);
        let latest = |field: usize| word[field].set_moment(word[field].moment().max(other[field].moment()));
        [word::TOUCHED, word::LAST_USE, word::LAST_DENIAL, word::BUCKET, word::SAMPLED].into_iter().for_each(latest);
        if word[word::FIRST_USE].get() == 0 {
            word[word::FIRST_USE].set(other[word::FIRST_USE].get());
        }
        word[word::REQUESTS].add(other[word::REQUESTS].get());
        word[word::DENIALS].add(other[word::DENIALS].get());
    }

    /// Adds what it knows to `recent`.
    pub(super) fn add_to(&self, recent: &mut Recent) {
        let word = &self.0;
        recent.record.merge(&self.record(word[word::REQUESTS].get(), word[word::DENIALS].get(), 0));
        let batch = word[word::FLIGHT].get() >> 1;
        recent.flight = (batch != 0).then(|| Flight {
            batch,
            requests: word[word::FLIGHT_REQUESTS].get(),
            denials: word[word::FLIGHT_DENIALS].get(),
        });
    }
}
