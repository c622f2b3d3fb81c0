//! Whether a lock is still held, and what was read under it still true.

use crate::pg::scan::invalidation;
use crate::pg::transaction::xact;

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
