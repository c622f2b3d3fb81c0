//! A backend's memory of our tables between calls, so that a hot token is verified without reading any.
//!
//! All entries belong to the current generation: `pg::scan::invalidation` begins a new one when anything they came from
//! may have changed, and then all of them are dropped. Never by a timer: a cache that could answer with what was taken
//! away would be a defect however fast it is.

use std::rc::Rc;

/// A bounded set-associative table of values, [`WAYS`] places in each set, by a 64-bit key that is random or hashed.
///
/// A value is worth storing only when its key was recently asked for before: so millions of keys that come once evict
/// hardly any of those that come again and again.
pub struct SetAssociative<V> {
    sets: Vec<Set<V>>,
    count: usize,
    size: usize,
    /// The set at which eviction continues when all values together take too much.
    hand: usize,
}

/// With 8 ways, ten thousand keys in sixteen thousand places find a full set once in fifty times; with 4, in sixteen.
const WAYS: usize = 8;

/// The size of a value while it is remembered.
pub trait Weigh {
    /// The usual weight of a value, from which a table computes its number of places.
    const USUAL: usize;

    /// In bytes, with everything it points to and the allocator's overhead; shared parts are counted elsewhere.
    fn weight(&self) -> usize;
}

struct Set<V> {
    ways: [Option<(u64, Rc<V>)>; WAYS],
    /// Tags of the last keys that were not found: bits of the key that do not choose the set.
    missed: [u16; WAYS],
    /// The element of `missed` to overwrite next.
    oldest: u8,
    /// The place at which eviction continues.
    next: u8,
}

impl<V> Set<V> {
    const fn new() -> Self {
        Set { ways: [const { None }; WAYS], missed: [0; WAYS], oldest: 0, next: 0 }
    }

    /// Evicts the next value in turn.
    fn let_go(&mut self) -> Option<Rc<V>> {
        let turns = (0..WAYS).map(|turn| (usize::from(self.next) + turn) % WAYS);
        let way = turns.into_iter().find(|way| self.ways[*way].is_some())?;
        self.next = ((way + 1) % WAYS) as u8;
        self.ways[way].take().map(|(_, value)| value)
    }

    /// Stores a value in a free place, evicting and returning another if there is none.
    fn store(&mut self, key: u64, value: Rc<V>) -> Option<Rc<V>> {
        let freed = if self.ways.iter().all(Option::is_some) { self.let_go() } else { None };
        if let Some(free) = self.ways.iter_mut().find(|way| way.is_none()) {
            *free = Some((key, value));
        }
        freed
    }
}

impl<V: Weigh> SetAssociative<V> {
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

    /// The value with this key.
    pub fn find(&self, key: u64) -> Option<&Rc<V>> {
        let set = self.sets.get(self.set_of(key))?;
        set.ways.iter().flatten().find(|(found, _)| *found == key).map(|(_, value)| value)
    }

    /// Whether a value not found should be stored in a table of at most `most` bytes: its key has come before.
    pub fn wants(&mut self, key: u64, most: usize) -> bool {
        if self.sets.is_empty() {
            let sets = (most / (WAYS * V::USUAL)).clamp(1, 1 << 20).next_power_of_two();
            if 2 * sets * size_of::<Set<V>>() > most {
                return false;
            }
            self.sets.resize_with(sets, Set::new);
            self.size = self.size_of_sets();
        }
        let set = self.set_of(key);
        let set = &mut self.sets[set];
        // The upper bits, which do not choose the set.
        let tag = (key >> 48) as u16;
        if set.missed.contains(&tag) {
            return true;
        }
        set.missed[usize::from(set.oldest) % WAYS] = tag;
        set.oldest = set.oldest.wrapping_add(1);
        false
    }

    /// Whether a value of this key and weight can be stored without evicting another.
    pub fn has_room(&self, key: u64, weight: usize, most: usize) -> bool {
        let set = self.sets.get(self.set_of(key));
        self.size + weight <= most && set.is_some_and(|set| set.ways.iter().any(Option::is_none))
    }

    /// Stores a value that is [wanted](Self::wants), or for which there [is room](Self::has_room), and returns whether
    /// it did. Others are evicted to keep the table within `most` bytes. Does not store a value so heavy that many
    /// would have to go for it, nor any value where there is room for so few that evicting would have to search for
    /// them.
    pub fn store(&mut self, key: u64, value: &Rc<V>, most: usize) -> bool {
        const LARGEST_SHARE: usize = 16;
        let weight = value.weight();
        if self.sets.is_empty() || weight > most / LARGEST_SHARE || most < 2 * self.size_of_sets() {
            return false;
        }
        self.let_go((self.size + weight).saturating_sub(most));
        let set = self.set_of(key);
        let Some(set) = self.sets.get_mut(set) else {
            return false;
        };
        let freed = set.store(key, Rc::clone(value));
        self.count += usize::from(freed.is_none());
        self.size = self.size + weight - freed.map_or(0, |value| value.weight());
        true
    }

