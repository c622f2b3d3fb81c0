//! Whether a reader has applied everything that its primary changed before a beat.
//!
//! Each beat names the one before it, and counts the records of changes that its transaction has removed. What is
//! missing once never comes: the primary sends only what it believes to be unknown here. So from then on the reader
//! takes no beat, and is as old as the last one that it could believe, until its tables are copied anew.

use pgrx::prelude::*;
use pgrx::{PgLogLevel, Uuid};

use crate::arguments::caller::Caller;
use crate::catalog::change;
use crate::catalog::heartbeat::{self, Left, column};
use crate::error::{ErrorReport, Gap, ReplicationError};
use crate::pg::function::trigger::{RowChange, TriggerAnswer, TriggerCall, TriggerTuple};
use crate::pg::process::background_worker;
use crate::pg::scan::index_key::IndexKey;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::scan::subscription::{Followed, followed};
use crate::pg::transaction::acting_as;
use crate::pg::transaction::origin;
use crate::pg::types::encoding;
use crate::pg::types::row::Row;
use crate::pg::types::text::Text;

/// Internal: trigger by which a reader notices that it lacks something that its primary has changed.
///
/// Does something only while a subscription applies what its primary has written.
///
/// BEFORE INSERT OR UPDATE OR DELETE of the row of `heartbeat`: leaves it as it is, and records why, once this reader
/// lacks something. That stays, whatever becomes of the primary's row.
///
/// AFTER TRUNCATE of `heartbeat`: records that, as there are no beats any more which the next one could follow.
///
/// AFTER DELETE of a row of `change`: counts it.
///
/// Added in 0.2.0.
///
/// # Access
/// none
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn follow_beats(call: TriggerCall) -> Result<TriggerAnswer, ErrorReport> {
    let beat = call.row_change(&heartbeat::BY_ID);
    // Somebody who writes by hand, in the role of a replica, brings no beat; nor does what we write here ourselves.
    if !background_worker::is_applying() || acting_as::is_ours() {
        return Ok(beat.map_or_else(TriggerAnswer::nothing, TriggerAnswer::proceed));
    }
    Ok(match beat {
        Some(RowChange::Update { old, new }) => follow(old, new),
        Some(RowChange::Insert(first)) => begin(first),
        // Somebody has removed it on the primary, by hand.
        Some(RowChange::Delete(_)) => TriggerAnswer::nothing(),
        None => {
            if call.is_on(change::BY_ID.index()) {
                origin::note_removed();
            } else {
                keep(&Gap::Beat);
            }
            TriggerAnswer::nothing()
        }
    })
}

/// Takes a beat, or leaves the row at the last one that could be believed, with the reason.
fn follow(old: TriggerTuple, new: TriggerTuple) -> TriggerAnswer {
    let gap = |beat: &TriggerTuple| beat.row().optional::<Text>(column::GAP);
    if gap(&old).is_some() {
        return TriggerAnswer::nothing();
    }
    // Whoever follows a reader lacks what that lacks.
    match gap(&new).or_else(|| find(&old, &new).map(|gap| text(&gap))) {
        // Places in the primary's WAL: they are for this database, not for one that follows it.
        None => TriggerAnswer::replace(new.without(&[column::TIMELINES, column::LEFT_AT])),
        Some(gap) => {
            tell(&gap);
            TriggerAnswer::replace(old.with(column::GAP, gap))
        }
    }
}

/// Takes the first beat. Where there is one already it is not the first, and follows none.
fn begin(first: TriggerTuple) -> TriggerAnswer {
    let known = heartbeat::BY_ID
        .find(IndexKey::Boolean(true), &LatestSnapshot::take(), |row| row.optional::<Text>(column::GAP).is_some());
    match known {
        None => return TriggerAnswer::proceed(RowChange::Insert(first)),
        Some(true) => {}
        Some(false) => keep(&Gap::Beat),
    }
    TriggerAnswer::nothing()
}

/// Records that something is missing where no beat came that could say so.
fn keep(gap: &Gap) {
    let gap = text(gap);
    tell(&gap);
    let _owner = Caller::of_trigger().act_as_owner();
    heartbeat::lack(&gap);
}

fn tell(gap: &Text) {
    ErrorReport::from(ReplicationError::Gap(gap.shown())).report(PgLogLevel::WARNING);
}

fn text(gap: &Gap) -> Text {
    Text::from(encoding::from_utf8(&gap.to_string()))
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
        .or_else(|| not_applied(becomes.optional(column::CHANGED)))
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

/// Whether fewer records of changes were here to be removed than the primary has removed with this beat.
fn not_applied(told: Option<i64>) -> Option<Gap> {
    let (told, applied) = (told?, origin::removed());
    // While these two are copied, records are removed that their copies have, or lack. What becomes of others does not
    // matter: who verified nothing for their sake at this beat would lack it after the next.
    let is_counted = || followed(&["change", "heartbeat"], &LatestSnapshot::take()) == Followed::InStep;
    let is_missing = applied < told && is_counted();
    is_missing.then_some(Gap::Changes { told, applied })
}
