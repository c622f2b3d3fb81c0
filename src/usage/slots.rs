//! Uses in memory that every process of the server shares. Pure logic: it runs over any memory that starts as zeros.
//!
//! # Locking
//!
//! A token has its slot in one of eight ways of the set that its random bits select. **Whatever is in a set is read and
//! written only by who holds the flag of the set**, the key of a slot included; so a slot that is found cannot be another
//! token's by the time it is written, and what belongs together (an address, a count and its moment) is never torn. Words
//! are atomics because processes share them, but none is read without its flag, so each is a plain load or store.
//!
//! - A flag is held for some dozen instructions: nothing in between allocates, raises, reads a clock or calls the server.
//!   It is taken with one exchange and given back with one store.
//! - Order: a set, then the overflow. Nobody takes a set while holding the overflow, or two sets. The flags of `Database`,
//!   `Samples` and the table of databases are leaves of their own; `exporting` is taken before any other.
//! - Who waits longer than `flag::PATIENCE` gives up and the use is dropped and counted: a process that was stopped while
//!   it held a flag must not stop verification. (One that is killed brings the whole server down and the memory with it.)
//! - Counters outside of sets (verdicts, drops, evictions) are atomics that are only added to.
//!
//! # A slot's life
//!
//! Uses are `waiting` until a batch takes them: they are then in flight, and either settled (the batch's transaction has
//! committed) or given back. A settled flight stays in its slot until the next one, so that a reader whose snapshot is
//! older than the commit still finds it, and one whose snapshot is newer sees in the table that the batch is in. A slot is
//! taken for another token only when nothing of it is in an open flight; if uses are waiting in it, they move to the
//! overflow, which the next batch empties. Where all eight are in open flights, the newcomer itself goes there. If the
//! overflow is full as well, where it may have its place, its use is dropped and counted.

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

/// Slots of a set.
pub const WAYS: usize = 8;

/// Slots of the overflow.
const OVERFLOW: usize = 4096;

/// How many slots of the overflow a token may have its own among. When more tokens are used between two batches than there
/// are slots, each use looks through them: in all of the overflow that took a microsecond, a tenth of a verification.
const NEAR: usize = 64;

/// How many slots of the overflow are looked at under one hold of its flag.
const STRETCH: usize = 64;

/// Slots among which a token's is.
#[repr(C, align(64))]
pub struct Set {
    flag: Flag,
    /// Some bits of the key of each way; 0: free. They lie beside the flag, so that a search touches one line of memory.
    tags: [AtomicU32; WAYS],
    slots: [Slot; WAYS],
}

/// Where uses of evicted slots wait for a batch.
#[repr(C, align(64))]
struct Overflow {
    flag: Flag,
    free: AtomicU32,
    tags: [AtomicU32; OVERFLOW],
    slots: [Slot; OVERFLOW],
}

impl Overflow {
    /// The places that a key with the tag `near` may have and that bear this tag, or that are free if it is 0.
    fn places(&self, near: u32, tag: u32) -> impl Iterator<Item = usize> {
        // By the upper bits: the lowest is always set.
        let first = (near >> 16) as usize;
        let places = (first..first + NEAR).map(|place| place % OVERFLOW);
        places.filter(move |&at| self.tags[at].load(Relaxed) == tag)
    }

    /// Whether a key with this tag may find a free place. Looked at without the flag, before it is held for nothing.
    fn may_claim(&self, tag: u32) -> bool {
        self.free.load(Relaxed) > 0 && self.places(tag, 0).next().is_some()
    }

    /// Whether there may be anything of a key with this tag. Looked over without the flag, for the same reason.
    fn may_have(&self, tag: u32) -> bool {
        self.free.load(Relaxed) < OVERFLOW as u32 && self.places(tag, tag).next().is_some()
    }

    /// A free place, from now on that of a key with this tag. Under the flag.
    fn claim(&self, tag: u32) -> Option<usize> {
        let free = self.free.load(Relaxed).checked_sub(1)?;
        let place = self.places(tag, 0).next()?;
        self.tags[place].store(tag, Relaxed);
        self.free.store(free, Relaxed);
        Some(place)
    }
}

/// What there is one of.
#[repr(C, align(64))]
pub struct Header {
    /// A random number by which batches of this memory are told from those of any other.
    pub node: [Word; 2],
    batch: AtomicU64,
    dropped: AtomicU64,
    evicted: AtomicU64,
    masked: AtomicU64,
    /// Databases with usage.
    pub databases: Databases,
    /// Denials that are to become events.
    pub samples: Samples,
    overflow: Overflow,
}

/// All of it, borrowed from wherever it lies.
#[derive(Clone, Copy)]
pub struct Slots<'a> {
    /// What there is one of.
    pub header: &'a Header,
    sets: &'a [Set],
}

/// Where uses of a token are waiting.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waiting {
    token: [u8; 16],
    place: usize,
}

/// What a batch has taken, and from where.
pub struct Taken {
    /// Whose uses.
    pub token: [u8; 16],
    /// The uses.
    pub record: Record,
    place: usize,
}

