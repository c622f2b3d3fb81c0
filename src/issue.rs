//! `issue`: a new token.

use pgrx::Uuid;
use pgrx::datum::Interval;
use pgrx::prelude::*;

use crate::actor::Actor;
use crate::argument::{self, MOST_NAME, MOST_PROSE};
use crate::catalog::principal::{Hold, Principal};
use crate::catalog::{self, token};
use crate::data_scope::DataScopes;
use crate::error::{Error, ErrorReport};
use crate::id;
use crate::keys;
use crate::kind::{Expiry, Kind};
use crate::pg::array::TextArray;
use crate::pg::clock::Timestamp;
use crate::pg::composite::{Fields, IssuedFields};
use crate::pg::encoding;
use crate::pg::jsonb::Jsonb;
use crate::pg::statement::{Statement, arguments, fields};
use crate::pg::text::Text;
use crate::principal::PrincipalName;
use crate::reveal::Sealed;
use crate::scope::Scopes;
use crate::token::{Algorithm, Digest, Lookup, NewToken, Pepper};

/// Issues a token and returns it, with its text, which is never to be had again.
///
/// `scopes` and `data_scopes` left out select all that the owner holds now. Lifetimes count from the moment of the call.
///
/// # Errors
/// `22004` for a NULL kind, owner or actor, a missing name or lifetime; `22023` for malformed scopes, data scopes,
/// networks, principals, lifetimes out of bounds, an owner of the wrong type; `42501` for scopes the owner does not
/// hold; `42704` for an unknown kind or owner; `53400` when the owner has as many as it may; `55000` for an inactive
/// owner, a key file that cannot be used, or none with a seal for a kind that reveals.
#[expect(
    clippy::too_many_arguments,
    reason = "the contract's signature; SQL calls it with named arguments"
)]
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe, security_definer, requires = ["types"])]
#[search_path(pg_catalog, pg_temp)]
fn issue(
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
    let actor = Actor::resolve(actor)?;
    let kind = argument::given("kind", kind)?;
    let owner = PrincipalName::given("owner", owner)?;
    let name = argument::bounded("name", name, MOST_NAME)?.filter(|name| !name.is_empty());
    let description = argument::bounded("description", description, MOST_PROSE)?;
    let chosen = scopes.map(|scopes| argument::scopes("scopes", &scopes)).transpose()?;
    let chosen_data = data_scopes.as_ref().map(argument::data_scopes).transpose()?;
    let networks = networks
        .as_ref()
        .map(argument::networks)
        .transpose()?
        .filter(|networks| !networks.is_empty());
    let metadata = argument::metadata(metadata)?;
    let asked = Expiry::asked(expires_in, expires_at)?;

    // Always in this order, kind before owner before token, so that two calls never wait for each other.
    let kind = catalog::kind::lock(&kind)?;
    let hold = if kind.max_active_per_owner.is_some() {
        Hold::Alone
    } else {
        Hold::Share
    };
    let principal = catalog::principal::lock_existing(&owner, hold)?;

    let now = Timestamp::now();
    kind.accepts(&owner, &principal)?;
    kind.accepts_name(name.as_ref())?;
    let expires_at = kind.expiry(&asked, now)?;
    let not_before = starting(not_before, expires_at)?;
    let grant = Grant::chosen(&kind, &principal, chosen, chosen_data)?;
    kind.has_room(&owner, &principal)?;

    let new = New {
        id: id::new(now)?,
        kind: &kind,
        owner: &owner,
        principal: &principal,
        name,
        description,
        grant,
        created_at: now,
        expires_at,
        not_before,
        networks,
        metadata,
        actor: &actor,
    };
    Ok(new.draw()?)
}

/// `not_before` as it is stored: NULL for no bound.
///
/// # Errors
/// 22023 when the token would never be valid.
fn starting(not_before: Option<Timestamp>, expires_at: Option<Timestamp>) -> Result<Option<Timestamp>, Error> {
    match not_before {
        None | Some(Timestamp::MINUS_INFINITY) => Ok(None),
        Some(start) if !start.is_writable() => Err(Error::BeyondCalendar("not_before")),
        Some(start) if expires_at.is_some_and(|end| start >= end) => Err(Error::NeverValid),
        start => Ok(start),
    }
}

