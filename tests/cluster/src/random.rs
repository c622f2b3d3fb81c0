//! Randomness that is the same in every run, and how long random tests run.

use std::thread::sleep;
use std::time::Duration;

/// `long` if `TOKENAUTH_SOAK` is in the environment, which `make soak` sets; otherwise `short`.
#[must_use]
pub fn rounds(short: u32, long: u32) -> u32 {
    if std::env::var_os("TOKENAUTH_SOAK").is_some() { long } else { short }
}

/// A xorshift64* generator: its numbers must vary, but need not be secret.
pub struct Random(u64);

impl Random {
    /// Starts the generator; even neighbouring seeds give unrelated numbers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number from 0 up to, but not including, `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }

    /// An index into something of this length.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("a place is an index")
    }

    /// One of these values.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.index(from.len())]
    }

    /// Pauses for less than this, often not at all, so that either of two calls may come first.
    pub fn jitter(&mut self, micros: u64) {
        if self.below(3) > 0 {
            sleep(Duration::from_micros(self.below(micros)));
        }
    }
}
