//! How far the worker of a subscription has come, and what it has applied.
//!
//! It asks the primary for what follows the last commit that it has applied, by its place in the primary's WAL. A
//! server that was a standby when the primary before it was lost may not have come so far: at the places in between it
//! writes something else, of which the worker never hears. And the primary sends nothing that it believes to be applied
//! here: what a reader had applied, and lost when it was put back to an earlier state, never comes again.

use std::cell::RefCell;
use std::collections::VecDeque;

use pgrx::pg_sys;

use crate::pg::process::backend_local::backend_local;
use crate::pg::process::background_worker;

/// How many commits are remembered: more than a beat tells of.
const MOST: usize = 16_384;

backend_local! {
    /// What the worker of a subscription has applied; `None` in any other process.
    static APPLIED: RefCell<Option<Applied>> = const { RefCell::new(None) };
}

/// The ends of commits, as places in the primary's WAL.
struct Applied {
    /// The last that had been applied when the worker began.
    began_at: u64,
    /// The last that this process was to apply, or found applied.
    last: u64,
    /// What ended up to here was applied, or cannot be known.
    known_after: u64,
    /// Later ones that have changed rows which verification reads.
    ends: VecDeque<u64>,
}

impl Applied {
    fn from(progress: u64) -> Self {
        Applied { began_at: progress, last: progress, known_after: progress, ends: VecDeque::new() }
    }

    /// Another worker of the subscription, which applies large transactions beside this one, has come so far.
    fn catch_up(&mut self, progress: u64) {
        if progress > self.last {
            self.last = progress;
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.known_after = self.last;
        self.ends.clear();
    }

    fn push(&mut self, end: u64) {
        if self.ends.len() == MOST {
            self.known_after = self.ends.pop_front().unwrap_or(end);
        }
        // In a commit nothing may fail.
        match self.ends.try_reserve(1) {
            Ok(()) => self.ends.push_back(end),
            Err(_) => self.known_after = end,
        }
    }

    fn missing(&self, told: &[u64]) -> Option<u64> {
        let is_missing = |end: &&u64| **end > self.known_after && self.ends.binary_search(end).is_err();
        told.iter().find(is_missing).copied()
    }
}

/// Notes how far the worker has come. To be called before each commit: the first of such a worker comes before it has
/// applied anything.
pub(super) fn note() {
    // SAFETY: reads variables of this process.
    let (has_origin, end) = unsafe { (pg_sys::replorigin_session_origin != 0, pg_sys::replorigin_session_origin_lsn) };
    if !has_origin || !background_worker::is_applying() {
        return;
    }
    // SAFETY: a worker has set up the progress of its origin before it sets the variable; reads it under a lock.
    let progress = unsafe { pg_sys::replorigin_session_get_progress(false) };
    APPLIED.with_borrow_mut(|applied| {
        let applied = applied.get_or_insert_with(|| Applied::from(progress));
        applied.catch_up(progress);
        applied.last = applied.last.max(end);
    });
}

/// Notes that the commit which has just ended has changed rows that verification reads.
pub(super) fn note_applied() {
    // SAFETY: reads a variable of this process.
    let end = unsafe { pg_sys::replorigin_session_origin_lsn };
    APPLIED.with_borrow_mut(|applied| applied.iter_mut().for_each(|applied| applied.push(end)));
}

/// The end of the last commit that had been applied when this worker began; `None` in any other process.
pub fn began_at() -> Option<u64> {
    APPLIED.with_borrow(|applied| applied.as_ref().map(|applied| applied.began_at))
}

/// The first of these commits of the primary that this database has not applied, as far as can be known. Each has
/// changed rows that verification reads, and ended before what is applied now. Up to `copied_until`, tables were
/// copied.
pub fn missing(told: &[u64], copied_until: u64) -> Option<u64> {
    APPLIED.with_borrow_mut(|applied| {
        let applied = applied.as_mut()?;
        applied.known_after = applied.known_after.max(copied_until);
        applied.missing(told)
    })
}

/// From here on what was applied until now cannot be known: not all tables follow yet.
pub fn forget() {
    APPLIED.with_borrow_mut(|applied| applied.iter_mut().for_each(Applied::forget));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_applied_since_the_worker_began_is_missing() {
        let mut applied = Applied::from(100);
        applied.push(110);
        applied.push(130);
        assert_eq!(applied.missing(&[90, 100, 110, 130]), None);
        assert_eq!(applied.missing(&[90, 110, 120, 130]), Some(120), "it was skipped");
        assert_eq!(Applied::from(100).missing(&[101]), Some(101), "it was applied, and lost");
    }

    #[test]
    fn what_another_worker_has_applied_is_not_missing() {
        let mut applied = Applied::from(100);
        applied.last = 110;
        applied.catch_up(105);
        assert_eq!(applied.missing(&[105]), Some(105));
        applied.catch_up(120);
        assert_eq!(applied.missing(&[105, 120]), None);
        assert_eq!(applied.missing(&[121]), Some(121));
    }

    #[test]
    fn it_remembers_the_last_and_takes_earlier_ones_for_applied() {
        let mut applied = Applied::from(0);
        (1..=2 * MOST as u64).for_each(|end| applied.push(2 * end));
        let last = 4 * MOST as u64;
        assert_eq!(applied.missing(&[3, last]), None);
        assert_eq!(applied.missing(&[last - 1]), Some(last - 1));
        assert!(applied.ends.len() <= MOST);
    }
}
