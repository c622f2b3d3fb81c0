//! Whether a transaction has done something that was not rolled back with a part of it.

use std::cell::Cell;
use std::ffi::c_int;

use super::xact::nesting_level;

/// The shallowest nesting level at which this transaction has done something that was not rolled back; 0 if there is
/// none.
pub(super) struct Shallowest(Cell<c_int>);

impl Shallowest {
    pub const fn nowhere() -> Self {
        Shallowest(Cell::new(0))
    }

    pub fn is_somewhere(&self) -> bool {
        self.0.get() > 0
    }

    /// It was done at the current level.
    pub fn mark(&self) {
        let level = nesting_level();
        self.0.set(if self.is_somewhere() { self.0.get().min(level) } else { level });
    }

    /// What a committed subtransaction has done now belongs to its parent.
    pub fn merge(&self, level: c_int) {
        if self.0.get() == level {
            self.0.set(level - 1);
        }
    }

    /// What was done at this level and below is undone.
    pub fn undo_from(&self, level: c_int) {
        if self.0.get() >= level {
            self.0.set(0);
        }
    }
}
