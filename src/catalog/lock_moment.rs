//! Whether a lock is still held, and what was read under it still true.

use std::collections::HashMap;

use crate::pg::scan::invalidation;
use crate::pg::transaction::xact;
use crate::pg::types::text::Text;

/// A moment in which rows were locked. In every moment that equals it the locks are still held, and the rows are as
/// they were: others cannot change them, and a change of this transaction's own moves the generation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LockMoment {
    generation: u64,
    /// How many transactions had ended: a lock lasts as long as its transaction.
    ended: u64,
    /// How many had been rolled back, savepoints included, which give back the locks taken since.
    rollbacks: u64,
}

impl LockMoment {
    /// To be taken before the row is read: a change that commits later moves it.
    pub fn now() -> Self {
        LockMoment { generation: invalidation::generation(), ended: xact::ended(), rollbacks: xact::rollbacks() }
    }
}

/// What a transaction has read under locks that it holds, by name. One that issues or takes over many tokens need not
/// read it for each.
pub struct WhileLocked<V> {
    moment: Option<LockMoment>,
    values: Option<HashMap<Text, V>>,
}

impl<V> WhileLocked<V> {
    /// How many are known at most.
    const MOST: usize = 20_000;

    /// Nothing.
    pub const fn nothing() -> Self {
        WhileLocked { moment: None, values: None }
    }

    /// What is known by this name, if that is still true.
    pub fn get(&self, now: LockMoment, name: &[u8]) -> Option<&V> {
        self.values.as_ref().filter(|_| self.moment == Some(now))?.get(name)
    }

    /// Keeps what was read in this moment, but not the first thing: most transactions read no other.
    pub fn put(&mut self, now: LockMoment, name: impl FnOnce() -> Text, value: V) {
        if self.moment.replace(now) != Some(now) {
            self.values = None;
            return;
        }
        let values = self.values.get_or_insert_default();
        if values.len() >= Self::MOST {
            values.clear();
        }
        values.insert(name(), value);
    }
}
