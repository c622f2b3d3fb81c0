//! A backend's cache of what it read of our tables, so that a hot token is verified without reading any.
//!
//! Each value carries the rows that it came from, and is dropped when it is asked for after one of them has changed,
//! as `pg::scan::invalidation` tells. Never by a timer: a cache that could answer with what was taken away would be a
//! defect however fast it is.

use std::rc::Rc;

use super::sources::Sources;

/// A bounded set-associative table of values that came from so many `ROWS`, [`WAYS`] places in each set, by a 64-bit
/// key that is random or hashed.
///
/// A value is worth storing only when its key was recently asked for before: so millions of keys that come once evict
/// hardly any of those that come again and again.
pub struct SetAssociative<V, const ROWS: usize> {
    sets: Vec<Set<V, ROWS>>,
    count: usize,
    size: usize,
    /// The set at which eviction continues when all values together take too much.
    hand: usize,
}

/// With 8 ways, ten thousand keys in sixteen thousand places find a full set once in fifty times; with 4, in sixteen.
const WAYS: usize = 8;

/// The size of a value while it is cached.
pub trait Weigh {
    /// The usual weight of a value, from which a table computes its number of places.
    const USUAL: usize;

    /// In bytes, with everything it points to and the allocator's overhead; shared parts are counted elsewhere.
    fn weight(&self) -> usize;
}

/// So many places. What is looked at for every key lies together; the rest only for the one that is found.
struct Set<V, const ROWS: usize> {
    /// The key at each place that holds a value.
    keys: [u64; WAYS],
    values: [Option<Rc<V>>; WAYS],
    sources: [Sources<ROWS>; WAYS],
    /// Tags of the last keys that were not found: bits of the key that do not choose the set.
    missed: [u16; WAYS],
    /// The element of `missed` to overwrite next.
    oldest: u8,
    /// The place at which eviction continues.
    next: u8,
}

impl<V, const ROWS: usize> Set<V, ROWS> {
    const fn new() -> Self {
        Set {
            keys: [0; WAYS],
            values: [const { None }; WAYS],
            sources: [const { Sources::none() }; WAYS],
            missed: [0; WAYS],
            oldest: 0,
            next: 0,
        }
    }

    /// The place of the value with this key.
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

    /// Whether this key was not found lately.
    fn has_missed(&self, key: u64) -> bool {
        self.missed.contains(&tag(key))
    }

    /// Notes that this key was not found.
    fn miss(&mut self, key: u64) {
        self.missed[usize::from(self.oldest) % WAYS] = tag(key);
        self.oldest = self.oldest.wrapping_add(1);
    }
}

/// The upper bits of a key, which do not choose the set.
fn tag(key: u64) -> u16 {
    (key >> 48) as u16
}

