//! `revoke_all`: kills many tokens at once.

use pgrx::Uuid;
use pgrx::prelude::*;

use crate::access::actor::Actor;
use crate::access::authority::{Acting, Reach};
use crate::arguments::caller::Caller;
use crate::arguments::{self, MOST_PROSE};
use crate::catalog::death_notice;
use crate::catalog::event::{Event, Originator as _};
use crate::catalog::principal::{self, Covers, Hold, lock_existing};
use crate::catalog::token::life::{is_alive, of_kind};
use crate::catalog::{kind, token};
use crate::error::{AccessError, ArgumentError, Error, ErrorReport};
use crate::model::principal_name::PrincipalName;
use crate::pg::function::call::Call;
use crate::pg::sql::statement::{Argument, Statement, arguments, fields, utc};
use crate::pg::transaction::xact;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::text::Text;

/// The count of deaths is exact up to this number.
const MOST_COUNTED: i64 = 10_000;

/// Revokes every selected token; returns how many were alive, NULL for more than 10,000.
///
/// By owner alone, the cost is the same for one token and for a million. A principal as actor reaches only tokens that
/// it may revoke.
///
/// # Arguments
/// - `owner`: whose tokens; `'*'`: anybody's
/// - `kind`: of which kind; `'*'`: of any
/// - `issued_before`: only those issued before
///
/// # Errors
/// `22004` for a NULL selector or actor, or when nothing is selected; `42501` when the actor may not revoke any token
/// of the owner, whether there is such an owner or not; `42704` for an unknown owner, kind or actor.
///
/// # Access
/// `manage`
///
/// # Example
/// ```sql
/// SELECT tokenauth.revoke_all(owner => 'user:42', reason => 'account taken over');
/// SELECT tokenauth.revoke_all();
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn revoke_all(
    call: Call,
    owner: default!(Option<Text>, "'*'"),
    kind: default!(Option<Text>, "'*'"),
    issued_before: default!(Option<Timestamp>, "'infinity'"),
    reason: default!(Option<Text>, "NULL"),
    actor: default!(Option<Text>, "'session'"),
) -> Result<Option<i64>, ErrorReport> {
    let caller = Caller::enter_to_write(call)?;
    let actor = Actor::resolve(caller, actor)?;
    let _owner = caller.act_as_owner();
    let selection = Selection {
        owner: match arguments::given("owner", owner)? {
            any if any.as_bytes() == b"*" => None,
            owner => Some(PrincipalName::given("owner", Some(owner))?),
        },
        kind: Some(arguments::given("kind", kind)?).filter(|kind| kind.as_bytes() != b"*"),
        issued_before: arguments::given("issued_before", issued_before)?,
    };
    let reason = arguments::masked("reason", reason, MOST_PROSE)?;
    let died = match selection {
        Selection { owner: None, kind: None, issued_before: Timestamp::INFINITY } => {
            Err(ArgumentError::NothingSelected)?
        }
        Selection { owner: Some(owner), kind: None, issued_before: Timestamp::INFINITY }
            if actor.is_trusted_or(&owner) =>
        {
            kill_all_of(&owner, &actor, reason)?
        }
        selection => selection.kill(&actor, reason)?,
    };
    Ok(Some(died).filter(|&died| died <= MOST_COUNTED))
}

/// Kills all tokens of an owner by writing one row, however many there are.
fn kill_all_of(owner: &PrincipalName, actor: &Actor, reason: Option<Text>) -> Result<i64, Error> {
    let principal = lock_existing(owner, Hold::Alone)?;
    if let Some(name) = actor.name() {
        // The actor is the owner, whose row is already locked.
        Acting::lock(actor, name, Hold::Look)?;
    }
    xact::mark_death();
    let alive = token::count_alive_of(owner, &principal, MOST_COUNTED + 1);
    death_notice::owner_dies(owner, &principal, Covers::All);
    principal::begin_epoch(owner, Covers::All, actor.recorded(), reason.as_ref());
    record(Some(owner), None, None, alive, reason, actor)?;
    Ok(alive)
}

