//! The triggers of `tokenauth.kind`: checks beyond what a CHECK can express, and the events of changes.

use pgrx::datum::Interval;
use pgrx::prelude::*;

use super::typed::{self, Column};
use crate::access::actor::{Actor, refuse_identity};
use crate::arguments;
use crate::arguments::caller::Caller;
use crate::catalog::event::Event;
use crate::catalog::kind::{BY_NAME, any_with_tokens, column, has_tokens, lock_against_issue};
use crate::error::{ArgumentError, Error, ErrorReport, KindError, LifetimeError, ServerError};
use crate::fence;
use crate::model::principal_name::PrincipalName;
use crate::model::scope::Scope;
use crate::pg::function::trigger::{RowChange, TriggerAnswer, TriggerCall};
use crate::pg::sql::statement::{Argument, Statement};
use crate::pg::transaction::xact;
use crate::pg::types::array::TextArray;
use crate::pg::types::clock::{self, Timestamp, has_negative_part, is_positive};
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::row::Row;
use crate::pg::types::text::Text;
use crate::usage;

/// Internal: trigger on `tokenauth.kind`.
///
/// BEFORE INSERT OR UPDATE OR DELETE FOR EACH ROW, AFTER TRUNCATE: refuses values that do not parse, changes that
/// would break existing tokens, and any change under an identity.
///
/// # Access
/// none
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn guard_kind(call: TriggerCall) -> Result<TriggerAnswer, ErrorReport> {
    refuse_identity()?;
    fence::refuse_when_fenced()?;
    let _owner = Caller::of_trigger().act_as_owner();
    if call.is_truncate(&BY_NAME) {
        return match any_with_tokens() {
            Some(kind) => Err(KindError::HasTokens(kind.shown()))?,
            None => Ok(TriggerAnswer::nothing()),
        };
    }
    let change = call.row_change(&BY_NAME).ok_or(ServerError::TriggerMisuse)?;
    match &change {
        RowChange::Insert(new) => {
            // What a dump restores, an earlier release may have accepted.
            if is_made_here(&new.row()) {
                refuse_tokens(None, &new.row())?;
            }
            check(&new.row())?;
            warn_of_what_needs_memory(None, &new.row());
        }
        RowChange::Update { old, new } => {
            refuse_tokens(Some(&old.row()), &new.row())?;
            check(&new.row())?;
            keep_what_tokens_depend_on(&old.row(), &new.row())?;
            warn_of_what_needs_memory(Some(&old.row()), &new.row());
            if is_closing(&old.row(), &new.row()) {
                // Once this has committed there is no new token of it, not even of a transaction that was under way.
                lock_against_issue(Some(&old.row().required(column::NAME)))?;
            }
            // A lower ceiling narrows every token of the kind, and a lower age ends those that are older.
            xact::mark_narrowing();
        }
        RowChange::Delete(old) => {
            let kind: Text = old.row().required(column::NAME);
            if has_tokens(&kind) {
                Err(KindError::HasTokens(kind.shown()))?;
            }
        }
    }
    Ok(TriggerAnswer::proceed(change))
}

/// Internal: trigger on `tokenauth.kind`.
///
/// AFTER INSERT OR UPDATE OR DELETE FOR EACH ROW, BEFORE TRUNCATE: records the change.
///
/// # Access
/// none
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn record_kind(call: TriggerCall) -> Result<TriggerAnswer, ErrorReport> {
    let caller = Caller::of_trigger();
    let actor = Actor::behind(caller)?;
    let _owner = caller.act_as_owner();
    if call.is_truncate(&BY_NAME) {
        record_all_deleted(&actor)?;
        return Ok(TriggerAnswer::nothing());
    }
    let change = call.row_change(&BY_NAME).ok_or(ServerError::TriggerMisuse)?;
    match &change {
        RowChange::Insert(new) => {
            // A row older than its transaction comes from a dump, which also holds the event of its creation.
            if is_made_here(&new.row()) {
                record("kind.created", &new.row(), None, Some(new.argument()), &actor)?;
            }
        }
        RowChange::Update { old, new } => {
            record("kind.changed", &new.row(), Some(old.argument()), Some(new.argument()), &actor)?;
        }
        RowChange::Delete(old) => record("kind.deleted", &old.row(), Some(old.argument()), None, &actor)?,
    }
    Ok(TriggerAnswer::proceed(change))
}

/// Checks that types, lifetimes, ceiling and permissions of a row are well formed.
///
/// # Errors
/// 22004 and 22023 when one is not.
fn check(row: &Row) -> Result<(), Error> {
    // All else, NULLs included, is left to the named CHECK and NOT NULL constraints, which run after this.
    if let Some(types) = row.optional::<TextArray>(column::OWNER_TYPES) {
        for (index, name) in (1..).zip(arguments::elements("owner_types", &types)?) {
            if !PrincipalName::is_type(name) {
                return Err(ArgumentError::OwnerType { index }.into());
            }
        }
    }
    for (name, column) in [
        ("default_lifetime", column::DEFAULT_LIFETIME),
        ("max_lifetime", column::MAX_LIFETIME),
        ("max_grace", column::MAX_GRACE),
        ("max_age", column::MAX_AGE),
        ("max_idle", column::MAX_IDLE),
    ] {
        if row
            .optional::<Interval>(column)
            .is_some_and(|lifetime| is_positive(&lifetime) && has_negative_part(&lifetime))
        {
            return Err(LifetimeError::NegativePart(name).into());
        }
    }
    if let Some(ceiling) = row.optional::<TextArray>(column::CEILING) {
        arguments::scopes("ceiling", &ceiling)?;
    }
    for (of, column) in
        [("issue_permission", column::ISSUE_PERMISSION), ("manage_permission", column::MANAGE_PERMISSION)]
    {
        if let Some(permission) = row.bytes(column) {
            Scope::parse(permission).map_err(|why| ArgumentError::Scope { of, why })?;
        }
    }
    Ok(())
}

