//! A spinlock in shared memory, held for a few dozen instructions.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU32, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use std::thread;
use std::time::{Duration, Instant};

/// How long to wait for a flag. A holder that was preempted is running again long before.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// A lock that one process at a time holds; zero is free.
#[derive(Default)]
#[repr(transparent)]
pub struct Flag(AtomicU32);

/// Releases the flag on drop.
pub struct FlagGuard<'a> {
    flag: &'a Flag,
    #[cfg(test)]
    since: Instant,
}

impl<'a> FlagGuard<'a> {
    #[inline]
    fn of(flag: &'a Flag) -> Self {
        FlagGuard {
            flag,
            #[cfg(test)]
            since: Instant::now(),
        }
    }
}

#[cfg(test)]
thread_local! {
    /// For how long this thread has held flags, in nanoseconds, if that is measured.
    pub static HELD: std::cell::RefCell<Option<Vec<u64>>> = const { std::cell::RefCell::new(None) };
}

impl Flag {
    /// Takes the flag, waiting until it is free; `None` after [`PATIENCE`].
    #[inline]
    pub fn hold(&self) -> Option<FlagGuard<'_>> {
        if self.try_take() { Some(FlagGuard::of(self)) } else { self.wait() }
    }

    #[inline]
    fn try_take(&self) -> bool {
        self.0.compare_exchange_weak(0, 1, Acquire, Relaxed).is_ok()
    }

    #[cold]
    fn wait(&self) -> Option<FlagGuard<'_>> {
        for _ in 0..100 {
            spin_loop();
            if self.0.load(Relaxed) == 0 && self.try_take() {
                return Some(FlagGuard::of(self));
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
                return Some(FlagGuard::of(self));
            }
            if start.elapsed() > PATIENCE {
                break;
            }
        }
        None
    }
}

impl Drop for FlagGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.flag.0.store(0, Release);
        #[cfg(test)]
        HELD.with_borrow_mut(|held| {
            if let Some(held) = held {
                held.push(u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX));
            }
        });
    }
}
