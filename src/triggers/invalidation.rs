//! The triggers by which a change reaches what other backends cache.
//!
//! Of principals and tokens millions may change in one statement, where a row trigger would queue an event for each
//! row, or lock each row a second time. So the functions that tell such a row are the conditions of triggers: the
//! server asks them right after it has changed the row, in the statement, and queues nothing where they answer false:
//! where a function of ours has changed it. What somebody has changed by hand is queued (`by_hand`).

use pgrx::prelude::*;

use super::by_hand;
use crate::arguments::caller::{Caller, refuse_on_reader};
use crate::catalog::import::BY_ALGORITHM;
use crate::catalog::{counting, derived_death, key, kind, mass_death, member, principal, token};
use crate::error::{ErrorReport, ReplicationError};
use crate::pg::function::call::Call;
use crate::pg::function::trigger::{RowChange, TriggerAnswer, TriggerCall, TriggerTuple};
use crate::pg::roles::role;
use crate::pg::scan::invalidation;
use crate::pg::scan::row_key::RowKey;
use crate::pg::transaction::acting_as::is_switched;
use crate::pg::transaction::{row_changes, xact};
use crate::pg::types::text::Text;

/// Internal: trigger on the tables that verification reads.
///
/// BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE on `kind`, `principal`, `token` and `import`: this transaction caches
/// nothing any more, since it sees rows that a rollback would take back. TRUNCATE, and any change of `import`, makes
/// every backend drop all that it caches: that there are no imports is cached too.
///
/// On a reader it refuses every change but those of its subscription. A change by hand is awaited as one that narrows,
/// and by `erase`.
///
/// AFTER UPDATE OR DELETE of a row of `kind`: makes every backend drop what it caches of it. After a row of `token` or
/// `principal` that somebody has written by hand, which the functions below let through: records that it was removed,
/// keeps dead what has died, and refuses the text of a token where people read. After TRUNCATE of `principal` by hand:
/// remembers that all tokens have died.
///
/// # Access
/// none
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn signal_change(call: TriggerCall) -> Result<TriggerAnswer, ErrorReport> {
    refuse_on_reader_unless_updating()?;
    await_change_by_hand(&call);
    if let Some(change) = call.row_change(&token::BY_ID) {
        by_hand::token_changed(&change)?;
        return Ok(TriggerAnswer::nothing());
    }
    if let Some(change) = call.row_change(&principal::BY_NAME) {
        by_hand::principal_changed(&change)?;
        return Ok(TriggerAnswer::nothing());
    }
    let name = |row: &TriggerTuple| kind::row_key(row.row().required::<Text>(kind::column::NAME).as_bytes());
    match call.row_change(&kind::BY_NAME) {
        Some(RowChange::Update { old, new }) => signal(name(&old), name(&new)),
        Some(RowChange::Delete(old)) => signal(name(&old), name(&old)),
        _ if call.is_after() && call.is_truncate(&principal::BY_NAME) => {
            if by_hand::is_by_hand() {
                by_hand::principals_truncated()?;
            }
        }
        _ if call.is_of_rows() => {
            row_changes::mark();
            invalidation::signal();
        }
        _ if call.is_on(BY_ALGORITHM.index()) => {
            // A new row takes nothing away.
            if !call.is_insert() {
                row_changes::mark();
            }
            invalidation::signal();
        }
        _ => {
            invalidation::bypass_caches();
            if call.is_insert() && call.is_on(token::BY_ID.index()) && !is_switched() {
                // A restore, by whatever tool: these tokens were used where nobody counted for this database.
                let _owner = Caller::of_trigger().act_as_owner();
                if counting::exists() {
                    counting::forget();
                }
            }
        }
    }
    Ok(TriggerAnswer::nothing())
}

/// Internal: trigger on the table of children that were revoked by themselves.
///
/// BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE on `derived_death`: as `signal_change`.
///
/// AFTER INSERT OR UPDATE OR DELETE of a row: makes every backend look anew whether there are any and, unless the row
/// was deleted, drop what it caches of the child's parent and so of the child.
///
/// Added in 0.2.0.
///
/// # Access
/// none
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn signal_derived_death(call: TriggerCall) -> Result<TriggerAnswer, ErrorReport> {
    refuse_on_reader_unless_updating()?;
    await_by_hand();
    match call.row_change(&derived_death::BY_DIGEST) {
        Some(RowChange::Insert(row)) => signal_parent(&row),
        Some(RowChange::Update { old, new }) => {
            signal_parent(&old);
            signal_parent(&new);
        }
        // Whoever caches that there are some looks once too often until then.
        Some(RowChange::Delete(_)) => {
            row_changes::mark();
            invalidation::signal_row(derived_death::any());
        }
        None if call.is_truncate(&derived_death::BY_DIGEST) => {
            row_changes::mark();
            invalidation::signal();
        }
        None => invalidation::bypass_caches(),
    }
    Ok(TriggerAnswer::nothing())
}

