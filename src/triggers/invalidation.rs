//! The trigger by which a change reaches what other backends remember.

use pgrx::prelude::*;

use crate::catalog::import::BY_ALGORITHM;
use crate::error::ErrorReport;
use crate::pg::function::trigger::{TriggerAnswer, TriggerCall};
use crate::pg::scan::invalidation;

/// Internal: trigger on the tables that verification reads.
///
/// BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE on `kind`, `principal`, `token` and `import`: makes every backend
/// forget what it has cached of them, this one at once and others when the transaction commits. No backend has cached
/// a new row yet; but this transaction sees it, and must not cache it before it is sure to stay. Only in `import` is a
/// new row a change: that there are no imports is cached.
///
/// # Access
/// none
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn signal_change(call: TriggerCall) -> Result<TriggerAnswer, ErrorReport> {
    if call.is_insert() && !call.is_on(&BY_ALGORITHM) {
        invalidation::remember_nothing();
    } else {
        invalidation::signal();
    }
    Ok(TriggerAnswer::nothing())
}
