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

/// How many bytes a value takes, as long as it is remembered.
pub trait Weigh {
    /// In bytes, with what it points to and what the allocator adds; shared parts count elsewhere.
    fn weight(&self) -> usize;
}

struct Set<V> {
    ways: [Option<(u64, Rc<V>)>; WAYS],
    /// The keys that came last and were not there, of each the half that says less about the set.
    missed: [u32; WAYS],
    /// Which of `missed` is forgotten next.
    oldest: u8,
    /// Which place is taken next when all are.
    next: u8,
}

impl<V> Set<V> {
    const fn new() -> Self {
        Set { ways: [const { None }; WAYS], missed: [0; WAYS], oldest: 0, next: 0 }
    }
}

impl<V: Weigh> Remembered<V> {
    /// Empty, and without memory of its own until something is stored.
    pub const fn new() -> Self {
        Remembered { sets: Vec::new(), size: 0 }
    }

    /// Bytes that it takes, its values included.
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
        set.ways.iter().flatten().find(|(found, _)| *found == key).map(|(_, value)| value)
    }

    /// Whether a value with this key, which was not found, is worth storing: it has come before.
    pub fn wants(&mut self, key: u64) -> bool {
        if self.sets.is_empty() {
            self.sets.resize_with(SETS, Set::new);
            self.size = SETS * size_of::<Set<V>>();
        }
        let set = &mut self.sets[place(key)];
        let tag = (key >> 32) as u32;
        if set.missed.contains(&tag) {
            return true;
        }
        set.missed[usize::from(set.oldest) % WAYS] = tag;
        set.oldest = set.oldest.wrapping_add(1);
        false
    }

    /// Stores a value that is [wanted](Self::wants), unless there would be more than `most` bytes.
    pub fn store(&mut self, key: u64, value: &Rc<V>, most: usize) {
        let Some(set) = self.sets.get_mut(place(key)) else {
            return;
        };
        let free = set.ways.iter().position(Option::is_none);
        let way = free.unwrap_or(usize::from(set.next) % WAYS);
        let freed = set.ways[way].as_ref().map_or(0, |(_, value)| value.weight());
        let size = self.size - freed + value.weight();
        if size <= most {
            set.next = set.next.wrapping_add(1);
            set.ways[way] = Some((key, Rc::clone(value)));
            self.size = size;
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

    const EMPTY: usize = SETS * size_of::<Set<Weight>>();
    const MOST: usize = EMPTY + 1000;

    /// A value that is nothing but its weight.
    #[derive(Debug, PartialEq)]
    struct Weight(usize);

    impl Weigh for Weight {
        fn weight(&self) -> usize {
            self.0
        }
    }

    fn come(remembered: &mut Remembered<Weight>, key: u64, weight: usize) {
        if remembered.find(key).is_none() && remembered.wants(key) {
            remembered.store(key, &Rc::new(Weight(weight)), MOST);
        }
    }

    /// Keys differ in the upper half too, as lookups and hashes do.
    fn key(number: u64) -> u64 {
        number << 32 | number
    }

    #[test]
    fn a_value_is_remembered_from_its_second_use_on() {
        let mut remembered = Remembered::new();
        come(&mut remembered, key(7), 1);
        assert!(remembered.find(key(7)).is_none());
        come(&mut remembered, key(7), 1);
        assert_eq!(remembered.find(key(7)).map(|value| value.0), Some(1));
    }

    #[test]
    fn keys_that_come_once_push_nothing_out() {
        let mut remembered = Remembered::new();
        come(&mut remembered, key(1), 1);
        come(&mut remembered, key(1), 1);
        for _ in 0..2 {
            for number in 2..100_000 {
                come(&mut remembered, key(number), 1);
            }
        }
        assert!(remembered.find(key(1)).is_some());
        assert_eq!(remembered.size(), EMPTY + 1);
    }

    #[test]
    fn nothing_is_left_after_clearing() {
        let mut remembered = Remembered::new();
        come(&mut remembered, key(1), 1);
        come(&mut remembered, key(1), 1);
        remembered.clear();
        assert!(remembered.find(key(1)).is_none() && remembered.size() == 0);
    }

    proptest! {
        #[test]
        fn size_is_the_sum_of_what_is_found_and_never_more_than_allowed(
            stores in prop::collection::vec((0_u64..64, 1_usize..200), 1..200),
        ) {
            let mut remembered = Remembered::new();
            for (number, weight) in stores {
                // All in one set, so that places are fought for.
                let key = number << 32;
                come(&mut remembered, key, weight);
                come(&mut remembered, key, weight);
                prop_assert!(remembered.size() <= MOST);
            }
            let found: usize = (0..64).filter_map(|number| remembered.find(number << 32)).map(|value| value.0).sum();
            prop_assert_eq!(remembered.size(), EMPTY + found);
        }
    }
}
