//! `disable` and `enable`: the reversible suspension of one token.

use pgrx::Uuid;
use pgrx::prelude::*;

use super::handing_out::LockedToken;
use super::revoke::{StatusChange, record};
use crate::access::actor::Actor;
use crate::arguments;
use crate::arguments::caller::Caller;
use crate::catalog::token::{BY_ID, column};
use crate::error::ErrorReport;
use crate::model::token_state::{Status, TokenState};
use crate::pg::function::call::Call;
use crate::pg::scan::index_key::IndexKey;
use crate::pg::sql::statement::Argument;
use crate::pg::transaction::xact;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::text::Text;

/// Disables a token until it is enabled again; returns whether it changed.
///
/// # Errors
/// `22004` for a NULL id or actor, `42501` when the actor may not, `42704` when no such token exists or the actor may
/// not see it.
///
/// # Access
/// `self`
///
/// # Example
/// ```sql
/// SELECT tokenauth.disable(:'id');
/// SELECT verdict FROM tokenauth.verify(:'token');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn disable(call: Call, id: Option<Uuid>, actor: default!(Option<Text>, "'session'")) -> Result<bool, ErrorReport> {
    let caller = Caller::enter_to_write(call)?;
    let actor = Actor::resolve(caller, actor)?;
    let _owner = caller.act_as_owner();
    let id = arguments::token_id(id)?;
    let locked = LockedToken::lock(id, &actor)?;
    locked.authority.may_manage(&locked.kind)?;
    xact::mark_death();
    if locked.token.state.disabled || locked.is_dead() {
        return Ok(false);
    }
    let now = Timestamp::now();
    let before = locked.status(now);
    set_disabled(id, Some(now));
    record("token.disabled", locked.token, StatusChange::of(before, Status::Disabled), &actor)?;
    Ok(true)
}

/// Enables a disabled token again; returns whether it changed.
///
/// # Errors
/// `22004` for a NULL id or actor, `42501` when the token would grant more than its owner holds now, `42704` when no
/// such token exists or the actor may not see it, `55000` when it is revoked or its owner inactive.
///
/// # Access
/// `self`
///
/// # Example
/// ```sql
/// SELECT tokenauth.disable(:'id');
/// SELECT tokenauth.enable(:'id');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn enable(call: Call, id: Option<Uuid>, actor: default!(Option<Text>, "'session'")) -> Result<bool, ErrorReport> {
    let caller = Caller::enter_to_write(call)?;
    let actor = Actor::resolve(caller, actor)?;
    let _owner = caller.act_as_owner();
    let locked = LockedToken::lock(arguments::token_id(id)?, &actor)?;
    locked.must_not_be_dead()?;
    locked.may_be_revived()?;
    if !locked.token.state.disabled {
        return Ok(false);
    }
    set_disabled(locked.token.id, None);
    let enabled = TokenState { disabled: false, ..locked.token.state };
    let after = enabled.status(&locked.principal.state, Timestamp::now());
    record("token.enabled", locked.token, StatusChange::of(Status::Disabled, after), &actor)?;
    Ok(true)
}

/// Disables a locked token from a moment on, or enables it again.
fn set_disabled(id: Uuid, at: Option<Timestamp>) {
    BY_ID.update(IndexKey::Uuid(id), |_| [(column::DISABLED_AT, Argument::of(at))]);
}
