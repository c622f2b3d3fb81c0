//! `rotate` and `rotation_status`: a successor takes over, and the old token dies when its grace ends.

use pgrx::Uuid;
use pgrx::datum::Interval;
use pgrx::prelude::*;

use super::describe::find_seen;
use super::handing_out::{LockedToken, New};
use super::lifetime::Expiry;
use super::revoke::mark_revoked;
use crate::access::actor::Actor;
use crate::arguments;
use crate::arguments::caller::Caller;
use crate::catalog::as_issued;
use crate::catalog::death_notice;
use crate::catalog::event::Event;
use crate::catalog::id;
use crate::catalog::token::{self, BY_ID, column};
use crate::error::{Error, ErrorReport, KindError, TokenError};
use crate::pg::function::call::Call;
use crate::pg::scan::index_key::IndexKey;
use crate::pg::sql::statement::{Argument, Statement, arguments};
use crate::pg::transaction::xact;
use crate::pg::types::clock::{Timestamp, is_positive};
use crate::pg::types::composite::{IssuedFields, RotationRow};
use crate::pg::types::text::Text;

/// Issues a successor with the same settings; the token itself works until the end of grace.
///
/// Without grace it is revoked at once. The successor expires when the token would have, unless `expires_in` is given,
/// and is judged by the kind as it is now: a lifetime or a scope beyond what that allows is cut. A token has at most
/// one successor.
///
/// # Arguments
/// - `grace`: for how long both work
/// - `expires_in`: the successor's lifetime; NULL: the rest of the token's own
///
/// # Errors
/// `22004` for a NULL id, grace or actor, or a name or lifetime that is required and missing; `22023` for a grace or a
/// lifetime out of bounds; `42501` when the token would grant more than its owner holds now, or what the actor may not
/// pass on; `42704` when no such token exists or the actor may not see it; `55000` when it is revoked, expired,
/// disabled or already rotated, its kind is closed, or its owner is inactive.
///
/// # Access
/// `self`
///
/// # Example
/// ```sql
/// SELECT token AS new, name, scopes FROM tokenauth.rotate(:'id', grace => '1 day') \gset
/// SELECT a.verdict AS before, b.verdict AS after, b.name
///   FROM tokenauth.verify(:'token') a, tokenauth.verify(:'new') b;
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe, requires = ["types"])]
fn rotate(
    call: Call,
    id: Option<Uuid>,
    grace: default!(Option<Interval>, "'0'"),
    expires_in: default!(Option<Interval>, "NULL"),
    actor: default!(Option<Text>, "'session'"),
) -> Result<IssuedFields, ErrorReport> {
    let caller = Caller::enter_to_write(call)?;
    let actor = Actor::resolve(caller, actor)?;
    let _owner = caller.act_as_owner();
    let id = arguments::token_id(id)?;
    let grace = arguments::given("grace", grace)?;
    let asked = Expiry::asked(expires_in, None)?;
    Ok(succeed(LockedToken::lock(id, &actor)?, &grace, &asked, &actor)?)
}

/// Returns how far a rotation has come, given the id of either token.
///
/// NULL for a token that was not rotated.
///
/// # Errors
/// `22004` for a NULL id, `42704` when no such token exists or the identity of the transaction may not see it.
///
/// # Access
/// `self`
///
/// # Example
/// ```sql
/// SELECT id AS new FROM tokenauth.rotate(:'id', grace => '1 day') \gset
/// SELECT predecessor = :'id' AS predecessor, successor = :'new' AS successor, predecessor_in_use
///   FROM tokenauth.rotation_status(:'new');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe, requires = ["types"])]
fn rotation_status(call: Call, id: Option<Uuid>) -> Result<Option<RotationRow>, ErrorReport> {
    static STATUS: Statement = Statement::by_key(
        "SELECT ROW(old.id, new.id, old_used.at, new_used.at,
                    coalesce(seen.status = 'active' AND old_used.at > new.created_at, false)
                )::tokenauth.rotation
           FROM tokenauth.token given
           JOIN tokenauth.token old
             ON old.id = CASE WHEN given.rotated_to IS NULL THEN given.rotated_from ELSE given.id END
           JOIN tokenauth.token new ON new.id = old.rotated_to
           LEFT JOIN tokenauth.usage old_usage ON old_usage.token_id = old.id
           LEFT JOIN tokenauth.usage new_usage ON new_usage.token_id = new.id
          CROSS JOIN LATERAL (SELECT greatest(old_usage.last_used_at,
                                              (tokenauth.recent_usage(old.id)).last_used_at) AS at) old_used
          CROSS JOIN LATERAL (SELECT greatest(new_usage.last_used_at,
                                              (tokenauth.recent_usage(new.id)).last_used_at) AS at) new_used
           LEFT JOIN tokenauth.tokens seen ON seen.id = old.id
          WHERE given.id = $1",
    );
    let caller = Caller::enter_to_look_back(call, "rotation_status")?;
    let actor = Actor::session(caller)?;
    let _owner = caller.act_as_owner();
    let id = arguments::token_id(id)?;
    // Its successor is seen as well: it has the same kind and owner.
    find_seen(id, &actor)?;
    Ok(RotationRow::from_first(&STATUS, arguments![id]))
}

fn succeed(locked: LockedToken, grace: &Interval, asked: &Expiry, actor: &Actor) -> Result<IssuedFields, Error> {
    let now = Timestamp::now();
    let id = locked.token.id;
    locked.must_be_usable(now)?;
    if locked.token.rotated {
        return Err(TokenError::Rotated(id).into());
    }
    let grant = locked.token.extent.grant.of_successor(&locked.kind);
    locked.may_hand_out(&grant)?;
    locked.kind.is_open()?;
    let end = locked.kind.end_of_grace(grace, now)?;
    let inherited = locked.token.extent.expires_at;
    let expires_at =
        if asked.is_given() { locked.kind.expiry(asked, now)? } else { locked.kind.inherited(inherited, now)? };
    let is_default = !asked.is_given() && inherited.is_none();
    let expires_at = locked.authority.end(&locked.kind, expires_at, is_default)?;
    locked.authority.admits(&locked.kind, locked.token.extent.networks.as_ref())?;
    locked.token.begins_before(expires_at)?;
    let settings = token::settings(id)?;
    locked
        .kind
        .accepts_name(settings.name.as_ref())
        .map_err(|_| KindError::NamelessSuccessor(locked.kind.name.shown()))?;
    let before = token::described(id);
    as_issued::keep(id);
    let successor = id::new(now)?;

    // Take the token out of the count before its successor is counted.
    let lowered = inherited.map_or(end, |expires_at| expires_at.min(end));
    BY_ID.update(IndexKey::Uuid(id), |_| {
        [(column::ROTATED_TO, Argument::of(successor)), (column::EXPIRES_AT, Argument::of(lowered))]
    });
    locked.kind.has_room(&locked.owner, &locked.principal)?;
    let new = New { settings, expires_at, ..locked.successor(successor, now, actor, grant) };
    let issued = new.store()?;
    let token = locked.token;
    if is_positive(grace) {
        xact::mark_narrowing();
    } else {
        xact::mark_death();
        death_notice::died(id);
        mark_revoked(&token, Some("rotated".into()), actor);
    }
    Event {
        event: "token.rotated",
        token_id: Some(id),
        kind: Some(token.kind),
        owner: Some(token.owner),
        before,
        after: token::described(id),
    }
    .record(actor)?;
    Ok(issued)
}
