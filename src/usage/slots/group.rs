//! Slots under one flag.

use std::array;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::flag::{Flag, FlagGuard};
use super::slot::{Slot, UsageKey};
use crate::pg::process::prefetch::prefetch;

/// Slots under one flag, of which a token may have any.
#[repr(C, align(64))]
pub struct Group<const N: usize> {
    flag: Flag,
    /// Some bits of the key of each slot; 0 if it is free. They lie beside the flag, so that a search touches few cache
    /// lines.
    tags: [AtomicU32; N],
    slots: [Slot; N],
}

impl<const N: usize> Group<N> {
    /// Asks for what a search and a count in it will read, before it is needed.
    #[inline]
    pub fn prefetch(&self) {
        prefetch(&self.flag);
        self.tags.iter().skip(15).step_by(16).for_each(prefetch);
    }

    /// Asks for the beginning of a slot.
    #[inline]
    pub fn prefetch_slot(&self, at: usize) {
        prefetch(&self.slots[at % N]);
    }

    /// Takes the flag; `None` if its holder does not release it for too long.
    #[inline]
    #[track_caller]
    pub fn hold(&self) -> Option<FlagGuard<'_>> {
        self.flag.hold()
    }

    /// Whether a token with this tag may be among them. May be asked without the flag.
    pub fn may_have(&self, tag: u32) -> bool {
        self.tags.iter().any(|at| at.load(Relaxed) == tag)
    }

    /// The place of a token.
    #[inline]
    pub fn find(&self, key: &UsageKey, tag: u32) -> Option<usize> {
        (0..N).find(|&at| self.tags[at].load(Relaxed) == tag && self.slots[at].is(key))
    }

    /// A place that no token has; this one if it is free.
    pub fn free(&self, preferred: usize) -> Option<usize> {
        (preferred..preferred + N).map(|at| at % N).find(|&at| self.tags[at].load(Relaxed) == 0)
    }

    /// The slot at a place.
    #[inline]
    pub fn slot(&self, at: usize) -> &Slot {
        &self.slots[at]
    }

    /// Gives the place to a token with this tag, which the caller writes into its slot.
    pub fn occupy(&self, at: usize, tag: u32) {
        self.tags[at].store(tag, Relaxed);
    }

    /// Frees a place.
    pub fn vacate(&self, at: usize) {
        self.tags[at].store(0, Relaxed);
    }

    /// The places that tokens have.
    pub fn occupied(&self) -> impl Iterator<Item = usize> + Clone {
        (0..N).filter(|&at| self.tags[at].load(Relaxed) != 0)
    }

    /// Of the occupied places whose slots are such, that of the token that was presented longest ago.
    pub fn longest_idle(&self, now: i64, is_such: impl Fn(&Slot) -> bool) -> Option<usize> {
        self.occupied().filter(|&at| is_such(&self.slots[at])).max_by_key(|&at| self.slots[at].idle(now))
    }

    /// What `read` returns for each place, `None` for free ones.
    pub fn map<T>(&self, mut read: impl FnMut(&Slot) -> Option<T>) -> [Option<T>; N] {
        array::from_fn(|at| if self.tags[at].load(Relaxed) == 0 { None } else { read(&self.slots[at]) })
    }
}
