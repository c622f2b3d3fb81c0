//! The trigger by which a change reaches what other backends remember.

use pgrx::prelude::*;

use crate::catalog::import::BY_ALGORITHM;
use crate::error::ErrorReport;
use crate::pg::invalidation;
use crate::pg::trigger::{TriggerAnswer, TriggerCall};

/// BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE on `kind`, `principal`, `token` and `import`: makes every backend forget
/// what it remembers of them, at the commit of this transaction, and this one at once. A new row is remembered by nobody; but this
/// transaction, which sees it, must not remember it before it is sure to stay. Only of `import` a new row is a change:
/// that there is none is remembered.
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn signal_change(call: TriggerCall) -> Result<TriggerAnswer, ErrorReport> {
    if call.is_insert() && !call.is_on(&BY_ALGORITHM) {
        invalidation::remember_nothing();
    } else {
        invalidation::signal();
    }
    Ok(TriggerAnswer::nothing())
}
