//! Refuses to verify on a copy that is further behind its primary than `tokenauth.max_staleness` allows.
//!
//! The primary's clock is in its beats, and in the commits that a standby replays; this server's judges them. A moment
//! that is ahead of it by as much tells no more than one that is behind: so a token is accepted for at most twice that
//! time after its death was acknowledged, the rest being the difference of the clocks.

use std::cell::Cell;
use std::time::Duration;

use crate::catalog::heartbeat;
use crate::catalog::publication::PUBLISHED;
use crate::error::{Follower, Known, ReplicationError};
use crate::pg::process::backend_local::backend_local;
use crate::pg::process::database;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::scan::subscription::{Followed, followed};
use crate::pg::types::clock::Timestamp;
use crate::settings;

backend_local! {
    /// The newest beat that this backend has seen. While that is recent enough, a newer one would not tell it more.
    static SEEN: Cell<Option<Timestamp>> = const { Cell::new(None) };
}

/// Checks that this server is the primary, or that what it has is not older than `most`; returns the moment by which it
/// was judged.
///
/// A reader is judged by the beats that its subscription applies. A standby is judged by them too, and by the last
/// commit that it has replayed; without beats, one of a primary where nothing commits looks stale.
///
/// # Errors
/// 55000 on a copy that is behind, and on a reader that lacks something that its primary has changed.
pub fn refuse_when_behind(most: Duration) -> Result<Option<Timestamp>, ReplicationError> {
    let Some(who) = follower() else { return Ok(None) };
    let now = Timestamp::now();
    let is_recent =
        |at: Timestamp| now.micros_since(at).unsigned_abs() <= most.as_micros().try_into().unwrap_or(u64::MAX);
    if !SEEN.get().is_some_and(is_recent) {
        look(who, most, now, is_recent)?;
    }
    Ok(Some(now))
}

/// Whether this server verifies what another one issues and kills.
pub fn is_copy() -> bool {
    follower().is_some()
}

#[inline]
fn follower() -> Option<Follower> {
    if settings::reader() { Some(Follower::Reader) } else { database::is_in_recovery().then_some(Follower::Standby) }
}

#[cold]
fn look(
    who: Follower,
    most: Duration,
    now: Timestamp,
    is_recent: impl Fn(Timestamp) -> bool,
) -> Result<(), ReplicationError> {
    let replayed = if who == Follower::Standby { database::replayed_until() } else { None };
    if replayed.is_some_and(&is_recent) {
        return Ok(());
    }
    let snapshot = LatestSnapshot::take();
    let beat = heartbeat::newest(&snapshot);
    // Then it is the last that could be believed.
    if who == Follower::Reader
        && let Some(gap) = heartbeat::gap(&snapshot)
    {
        return Err(ReplicationError::Gap(gap.shown()));
    }
    // After the beat: a table that has caught up since has what was committed before it, too.
    let followed = match who {
        Follower::Standby => Followed::InStep,
        Follower::Reader => followed(&PUBLISHED, &LatestSnapshot::take()),
    };
    if beat.is_some_and(&is_recent) && matches!(followed, Followed::InStep | Followed::Together) {
        SEEN.set(beat);
        return Ok(());
    }
    let known = match beat.max(replayed) {
        _ if followed == Followed::Copying => Known::Copying,
        Some(at) if followed == Followed::Apart && is_recent(at) => Known::Partly,
        None => Known::Nothing,
        Some(at) if at > now => Known::Ahead(Duration::from_micros(at.micros_since(now).unsigned_abs())),
        Some(at) => Known::Old(Duration::from_micros(now.micros_since(at).unsigned_abs())),
    };
    Err(ReplicationError::Behind { who, known, most })
}
