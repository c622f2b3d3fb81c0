//! Random histories against a model that has room for everything.

use std::collections::HashMap;

use super::*;

/// What happens to the memory.
#[derive(Clone, Debug)]
enum Step {
    /// A token is presented: its number, and whether it is valid.
    Use(u64, bool),
    /// So many other tokens are, each once, from this number on.
    Flood(u64, u64),
    /// A batch takes what waits.
    Take,
    /// The last batch commits, fails, or never comes back.
    Commit,
    Abort,
    Vanish,
    /// The server stops cleanly and starts again, once or, since it crashes, twice.
    Restart(bool),
    Tidy,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (0u64..30, any::<bool>()).prop_map(|(number, valid)| Step::Use(number, valid)),
        2 => (1000u64..6000, 1u64..2000).prop_map(|(first, count)| Step::Flood(first, count)),
        3 => Just(Step::Take),
        2 => Just(Step::Commit),
        1 => Just(Step::Abort),
        1 => Just(Step::Vanish),
        1 => any::<bool>().prop_map(Step::Restart),
        1 => Just(Step::Tidy),
    ]
}

/// A server: its memory, its tables, and the clock.
struct Server {
    slots: Slots<'static>,
    /// The last batch of each memory that the tables have, and the uses of each token.
    arrived: HashMap<[u8; 16], u64>,
    written: HashMap<[u8; 16], u64>,
    flight: Option<(OpenBatch, Vec<Taken>)>,
    nodes: u8,
    now: i64,
    dropped: u64,
    capacity: usize,
}

impl Server {
    fn start(capacity: usize) -> Self {
        let slots = on_heap(capacity);
        let (arrived, written) = (HashMap::new(), HashMap::new());
        Server { slots, arrived, written, flight: None, nodes: 1, now: NOW, dropped: 0, capacity }
    }

    fn present(&mut self, number: u64, valid: bool) {
        self.now += 1;
        self.slots.count(&key(number), &Use { at: self.now, valid, client: None });
    }

    /// As the worker does: what was kept first, then, without the file, what waits.
    fn take(&mut self) {
        self.abort();
        let kept = self.slots.kept(Some(DATABASE)).first().map(|&number| self.slots.batch(number));
        self.flight = Some(match kept {
            Some(open) => (open, self.slots.departed(DATABASE, open.batch)),
            None => {
                let number = self.slots.next_batch();
                (OpenBatch { node: self.slots.node(), batch: number }, take_all(&self.slots, number))
            }
        });
    }

    /// The transaction commits: the tables have the batch, unless they had it already.
    fn write(&mut self) -> Option<(OpenBatch, Vec<Taken>)> {
        let (open, taken) = self.flight.take()?;
        let last = self.arrived.entry(open.node).or_default();
        if *last < open.batch {
            *last = open.batch;
            for Taken { token, record } in &taken {
                *self.written.entry(*token).or_default() += record.requests + record.denials;
            }
        }
        Some((open, taken))
    }

    fn commit(&mut self) {
        if let Some((open, taken)) = self.write() {
            self.slots.settle(DATABASE, open.batch, &taken);
        }
    }

    fn abort(&mut self) {
        if let Some((open, taken)) = self.flight.take()
            && open.node == self.slots.node()
        {
            self.slots.give_back(DATABASE, open.batch, &taken);
        }
    }

    /// A clean stop and a start, and `crashes` times a crash that only the tables survive.
    fn restart(&mut self, crashes: usize) {
        self.abort();
        let saved = self.slots.save();
        self.dropped += self.slots.dropped();
        for crash in 0..=crashes {
            self.nodes += 1;
            self.slots = on_heap(self.capacity);
            self.slots.begin([self.nodes; 16]);
            self.slots.restore(&saved, self.now);
            if crash < crashes && !self.slots.kept(None).is_empty() {
                self.take();
                self.write();
            }
        }
    }

    fn known(&self, token: &UsageKey) -> u64 {
        let recent = self.slots.recent(token);
        let flight = recent.flight.filter(|flight| {
            let open = self.slots.batch(flight.batch);
            self.arrived.get(&open.node).is_none_or(|last| *last < open.batch)
        });
        let in_flight = flight.map_or(0, |flight| flight.requests + flight.denials);
        let written = self.written.get(&token.token).copied().unwrap_or_default();
        recent.record.requests + recent.record.denials + in_flight + written
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever happens, a use is counted once or told as dropped; below capacity none is dropped, and each is seen for
    /// its token all the time.
    #[test]
    fn what_is_handed_out_is_what_was_counted(
        steps in proptest::collection::vec(step(), 1..40),
        capacity in prop_oneof![Just(8usize), 8usize..200, Just(12_000)],
    ) {
        let mut server = Server::start(capacity);
        let mut counted: HashMap<u64, u64> = HashMap::new();
        for step in steps {
            match step {
                Step::Use(number, valid) => {
                    server.present(number, valid);
                    *counted.entry(number).or_default() += 1;
                }
                Step::Flood(first, count) => (first..first + count).for_each(|number| {
                    server.present(number, true);
                    *counted.entry(number).or_default() += 1;
                }),
                Step::Take => server.take(),
                Step::Commit => server.commit(),
                Step::Abort => server.abort(),
                // The worker is gone, and the callback of its transaction came before.
                Step::Vanish => server.abort(),
                Step::Restart(crashes) => server.restart(usize::from(crashes)),
                Step::Tidy => server.slots.tidy(server.now),
            }
            let dropped = server.dropped + server.slots.dropped();
            let known: u64 = counted.keys().map(|&number| server.known(&key(number))).sum();
            prop_assert_eq!(known + dropped, counted.values().sum::<u64>());
            if capacity == 12_000 {
                prop_assert_eq!(dropped, 0);
                for (&number, &uses) in &counted {
                    prop_assert_eq!(server.known(&key(number)), uses);
                }
            }
        }
        server.abort();
        while !server.slots.kept(None).is_empty() {
            server.take();
            server.commit();
        }
        server.take();
        server.commit();
        let written: u64 = server.written.values().sum();
        prop_assert_eq!(written + server.dropped + server.slots.dropped(), counted.values().sum::<u64>());
        prop_assert_eq!(waiting(&server.slots), 0);
    }

    /// A token that is presented more often than any other loses neither uses nor its bucket.
    #[test]
    fn a_token_in_use_is_refused_beyond_its_rate(
        others in proptest::collection::vec(1u64..300, 1..20),
        flushes in proptest::collection::vec(any::<bool>(), 20),
    ) {
        let slots = least();
        let rate = Rate { limit: 2, interval: 3600 * SECOND };
        let (mut now, mut number, mut admitted) = (NOW, 1, 0);
        for (round, others) in others.iter().enumerate() {
            let accepted = slots.admit(&key(0), rate, now).is_ok();
            slots.count(&key(0), &Use { at: now, valid: accepted, client: None });
            admitted += u64::from(accepted);
            for _ in 0..*others {
                now += 1;
                number += 1;
                let _ = slots.admit(&key(number), rate, now);
                slots.count(&key(number), &valid(now));
            }
            if flushes[round] {
                let batch = slots.next_batch();
                slots.settle(DATABASE, batch, &take_all(&slots, batch));
                slots.tidy(now);
            }
        }
        prop_assert_eq!(admitted, (others.len() as u64).min(2));
    }
}
