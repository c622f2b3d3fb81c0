//! `sync_principal()`: the trigger that keeps principals or memberships in step with a table.

use std::cell::RefCell;
use std::rc::Rc;

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::changes::{Changes, How};
use super::definition::Definition;
use super::evaluation::{Evaluation, settled};
use super::source::Source;
use super::{afresh, overtaken, triggers};
use crate::arguments::caller::refuse_on_reader;
use crate::error::{BindingError, Error, ErrorReport};
use crate::pg::function::trigger::{Fired, Firing, TriggerAnswer, TriggerCall};
use crate::pg::process::backend_local::backend_local;
use crate::pg::scan::relation::{self, Table};
use crate::pg::sql::rows::Rows;
use crate::settings;

/// The name by which SQL reads the trigger's rows.
const ROWS: &std::ffi::CStr = c"tokenauth_rows";

/// Keeps principals or memberships in step with a table, as the function of a trigger on it.
///
/// `bind_principals` and `bind_members` install it. By hand it is written `EXECUTE FUNCTION
/// tokenauth.sync_principal('user', 'id', 'is_active')`: the type, then expressions for id, active, permissions,
/// data_scopes, display_name and state_reason, `''` for an absent one. A membership has no type:
/// `tokenauth.sync_principal('', '''org:'' || org_id', '''user:'' || user_id', 'permissions')`. Row triggers and
/// statement triggers must be AFTER, and statement triggers need their transition tables. BEFORE TRUNCATE drops the
/// principals or memberships of the existing rows, AFTER TRUNCATE all of the type, or all memberships. A BEFORE
/// TRUNCATE trigger alone, which DETACH PARTITION leaves behind, only raises.
///
/// SECURITY INVOKER: the expressions run as whoever writes the table, and only the write to our tables as their owner.
///
/// # Errors
/// `39P01` for any other use and for a table that is no partition of a bound one any more, `22004` for a NULL id,
/// organisation or member, `42704` for a membership of or in an unknown principal, `22023` for a malformed permission
/// or data scope; `38000` for what an expression raises, where its own code is not one of PostgreSQL's.
///
/// # Access
/// `manage`
///
/// # Example
/// ```sql
/// CREATE TRIGGER follow AFTER INSERT OR UPDATE OR DELETE ON customer
///     FOR EACH ROW EXECUTE FUNCTION tokenauth.sync_principal('customer', 'id', 'is_active');
/// CREATE TRIGGER follow_truncate AFTER TRUNCATE ON customer
///     FOR EACH STATEMENT EXECUTE FUNCTION tokenauth.sync_principal('customer', 'id', 'is_active');
/// INSERT INTO customer VALUES (8);
/// SELECT owner, scopes FROM tokenauth.issue('api', 'customer:8');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn sync_principal(call: TriggerCall) -> Result<TriggerAnswer, ErrorReport> {
    let firing = call.firing(ROWS).ok_or(BindingError::TriggerTiming)?;
    refuse_on_reader()?;
    if settings::reader() {
        // The bound table is replicated here, and so are the principals that the primary has made of it: written twice,
        // they would be a conflict.
        return Ok(TriggerAnswer::nothing());
    }
    let _settled = settled();
    follow(&firing)?;
    Ok(TriggerAnswer::nothing())
}

fn follow(firing: &Firing) -> Result<(), Error> {
    let rows = match &firing.what {
        Fired::Insert(rows) | Fired::Update { new: rows, .. } | Fired::Delete(rows) => rows,
        Fired::TruncateBegins | Fired::Truncated => return truncate(firing),
    };
    let binding = cached(firing, rows)?;
    if rows.is_empty() {
        return Ok(());
    }
    let evaluation = &binding.evaluation;
    let (table, to) = (binding.table.oid(), evaluation.definition().to());
    let is_overtaken = overtaken::is_overtaken(firing, table, to);
    let mut changes = if is_overtaken { None } else { Some(image(evaluation, &firing.what)?) };
    // One statement may carry a row from one id to a second and on to a third, as foreign keys do; and an expression
    // may itself have written the table.
    if changes.as_ref().is_none_or(Changes::is_contradictory) || overtaken::has_fired_since(firing, table, to) {
        changes = Some(afresh::changes(evaluation, &firing.what, &Source::of(binding.table)?)?);
    }
    match changes.filter(|changes| !changes.is_empty()) {
        Some(changes) => changes.apply(How::Written, evaluation.source()).map(|_| ()),
        None => Ok(()),
    }
}

