//! Whether locks are still held that a transaction has taken.

use super::xact;

/// A moment of this backend. In every moment that equals it the locks are still held that were held then.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct LocksHeld {
    /// How many transactions had ended: a lock lasts as long as its transaction.
    ended: u64,
    /// How many had been rolled back, savepoints included, which give back the locks taken since.
    rollbacks: u64,
}

impl LocksHeld {
    /// This moment.
    pub fn now() -> Self {
        LocksHeld { ended: xact::ended(), rollbacks: xact::rollbacks() }
    }

    /// Whether both moments are of one transaction, whatever was rolled back between them.
    pub fn is_of_transaction_of(self, other: LocksHeld) -> bool {
        self.ended == other.ended
    }
}
