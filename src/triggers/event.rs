//! Keeps events append-only, by privilege and by trigger. Only `purge` removes old ones.

use std::cell::Cell;

use pgrx::prelude::*;

use crate::error::{Error, ErrorReport};
use crate::pg::function::trigger::{TriggerAnswer, TriggerCall};

/// The event that records a removal of events.
pub const PURGED: &str = "history.purged";

thread_local! {
    /// Whether this backend is removing old events now: private memory, which no SQL can set.
    static UNLOCKED: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, this backend may remove events: around constant SQL of ours and nothing else.
pub struct Unlocked;

impl Unlocked {
    /// Lets this backend remove events from now on.
    pub fn new() -> Self {
        UNLOCKED.set(true);
        Unlocked
    }
}

impl Drop for Unlocked {
    fn drop(&mut self) {
        UNLOCKED.set(false);
    }
}

/// BEFORE UPDATE OR DELETE OR TRUNCATE on `tokenauth.event`: refuses, except for a DELETE of ours.
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn refuse_change(call: TriggerCall) -> Result<TriggerAnswer, ErrorReport> {
    if call.is_delete() && UNLOCKED.get() {
        return Ok(TriggerAnswer::nothing());
    }
    Err(Error::AppendOnly)?
}
