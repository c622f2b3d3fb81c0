//! Uses that are kept over a stop.
//!
//! They are put back as batches of the memory that kept them, in open flights that wait to be written under its number.
//! Which use is in which batch depends on what was saved alone. So each is written once, however often a server reads
//! the same file before its content is in the tables: a batch that the tables have is not added again.
//!
//! A server that stops before all of these batches are written saves them as they are. What was counted since waits
//! with them, in no batch of its own, and nothing but these batches is written until they are and the file is gone.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering::Relaxed;

use super::database::OpenBatch;
use super::slot::{Slot, WORDS, Word};
use super::{Slots, halves, whole};

/// How many tokens a batch has at most.
const BATCH: usize = 5000;

/// The batches that were put back.
#[repr(C)]
pub struct Kept {
    words: [Word; 4],
    has_rest: Word,
}

/// Batches of one memory.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Numbers {
    /// The memory.
    pub node: [u8; 16],
    /// The number of the first one.
    pub first: u64,
    /// The number after that of the last one.
    pub end: u64,
}

/// What is saved at a stop.
#[derive(Default, PartialEq, Eq, Debug)]
pub struct Saved {
    /// The memory that it is of.
    pub node: [u8; 16],
    /// The number of its last batch.
    pub last_batch: u64,
    /// Batches of an earlier memory that are not known to be written.
    pub kept: Numbers,
    /// Records, in the order of their keys.
    pub slots: Vec<[u64; WORDS]>,
}

impl Numbers {
    fn contains(&self, number: u64) -> bool {
        (self.first..self.end).contains(&number)
    }
}

impl Kept {
    fn numbers(&self) -> Numbers {
        let [high, low, first, end] = [0, 1, 2, 3].map(|word: usize| self.words[word].get());
        Numbers { node: whole(high, low), first, end }
    }

    fn set(&self, Numbers { node, first, end }: Numbers) {
        let (high, low) = halves(node);
        self.words.iter().zip([high, low, first, end]).for_each(|(word, value)| word.set(value));
    }
}

impl Slots<'_> {
    /// Saves what no table has for certain, when no other process uses the memory any more.
    pub fn save(&self) -> Saved {
        let handed_out: Vec<_> =
            self.header.databases.each().filter_map(|found| Some((found.oid(), found.open()?.batch))).collect();
        let kept = self.header.kept.numbers();
        let mut records = Vec::new();
        self.each(|slot| {
            let is_out = |batch: u64| kept.contains(batch) || handed_out.contains(&(slot.database(), batch));
            // The worker that had taken it has ended without a commit.
            if let Some(batch) = slot.open_flight().filter(|&batch| !is_out(batch)) {
                slot.give_back(batch);
            }
            // The next memory has another number, so the batch would seem unwritten and its uses would count twice.
            slot.forget_settled();
            if slot.has_unwritten() {
                records.push((slot.key(), slot.words()));
            }
        });
        records.sort_unstable_by_key(|(key, _)| (key.database, key.token));
        Saved {
            node: self.node(),
            last_batch: self.last_batch(),
            kept: if self.kept(None).is_empty() { Numbers::default() } else { kept },
            slots: records.into_iter().map(|(_, words)| words).collect(),
        }
    }

    /// Puts back what was saved. Returns for how many uses there was no room.
    pub fn restore(&self, saved: &Saved, now: i64) -> u64 {
        let dropped = self.dropped();
        for words in &saved.slots {
            self.put_back(&Slot::of_words(*words), now);
        }
        let mut numbers = saved.kept;
        if numbers == Numbers::default() {
            numbers = Numbers { node: saved.node, first: saved.last_batch + 1, end: saved.last_batch + 1 };
            let keys: Vec<_> = saved.slots.iter().map(|words| Slot::of_words(*words).key()).collect();
            for batch in keys.chunk_by(|one, next| one.database == next.database).flat_map(|same| same.chunks(BATCH)) {
                for key in batch {
                    // What was handed out to be brought in elsewhere stays out, and what was used since waits.
                    let departed = self.with_record(key, |slot| slot.depart(numbers.end).is_some());
                    self.header.waiting.fetch_sub(i64::from(departed == Some(true)), Relaxed);
                }
                numbers.end += 1;
            }
        }
        self.header.kept.set(numbers);
        self.header.kept.has_rest.set(u64::from(self.header.waiting.load(Relaxed) > 0));
        self.continue_after(numbers.end.max(saved.last_batch));
        self.dropped() - dropped
    }

    fn put_back(&self, saved: &Slot, now: i64) {
        let waits = self.with_slot(&saved.key(), now, |slot| {
            let waited = slot.is_waiting();
            if slot.has_unwritten() {
                slot.absorb(saved)
            } else {
                slot.copy(saved)
            }
            !waited && slot.is_waiting()
        });
        match waits {
            Some(waits) => _ = self.header.waiting.fetch_add(i64::from(waits), Relaxed),
            None => _ = self.header.dropped.fetch_add(saved.waiting_uses(), Relaxed),
        }
    }

    /// The batch with this number, and the memory that it is of.
    pub fn batch(&self, number: u64) -> OpenBatch {
        let kept = self.header.kept.numbers();
        OpenBatch { node: if kept.contains(number) { kept.node } else { self.node() }, batch: number }
    }

    /// The batches of a database that were put back and are not in the tables yet, or all databases' if `None`.
    pub fn kept(&self, database: Option<u32>) -> Vec<u64> {
        let kept = self.header.kept.numbers();
        if kept.first == kept.end {
            return Vec::new();
        }
        let found = self.gather(|slot| {
            let number = slot.open_flight().filter(|&number| kept.contains(number))?;
            database.is_none_or(|database| slot.database() == database).then_some(number)
        });
        found.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Whether a batch that was put back is one of a reader, from which the primary fetches it.
    pub fn is_kept_for_a_primary(&self) -> bool {
        self.header.databases.each().any(|found| found.is_reader() && !self.kept(Some(found.oid())).is_empty())
    }

    /// Whether uses have been put back that are in no batch. While the file is there, they must not be written: a
    /// server that crashes would read and write them again.
    pub fn has_rest(&self) -> bool {
        self.header.kept.has_rest.get() != 0
    }

    /// Records that the file is gone.
    pub fn release_rest(&self) {
        self.header.kept.has_rest.set(0);
    }
}