/// Kills the tokens of `$owner` that are selected besides.
macro_rules! kill {
    ($owner:literal) => {
        concat!(
            "WITH selected AS MATERIALIZED (
                 SELECT t.id, ",
            is_alive!(),
            " AS alive
                   FROM tokenauth.token t
                   JOIN tokenauth.principal p ON p.principal = t.owner",
            of_kind!(),
            "     WHERE t.revoked_at IS NULL
                    AND ",
            $owner,
            "       AND (t.kind = $2 OR $2 IS NULL)
                    AND t.created_at < $3
                    AND ($6 IS NULL
                         OR t.owner = $6 AND t.kind = ANY ($7)
                         OR (t.owner, t.kind) IN (SELECT * FROM unnest($8::text[], $9::text[]))
                         OR t.kind = ANY ($10))
                  ORDER BY t.id
                    FOR NO KEY UPDATE OF t),
             killed AS (
                 UPDATE tokenauth.token t
                    SET revoked_at = clock_timestamp(), revoked_by = $4, revoke_reason = $5,
                        sealed = NULL, seal = NULL
                   FROM selected
                  WHERE t.id = selected.id)
             SELECT count(*) FILTER (WHERE alive),
                    -- Who is listened to is told as many as a message lists, and one more if there are more.
                    CASE WHEN $11 > 0
                         THEN (SELECT array_agg(id) FROM (SELECT id FROM selected WHERE alive LIMIT $11) listed) END
               FROM selected"
        )
    };
}

// Rows are locked in id order. Expired tokens die too, or an edit could revive them.
static OF_OWNER: Statement = Statement::choosing(kill!("t.owner = $1")).repeated();
static OF_ANYBODY: Statement = Statement::choosing(kill!("$1::text IS NULL")).repeated();

/// Which tokens to revoke; `None` means any.
struct Selection {
    owner: Option<PrincipalName>,
    kind: Option<Text>,
    issued_before: Timestamp,
}

impl Selection {
    /// Kills token by token. Waits for an issue in progress, through the lock it holds on its owner or kind, so that no
    /// selected token becomes visible later.
    fn kill(self, actor: &Actor, reason: Option<Text>) -> Result<i64, Error> {
        let kill = if self.owner.is_some() { &OF_OWNER } else { &OF_ANYBODY };
        if self.owner.is_none() || self.kind.is_some() {
            kind::lock_against_issue(self.kind.as_ref())?;
        }
        let lock_owner = |owner| lock_existing(owner, Hold::Alone);
        // Both principals before any membership.
        let (reach, owner) = match (actor.name(), &self.owner) {
            (None, owner) => (Reach::default(), owner.as_ref().map(lock_owner).transpose().map(drop)),
            (Some(name), None) => (Reach::to_revoke(&Acting::lock(actor, name, Hold::Share)?, name), Ok(())),
            (Some(name), Some(owner)) => {
                let (owner, acting) = Acting::lock_with(actor, name, Hold::Share, owner, || lock_owner(owner))?;
                (Reach::to_revoke(&acting, name), owner.map(drop))
            }
        };
        if let Some(owner) = &self.owner
            && !actor.is_trusted_or(owner)
            && !reach.reaches(owner)
        {
            return Err(AccessError::NotAllowedFor(owner.shown()).into());
        }
        // Only now: who reaches none of its tokens is not told whether the owner exists.
        owner?;
        xact::mark_death();
        let mut arguments: Vec<Argument> = fields![
            self.owner.as_ref().map(PrincipalName::text),
            self.kind.clone(),
            self.issued_before,
            actor.recorded(),
            reason.clone(),
            actor.principal(),
        ]
        .into();
        arguments.extend(reach.arguments());
        arguments.push(Argument::of(death_notice::most_listed()));
        let (died, listed): (i64, Vec<Uuid>) =
            kill.first(&arguments, |row| (row.required(1), row.optional(2).unwrap_or_default())).unwrap_or_default();
        death_notice::many_died(|_| listed);
        record(self.owner.as_ref(), self.kind, Some(self.issued_before), died, reason, actor)?;
        Ok(died)
    }
}

/// Records one event, however many tokens died.
fn record(
    owner: Option<&PrincipalName>,
    kind: Option<Text>,
    issued_before: Option<Timestamp>,
    died: i64,
    reason: Option<Text>,
    actor: &Actor,
) -> Result<(), Error> {
    static DESCRIBE: Statement = Statement::new(concat!(
        "SELECT jsonb_strip_nulls(jsonb_build_object('died', CASE WHEN $1 <= $4 THEN $1 END, 'reason', $2,
                    'issued_before', ",
        utc!("nullif($3, 'infinity')"),
        "))",
    ));
    let after = DESCRIBE.first(arguments![died, reason, issued_before, MOST_COUNTED], |row| row.required(1));
    Event { event: "tokens.revoked", kind, owner: owner.map(PrincipalName::text), after, ..Event::default() }
        .record(actor)
}
