//! `revoke`, `revoke_presented` and `delete`: kill one token.

use pgrx::Uuid;
use pgrx::prelude::*;

use super::handing_out::LockedToken;
use crate::access::actor::Actor;
use crate::arguments::caller::Caller;
use crate::arguments::{self, MOST_PROSE};
use crate::catalog::death_notice;
use crate::catalog::derived_death;
use crate::catalog::event::Event;
use crate::catalog::kind;
use crate::catalog::principal::{self, Principal};
use crate::catalog::token::{self, BY_ID, Token, column};
use crate::error::{Error, ErrorReport, KindError, TokenError};
use crate::model::token_state::{Status, has_begun, has_ended};
use crate::pg::function::call::Call;
use crate::pg::scan::index_key::IndexKey;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::sql::statement::Argument;
use crate::pg::transaction::{name_lock, xact};
use crate::pg::types::clock::Timestamp;
use crate::pg::types::json_object::JsonObject;
use crate::pg::types::text::{PresentedText, Text};
use crate::verify::Killable;
use crate::verify::derived::IdentifiedChild;

/// Revokes a token for good; returns whether it was alive.
///
/// That is, neither revoked nor expired. Takes effect for every verification that starts after the commit, in any
/// session.
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
    let caller = Caller::enter_to_write(call)?;
    let actor = Actor::resolve(caller, actor)?;
    let _owner = caller.act_as_owner();
    let id = arguments::token_id(id)?;
    let reason = arguments::masked("reason", reason, MOST_PROSE)?;
    Ok(kill(lock(id, &actor)?, reason, &actor)?)
}

/// Revokes the token that is presented (RFC 7009).
///
/// Returns true also when there is no such token: nothing is left to revoke, and the caller learns nothing by asking.
/// Whoever has the text may revoke the token, under an identity too, unless that is of a derived token. Of a derived
/// token it revokes that one alone, not the one that it was derived from. That is remembered until it would have ended:
/// of a thousand children of one token that were made for later, or for too long, and of no more. What else has the
/// same text dies too: imports by any algorithm. Blanks, tabs and line ends around the text do not count.
///
/// # Arguments
/// - `token`: its text
///
/// # Errors
/// `22004` for a NULL token, `55000` when its digest has a pepper that is not in the key file, `42501` under the
/// identity of a derived token, `53400` for a derived token when too many of its kind are remembered.
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
    token: Option<PresentedText>,
    reason: default!(Option<Text>, "NULL"),
) -> Result<bool, ErrorReport> {
    let caller = Caller::enter_to_write(call)?;
    let actor = Actor::behind(caller)?.not_by_child()?;
    let _owner = caller.act_as_owner();
    let presented = arguments::given("token", token)?;
    let reason = arguments::masked("reason", reason, MOST_PROSE)?;
    for presented in presented.bytes().map_or(Ok(Vec::new()), Killable::all_of)? {
        match presented {
            Killable::Child(child) => {
                leave_room_for(&child)?;
                kill_child(&child, reason.as_ref(), &actor)?;
            }
            Killable::Token(id) => {
                kill(token::lock(id)?, reason.clone(), &actor)?;
            }
        }
    }
    Ok(true)
}

/// Revokes a token for good and removes it from every list; returns false when it was deleted before.
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
/// SELECT tokenauth.delete(:'id');
/// SELECT count(*) FROM tokenauth.list(owner => 'user:42');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn delete(call: Call, id: Option<Uuid>, actor: default!(Option<Text>, "'session'")) -> Result<bool, ErrorReport> {
    let caller = Caller::enter_to_write(call)?;
    let actor = Actor::resolve(caller, actor)?;
    let _owner = caller.act_as_owner();
    let id = arguments::token_id(id)?;
    let token = lock(id, &actor)?;
    xact::mark_death();
    if token.state.deleted {
        return Ok(false);
    }
    let StateBefore { is_alive, status } = StateBefore::of(&token);
    if is_alive {
        death_notice::died(id);
    }
    let now = Timestamp::now();
    let [by, reason] = [actor.recorded(), "deleted".into()];
    BY_ID.update(IndexKey::Uuid(id), |row| {
        // Revoked before, it keeps that death.
        let kept = |column| row.optional::<Text>(column);
        let (at, by, reason) = match row.optional(column::REVOKED_AT) {
            Some(at) => (at, kept(column::REVOKED_BY), kept(column::REVOKE_REASON)),
            None => (now, Some(by), Some(reason)),
        };
        [
            (column::DELETED_AT, Argument::of(now)),
            (column::REVOKED_AT, Argument::of::<Timestamp>(at)),
            (column::REVOKED_BY, Argument::of(by)),
            (column::REVOKE_REASON, Argument::of(reason)),
            (column::SEALED, Argument::of(None::<Vec<u8>>)),
            (column::SEAL, Argument::of(None::<Text>)),
        ]
    });
    record("token.deleted", token, StatusChange { before: status, after: Some("deleted"), reason: None }, &actor)?;
    Ok(true)
}

/// Checks that the actor may revoke the token and locks it, deleted or not. A trusted call waits only for transactions
/// that change this very token.
fn lock(id: Uuid, actor: &Actor) -> Result<Token, Error> {
    if actor.is_trusted() {
        return Ok(token::lock(id)?);
    }
    let locked = LockedToken::lock_deleted(id, actor)?;
    locked.authority.may_revoke(&locked.kind)?;
    Ok(locked.token)
}

