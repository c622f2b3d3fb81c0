//! Chance that is the same in every run, and how much of it.

use std::thread::sleep;
use std::time::Duration;

/// `long` with `TOKENAUTH_SOAK` in the environment, as `make soak` sets it, `short` otherwise.
#[must_use]
pub fn rounds(short: u32, long: u32) -> u32 {
    if std::env::var_os("TOKENAUTH_SOAK").is_some() { long } else { short }
}

/// xorshift64*: what is drawn is to differ, not to be secret.
pub struct Random(u64);

impl Random {
    /// Seeds that are near each other draw nothing alike.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// One of the numbers from 0 up to, and not including, `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }

    /// One of the places of something with this length.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("a place is an index")
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.index(from.len())]
    }

    /// A pause of less than this, often none: which of two calls comes first is to be open.
    pub fn jitter(&mut self, micros: u64) {
        if self.below(3) > 0 {
            sleep(Duration::from_micros(self.below(micros)));
        }
    }
}
