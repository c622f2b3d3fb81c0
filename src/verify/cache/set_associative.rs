//! A backend's cache of what it read of our tables, so that a hot token is verified without reading any.
//!
//! Each value carries the rows that it came from, and is dropped when it is asked for after one of them has changed,
//! as `pg::scan::invalidation` tells. Never by a timer: a cache that could answer with what was taken away would be a
//! defect however fast it is.

use std::rc::Rc;

use super::sources::Sources;
use crate::pg::process::prefetch::prefetch;

/// A bounded set-associative table of values that came from so many `ROWS`, [`WAYS`] places in each set, by a 64-bit
/// key that is random or hashed.
///
/// A few values are stored as they come. Beyond [`FIRST_SHARE`], a value is worth storing only when its key was
/// recently asked for before: so millions of keys that come once evict hardly any of those that come again and again.
///
/// The table begins with one set and doubles when a set is full: a session that verifies a few tokens touches a few
/// pages of memory, the first of which cost more than a whole verification, and its sets stay in the processor's cache.
pub struct SetAssociative<V, const ROWS: usize> {
    sets: Vec<Set<V, ROWS>>,
    /// Empty while values are stored as they come.
    missed: Vec<Missed>,
    recent: Recurrence,
    count: usize,
    size: usize,
    /// The set at which eviction continues when all values together take too much.
    hand: usize,
}

/// With 8 ways, ten thousand keys in sixteen thousand places find a full set once in fifty times; with 4, in sixteen.
const WAYS: usize = 8;

/// The part of the room, as a divisor, that values take at their first use.
const FIRST_SHARE: usize = 8;

/// The size of a value while it is cached.
pub trait Weigh {
    /// The usual weight of a value, from which a table computes its greatest number of places.
    const USUAL: usize;

    /// In bytes, with everything it points to and the allocator's overhead; shared parts are counted elsewhere.
    fn weight(&self) -> usize;
}

/// So many places. What is looked at for every key lies together; the rest only for the one that is found.
#[repr(C, align(64))]
struct Set<V, const ROWS: usize> {
    /// The key at each place that holds a value.
    keys: [u64; WAYS],
    values: [Option<Rc<V>>; WAYS],
    sources: [Sources<ROWS>; WAYS],
    /// The place at which eviction continues.
    next: u8,
}

impl<V, const ROWS: usize> Set<V, ROWS> {
    const fn new() -> Self {
        Set { keys: [0; WAYS], values: [const { None }; WAYS], sources: [const { Sources::none() }; WAYS], next: 0 }
    }

    /// The place of the value with this key.
    #[inline]
    fn way_of(&self, key: u64) -> Option<usize> {
        (0..WAYS).find(|&way| self.keys[way] == key && self.values[way].is_some())
    }

    fn free(&self) -> Option<usize> {
        self.values.iter().position(Option::is_none)
    }

    /// Evicts the next value in turn, and returns it with its place.
    fn evict(&mut self) -> Option<(usize, Rc<V>)> {
        let turns = (0..WAYS).map(|turn| (usize::from(self.next) + turn) % WAYS);
        let way = turns.into_iter().find(|way| self.values[*way].is_some())?;
        self.next = ((way + 1) % WAYS) as u8;
        self.values[way].take().map(|value| (way, value))
    }

    /// Whether a value with this key takes the place of no other.
    fn has_place(&self, key: u64) -> bool {
        self.way_of(key).or_else(|| self.free()).is_some()
    }

    /// Stores a value in place of one with its key or in a free place, evicting another if there is none. Returns the
    /// value that it replaces.
    fn store(&mut self, key: u64, value: Rc<V>, sources: Sources<ROWS>) -> Option<Rc<V>> {
        let (way, freed) = match self.way_of(key).or_else(|| self.free()) {
            Some(way) => (way, self.values[way].take()),
            None => self.evict().map(|(way, value)| (way, Some(value)))?,
        };
        self.keys[way] = key;
        self.values[way] = Some(value);
        self.sources[way] = sources;
        freed
    }

    /// Moves the values into the two sets that this one becomes, of which the second has those with this bit.
    fn split(self, bit: u64) -> (Self, Self) {
        let (mut first, mut second) = (Set::new(), Set::new());
        for ((key, value), sources) in self.keys.into_iter().zip(self.values).zip(self.sources) {
            if let Some(value) = value {
                let half = if key & bit == 0 { &mut first } else { &mut second };
                half.store(key, value, sources);
            }
        }
        (first, second)
    }
}

/// Tags of the last keys that a set did not have: bits of the key that do not choose the set.
#[derive(Clone, Copy)]
struct Missed {
    tags: [u16; WAYS],
    /// The element to overwrite next.
    oldest: u8,
}

impl Missed {
    const NONE: Self = Missed { tags: [0; WAYS], oldest: 0 };

    /// Notes that this key was not found, and returns whether it was not found lately either.
    fn note(&mut self, key: u64) -> bool {
        let has_missed = self.tags.contains(&tag(key));
        if !has_missed {
            self.tags[usize::from(self.oldest) % WAYS] = tag(key);
            self.oldest = self.oldest.wrapping_add(1);
        }
        has_missed
    }
}

/// How many of the last keys that were not found had come before.
struct Recurrence {
    asked: u32,
    again: u32,
}

impl Recurrence {
    fn note(&mut self, again: bool) {
        if self.asked == 1024 {
            *self = Recurrence { asked: self.asked / 2, again: self.again / 2 };
        }
        self.asked += 1;
        self.again += u32::from(again);
    }
}

