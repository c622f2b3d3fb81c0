//! How often a token may be used.

/// At most so many in any such stretch of time, each token by itself.
///
/// Kept as the moment at which the bucket would be full again (the generic cell rate algorithm, ITU-T I.371): one word
/// holds what a token bucket keeps in two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// How many at once, and in each interval.
    pub limit: u32,
    /// Microseconds.
    pub interval: i64,
}

impl Rate {
    /// The bucket after taking one from it, or how many microseconds until there is one to take.
    pub(super) fn take(self, bucket: i64, now: i64) -> Result<i64, i64> {
        let step = (self.interval / i64::from(self.limit.max(1))).max(1);
        // No fuller than full, and no emptier than empty: the rate may have been another one before.
        let full_at = bucket.clamp(now, now.saturating_add(self.interval));
        let wait = full_at - now - (self.interval - step);
        if wait > 0 { Err(wait) } else { Ok(full_at.saturating_add(step)) }
    }
}
