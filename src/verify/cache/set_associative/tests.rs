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