impl<V: Weigh, const ROWS: usize> SetAssociative<V, ROWS> {
    /// An empty table; it allocates nothing until it is used.
    pub const fn new() -> Self {
        SetAssociative { sets: Vec::new(), count: 0, size: 0, hand: 0 }
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
    pub fn find(&mut self, key: u64, generation: u64) -> Option<&Rc<V>> {
        let set = self.set_of(key);
        let set = self.sets.get_mut(set)?;
        let way = set.way_of(key)?;
        if !set.sources[way].are_unchanged(generation)
            && let Some(outdated) = set.values[way].take()
        {
            self.size -= outdated.weight();
            self.count -= 1;
            set.miss(key);
        }
        set.values[way].as_ref()
    }

    /// Whether a value not found should be stored in a table of at most `most` bytes: its key has come before.
    pub fn wants(&mut self, key: u64, most: usize) -> bool {
        if self.sets.is_empty() {
            let sets = (most / (WAYS * V::USUAL)).clamp(1, 1 << 20).next_power_of_two();
            if 2 * sets * size_of::<Set<V, ROWS>>() > most {
                return false;
            }
            self.sets.resize_with(sets, Set::new);
            self.size = self.size_of_sets();
        }
        let set = self.set_of(key);
        let set = &mut self.sets[set];
        let wants = set.has_missed(key);
        if !wants {
            set.miss(key);
        }
        wants
    }

    /// Whether a value of this key and weight can be stored without evicting another.
    pub fn has_room(&self, key: u64, weight: usize, most: usize) -> bool {
        let set = self.sets.get(self.set_of(key));
        self.size + weight <= most && set.is_some_and(|set| set.free().is_some())
    }

    /// Stores a value that is [wanted](Self::wants), or for which there [is room](Self::has_room), and returns whether
    /// it did. Others are evicted to keep the table within `most` bytes. Does not store a value so heavy that many
    /// would have to go for it, nor any value where there is room for so few that evicting would have to search for
    /// them.
    pub fn store(&mut self, key: u64, value: &Rc<V>, sources: Sources<ROWS>, most: usize) -> bool {
        const LARGEST_SHARE: usize = 16;
        let weight = value.weight();
        if self.sets.is_empty() || weight > most / LARGEST_SHARE || most < 2 * self.size_of_sets() {
            return false;
        }
        self.evict((self.size + weight).saturating_sub(most));
        let set = self.set_of(key);
        let Some(set) = self.sets.get_mut(set) else {
            return false;
        };
        let freed = set.store(key, Rc::clone(value), sources);
        self.count += usize::from(freed.is_none());
        self.size = self.size + weight - freed.map_or(0, |value| value.weight());
        true
    }

    /// Evicts values, one of each set in turn, until so many bytes are free; when none is left, frees the sets as well.
    pub fn evict(&mut self, bytes: usize) {
        let enough = self.size.saturating_sub(bytes);
        while self.size > enough {
            if self.count == 0 {
                return self.clear();
            }
            if let Some((_, value)) = self.sets[self.hand].evict() {
                self.size -= value.weight();
                self.count -= 1;
            }
            self.hand = (self.hand + 1) % self.sets.len();
        }
    }

    fn size_of_sets(&self) -> usize {
        self.sets.len() * size_of::<Set<V, ROWS>>()
    }

    fn set_of(&self, key: u64) -> usize {
        // The number of sets is a power of two, so this keeps the lower bits.
        (key as usize) & self.sets.len().wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use crate::pg::scan::row_key::RowKey;
    use proptest::prelude::*;

    const SETS: usize = 16;
    const EMPTY: usize = SETS * size_of::<Set<Weight, 1>>();
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

    fn come(cache: &mut SetAssociative<Weight, 1>, key: u64, weight: usize) {
        if cache.find(key, 0).is_none() && cache.wants(key, MOST) {
            cache.store(key, &Rc::new(Weight(weight)), sources(), MOST);
        }
    }

    /// Keys differ in the upper bits too, as lookups and hashes do.
    fn key(number: u64) -> u64 {
        number << 48 | number
    }

    #[test]
    fn a_value_is_stored_from_its_second_use_on() {
        let mut cache = SetAssociative::new();
        come(&mut cache, key(7), 1);
        assert!(cache.find(key(7), 0).is_none());
        come(&mut cache, key(7), 1);
        assert_eq!(cache.find(key(7), 0).map(|value| value.0), Some(1));
    }

    #[test]
    fn there_is_room_until_a_set_or_all_of_them_are_full() {
        let mut cache = SetAssociative::new();
        assert!(!cache.has_room(key(1), 1, MOST), "nothing is laid out yet");
        come(&mut cache, key(1), 1);
        for number in 0..WAYS as u64 {
            let same_set = key(number * SETS as u64);
            assert!(cache.has_room(same_set, 1, MOST));
            assert!(!cache.has_room(same_set, 1, cache.size()));
            cache.store(same_set, &Rc::new(Weight(1)), sources(), MOST);
        }
        assert!(!cache.has_room(key(WAYS as u64 * SETS as u64), 1, MOST));
        assert!(cache.has_room(key(1), 1, MOST));
    }

    #[test]
    fn keys_that_come_once_push_nothing_out() {
        let mut cache = SetAssociative::new();
        come(&mut cache, key(1), 1);
        come(&mut cache, key(1), 1);
        for _ in 0..2 {
            for number in 2..60_000 {
                come(&mut cache, key(number), 1);
            }
        }
        assert!(cache.find(key(1), 0).is_some());
        assert_eq!(cache.size(), EMPTY + 1);
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
            assert_eq!(found(&mut cache, numbers), 50);
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
        assert!(!cache.wants(key(1), 10) && !cache.wants(key(1), 10));
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
            // Evicting the last value frees the sets too.
            let is_empty = found == 0 && cache.size() == 0;
            prop_assert!(is_empty || cache.size() == EMPTY + found);
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
