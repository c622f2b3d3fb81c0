//! Keeps events append-only, by privilege and by trigger. Only `purge` removes old ones, and `erase` changes some.

use pgrx::prelude::*;

use crate::catalog::event::append_only;
use crate::error::{AccessError, ErrorReport};
use crate::pg::function::trigger::{TriggerAnswer, TriggerCall};

/// Internal: trigger on `tokenauth.event`.
///
/// BEFORE UPDATE OR DELETE OR TRUNCATE: refuses, except for a DELETE or UPDATE of ours.
///
/// # Access
/// none
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn refuse_change(call: TriggerCall) -> Result<TriggerAnswer, ErrorReport> {
    if (call.is_delete() || call.is_update()) && append_only::is_unlocked() {
        return Ok(TriggerAnswer::nothing());
    }
    Err(AccessError::AppendOnly)?
}
