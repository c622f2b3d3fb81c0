//! The uses of one token, and the words that hold them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::address::{Address, network_text};
use super::rate::Rate;
use super::{Recent, halves, whole};

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
pub struct Key {
    /// Object identifier of the database.
    pub database: u32,
    /// Identifier of the token.
    pub token: [u8; 16],
}

impl Key {
    /// Hashes the last 8 bytes of the token id, which are random in a uuid of version 7.
    #[inline]
    pub(super) fn hash(&self) -> u64 {
        let (_, random) = halves(self.token);
        (random ^ u64::from(self.database)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

/// A verification of a token that exists.
pub struct Use {
    /// The moment, in microseconds since 2000.
    pub at: i64,
    /// Whether the token was accepted.
    pub valid: bool,
    /// The client, if known.
    pub client: Option<Address>,
}

/// Some uses of one token. Moments are microseconds since 2000; 0 is none.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Record {
    /// When it was first valid, as far as this memory knows.
    pub first_use: i64,
    /// When it was last valid.
    pub last_use: i64,
    /// When it was last denied.
    pub last_denial: i64,
    /// How often it was valid.
    pub requests: u64,
    /// How often it was denied.
    pub denials: u64,
    pub(super) client: [u64; 3],
    pub(super) networks: [u64; NETWORKS],
}

impl Record {
    /// The client that last presented it.
    pub fn client(&self) -> Option<Address> {
        Address::of_words(self.client)
    }

    /// The networks it was used from.
    pub fn networks(&self) -> impl Iterator<Item = String> {
        self.networks.iter().filter_map(|&network| network_text(network))
    }

    /// The record with this client and these networks.
    pub fn from(mut self, client: Option<Address>, networks: impl IntoIterator<Item = Address>) -> Self {
        self.client = client.map_or([0; 3], Address::words);
        self.networks.iter_mut().zip(networks).for_each(|(word, network)| *word = network.network());
        self
    }

    /// Adds the uses of another record of the same token.
    pub fn merge(&mut self, other: &Record) {
        let last = |record: &Record| record.last_use.max(record.last_denial);
        if last(other) > last(self) && other.client[0] != 0 {
            self.client = other.client;
        }
        if other.first_use != 0 && (self.first_use == 0 || other.first_use < self.first_use) {
            self.first_use = other.first_use;
        }
        self.last_use = self.last_use.max(other.last_use);
        self.last_denial = self.last_denial.max(other.last_denial);
        self.requests += other.requests;
        self.denials += other.denials;
        for network in other.networks.into_iter().filter(|&network| network != 0) {
            if !self.networks.contains(&network)
                && let Some(free) = self.networks.iter_mut().find(|at| **at == 0)
            {
                *free = network;
            }
        }
    }
}

/// Uses that a batch has taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flight {
    /// The batch.
    pub batch: u64,
    /// How often it was valid.
    pub requests: u64,
    /// How often it was denied.
    pub denials: u64,
}

/// How many networks of a token are remembered between two batches.
const NETWORKS: usize = 4;

/// The least time between two denials of a token that become events, in microseconds.
const SAMPLING: i64 = 60_000_000;

/// How many words a slot has.
pub const WORDS: usize = 21;

/// The word at which each field begins.
mod word {
    pub const TOKEN: usize = 0;
    pub const DATABASE: usize = 2;
    pub const FIRST_USE: usize = 3;
    pub const LAST_USE: usize = 4;
    pub const LAST_DENIAL: usize = 5;
    pub const REQUESTS: usize = 6;
    pub const DENIALS: usize = 7;
    /// Twice the number of the batch, plus one while the flight is open; 0 if there is none.
    pub const FLIGHT: usize = 8;
    pub const FLIGHT_REQUESTS: usize = 9;
    pub const FLIGHT_DENIALS: usize = 10;
    pub const CLIENT: usize = 11;
    pub const NETWORKS: usize = 14;
    /// The networks seen since the last flight (bits 0 to 3) and in it (bits 4 to 7); above, the next one to replace.
    pub const SEEN: usize = 18;
    /// When the allowance is full again.
    pub const BUCKET: usize = 19;
    /// When a denial last became an event.
    pub const SAMPLED: usize = 20;
}

/// The uses of one token, guarded by the flag of its set, or of the overflow.
#[derive(Default)]
#[repr(transparent)]
pub struct Slot([Word; WORDS]);

impl Slot {
    /// Whether the slot is this token's.
    #[inline]
    pub(super) fn is(&self, key: &Key) -> bool {
        let (high, low) = halves(key.token);
        self.0[word::TOKEN + 1].get() == low && self.0[word::TOKEN].get() == high && self.database() == key.database
    }

    /// The token whose slot it is.
    pub fn key(&self) -> Key {
        Key { database: self.database(), token: whole(self.0[word::TOKEN].get(), self.0[word::TOKEN + 1].get()) }
    }

    #[inline]
    pub(super) fn database(&self) -> u32 {
        self.0[word::DATABASE].get() as u32
    }

