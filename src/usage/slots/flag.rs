//! A spinlock in shared memory, held for a few dozen instructions.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU32, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use std::thread;
use std::time::{Duration, Instant};

use crate::pg::process::hold_times::Hold;

/// How long to wait for a flag. A holder that was preempted is running again long before.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// A lock that one process at a time holds; zero is free.
#[derive(Default)]
#[repr(transparent)]
pub struct Flag(AtomicU32);

/// Releases the flag on drop.
pub struct FlagGuard<'a> {
    flag: &'a Flag,
    hold: Hold,
}

impl Flag {
    /// Takes the flag, waiting until it is free; `None` after [`PATIENCE`].
    #[inline]
    #[track_caller]
    pub fn hold(&self) -> Option<FlagGuard<'_>> {
        if self.try_take() || self.wait() { Some(FlagGuard { flag: self, hold: Hold::begin() }) } else { None }
    }

    #[inline]
    fn try_take(&self) -> bool {
        self.0.compare_exchange_weak(0, 1, Acquire, Relaxed).is_ok()
    }

    /// Waits for it and takes it; false after [`PATIENCE`].
    #[cold]
    fn wait(&self) -> bool {
        for _ in 0..100 {
            spin_loop();
            if self.0.load(Relaxed) == 0 && self.try_take() {
                return true;
            }
        }
        let start = Instant::now();
        for turn in 0u32.. {
            // The holder may need this processor.
            if turn < 100 {
                thread::yield_now()
            } else {
                thread::sleep(Duration::from_micros(200))
            }
            if self.0.load(Relaxed) == 0 && self.try_take() {
                return true;
            }
            if start.elapsed() > PATIENCE {
                break;
            }
        }
        false
    }
}

impl Drop for FlagGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.flag.0.store(0, Release);
        self.hold.end();
    }
}
