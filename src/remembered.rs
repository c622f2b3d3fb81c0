//! What a backend remembers of our tables between calls, so that a hot token is verified without reading any.
//!
//! Entries are only ever as old as the generation they were stored in: `pg::invalidation` moves it when anything they came
//! from may have changed, and then all of them go. Never a timer: a cache that could answer with what was taken away would
//! be a defect however fast it is.

use std::rc::Rc;

/// A bounded table of values by a 64-bit key that is random or hashed: sets of [`WAYS`] places each.
///
/// A value is stored when its key has come before, a short while ago: of millions of keys that come once each, next to
/// none pushes out those that come again and again.
pub struct Remembered<V> {
    sets: Vec<Set<V>>,
    size: usize,
}

const SETS: usize = 4096;
const WAYS: usize = 4;

struct Set<V> {
    ways: [Option<(u64, usize, Rc<V>)>; WAYS],
    /// The keys that came last and were not there.
    missed: [u64; WAYS],
    /// Which of `missed` is forgotten next.
    oldest: usize,
    /// Which place is taken next when all are.
    next: usize,
}

impl<V> Set<V> {
    const fn new() -> Self {
        Set { ways: [const { None }; WAYS], missed: [0; WAYS], oldest: 0, next: 0 }
    }
}

impl<V> Remembered<V> {
    /// Empty, and without memory of its own until something is stored.
    pub const fn new() -> Self {
        Remembered { sets: Vec::new(), size: 0 }
    }

    /// Bytes that the stored values take, as told when they were stored.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Remembered::new();
    }

    /// The value with this key.
    pub fn find(&self, key: u64) -> Option<&Rc<V>> {
        let set = self.sets.get(place(key))?;
        set.ways.iter().flatten().find(|(found, ..)| *found == key).map(|(.., value)| value)
    }

    /// Stores a value of this size, unless its key comes for the first time or there would be more than `most` bytes.
    pub fn store(&mut self, key: u64, value: &Rc<V>, size: usize, most: usize) {
        if self.sets.is_empty() {
            self.sets.resize_with(SETS, || Set::new());
        }
        let set = &mut self.sets[place(key)];
        if !set.missed.contains(&key) {
            set.missed[set.oldest] = key;
            set.oldest = (set.oldest + 1) % WAYS;
            return;
        }
        let free = set.ways.iter().position(Option::is_none);
        let way = free.unwrap_or(set.next % WAYS);
        let freed = set.ways[way].as_ref().map_or(0, |(_, size, _)| *size);
        if self.size - freed + size <= most {
            set.next = set.next.wrapping_add(1);
            set.ways[way] = Some((key, size, Rc::clone(value)));
            self.size = self.size - freed + size;
        }
    }
}

fn place(key: u64) -> usize {
    // The remainder is smaller than SETS.
    (key % SETS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MOST: usize = 1000;

    fn store_twice(remembered: &mut Remembered<u64>, key: u64, size: usize) {
        let value = Rc::new(key);
        remembered.store(key, &value, size, MOST);
        remembered.store(key, &value, size, MOST);
    }

    #[test]
    fn a_value_is_remembered_from_its_second_use_on() {
        let mut remembered = Remembered::new();
        let value = Rc::new(7);
        remembered.store(7, &value, 1, MOST);
        assert!(remembered.find(7).is_none());
        remembered.store(7, &value, 1, MOST);
        assert_eq!(remembered.find(7), Some(&value));
    }

    #[test]
    fn keys_that_come_once_push_nothing_out() {
        let mut remembered = Remembered::new();
        store_twice(&mut remembered, 1, 1);
        for key in 2..100_000 {
            remembered.store(key, &Rc::new(key), 1, MOST);
        }
        // The same again, a long while later.
        for key in 2..100_000 {
            remembered.store(key, &Rc::new(key), 1, MOST);
        }
        assert!(remembered.find(1).is_some());
        assert_eq!(remembered.size(), 1);
    }

    #[test]
    fn nothing_is_left_after_clearing() {
        let mut remembered = Remembered::new();
        store_twice(&mut remembered, 1, 1);
        remembered.clear();
        assert!(remembered.find(1).is_none() && remembered.size() == 0);
    }

    proptest! {
        #[test]
        fn size_is_the_sum_of_what_is_found_and_never_more_than_allowed(
            stores in prop::collection::vec((0_u64..64, 1_usize..200), 0..200),
        ) {
            let mut remembered = Remembered::new();
            let mut sizes = std::collections::HashMap::new();
            for (key, size) in stores {
                // All in one set, so that places are fought for.
                let key = key * SETS as u64;
                if remembered.find(key).is_none() {
                    store_twice(&mut remembered, key, size);
                    sizes.insert(key, size);
                }
                prop_assert!(remembered.size() <= MOST);
            }
            let found: usize = sizes.iter().filter(|(key, _)| remembered.find(**key).is_some()).map(|(_, size)| size).sum();
            prop_assert_eq!(remembered.size(), found);
        }
    }
}