/// What is known of a token beyond the table.
#[derive(Default)]
pub struct Recent {
    /// Uses that no batch has taken, and moments whether taken or not.
    pub record: Record,
    /// Uses that a batch has taken.
    pub flights: [Option<Flight>; 4],
}

impl<'a> Slots<'a> {
    /// Over this memory, which is all zeros, or has been used so before.
    pub fn over(header: &'a Header, sets: &'a [Set]) -> Self {
        Slots { header, sets }
    }

    /// Makes memory of zeros ready.
    pub fn begin(&self, node: [u8; 16]) {
        let (high, low) = halves(node);
        self.header.node[0].set(high);
        self.header.node[1].set(low);
        self.header.overflow.free.store(OVERFLOW as u32, Relaxed);
    }

    /// By what batches of this memory are told from those of any other.
    pub fn node(&self) -> [u8; 16] {
        whole(self.header.node[0].get(), self.header.node[1].get())
    }

    /// The number of a new batch.
    pub fn next_batch(&self) -> u64 {
        self.header.batch.fetch_add(1, Relaxed) + 1
    }

    /// Numbers of batches go on after this one.
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

    /// How often a token with uses waiting had to give its slot to another.
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

    /// Counts a use, and says whether it is a denial worth an event.
    pub fn count(&self, key: &Key, used: &Use) -> bool {
        self.with_slot(key, |slot| slot.add(used)).unwrap_or_else(|| {
            self.header.dropped.fetch_add(1, Relaxed);
            false
        })
    }

    /// Takes one from the token's allowance, or says after how many microseconds there is one again. Without a slot
    /// nothing can be judged, and nobody is refused for that.
    pub fn admit(&self, key: &Key, rate: Rate, now: i64) -> Result<(), i64> {
        self.with_slot(key, |slot| slot.admit(rate, now)).unwrap_or(Ok(()))
    }

    /// Whether there is one, without taking it.
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

    /// The same where a set is full of what a batch is about to settle.
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

    /// A way for a token that has none, in a set whose flag is held: a free one, or that of the token used longest ago.
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

    /// What is known of a token.
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
        // Mostly there is nothing, and never anything of the token asked for.
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

    /// Where uses are waiting in a database, in the order of their tokens: that of the tables' indices, so that a flush meets
    /// each page once.
    pub fn waiting(&self, database: u32) -> Vec<Waiting> {
        let mut waiting =
            self.gather(database, |slot, place| slot.can_depart().then(|| Waiting { token: slot.key().token, place }));
        waiting.sort_unstable();
        waiting
    }

    /// Takes what is waiting at these places into a batch. What has left its place meanwhile, for the overflow, stays for
    /// another one.
    pub fn take(&self, database: u32, batch: u64, places: &[Waiting], taken: &mut Vec<Taken>) {
        // No allocation under a flag.
        taken.reserve(places.len());
        for &Waiting { token, place } in places {
            self.at(&token, place, |slot| {
                // Databases that are copies of one another have the same tokens.
                if slot.database() == database {
                    taken.extend(slot.depart(batch).map(|record| Taken { token, record, place }));
                }
            });
        }
    }

    /// What a batch has taken that is still open.
    pub fn departed(&self, database: u32, batch: u64) -> Vec<Taken> {
        self.gather(database, |slot, place| {
            slot.departed(batch).map(|record| Taken { token: slot.key().token, record, place })
        })
    }

    /// What is read from the slots of a database, each with its place. On the way the overflow is tidied up.
    fn gather<T>(&self, database: u32, read: impl Fn(&Slot, usize) -> Option<T>) -> Vec<T> {
        let mut gathered = Vec::new();
        let mut at = 0;
        while let Some(stretch) = self.stretch(at) {
            // No allocation under a flag.
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

    /// Says that the batch's transaction has committed.
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

    /// Acts on the slot at a place, if it is still that token's. One in an open flight stays where it is, so that waiting for
    /// the flag is the only thing that can fail.
    fn at(&self, token: &[u8; 16], place: usize, act: impl FnOnce(&Slot)) {
        let Some(stretch) = self.stretch(place) else { return };
        let Some(_held) = stretch.flag.hold() else { return };
        let slot = &stretch.slots[0];
        if slot.key().token == *token {
            act(slot);
        }
    }

    /// Shows every slot of a database, of all with `None`, under its flag.
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

    /// Forgets all uses of a database that is gone.
    pub fn forget(&self, database: u32) {
        self.each(Some(database), Slot::clear);
    }

    /// Puts back a slot as it was saved; false when there is no room for it.
    pub fn restore(&self, words: [u64; WORDS]) -> bool {
        let saved = Slot::default();
        saved.set_words(words);
        let key = saved.key();
        // One that was evicted and came back was saved twice.
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
        // As even as the remainder of a division, and several times as fast.
        &self.sets[((hash >> 32) as usize * self.sets.len()) >> 32]
    }

    /// The slots from a place on that are under one flag: a part of the overflow, then the sets.
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

/// Never 0, which is a free way.
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
