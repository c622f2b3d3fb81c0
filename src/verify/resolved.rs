//! A token with its owner and kind, and the verdict on it: each check in the order of the contract.

use std::rc::Rc;

use pgrx::Uuid;

use super::Question;
use super::answer::{Answer, Granted};
use crate::catalog::kind::stored_scopes;
use crate::catalog::principal::{Principal, stored_data_scopes};
use crate::catalog::token::{BY_LOOKUP, column};
use crate::correlation;
use crate::data_scope::DataScopes;
use crate::error::Error;
use crate::kind::Kind;
use crate::network::{Client, Network};
use crate::pg::array::TextArray;
use crate::pg::clock::Timestamp;
use crate::pg::composite::{Verification, VerificationImage};
use crate::pg::jsonb::Jsonb;
use crate::pg::probe::Key;
use crate::pg::row::Row;
use crate::pg::snapshot::Latest;
use crate::pg::text::Text;
use crate::scope::{Scope, Scopes};
use crate::token::{Digest, Lookup};
use crate::usage;
use crate::verdict::Verdict;

/// What verification reads of a token.
pub struct TokenRow {
    /// Its owner.
    pub owner: Text,
    /// Its kind.
    pub kind: Text,
    id: Uuid,
    digest: Digest,
    name: Option<Text>,
    owner_epoch: i64,
    dies_with_owner: bool,
    revoked: bool,
    disabled: bool,
    expires_at: Option<Timestamp>,
    not_before: Option<Timestamp>,
    scopes: Option<Scopes>,
    data_scopes: Option<DataScopes>,
    networks: Option<Box<[Network]>>,
    metadata: Option<Jsonb>,
}

impl TokenRow {
    /// The token with this lookup, if its digest is this one.
    pub fn find(lookup: Lookup, digest: &Digest, snapshot: &Latest) -> Option<Self> {
        BY_LOOKUP
            .find(Key::Bigint(lookup.to_bigint()), snapshot, |row| {
                let matches = row.bytes(column::DIGEST).is_some_and(|stored| digest.matches(stored));
                matches.then(|| TokenRow::read(row, digest.clone()))
            })
            .flatten()
    }

    fn read(row: &Row, digest: Digest) -> Self {
        TokenRow {
            owner: row.required(column::OWNER),
            kind: row.required(column::KIND),
            id: row.required(column::ID),
            digest,
            name: row.optional(column::NAME),
            owner_epoch: row.required(column::OWNER_EPOCH),
            dies_with_owner: row.required(column::DIES_WITH_OWNER),
            revoked: !row.is_null(column::REVOKED_AT) || !row.is_null(column::DELETED_AT),
            disabled: !row.is_null(column::DISABLED_AT),
            expires_at: row.optional(column::EXPIRES_AT),
            not_before: row.optional(column::NOT_BEFORE),
            scopes: row.optional::<TextArray>(column::SCOPES).map(|list| stored_scopes(&list)),
            data_scopes: row.optional::<Jsonb>(column::DATA_SCOPES).map(|stored| stored_data_scopes(&stored)),
            // What somebody has written past our functions and cannot be read admits nobody.
            networks: row
                .optional::<TextArray>(column::NETWORKS)
                .map(|list| list.stored().filter_map(|network| Network::parse(network).ok()).collect()),
            metadata: row.optional(column::METADATA),
        }
    }
}

/// A token whose digest was presented, with its owner and kind.
pub struct Resolved {
    token: TokenRow,
    owner: Rc<Principal>,
    kind: Rc<Kind>,
    /// The answer when it is valid, which differs only in its correlation id from one time to the next.
    image: Rc<VerificationImage>,
}

impl Resolved {
    /// Of rows of one moment.
    pub fn new(token: TokenRow, owner: Rc<Principal>, kind: Rc<Kind>) -> Self {
        Resolved { token, owner, kind, image: Rc::default() }
    }

    /// Whether this is its digest; compared in constant time.
    pub fn has_digest(&self, digest: &Digest) -> bool {
        digest.matches(self.token.digest.as_bytes())
    }

    /// About how many bytes it takes to remember it, its image included.
    pub fn size(&self) -> usize {
        let token = &self.token;
        let text = |text: &Text| text.as_bytes().len();
        let name = token.name.as_ref().map_or(0, text);
        let metadata = token.metadata.as_ref().map_or(0, Jsonb::len);
        let scopes = self.owner.permissions.iter().chain(token.scopes.iter().flat_map(Scopes::iter));
        let held = name + metadata + text(&token.owner) + text(&token.kind) + scopes.map(|s| s.len() + 16).sum::<usize>();
        // Once in the fields and once in the image.
        size_of::<Self>() + 256 + 2 * held
    }

    /// Answers the question, and counts the use.
    pub fn answer(&self, question: &Question) -> Result<Verification, Error> {
        let now = Timestamp::now();
        let verdict = self.verdict(question, now);
        usage::count(self.token.id, verdict.ok(), now);
        let token = &self.token;
        match verdict {
            Verdict::Valid if self.image.is_taken() => {
                Ok(Verification::Again(Rc::clone(&self.image), correlation::new()?))
            }
            Verdict::Valid => self.valid()?.kept(Rc::clone(&self.image)),
            refused => {
                let answer = Answer::refused(refused, token.id, token.kind.clone(), token.name.clone())?;
                match refused {
                    Verdict::OwnerInactive => answer.because(self.owner.state_reason.as_ref()).formed(),
                    Verdict::InsufficientScope => {
                        answer.missing(question.require.each().filter(|scope| !self.grants(scope))).formed()
                    }
                    _ => answer.formed(),
                }
            }
        }
    }

    fn valid(&self) -> Result<Answer, Error> {
        let token = &self.token;
        let granted = Granted {
            owner: token.owner.clone(),
            scopes: self.kind.effective_scopes(token.scopes.as_ref(), &self.owner.permissions),
            data_scopes: self.kind.effective_data_scopes(token.data_scopes.as_ref(), &self.owner.data_scopes),
            expires_at: token.expires_at,
            metadata: token.metadata.clone(),
        };
        Answer::valid(token.id, token.kind.clone(), token.name.clone(), granted)
    }

    fn verdict(&self, question: &Question, now: Timestamp) -> Verdict {
        let token = &self.token;
        if token.revoked || self.owner.has_killed(token.owner_epoch, token.dies_with_owner) {
            Verdict::Revoked
        } else if token.disabled {
            Verdict::Disabled
        } else if token.not_before.is_some_and(|start| now < start) {
            Verdict::NotYetValid
        } else if token.expires_at.is_some_and(|end| end <= now) {
            Verdict::Expired
        } else if !self.owner.active {
            Verdict::OwnerInactive
        } else if !self.admits(question.client) {
            Verdict::NetworkDenied
        } else if !question.require.each().all(|scope| self.grants(scope)) {
            Verdict::InsufficientScope
        } else {
            Verdict::Valid
        }
    }

    fn admits(&self, client: Option<Client>) -> bool {
        match &self.token.networks {
            None => true,
            Some(networks) => {
                client.is_some_and(|client| networks.iter().any(|network| network.contains(client)))
            }
        }
    }

    fn grants(&self, scope: &Scope) -> bool {
        self.kind.grants(scope, self.token.scopes.as_ref(), &self.owner.permissions)
    }
}
