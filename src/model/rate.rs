//! Rates: how often a token may be used.

/// How many uses each token of a kind is allowed per interval.
///
/// The state of a token is the moment at which its bucket will be full again (the generic cell rate algorithm, ITU-T
/// I.371): one word holds what a token bucket keeps in two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// How many uses are allowed at once, and per interval.
    pub limit: u32,
    /// The interval, in microseconds.
    pub interval: i64,
}

impl Rate {
    /// The bucket, neither fuller than full nor emptier than empty: the rate may have changed, or the clock.
    pub(crate) fn at_most_empty(self, bucket: i64, now: i64) -> i64 {
        bucket.clamp(now, now.saturating_add(self.interval))
    }

    /// Returns the bucket after taking one use from it, or the microseconds until there is one to take.
    pub(crate) fn take(self, bucket: i64, now: i64) -> Result<i64, i64> {
        let step = (self.interval / i64::from(self.limit.max(1))).max(1);
        let wait = bucket - now - (self.interval - step);
        if wait > 0 { Err(wait) } else { Ok(bucket.saturating_add(step)) }
    }
}
