//! Whether a reader has applied everything that its primary changed before a beat.
//!
//! Each beat names the one before it, and the commits since then that have changed what verification reads. What is
//! missing once never comes: the primary sends only what it believes to be unknown here. So from then on the reader
//! takes no beat, and is as old as the last one that it could believe, until its tables are copied anew.

use pgrx::{PgLogLevel, Uuid};

use crate::arguments::caller::Caller;
use crate::catalog::heartbeat::{self, Left, column};
use crate::catalog::publication::PUBLISHED;
use crate::error::{ErrorReport, Gap, ReplicationError};
use crate::pg::function::trigger::{RowChange, TriggerAnswer, TriggerTuple};
use crate::pg::process::background_worker;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::scan::subscription::{Followed, copied_until, followed};
use crate::pg::transaction::origin;
use crate::pg::types::encoding;
use crate::pg::types::row::Row;
use crate::pg::types::text::Text;

/// Takes a beat that the subscription brings, or leaves the row at the last one that could be believed, with the
/// reason.
pub fn follow(old: TriggerTuple, new: TriggerTuple) -> TriggerAnswer {
    // Somebody who writes the row by hand, in the role of a replica, brings no beat.
    if !background_worker::is_applying() {
        return TriggerAnswer::proceed(RowChange::Update { old, new });
    }
    let gap = |beat: &TriggerTuple| beat.row().optional::<Text>(column::GAP);
    if gap(&old).is_some() {
        return TriggerAnswer::nothing();
    }
    // Whoever follows a reader lacks what that lacks.
    match gap(&new).or_else(|| find(&old, &new).map(|gap| Text::from(encoding::from_utf8(&gap.to_string())))) {
        None => {
            // Places in the primary's WAL: they are for this database, not for one that follows it.
            TriggerAnswer::replace(new.without(&[column::TIMELINES, column::LEFT_AT, column::CHANGED]))
        }
        Some(gap) => {
            ErrorReport::from(ReplicationError::Gap(gap.shown())).report(PgLogLevel::WARNING);
            TriggerAnswer::replace(old.with(column::GAP, gap))
        }
    }
}

/// Why something is missing here that happened on the primary between two beats.
fn find(old: &TriggerTuple, new: &TriggerTuple) -> Option<Gap> {
    let (was, becomes) = (old.row(), new.row());
    let system = |beat: &Row| beat.optional::<i64>(column::SYSTEM);
    if let (Some(was), Some(becomes)) = (system(&was), system(&becomes))
        && was != becomes
    {
        return Some(Gap::Cluster);
    }
    let _owner = Caller::of_trigger().act_as_owner();
    let beat: Option<Uuid> = was.optional(column::BEAT);
    another_past(was.optional(column::TIMELINE), becomes.optional(column::TIMELINE), new)
        .or_else(|| (beat.is_some() && beat != becomes.optional(column::AFTER)).then_some(Gap::Beat))
        .or_else(|| not_applied(new).map(Gap::Commit))
}

/// Whether the reader has applied more of a timeline than a primary on another one has of it. Otherwise what that has
/// written instead is not known here.
fn another_past(was: Option<i32>, becomes: Option<i32>, new: &TriggerTuple) -> Option<Gap> {
    let (was, becomes, applied) = (was?, becomes?, origin::began_at()?);
    if was == becomes {
        return None;
    }
    match heartbeat::left(new.argument(), was) {
        Left::Unknown => None,
        Left::At(left) if applied <= left => None,
        Left::At(left) => Some(Gap::Past { was, applied, left: Some(left) }),
        Left::Never => Some(Gap::Past { was, applied, left: None }),
    }
}

/// Where a commit ends that the beat tells of and that was not applied.
fn not_applied(new: &TriggerTuple) -> Option<u64> {
    let changed = heartbeat::changed(new.argument());
    if changed.is_empty() {
        return None;
    }
    let snapshot = LatestSnapshot::take();
    if followed(&PUBLISHED, &snapshot) != Followed::Together {
        // What a table lacks that is copied now, or later, its copy has; and meanwhile nothing is verified.
        origin::forget();
        return None;
    }
    origin::missing(&changed, copied_until(&PUBLISHED, &snapshot))
}
