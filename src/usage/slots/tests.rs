use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::atomic::AtomicBool;
use std::thread;

use super::*;
use crate::pg::shared_memory::on_heap;
use crate::verdict::Verdict;
use proptest::prelude::*;

const DATABASE: u32 = 5;

fn key(number: u64) -> Key {
    // As in version 7, the last bytes are arbitrary.
    Key { database: DATABASE, token: whole(7, number.wrapping_mul(0x2545_F491_4F6C_DD1D)) }
}

fn valid(at: i64) -> Use {
    Use { at, valid: true, client: None }
}

fn denied(at: i64) -> Use {
    Use { at, valid: false, client: None }
}

fn from(at: i64, client: &str) -> Use {
    Use { at, valid: true, client: Some(Address::of(client.parse().unwrap())) }
}

fn take_all(slots: &Slots<'_>, batch: u64) -> Vec<Taken> {
    let mut taken = Vec::new();
    slots.take(DATABASE, batch, &slots.waiting(DATABASE), &mut taken);
    taken
}

#[test]
fn uses_are_taken_once_and_seen_all_the_time() {
    let slots = on_heap(8);
    for at in 1..=3 {
        slots.count(&key(1), &valid(at));
    }
    assert!(slots.count(&key(1), &denied(4)));
    assert!(!slots.count(&key(1), &denied(5)), "one event a minute");

    let taken = take_all(&slots, 1);
    let [one] = &taken[..] else { panic!("one token") };
    assert_eq!(slots.departed(DATABASE, 1)[0].record, one.record, "read as often as one likes");
    let record = Record { first_use: 1, last_use: 3, last_denial: 5, requests: 3, denials: 2, ..Record::default() };
    assert_eq!((one.token, one.record), (key(1).token, record));
    assert!(take_all(&slots, 2).is_empty());

    slots.count(&key(1), &valid(6));
    let recent = slots.recent(&key(1));
    assert_eq!((recent.record.requests, recent.record.denials, recent.record.last_use), (1, 0, 6));
    assert_eq!(recent.flights[0], Some(Flight { batch: 1, requests: 3, denials: 2 }));

    slots.give_back(1, &taken);
    let recent = slots.recent(&key(1));
    assert_eq!((recent.record.requests, recent.record.denials), (4, 2));
    assert_eq!(recent.flights, [None; 4]);

    let taken = take_all(&slots, 3);
    assert_eq!(taken[0].record.requests, 4);
    slots.settle(3, &taken);
    slots.give_back(3, &taken);
    assert_eq!(slots.recent(&key(1)).record.requests, 0, "settled is settled");
}

#[test]
fn a_batch_touches_its_own_database_only() {
    let slots = on_heap(8);
    let other = Key { database: 6, ..key(1) };
    slots.count(&key(1), &valid(1));
    slots.count(&other, &valid(1));
    assert_eq!(take_all(&slots, 1).len(), 1);
    slots.forget(6);
    assert_eq!(slots.recent(&other).record, Record::default());
}

#[test]
fn batches_are_in_the_order_of_tokens_and_leave_what_has_moved_meanwhile() {
    let slots = on_heap(WAYS);
    for number in 0..WAYS as u64 {
        slots.count(&key(number), &valid(1 + number as i64));
    }
    let places = slots.waiting(DATABASE);
    assert!(places.is_sorted_by_key(|waiting| waiting.token));
    slots.count(&key(100), &valid(20));
    let mut taken = Vec::new();
    places.chunks(3).for_each(|places| slots.take(DATABASE, 1, places, &mut taken));
    assert_eq!(taken.len(), WAYS - 1, "the oldest had to make room");
    assert!(taken.iter().all(|taken| taken.token != key(0).token && taken.token != key(100).token));
    slots.settle(1, &taken);
    let mut left: Vec<_> = take_all(&slots, 2).iter().map(|taken| taken.token).collect();
    left.sort();
    let mut expected = [key(0).token, key(100).token];
    expected.sort();
    assert_eq!(left, expected);
}

#[test]
fn the_token_used_longest_ago_makes_room_and_nothing_of_it_is_lost() {
    let slots = on_heap(WAYS);
    for number in 0..=WAYS as u64 {
        slots.count(&key(number), &valid(10 + number as i64));
    }
    assert_eq!((slots.evicted(), slots.dropped()), (1, 0));
    assert_eq!(slots.recent(&key(0)).record.requests, 1, "seen where it waits");
    slots.count(&key(0), &valid(30));
    assert_eq!(slots.recent(&key(0)).record.requests, 2);
    let taken = take_all(&slots, 1);
    let sum: u64 = taken.iter().map(|taken| taken.record.requests).sum();
    assert_eq!(sum, WAYS as u64 + 2);
    slots.settle(1, &taken);
    take_all(&slots, 2);
    assert_eq!(slots.header.overflow.free.load(Relaxed), OVERFLOW as u32, "what is written makes room");
}

