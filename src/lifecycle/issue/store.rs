//! Stores a new row of `tokenauth.token` with its usage and its event.

use pgrx::Uuid;

use crate::access::actor::Actor;
use crate::catalog::event::Originator as _;
use crate::catalog::event::correlation;
use crate::catalog::id;
use crate::catalog::principal::Principal;
use crate::catalog::token::grant::Grant;
use crate::error::Error;
use crate::keys;
use crate::lifecycle::reveal::Sealed;
use crate::model::kind::Kind;
use crate::model::principal_name::PrincipalName;
use crate::pg::sql::statement::{Statement, arguments, fields};
use crate::pg::types::array::TextArray;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::composite::{Fields, IssuedFields};
use crate::pg::types::encoding;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::text::Text;
use crate::token::{Algorithm, Digest, Lookup, NewToken, Pepper};

/// A token about to be stored, all but its credential.
pub struct New<'a> {
    /// Its identifier.
    pub id: Uuid,
    /// Its kind.
    pub kind: &'a Kind,
    /// Its owner's name.
    pub owner: &'a PrincipalName,
    /// Its owner.
    pub principal: &'a Principal,
    /// Its name.
    pub name: Option<Text>,
    /// Its description.
    pub description: Option<Text>,
    /// The scopes and data scopes it gets.
    pub grant: Grant,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// When it starts working.
    pub not_before: Option<Timestamp>,
    /// The networks it may be used from.
    pub networks: Option<TextArray>,
    /// The application's own data.
    pub metadata: Option<Jsonb>,
    /// Who issues it.
    pub actor: &'a Actor,
    /// The token it succeeds.
    pub rotated_from: Option<Uuid>,
}

/// The stored form of a token's text: how it is found and recognised.
pub struct Credential<'a> {
    /// The lookup by which its row is found.
    pub lookup: Lookup,
    /// The digest that verification compares.
    pub digest: &'a Digest,
    /// How the digest was computed.
    pub algorithm: Algorithm,
    /// Id of the pepper that the digest is under.
    pub pepper: Option<&'a str>,
    /// What lists show of the text.
    pub hint: Option<Text>,
    /// The text, sealed.
    pub sealed: Option<Sealed>,
}

/// Inserts token, usage and event in one statement; inserts nothing when the lookup is taken.
static STORE: Statement = Statement::new(
    "WITH token AS (
         INSERT INTO tokenauth.token (id, lookup, digest, algorithm, pepper, hint, sealed, seal, kind, owner,
             owner_epoch, dies_with_owner, name, description, scopes, data_scopes, created_at, expires_at, not_before,
             networks, metadata, created_by, rotated_from)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
             $20, $21, $22, $23)
         ON CONFLICT (lookup) DO NOTHING
         RETURNING *),
     usage AS (INSERT INTO tokenauth.usage (token_id) SELECT id FROM token)
     INSERT INTO tokenauth.event (id, at, event, token_id, kind, owner, actor, acting_token, role, session_role,
         client, after, correlation_id)
     SELECT $24, $25, $26, id, kind, owner, $27, $28, $29, $30, host(inet_client_addr()),
            jsonb_strip_nulls(jsonb_build_object('hint', hint, 'name', name, 'description', description,
                'scopes', scopes, 'data_scopes', data_scopes,
                'expires_at', to_jsonb(expires_at AT TIME ZONE 'UTC') #>> '{}' || '+00:00',
                'not_before', to_jsonb(not_before AT TIME ZONE 'UTC') #>> '{}' || '+00:00',
                'networks', networks, 'metadata', metadata, 'rotated_from', rotated_from)), $31
       FROM token",
);

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
            // Not stored: its 64 random bits are another token's lookup. Draw again.
            if self.insert(credential, "token.issued", self.created_at)? {
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

    /// Stores the token with an event at `at`. When its lookup is taken, stores nothing and returns false.
    ///
    /// # Errors
    /// 58030 when the operating system provides no random bytes.
    pub fn insert(&self, credential: Credential<'_>, event: &'static str, at: Timestamp) -> Result<bool, Error> {
        let stored = STORE.run(arguments![
            self.id,
            credential.lookup.to_bigint(),
            credential.digest.as_bytes(),
            credential.algorithm.name(),
            credential.pepper,
            credential.hint,
            credential.sealed.as_ref().map(|sealed| sealed.text.as_slice()),
            credential.sealed.as_ref().map(|sealed| &*sealed.seal),
            self.kind.name.clone(),
            self.owner.text(),
            self.principal.epoch,
            self.kind.dies_with_owner,
            self.name.clone(),
            self.description.clone(),
            self.grant.scopes.as_ref().map(|scopes| TextArray::from_iter(scopes.iter())),
            self.grant.data_scopes.as_ref().map(|data| Jsonb::of(&data.to_value())),
            self.created_at,
            self.expires_at,
            self.not_before,
            self.networks.clone(),
            self.metadata.clone(),
            self.actor.recorded(),
            self.rotated_from,
            id::new(at)?,
            at,
            event,
            self.actor.principal(),
            self.actor.token(),
            self.actor.caller().role(),
            self.actor.caller().session_role(),
            correlation::of_transaction(),
        ]);
        Ok(stored == 1)
    }
}
