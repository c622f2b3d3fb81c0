//! Counts uses of tokens in memory that all processes of the server share. Pure logic: runs over any zeroed memory.
//!
//! # Locking
//!
//! A token has its slot in one of the eight ways of the set that its random bits select. **The contents of a set, keys
//! included, are read and written only under the flag of the set**, those of the overflow only under its own. So a slot
//! that was found cannot have become another token's by the time it is written, and what belongs together (an address,
//! a count and its moment) is never torn. Words are atomic only because processes share them: under a flag each access
//! is a plain load or store. The one exception is a look at the overflow's tags and free places before its flag is
//! taken, which only decides whether taking it is worthwhile.
//!
//! - A flag is held for a few dozen instructions, which never allocate, raise, read a clock or call the server. Taking
//!   it is one compare-and-exchange, releasing it one store. `Database::exporting` alone is held for longer, while a
//!   batch is handed out.
//! - Lock order: `exporting`, a set, the overflow. Nobody holds the flags of two sets, or takes a set's flag while
//!   holding the overflow's. Under the flags of `Databases` and `Samples` no other flag is taken.
//! - A process that has waited for a flag longer than `flag::PATIENCE` gives up, and the use that it was to count is
//!   dropped and counted as dropped: a process that was stopped while holding a flag must not stop verification. (If it
//!   is killed, the server restarts with new memory.)
//! - Counters outside of sets (verdicts, drops, evictions) need no flag: they are atomics that are only added to.
//!
//! # Life of a slot
//!
//! Uses wait in their slot until a batch takes them. They are then in flight until the flight is settled (the batch's
//! transaction has committed), given back, or forgotten (the batch, handed out by a standby, has arrived). A settled
//! flight stays in its slot until the next one replaces it: a reader whose snapshot is older than the commit adds it,
//! and one whose snapshot is newer sees that the table has the batch. A slot is reused for another token only while it
//! is in no open flight; uses that wait in it first move to the overflow, which the next batch empties. If no slot of
//! the set can be reused, the newcomer itself gets a place in the overflow; if none of the places that it may have
//! there is free, its use is dropped and counted as dropped.

mod address;
mod database;
mod flag;
mod rate;
mod samples;
mod slot;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

pub use address::Address;
pub use database::{Database, Databases, OpenBatch, VERDICTS};
pub use flag::Flag;
pub use rate::Rate;
pub use samples::{Sample, Samples};
pub use slot::{Flight, Key, Record, Slot, Use, WORDS, Word};

/// How many slots a set has.
pub const WAYS: usize = 8;

/// How many slots the overflow has.
const OVERFLOW: usize = 4096;

/// Among how many slots of the overflow a token's place is. When more tokens are used between two batches than there
/// are slots, each use searches them; searching the whole overflow took a microsecond, a tenth of a verification.
const NEAR: usize = 64;

/// How many slots of the overflow are visited each time its flag is taken.
const STRETCH: usize = 64;

/// The slots that a token's may be among, with their flag.
#[repr(C, align(64))]
pub struct Set {
    flag: Flag,
    /// Some bits of each way's key; 0 if it is free. They lie beside the flag, so that a search touches one cache line.
    tags: [AtomicU32; WAYS],
    slots: [Slot; WAYS],
}

/// Slots for uses that were evicted from their set, or found no place in it, and wait for a batch.
#[repr(C, align(64))]
struct Overflow {
    flag: Flag,
    free: AtomicU32,
    tags: [AtomicU32; OVERFLOW],
    slots: [Slot; OVERFLOW],
}

impl Overflow {
    /// The places, among those that a key with the tag `near` may have, that bear `tag`; the free ones if it is 0.
    fn places(&self, near: u32, tag: u32) -> impl Iterator<Item = usize> {
        // From the upper bits, since the lowest is always set.
        let first = (near >> 16) as usize;
        let places = (first..first + NEAR).map(|place| place % OVERFLOW);
        places.filter(move |&at| self.tags[at].load(Relaxed) == tag)
    }

    /// Whether a key with this tag is likely to find a free place. Called without the flag, to avoid taking it in vain.
    fn may_claim(&self, tag: u32) -> bool {
        self.free.load(Relaxed) > 0 && self.places(tag, 0).next().is_some()
    }

    /// Whether there is likely a slot of a key with this tag. Called without the flag, for the same reason.
    fn may_have(&self, tag: u32) -> bool {
        self.free.load(Relaxed) < OVERFLOW as u32 && self.places(tag, tag).next().is_some()
    }

