//! `revoke`, `revoke_presented` and `delete`: kill one token.

use pgrx::Uuid;
use pgrx::prelude::*;

use super::handing_out::Held;
use crate::access::actor::Actor;
use crate::arguments::caller::Caller;
use crate::arguments::{self, MOST_PROSE};
use crate::catalog::death_notice;
use crate::catalog::event::Event;
use crate::catalog::token::Token;
use crate::catalog::{principal, token};
use crate::error::{Error, ErrorReport};
use crate::pg::function::call::Call;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::transaction::xact;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::text::{Presented, Text};
use crate::verify;

/// Revokes a token for good; returns whether it was alive.
///
/// That is, neither revoked nor expired. Takes effect for every verification that starts after the commit, in any
/// session.
///
/// # Errors
/// `22004` for a NULL id or actor, `42501` when the actor may not, `42704` when no such token exists.
///
/// # Access
/// `self`
///
/// # Example
/// ```sql
/// SELECT tokenauth.revoke(:'id', reason => 'laptop lost');
/// SELECT tokenauth.revoke(:'id');
/// SELECT verdict, http_status FROM tokenauth.verify(:'token');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn revoke(
    call: Call,
    id: Option<Uuid>,
    reason: default!(Option<Text>, "NULL"),
    actor: default!(Option<Text>, "'session'"),
) -> Result<bool, ErrorReport> {
    let caller = Caller::enter(call)?;
    let actor = Actor::resolve(caller, actor)?;
    let _owner = caller.act_as_owner();
    let id = arguments::token_id(id)?;
    let reason = arguments::bounded("reason", reason, MOST_PROSE)?;
    Ok(kill(lock(id, &actor)?, reason, &actor)?)
}

/// Revokes the token that is presented (RFC 7009).
///
/// Returns true also when there is no such token: nothing is left to revoke, and the caller learns nothing by asking.
/// Whoever has the text may revoke the token, under an identity too.
///
/// # Arguments
/// - `token`: its text
///
/// # Errors
/// `22004` for a NULL token, `55000` when its digest has a pepper that is not in the key file.
///
/// # Access
/// `verify`
///
/// # Example
/// ```sql
/// SELECT tokenauth.revoke_presented(:'token');
/// SELECT tokenauth.revoke_presented('nonsense');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn revoke_presented(
    call: Call,
    token: Option<Presented>,
    reason: default!(Option<Text>, "NULL"),
) -> Result<bool, ErrorReport> {
    let caller = Caller::enter(call)?;
    let _owner = caller.act_as_owner();
    let presented = arguments::given("token", token)?;
    let reason = arguments::bounded("reason", reason, MOST_PROSE)?;
    if let Some(id) = verify::identify(&presented)? {
        kill(token::lock(id)?, reason, &Actor::behind(caller)?)?;
    }
    Ok(true)
}

/// Revokes a token for good and removes it from every list; returns false when it was deleted before.
///
/// # Errors
/// `22004` for a NULL id or actor, `42501` when the actor may not, `42704` when no such token exists.
///
/// # Access
/// `self`
///
/// # Example
/// ```sql
/// SELECT tokenauth.delete(:'id');
/// SELECT count(*) FROM tokenauth.list(owner => 'user:42');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn delete(call: Call, id: Option<Uuid>, actor: default!(Option<Text>, "'session'")) -> Result<bool, ErrorReport> {
    static DELETE: Statement = Statement::by_key(
        "UPDATE tokenauth.token
            SET deleted_at = clock_timestamp(),
                revoked_at = coalesce(revoked_at, clock_timestamp()),
                revoked_by = CASE WHEN revoked_at IS NULL THEN $2 ELSE revoked_by END,
                revoke_reason = CASE WHEN revoked_at IS NULL THEN 'deleted' ELSE revoke_reason END,
                sealed = NULL,
                seal = NULL
          WHERE id = $1",
    );
    let caller = Caller::enter(call)?;
    let actor = Actor::resolve(caller, actor)?;
    let _owner = caller.act_as_owner();
    let id = arguments::token_id(id)?;
    let token = lock(id, &actor)?;
    if token.deleted {
        return Ok(false);
    }
    xact::mark_death();
    if is_alive(&token) {
        death_notice::died(id);
    }
    let before = token::status(id);
    DELETE.run(arguments![id, actor.recorded()]);
    record("token.deleted", token, before, Some("deleted".into()), None, &actor)?;
    Ok(true)
}

/// Checks that the actor may revoke the token and locks it, deleted or not. A trusted call waits only for transactions
/// that change this very token.
fn lock(id: Uuid, actor: &Actor) -> Result<Token, Error> {
    if actor.is_trusted() {
        return Ok(token::lock(id)?);
    }
    let held = Held::lock_deleted(id, actor)?;
    held.authority.may_revoke(&held.kind)?;
    Ok(held.token)
}

fn kill(token: Token, reason: Option<Text>, actor: &Actor) -> Result<bool, Error> {
    if token.revoked {
        return Ok(false);
    }
    xact::mark_death();
    let was_alive = is_alive(&token);
    if was_alive {
        death_notice::died(token.id);
    }
    let before = token::status(token.id);
    mark_revoked(&token, reason.clone(), actor);
    // A token killed by an earlier mass death keeps that death in the lists; this revocation is recorded nevertheless.
    record("token.revoked", token, before, Some("revoked".into()), reason, actor)?;
    Ok(was_alive)
}

/// Whether a locked token is alive: not revoked, not killed by a mass death, and not expired.
fn is_alive(token: &Token) -> bool {
    let owner = principal::find(token.owner.as_bytes(), &LatestSnapshot::take());
    !token.is_expired(Timestamp::now()) && owner.is_some_and(|owner| !token.is_dead(&owner))
}

/// Marks a locked token as dead from now on.
pub fn mark_revoked(token: &Token, reason: Option<Text>, actor: &Actor) {
    static REVOKE: Statement = Statement::by_key(
        "UPDATE tokenauth.token
            SET revoked_at = clock_timestamp(), revoked_by = $2, revoke_reason = $3, sealed = NULL, seal = NULL
          WHERE id = $1 AND revoked_at IS NULL",
    );
    REVOKE.run(arguments![token.id, actor.recorded(), reason]);
}

/// Records that a token changed its status, or was used in a way that leaves it as it is.
pub fn record(
    event: &'static str,
    token: Token,
    before: Option<Text>,
    after: Option<Text>,
    reason: Option<Text>,
    actor: &Actor,
) -> Result<(), Error> {
    static DESCRIBE: Statement =
        Statement::new("SELECT jsonb_strip_nulls(jsonb_build_object('status', $1, 'reason', $2))");
    let described = |status: Option<Text>, reason: Option<Text>| -> Option<Jsonb> {
        status.and_then(|status| DESCRIBE.first(arguments![status, reason], |row| row.required(1)))
    };
    Event {
        event,
        token_id: Some(token.id),
        kind: Some(token.kind),
        owner: Some(token.owner),
        before: described(before, None),
        after: described(after, reason),
    }
    .record(actor)
}
