//! The latest commits that have changed rows which verification reads, until the next beat has told readers of them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::flag::Flag;
use super::slot::Word;

/// How many are kept, of all databases together. A beat comes every two seconds.
pub const MOST: usize = 4096;

/// The last of them.
#[repr(C)]
pub struct Changes {
    flag: Flag,
    /// How many there have been.
    count: AtomicU64,
    /// For each its database, and where it ends in the WAL.
    all: [[Word; 2]; MOST],
}

impl Changes {
    /// Notes a commit.
    pub fn note(&self, database: u32, end: u64) {
        let Some(_held) = self.flag.hold() else {
            // As if so many had come that none is known any more: a list that lacks one must not pass for whole.
            self.count.fetch_add(MOST as u64 + 1, Relaxed);
            return;
        };
        let number = self.count.fetch_add(1, Relaxed);
        let [of, at] = &self.all[number as usize % MOST];
        of.set(database.into());
        at.set(end);
    }

    /// Where the commits of this database end that came after so many, and how many have come; `None` if not all of
    /// them are known any more.
    pub fn since(&self, database: u32, after: u64) -> (Option<Vec<u64>>, u64) {
        // Nothing is allocated under the flag.
        let mut ends = Vec::with_capacity(MOST);
        let Some(_held) = self.flag.hold() else { return (None, after) };
        let count = self.count.load(Relaxed);
        if count - after > MOST as u64 {
            return (None, count);
        }
        let of_database = |number: u64| {
            let [of, at] = &self.all[number as usize % MOST];
            (of.get() == u64::from(database)).then(|| at.get())
        };
        ends.extend((after..count).filter_map(of_database));
        (Some(ends), count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::process::shared_memory;

    #[test]
    fn each_database_is_told_of_its_own_commits_once() {
        let changes = &shared_memory::on_heap(8).header.changes;
        assert_eq!(changes.since(1, 0), (Some(vec![]), 0));
        changes.note(1, 100);
        changes.note(2, 200);
        changes.note(1, 300);
        assert_eq!(changes.since(1, 0), (Some(vec![100, 300]), 3));
        assert_eq!(changes.since(2, 0), (Some(vec![200]), 3));
        changes.note(1, 400);
        assert_eq!(changes.since(1, 3), (Some(vec![400]), 4));
    }

    #[test]
    fn a_list_that_lacks_one_is_none() {
        let changes = &shared_memory::on_heap(8).header.changes;
        (1..=MOST as u64).for_each(|end| changes.note(1, end));
        assert_eq!(changes.since(1, 0).0.map(|ends| ends.len()), Some(MOST));
        changes.note(1, 0);
        assert_eq!(changes.since(1, 0), (None, MOST as u64 + 1));
        assert_eq!(changes.since(1, 1).0.map(|ends| ends.len()), Some(MOST));
    }
}
