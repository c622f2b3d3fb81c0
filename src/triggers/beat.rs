//! Whether a reader may go on with a primary that was a standby before.

use crate::arguments::caller::Caller;
use crate::catalog::heartbeat::{self, Left, column};
use crate::error::ReplicationError;
use crate::pg::function::trigger::TriggerTuple;
use crate::pg::transaction::origin;

/// Checks, when the first beat of another timeline arrives, that the reader has applied no more of the timelines before
/// than the new primary has of them. Otherwise what that has written instead is not known here and never will be: an
/// error, which stops the subscription, and so the beats.
///
/// # Errors
/// 55000 if it has applied more.
pub fn refuse_another_past(old: &TriggerTuple, new: &TriggerTuple) -> Result<(), ReplicationError> {
    let timeline = |beat: &TriggerTuple| beat.row().optional::<i32>(column::TIMELINE);
    let (Some(was), Some(becomes), Some(applied)) = (timeline(old), timeline(new), origin::began_at()) else {
        return Ok(());
    };
    if was == becomes {
        return Ok(());
    }
    let _owner = Caller::of_trigger().act_as_owner();
    match heartbeat::left(new.argument(), was) {
        Left::Unknown => Ok(()),
        Left::At(left) if applied <= left => Ok(()),
        Left::At(left) => Err(ReplicationError::AnotherPast { was, applied, left: Some(left) }),
        Left::Never => Err(ReplicationError::AnotherPast { was, applied, left: None }),
    }
}
