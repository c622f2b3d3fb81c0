//! `edit`: changes a token without changing its text.

use pgrx::Uuid;
use pgrx::datum::Interval;
use pgrx::prelude::*;

use super::handing_out::LockedToken;
use super::lifetime::Expiry;
use crate::access::actor::Actor;
use crate::arguments::caller::Caller;
use crate::arguments::{self, MOST_NAME, MOST_PROSE};
use crate::catalog::as_issued;
use crate::catalog::event::Event;
use crate::catalog::token;
use crate::catalog::token::extent::Extent;
use crate::catalog::token::grant::Grant;
use crate::error::{Error, ErrorReport, TokenError};
use crate::model::data_scope::DataScopes;
use crate::model::network::Networks;
use crate::model::scope::Scopes;
use crate::pg::function::call::Call;
use crate::pg::scan::kept;
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::transaction::xact;
use crate::pg::types::array::TextArray;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::composite::TokensRow;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::text::Text;

/// Changes a token, but not its text; NULL leaves a field as it is, an empty value clears it.
///
/// `expires_at => 'infinity'` removes the expiry. A change of scopes, data scopes, expiry or networks is judged like
/// issuing the token as it would be afterwards; under an identity, one that prolongs the token or widens its networks
/// stays within those of the token presented.
///
/// # Arguments
/// - `scopes`: what it shall grant, of the scopes that its owner holds
/// - `data_scopes`: the allowed values by dimension, of those of its owner
/// - `expires_in`: for how long it shall work, from now on
/// - `expires_at`: when it shall stop working; `'infinity'`: never
/// - `networks`: from where it shall be accepted; `'{}'`: from anywhere
///
/// # Returns
/// the token as it is now
///
/// # Errors
/// As `issue`; also `42704` when no such token exists or the actor may not see it, `55000` when it is revoked, or has
/// expired and its kind does not let expired tokens be edited.
///
/// # Access
/// `self`
///
/// # Example
/// ```sql
/// SELECT name, scopes, status
///   FROM tokenauth.edit(:'id', name => 'old laptop', scopes => '{reports:read}');
/// ```
#[expect(clippy::too_many_arguments, reason = "the contract's signature; SQL calls it with named arguments")]
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe, requires = ["views"])]
fn edit(
    call: Call,
    id: Option<Uuid>,
    name: default!(Option<Text>, "NULL"),
    description: default!(Option<Text>, "NULL"),
    scopes: default!(Option<TextArray>, "NULL"),
    data_scopes: default!(Option<Jsonb>, "NULL"),
    expires_in: default!(Option<Interval>, "NULL"),
    expires_at: default!(Option<Timestamp>, "NULL"),
    networks: default!(Option<TextArray>, "NULL"),
    metadata: default!(Option<Jsonb>, "NULL"),
    actor: default!(Option<Text>, "'session'"),
) -> Result<Option<TokensRow>, ErrorReport> {
    let caller = Caller::enter_to_write(call)?;
    let actor = Actor::resolve(caller, actor)?;
    let _owner = caller.act_as_owner();
    let id = arguments::token_id(id)?;
    let edit = Edit {
        name: arguments::for_people("name", name, MOST_NAME)?,
        description: arguments::for_people("description", description, MOST_PROSE)?,
        scopes: scopes.map(|scopes| arguments::kept_scopes("scopes", &scopes)).transpose()?,
        data_scopes: data_scopes.as_ref().map(arguments::data_scopes).transpose()?,
        expiry: Expiry::asked(expires_in, expires_at)?,
        networks: networks.as_ref().map(arguments::networks).transpose()?,
        metadata: arguments::metadata(metadata)?,
    };
    let locked = LockedToken::lock(id, &actor)?;
    edit.apply(locked, &actor)?;
    Ok(TokensRow::from_first(&token::SEEN, arguments![id]))
}

/// The fields to change; `None` leaves one as it is.
struct Edit {
    name: Option<Text>,
    description: Option<Text>,
    scopes: Option<Scopes>,
    data_scopes: Option<DataScopes>,
    expiry: Expiry,
    networks: Option<TextArray>,
    metadata: Option<Jsonb>,
}

impl Edit {
    fn apply(self, locked: LockedToken, actor: &Actor) -> Result<(), Error> {
        static UPDATE: Statement = Statement::by_key(
            "UPDATE tokenauth.token
                SET name = nullif(coalesce($2, name), ''),
                    description = nullif(coalesce($3, description), ''),
                    scopes = coalesce($4, scopes),
                    data_scopes = coalesce($5, data_scopes),
                    expires_at = CASE WHEN $6 THEN $7 ELSE expires_at END,
                    networks = nullif(coalesce($8, networks), '{}'),
                    metadata = nullif(coalesce($9, metadata), '{}')
              WHERE id = $1",
        );
        let id = locked.token.id;
        locked.authority.may_hand_out(&locked.kind)?;
        locked.must_not_be_dead()?;
        let now = Timestamp::now();
        let was_expired = locked.token.state.has_ended(now);
        if was_expired && !locked.kind.expired_editable {
            return Err(TokenError::Expired(id).into());
        }
        if let Some(name) = &self.name {
            locked.kind.accepts_name(Some(name).filter(|name| !name.is_empty()))?;
        }
        let grant = Grant::chosen(&locked.kind, &locked.principal, self.scopes, self.data_scopes)?;
        let is_chosen = grant.scopes.is_some() || grant.data_scopes.is_some();
        let before = &locked.token.extent;
        let after = Extent {
            grant: grant.clone().or_as(&locked.token),
            expires_at: if self.expiry.is_given() { locked.kind.expiry(&self.expiry, now)? } else { before.expires_at },
            networks: match &self.networks {
                None => before.networks.clone(),
                Some(given) if given.is_empty() => None,
                Some(given) => Some(Networks::stored(given.stored())),
            },
        };
        if locked.token.rotated && after.outlives(before) {
            return Err(TokenError::Rotated(id).into());
        }
        // A new expiry or network extends all that the token grants; new scopes apply with its data scopes.
        if is_chosen || self.expiry.is_given() || self.networks.is_some() {
            locked.kind.accepts(&locked.owner, &locked.principal)?;
            after.grant.within_owner(&locked.kind, &locked.principal)?;
            locked.authority.covers_edit(
                &locked.kind,
                before,
                &after,
                &locked.principal,
                self.expiry.is_given() && was_expired,
            )?;
        }
        if self.expiry.is_given() {
            locked.token.begins_before(after.expires_at)?;
            if was_expired {
                locked.kind.has_room(&locked.owner, &locked.principal)?;
            }
        }
        // An edit may narrow the token, and is then as urgent as a revocation.
        xact::mark_narrowing();
        let described = token::described(id);
        as_issued::keep(id);
        let written = UPDATE.run(arguments![
            id,
            self.name,
            self.description,
            grant.scopes.as_ref().map(token::scopes_to_store),
            grant.data_scopes.map(|data| Jsonb::of(&data.to_value())),
            self.expiry.is_given(),
            after.expires_at,
            self.networks,
            self.metadata,
        ]);
        kept::refuse("token", written);
        let changed = token::described(id);
        if described == changed {
            return Ok(());
        }
        Event {
            event: "token.edited",
            token_id: Some(id),
            kind: Some(locked.token.kind),
            owner: Some(locked.token.owner),
            before: described,
            after: changed,
        }
        .record(actor)
    }
}
