//! Batches: uses that are taken, written or handed out, and settled or given back.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use super::group::Group;
use super::record::{Missed, Record};
use super::slot::{Slot, UsageKey};
use super::{Recent, SlotSet, Slots};

/// The uses of one token that a batch has taken.
pub struct Taken {
    pub token: [u8; 16],
    /// Its uses.
    pub record: Record,
}

impl Slots<'_> {
    /// What this memory knows of the uses of every token of a database that it knows, in the order of tokens.
    pub fn all_recent(&self, database: u32) -> Vec<([u8; 16], Recent)> {
        let mut all = self.gather(|slot| {
            let mut recent = Recent::default();
            of(slot, database)?.add_to(&mut recent);
            Some((slot.key().token, recent))
        });
        all.sort_by_key(|(token, _)| *token);
        all.dedup_by_key(|(token, _)| *token);
        all
    }

    /// The tokens of a database whose uses a batch could take now, in their order: that of the tables' indexes, so that
    /// a flush visits each page once.
    pub fn waiting(&self, database: u32) -> Vec<[u8; 16]> {
        let mut waiting =
            self.gather(|slot| of(slot, database).filter(|slot| slot.can_depart()).map(|slot| slot.key().token));
        waiting.sort_unstable();
        waiting.dedup();
        waiting
    }

    /// Takes the uses of these tokens that wait into a batch.
    pub fn take(&self, database: u32, batch: u64, tokens: &[[u8; 16]], taken: &mut Vec<Taken>) {
        // Nothing may allocate under a flag.
        taken.reserve(tokens.len());
        let before = taken.len();
        for &token in tokens {
            let record = self.with_record(&UsageKey { database, token }, |slot| slot.depart(batch)).flatten();
            taken.extend(record.map(|record| Taken { token, record }));
        }
        self.header.waiting.fetch_sub((taken.len() - before) as i64, Relaxed);
    }

    /// What a batch has taken, while it is open.
    pub fn departed(&self, database: u32, batch: u64) -> Vec<Taken> {
        let mut departed = self.gather(|slot| {
            let record = of(slot, database)?.departed(batch)?;
            Some(Taken { token: slot.key().token, record })
        });
        departed.sort_unstable_by_key(|taken| taken.token);
        departed.dedup_by_key(|taken| taken.token);
        departed
    }

    /// Settles what the batch has taken: its transaction has committed.
    pub fn settle(&self, database: u32, batch: u64, taken: &[Taken]) {
        for &Taken { token, .. } in taken {
            self.with_record(&UsageKey { database, token }, |slot| slot.settle(batch));
        }
    }

    /// Gives back what the batch has taken: its transaction was rolled back.
    pub fn give_back(&self, database: u32, batch: u64, taken: &[Taken]) {
        for &Taken { token, .. } in taken {
            self.returning(&UsageKey { database, token }, |slot| slot.give_back(batch));
        }
    }

    /// Gives back what the batch has taken of a token without a row, unless that can have none any more. Returns
    /// whether it waits again.
    pub fn miss(&self, database: u32, batch: u64, token: [u8; 16], missed: Missed) -> bool {
        self.returning(&UsageKey { database, token }, |slot| slot.miss(batch, missed))
    }

    /// Acts on a record, so that its uses may wait again, and returns whether they do.
    fn returning(&self, key: &UsageKey, act: impl FnOnce(&Slot)) -> bool {
        let waits = self.with_record(key, |slot| {
            let waited = slot.is_waiting();
            act(slot);
            (waited, slot.is_waiting())
        });
        self.header.waiting.fetch_add(i64::from(waits == Some((false, true))), Relaxed);
        waits.is_some_and(|(_, waits)| waits)
    }

    /// Gives back all that a batch has taken which was handed out and can no longer arrive.
    pub fn take_back(&self, database: u32, batch: u64) {
        self.give_back(database, batch, &self.departed(database, batch));
    }

    /// Forgets all that a batch has taken which was handed out and has arrived.
    pub fn land(&self, database: u32, batch: u64) {
        self.gather(|slot| of(slot, database).map(|slot| slot.land(batch)));
    }

    /// Forgets all uses of a database that was dropped, or whose extension was.
    pub fn forget(&self, database: u32) {
        let waited = self.gather(|slot| {
            let waited = of(slot, database)?.is_waiting();
            slot.clear();
            waited.then_some(())
        });
        self.header.waiting.fetch_sub(waited.len() as i64, Relaxed);
    }

    /// Makes room in the overflow. Called when much was written.
    pub fn tidy(&self, now: i64) {
        self.overflow.tidy(now);
    }

    /// The database whose records wait in greatest number, of those that `is_such`.
    pub fn fullest(&self, is_such: impl Fn(u32) -> bool) -> Option<u32> {
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        for database in self.gather(|slot| slot.can_depart().then(|| slot.database())) {
            *counts.entry(database).or_default() += 1;
        }
        counts
            .into_iter()
            .filter(|&(database, _)| is_such(database))
            .max_by_key(|&(_, count)| count)
            .map(|found| found.0)
    }

    /// Calls `see` with each record, once, while no other process uses the memory.
    pub fn each(&self, mut see: impl FnMut(&Slot)) {
        fn all<const N: usize>(groups: &[Group<N>], see: &mut impl FnMut(&Slot)) {
            groups.iter().for_each(|group| group.occupied().for_each(|at| see(group.slot(at))));
        }
        all(self.sets, &mut see);
        all(self.overflow.pages(), &mut see);
    }

    /// Collects what `read` returns for records, which may be twice for the same record. Those that move between sets
    /// and overflow meanwhile are met in one of them, since the overflow is visited before and after the sets.
    pub(super) fn gather<T>(&self, read: impl Fn(&Slot) -> Option<T>) -> Vec<T> {
        fn collect<T, const N: usize>(groups: &[Group<N>], read: impl Fn(&Slot) -> Option<T>, found: &mut Vec<T>) {
            for group in groups {
                // Nothing may allocate under a flag.
                let read = group.hold().map(|_held| group.map(&read));
                found.extend(read.into_iter().flatten().flatten());
            }
        }
        let mut found = Vec::new();
        let pages = if self.header.occupied.load(Relaxed) > 0 { self.overflow.pages() } else { &[] };
        let sets: &[SlotSet] = self.sets;
        collect(pages, &read, &mut found);
        collect(sets, &read, &mut found);
        collect(self.overflow.pages(), &read, &mut found);
        found
    }
}

fn of(slot: &Slot, database: u32) -> Option<&Slot> {
    (slot.database() == database).then_some(slot)
}
