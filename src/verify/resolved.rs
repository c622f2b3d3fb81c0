//! A token with its owner and kind, and the verdict on it: the checks in the order of docs/reference/verdicts.md.

use std::rc::Rc;

use pgrx::Uuid;

use super::Question;
use super::accepted::{Accepted, Conditions, Peppering, under};
use super::answer::{Outcome, Refused, Shown};
use super::cache::Owner;
use super::cache::effective::Effective;
use crate::catalog::principal::stored_data_scopes;
use crate::catalog::scope_interner;
use crate::catalog::token::{self, BY_LOOKUP, column};
use crate::error::KeyError;
use crate::model::data_scope::DataScopes;
use crate::model::kind::Kind;
use crate::model::narrowing::Narrowing;
use crate::model::network::{Network, admits};
use crate::model::principal_name::PrincipalName;
use crate::model::scope::{Scope, Scopes};
use crate::model::token_state::{StoredState, TokenState};
use crate::model::verdict::Verdict;
use crate::pg::scan::index_key::IndexKey;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::types::array::TextArray;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::composite::CachedDatum;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::row::Row;
use crate::pg::types::text::Text;
use crate::token::derived::PublicKey;
use crate::token::{Digest, Lookup};
use crate::usage::{self, RetryAfter};

/// What verification reads of a token.
pub struct TokenRow {
    pub owner: Text,
    pub kind: Text,
    /// Its identifier.
    pub id: Uuid,
    /// The stored digest.
    digest: Digest,
    pepper: Option<Rc<Peppering>>,
    name: Option<Text>,
    state: StoredState,
    created_at: Timestamp,
    rotated: bool,
    /// The scopes that were chosen for it.
    pub scopes: Option<Rc<Scopes>>,
    data_scopes: Option<DataScopes>,
    networks: Option<Box<[Network]>>,
    metadata: Option<Jsonb>,
    /// What the child that was presented leaves of it, if one was.
    pub narrowing: Option<Rc<Narrowing>>,
}

impl TokenRow {
    /// Finds the token with this lookup if its digest matches, under the pepper that its row names.
    ///
    /// # Errors
    /// Those of `pepper`.
    pub fn find(
        lookup: Lookup,
        digest: &Digest,
        snapshot: &LatestSnapshot,
        pepper: impl FnOnce(&[u8]) -> Result<Rc<Peppering>, KeyError>,
    ) -> Result<Option<Self>, KeyError> {
        BY_LOOKUP
            .find_often(IndexKey::Bigint(lookup.to_bigint()), snapshot, |row| {
                let pepper = row.bytes(column::PEPPER).map(pepper).transpose()?;
                let digest = under(pepper.as_deref(), digest);
                let matches = row.bytes(column::DIGEST).is_some_and(|stored| digest.matches(stored));
                Ok(matches.then(|| TokenRow::read(row, digest.into_owned(), pepper)))
            })
            .unwrap_or(Ok(None))
    }

    /// Finds the token with this lookup, and the public key of its children, under the pepper that its row names. Its
    /// digest becomes that of the child that is presented.
    ///
    /// # Errors
    /// Those of `pepper`.
    pub fn find_parent(
        lookup: Lookup,
        child: &Digest,
        snapshot: &LatestSnapshot,
        pepper: impl FnOnce(&[u8]) -> Result<Rc<Peppering>, KeyError>,
    ) -> Result<Option<(Self, PublicKey)>, KeyError> {
        BY_LOOKUP
            .find_often(IndexKey::Bigint(lookup.to_bigint()), snapshot, |row| {
                let Some(stored) = row.bytes(column::DERIVE_KEY) else {
                    return Ok(None);
                };
                let pepper = row.bytes(column::PEPPER).map(pepper).transpose()?;
                let id: Uuid = row.required(column::ID);
                let pepper = pepper.as_ref().map(|pepper| &pepper.key);
                let key = PublicKey::of_stored(stored, id.as_bytes(), lookup, pepper);
                Ok(key.map(|key| (TokenRow::read(row, child.clone(), None), key)))
            })
            .unwrap_or(Ok(None))
    }

    /// The scopes that the child that was presented is narrowed to, if one was, and is.
    pub fn own_scopes(&self) -> Option<&Scopes> {
        self.narrowing.as_ref().and_then(|narrowing| narrowing.own_scopes())
    }

    fn read(row: &Row, digest: Digest, pepper: Option<Rc<Peppering>>) -> Self {
        TokenRow {
            owner: row.required(column::OWNER),
            kind: row.required(column::KIND),
            id: row.required(column::ID),
            digest,
            pepper,
            name: row.optional(column::NAME),
            state: token::state(row),
            created_at: row.required(column::CREATED_AT),
            rotated: !row.is_null(column::ROTATED_TO),
            scopes: row
                .bytes(column::SCOPES)
                .map(|stored| scope_interner::scopes(stored, || token::stored_scopes(stored))),
            data_scopes: row.optional::<Jsonb>(column::DATA_SCOPES).map(|stored| stored_data_scopes(&stored)),
            // A network that was not written by our functions and cannot be read admits nobody.
            networks: row
                .optional::<TextArray>(column::NETWORKS)
                .map(|list| list.stored().filter_map(|network| Network::parse(network).ok()).collect()),
            metadata: row.optional(column::METADATA),
            narrowing: None,
        }
    }
}

/// A token whose digest was presented, with its owner and kind, all as of one moment.
pub struct Resolved {
    pub token: TokenRow,
    pub owner: Rc<Owner>,
    pub kind: Rc<Kind>,
    state: TokenState,
}