/// The upper bits of a key, which do not choose the set.
fn tag(key: u64) -> u16 {
    (key >> 48) as u16
}

impl<V: Weigh, const ROWS: usize> SetAssociative<V, ROWS> {
    /// An empty table; it allocates nothing until it is used.
    pub const fn new() -> Self {
        SetAssociative {
            sets: Vec::new(),
            missed: Vec::new(),
            recent: Recurrence { asked: 0, again: 0 },
            count: 0,
            size: 0,
            hand: 0,
        }
    }

    /// The bytes that it takes, values included.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = SetAssociative::new();
    }

    /// The value with this key, if in this generation it still agrees with the rows that it came from. Otherwise it is
    /// dropped, and wanted again.
    #[inline]
    pub fn find(&mut self, key: u64, generation: u64) -> Option<&Rc<V>> {
        let at = place(key, self.sets.len());
        let set = self.sets.get(at)?;
        // Meanwhile the keys are compared.
        prefetch(&set.values);
        set.sources.iter().step_by(2).for_each(prefetch);
        let way = set.way_of(key)?;
        if !self.sets[at].sources[way].are_unchanged(generation)
            && let Some(outdated) = self.sets[at].values[way].take()
        {
            self.size -= outdated.weight();
            self.count -= 1;
            self.miss(key);
        }
        self.sets[at].values[way].as_ref()
    }

    fn miss(&mut self, key: u64) -> bool {
        let missed = place(key, self.missed.len());
        self.missed.get_mut(missed).is_some_and(|missed| missed.note(key))
    }

    /// Whether a value of this key and weight, which was not found, should be stored in a table of at most `most`
    /// bytes: there is room for whatever comes, or its key has come before.
    pub fn wants(&mut self, key: u64, weight: usize, most: usize) -> bool {
        let sets = Self::most_sets(most);
        if 2 * sets * size_of::<Set<V, ROWS>>() > most {
            return false;
        }
        if self.missed.is_empty() {
            if self.size + weight <= most / FIRST_SHARE {
                return true;
            }
            self.missed.resize(sets, Missed::NONE);
            self.size += size_of_val(&*self.missed);
        }
        let has_come_before = self.miss(key);
        self.recent.note(has_come_before);
        has_come_before
    }

    /// Whether more room would be of use: of the keys that were not found lately, at least one in eight had come
    /// before.
    pub fn needs_room(&self) -> bool {
        self.missed.is_empty() || self.recent.again * 8 >= self.recent.asked
    }

    /// How many sets a table may have that takes at most so many bytes.
    fn most_sets(most: usize) -> usize {
        (most / (WAYS * V::USUAL)).clamp(1, 1 << 20).next_power_of_two()
    }

    /// Stores a value that is [wanted](Self::wants), and returns whether it did. Others are evicted to keep the table
    /// within `most` bytes. Does not store a value so heavy that many would have to go for it, nor any value where
    /// there is room for so few that evicting would have to search for them.
    pub fn store(&mut self, key: u64, value: &Rc<V>, sources: Sources<ROWS>, most: usize) -> bool {
        const LARGEST_SHARE: usize = 16;
        let weight = value.weight();
        if self.sets.is_empty() {
            self.sets.push(Set::new());
            self.size += size_of::<Set<V, ROWS>>();
        }
        if weight > most / LARGEST_SHARE || most < 2 * self.size_of_sets() {
            return false;
        }
        while !self.sets[place(key, self.sets.len())].has_place(key) && self.grow(most) {}
        self.evict((self.size + weight).saturating_sub(most));
        let set = place(key, self.sets.len());
        // The last value that was evicted took the sets along.
        let Some(set) = self.sets.get_mut(set) else {
            return false;
        };
        let freed = set.store(key, Rc::clone(value), sources);
        self.count += usize::from(freed.is_none());
        self.size = self.size + weight - freed.map_or(0, |value| value.weight());
        true
    }

    /// Doubles the number of sets, unless there may be no more of them.
    #[cold]
    fn grow(&mut self, most: usize) -> bool {
        let former = self.sets.len();
        let has_room = self.size + self.size_of_sets() <= most && most >= 4 * self.size_of_sets();
        let mut sets = Vec::new();
        if former >= Self::most_sets(most) || !has_room || sets.try_reserve_exact(2 * former).is_err() {
            return false;
        }
        self.size += self.size_of_sets();
        let (first, second): (Vec<_>, Vec<_>) = self.sets.drain(..).map(|set| set.split(former as u64)).unzip();
        sets.extend(first.into_iter().chain(second));
        self.sets = sets;
        true
    }

    /// Evicts values, one of each set in turn, until so many bytes are free; when none is left, frees the sets as well.
    pub fn evict(&mut self, bytes: usize) {
        let enough = self.size.saturating_sub(bytes);
        while self.size > enough {
            if self.count == 0 {
                return self.clear();
            }
            self.hand %= self.sets.len();
            if let Some((_, value)) = self.sets[self.hand].evict() {
                self.size -= value.weight();
                self.count -= 1;
            }
            self.hand += 1;
        }
    }

    fn size_of_sets(&self) -> usize {
        size_of_val(&*self.sets)
    }
}

/// The place of a key among so many, a power of two, by the lower bits.
#[inline]
fn place(key: u64, places: usize) -> usize {
    key as usize & places.wrapping_sub(1)
}

#[cfg(test)]
mod tests;