    /// Claims a free place for a key with this tag and returns it. The caller holds the flag.
    fn claim(&self, tag: u32) -> Option<usize> {
        let free = self.free.load(Relaxed).checked_sub(1)?;
        let place = self.places(tag, 0).next()?;
        self.tags[place].store(tag, Relaxed);
        self.free.store(free, Relaxed);
        Some(place)
    }
}

/// All of the memory but the sets.
#[repr(C, align(64))]
pub struct Header {
    /// A random number that tells batches of this memory from those of any other.
    pub node: [Word; 2],
    batch: AtomicU64,
    dropped: AtomicU64,
    evicted: AtomicU64,
    masked: AtomicU64,
    /// Databases with usage.
    pub databases: Databases,
    /// Denials that wait to become events.
    pub samples: Samples,
    overflow: Overflow,
}

/// The whole memory, borrowed from wherever it lies.
#[derive(Clone, Copy)]
pub struct Slots<'a> {
    /// All but the sets.
    pub header: &'a Header,
    sets: &'a [Set],
}

/// A slot with uses of a token that wait for a batch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waiting {
    token: [u8; 16],
    place: usize,
}

/// The uses that a batch has taken from one slot.
pub struct Taken {
    /// The token.
    pub token: [u8; 16],
    /// Its uses.
    pub record: Record,
    place: usize,
}

/// What this memory knows of the uses of a token.
#[derive(Default)]
pub struct Recent {
    /// Counts of uses that no batch has taken, and moments of all uses.
    pub record: Record,
    /// Uses that a batch has taken.
    pub flights: [Option<Flight>; 4],
}

impl<'a> Slots<'a> {
    /// Borrows memory that is all zeros or was used in this way before.
    pub fn over(header: &'a Header, sets: &'a [Set]) -> Self {
        Slots { header, sets }
    }

    /// Initializes zeroed memory.
    pub fn begin(&self, node: [u8; 16]) {
        let (high, low) = halves(node);
        self.header.node[0].set(high);
        self.header.node[1].set(low);
        self.header.overflow.free.store(OVERFLOW as u32, Relaxed);
    }