impl Kind {
    /// # Errors
    /// 22023 when principals of this type cannot own tokens of the kind, 55000 when the owner is inactive.
    pub fn accepts(&self, owner: &PrincipalName, principal: &Principal) -> Result<(), Error> {
        let owner_type = owner.principal_type();
        if !self
            .owner_types
            .iter()
            .any(|allowed| allowed.as_bytes() == owner_type.as_bytes())
        {
            return Err(Error::OwnerType {
                kind: self.name.shown(),
                owner_type: owner_type.to_owned(),
            });
        }
        if !principal.active {
            return Err(Error::OwnerInactive(owner.shown()));
        }
        Ok(())
    }

    /// # Errors
    /// 22004 when the kind wants a name and there is none.
    pub fn accepts_name(&self, name: Option<&Text>) -> Result<(), Error> {
        match name {
            None if self.name_required => Err(Error::NameRequired(self.name.shown())),
            _ => Ok(()),
        }
    }

    /// Whether the owner, which must be held alone, may have one more token alive.
    ///
    /// # Errors
    /// 53400 when it may not.
    pub fn has_room(&self, owner: &PrincipalName, principal: &Principal) -> Result<(), Error> {
        match self.max_active_per_owner {
            Some(most) if token::count_alive(owner, &self.name, principal) >= i64::from(most) => {
                Err(Error::TooManyActive {
                    kind: self.name.shown(),
                    most,
                })
            }
            _ => Ok(()),
        }
    }
}

/// What a token is given: both `None` for kinds whose tokens carry nothing of their own.
pub struct Grant {
    /// Scopes granted.
    pub scopes: Option<Scopes>,
    /// Data scopes granted.
    pub data_scopes: Option<DataScopes>,
}

impl Grant {
    /// What is chosen, or all that the owner holds, for a token of this kind.
    ///
    /// # Errors
    /// 22023 when nothing can be chosen or the choice is beyond the ceiling, 42501 when the owner does not hold it.
    pub fn chosen(
        kind: &Kind,
        owner: &Principal,
        scopes: Option<Scopes>,
        data_scopes: Option<DataScopes>,
    ) -> Result<Self, Error> {
        if !kind.permission_mode.is_chosen() {
            let what = if scopes.is_some() { "scopes" } else { "data_scopes" };
            return match (&scopes, &data_scopes) {
                (None, None) => Ok(Grant {
                    scopes: None,
                    data_scopes: None,
                }),
                _ => Err(Error::NotChosen {
                    what,
                    kind: kind.name.shown(),
                }),
            };
        }
        let held = kind.held(&owner.permissions);
        let held_data = owner.data_scopes.clone();
        if let Some(scopes) = &scopes {
            kind.within_ceiling(scopes)?;
            if !scopes.within(&held) {
                return Err(Error::NotHeld("scopes"));
            }
        }
        if data_scopes.as_ref().is_some_and(|chosen| !chosen.within(&held_data)) {
            return Err(Error::NotHeld("data scopes"));
        }
        Ok(Grant {
            scopes: Some(scopes.unwrap_or(held)),
            data_scopes: Some(data_scopes.unwrap_or(held_data)),
        })
    }
}

/// A token about to be stored, but for its credential.
pub struct New<'a> {
    /// Its identifier.
    pub id: Uuid,
    /// Its kind.
    pub kind: &'a Kind,
    /// Its owner's name.
    pub owner: &'a PrincipalName,
    /// Its owner.
    pub principal: &'a Principal,
    /// For people.
    pub name: Option<Text>,
    /// For people.
    pub description: Option<Text>,
    /// What it is given.
    pub grant: Grant,
    /// When it came into being.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// When it begins to.
    pub not_before: Option<Timestamp>,
    /// Where it may be used from.
    pub networks: Option<TextArray>,
    /// The application's own.
    pub metadata: Option<Jsonb>,
    /// Who asks for it.
    pub actor: &'a Actor,
}

