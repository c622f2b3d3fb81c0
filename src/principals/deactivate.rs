//! `deactivate` and `activate`.

use pgrx::prelude::*;

use super::binding::{Supplied, refuse_supplied};
use crate::access::actor::Actor;
use crate::arguments::caller::Caller;
use crate::arguments::{self, MOST_PROSE};
use crate::catalog::death_notice;
use crate::catalog::event;
use crate::catalog::principal::{self, Hold, Principal, lock_existing};
use crate::error::ErrorReport;
use crate::model::principal_name::PrincipalName;
use crate::pg::function::call::Call;
use crate::pg::scan::kept;
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::transaction::xact;
use crate::pg::types::text::Text;

/// Deactivates a principal: its tokens die or are suspended, as their kinds say; returns whether it was active.
///
/// What counts is the `owner_inactive` of the kind when the token was issued. The cost is the same for one token and
/// for a million.
///
/// # Errors
/// `22004` for a NULL principal, `42704` when it does not exist, `55000` when a bound table supplies `active`.
///
/// # Access
/// `manage`
///
/// # Example
/// ```sql
/// SELECT tokenauth.deactivate('user:42', reason => 'left the company');
/// SELECT verdict FROM tokenauth.verify(:'token');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn deactivate(
    call: Call,
    principal: Option<Text>,
    reason: default!(Option<Text>, "NULL"),
) -> Result<bool, ErrorReport> {
    let caller = Caller::enter_to_write(call)?;
    let actor = Actor::application(caller)?;
    let _owner = caller.act_as_owner();
    let name = PrincipalName::given("principal", principal)?;
    let reason = arguments::masked("reason", reason, MOST_PROSE)?;
    refuse_supplied(&name, ACTIVE)?;
    let found = lock_existing(&name, Hold::Alone)?;
    xact::mark_death();
    if !found.state.active {
        return Ok(false);
    }
    let before = principal::described(&name);
    principal::set_inactive(&name, reason.as_ref());
    kill_revocable(&name, &found, &actor, reason.as_ref());
    event::of_principal("principal.deactivated", &name, &actor, before, principal::described(&name))?;
    Ok(true)
}

/// Makes a principal active again; returns whether it was inactive.
///
/// Suspended tokens work again; dead ones do not.
///
/// # Errors
/// `22004` for a NULL principal, `42704` when it does not exist, `55000` when a bound table supplies `active`.
///
/// # Access
/// `manage`
///
/// # Example
/// ```sql
/// SELECT tokenauth.deactivate('user:42');
/// SELECT tokenauth.activate('user:42');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn activate(call: Call, principal: Option<Text>) -> Result<bool, ErrorReport> {
    static ACTIVATE: Statement =
        Statement::by_key("UPDATE tokenauth.principal SET active = true, state_reason = NULL WHERE principal = $1");
    let caller = Caller::enter_to_write(call)?;
    let actor = Actor::application(caller)?;
    let _owner = caller.act_as_owner();
    let name = PrincipalName::given("principal", principal)?;
    refuse_supplied(&name, ACTIVE)?;
    if lock_existing(&name, Hold::Alone)?.state.active {
        return Ok(false);
    }
    let before = principal::described(&name);
    kept::refuse("principal", ACTIVATE.run(arguments![name.text()]));
    event::of_principal("principal.activated", &name, &actor, before, principal::described(&name))?;
    Ok(true)
}

/// The field that both functions set.
const ACTIVE: Supplied =
    Supplied { active: true, permissions: false, data_scopes: false, display_name: false, state_reason: false };

/// Kills the tokens that die with a deactivated owner. The caller must hold the owner's row with [`Hold::Alone`].
pub fn kill_revocable(name: &PrincipalName, principal: &Principal, actor: &Actor, reason: Option<&Text>) {
    xact::mark_death();
    death_notice::owner_dies(name, principal, principal::Covers::Revocable);
    principal::begin_epoch(name, principal::Covers::Revocable, actor.recorded(), reason);
}
