//! `describe`: shows one token.

use pgrx::Uuid;
use pgrx::prelude::*;

use super::handing_out::find_for;
use crate::access::actor::Actor;
use crate::access::authority::Parties;
use crate::arguments;
use crate::arguments::caller::Caller;
use crate::catalog::kind;
use crate::catalog::token::{self, Token};
use crate::error::{Error, ErrorReport, TokenError};
use crate::model::principal_name::PrincipalName;
use crate::pg::function::call::Call;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::sql::statement::arguments;
use crate::pg::types::composite::TokensRow;
use crate::pg::types::text::Text;

/// Returns the row of `tokenauth.tokens` with this id, if the actor may see it.
///
/// # Errors
/// `22004` for a NULL id or actor, `42501` for an inactive actor, `42704` for an unknown actor, and when there is no
/// such token or the actor may not see it.
///
/// # Access
/// `self`, and `observe` for reading
///
/// # Example
/// ```sql
/// SELECT name, owner, status, scopes FROM tokenauth.describe(:'id');
/// SELECT name FROM tokenauth.describe('00000000-0000-7000-8000-000000000000');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe, requires = ["views"])]
fn describe(
    call: Call,
    id: Option<Uuid>,
    actor: default!(Option<Text>, "'session'"),
) -> Result<TokensRow, ErrorReport> {
    let caller = Caller::enter(call)?;
    let actor = Actor::resolve_reader(caller, actor)?;
    let _owner = caller.act_as_owner();
    let id = arguments::token_id(id)?;
    find_seen(id, &actor)?;
    // It may have been deleted since.
    Ok(TokensRow::from_first(&token::SEEN, arguments![id]).ok_or(TokenError::NotFound(id))?)
}

/// The token with this id, without a lock, if the actor's list has it.
///
/// # Errors
/// 42704 when there is none, or it was deleted, or the actor may not see it; 42501 for an inactive actor, 42704 for an
/// unknown one, 28000 for one that acts by a token that is not accepted any more.
pub fn find_seen(id: Uuid, actor: &Actor) -> Result<Token, Error> {
    let token = find_for(id, actor)?;
    if !may_see(actor, &token)? || token.state.deleted { Err(TokenError::NotFound(id).into()) } else { Ok(token) }
}

fn may_see(actor: &Actor, token: &Token) -> Result<bool, Error> {
    if actor.is_trusted() {
        return Ok(true);
    }
    let Some(kind) = kind::find(token.kind.as_bytes(), &LatestSnapshot::take()) else {
        return Ok(false);
    };
    let owner = PrincipalName::given("owner", Some(token.owner.clone()))?;
    Ok(Parties::look(actor, &kind, &owner)?.authority.may_manage(&kind).is_ok())
}
