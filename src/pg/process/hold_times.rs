//! Measures for how long processes hold the flags of shared memory.
//!
//! Only libraries that were built with the feature `hold_times` do (`scripts/bench-holds`), and no package is:
//! elsewhere a hold is nothing, and the histogram has no bytes. `SHOW tokenauth.hold_times` writes the histogram of the
//! whole server since its start: a line for each place and length, `FILE NANOSECONDS HOLDS`, with the file whose code
//! has taken the flag, and the length that all of these holds were below.

#[cfg(feature = "hold_times")]
pub use measured::{Hold, HoldTimes, define};
#[cfg(not(feature = "hold_times"))]
pub use unmeasured::{Hold, HoldTimes, define};

#[cfg(not(feature = "hold_times"))]
mod unmeasured {
    /// A flag that is held.
    pub struct Hold;

    impl Hold {
        /// The flag has just been taken.
        #[inline(always)]
        pub fn begin() -> Self {
            Hold
        }

        /// The flag has just been released.
        #[inline(always)]
        pub fn end(&self) {}
    }

    /// The histogram of a server.
    #[repr(C)]
    pub struct HoldTimes;

    /// Defines the setting, once, from `_PG_init`.
    pub fn define() {}
}

#[cfg(feature = "hold_times")]
mod measured {
    use std::cell::RefCell;
    use std::ffi::{CString, c_char};
    use std::fmt::Write as _;
    use std::panic::Location;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    use std::time::Instant;

    use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
    use pgrx::pg_guard;

    use crate::pg::process::backend_local::backend_local;
    use crate::pg::process::shared_memory;

    static HOLD_TIMES: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);

    /// Whose code takes flags.
    const FILES: [&str; 6] =
        ["slots.rs", "overflow.rs", "batches.rs", "samples.rs", "database.rs", "usage_transfer.rs"];

    /// Four lengths for each power of two, up to the largest number.
    const LENGTHS: usize = 4 * 64;

    #[repr(C)]
    pub struct HoldTimes([[AtomicU64; LENGTHS]; FILES.len()]);

    pub struct Hold {
        since: Instant,
        by: &'static Location<'static>,
    }

    impl Hold {
        #[inline]
        #[track_caller]
        pub fn begin() -> Self {
            Hold { by: Location::caller(), since: Instant::now() }
        }

        #[inline]
        pub fn end(&self) {
            let took = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
            if let Some(slots) = shared_memory::slots() {
                slots.header.hold_times.note(self.by.file(), took);
            }
        }
    }

    impl HoldTimes {
        fn note(&self, by: &str, took: u64) {
            let file = FILES.iter().position(|file| by.ends_with(file)).expect("flags are taken in these files");
            self.0[file][length(took)].fetch_add(1, Relaxed);
        }
    }

    /// By its highest binary digit and the two that follow.
    fn length(nanoseconds: u64) -> usize {
        let nanoseconds = nanoseconds.max(4);
        let power = nanoseconds.ilog2() as usize;
        power * 4 + (nanoseconds >> (power - 2)) as usize % 4
    }

    /// What everything of this length is below.
    fn end_of(length: usize) -> u128 {
        ((5 + length as u128 % 4) << (length / 4)) / 4
    }

    backend_local! {
        /// The text as it was shown last, zero-terminated.
        static SHOWN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }

    pub fn define() {
        // SAFETY: the hook is a static, guarded function.
        unsafe {
            GucRegistry::define_string_guc_with_hooks(
                c"tokenauth.hold_times",
                c"Shows for how long flags of shared memory were held.",
                c"Setting it changes nothing.",
                &HOLD_TIMES,
                GucContext::Userset,
                GucFlags::NO_SHOW_ALL,
                None,
                None,
                Some(shown),
            );
        }
    }

    #[pg_guard]
    unsafe extern "C-unwind" fn shown() -> *const c_char {
        let mut text = String::new();
        for (file, lengths) in
            shared_memory::slots().iter().flat_map(|slots| FILES.iter().zip(&slots.header.hold_times.0))
        {
            for (length, holds) in lengths.iter().enumerate().filter(|(_, holds)| holds.load(Relaxed) > 0) {
                let _ = writeln!(text, "{file} {} {}", end_of(length), holds.load(Relaxed));
            }
        }
        text.push('\0');
        SHOWN.set(text.into_bytes());
        SHOWN.with_borrow(|text| text.as_ptr().cast())
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_length_is_below_its_end_and_not_below_that_of_the_one_before() {
            for nanoseconds in (4..10_000).chain([49_151, 49_152, u64::MAX - 1, u64::MAX]) {
                let length = length(nanoseconds);
                assert!(u128::from(nanoseconds) < end_of(length), "{nanoseconds}");
                assert!(length == 8 || u128::from(nanoseconds) >= end_of(length - 1), "{nanoseconds}");
            }
        }
    }
}