impl Resolved {
    pub fn new(token: TokenRow, owner: Rc<Owner>, kind: Rc<Kind>) -> Self {
        let state = token.state.of_kind(kind.max_age.as_ref());
        Resolved { token, owner, kind, state }
    }

    /// Narrowed to what a child leaves of the token; `is_killed` if the child was revoked by itself.
    pub fn narrowed(mut self, narrowing: Rc<Narrowing>, is_killed: bool) -> Self {
        self.state = narrowing.state(self.state, &self.kind, is_killed);
        self.token.narrowing = Some(narrowing);
        self
    }

    /// Judges the token, and counts the use. Calls `effective`, which returns what it grants, only if it is accepted.
    pub fn judge(self, question: &Question, effective: impl FnOnce(&Self) -> Rc<Effective>) -> Outcome {
        let now = Timestamp::now();
        let (verdict, retry_after) = self.verdict(question, now);
        // From where an erased principal's token comes, and what for, is nobody's business any more.
        let is_erased = !verdict.ok() && PrincipalName::stands_for_erased(self.token.owner.as_bytes());
        let client = question.client.known().filter(|_| !is_erased);
        let mut denial = usage::count(self.token.id, verdict, self.token.rotated, client, now);
        if let Some(label) = self.token.narrowing.as_ref().and_then(|narrowing| narrowing.label())
            && !is_erased
        {
            denial = denial.map(|denial| denial.labelled(label));
        }
        let refused = |token: TokenRow| {
            Refused::token(verdict, token.id, token.kind, token.name, denial).derived(token.narrowing.as_deref())
        };
        match verdict {
            Verdict::Valid => {
                let effective = effective(&self);
                self.accepted(effective)
            }
            Verdict::OwnerInactive => {
                Outcome::Refused(refused(self.token).because(self.owner.principal.state_reason.as_ref()))
            }
            Verdict::NetworkDenied => Outcome::Refused(refused(self.token).for_client(question.client)),
            Verdict::InsufficientScope => {
                let missing: Vec<&Scope> = question.require.each().filter(|scope| !self.grants(scope)).collect();
                Outcome::Refused(refused(self.token).missing(&missing))
            }
            Verdict::RateLimited => Outcome::Refused(refused(self.token).not_before(retry_after)),
            _ => Outcome::Refused(refused(self.token)),
        }
    }

    fn accepted(self, effective: Rc<Effective>) -> Outcome {
        let held = &self.owner.principal.data_scopes;
        let mut data_scopes = self.kind.effective_data_scopes(self.token.data_scopes.as_ref(), held);
        let TokenRow { owner, id, digest, pepper, name, rotated, created_at, networks, metadata, narrowing, .. } =
            self.token;
        let TokenState { not_before, ends_at: expires_at, .. } = self.state;
        if let Some(narrowing) = &narrowing {
            data_scopes = narrowing.data_scopes(data_scopes);
        }
        let issued_at = narrowing.as_ref().map_or(created_at, |narrowing| narrowing.start());
        let shown = name.as_ref().map_or(0, |name| name.as_bytes().len())
            + metadata.as_ref().map_or(0, Jsonb::len)
            + data_scopes.size()
            // Label and end, in JSON.
            + narrowing.as_ref().map_or(0, |narrowing| 64 + narrowing.label().map_or(0, str::len));
        let accepted = Accepted {
            id,
            digest: digest.as_bytes().try_into().ok(),
            rotated,
            is_rated: self.kind.rate.is_some(),
            expires_at: expires_at.unwrap_or(Timestamp::INFINITY),
            owner: owner.into_bytes(),
            effective,
            conditions: Conditions::new(pepper, not_before, networks, data_scopes, narrowing).boxed(),
            cached_answer: CachedDatum::default(),
            weight: 0,
        };
        let answer = Shown { name, issued_at, expires_at, metadata, is_kept: false };
        Outcome::Accepted(Rc::new(accepted.weighed(shown)), Some(answer))
    }

    /// The verdict, and how long to wait if it is `RateLimited`.
    fn verdict(&self, question: &Question, now: Timestamp) -> (Verdict, Option<RetryAfter>) {
        if let Some(verdict) = self.refusal(question, now) {
            return (verdict, None);
        }
        if let Some(rate) = self.kind.rate
            && let Err(retry_after) = usage::admit(self.token.id, rate, now)
        {
            return (Verdict::RateLimited, Some(retry_after));
        }
        let grants_all = question.require.each().all(|scope| self.grants(scope));
        (if grants_all { Verdict::Valid } else { Verdict::InsufficientScope }, None)
    }

    /// Why the token is refused, whatever scopes are required.
    fn refusal(&self, question: &Question, now: Timestamp) -> Option<Verdict> {
        let outside = || {
            let client = question.client.known();
            let is_inside = admits(self.token.networks.as_deref(), client)
                && self.token.narrowing.as_ref().is_none_or(|narrowing| narrowing.admits(client));
            (!is_inside).then_some(Verdict::NetworkDenied)
        };
        self.state.refusal(&self.owner.principal.state, now).or_else(outside)
    }

    fn grants(&self, scope: &Scope) -> bool {
        self.kind.grants(scope, self.token.scopes.as_deref(), &self.owner.principal.permissions)
            && self.token.narrowing.as_ref().is_none_or(|narrowing| narrowing.grants(scope))
    }
}