/// Checks that no text that is new in a row has a token in it.
///
/// # Errors
/// 22023 when one has.
fn refuse_tokens(old: Option<&Row>, new: &Row) -> Result<(), ArgumentError> {
    const TYPED: [(&str, Column); 10] = [
        ("name", Column::Text(column::NAME)),
        ("prefix", Column::Text(column::PREFIX)),
        ("description", Column::Text(column::DESCRIPTION)),
        ("permission_mode", Column::Text(column::PERMISSION_MODE)),
        ("owner_inactive", Column::Text(column::OWNER_INACTIVE)),
        ("issue_permission", Column::Text(column::ISSUE_PERMISSION)),
        ("manage_permission", Column::Text(column::MANAGE_PERMISSION)),
        ("error_style", Column::Text(column::ERROR_STYLE)),
        ("owner_types", Column::List(column::OWNER_TYPES)),
        ("ceiling", Column::List(column::CEILING)),
    ];
    typed::refuse_tokens(&TYPED, old, new)
}

/// Warns about a new rate or idle time without shared memory: without it rates are not enforced, and no use is known to
/// have been counted.
fn warn_of_what_needs_memory(old: Option<&Row>, new: &Row) {
    let rate = |row: &Row| row.optional::<i32>(column::RATE_LIMIT);
    let idle = |row: &Row| row.optional::<Interval>(column::MAX_IDLE).map(|idle| clock::micros(&idle));
    if usage::is_preloaded() {
        return;
    }
    let warn = |what| ErrorReport::from(ServerError::NotPreloaded(what)).report(PgLogLevel::WARNING);
    if rate(new).is_some() && old.and_then(rate) != rate(new) {
        warn("rate_limit");
    }
    if idle(new).is_some() && old.and_then(idle) != idle(new) {
        warn("max_idle");
    }
}

fn is_closing(old: &Row, new: &Row) -> bool {
    let is_closed = |row: &Row| row.optional(column::CLOSED) == Some(true);
    is_closed(new) && !is_closed(old)
}

/// Checks that name, prefix and owner types stay as they are while the kind has tokens.
///
/// # Errors
/// 55000 when one of them would change.
fn keep_what_tokens_depend_on(old: &Row, new: &Row) -> Result<(), Error> {
    let changed = |column| old.bytes(column) != new.bytes(column);
    let types = |row: &Row| row.optional::<TextArray>(column::OWNER_TYPES);
    let column = if changed(column::NAME) {
        "name"
    } else if changed(column::PREFIX) {
        "prefix"
    } else if types(old) != types(new) {
        "owner_types"
    } else {
        return Ok(());
    };
    let kind: Text = old.required(column::NAME);
    lock_against_issue(Some(&kind))?;
    if has_tokens(&kind) {
        return Err(KindError::InUse { kind: kind.shown(), column }.into());
    }
    Ok(())
}

fn is_made_here(row: &Row) -> bool {
    row.optional(column::CREATED_AT).is_some_and(|made: Timestamp| made >= Timestamp::transaction_start())
}

fn record(
    event: &'static str,
    row: &Row,
    before: Option<Argument>,
    after: Option<Argument>,
    actor: &Actor,
) -> Result<(), Error> {
    static DESCRIBE: Statement = Statement::new("SELECT jsonb_strip_nulls(to_jsonb($1) - 'created_at')");
    let described = |row: Argument| DESCRIBE.first(&[row], |row| row.optional(1)).flatten();
    record_described(event, row.optional(column::NAME), before.and_then(described), after.and_then(described), actor)
}

fn record_all_deleted(actor: &Actor) -> Result<(), Error> {
    static DESCRIBE_ALL: Statement = Statement::new(
        "SELECT name, jsonb_strip_nulls(to_jsonb(k) - 'created_at') FROM tokenauth.kind k ORDER BY name",
    );
    for (kind, before) in DESCRIBE_ALL.all(&[], |row| (row.optional(1), row.optional(2))) {
        record_described("kind.deleted", kind, before, None, actor)?;
    }
    Ok(())
}

fn record_described(
    event: &'static str,
    kind: Option<Text>,
    before: Option<Jsonb>,
    after: Option<Jsonb>,
    actor: &Actor,
) -> Result<(), Error> {
    // What an earlier release has accepted may have a token in it.
    let [before, after] = [before, after].map(|row| row.map(Jsonb::masked));
    Event { event, kind, before, after, ..Event::default() }.record(actor)
}
