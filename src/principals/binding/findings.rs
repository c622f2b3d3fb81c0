//! What `doctor()` finds about bindings: tables that are bound no more, triggers that are not as they must be, rows
//! that have drifted from their principals or memberships.

use super::definition::Definition;
use super::drift::drift;
use super::evaluation::settled;
use super::source::Source;
use super::triggers::{self, Bound};
use super::{by_hand, installed, unique};
use crate::catalog::binding::{RecordedBinding, recorded};
use crate::error::finding::Finding;
use crate::error::literal;
use crate::model::bound_to::BoundTo;
use crate::pg::transaction::subtransaction::attempt;

/// What is wrong with the bindings, by name of the table. If `compare`, reads each bound table and runs its expressions
/// as the owner of that table.
pub fn findings(compare: bool) -> Vec<Finding> {
    let _settled = settled();
    let bound = triggers::tables();
    let recorded = recorded();
    let mut findings: Vec<Finding> = recorded.iter().filter_map(|one| missed(one, &bound)).collect();
    findings.extend(rivals(&bound));
    // What may go wrong comes after what has gone wrong, in whichever table.
    let mut risks = Vec::new();
    for binding in &bound {
        examine(binding, &recorded, compare, &mut findings, &mut risks);
    }
    findings.extend(triggers::remnants(None).iter().map(|remnant| {
        let unbind = format!("Use tokenauth.unbind_principals({}).", literal(&remnant.table.shown()));
        finding(
            remnant.trigger.shown(),
            "trigger is left over from a bound table that this was a partition of",
            &unbind,
        )
    }));
    findings.extend(by_hand::findings(&bound));
    findings.extend(risks);
    findings
}

fn finding(object: String, finding: impl AsRef<str>, hint: &str) -> Finding {
    Finding::new("binding", &object, finding.as_ref(), hint)
}

/// A binding that is not as it was made.
fn missed(one: &RecordedBinding, bound: &[Bound]) -> Option<Finding> {
    let source = one.source.shown();
    let what = described(one);
    let here = bound.iter().find(|binding| Some(binding.table) == one.table && binding.is_of(&one.of_type));
    let elsewhere = bound.iter().find(|binding| binding.is_installed && binding.is_of(&one.of_type));
    let unbind = |table: &str| format!("tokenauth.unbind_principals({})", literal(table));
    let sync = |table: &str| format!("Use tokenauth.sync_principals({}).", literal(table));
    let found = match (here, one.table, elsewhere.map(|binding| binding.table_name.shown())) {
        (Some(binding), ..) if binding.is_installed => return None,
        (Some(_), ..) => finding(
            source.clone(),
            format!("is bound to {what} by triggers with other names than they were installed with"),
            &format!("Use {} and bind it anew.", unbind(&source)),
        ),
        (None, None, None) => finding(
            source,
            format!("was bound to {what} and does not exist any more"),
            &format!(
                "Bind the table that has taken its place. If there is none, the extension's owner can use \
                 DELETE FROM tokenauth.binding WHERE type = '{}'.",
                one.of_type.shown()
            ),
        ),
        (None, Some(_), None) => finding(
            source.clone(),
            format!("was bound to {what} and has none of the triggers any more"),
            &format!("Bind it anew, or use {}.", unbind(&source)),
        ),
        (None, None, Some(name)) => {
            finding(name.clone(), format!("is bound to {what} under another name: it was {source}"), &sync(&name))
        }
        (None, Some(_), Some(name)) => finding(
            name.clone(),
            format!("is bound to {what}, but another table is called {source} now"),
            &format!(
                "If that has taken its place, use {} and bind {source}. Otherwise: {}",
                unbind(&name),
                sync(&name)
            ),
        ),
    };
    Some(found)
}

/// Tables that supply what another supplies too.
fn rivals(bound: &[Bound]) -> Vec<Finding> {
    let mut rivals = Vec::new();
    for (place, binding) in bound.iter().enumerate() {
        let rival = bound[..place].iter().find(|former| former.arguments.first() == binding.arguments.first());
        if let (Some(rival), Ok(definition)) = (rival, binding.definition()) {
            rivals.push(finding(
                binding.table_name.shown(),
                format!("supplies {}, as {} does", definition.to(), rival.table_name.shown()),
                "The row that was written last decides. Use tokenauth.unbind_principals() on one of them.",
            ));
        }
    }
    rivals
}

fn examine(
    binding: &Bound,
    recorded: &[RecordedBinding],
    compare: bool,
    findings: &mut Vec<Finding>,
    risks: &mut Vec<Finding>,
) {
    let table = binding.table_name.shown();
    let Ok(source) = Source::of(binding.table) else {
        return;
    };
    let is_by_row = !binding.is_installed && !binding.is_by_statement;
    if let Some(obstacle) = source.obstacle.filter(|obstacle| !(is_by_row && obstacle.spares_row_triggers())) {
        let hint = if binding.is_installed { obstacle.hint(&table) } else { by_hand::HINT.to_owned() };
        findings.push(finding(table, obstacle.finding(), &hint));
        return;
    }
    let definition = match binding.definition() {
        Ok(definition) => definition,
        Err(why) => {
            findings.push(incomparable(table, "principals", &why.to_string()));
            return;
        }
    };
    let hint = format!("Use tokenauth.sync_principals({}).", literal(&table));
    if binding.is_installed {
        if !recorded.iter().any(|one| one.is_to(definition.to())) {
            risks.push(finding(table.clone(), "is bound, but would not be missed if it were not", &hint));
        }
        for fault in installed::faults(binding) {
            findings.push(finding(fault.trigger.shown(), fault.finding.shown(), &hint));
        }
    }
    if attempt(|| Ok::<_, String>(unique::is_unique(&definition, &source))) == Ok(false) {
        risks.push(not_unique(&table, definition.to()));
    }
    // What is written by hand may supply a part only.
    if binding.is_installed && compare {
        findings.extend(drifted(definition, &source, &hint));
    }
}

fn drifted(definition: Definition, source: &Source, hint: &str) -> Vec<Finding> {
    let table = source.qualified.shown();
    let noun = definition.to().noun();
    match attempt(|| drift(definition, source)) {
        Ok(drift) => [
            (drift.absent, format!("rows that are no {noun}")),
            (drift.different, format!("rows that differ from their {noun}")),
            (drift.rowless, format!("{noun} without a row")),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| finding(table.clone(), format!("{what}: {count}"), hint))
        .collect(),
        Err(raised) => vec![incomparable(table, noun, &raised)],
    }
}

fn incomparable(table: String, noun: &str, raised: &str) -> Finding {
    finding(
        table,
        format!("could not be compared with its {noun}: {raised}"),
        "Use tokenauth.unbind_principals() and bind it anew.",
    )
}

fn not_unique(table: &str, to: &BoundTo) -> Finding {
    finding(
        table.to_owned(),
        format!(
            "no unique index covers its {}: whoever writes a second row with the same values overrides the first",
            to.identity()
        ),
        "Create a unique index on what the expressions consist of.",
    )
}

fn described(one: &RecordedBinding) -> String {
    if one.of_type.is_empty() {
        BoundTo::Memberships.to_string()
    } else {
        BoundTo::Principals(one.of_type.shown()).to_string()
    }
}
