//! Moments by a clock that may be set back, in microseconds since 2000; 0 is none.

/// A moment this far ahead is of a clock that was set back since. Processes that look at the clock at the same time,
/// and write in another order, differ by less.
const SKEW: i64 = 10_000_000;

/// The later of a recorded moment and this one, which is newer.
#[inline]
pub fn later(recorded: i64, now: i64) -> i64 {
    if recorded.saturating_sub(now) > SKEW { now } else { recorded.max(now) }
}

/// Whether this much time has passed since a recorded moment; true if the clock was set back since.
#[inline]
pub fn has_passed(span: i64, recorded: i64, now: i64) -> bool {
    !(-SKEW..span).contains(&now.saturating_sub(recorded))
}

/// How long ago a recorded moment was; for ever if the clock was set back since.
pub fn age(recorded: i64, now: i64) -> u64 {
    let age = now.saturating_sub(recorded);
    if age < -SKEW { u64::MAX } else { age.max(0).cast_unsigned() }
}
