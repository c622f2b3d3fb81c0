use super::*;
use crate::model::verdict::Verdict;
use crate::pg::process::shared_memory::on_heap;
use proptest::prelude::*;

mod model;
mod room;
mod threads;

const DATABASE: u32 = 5;

/// A moment.
const NOW: i64 = 800_000_000_000_000;

const SECOND: i64 = 1_000_000;

fn key_of(database: u32, number: u64) -> UsageKey {
    // As in version 7, the last bytes are arbitrary.
    let random = (number + 1).wrapping_mul(0x2545_F491_4F6C_DD1D);
    UsageKey { database, token: whole(7, random ^ random >> 29) }
}

fn key(number: u64) -> UsageKey {
    key_of(DATABASE, number)
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

fn waiting(slots: &Slots<'_>) -> i64 {
    slots.header.waiting.load(Relaxed)
}

/// How many records have a place in the overflow.
fn in_overflow(slots: &Slots<'_>) -> u32 {
    slots.header.occupied.load(Relaxed)
}

/// The least memory: one set, and the fewest pages.
fn least() -> Slots<'static> {
    on_heap(WAYS)
}

#[test]
fn uses_are_taken_once_and_seen_all_the_time() {
    let slots = on_heap(8);
    for at in 1..=3 {
        slots.count(&key(1), &valid(at));
    }
    assert!(slots.count(&key(1), &denied(4)).is_sample);
    assert!(!slots.count(&key(1), &denied(5)).is_sample, "one event a minute");
    assert!(slots.count(&key(1), &denied(5 - 3600 * SECOND)).is_sample, "the clock was set back");
    slots.count(&key(1), &denied(5));

    let taken = take_all(&slots, 1);
    let [one] = &taken[..] else { panic!("one token") };
    assert_eq!(slots.departed(DATABASE, 1)[0].record, one.record, "read as often as one likes");
    let record = Record { first_use: 1, last_use: 3, last_denial: 5, requests: 3, denials: 4, ..Record::default() };
    assert_eq!((one.token, one.record), (key(1).token, record));
    assert!(take_all(&slots, 2).is_empty());

    slots.count(&key(1), &valid(6));
    let recent = slots.recent(&key(1));
    assert_eq!((recent.record.requests, recent.record.denials, recent.record.last_use), (1, 0, 6));
    assert_eq!(recent.flight, Some(Flight { batch: 1, requests: 3, denials: 4 }));

    slots.give_back(DATABASE, 1, &taken);
    let recent = slots.recent(&key(1));
    assert_eq!((recent.record.requests, recent.record.denials), (4, 4));
    assert_eq!(recent.flight, None);

    let taken = take_all(&slots, 3);
    assert_eq!(taken[0].record.requests, 4);
    slots.settle(DATABASE, 3, &taken);
    slots.give_back(DATABASE, 3, &taken);
    assert_eq!(slots.recent(&key(1)).record.requests, 0, "settled is settled");
}

#[test]
fn a_batch_touches_its_own_database_only_and_is_in_the_order_of_tokens() {
    let slots = on_heap(64);
    let other = key_of(6, 1);
    (0..50).for_each(|number| _ = slots.count(&key(number), &valid(NOW)));
    slots.count(&other, &valid(NOW));
    let taken = take_all(&slots, 1);
    assert_eq!(taken.len(), 50);
    assert!(taken.is_sorted_by_key(|taken| taken.token));
    assert_eq!(waiting(&slots), 1);
    slots.forget(6);
    assert_eq!((waiting(&slots), slots.recent(&other).record), (0, Record::default()));
}

#[test]
fn a_record_that_makes_room_comes_back_whole() {
    let slots = least();
    let rate = Rate { limit: 2, interval: 3600 * SECOND };
    let slow = key(0);
    assert_eq!(slots.admit(&slow, rate, NOW), Ok(()));
    slots.count(&slow, &from(NOW, "10.0.0.1"));
    let taken = take_all(&slots, 1);
    let others = |from: i64| {
        for number in 1..=100 {
            slots.count(&key(from.cast_unsigned() + number), &valid(NOW + from + number.cast_signed()));
        }
    };
    others(1000);
    assert_eq!(slots.evicted(), 100 + 1 - WAYS as u64 - 1, "what is in flight only is not counted as evicted");
    assert_eq!(slots.recent(&slow).flight.unwrap().requests, 1, "with its flight");
    assert_eq!(slots.departed(DATABASE, 1).len(), 1);
    slots.settle(DATABASE, 1, &taken);
    assert_eq!(slots.admit(&slow, rate, NOW + 2000), Ok(()));
    slots.count(&slow, &valid(NOW + 2000));
    others(3000);
    slots.tidy(NOW + 4000);
    let left = slots.admit(&slow, rate, NOW + 5000).unwrap_err();
    assert_eq!(left, 1800 * SECOND - 5000, "with its bucket");
    assert_eq!((slots.dropped(), slots.recent(&slow).record.requests), (0, 1), "and its uses");
    assert_eq!(take_all(&slots, 2).len(), 201);
    assert_eq!(waiting(&slots), 0);
}

