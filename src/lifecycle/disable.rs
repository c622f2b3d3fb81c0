//! `disable` and `enable`: the reversible suspension of one token.

use pgrx::Uuid;
use pgrx::prelude::*;

use super::handing_out::Held;
use super::revoke::record;
use crate::access::actor::Actor;
use crate::arguments;
use crate::arguments::caller::Caller;
use crate::catalog::token;
use crate::error::ErrorReport;
use crate::pg::function::call::Call;
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::transaction::xact;
use crate::pg::types::text::Text;

/// Disables a token until it is enabled again; returns whether it changed.
///
/// # Errors
/// `22004` for a NULL id or actor, `42501` when the actor may not, `42704` when no such token exists.
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
    static DISABLE: Statement =
        Statement::by_key("UPDATE tokenauth.token SET disabled_at = clock_timestamp() WHERE id = $1");
    let caller = Caller::enter(call)?;
    let actor = Actor::resolve(caller, actor)?;
    let _owner = caller.act_as_owner();
    let id = arguments::token_id(id)?;
    let held = Held::lock(id, &actor)?;
    held.authority.may_manage(&held.kind)?;
    if held.token.disabled || held.is_dead() {
        return Ok(false);
    }
    xact::mark_death();
    let before = token::status(id);
    DISABLE.run(arguments![id]);
    record("token.disabled", held.token, before, token::status(id), None, &actor)?;
    Ok(true)
}

/// Enables a disabled token again; returns whether it changed.
///
/// # Errors
/// `22004` for a NULL id or actor, `42501` when the token would grant more than its owner holds now, `42704` when no
/// such token exists, `55000` when it is revoked or its owner inactive.
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
    static ENABLE: Statement = Statement::by_key("UPDATE tokenauth.token SET disabled_at = NULL WHERE id = $1");
    let caller = Caller::enter(call)?;
    let actor = Actor::resolve(caller, actor)?;
    let _owner = caller.act_as_owner();
    let held = Held::lock(arguments::token_id(id)?, &actor)?;
    held.must_be_alive()?;
    held.may_be_revived()?;
    if !held.token.disabled {
        return Ok(false);
    }
    let id = held.token.id;
    let before = token::status(id);
    ENABLE.run(arguments![id]);
    record("token.enabled", held.token, before, token::status(id), None, &actor)?;
    Ok(true)
}