#[test]
fn when_there_is_no_room_at_all_uses_are_dropped_and_counted() {
    let slots = on_heap(WAYS);
    let room = (WAYS + OVERFLOW) as u64;
    for number in 0..3 * room {
        slots.count(&key(number), &valid(1 + number as i64));
    }
    let taken = take_all(&slots, 1);
    assert_eq!(taken.len() as u64 + slots.dropped(), 3 * room);
    assert_eq!(taken.len() as u64, room, "all of it is used");
    // Slots in an open flight are not reused.
    let dropped = slots.dropped();
    slots.count(&key(3 * room), &valid(1));
    assert_eq!(slots.dropped(), dropped + 1);
    slots.settle(1, &taken);
    slots.count(&key(3 * room), &valid(1));
    assert_eq!(slots.dropped(), dropped + 1);
}

#[test]
fn most_of_the_overflow_is_used_before_anything_is_dropped() {
    let slots = on_heap(WAYS);
    for number in 0..OVERFLOW as u64 * 3 / 4 {
        let mut random = DefaultHasher::new();
        random.write_u64(number);
        slots.count(&key(random.finish()), &valid(1 + number as i64));
    }
    assert_eq!(slots.dropped(), 0);
}

#[test]
fn a_set_full_of_open_flights_loses_no_newcomer() {
    let slots = on_heap(WAYS);
    for number in 0..WAYS as u64 {
        slots.count(&key(number), &valid(1 + number as i64));
    }
    let taken = take_all(&slots, 1);
    for at in 0..3 {
        slots.count(&key(100), &valid(20 + at));
    }
    assert_eq!((slots.dropped(), slots.recent(&key(100)).record.requests), (0, 3));
    slots.settle(1, &taken);
    slots.count(&key(100), &valid(30));
    let requests: Vec<u64> = take_all(&slots, 2).iter().map(|taken| taken.record.requests).collect();
    assert_eq!(requests, [3, 1], "from where it waited, and from its slot");
}

#[test]
fn the_last_client_and_the_networks_of_a_batch_are_kept() {
    let slots = on_heap(8);
    for (at, client) in (1..).zip(["10.0.0.1", "10.0.0.2", "2001:db8::1", "10.9.0.1"]) {
        slots.count(&key(1), &from(at, client));
    }
    let taken = take_all(&slots, 1);
    let record = taken[0].record;
    assert_eq!(record.client().map(Address::text).as_deref(), Some("10.9.0.1"));
    assert_eq!(record.networks().collect::<Vec<_>>(), ["10.0.0.0/24", "2001:db8::/48", "10.9.0.0/24"]);
    slots.settle(1, &taken);
    slots.count(&key(1), &from(9, "10.0.0.3"));
    assert_eq!(take_all(&slots, 2)[0].record.networks().collect::<Vec<_>>(), ["10.0.0.0/24"]);
}

#[test]
fn a_rate_admits_its_limit_at_once_and_then_one_by_one() {
    let slots = on_heap(8);
    let rate = Rate { limit: 3, interval: 60 };
    let admit = |now| slots.admit(&key(1), rate, now);
    assert_eq!([admit(100), admit(100), admit(100), admit(100)], [Ok(()), Ok(()), Ok(()), Err(20)]);
    assert_eq!(slots.would_admit(&key(1), rate, 119), Err(1));
    assert_eq!(admit(119), Err(1));
    assert_eq!(slots.would_admit(&key(1), rate, 120), Ok(()), "asking takes nothing");
    assert_eq!([admit(120), admit(120)], [Ok(()), Err(20)]);
    assert_eq!(slots.admit(&key(2), rate, 120), Ok(()), "each token by itself");
    // A former rate leaves no longer wait than one interval of the current rate.
    assert_eq!(slots.admit(&key(3), Rate { limit: 1, interval: 1_000_000 }, 100), Ok(()));
    assert_eq!(slots.admit(&key(3), Rate { limit: 1, interval: 10 }, 100), Err(10));
}

