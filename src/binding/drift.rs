//! How far bound tables have drifted from the principals or memberships they supply, for `doctor()`.

use super::definition::Definition;
use super::evaluation::{Evaluation, settled};
use super::source::Source;
use super::triggers::{self, Bound};
use crate::catalog::principals::Drift;
use crate::doctor::Finding;
use crate::error::Error;
use crate::pg::meanwhile::Meanwhile;
use crate::pg::subtransaction::attempt;
use crate::pg::user::ActingAs;

/// What is wrong with the bindings. Reads each bound table and runs its expressions as the owner of that table.
pub fn findings() -> Vec<Finding> {
    let _settled = settled();
    let mut findings = Vec::new();
    for binding in triggers::bindings().iter().filter(|binding| binding.is_installed) {
        examine(binding, &mut findings);
    }
    findings
}

fn examine(binding: &Bound, findings: &mut Vec<Finding>) {
    let table = binding.table_name.shown();
    let hint = format!("Use tokenauth.sync_principals('{}').", table.replace('\'', "''"));
    for fault in triggers::faults(binding) {
        findings.push(finding(fault.trigger.shown(), fault.finding.shown(), &hint));
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
                findings.push(finding(table.clone(), format!("{what}: {count}"), &hint));
            }
        }
        Err(raised) => findings.push(finding(
            table,
            format!("could not be compared with its {noun}: {raised}"),
            "Use tokenauth.unbind_principals() and bind it anew.",
        )),
    }
}

fn finding(object: String, finding: String, hint: &str) -> Finding {
    Finding::new("binding", &object, &finding, hint)
}

fn drift(binding: &Bound) -> Result<Drift, Error> {
    let definition = Definition::of_arguments(&binding.arguments)?;
    let source = Source::of(binding.table)?;
    let _settings = Meanwhile::set(&[(c"synchronize_seqscans", c"off")]);
    let changes = {
        let _owner = ActingAs::owner_of(binding.table.oid());
        let evaluation = Evaluation::over_table(definition, &source)?;
        let mut changes = evaluation.no_changes();
        evaluation.put_all(None, &mut changes)?;
        changes
    };
    Ok(changes.drift())
}
