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
