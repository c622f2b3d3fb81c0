//! Who keeps a place, and who makes room.

use super::*;

#[test]
fn a_token_in_use_keeps_its_slot() {
    let slots = least();
    for number in 0..10_000 {
        slots.count(&key_of(6, 1), &valid(NOW + number));
        slots.count(&key(number.cast_unsigned()), &valid(NOW + number));
    }
    assert!(slots.dropped() > 0);
    assert_eq!(slots.recent(&key_of(6, 1)).record.requests, 10_000);
}

#[test]
fn the_database_that_fills_memory_makes_room() {
    let slots = least();
    (0..500).for_each(|number| _ = slots.count(&key_of(6, number), &valid(NOW)));
    for number in 0..20_000 {
        slots.count(&key(number), &valid(NOW + 1 + number.cast_signed()));
    }
    let requests = |database, tokens| -> u64 {
        (0..tokens).map(|number| slots.recent(&key_of(database, number)).record.requests).sum()
    };
    assert_eq!(requests(6, 500), 500, "each in its place, though they were used longest ago");
    assert_eq!(requests(DATABASE, 20_000) + slots.dropped(), 20_000);
    assert_eq!(requests(DATABASE, 20_000) + 500, slots.capacity() as u64, "all places are used");
    assert_eq!(waiting(&slots), slots.capacity() as i64);
    assert_eq!(slots.fullest(|_| true), Some(DATABASE));
    assert_eq!(slots.fullest(|database| database != DATABASE), Some(6));
    let last = slots.recent(&key(19_999)).record.requests;
    assert_eq!((last, slots.recent(&key(0)).record.requests), (1, 0), "those that came last are here");
}

#[test]
fn what_is_written_makes_room_before_anything_is_lost() {
    let slots = least();
    let room = slots.capacity() as u64;
    let mut found = 0;
    for round in 0..20 {
        for number in 0..room / 2 {
            slots.count(&key(round * room + number), &valid(NOW + (round * room + number).cast_signed()));
        }
        assert!(slots.is_filling());
        let taken = take_all(&slots, round + 1);
        found += taken.len() as u64;
        slots.settle(DATABASE, round + 1, &taken);
        assert!(!slots.is_filling());
    }
    assert_eq!((slots.dropped(), found), (0, 20 * (room / 2)));
    slots.tidy(NOW + 3600 * SECOND);
    assert_eq!(in_overflow(&slots), 0);
}

#[test]
fn nothing_is_lost_while_little_room_is_left_in_pages_full_of_what_is_written() {
    let slots = on_heap(4096);
    let step = slots.capacity() as u64 / 16;
    // The worker is thirteen sixteenths of the memory behind.
    for round in 0..64 {
        for number in round * step..(round + 1) * step {
            slots.count(&key(number), &valid(NOW + number.cast_signed()));
        }
        if round >= 13 {
            let oldest: Vec<_> = ((round - 13) * step..(round - 12) * step).map(|number| key(number).token).collect();
            let mut taken = Vec::new();
            slots.take(DATABASE, round + 1, &oldest, &mut taken);
            slots.settle(DATABASE, round + 1, &taken);
        }
    }
    assert_eq!(slots.dropped(), 0);
}

#[test]
fn memory_that_is_all_in_open_flights_drops_newcomers_and_nothing_else() {
    let slots = least();
    let room = slots.capacity() as u64;
    (0..3 * room).for_each(|number| _ = slots.count(&key(number), &valid(NOW + number.cast_signed())));
    let dropped = slots.dropped();
    let taken = take_all(&slots, 1);
    assert_eq!((taken.len() as u64, dropped), (room, 2 * room));
    slots.count(&key(4 * room), &valid(NOW + 1));
    assert_eq!((slots.dropped(), waiting(&slots)), (dropped + 1, 0));
    assert_eq!(slots.departed(DATABASE, 1).len() as u64, room);
    slots.settle(DATABASE, 1, &taken);
    slots.count(&key(4 * room), &valid(NOW + 1));
    assert_eq!(slots.dropped(), dropped + 1);
}
