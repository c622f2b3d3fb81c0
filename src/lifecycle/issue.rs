//! `issue`: makes a new token.

use pgrx::datum::Interval;
use pgrx::prelude::*;

use super::handing_out::{Admission, New};
use super::lifetime::Expiry;
use crate::access::actor::Actor;
use crate::arguments::caller::Caller;
use crate::arguments::{self, MOST_NAME, MOST_PROSE};
use crate::catalog::token::Settings;
use crate::error::{ArgumentError, Error, ErrorReport, LifetimeError};
use crate::model::principal_name::PrincipalName;
use crate::pg::function::call::Call;
use crate::pg::types::array::TextArray;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::composite::IssuedFields;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::text::Text;

/// Issues a token and returns it with its text, which is shown only here.
///
/// Without `scopes` or `data_scopes`, the token gets all that the owner holds now. Lifetimes count from the call on.
///
/// # Errors
/// `22004` for a NULL kind, owner or actor, a missing name or lifetime; `22023` for malformed scopes, data scopes,
/// networks or principals, an empty list of networks, both expiries or a lifetime out of bounds, an owner of the wrong
/// type, scopes beyond the ceiling, or any for a kind whose tokens carry none of their own (`live`, `all`); `42501`
/// for scopes the owner does not hold, and for what the actor may not pass on; `42704` for an unknown kind or owner;
/// `53400` when the owner has as many tokens as it may; `55000` for a closed kind, an inactive owner, an unusable key
/// file, or one without a seal for a kind that reveals.
///
/// # Access
/// `self`
///
/// # Example
/// ```sql
/// SELECT length(token), kind, owner, name, scopes
///   FROM tokenauth.issue('api', 'user:42', 'CI', scopes => '{reports:read}', expires_in => '30 days');
/// SELECT token FROM tokenauth.issue('api', 'user:42', 'too much', scopes => '{admin}');
/// ```
#[expect(clippy::too_many_arguments, reason = "the contract's signature; SQL calls it with named arguments")]
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe, requires = ["types"])]
fn issue(
    call: Call,
    kind: Option<Text>,
    owner: Option<Text>,
    name: default!(Option<Text>, "NULL"),
    description: default!(Option<Text>, "NULL"),
    scopes: default!(Option<TextArray>, "NULL"),
    data_scopes: default!(Option<Jsonb>, "NULL"),
    expires_in: default!(Option<Interval>, "NULL"),
    expires_at: default!(Option<Timestamp>, "NULL"),
    not_before: default!(Option<Timestamp>, "NULL"),
    networks: default!(Option<TextArray>, "NULL"),
    metadata: default!(Option<Jsonb>, "NULL"),
    actor: default!(Option<Text>, "'session'"),
) -> Result<IssuedFields, ErrorReport> {
    let caller = Caller::enter_to_write(call)?;
    let actor = Actor::resolve(caller, actor)?;
    let _owner = caller.act_as_owner_for_rows();
    let kind = arguments::given("kind", kind)?;
    let owner = PrincipalName::given("owner", owner)?;
    let name = arguments::for_people("name", name, MOST_NAME)?.filter(|name| !name.is_empty());
    let description =
        arguments::for_people("description", description, MOST_PROSE)?.filter(|description| !description.is_empty());
    let chosen = scopes.map(|scopes| arguments::kept_scopes("scopes", &scopes)).transpose()?;
    let chosen_data = data_scopes.as_ref().map(arguments::data_scopes).transpose()?;
    let networks = networks.as_ref().map(arguments::networks).transpose()?;
    if networks.as_ref().is_some_and(TextArray::is_empty) {
        Err(ArgumentError::NoNetworks)?;
    }
    let metadata = arguments::metadata(metadata)?.filter(|metadata| !metadata.is_empty_object());
    let asked = Expiry::asked(expires_in, expires_at)?;

    let admission = Admission::new(&actor, &kind, &owner, name.as_ref(), &asked)?;
    let not_before = starting(not_before, admission.expires_at)?;
    admission.admits(networks.as_ref())?;
    let grant = admission.grant(&owner, chosen, chosen_data)?;
    let settings = Settings { name, description, networks, metadata };
    let new = New { settings, not_before, ..admission.token(&owner, &actor, grant)? };
    Ok(new.store()?)
}

/// The value of `not_before` to store; NULL for no bound.
///
/// # Errors
/// 22023 when the token would never be valid.
fn starting(not_before: Option<Timestamp>, expires_at: Option<Timestamp>) -> Result<Option<Timestamp>, Error> {
    match not_before {
        None | Some(Timestamp::MINUS_INFINITY) => Ok(None),
        Some(start) if !start.is_writable() => Err(LifetimeError::BeyondCalendar("not_before").into()),
        Some(start) if expires_at.is_some_and(|end| start >= end) => Err(LifetimeError::NeverValid.into()),
        start => Ok(start),
    }
}