    /// Evicts values, one of each set in turn, until so many bytes are free; when none is left, frees the sets as well.
    pub fn let_go(&mut self, bytes: usize) {
        let enough = self.size.saturating_sub(bytes);
        while self.size > enough {
            if self.count == 0 {
                return self.clear();
            }
            if let Some(value) = self.sets[self.hand].let_go() {
                self.size -= value.weight();
                self.count -= 1;
            }
            self.hand = (self.hand + 1) % self.sets.len();
        }
    }

    fn size_of_sets(&self) -> usize {
        self.sets.len() * size_of::<Set<V>>()
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
    use proptest::prelude::*;

    const SETS: usize = 16;
    const EMPTY: usize = SETS * size_of::<Set<Weight>>();
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

    fn come(remembered: &mut SetAssociative<Weight>, key: u64, weight: usize) {
        if remembered.find(key).is_none() && remembered.wants(key, MOST) {
            remembered.store(key, &Rc::new(Weight(weight)), MOST);
        }
    }

    /// Keys differ in the upper bits too, as lookups and hashes do.
    fn key(number: u64) -> u64 {
        number << 48 | number
    }

    #[test]
    fn a_value_is_remembered_from_its_second_use_on() {
        let mut remembered = SetAssociative::new();
        come(&mut remembered, key(7), 1);
        assert!(remembered.find(key(7)).is_none());
        come(&mut remembered, key(7), 1);
        assert_eq!(remembered.find(key(7)).map(|value| value.0), Some(1));
    }

    #[test]
    fn there_is_room_until_a_set_or_all_of_them_are_full() {
        let mut remembered = SetAssociative::new();
        assert!(!remembered.has_room(key(1), 1, MOST), "nothing is laid out yet");
        come(&mut remembered, key(1), 1);
        for number in 0..WAYS as u64 {
            let same_set = key(number * SETS as u64);
            assert!(remembered.has_room(same_set, 1, MOST));
            assert!(!remembered.has_room(same_set, 1, remembered.size()));
            remembered.store(same_set, &Rc::new(Weight(1)), MOST);
        }
        assert!(!remembered.has_room(key(WAYS as u64 * SETS as u64), 1, MOST));
        assert!(remembered.has_room(key(1), 1, MOST));
    }

    #[test]
    fn keys_that_come_once_push_nothing_out() {
        let mut remembered = SetAssociative::new();
        come(&mut remembered, key(1), 1);
        come(&mut remembered, key(1), 1);
        for _ in 0..2 {
            for number in 2..60_000 {
                come(&mut remembered, key(number), 1);
            }
        }
        assert!(remembered.find(key(1)).is_some());
        assert_eq!(remembered.size(), EMPTY + 1);
    }

    #[test]
    fn keys_that_come_again_take_the_places_of_those_that_do_not_any_more() {
        let mut remembered = SetAssociative::new();
        let found = |remembered: &SetAssociative<Weight>, numbers: Range<u64>| {
            numbers.filter(|number| remembered.find(key(*number)).is_some()).count()
        };
        for numbers in [0..60, 1000..1060, 2000..2060] {
            for number in numbers.clone().chain(numbers.clone()) {
                come(&mut remembered, key(number), 100);
            }
            assert_eq!(found(&remembered, numbers), 60);
        }
        assert!(found(&remembered, 0..60) < 30);
    }

    #[test]
    fn nothing_is_left_after_clearing() {
        let mut remembered = SetAssociative::new();
        come(&mut remembered, key(1), 1);
        come(&mut remembered, key(1), 1);
        remembered.clear();
        assert!(remembered.find(key(1)).is_none() && remembered.size() == 0);
    }

    #[test]
    fn a_table_that_may_take_next_to_nothing_stores_nothing() {
        let mut remembered: SetAssociative<Weight> = SetAssociative::new();
        assert!(!remembered.wants(key(1), 10) && !remembered.wants(key(1), 10));
        assert_eq!(remembered.size(), 0);
    }

    proptest! {
        #[test]
        fn size_is_the_sum_of_what_is_found_and_never_more_than_allowed(
            stores in prop::collection::vec((0_u64..400, 1_usize..800), 1..800),
        ) {
            let mut remembered = SetAssociative::new();
            for (number, weight) in stores {
                come(&mut remembered, key(number), weight);
                come(&mut remembered, key(number), weight);
                prop_assert!(remembered.size() <= MOST);
            }
            let found: usize = (0..400).filter_map(|number| remembered.find(key(number))).map(|value| value.0).sum();
            // Evicting the last value frees the sets too.
            let is_empty = found == 0 && remembered.size() == 0;
            prop_assert!(is_empty || remembered.size() == EMPTY + found);
        }

        #[test]
        fn as_much_is_let_go_as_is_asked_for_or_all(
            stores in prop::collection::vec((0_u64..400, 1_usize..800), 1..200), bytes in 0_usize..40_000,
        ) {
            let mut remembered = SetAssociative::new();
            for (number, weight) in stores {
                come(&mut remembered, key(number), weight);
                come(&mut remembered, key(number), weight);
            }
            let before = remembered.size();
            remembered.let_go(bytes);
            prop_assert!(remembered.size() <= before.saturating_sub(bytes));
        }
    }
}
