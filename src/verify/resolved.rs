//! A token with its owner and kind, and the verdict on it: each check in the order of the contract.

use std::borrow::Cow;
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
use crate::interned;
use crate::keys;
use crate::kind::Kind;
use crate::network::{Client, Network};
use crate::pg::array::TextArray;
use crate::pg::clock::Timestamp;
use crate::pg::composite::{Image, Pictured, Verification};
use crate::pg::jsonb::Jsonb;
use crate::pg::probe::Key;
use crate::pg::row::Row;
use crate::pg::snapshot::Latest;
use crate::pg::text::Text;
use crate::remembered::Weigh;
use crate::scope::{Scope, Scopes};
use crate::token::{Digest, Lookup, Pepper};
use crate::usage;
use crate::verdict::Verdict;

/// A pepper with its id.
pub type Peppering = keys::Key<Pepper>;

/// The digest as it is stored under this pepper.
pub fn under<'a>(pepper: Option<&Peppering>, digest: &'a Digest) -> Cow<'a, Digest> {
    match pepper {
        None => Cow::Borrowed(digest),
        Some(pepper) => Cow::Owned(digest.peppered(&pepper.key)),
    }
}

/// What verification reads of a token.
pub struct TokenRow {
    /// Its owner.
    pub owner: Text,
    /// Its kind.
    pub kind: Text,
    /// Its identifier.
    pub id: Uuid,
    /// As it is stored.
    digest: Digest,
    pepper: Option<Rc<Peppering>>,
    name: Option<Text>,
    owner_epoch: i64,
    dies_with_owner: bool,
    revoked: bool,
    disabled: bool,
    rotated: bool,
    expires_at: Option<Timestamp>,
    not_before: Option<Timestamp>,
    scopes: Option<Rc<Scopes>>,
    data_scopes: Option<DataScopes>,
    networks: Option<Box<[Network]>>,
    metadata: Option<Jsonb>,
}

impl TokenRow {
    /// The token with this lookup, if its digest is this one, under the pepper that its row names.
    ///
    /// # Errors
    /// Those of `pepper`.
    pub fn find(
        lookup: Lookup,
        digest: &Digest,
        snapshot: &Latest,
        pepper: impl FnOnce(&[u8]) -> Result<Rc<Peppering>, Error>,
    ) -> Result<Option<Self>, Error> {
        BY_LOOKUP
            .find(Key::Bigint(lookup.to_bigint()), snapshot, |row| {
                let pepper = row.bytes(column::PEPPER).map(pepper).transpose()?;
                let digest = under(pepper.as_deref(), digest);
                let matches = row.bytes(column::DIGEST).is_some_and(|stored| digest.matches(stored));
                Ok(matches.then(|| TokenRow::read(row, digest.into_owned(), pepper)))
            })
            .unwrap_or(Ok(None))
    }

    fn read(row: &Row, digest: Digest, pepper: Option<Rc<Peppering>>) -> Self {
        TokenRow {
            owner: row.required(column::OWNER),
            kind: row.required(column::KIND),
            id: row.required(column::ID),
            digest,
            pepper,
            name: row.optional(column::NAME),
            owner_epoch: row.required(column::OWNER_EPOCH),
            dies_with_owner: row.required(column::DIES_WITH_OWNER),
            revoked: !row.is_null(column::REVOKED_AT) || !row.is_null(column::DELETED_AT),
            disabled: !row.is_null(column::DISABLED_AT),
            rotated: !row.is_null(column::ROTATED_TO),
            expires_at: row.optional(column::EXPIRES_AT),
            not_before: row.optional(column::NOT_BEFORE),
            scopes: row
                .bytes(column::SCOPES)
                .map(|stored| interned::scopes(stored, || stored_scopes(&row.required::<TextArray>(column::SCOPES)))),
            data_scopes: row.optional::<Jsonb>(column::DATA_SCOPES).map(|stored| stored_data_scopes(&stored)),
            // What somebody has written past our functions and cannot be read admits nobody.
            networks: row
                .optional::<TextArray>(column::NETWORKS)
                .map(|list| list.stored().filter_map(|network| Network::parse(network).ok()).collect()),
            metadata: row.optional(column::METADATA),
        }
    }
}

/// A token whose digest was presented, with its owner and kind, of rows of one moment.
pub struct Resolved {
    /// The token.
    pub token: TokenRow,
    /// Its owner.
    pub owner: Rc<Principal>,
    /// Its kind.
    pub kind: Rc<Kind>,
}

impl Resolved {
    /// Judges the token, counts the use and answers; an image of the answer is left with `hot`, if it is valid.
    pub fn answer(self, question: &Question, hot: Option<Rc<Hot>>) -> Result<Verification, Error> {
        let now = Timestamp::now();
        let verdict = self.verdict(question, now);
        usage::count(self.token.id, verdict.ok(), self.token.rotated, now);
        let TokenRow { id, name, .. } = &self.token;
        let refused = || Answer::refused(verdict, *id, self.token.kind.clone(), name.clone());
        match verdict {
            Verdict::Valid => match hot {
                Some(hot) => self.valid()?.pictured(hot),
                None => self.valid()?.formed(),
            },
            Verdict::OwnerInactive => refused()?.because(self.owner.state_reason.as_ref()).formed(),
            Verdict::InsufficientScope => {
                refused()?.missing(question.require.each().filter(|scope| !self.grants(scope))).formed()
            }
            _ => refused()?.formed(),
        }
    }

