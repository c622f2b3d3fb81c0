//! `grantable`: tells what an actor could hand out now, for showing the button and the picker.

use pgrx::prelude::*;

use crate::access::actor::Actor;
use crate::access::authority::Parties;
use crate::arguments;
use crate::arguments::caller::Caller;
use crate::catalog;
use crate::catalog::token::grant::Grant;
use crate::error::{AccessError, Error, ErrorReport, KindError};
use crate::model::principal_name::PrincipalName;
use crate::pg::function::call::Call;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::types::array::TextArray;
use crate::pg::types::text::Text;

/// Returns the scopes that an actor could grant now; NULL when it may not issue.
///
/// For showing the button and the picker.
///
/// # Errors
/// `22004` for a NULL argument, `42704` for an unknown kind or actor, or an unknown owner where the actor may issue.
///
/// # Access
/// `self`
///
/// # Example
/// ```sql
/// SELECT tokenauth.grantable('api', 'user:42', actor => 'user:42') AS own,
///        tokenauth.grantable('api', 'org:acme', actor => 'user:42') AS of_the_organisation;
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn grantable(
    call: Call,
    kind: Option<Text>,
    owner: Option<Text>,
    actor: default!(Option<Text>, "'session'"),
) -> Result<Option<TextArray>, ErrorReport> {
    let caller = Caller::enter(call)?;
    let actor = match Actor::resolve(caller, actor) {
        Err(Error::Access(AccessError::UnderChild)) => return Ok(None),
        actor => actor?,
    };
    let _owner = caller.act_as_owner();
    let kind = arguments::given("kind", kind)?;
    let kind = catalog::kind::find(kind.as_bytes(), &LatestSnapshot::take())
        .ok_or_else(|| KindError::NotFound(kind.shown()))?;
    let owner = PrincipalName::given("owner", owner)?;
    let handing_out = Parties::look(&actor, &kind, &owner).and_then(|parties| parties.handing_out(&kind, &owner));
    let (principal, authority) = match handing_out {
        Err(Error::Access(AccessError::ActorInactive(_) | AccessError::NotAllowed(_))) => return Ok(None),
        found => found?,
    };
    let makes_one = || {
        kind.is_open().and_then(|()| kind.accepts(&owner, &principal)).and_then(|()| kind.has_room(&owner, &principal))
    };
    if makes_one().is_err() {
        return Ok(None);
    }
    let held = kind.held(&principal.permissions);
    if kind.permission_mode.is_chosen() {
        return Ok(Some(authority.cut(held).iter().collect()));
    }
    // Nothing can be chosen: the token carries what its owner holds, or is not issued at all.
    let grant = Grant { scopes: None, data_scopes: None };
    let may = authority.covers_always(&kind, &grant, &principal).is_ok();
    Ok(may.then(|| held.iter().collect()))
}