/// The changes that the trigger's rows show.
fn image(evaluation: &Evaluation, fired: &Fired) -> Result<Changes, Error> {
    let mut changes = evaluation.no_changes();
    match fired {
        Fired::Insert(new) => evaluation.put_all(Some(new), &mut changes)?,
        Fired::Update { old, new } => evaluation.update(old, new, &mut changes)?,
        Fired::Delete(old) => evaluation.all_gone(Some(old), &mut changes)?,
        Fired::TruncateBegins | Fired::Truncated => {}
    }
    Ok(changes)
}

/// Handles TRUNCATE. When a partition is truncated alone, only BEFORE, while its rows exist, can they tell whose they
/// are. When a whole table is truncated, everybody of the type is gone, without a look at any row.
fn truncate(firing: &Firing) -> Result<(), Error> {
    let source = Source::fired(Table::of(firing.table))?;
    // Its rows make nobody a principal any more, and so their end ends nobody.
    if matches!(firing.what, Fired::TruncateBegins) && !triggers::remnants(Some(source.table)).is_empty() {
        return Err(BindingError::DetachedPartition(source.qualified.shown()).into());
    }
    let definition = Definition::of_arguments(&firing.arguments)?;
    let mut changes = Changes::new(definition.to().clone(), definition.supplied());
    if let Fired::Truncated = firing.what {
        changes.all_gone();
    } else {
        Evaluation::over_table(definition, &source)?.all_gone(None, &mut changes)?;
    }
    if !changes.is_empty() {
        changes.apply(How::Written, &source.qualified)?;
    }
    Ok(())
}

backend_local! {
    /// Bindings by trigger, planned once, since every login updates its user.
    static CACHED: RefCell<Vec<CachedBinding>> = const { RefCell::new(Vec::new()) };
}

struct CachedBinding {
    trigger: pg_sys::Oid,
    generation: u64,
    binding: Rc<Binding>,
}

/// A trigger's binding.
struct Binding {
    /// The table that is bound, of which the trigger's may be a partition.
    table: Table,
    /// Over rows of the trigger's table.
    evaluation: Evaluation,
}

/// The most bindings that are cached.
const MOST: usize = 256;

fn cached(firing: &Firing, rows: &Rows) -> Result<Rc<Binding>, Error> {
    relation::watch(firing.table);
    let generation = relation::forms();
    let known = CACHED.with_borrow(|all| {
        all.iter()
            .find(|one| one.trigger == firing.trigger && one.generation == generation)
            .map(|one| Rc::clone(&one.binding))
    });
    if let Some(binding) = known {
        return Ok(binding);
    }
    let source = Source::fired(Table::of(firing.table))?;
    let definition = Definition::of_arguments(&firing.arguments)?;
    let evaluation = Evaluation::over_rows(definition, &source, rows)?;
    let binding = Rc::new(Binding { table: Source::bound_by(firing.trigger)?.table, evaluation });
    let one = CachedBinding { trigger: firing.trigger, generation, binding: Rc::clone(&binding) };
    // Evicted bindings are dropped after the borrow ends, since freeing a plan calls the server.
    let _evicted: Vec<CachedBinding> = CACHED.with_borrow_mut(|all| {
        let is_full = all.len() >= MOST;
        let evicted = all
            .extract_if(.., |former| is_full || former.trigger == one.trigger || former.generation != generation)
            .collect();
        all.push(one);
        evicted
    });
    Ok(binding)
}