/// Revokes a locked token, unless it was revoked before, and returns whether it was alive. Even then what there is to
/// wait for is waited for: whoever asks again may have lost the acknowledgment.
///
/// # Errors
/// 58030 when the operating system provides no random bytes.
pub fn kill(token: Token, reason: Option<Text>, actor: &Actor) -> Result<bool, Error> {
    xact::mark_death();
    if token.state.revoked {
        return Ok(false);
    }
    let StateBefore { is_alive, status } = StateBefore::of(&token);
    if is_alive {
        death_notice::died(token.id);
    }
    mark_revoked(&token, reason.clone(), actor);
    // A token killed by an earlier mass death keeps that death in the lists; this revocation is recorded nevertheless.
    record(
        "token.revoked",
        token,
        StatusChange { before: status, after: Some(Status::Revoked.as_str()), reason },
        actor,
    )?;
    Ok(is_alive)
}

/// Checks that the death of this child can be remembered for as long as it may take. A child that could work now ends
/// soon; of others, which end whenever their maker has said, the holder of a token can make and present any number.
/// While these are counted their parent is locked, so that two sessions do not both take the last place.
///
/// # Errors
/// 53400 when that many of its parent's are remembered.
fn leave_room_for(child: &IdentifiedChild) -> Result<(), Error> {
    /// For one token.
    const MOST: i64 = 1000;
    let parent = token::find(child.parent).ok_or(TokenError::NotFound(child.parent))?;
    let kind = kind::find(parent.kind.as_bytes(), &LatestSnapshot::take())
        .ok_or_else(|| KindError::NotFound(parent.kind.shown()))?;
    let now = Timestamp::now();
    if has_begun(Some(child.narrowing.begin()), now) && !child.narrowing.is_too_long_for(&kind) {
        return Ok(());
    }
    token::lock(child.parent)?;
    let soon = now.plus(&kind.max_derived_lifetime).unwrap_or(now);
    let is_full = derived_death::count_ending_after(child.parent, soon, MOST) >= MOST;
    if is_full && !derived_death::is_recorded(&child.digest, &LatestSnapshot::take()) {
        return Err(TokenError::ManyChildrenRevoked { parent: child.parent, most: MOST }.into());
    }
    Ok(())
}

/// Kills a child by itself, unless it has ended or was killed before.
pub fn kill_child(child: &IdentifiedChild, reason: Option<&Text>, actor: &Actor) -> Result<(), Error> {
    let narrowing = &child.narrowing;
    if has_ended(Some(narrowing.end()), Timestamp::now()) {
        return Ok(());
    }
    xact::mark_death();
    if !derived_death::record(&child.digest, child.parent, narrowing.end()) {
        return Ok(());
    }
    let parent = parent_of_known_owner(child.parent)?;
    let after = JsonObject::new()
        .text("label", narrowing.label().map(str::as_bytes))
        .moment("expires_at", Some(narrowing.end()))
        .text("reason", reason.map(Text::as_bytes));
    Event {
        event: "token.derived_revoked",
        token_id: Some(parent.id),
        kind: Some(parent.kind),
        owner: Some(parent.owner),
        after: Some(after.into()),
        ..Event::default()
    }
    .record(actor)
}

/// The parent of a child, whose row nobody need wait for, with its owner's name as it remains: nobody erases that until
/// this transaction ends.
fn parent_of_known_owner(id: Uuid) -> Result<Token, TokenError> {
    let find = || token::find(id).ok_or(TokenError::NotFound(id));
    name_lock::hold(find()?.owner.as_bytes());
    find()
}

/// What a locked token is found to be, before it is killed.
#[derive(Default)]
struct StateBefore {
    is_alive: bool,
    /// `None` if its owner has no row.
    status: Option<Status>,
}

impl StateBefore {
    fn of(token: &Token) -> Self {
        let owner = principal::find(token.owner.as_bytes(), &LatestSnapshot::take());
        let now = Timestamp::now();
        owner.map_or_else(StateBefore::default, |Principal { state: owner, .. }| StateBefore {
            is_alive: token.state.is_alive(&owner, now),
            status: Some(token.state.status(&owner, now)),
        })
    }
}

/// Marks a locked token as dead from now on, unless it is already.
pub fn mark_revoked(token: &Token, reason: Option<Text>, actor: &Actor) {
    if token.state.revoked {
        return;
    }
    let [now, by] = [Argument::of(Timestamp::now()), Argument::of(actor.recorded())];
    BY_ID.update(IndexKey::Uuid(token.id), |_| {
        [
            (column::REVOKED_AT, now),
            (column::REVOKED_BY, by),
            (column::REVOKE_REASON, Argument::of(reason)),
            (column::SEALED, Argument::of(None::<Vec<u8>>)),
            (column::SEAL, Argument::of(None::<Text>)),
        ]
    });
}

/// How the status of a token changed; neither of the two where it was used in a way that leaves it as it is.
#[derive(Default)]
pub struct StatusChange {
    /// What it was.
    pub before: Option<Status>,
    /// What it is now.
    pub after: Option<&'static str>,
    /// Why, if a reason was given.
    pub reason: Option<Text>,
}

impl StatusChange {
    /// From one status to another.
    pub fn of(before: Status, after: Status) -> Self {
        StatusChange { before: Some(before), after: Some(after.as_str()), reason: None }
    }
}

/// Records that a token changed its status, or was used.
///
/// # Errors
/// 58030 when the operating system provides no random bytes.
pub fn record(event: &'static str, token: Token, change: StatusChange, actor: &Actor) -> Result<(), Error> {
    let described = |status: Option<&str>, reason: Option<&Text>| {
        let object = |status: &str| JsonObject::new().text("status", Some(status.as_bytes()));
        status.map(|status| object(status).text("reason", reason.map(Text::as_bytes)).into())
    };
    Event {
        event,
        token_id: Some(token.id),
        kind: Some(token.kind),
        owner: Some(token.owner),
        before: described(change.before.map(Status::as_str), None),
        after: described(change.after, change.reason.as_ref()),
    }
    .record(actor)
}
