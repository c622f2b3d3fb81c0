//! The bits of a key by which its record is found: the set, the way that it prefers there, the pages of the overflow,
//! and a tag that tells it from most others there.

use super::WAYS;
use super::slot::UsageKey;

/// Those of one key.
#[derive(Clone, Copy)]
pub(super) struct Tagged {
    pub hash: u64,
    /// Never 0, which marks a free slot.
    pub tag: u32,
}

impl Tagged {
    #[inline]
    pub fn of(key: &UsageKey) -> Self {
        let hash = key.hash();
        Tagged { hash, tag: hash as u32 | 1 }
    }

    /// The way that its record has in its set if that is free when it comes.
    #[inline]
    pub fn way(self) -> usize {
        (self.hash as u32 >> 29) as usize % WAYS
    }
}
