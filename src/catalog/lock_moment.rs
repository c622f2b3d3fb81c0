//! Whether a lock is still held, and what was read under it still true.

use std::collections::HashMap;

use crate::pg::scan::invalidation;
use crate::pg::transaction::locks_held::LocksHeld;
use crate::pg::types::text::Text;

/// A moment in which rows were locked. In every moment that equals it the locks are still held, and the rows are as
/// they were: others cannot change them, and a change of this transaction's own moves the generation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LockMoment {
    generation: u64,
    locks: LocksHeld,
}

impl LockMoment {
    /// To be taken before the row is read: a change that commits later moves it.
    pub fn now() -> Self {
        LockMoment { generation: invalidation::generation(), locks: LocksHeld::now() }
    }
}

/// What a transaction has read under locks that it holds, by name. One that issues or takes over many tokens need not
/// read it for each.
pub struct WhileLocked<V> {
    moment: Option<LockMoment>,
    values: Option<HashMap<Text, V>>,
    /// About how many bytes they take.
    size: usize,
}

impl<V> WhileLocked<V> {
    /// How many bytes are kept at most: the owners of a migration, by the hundred thousand.
    const MOST: usize = 16 << 20;

    /// Nothing.
    pub const fn nothing() -> Self {
        WhileLocked { moment: None, values: None, size: 0 }
    }

    /// What is known by this name, if that is still true.
    pub fn get(&mut self, now: LockMoment, name: &[u8]) -> Option<&mut V> {
        self.values.as_mut().filter(|_| self.moment == Some(now))?.get_mut(name)
    }

    /// Keeps what was read in this moment and takes `beyond` bytes beyond itself, but not the first thing: most
    /// transactions read no other.
    pub fn put(&mut self, now: LockMoment, name: Text, value: V, beyond: usize) {
        if self.moment.replace(now) != Some(now) {
            (self.values, self.size) = (None, 0);
            return;
        }
        let values = self.values.get_or_insert_default();
        if self.size >= Self::MOST {
            // Every other one, in an order that nobody knows: in whatever order names come again, some are still known.
            let mut stays = false;
            values.retain(|_, _| {
                stays = !stays;
                stays
            });
            self.size /= 2;
        }
        self.size += size_of::<(Text, V)>() + name.as_bytes().len() + beyond;
        values.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(generation: u64) -> LockMoment {
        LockMoment { generation, locks: LocksHeld::default() }
    }

    fn name(number: usize) -> Text {
        Text::from(format!("user:{number}").as_str())
    }

    #[test]
    fn all_owners_of_a_large_migration_are_known() {
        let mut counts = WhileLocked::nothing();
        counts.put(moment(1), name(0), 0, 0);
        (0..200_000).for_each(|number| counts.put(moment(1), name(number), number, 0));
        assert!((0..200_000).all(|number| counts.get(moment(1), name(number).as_bytes()).copied() == Some(number)));
        assert!(counts.get(moment(2), name(1).as_bytes()).is_none());
    }

    #[test]
    fn what_is_large_is_known_in_part_and_within_bounds() {
        const LARGE: usize = 1 << 20;
        let mut owners = WhileLocked::nothing();
        for round in 0..3 {
            let known = (0..20).filter(|&number| owners.get(moment(1), name(number).as_bytes()).is_some()).count();
            assert_eq!(known > 0, round > 0);
            for number in (0..20).map(name) {
                if owners.get(moment(1), number.as_bytes()).is_none() {
                    owners.put(moment(1), number, vec![0_u8; LARGE], LARGE);
                }
                let held: usize = owners.values.iter().flat_map(HashMap::values).map(Vec::len).sum();
                assert!(held <= WhileLocked::<Vec<u8>>::MOST + 2 * LARGE);
            }
        }
    }
}