#[test]
fn uses_of_a_token_without_a_row_wait_until_nobody_can_commit_it() {
    let slots = on_heap(8);
    let miss = |number, missed| {
        let taken = take_all(&slots, number);
        let [one] = &taken[..] else { panic!("one token") };
        let waits = slots.miss(DATABASE, number, one.token, missed);
        slots.settle(DATABASE, number, &taken);
        waits
    };
    slots.count(&key(1), &valid(NOW));
    assert!(miss(1, Missed { by: 100, all_ended_before: 90 }));
    assert_eq!((slots.recent(&key(1)).record.requests, waiting(&slots)), (1, 1));
    slots.count(&key(1), &valid(NOW));
    assert!(miss(2, Missed { by: 110, all_ended_before: 99 }), "the transaction 99 runs");
    let taken = take_all(&slots, 3);
    assert_eq!(taken[0].record.requests, 2);
    slots.settle(DATABASE, 3, &taken);

    slots.count(&key(1), &valid(NOW));
    assert!(miss(4, Missed { by: 200, all_ended_before: 90 }), "once seen, it starts anew");
    assert!(!miss(5, Missed { by: 210, all_ended_before: 200 }));
    let recent = slots.recent(&key(1));
    assert_eq!((recent.record.requests, recent.flight, waiting(&slots)), (0, None, 0));
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
}

#[test]
fn a_former_rate_and_a_clock_set_back_refuse_for_one_interval_at_most() {
    let slots = on_heap(8);
    let slow = Rate { limit: 1, interval: 3600 * SECOND };
    let rate = Rate { limit: 10, interval: 10 * SECOND };
    assert_eq!(slots.admit(&key(1), slow, NOW), Ok(()));
    for now in [NOW, NOW - 86_400 * SECOND] {
        (0..20).for_each(|_| _ = slots.admit(&key(2), rate, NOW));
        for token in [1, 2] {
            let wait = slots.admit(&key(token), rate, now).unwrap_err();
            assert!(wait <= rate.interval);
            assert_eq!(slots.admit(&key(token), rate, now + wait - 1), Err(1), "what it was told");
            assert_eq!(slots.would_admit(&key(token), rate, now + wait), Ok(()));
            assert_eq!(slots.admit(&key(token), rate, now + wait), Ok(()));
        }
    }
}

#[test]
fn a_clock_that_was_set_back_leaves_no_use_in_the_future() {
    let slots = on_heap(8);
    slots.count(&key(1), &valid(NOW + 3600 * SECOND));
    slots.count(&key(1), &valid(NOW));
    slots.count(&key(1), &valid(NOW - 1));
    assert_eq!(slots.recent(&key(1)).record.last_use, NOW, "what is out of order is not set back");
    // Nor does a use in the future keep a slot for ever.
    let slots = least();
    slots.count(&key(1), &valid(NOW + 3600 * SECOND));
    (2..=WAYS as u64 + 1).for_each(|number| _ = slots.count(&key(number), &valid(NOW)));
    assert_eq!(
        slots
            .overflow
            .pages()
            .iter()
            .flat_map(|page| page.occupied().map(|at| page.slot(at).key()))
            .collect::<Vec<_>>(),
        [key(1)]
    );
}

#[test]
fn kept_records_come_back_as_batches_of_the_memory_that_kept_them() {
    let slots = least();
    (0..100).for_each(|number| _ = slots.count(&key(number), &valid(NOW)));
    let mut saved = slots.save();
    assert_eq!((saved.slots.len(), saved.kept), (100, Numbers::default()), "each once");
    // A token that had two records, since a flag could not be had once.
    saved.slots.insert(0, saved.slots[0]);
    saved.last_batch = 70;
    // However often they are read, they are the same batches.
    for _ in 0..2 {
        let again = least();
        again.begin([9; 16]);
        assert_eq!(again.restore(&saved, NOW), 0);
        assert_eq!((again.kept(Some(DATABASE)), again.kept(Some(6)), again.has_rest()), (vec![71], vec![], false));
        assert_eq!((again.batch(71).node, again.batch(72).node), (slots.node(), again.node()));
        assert!(again.next_batch() > 71);
        again.count(&key(3), &valid(NOW + 1));
        let kept = again.departed(DATABASE, 71);
        assert_eq!(kept.iter().map(|taken| taken.record.requests).sum::<u64>(), 101);
        assert!(take_all(&again, 73).is_empty(), "what comes later waits for it");

        // Saved once more before they are written, they are still the same, and the rest waits.
        let third = least();
        third.begin([10; 16]);
        assert_eq!(third.restore(&again.save(), NOW), 0);
        assert_eq!((third.kept(None), third.batch(71).node, third.has_rest()), (vec![71], slots.node(), true));

        again.settle(DATABASE, 71, &kept);
        assert!(again.kept(None).is_empty());
        assert_eq!(take_all(&again, 74)[0].record.requests, 1);
    }
}

#[test]
fn there_is_room_for_many_databases_and_no_more() {
    let slots = on_heap(8);
    let databases = &slots.header.databases;
    assert!((1..=DATABASES as u32).all(|oid| databases.find(oid, NOW).is_some()));
    assert!(databases.find(DATABASES as u32 + 1, NOW).is_none());
    databases.forget(databases.known(7).unwrap());
    assert!(databases.known(7).is_none() && databases.find(DATABASES as u32 + 1, NOW).is_some());
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
    slots.settle(DATABASE, 1, &taken);
    slots.count(&key(1), &from(9, "10.0.0.3"));
    assert_eq!(take_all(&slots, 2)[0].record.networks().collect::<Vec<_>>(), ["10.0.0.0/24"]);
}

#[test]
fn samples_come_out_as_they_went_in_and_are_bounded() {
    let slots = on_heap(8);
    let sample = |number: u32| Sample {
        database: DATABASE + number % 2,
        role: 10,
        session_role: u32::MAX - number,
        token: (number != 3).then_some([7; 16]),
        verdict: Verdict::ALL[number as usize % 12],
        at: i64::from(number),
        client: Some(Address::of("::1".parse().unwrap())),
        correlation: [9; 16],
        label: [number as u8; LABEL],
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
