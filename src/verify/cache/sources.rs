//! The rows that a cached value came from, and whether it still agrees with them.

use std::cell::Cell;

use crate::pg::scan::invalidation;
use crate::pg::scan::row_key::RowKey;

/// So many rows, as they were read in one generation.
pub struct Sources<const ROWS: usize> {
    rows: [RowKey; ROWS],
    /// The last generation in which none of them was known to have changed.
    agreed: Cell<u64>,
}

impl<const ROWS: usize> Sources<ROWS> {
    /// Those of nothing.
    pub const fn none() -> Self {
        Sources { rows: [RowKey::NONE; ROWS], agreed: Cell::new(0) }
    }

    /// These rows, as they were in this generation.
    pub fn new(rows: [RowKey; ROWS], generation: u64) -> Self {
        Sources { rows, agreed: Cell::new(generation) }
    }

    /// Whether none of them has changed until this generation. Those that no longer agree never will again.
    #[inline]
    pub fn are_unchanged(&self, generation: u64) -> bool {
        let agreed = self.agreed.get();
        agreed == generation || self.compare(agreed, generation)
    }

    fn compare(&self, agreed: u64, generation: u64) -> bool {
        let are_unchanged = !invalidation::has_any_changed(&self.rows, agreed);
        if are_unchanged {
            self.agreed.set(generation);
        }
        are_unchanged
    }
}
