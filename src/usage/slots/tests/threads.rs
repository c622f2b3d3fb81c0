//! Many threads at once, as the processes of a server.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::thread;

use super::*;

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
                slots.waiting(DATABASE).chunks(100).for_each(|tokens| slots.take(DATABASE, batch, tokens, &mut taken));
                if batch.is_multiple_of(3) {
                    slots.give_back(DATABASE, batch, &taken);
                } else {
                    slots.settle(DATABASE, batch, &taken);
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
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn uses_of_many_threads_are_each_taken_once(threads in 1u64..6, tokens in 1u64..9000, capacity in 8usize..200) {
        nothing_is_lost_or_counted_twice(threads, tokens, 20_000, capacity);
    }
}

/// How long a count takes while two threads count uses of one token, of which one at a time holds the flag of its set.
/// A measurement, for a release build on a quiet machine with two processors:
/// `cargo test --release --lib how_long_a_use_takes -- --ignored --nocapture`.
#[test]
#[ignore = "it measures"]
fn how_long_a_use_takes_beside_others() {
    const USES: usize = 2_000_000;
    let slots = on_heap(64);
    let mut times: Vec<u128> = thread::scope(|scope| {
        let count = || {
            (0..USES)
                .map(|_| {
                    let begun = std::time::Instant::now();
                    slots.count(&key(1), &valid(NOW));
                    begun.elapsed().as_nanos()
                })
                .collect::<Vec<_>>()
        };
        let threads = [scope.spawn(count), scope.spawn(count)];
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    times.sort_unstable();
    let part = |of_ten_thousand: usize| times[(times.len() - 1) / 10_000 * of_ten_thousand];
    println!("median {} ns, 99 % {} ns, 99.99 % {} ns", part(5_000), part(9_900), part(9_999));
    assert_eq!(slots.recent(&key(1)).record.requests, 2 * USES as u64);
}

/// For how long flags are held while eight threads count uses of more tokens than there are slots, from many networks
/// and under a rate, and another takes and settles batches. A measurement, as the one above.
#[test]
#[ignore = "it measures"]
fn how_long_flags_are_held() {
    use super::super::flag::HELD;
    const USES: u64 = 1_000_000;
    let slots = on_heap(65_536);
    let over = AtomicBool::new(false);
    let rate = Rate { limit: 1_000_000, interval: SECOND };
    let mut held: Vec<u64> = thread::scope(|scope| {
        let counters: Vec<_> = (0..8)
            .map(|thread| {
                scope.spawn(move || {
                    HELD.set(Some(Vec::with_capacity(4 * USES as usize)));
                    let mut state: u64 = thread + 1;
                    for turn in 0..USES {
                        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
                        let (key, at) = (key(state >> 33 & 0x1_FFFF), NOW + turn.cast_signed());
                        let _ = slots.admit(&key, rate, at);
                        slots.count(&key, &from(at, &format!("10.{}.{}.1", state >> 60, state >> 56 & 15)));
                    }
                    HELD.take().unwrap()
                })
            })
            .collect();
        scope.spawn(|| {
            while !over.load(Relaxed) {
                let (batch, mut taken) = (slots.next_batch(), Vec::new());
                slots.waiting(DATABASE).chunks(100).for_each(|tokens| slots.take(DATABASE, batch, tokens, &mut taken));
                slots.settle(DATABASE, batch, &taken);
            }
        });
        let held = counters.into_iter().flat_map(|counter| counter.join().unwrap()).collect();
        over.store(true, Relaxed);
        held
    });
    held.sort_unstable();
    let at = |part: f64| held[((held.len() - 1) as f64 * part) as usize];
    println!(
        "{} times: median {} ns, p99 {} ns, p99.99 {} ns, p99.999 {} ns, most {} ns",
        held.len(),
        at(0.5),
        at(0.99),
        at(0.9999),
        at(0.99999),
        at(1.0)
    );
}
