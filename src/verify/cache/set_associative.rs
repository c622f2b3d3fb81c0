//! A backend's cache of what it read of our tables, so that a hot token is verified without reading any.
//!
//! Each value carries the rows that it came from, and is dropped when it is asked for after one of them has changed,
//! as `pg::scan::invalidation` tells. Never by a timer: a cache that could answer with what was taken away would be a
//! defect however fast it is.

use std::rc::Rc;

use super::sources::Sources;
use crate::pg::process::shared_memory::prefetch;

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
mod tests {
    use std::ops::Range;

    use super::*;
    use crate::pg::scan::row_key::RowKey;
    use proptest::prelude::*;

    /// As many sets as a table of at most `MOST` bytes may have.
    const SETS: usize = 16;
    const MOST: usize = SETS * WAYS * Weight::USUAL;

    /// A value that consists of its weight alone.
    #[derive(Debug, PartialEq)]
    struct Weight(usize);

    impl Weigh for Weight {
        const USUAL: usize = 100;

        fn weight(&self) -> usize {
            self.0
        }
    }

    /// What a value came from, in a generation in which nothing has changed.
    fn sources() -> Sources<1> {
        Sources::new([RowKey::new("weight", &[])], 0)
    }

    /// A key comes: its value is looked for, and stored if it is wanted. Returns whether it was found.
    fn come(cache: &mut SetAssociative<Weight, 1>, key: u64, weight: usize) -> bool {
        let is_known = cache.find(key, 0).is_some();
        if !is_known && cache.wants(key, weight, MOST) {
            cache.store(key, &Rc::new(Weight(weight)), sources(), MOST);
        }
        is_known
    }

    /// A table that stores no more values as they come.
    fn filled() -> SetAssociative<Weight, 1> {
        let mut cache = SetAssociative::new();
        let mut numbers = 1_000_000..;
        while cache.missed.is_empty() {
            come(&mut cache, key(numbers.next().unwrap_or_default()), 100);
        }
        cache
    }

    /// Keys differ in the upper bits too, as lookups and hashes do.
    fn key(number: u64) -> u64 {
        number << 48 | number
    }

    #[test]
    fn values_are_stored_as_they_come_until_they_take_their_share() {
        let mut cache = SetAssociative::new();
        let stored =
            (0..1_000).take_while(|&number| !come(&mut cache, key(number), 10) && cache.find(key(number), 0).is_some());
        assert!((8..100).contains(&stored.count()));
        assert!(cache.size() < MOST / 2);
    }

    #[test]
    fn later_ones_are_stored_from_their_second_use_on() {
        let mut cache = filled();
        assert!(!come(&mut cache, key(7), 1));
        assert!(!come(&mut cache, key(7), 1));
        assert!(come(&mut cache, key(7), 1));
    }

    #[test]
    fn keys_that_come_again_need_room_and_those_that_come_once_do_not() {
        let mut cache = filled();
        for number in 0..3_000 {
            come(&mut cache, key(number), 100);
        }
        assert!(!cache.needs_room());
        for number in (10_000..13_000).flat_map(|number| [number, number]) {
            come(&mut cache, key(number), 100);
        }
        assert!(cache.needs_room());
    }

    #[test]
    fn a_table_grows_as_it_fills_and_loses_nothing() {
        let mut cache = SetAssociative::new();
        for number in 0..40 {
            cache.store(key(number), &Rc::new(Weight(number as usize)), sources(), MOST);
            assert!((0..=number).all(|number| cache.find(key(number), 0) == Some(&Rc::new(Weight(number as usize)))));
        }
        assert_eq!(cache.sets.len(), 8);
        for number in 40..4_000 {
            cache.store(key(number), &Rc::new(Weight(1)), sources(), MOST);
        }
        assert_eq!(cache.sets.len(), SETS);
    }

    #[test]
    fn keys_that_come_once_push_nothing_out() {
        let mut cache = filled();
        come(&mut cache, key(1), 1);
        come(&mut cache, key(1), 1);
        let size = cache.size();
        for _ in 0..2 {
            for number in 2..60_000 {
                come(&mut cache, key(number), 1);
            }
        }
        assert!(cache.find(key(1), 0).is_some());
        assert_eq!(cache.size(), size);
    }

    #[test]
    fn keys_that_come_again_take_the_places_of_those_that_do_not_any_more() {
        let mut cache = SetAssociative::new();
        let found = |cache: &mut SetAssociative<Weight, 1>, numbers: Range<u64>| {
            numbers.filter(|number| cache.find(key(*number), 0).is_some()).count()
        };
        for numbers in [0..50, 1000..1050, 2000..2050] {
            for number in numbers.clone().chain(numbers.clone()) {
                come(&mut cache, key(number), 100);
            }
            assert!(found(&mut cache, numbers) > 40);
        }
        assert!(found(&mut cache, 0..50) < 25);
    }

    #[test]
    fn nothing_is_left_after_clearing() {
        let mut cache = SetAssociative::new();
        come(&mut cache, key(1), 1);
        come(&mut cache, key(1), 1);
        cache.clear();
        assert!(cache.find(key(1), 0).is_none() && cache.size() == 0);
    }

    #[test]
    fn a_table_that_may_take_next_to_nothing_stores_nothing() {
        let mut cache: SetAssociative<Weight, 1> = SetAssociative::new();
        assert!(!cache.wants(key(1), 1, 10) && !cache.wants(key(1), 1, 10));
        assert_eq!(cache.size(), 0);
    }

    proptest! {
        #[test]
        fn size_is_the_sum_of_what_is_found_and_never_more_than_allowed(
            stores in prop::collection::vec((0_u64..400, 1_usize..800), 1..800),
        ) {
            let mut cache = SetAssociative::new();
            for (number, weight) in stores {
                come(&mut cache, key(number), weight);
                come(&mut cache, key(number), weight);
                prop_assert!(cache.size() <= MOST);
            }
            let found: usize = (0..400).map(|number| cache.find(key(number), 0).map_or(0, |value| value.0)).sum();
            prop_assert_eq!(cache.size(), found + cache.size_of_sets() + size_of_val(&*cache.missed));
        }

        #[test]
        fn as_much_is_evict_as_is_asked_for_or_all(
            stores in prop::collection::vec((0_u64..400, 1_usize..800), 1..200), bytes in 0_usize..40_000,
        ) {
            let mut cache = SetAssociative::new();
            for (number, weight) in stores {
                come(&mut cache, key(number), weight);
                come(&mut cache, key(number), weight);
            }
            let before = cache.size();
            cache.evict(bytes);
            prop_assert!(cache.size() <= before.saturating_sub(bytes));
        }
    }
}