    /// The number that tells batches of this memory from those of any other.
    pub fn node(&self) -> [u8; 16] {
        whole(self.header.node[0].get(), self.header.node[1].get())
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

    /// Counts a use, and returns whether it is a denial that is to become an event.
    pub fn count(&self, key: &Key, used: &Use) -> bool {
        self.with_slot(key, |slot| slot.add(used)).unwrap_or_else(|| {
            self.header.dropped.fetch_add(1, Relaxed);
            false
        })
    }

    /// Takes one use from the token's allowance, or returns the microseconds until there is one. Admits the token if it
    /// can get no slot: nobody is refused for lack of room.
    pub fn admit(&self, key: &Key, rate: Rate, now: i64) -> Result<(), i64> {
        self.with_slot(key, |slot| slot.admit(rate, now)).unwrap_or(Ok(()))
    }

    /// As [`admit`](Self::admit), without taking the use.
    pub fn would_admit(&self, key: &Key, rate: Rate, now: i64) -> Result<(), i64> {
        self.with_slot(key, |slot| slot.would_admit(rate, now).map(|_| ())).unwrap_or(Ok(()))
    }

    fn with_slot<T>(&self, key: &Key, act: impl FnOnce(&Slot) -> T) -> Option<T> {
        let hash = key.hash();
        let tag = tag(hash);
        let set = self.set(hash);
        let held = set.flag.hold()?;
        let found = (0..WAYS).find(|&way| set.tags[way].load(Relaxed) == tag && set.slots[way].is(key));
        match found.or_else(|| self.make_room(set, key, tag)) {
            Some(way) => Some(act(&set.slots[way])),
            None => {
                drop(held);
                self.with_overflow(key, tag, act)
            }
        }
    }

    /// As `with_slot`, in the overflow, for a set whose slots cannot be reused.
    #[cold]
    fn with_overflow<T>(&self, key: &Key, tag: u32, act: impl FnOnce(&Slot) -> T) -> Option<T> {
        let overflow = &self.header.overflow;
        if !overflow.may_have(tag) && !overflow.may_claim(tag) {
            return None;
        }
        let _held = overflow.flag.hold()?;
        let found =
            overflow.places(tag, tag).find(|&at| overflow.slots[at].is(key) && !overflow.slots[at].is_in_open_flight());
        let place = found.or_else(|| {
            let place = overflow.claim(tag)?;
            overflow.slots[place].begin(key);
            Some(place)
        })?;
        Some(act(&overflow.slots[place]))
    }

    /// Gives a token that has none a way of its set, whose flag the caller holds: a free one, or that of the least
    /// recently used token.
    fn make_room(&self, set: &Set, key: &Key, tag: u32) -> Option<usize> {
        let is_free = |&way: &usize| set.tags[way].load(Relaxed) == 0;
        let oldest = |with_waiting: bool| {
            (0..WAYS)
                .filter(|&way| !set.slots[way].is_in_open_flight() && (with_waiting || !set.slots[way].is_waiting()))
                .min_by_key(|&way| set.slots[way].touched())
        };
        let way = (0..WAYS).find(is_free).or_else(|| {
            let way = oldest(true)?;
            if !set.slots[way].is_waiting() {
                return Some(way);
            }
            if self.move_to_overflow(&set.slots[way]) {
                self.header.evicted.fetch_add(1, Relaxed);
                return Some(way);
            }
            oldest(false)
        })?;
        set.slots[way].begin(key);
        set.tags[way].store(tag, Relaxed);
        Some(way)
    }

    fn move_to_overflow(&self, slot: &Slot) -> bool {
        let overflow = &self.header.overflow;
        let tag = tag(slot.key().hash());
        if !overflow.may_claim(tag) {
            return false;
        }
        let Some(_held) = overflow.flag.hold() else {
            return false;
        };
        let place = overflow.claim(tag);
        if let Some(place) = place {
            overflow.slots[place].copy(slot);
        }
        place.is_some()
    }

    /// What this memory knows of the uses of a token.
    pub fn recent(&self, key: &Key) -> Recent {
        let mut recent = Recent::default();
        let hash = key.hash();
        let tag = tag(hash);
        let set = self.set(hash);
        if let Some(_held) = set.flag.hold() {
            let ways = (0..WAYS).filter(|&way| set.tags[way].load(Relaxed) == tag);
            ways.filter(|&way| set.slots[way].is(key)).for_each(|way| set.slots[way].tell(&mut recent));
        }
        let overflow = &self.header.overflow;
        // Usually the overflow is empty, or has nothing of this token.
        if overflow.may_have(tag)
            && let Some(_held) = overflow.flag.hold()
        {
            overflow
                .places(tag, tag)
                .filter(|&at| overflow.slots[at].is(key))
                .for_each(|at| overflow.slots[at].tell(&mut recent));
        }
        recent
    }

    /// The slots of a database in which uses wait, in the order of tokens: that of the tables' indexes, so that a flush
    /// visits each page once.
    pub fn waiting(&self, database: u32) -> Vec<Waiting> {
        let mut waiting =
            self.gather(database, |slot, place| slot.can_depart().then(|| Waiting { token: slot.key().token, place }));
        waiting.sort_unstable();
        waiting
    }

    /// Takes the uses that wait in these slots into a batch. Those that have moved to the overflow meanwhile are left
    /// for another.
    pub fn take(&self, database: u32, batch: u64, places: &[Waiting], taken: &mut Vec<Taken>) {
        // Nothing may allocate under a flag.
        taken.reserve(places.len());
        for &Waiting { token, place } in places {
            self.at(&token, place, |slot| {
                // A token alone does not tell: databases that are copies of one another have the same.
                if slot.database() == database {
                    taken.extend(slot.depart(batch).map(|record| Taken { token, record, place }));
                }
            });
        }
    }

    /// What a batch has taken, while it is open.
    pub fn departed(&self, database: u32, batch: u64) -> Vec<Taken> {
        self.gather(database, |slot, place| {
            slot.departed(batch).map(|record| Taken { token: slot.key().token, record, place })
        })
    }

    /// Collects what `read` returns for the slots of a database. On the way, frees places of the overflow.
    fn gather<T>(&self, database: u32, read: impl Fn(&Slot, usize) -> Option<T>) -> Vec<T> {
        let mut gathered = Vec::new();
        let mut at = 0;
        while let Some(stretch) = self.stretch(at) {
            // Nothing may allocate under a flag.
            gathered.reserve(stretch.slots.len());
            if let Some(_held) = stretch.flag.hold() {
                for (way, slot) in stretch.slots.iter().enumerate() {
                    if stretch.tags[way].load(Relaxed) == 0 {
                        continue;
                    }
                    if slot.database() == database
                        && let Some(found) = read(slot, at + way)
                    {
                        gathered.push(found);
                    } else if stretch.is_overflow && !slot.is_worth_keeping() {
                        stretch.tags[way].store(0, Relaxed);
                        let free = &self.header.overflow.free;
                        free.store(free.load(Relaxed) + 1, Relaxed);
                    }
                }
            }
            at += stretch.slots.len();
        }
        gathered
    }

    /// Settles what the batch has taken: its transaction has committed.
    pub fn settle(&self, batch: u64, taken: &[Taken]) {
        for Taken { token, place, .. } in taken {
            self.at(token, *place, |slot| slot.settle(batch));
        }
    }

    /// Gives back what the batch has taken: its transaction was rolled back.
    pub fn give_back(&self, batch: u64, taken: &[Taken]) {
        for Taken { token, place, .. } in taken {
            self.at(token, *place, |slot| slot.give_back(batch));
        }
    }

    /// Acts on the slot at a place if it is still this token's. A slot in an open flight always is, so nothing can fail
    /// for it but taking the flag.
    fn at(&self, token: &[u8; 16], place: usize, act: impl FnOnce(&Slot)) {
        let Some(stretch) = self.stretch(place) else { return };
        let Some(_held) = stretch.flag.hold() else { return };
        let slot = &stretch.slots[0];
        if slot.key().token == *token {
            act(slot);
        }
    }

    /// Calls `see` with each slot of a database, or of all if `None`, under its flag.
    pub fn each(&self, database: Option<u32>, mut see: impl FnMut(&Slot)) {
        let mut at = 0;
        while let Some(stretch) = self.stretch(at) {
            if let Some(_held) = stretch.flag.hold() {
                let ways = (0..stretch.slots.len()).filter(|&way| stretch.tags[way].load(Relaxed) != 0);
                ways.map(|way| &stretch.slots[way])
                    .filter(|slot| database.is_none_or(|database| slot.database() == database))
                    .for_each(&mut see);
            }
            at += stretch.slots.len();
        }
    }

    /// Forgets all uses of a database that was dropped, or whose extension was.
    pub fn forget(&self, database: u32) {
        self.each(Some(database), Slot::clear);
    }

    /// Puts back a saved slot, and returns whether there was room for it.
    pub fn restore(&self, words: [u64; WORDS]) -> bool {
        let saved = Slot::default();
        saved.set_words(words);
        let key = saved.key();
        // A token that was evicted and used again has more than one saved slot.
        let is_first = self.with_slot(&key, |slot| {
            let is_first = !slot.is_worth_keeping();
            if is_first {
                slot.set_words(words);
            }
            is_first
        });
        is_first == Some(true) || self.move_to_overflow(&saved)
    }

    fn set(&self, hash: u64) -> &'a Set {
        // Distributes as evenly as the remainder of a division, several times as fast.
        &self.sets[((hash >> 32) as usize * self.sets.len()) >> 32]
    }

