//! Wakes the launcher when memory fills, so that a worker comes before its time.

use std::sync::atomic::Ordering::{AcqRel, Relaxed, Release};

use super::slots::Slots;
use crate::pg::process::latch;

/// Wakes the launcher if so much waits that it must be written soon: once, until the launcher has looked.
pub fn launcher_if_filling(slots: Slots<'_>) {
    if slots.is_filling() && slots.header.is_woken.load(Relaxed) == 0 && slots.header.is_woken.swap(1, AcqRel) == 0 {
        latch::set(slots.header.launcher.load(Relaxed));
    }
}

/// Wakes the launcher, to which there is something new.
pub fn launcher(slots: Slots<'_>) {
    latch::set(slots.header.launcher.load(Relaxed));
}

/// Makes this process the launcher that is woken.
pub fn receive(slots: Slots<'_>) {
    slots.header.launcher.store(latch::own(), Relaxed);
}

/// Called by the launcher before it looks, so that whatever comes while it does wakes it again.
pub fn look(slots: Slots<'_>) {
    slots.header.is_woken.store(0, Release);
}
