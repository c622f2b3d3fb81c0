//! `add_member` and `remove_member`: who belongs to which organisation.

use pgrx::prelude::*;

use super::binding::{self, refuse_membership};
use crate::access::actor::Actor;
use crate::arguments;
use crate::arguments::caller::Caller;
use crate::catalog::event::Event;
use crate::catalog::member;
use crate::catalog::principal::{Hold, lock_existing};
use crate::error::{Error, ErrorReport, PrincipalError};
use crate::model::bound_to::BoundTo;
use crate::model::principal_name::PrincipalName;
use crate::pg::function::call::Call;
use crate::pg::scan::relation::Supply;
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::transaction::xact;
use crate::pg::types::array::TextArray;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::text::Text;

/// Makes a principal a member of an organisation, or changes what it holds there.
///
/// # Arguments
/// - `org`: the organisation, any principal
/// - `member`: the principal that becomes a member
/// - `permissions`: what it holds there
///
/// # Errors
/// `22004` for a NULL argument, `22023` for a malformed principal or permission, or an organisation as a member of
/// itself, `42704` when either does not exist, `55000` when a bound table supplies memberships or permissions.
///
/// # Access
/// `manage`
///
/// # Example
/// ```sql
/// SELECT tokenauth.add_member('org:acme', 'user:42', '{reports:*,tokens:manage}');
/// SELECT name FROM tokenauth.issue('api', 'org:acme', 'export', actor => 'user:42');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn add_member(
    call: Call,
    org: Option<Text>,
    member: Option<Text>,
    permissions: default!(Option<TextArray>, "'{}'"),
) -> Result<(), ErrorReport> {
    let caller = Caller::enter_to_write(call)?;
    let actor = Actor::application(caller)?;
    let _owner = caller.act_as_owner();
    let (org, member) = parties(org, member)?;
    let permissions = arguments::kept_scopes("permissions", &arguments::given("permissions", permissions)?)?;
    let is_member = member::lock(&org, &member, Hold::Look).is_some();
    refuse_membership(is_member)?;
    // Taking a permission away is as urgent as revoking.
    xact::mark_narrowing();
    let before = member::put(&org, &member, &permissions);
    let after = permissions.iter().collect();
    if before.as_ref() != Some(&after) {
        let event = if before.is_some() { "member.changed" } else { "member.added" };
        record(event, &org, &member, before, Some(after), &actor)?;
    }
    Ok(())
}

/// Removes a member from an organisation; returns whether it was one.
///
/// Tokens of the organisation that the member issued stay alive.
///
/// # Arguments
/// - `org`: the organisation
/// - `member`: who leaves it
///
/// # Errors
/// `22004` for a NULL argument, `22023` for a malformed principal, `42704` when either does not exist, `55000` when a
/// bound table supplies memberships.
///
/// # Access
/// `manage`
///
/// # Example
/// ```sql
/// SELECT tokenauth.remove_member('org:acme', 'user:42');
/// SELECT tokenauth.remove_member('org:acme', 'user:42');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn remove_member(call: Call, org: Option<Text>, member: Option<Text>) -> Result<bool, ErrorReport> {
    let caller = Caller::enter_to_write(call)?;
    let actor = Actor::application(caller)?;
    let _owner = caller.act_as_owner();
    let (org, member) = parties(org, member)?;
    refuse_membership(false)?;
    xact::mark_narrowing();
    let before = member::remove(&org, &member);
    let was_member = before.is_some();
    if was_member {
        record("member.removed", &org, &member, before, None, &actor)?;
    }
    Ok(was_member)
}

/// Keeps others from binding memberships, and locks both principals in key order, as everything that weighs a
/// membership does (see [`crate::catalog`]).
fn parties(org: Option<Text>, member: Option<Text>) -> Result<(PrincipalName, PrincipalName), Error> {
    let org = PrincipalName::given("org", org)?;
    let member = PrincipalName::given("member", member)?;
    if org == member {
        return Err(PrincipalError::MemberOfItself.into());
    }
    binding::lock(&BoundTo::Memberships, Supply::SetByHand);
    let (first, second) = if org < member { (&org, &member) } else { (&member, &org) };
    lock_existing(first, Hold::Share)?;
    lock_existing(second, Hold::Share)?;
    Ok((org, member))
}

fn record(
    event: &'static str,
    org: &PrincipalName,
    member: &PrincipalName,
    before: Option<TextArray>,
    after: Option<TextArray>,
    actor: &Actor,
) -> Result<(), Error> {
    static DESCRIBE: Statement = Statement::new("SELECT jsonb_build_object('member', $1, 'permissions', $2)");
    let described = |permissions: TextArray| -> Option<Jsonb> {
        DESCRIBE.first(arguments![member.text(), permissions], |row| row.required(1))
    };
    let (before, after) = (before.and_then(described), after.and_then(described));
    Event { event, owner: Some(org.text()), before, after, ..Event::default() }.record(actor)
}
