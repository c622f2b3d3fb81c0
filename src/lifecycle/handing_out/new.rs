//! A new token: what `issue`, `rotate` and `import` store, each in its own way.

use pgrx::Uuid;

use super::{Admission, LockedToken};
use crate::access::actor::Actor;
use crate::catalog::event::Event;
use crate::catalog::id;
use crate::catalog::principal::Principal;
use crate::catalog::token::grant::Grant;
use crate::catalog::token::{self, BY_LOOKUP, Settings, column};
use crate::error::Error;
use crate::keys;
use crate::lifecycle::reveal::Sealed;
use crate::model::kind::Kind;
use crate::model::principal_name::PrincipalName;
use crate::model::token_state::earlier_end;
use crate::pg::scan::index_key::IndexKey;
use crate::pg::sql::statement::{Argument, fields};
use crate::pg::types::array::TextArray;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::composite::{Fields, IssuedFields};
use crate::pg::types::encoding;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::text::Text;
use crate::token::derived::DerivingKey;
use crate::token::{Algorithm, Digest, Lookup, NewToken, Pepper};
use crate::usage;

/// A token about to be stored, all but its credential.
pub struct New<'a> {
    /// Its identifier.
    pub id: Uuid,
    pub kind: &'a Kind,
    /// Its owner's name.
    pub owner: &'a PrincipalName,
    /// Its owner.
    pub principal: &'a Principal,
    /// Who issues it.
    pub actor: &'a Actor,
    /// The scopes and data scopes it gets.
    pub grant: Grant,
    /// Name, description, networks and metadata.
    pub settings: Settings,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// When it starts working.
    pub not_before: Option<Timestamp>,
    /// The token it succeeds.
    pub rotated_from: Option<Uuid>,
}

/// The stored form of a token's text: how it is found and recognised.
pub struct StoredCredential<'a> {
    /// The lookup by which its row is found.
    pub lookup: Lookup,
    /// The digest that verification compares.
    pub digest: &'a Digest,
    /// How the digest was computed.
    pub algorithm: &'a str,
    /// Id of the pepper that the digest is under.
    pub pepper: Option<&'a str>,
    /// What lists show of the text.
    pub hint: Option<Text>,
    /// The text, sealed.
    pub sealed: Option<Sealed>,
    /// What children of the token are recognised by, if it may have any.
    pub derive_key: Option<Vec<u8>>,
}

impl Admission {
    /// A token with this grant, from now on; the caller fills in what else is asked for.
    ///
    /// # Errors
    /// 58030 when the operating system provides no random bytes.
    pub fn token<'a>(&'a self, owner: &'a PrincipalName, actor: &'a Actor, grant: Grant) -> Result<New<'a>, Error> {
        Ok(New {
            id: id::new(self.now)?,
            kind: &self.kind,
            owner,
            principal: &self.principal,
            actor,
            grant,
            settings: Settings::default(),
            created_at: self.now,
            expires_at: self.expires_at,
            not_before: None,
            rotated_from: None,
        })
    }
}

impl LockedToken {
    /// The successor of the token, with this id and grant, from now on; the caller fills in the rest.
    pub fn successor<'a>(&'a self, id: Uuid, now: Timestamp, actor: &'a Actor, grant: Grant) -> New<'a> {
        New {
            id,
            kind: &self.kind,
            owner: &self.owner,
            principal: &self.principal,
            actor,
            grant,
            settings: Settings::default(),
            created_at: now,
            expires_at: self.token.extent.expires_at,
            not_before: self.token.state.not_before,
            rotated_from: Some(self.token.id),
        }
    }
}