/// By what a token is recognised.
pub struct Credential<'a> {
    /// By which its row is found.
    pub lookup: Lookup,
    /// What is compared.
    pub digest: &'a Digest,
    /// How the digest was made.
    pub algorithm: Algorithm,
    /// Id of the pepper in the digest.
    pub pepper: Option<&'a str>,
    /// What lists show of the text.
    pub hint: Option<Text>,
    /// The text, sealed.
    pub sealed: Option<Sealed>,
}

/// Token, usage and event in one statement; no row at all when the lookup is taken.
static STORE: Statement = Statement::new(
    "WITH token AS (
         INSERT INTO tokenauth.token (id, lookup, digest, algorithm, pepper, hint, kind, owner, owner_epoch,
             dies_with_owner, sealed, seal, name, description, scopes, data_scopes, created_at, expires_at, not_before, networks, metadata,
             created_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
         ON CONFLICT (lookup) DO NOTHING
         RETURNING *),
     usage AS (INSERT INTO tokenauth.usage (token_id) SELECT id FROM token)
     INSERT INTO tokenauth.event (id, at, event, token_id, kind, owner, actor, role, client, after)
     SELECT $23, $24, $25, id, kind, owner, $26, session_user, host(inet_client_addr()),
            jsonb_strip_nulls(jsonb_build_object('hint', hint, 'name', name, 'description', description,
                'scopes', scopes, 'data_scopes', data_scopes, 'expires_at', expires_at, 'not_before', not_before,
                'networks', networks, 'metadata', metadata))
       FROM token",
);

impl New<'_> {
    /// Draws a text for it and stores it.
    fn draw(self) -> Result<IssuedFields, Error> {
        let scopes = self
            .kind
            .effective_scopes(self.grant.scopes.as_ref(), &self.principal.permissions);
        let pepper = keys::newest::<Pepper>()?;
        let seal = match self.kind.reveal {
            true => Some(Sealed::key()?),
            false => None,
        };
        loop {
            let token = NewToken::generate(&self.kind.prefix)?;
            let hint = encoding::hint(token.hint());
            let (algorithm, digest) = match &pepper {
                None => (Algorithm::Sha256, token.digest()),
                Some(pepper) => (Algorithm::HmacSha256, token.digest().peppered(&pepper.key)),
            };
            let credential = Credential {
                lookup: token.lookup(),
                digest: &digest,
                algorithm,
                pepper: pepper.as_ref().map(|pepper| &*pepper.id),
                hint: Some(hint.clone()),
                sealed: seal
                    .as_deref()
                    .map(|seal| Sealed::close(seal, token.expose().as_bytes(), self.id))
                    .transpose()?,
            };
            // Not stored: 64 random bits have met those of another token. Draw again.
            if self.store("token.issued", credential)? {
                return Ok(IssuedFields(Fields::new(fields![
                    token.expose(),
                    self.id,
                    hint,
                    self.kind.name.clone(),
                    self.owner.text(),
                    self.name,
                    TextArray::from_iter(scopes.iter()),
                    self.created_at,
                    self.expires_at,
                ])));
            }
        }
    }

    /// Stores it with its event, unless there is a token of the same lookup: then nothing is stored, and the answer is
    /// false.
    pub fn store(&self, event: &'static str, credential: Credential<'_>) -> Result<bool, Error> {
        let now = Timestamp::now();
        let stored = STORE.run(arguments![
            self.id,
            credential.lookup.to_bigint(),
            credential.digest.as_bytes(),
            credential.algorithm.name(),
            credential.pepper,
            credential.hint,
            self.kind.name.clone(),
            self.owner.text(),
            self.principal.epoch,
            self.kind.dies_with_owner,
            credential.sealed.as_ref().map(|sealed| sealed.text.as_slice()),
            credential.sealed.as_ref().map(|sealed| &*sealed.seal),
            self.name.clone(),
            self.description.clone(),
            self.grant
                .scopes
                .as_ref()
                .map(|scopes| TextArray::from_iter(scopes.iter())),
            self.grant.data_scopes.as_ref().map(|data| Jsonb::of(&data.to_value())),
            self.created_at,
            self.expires_at,
            self.not_before,
            self.networks.clone(),
            self.metadata.clone(),
            self.actor.recorded(),
            id::new(now)?,
            now,
            event,
            self.actor.principal(),
        ]);
        Ok(stored == 1)
    }
}
