//! `doctor()`: what is not as it ought to be. For now, of bindings.

use pgrx::prelude::*;

use super::definition::Definition;
use super::evaluation::{Evaluation, settled};
use super::source::Source;
use super::triggers::{self, Bound};
use crate::catalog::principals::Drift;
use crate::error::{Error, ErrorReport};
use crate::pg::meanwhile::Meanwhile;
use crate::pg::subtransaction::attempt;
use crate::pg::user::ActingAs;

/// What is the matter, where, and what to do about it.
struct Finding {
    object: String,
    finding: String,
    hint: String,
}

/// Tells what is not as it ought to be, one row for each finding; none when all is well.
///
/// Columns: `area`, what was looked at; `object`, where; `finding`, what is the matter; `hint`, what to do about it.
///
/// For now it looks at bindings: whether each trigger is there and as it was installed, whether each row is a principal
/// or a membership as the binding says, and whether each of these has a row. For that it reads every bound table, its
/// expressions run as the owner of the table.
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity, reason = "pgrx reads the columns from the type as it is written")]
fn doctor() -> Result<
    TableIterator<'static, (name!(area, String), name!(object, String), name!(finding, String), name!(hint, String))>,
    ErrorReport,
> {
    let _settled = settled();
    let mut findings = Vec::new();
    for binding in triggers::bindings().iter().filter(|binding| binding.is_installed) {
        examine(binding, &mut findings);
    }
    Ok(TableIterator::new(
        findings.into_iter().map(|found| ("binding".to_owned(), found.object, found.finding, found.hint)),
    ))
}

fn examine(binding: &Bound, findings: &mut Vec<Finding>) {
    let table = binding.table_name.shown();
    let hint = format!("Use tokenauth.sync_principals('{}').", table.replace('\'', "''"));
    for fault in triggers::faults(binding) {
        findings.push(Finding { object: fault.trigger.shown(), finding: fault.finding.shown(), hint: hint.clone() });
    }
    let noun = Definition::of_arguments(&binding.arguments).map_or("principals", |definition| definition.to().noun());
    match attempt(|| drift(binding)) {
        Ok(drift) => {
            let counted = [
                (drift.absent, format!("rows that are no {noun}")),
                (drift.different, format!("rows that differ from their {noun}")),
                (drift.rowless, format!("{noun} without a row")),
            ];
            for (count, what) in counted.into_iter().filter(|(count, _)| *count > 0) {
                findings.push(Finding {
                    object: table.clone(),
                    finding: format!("{what}: {count}"),
                    hint: hint.clone(),
                });
            }
        }
        Err(raised) => findings.push(Finding {
            object: table,
            finding: format!("could not be compared with its {noun}: {raised}"),
            hint: "Use tokenauth.unbind_principals() and bind it anew.".to_owned(),
        }),
    }
}

fn drift(binding: &Bound) -> Result<Drift, Error> {
    let definition = Definition::of_arguments(&binding.arguments)?;
    let source = Source::of(binding.table)?;
    let _settings = Meanwhile::set(&[(c"row_security", c"off"), (c"synchronize_seqscans", c"off")]);
    let changes = {
        let _owner = ActingAs::owner_of(binding.table.oid());
        let evaluation = Evaluation::over_table(definition, &source)?;
        let mut changes = evaluation.no_changes();
        evaluation.put_all(None, &mut changes)?;
        changes
    };
    Ok(changes.drift())
}
