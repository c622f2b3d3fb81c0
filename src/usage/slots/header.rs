//! What the memory has besides the slots.

use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64};

use super::kept::Kept;
use super::{Databases, Samples, Word};
use crate::pg::process::hold_times::HoldTimes;

/// All of the memory but sets and pages.
#[repr(C, align(64))]
pub struct Header {
    /// A random number that tells batches of this memory from those of any other.
    pub node: [Word; 2],
    /// Where to wake the launcher; 0 while it does not run.
    pub launcher: AtomicU64,
    /// Whether it was woken since it last looked.
    pub is_woken: AtomicU32,
    /// What is known of the fence, which is `fence`'s matter.
    pub fence: AtomicU32,
    /// Whether the file may still be there that this memory was restored from.
    pub may_have_file: AtomicU32,
    pub(super) batch: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) evicted: AtomicU64,
    pub(super) masked: AtomicU64,
    /// How many records have uses that wait. Counted after they do, so it can be too low for a moment, even below 0.
    pub(super) waiting: AtomicI64,
    pub(super) occupied: AtomicU32,
    /// Batches of an earlier memory, kept over a stop.
    pub(super) kept: Kept,
    /// Databases with usage.
    pub databases: Databases,
    /// Denials that wait to become events.
    pub samples: Samples,
    /// For how long flags were held, where that is measured.
    pub hold_times: HoldTimes,
}
