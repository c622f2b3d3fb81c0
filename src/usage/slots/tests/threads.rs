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
