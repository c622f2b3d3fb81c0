//! History is append-only, by privilege and by trigger. Only `purge` removes what is old.

use std::cell::Cell;

use pgrx::prelude::*;

use crate::error::{Error, ErrorReport};
use crate::pg::trigger::{TriggerAnswer, TriggerCall};

/// What the removal of history is recorded as.
pub const PURGED: &str = "history.purged";

thread_local! {
    /// Whether this backend is removing old events just now: private memory, which no SQL can set.
    static UNLOCKED: Cell<bool> = const { Cell::new(false) };
}

/// As long as it lives, this backend may remove events: around constant SQL of ours and nothing else.
pub struct Unlocked;

impl Unlocked {
    /// From now on.
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

/// BEFORE UPDATE OR DELETE OR TRUNCATE on `tokenauth.event`: refuses.
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn refuse_change(call: TriggerCall) -> Result<TriggerAnswer, ErrorReport> {
    if call.is_delete() && UNLOCKED.get() {
        return Ok(TriggerAnswer::nothing());
    }
    Err(Error::AppendOnly)?
}