    fn valid(&self) -> Result<Answer, Error> {
        let token = &self.token;
        let granted = Granted {
            owner: token.owner.clone(),
            scopes: self.kind.effective_scopes(token.scopes.as_deref(), &self.owner.permissions),
            data_scopes: self.kind.effective_data_scopes(token.data_scopes.as_ref(), &self.owner.data_scopes),
            expires_at: token.expires_at,
            metadata: token.metadata.clone(),
        };
        Answer::valid(token.id, token.kind.clone(), token.name.clone(), granted)
    }

    fn verdict(&self, question: &Question, now: Timestamp) -> Verdict {
        let token = &self.token;
        if self.is_dead() {
            Verdict::Revoked
        } else if token.disabled {
            Verdict::Disabled
        } else if token.not_before.is_some_and(|start| now < start) {
            Verdict::NotYetValid
        } else if token.expires_at.is_some_and(|end| end <= now) {
            Verdict::Expired
        } else if !self.owner.active {
            Verdict::OwnerInactive
        } else if !admits(token.networks.as_deref(), question.client) {
            Verdict::NetworkDenied
        } else if !question.require.each().all(|scope| self.grants(scope)) {
            Verdict::InsufficientScope
        } else {
            Verdict::Valid
        }
    }

    fn is_dead(&self) -> bool {
        self.token.revoked || self.owner.has_killed(self.token.owner_epoch, self.token.dies_with_owner)
    }

    fn grants(&self, scope: &Scope) -> bool {
        self.kind.grants(scope, self.token.scopes.as_deref(), &self.owner.permissions)
    }

    /// What is worth remembering of it: nothing that only time or an edit can make valid.
    pub fn hot(&self) -> Option<Hot> {
        let TokenRow { id, digest, pepper, disabled, rotated, expires_at, not_before, scopes, networks, .. } =
            &self.token;
        if self.is_dead() || *disabled || !self.owner.active {
            return None;
        }
        Some(Hot {
            id: *id,
            digest: digest.as_bytes().try_into().ok()?,
            rotated: *rotated,
            pepper: pepper.clone(),
            expires_at: expires_at.unwrap_or(Timestamp::INFINITY),
            not_before: not_before.unwrap_or(Timestamp::MINUS_INFINITY),
            scopes: scopes.clone(),
            networks: networks.clone(),
            owner: Rc::clone(&self.owner),
            kind: Rc::clone(&self.kind),
            image: Image::default(),
            weight: self.weight(),
        })
    }

    /// What remembering it takes. The image is not there yet, but what it will show is.
    fn weight(&self) -> usize {
        /// The two counts of an `Rc`, and what the allocator adds to it and to the image.
        const OVERHEAD: usize = 16 + 2 * 8;
        /// The header and the fields of the image that have one size.
        const IMAGE: usize = 128;
        let TokenRow { owner, name, metadata, scopes, networks, .. } = &self.token;
        let own = networks.as_ref().map_or(0, |networks| size_of_val(&**networks));
        let granted = scopes.as_deref().unwrap_or(&self.owner.permissions).iter().map(|scope| scope.len() + 8);
        let shown = name.as_ref().map_or(0, |name| name.as_bytes().len())
            + metadata.as_ref().map_or(0, Jsonb::len)
            + 2 * owner.as_bytes().len()
            + granted.sum::<usize>();
        size_of::<Hot>() + OVERHEAD + IMAGE + own + shown
    }
}

fn admits(networks: Option<&[Network]>, client: Option<Client>) -> bool {
    networks.is_none_or(|networks| client.is_some_and(|client| networks.iter().any(|network| network.contains(client))))
}

/// A token that was valid, as it is remembered: what can still change its verdict without any row changing, and the
/// answer. Small, because there are thousands of them in each backend.
pub struct Hot {
    id: Uuid,
    digest: [u8; 32],
    rotated: bool,
    pepper: Option<Rc<Peppering>>,
    expires_at: Timestamp,
    not_before: Timestamp,
    scopes: Option<Rc<Scopes>>,
    networks: Option<Box<[Network]>>,
    owner: Rc<Principal>,
    kind: Rc<Kind>,
    image: Image,
    weight: usize,
}

impl Hot {
    /// Answers at once if the token is valid, and counts the use; otherwise the rows have to say what is wrong.
    pub fn answer(self: Rc<Self>, digest: &Digest, question: &Question) -> Result<Option<Verification>, Error> {
        let now = Timestamp::now();
        let is_valid = self.image.is_taken()
            && under(self.pepper.as_deref(), digest).matches(&self.digest)
            && self.not_before <= now
            && now < self.expires_at
            && admits(self.networks.as_deref(), question.client)
            && question
                .require
                .each()
                .all(|scope| self.kind.grants(scope, self.scopes.as_deref(), &self.owner.permissions));
        if !is_valid {
            return Ok(None);
        }
        usage::count(self.id, true, self.rotated, now);
        Ok(Some(Verification::Again(self, correlation::new()?)))
    }
}

impl Pictured for Hot {
    fn image(&self) -> &Image {
        &self.image
    }
}

impl Weigh for Hot {
    fn weight(&self) -> usize {
        self.weight
    }
}
