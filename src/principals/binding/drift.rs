//! How far a bound table has drifted from the principals or memberships it supplies.

use super::changes::Drift;
use super::definition::Definition;
use super::evaluation::Evaluation;
use super::source::Source;
use crate::error::Error;
use crate::pg::report::message::notice;
use crate::pg::report::progress;
use crate::pg::transaction::acting_as::ActingAs;
use crate::pg::transaction::guc_scope::GucScope;

/// Compares every row with its principal or membership, evaluating expressions as the owner of the table. However many
/// there are, they take no more memory than `work_mem`; it may take minutes, so the client is told how far it has come.
///
/// # Errors
/// Those of expressions that do not fit the table or a row of it.
pub fn drift(definition: Definition, source: &Source) -> Result<Drift, Error> {
    let _settings = GucScope::set(&[(c"synchronize_seqscans", c"off")]);
    let table = source.qualified.shown();
    notice(format!("comparing {table} with {}", definition.to()));
    let changes = {
        let _owner = ActingAs::owner_of(source.table.oid());
        let evaluation = Evaluation::over_table(definition, source)?;
        let mut changes = evaluation.no_changes();
        evaluation.put_each(None, &mut changes, |rows| progress::read(rows, || table.clone()))?;
        changes
    };
    Ok(changes.drift())
}
