//! A token that was accepted: what an identity is made of, and what can change the verdict although no row changes.

use std::borrow::Cow;
use std::rc::Rc;

use pgrx::Uuid;

use super::Question;
use super::cache::effective::Effective;
use super::cache::set_associative::Weigh;
use crate::keys;
use crate::model::data_scope::DataScopes;
use crate::model::narrowing::Narrowing;
use crate::model::network::{Client, Network, admits};
use crate::model::token_state::{has_begun, has_ended};
use crate::pg::process::prefetch::prefetch;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::composite::{CachedComposite, CachedDatum};
use crate::pg::types::text::Text;
use crate::token::{Digest, Pepper};
use crate::usage;

/// A pepper with its id.
pub type Peppering = keys::NamedKey<Pepper>;

/// The digest as it is stored if the token has this pepper.
pub fn under<'a>(pepper: Option<&Peppering>, digest: &'a Digest) -> Cow<'a, Digest> {
    match pepper {
        None => Cow::Borrowed(digest),
        Some(pepper) => Cow::Owned(digest.peppered(&pepper.key)),
    }
}

/// A token that was accepted. Small, because each backend caches thousands of them.
pub struct Accepted {
    /// The token.
    pub id: Uuid,
    /// The stored digest; `None` for the longer digests of some imports, which are not cached.
    pub(super) digest: Option<[u8; 32]>,
    /// Whether the token has a successor.
    pub(super) rotated: bool,
    /// Whether its kind has a rate. What it grants, and so its kind, is looked at only where that is asked for: each
    /// child may have its own.
    pub(super) is_rated: bool,
    pub(super) expires_at: Timestamp,
    pub(super) owner: Box<[u8]>,
    /// What it grants, and its kind.
    pub(super) effective: Rc<Effective>,
    pub(super) conditions: Option<Box<Conditions>>,
    pub(super) cached_answer: CachedDatum,
    pub(super) weight: u32,
}

/// What only few tokens have.
pub struct Conditions {
    pub(super) pepper: Option<Rc<Peppering>>,
    pub(super) not_before: Option<Timestamp>,
    pub(super) networks: Option<Box<[Network]>>,
    pub(super) data_scopes: DataScopes,
    /// Of a child: what it leaves of its parent, which the token is.
    pub(super) narrowing: Option<Rc<Narrowing>>,
    /// Whether the child has networks of its own. Without any, its narrowing need not be looked at.
    is_confined: bool,
}

impl Conditions {
    /// Those of a token, or of a child of one.
    pub(super) fn new(
        pepper: Option<Rc<Peppering>>,
        not_before: Option<Timestamp>,
        networks: Option<Box<[Network]>>,
        data_scopes: DataScopes,
        narrowing: Option<Rc<Narrowing>>,
    ) -> Self {
        let is_confined = narrowing.as_ref().is_some_and(|narrowing| narrowing.networks().is_some());
        Conditions { pepper, not_before, networks, data_scopes, narrowing, is_confined }
    }

    /// The conditions, if there are any.
    pub(super) fn boxed(self) -> Option<Box<Self>> {
        let Conditions { pepper, not_before, networks, data_scopes, narrowing, .. } = &self;
        let has_any = pepper.is_some()
            || not_before.is_some()
            || networks.is_some()
            || !data_scopes.is_unrestricted()
            || narrowing.is_some();
        has_any.then(|| Box::new(self))
    }

    fn size(&self) -> usize {
        size_of::<Self>()
            + self.networks.as_ref().map_or(0, |networks| size_of_val(&**networks))
            + self.data_scopes.size()
            + self.narrowing.as_ref().map_or(0, |narrowing| narrowing.size())
    }
}

impl Accepted {
    pub fn owner(&self) -> Text {
        Text::from(self.owner.to_vec())
    }

    /// What it grants, and its kind.
    pub fn effective(&self) -> &Effective {
        &self.effective
    }

    /// What is left of the token, if a child of it was presented.
    pub fn narrowing(&self) -> Option<&Rc<Narrowing>> {
        self.conditions.as_ref()?.narrowing.as_ref()
    }

