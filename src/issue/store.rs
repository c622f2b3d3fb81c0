//! A new row of `tokenauth.token`, with its usage and its event.

use pgrx::Uuid;

use crate::actor::Actor;
use crate::catalog::principal::Principal;
use crate::error::Error;
use crate::handing_out::Grant;
use crate::id;
use crate::kind::Kind;
use crate::pg::array::TextArray;
use crate::pg::clock::Timestamp;
use crate::pg::composite::{Fields, IssuedFields};
use crate::pg::encoding;
use crate::pg::jsonb::Jsonb;
use crate::pg::statement::{Statement, arguments, fields};
use crate::pg::text::Text;
use crate::principal::PrincipalName;
use crate::token::NewToken;

/// A token about to be stored.
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
    /// What it is given.
    pub grant: Grant,
    /// Now.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// When it begins to.
    pub not_before: Option<Timestamp>,
    /// Where it may be used from.
    pub networks: Option<TextArray>,
    /// The application's own.
    pub metadata: Option<Jsonb>,
    /// Who issues it.
    pub actor: &'a Actor,
    /// The token it succeeds.
    pub rotated_from: Option<Uuid>,
}

/// Token, usage and event in one statement; no row at all when the lookup is taken.
static STORE: Statement = Statement::new(
    "WITH token AS (
         INSERT INTO tokenauth.token (id, lookup, digest, algorithm, hint, kind, owner, owner_epoch, dies_with_owner,
             name, description, scopes, data_scopes, created_at, expires_at, not_before, networks, metadata, created_by, rotated_from)
         VALUES ($1, $2, $3, 'sha256', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $21)
         ON CONFLICT (lookup) DO NOTHING
         RETURNING *),
     usage AS (INSERT INTO tokenauth.usage (token_id) SELECT id FROM token)
     INSERT INTO tokenauth.event (id, at, event, token_id, kind, owner, actor, role, client, after)
     SELECT $19, created_at, 'token.issued', id, kind, owner, $20, session_user, host(inet_client_addr()),
            jsonb_strip_nulls(jsonb_build_object('hint', hint, 'name', name, 'description', description,
                'scopes', scopes, 'data_scopes', data_scopes, 'expires_at', to_jsonb(expires_at AT TIME ZONE 'UTC') #>> '{}' || '+00:00',
                     'not_before', to_jsonb(not_before AT TIME ZONE 'UTC') #>> '{}' || '+00:00',
                    
                'networks', networks, 'metadata', metadata, 'rotated_from', rotated_from))
       FROM token",
);

impl New<'_> {
    /// Stores it, draws until its lookup is free, and answers it with its text.
    ///
    /// # Errors
    /// 58030 when the operating system gives no random bytes.
    pub fn store(self) -> Result<IssuedFields, Error> {
        let scopes = self
            .kind
            .effective_scopes(self.grant.scopes.as_ref(), &self.principal.permissions);
        loop {
            let token = NewToken::generate(&self.kind.prefix)?;
            let hint = encoding::hint(token.hint());
            let stored = STORE.run(arguments![
                self.id,
                token.lookup().to_bigint(),
                token.digest().as_bytes(),
                hint.clone(),
                self.kind.name.clone(),
                self.owner.text(),
                self.principal.epoch,
                self.kind.dies_with_owner,
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
                id::new(self.created_at)?,
                self.actor.principal(),
                self.rotated_from,
            ]);
            // Nothing stored: 64 random bits have met those of another token. Draw again.
            if stored == 1 {
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
}