#[test]
fn saved_slots_come_back_even_of_a_token_that_had_two() {
    let slots = on_heap(WAYS);
    for number in 0..=WAYS as u64 {
        slots.count(&key(number), &valid(1 + number as i64));
    }
    slots.count(&key(0), &valid(20));
    let mut saved = Vec::new();
    slots.each(None, |slot| saved.extend(slot.is_worth_keeping().then(|| slot.words())));
    let again = on_heap(WAYS);
    assert!(saved.into_iter().all(|words| again.restore(words)));
    assert_eq!(again.recent(&key(0)).record.requests, 2);
    assert_eq!(again.recent(&key(3)).record.requests, 1);
}

#[test]
fn samples_come_out_as_they_went_in_and_are_bounded() {
    let slots = on_heap(8);
    let sample = |number: u32| Sample {
        database: DATABASE + number % 2,
        role: 10,
        token: (number != 3).then_some([7; 16]),
        verdict: Verdict::ALL[number as usize % 12],
        at: i64::from(number),
        client: Some(Address::of("::1".parse().unwrap())),
        correlation: [9; 16],
    };
    for number in 0..1000 {
        slots.header.samples.put(&sample(number));
    }
    let taken = slots.header.samples.take(DATABASE);
    assert_eq!(taken.len(), 128);
    assert_eq!(taken[1], sample(2));
    assert_eq!(slots.header.samples.take(DATABASE + 1)[1], sample(3));
    assert!(slots.header.samples.take(DATABASE).is_empty());
}

#[test]
fn what_a_worker_leaves_is_said_once() {
    let slots = on_heap(8);
    let database = slots.header.databases.find(1, 100).unwrap();
    database.wait(7);
    assert!(!database.was_left(), "what waits for the next round is not left");
    database.begin_writing();
    database.leave(7);
    assert_eq!(database.waiting_since(), Some(7));
    assert!(database.was_left() && !database.was_left());
}

#[test]
fn verdicts_are_counted_per_database() {
    let slots = on_heap(8);
    let databases = &slots.header.databases;
    let one = databases.find(1, 100).unwrap();
    one.count(Verdict::Valid, 1);
    one.count(Verdict::Valid, 6);
    databases.find(2, 100).unwrap().count(Verdict::Unknown, 0);
    assert_eq!(one.counts()[Verdict::Valid as usize], 2);
    assert_eq!((one.counts()[Verdict::Unknown as usize], one.reset()), (0, 100));
    databases.forget(one);
    assert_eq!(databases.each().count(), 1);
    assert_eq!(databases.find(3, 200).unwrap().counts(), [0; VERDICTS]);
}

/// Threads count more tokens than there are slots, while another takes, settles and gives back: every use is taken just
/// once, for its own token, or counted as dropped.
fn nothing_is_lost_or_counted_twice(threads: u64, tokens: u64, uses: u64, capacity: usize) {
    let slots = on_heap(capacity);
    let over = AtomicBool::new(false);
    let mut found: HashMap<[u8; 16], u64> = HashMap::new();
    let mut add = |taken: &[Taken]| {
        for Taken { token, record, .. } in taken {
            // The moment encodes the token.
            let number = record.last_use.cast_unsigned() % tokens;
            assert_eq!(key(number).token, *token, "a use of one token in the slot of another");
            *found.entry(*token).or_default() += record.requests;
        }
    };
    thread::scope(|scope| {
        let counters: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    let mut state = thread + 1;
                    for _ in 0..uses {
                        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
                        let number = (state >> 33) % tokens;
                        let at = tokens * (1 + (state >> 40)) + number;
                        slots.count(&key(number), &valid(at.cast_signed()));
                    }
                })
            })
            .collect();
        let taker = scope.spawn(|| {
            let mut batches = Vec::new();
            while !over.load(Relaxed) {
                let batch = slots.next_batch();
                let mut taken = Vec::new();
                slots.waiting(DATABASE).chunks(100).for_each(|places| slots.take(DATABASE, batch, places, &mut taken));
                if batch.is_multiple_of(3) {
                    slots.give_back(batch, &taken);
                } else {
                    slots.settle(batch, &taken);
                    batches.push(taken);
                }
            }
            batches
        });
        counters.into_iter().for_each(|counter| counter.join().unwrap());
        over.store(true, Relaxed);
        taker.join().unwrap().iter().for_each(|taken| add(taken));
    });
    add(&take_all(&slots, slots.next_batch()));
    assert_eq!(found.values().sum::<u64>() + slots.dropped(), threads * uses);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn uses_of_many_threads_are_each_taken_once(threads in 1u64..6, tokens in 1u64..9000, capacity in 8usize..200) {
        nothing_is_lost_or_counted_twice(threads, tokens, 20_000, capacity);
    }
}