    /// Makes it this token's, without any uses.
    pub(super) fn begin(&self, key: &Key) {
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

    /// Adds a use, and returns whether it is a denial that is to become an event.
    #[inline]
    pub(super) fn add(&self, used: &Use) -> bool {
        let word = &self.0;
        if let Some(client) = used.client {
            word[word::CLIENT..].iter().zip(client.words()).for_each(|(word, value)| word.set(value));
        }
        if used.valid {
            word[word::REQUESTS].add(1);
            if word[word::FIRST_USE].get() == 0 {
                word[word::FIRST_USE].set_moment(used.at);
            }
            word[word::LAST_USE].set_moment(used.at.max(word[word::LAST_USE].moment()));
            if let Some(client) = used.client {
                self.see(client.network());
            }
            return false;
        }
        word[word::DENIALS].add(1);
        word[word::LAST_DENIAL].set_moment(used.at.max(word[word::LAST_DENIAL].moment()));
        let is_sample = word[word::SAMPLED].get() == 0 || used.at - word[word::SAMPLED].moment() >= SAMPLING;
        if is_sample {
            word[word::SAMPLED].set_moment(used.at);
        }
        is_sample
    }

    fn see(&self, network: u64) {
        let seen = &self.0[word::SEEN];
        let known = &self.0[word::NETWORKS..word::NETWORKS + NETWORKS];
        if let Some(index) = known.iter().position(|word| word.get() == network) {
            seen.set(seen.get() | 1 << index);
            return;
        }
        let index = (seen.get() >> 8) as usize % NETWORKS;
        known[index].set(network);
        seen.set(seen.get() & 0xFF & !(1 << (index + NETWORKS)) | 1 << index | ((index as u64 + 1) % 4) << 8);
    }

    /// Takes one use from the allowance, or returns the microseconds until there is one; see [`Rate`].
    pub(super) fn admit(&self, rate: Rate, now: i64) -> Result<(), i64> {
        self.0[word::BUCKET].set_moment(self.would_admit(rate, now)?);
        Ok(())
    }

    pub(super) fn would_admit(&self, rate: Rate, now: i64) -> Result<i64, i64> {
        rate.take(self.0[word::BUCKET].moment(), now)
    }

    /// Whether it has uses that no batch has taken.
    pub(super) fn is_waiting(&self) -> bool {
        self.0[word::REQUESTS].get() != 0 || self.0[word::DENIALS].get() != 0
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

    /// When it was last presented.
    pub(super) fn touched(&self) -> i64 {
        self.0[word::LAST_USE].moment().max(self.0[word::LAST_DENIAL].moment())
    }

    fn record(&self, requests: u64, denials: u64, seen: u64) -> Record {
        let network = |index: usize| if seen >> index & 1 == 1 { self.0[word::NETWORKS + index].get() } else { 0 };
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
        let seen = word[word::SEEN].get();
        word[word::FLIGHT].set(batch << 1 | 1);
        word[word::FLIGHT_REQUESTS].set(requests);
        word[word::FLIGHT_DENIALS].set(denials);
        word[word::REQUESTS].set(0);
        word[word::DENIALS].set(0);
        word[word::SEEN].set(seen & !0xFF | (seen & 0xF) << NETWORKS);
        Some(self.record(requests, denials, seen))
    }

    /// The uses in the open flight of this batch.
    pub fn departed(&self, batch: u64) -> Option<Record> {
        let word = &self.0;
        (self.open_flight() == Some(batch)).then(|| {
            let (requests, denials) = (word[word::FLIGHT_REQUESTS].get(), word[word::FLIGHT_DENIALS].get());
            self.record(requests, denials, word[word::SEEN].get() >> NETWORKS)
        })
    }

    pub(super) fn settle(&self, batch: u64) {
        if self.open_flight() == Some(batch) {
            self.0[word::FLIGHT].set(batch << 1);
        }
    }

    /// Makes the uses in the open flight of this batch wait again.
    pub fn give_back(&self, batch: u64) {
        if self.open_flight() == Some(batch) {
            let word = &self.0;
            word[word::REQUESTS].add(word[word::FLIGHT_REQUESTS].get());
            word[word::DENIALS].add(word[word::FLIGHT_DENIALS].get());
            let seen = word[word::SEEN].get();
            word[word::SEEN].set(seen | seen >> NETWORKS & 0xF);
            word[word::FLIGHT].set(0);
        }
    }

    /// Forgets the open flight of a batch that was handed out and has arrived.
    pub fn land(&self, batch: u64) {
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

    /// Whether it has anything that a restart must not lose.
    pub fn is_worth_keeping(&self) -> bool {
        self.is_waiting() || self.is_in_open_flight()
    }

    /// Adds what it knows to `recent`.
    pub(super) fn tell(&self, recent: &mut Recent) {
        let word = &self.0;
        recent.record.merge(&self.record(word[word::REQUESTS].get(), word[word::DENIALS].get(), 0));
        let batch = word[word::FLIGHT].get() >> 1;
        if batch == 0 {
            return;
        }
        let (requests, denials) = (word[word::FLIGHT_REQUESTS].get(), word[word::FLIGHT_DENIALS].get());
        // A token that was evicted often may have more flights than there is room for; the others count as written.
        let place = recent.flights.iter().position(|at| at.is_none_or(|flight| flight.batch == batch));
        if let Some(place) = place {
            let flight = recent.flights[place].get_or_insert(Flight { batch, requests: 0, denials: 0 });
            flight.requests += requests;
            flight.denials += denials;
        }
    }
}