/// A parent that is not there has no children in any cache, and tells when it comes.
fn signal_parent(row: &TriggerTuple) {
    row_changes::mark();
    invalidation::signal_row(derived_death::any());
    if let Some(lookup) = token::lookup(row.row().required(derived_death::column::TOKEN_ID)) {
        invalidation::signal_row(token::row_key(lookup));
    }
}

/// Internal: trigger on tables that a reader does not write, and of which backends cache nothing.
///
/// BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE on `member`, `mass_death`, `key`, `heartbeat`, `change` and
/// `usage_batch`, BEFORE INSERT on `event`: as `signal_change`, but that nobody has anything to drop.
///
/// Added in 0.2.0.
///
/// # Access
/// none
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn guard_copied(call: TriggerCall) -> Result<TriggerAnswer, ErrorReport> {
    refuse_on_reader_unless_updating()?;
    await_change_by_hand(&call);
    // The others take nothing away, nor does a new member or key.
    let takes_away = || call.is_on(&member::BY_ORG) || call.is_on(key::BY_ID.index());
    if call.is_on(&mass_death::BY_OWNER) || !call.is_insert() && takes_away() {
        row_changes::mark();
    }
    Ok(TriggerAnswer::nothing())
}

/// Our functions say themselves what they kill or narrow, and hold the ids that they write. Of a statement that
/// somebody else runs nobody knows: it may do either.
fn await_change_by_hand(call: &TriggerCall) {
    if !by_hand::is_by_hand() {
        return;
    }
    // What migrations write has no id.
    if !call.is_on(kind::BY_NAME.index()) {
        by_hand::hold_names();
    }
    // What is new takes nothing away, and a restore is nothing but that.
    if !call.is_insert() {
        xact::mark_narrowing();
    }
}

fn await_by_hand() {
    if by_hand::is_by_hand() {
        xact::mark_narrowing();
    }
}

/// An update of the extension may have to change rows on a reader as well.
fn refuse_on_reader_unless_updating() -> Result<(), ReplicationError> {
    if role::is_creating_extension() { Ok(()) } else { refuse_on_reader() }
}

/// Internal: tells that a token has changed.
///
/// The condition of a trigger on `tokenauth.token`: makes every backend drop what it caches of the row, and returns
/// whether somebody has changed it by hand.
///
/// # Arguments
/// - `was`: the row's lookup before the change
/// - `becomes`: its lookup after the change
///
/// # Access
/// none
#[pg_extern(schema = "tokenauth", volatile, strict, parallel_unsafe)]
fn signal_token(call: Call, was: i64, becomes: i64) -> Result<bool, ErrorReport> {
    signal_row(call, token::row_key(was), token::row_key(becomes))
}

/// Internal: tells that a principal has changed.
///
/// The condition of a trigger on `tokenauth.principal`: as `signal_token`. Of a new row nobody caches anything.
///
/// # Arguments
/// - `was`: the principal before the change; empty for a new row
/// - `becomes`: the principal after the change
///
/// # Access
/// none
#[pg_extern(schema = "tokenauth", volatile, strict, parallel_unsafe)]
fn signal_principal(call: Call, was: Text, becomes: Text) -> Result<bool, ErrorReport> {
    if was.is_empty() {
        Caller::enter(call)?;
        return Ok(by_hand::is_by_hand());
    }
    signal_row(call, principal::row_key(was.as_bytes()), principal::row_key(becomes.as_bytes()))
}

fn signal_row(call: Call, was: RowKey, becomes: RowKey) -> Result<bool, ErrorReport> {
    Caller::enter(call)?;
    signal(was, becomes);
    Ok(by_hand::is_by_hand())
}

fn signal(was: RowKey, becomes: RowKey) {
    row_changes::mark();
    if was == becomes {
        invalidation::signal_row(was);
    } else {
        invalidation::signal();
    }
}