impl New<'_> {
    /// Generates and stores the token, again until its lookup is free, and returns it with its text.
    ///
    /// # Errors
    /// 55000 when the key file is unusable, or has no seal for a kind that reveals; 58030 when the operating system
    /// provides no random bytes.
    pub fn store(self) -> Result<IssuedFields, Error> {
        let scopes = self.kind.effective_scopes(self.grant.scopes.as_ref(), &self.principal.permissions);
        let pepper = keys::newest::<Pepper>()?;
        let seal = self.kind.reveal.then(Sealed::key).transpose()?;
        loop {
            let token = NewToken::generate(&self.kind.prefix)?;
            let hint = encoding::hint(token.hint());
            let (algorithm, digest) = match &pepper {
                None => (Algorithm::Sha256.name(), token.digest()),
                Some(pepper) => (Algorithm::HmacSha256.name(), token.digest().peppered(&pepper.key)),
            };
            let credential = StoredCredential {
                lookup: token.lookup(),
                digest: &digest,
                algorithm,
                pepper: pepper.as_ref().map(|pepper| &*pepper.id),
                hint: Some(hint.clone()),
                sealed: seal
                    .as_deref()
                    .map(|seal| Sealed::close(seal, token.expose().as_bytes(), self.id))
                    .transpose()?,
                derive_key: self.kind.derivable.then(|| {
                    let key = DerivingKey::of(token.expose().as_bytes()).public();
                    key.to_stored(self.id.as_bytes(), token.lookup(), pepper.as_ref().map(|pepper| &pepper.key))
                }),
            };
            // Not stored: its 64 random bits are another token's lookup. Draw again.
            if self.insert(credential, "token.issued", self.created_at)? {
                return Ok(IssuedFields(Fields::new(fields![
                    token.expose(),
                    self.id,
                    hint,
                    self.kind.name.clone(),
                    self.owner.text(),
                    self.settings.name,
                    TextArray::from_iter(scopes.iter()),
                    self.created_at,
                    earlier_end(self.expires_at, self.created_at, self.kind.max_age.as_ref()),
                ])));
            }
        }
    }

    /// Stores the token with its usage and an event at `at`. When its lookup is taken, stores nothing and returns
    /// false.
    ///
    /// # Errors
    /// 58030 when the operating system provides no random bytes.
    pub fn insert(&self, credential: StoredCredential<'_>, event: &'static str, at: Timestamp) -> Result<bool, Error> {
        let data_scopes = self.grant.data_scopes.as_ref().map(|data| Jsonb::of(&data.to_value()));
        let lookup = credential.lookup.to_bigint();
        let is_stored = BY_LOOKUP.insert_unless_taken(
            IndexKey::Bigint(lookup),
            [
                (column::LOOKUP, Argument::of(lookup)),
                (column::OWNER_EPOCH, Argument::of(self.principal.epoch)),
                (column::ID, Argument::of(self.id)),
                (column::CREATED_AT, Argument::of(self.created_at)),
                (column::DIES_WITH_OWNER, Argument::of(self.kind.dies_with_owner)),
                (column::CROWDED, Argument::of(token::is_crowded(self.owner))),
                (column::EXPIRES_AT, Argument::of(self.expires_at)),
                (column::NOT_BEFORE, Argument::of(self.not_before)),
                (column::DIGEST, Argument::of(credential.digest.as_bytes())),
                (column::ALGORITHM, Argument::of(credential.algorithm)),
                (column::PEPPER, Argument::of(credential.pepper)),
                (column::KIND, Argument::of(&self.kind.name)),
                (column::OWNER, Argument::of(self.owner.text())),
                (column::NAME, Argument::of(self.settings.name.as_ref())),
                (column::SCOPES, Argument::of(self.grant.scopes.as_ref().map(token::scopes_to_store))),
                (column::DATA_SCOPES, Argument::of(data_scopes)),
                (column::NETWORKS, Argument::of(self.settings.networks.clone())),
                (column::METADATA, Argument::of(self.settings.metadata.clone())),
                (column::DESCRIPTION, Argument::of(self.settings.description.as_ref())),
                (column::HINT, Argument::of(credential.hint)),
                (column::CREATED_BY, Argument::of(self.actor.recorded())),
                (column::ROTATED_FROM, Argument::of(self.rotated_from)),
                (column::SEALED, Argument::of(credential.sealed.as_ref().map(|sealed| sealed.text.as_slice()))),
                (column::SEAL, Argument::of(credential.sealed.as_ref().map(|sealed| &*sealed.seal))),
                (column::DERIVE_KEY, Argument::of(credential.derive_key)),
            ],
        );
        if !is_stored {
            return Ok(false);
        }
        usage::tables::begin(self.id);
        Event {
            event,
            token_id: Some(self.id),
            kind: Some(self.kind.name.clone()),
            owner: Some(self.owner.text()),
            // The view shows the row of the token.
            ..Event::default()
        }
        .record_at(at, self.actor)?;
        Ok(true)
    }
}
