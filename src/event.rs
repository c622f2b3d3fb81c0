//! History is append-only, by privilege and by trigger.

use pgrx::prelude::*;

use crate::error::{Error, ErrorReport};
use crate::pg::trigger::{TriggerAnswer, TriggerCall};

/// BEFORE UPDATE OR DELETE OR TRUNCATE on `tokenauth.event`: refuses.
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn refuse_change(_call: TriggerCall) -> Result<TriggerAnswer, ErrorReport> {
    Err(Error::AppendOnly)?
}
