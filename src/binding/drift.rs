//! `doctor()`: what is not as it ought to be.

use pgrx::prelude::*;

use super::triggers;
use crate::error::ErrorReport;

/// Tells what is not as it ought to be, one row for each finding; none when all is well.
///
/// Columns: `check`, what was looked at; `object`, where; `finding`, what is the matter; `hint`, what to do about it.
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity, reason = "pgrx reads the columns from the type as it is written")]
fn doctor() -> Result<
    TableIterator<
        'static,
        (
            name!(check, String),
            name!(object, String),
            name!(finding, String),
            name!(hint, String),
        ),
    >,
    ErrorReport,
> {
    let mut findings = Vec::new();
    for binding in triggers::bindings() {
        for fault in triggers::faults(binding.table) {
            findings.push((
                "binding".to_owned(),
                fault.trigger.shown(),
                fault.finding.shown(),
                "x".to_owned(),
            ));
        }
    }
    Ok(TableIterator::new(findings))
}
