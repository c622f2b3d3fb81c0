//! `sync_principals`: makes principals or memberships agree with their bound table again.

use pgrx::prelude::*;

use super::changes::{Changes, How};
use super::definition::Definition;
use super::evaluation::{Evaluation, settled};
use super::source::Source;
use super::{installed, triggers};
use crate::access::actor::Actor;
use crate::arguments::caller::Caller;
use crate::catalog::binding::record;
use crate::error::{BindingError, Error, ErrorReport, TableError};
use crate::pg::function::call::Call;
use crate::pg::report::progress;
use crate::pg::scan::relation::{Out, Table};
use crate::pg::transaction::acting_as::ActingAs;
use crate::pg::transaction::guc_scope::GucScope;

/// Repairs drift between a bound table and its principals or memberships; returns how many were repaired.
///
/// Its triggers become again what they must be: a new partition needs its own. Afterwards each row is a principal or
/// membership as the binding says. Every other membership is ended, and every other principal of the type dropped: no
/// trigger saw its row removed. Expressions run as the owner of the table.
///
/// A NOTICE tells of each million of rows, and of their number before it is written.
///
/// # Arguments
/// - `source`: the bound table
///
/// # Errors
/// `22004` for NULL, `42501` for anybody but the owner of the table, `42704` when it is not bound or a row names an
/// unknown organisation or member, `0A000` when it could not be bound any more, `21000` when several rows are the same
/// principal or membership.
///
/// # Access
/// `manage`
///
/// # Example
/// ```sql
/// SELECT tokenauth.bind_principals('customer', 'customer', 'id::text', active => 'is_active');
/// ALTER TABLE customer DISABLE TRIGGER USER;
/// UPDATE customer SET is_active = false;
/// SELECT tokenauth.sync_principals('customer');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn sync_principals(call: Call, source: Option<Table>) -> Result<i64, ErrorReport> {
    let caller = Caller::enter_to_write(call)?;
    Actor::application(caller)?;
    let _settled = settled();
    let source = Source::bindable(source, c"sync_principals()", |source| {
        bound_as(source).map_or(Out::Writers, |definition| installed::lock_to_install(source, &definition))
    })?;
    let definition = bound_as(&source)?;
    installed::install(&source, &definition);
    let to = definition.to().clone();
    let mut changes = {
        let _owner = ActingAs::owner_of(source.table.oid());
        copy(definition, &source)?
    };
    changes.others_gone();
    let outcome = changes.apply(How::Synced, &source.qualified)?;
    // It may have another name by now.
    record(&source.qualified, &to);
    Ok(i64::try_from(outcome.total()).unwrap_or(i64::MAX))
}

/// Evaluates every row of the table as a principal or membership; a policy that would hide rows is an error.
///
/// # Errors
/// Those of expressions; 21000 when several rows are the same one.
pub fn copy(definition: Definition, source: &Source) -> Result<Changes, Error> {
    // Rows are read twice, and must come in the same order both times.
    let _settings = GucScope::set(&[(c"synchronize_seqscans", c"off")]);
    let evaluation = Evaluation::over_table(definition, source)?;
    let mut changes = evaluation.no_changes();
    evaluation.put_each(None, &mut changes, |rows| progress::read(rows, || source.qualified.shown()))?;
    match changes.claimed_twice() {
        Some((principal, org)) => Err(BindingError::SeveralRows {
            table: source.qualified.shown(),
            principal: principal.shown(),
            org: org.map(|org| org.shown()),
        }
        .into()),
        None => Ok(changes),
    }
}

/// Returns how a table is bound.
///
/// # Errors
/// 42704 when it is not bound.
fn bound_as(source: &Source) -> Result<Definition, TableError> {
    triggers::tables()
        .iter()
        .filter(|binding| binding.table == source.table && binding.is_installed)
        .find_map(|binding| binding.definition().ok())
        .ok_or_else(|| TableError::NotBound(source.qualified.shown()))
}