    /// The child of the token that was presented, if one was, with its digest.
    pub fn child(&self) -> Option<(&Rc<Narrowing>, Digest)> {
        self.narrowing().zip(self.digest.and_then(|digest| Digest::from_bytes(&digest).ok()))
    }

    /// Whether the same text was presented.
    pub fn is_same(&self, other: &Self) -> bool {
        let child = |of: &Self| of.narrowing().and(of.digest);
        self.id == other.id && child(self) == child(other)
    }

    /// Its data scopes; `None` is unrestricted.
    pub fn data_scopes(&self) -> Option<&DataScopes> {
        self.conditions.as_ref().map(|conditions| &conditions.data_scopes)
    }

    /// When it begins to work; `None`: at once.
    pub(super) fn not_before(&self) -> Option<Timestamp> {
        self.conditions.as_ref().and_then(|conditions| conditions.not_before)
    }

    /// Whether the token has this digest and is good for the question now, its rate apart, provided that none of our
    /// rows has changed since it was accepted. A child is never taken for a token, nor a token for a child, whatever
    /// their digests are.
    pub(super) fn is_still<const CHILD: bool>(&self, digest: &Digest, question: &Question, now: Timestamp) -> bool {
        let conditions = self.conditions.as_deref();
        let pepper = conditions.and_then(|conditions| conditions.pepper.as_deref());
        self.digest.is_some_and(|stored| under(pepper, digest).matches(&stored))
            && !has_ended(Some(self.expires_at), now)
            && conditions.map_or(!CHILD, |conditions| conditions.admit::<CHILD>(question.client.known(), now))
            && self.effective.grants(&question.require)
    }

    /// Whether this is the child with this digest.
    pub(super) fn is_child(&self, digest: &Digest) -> bool {
        self.narrowing().is_some() && self.digest.is_some_and(|own| digest.matches(&own))
    }

    /// Takes one use from the allowance of the token, and returns whether there was one. Called last.
    pub(super) fn is_admitted(&self, now: Timestamp) -> bool {
        !self.is_rated || self.effective.kind().rate.is_none_or(|rate| usage::admit(self.id, rate, now).is_ok())
    }

    /// Asks the processor for what judging and answering will need, of this and of what counts its uses: something else
    /// can be computed meanwhile.
    #[inline]
    pub(super) fn prefetch(&self) {
        usage::prefetch(self.id, true);
        if let Some(conditions) = &self.conditions {
            prefetch(&**conditions);
        }
        self.cached_answer.prefetch();
    }

    /// Computes its weight: the cached answer does not exist yet, but `shown` is the size of what only that will hold.
    pub(super) fn weighed(mut self, shown: usize) -> Self {
        /// The two counts of an `Rc`, and the allocator's average overhead for it, the owner and the cached answer.
        const OVERHEAD: usize = 16 + 3 * 12;
        /// The header of the cached answer and its fields of fixed size.
        const IMAGE: usize = 72;
        let unshared = if Rc::strong_count(&self.effective) == 1 { self.effective.size() } else { 0 };
        let shown = shown + 2 * self.owner.len() + self.effective.array().len();
        let conditions = self.conditions.as_ref().map_or(0, |conditions| conditions.size());
        let weight = size_of::<Self>() + OVERHEAD + IMAGE + self.owner.len() + unshared + shown + conditions;
        self.weight = u32::try_from(weight).unwrap_or(u32::MAX);
        self
    }
}

impl Conditions {
    fn admit<const CHILD: bool>(&self, client: Option<Client>, now: Timestamp) -> bool {
        self.narrowing.is_some() == CHILD
            && has_begun(self.not_before, now)
            && admits(self.networks.as_deref(), client)
            && (!self.is_confined || self.narrowing.as_ref().is_none_or(|narrowing| narrowing.admits(client)))
    }
}

impl CachedComposite for Accepted {
    fn cached_answer(&self) -> &CachedDatum {
        &self.cached_answer
    }
}

impl Weigh for Accepted {
    const USUAL: usize = 256;

    fn weight(&self) -> usize {
        self.weight as usize
    }
}