    /// The slots from this place on that are visited under one flag. Places number the overflow first, then the sets.
    fn stretch(&self, place: usize) -> Option<Stretch<'a>> {
        if place < OVERFLOW {
            let overflow = &self.header.overflow;
            let end = (place / STRETCH + 1) * STRETCH;
            let (flag, tags, slots) = (&overflow.flag, &overflow.tags[place..end], &overflow.slots[place..end]);
            return Some(Stretch { flag, tags, slots, is_overflow: true });
        }
        let set = self.sets.get((place - OVERFLOW) / WAYS)?;
        let way = (place - OVERFLOW) % WAYS;
        Some(Stretch { flag: &set.flag, tags: &set.tags[way..], slots: &set.slots[way..], is_overflow: false })
    }
}

struct Stretch<'a> {
    flag: &'a Flag,
    tags: &'a [AtomicU32],
    slots: &'a [Slot],
    is_overflow: bool,
}

/// The tag of a key; never 0, which marks a free way.
fn tag(hash: u64) -> u32 {
    hash as u32 | 1
}

fn halves(bytes: [u8; 16]) -> (u64, u64) {
    let number = u128::from_be_bytes(bytes);
    ((number >> 64) as u64, number as u64)
}

fn whole(high: u64, low: u64) -> [u8; 16] {
    ((u128::from(high) << 64) | u128::from(low)).to_be_bytes()
}

#[cfg(test)]
mod tests;
