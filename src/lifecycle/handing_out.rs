//! Whatever hands out, widens or revives a token is judged like `issue`: by what its owner and the actor hold now.

mod new;

pub use new::{New, StoredCredential};

use std::rc::Rc;

use pgrx::Uuid;

use super::lifetime::Expiry;
use crate::access::actor::Actor;
use crate::access::authority::{Acting, Authority, Parties};
use crate::catalog;
use crate::catalog::principal::{Hold, Principal};
use crate::catalog::token;
use crate::catalog::token::Token;
use crate::catalog::token::extent::Extent;
use crate::catalog::token::grant::Grant;
use crate::error::{Error, KindError, PrincipalError, TokenError};
use crate::model::data_scope::DataScopes;
use crate::model::kind::Kind;
use crate::model::network::Networks;
use crate::model::principal_name::PrincipalName;
use crate::model::scope::Scopes;
use crate::model::token_state::Status;
use crate::pg::types::array::TextArray;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::encoding;
use crate::pg::types::text::Text;
use crate::principals::binding::supplier_of_active;

impl Kind {
    /// Checks that this owner can have tokens of the kind.
    ///
    /// # Errors
    /// 22023 when principals of its type cannot own them, 55000 when the owner is inactive.
    pub fn accepts(&self, owner: &PrincipalName, principal: &Principal) -> Result<(), Error> {
        let owner_type = owner.principal_type();
        if !self.owner_types.iter().any(|allowed| allowed.as_bytes() == owner_type.as_bytes()) {
            return Err(KindError::OwnerType { kind: self.name.shown(), owner_type: owner_type.to_owned() }.into());
        }
        if !principal.state.active {
            return Err(PrincipalError::Inactive { principal: owner.shown(), table: supplier_of_active(owner) }.into());
        }
        Ok(())
    }

    /// Checks that new tokens of the kind are made.
    ///
    /// # Errors
    /// 55000 when it is closed.
    pub fn is_open(&self) -> Result<(), Error> {
        if self.closed { Err(KindError::Closed(self.name.shown()).into()) } else { Ok(()) }
    }

    /// Checks that there is a name if the kind requires one; blanks are none.
    ///
    /// # Errors
    /// 22004 when it is missing.
    pub fn accepts_name(&self, name: Option<&Text>) -> Result<(), Error> {
        let is_named = name.is_some_and(|name| !encoding::is_blank(name.as_bytes()));
        if is_named || !self.name_required { Ok(()) } else { Err(KindError::NameRequired(self.name.shown()).into()) }
    }

    /// Checks that the owner may have one more token alive. The caller must hold its row with `Hold::Alone`.
    ///
    /// # Errors
    /// 53400 when it may not.
    pub fn has_room(&self, owner: &PrincipalName, principal: &Principal) -> Result<(), Error> {
        match self.max_active_per_owner {
            Some(most) if token::count_alive(owner, &self.name, principal) >= i64::from(most) => {
                Err(KindError::TooManyActive { kind: self.name.shown(), most }.into())
            }
            _ => Ok(()),
        }
    }
}

/// A kind and an owner for which a new token may be made, locked until the transaction ends.
pub struct Admission {
    /// The kind.
    pub kind: Rc<Kind>,
    /// The owner.
    pub principal: Principal,
    /// The moment from which lifetimes count.
    pub now: Timestamp,
    /// When the token would stop working.
    pub expires_at: Option<Timestamp>,
    authority: Authority,
}

impl Admission {
    /// Locks both and checks everything that does not depend on scopes. The order is always kind, principals, token, so
    /// that two calls never deadlock.
    ///
    /// # Errors
    /// 22004 for a missing name or lifetime, 22023 for a lifetime out of bounds or an owner of the wrong type, 42501
    /// when the actor may not hand out or the token would outlive the one by which it acts, 42704 for an unknown kind,
    /// owner or actor, 55000 for a closed kind or an inactive owner.
    pub fn new(
        actor: &Actor,
        kind: &Text,
        owner: &PrincipalName,
        name: Option<&Text>,
        asked: &Expiry,
    ) -> Result<Self, Error> {
        let kind = catalog::kind::lock(kind)?;
        let (principal, authority) = Parties::lock(actor, &kind, owner)?.handing_out(&kind, owner)?;
        let now = Timestamp::now();
        kind.is_open()?;
        kind.accepts(owner, &principal)?;
        kind.accepts_name(name)?;
        let expires_at = authority.end(&kind, kind.expiry(asked, now)?, !asked.is_given())?;
        Ok(Admission { kind, principal, now, expires_at, authority })
    }

    /// The grant of the token: what is chosen, or all that the owner holds.
    ///
    /// # Errors
    /// 22023 when the kind allows no choice or the choice is beyond the ceiling, 42501 when owner or actor do not hold
    /// it, 53400 when the owner has as many tokens as it may.
    pub fn grant(
        &self,
        owner: &PrincipalName,
        scopes: Option<Scopes>,
        data_scopes: Option<DataScopes>,
    ) -> Result<Grant, Error> {
        let Admission { kind, principal, authority, .. } = self;
        let grant = Grant::chosen(kind, principal, scopes, data_scopes)?.or_all(kind, principal)?;
        authority.covers_always(kind, &grant, principal)?;
        kind.has_room(owner, principal)?;
        Ok(grant)
    }

    /// Checks that the token may be bound to these networks, or to none.
    ///
    /// # Errors
    /// 42501 when they are wider than those of a token by which the actor acts.
    pub fn admits(&self, networks: Option<&TextArray>) -> Result<(), Error> {
        self.authority.admits(&self.kind, networks.map(|networks| Networks::stored(networks.stored())).as_ref())
    }
}

/// A token with its kind and owner, and the actor's authority over it. None can change until the transaction ends.
pub struct LockedToken {
    /// Its kind.
    pub kind: Rc<Kind>,
    /// Its owner's name.
    pub owner: PrincipalName,
    /// Its owner.
    pub principal: Principal,
    /// What the actor may do with it.
    pub authority: Authority,
    /// The token.
    pub token: Token,
}

impl LockedToken {
    /// Locks all of them in the order of `issue`: kind, principals, token.
    ///
    /// # Errors
    /// 42704 when no such token exists, it was deleted, or this actor must not know of it.
    pub fn lock(id: Uuid, actor: &Actor) -> Result<Self, Error> {
        let locked = LockedToken::lock_deleted(id, actor)?;
        if locked.token.state.deleted { Err(TokenError::NotFound(id).into()) } else { Ok(locked) }
    }

    /// As [`lock`](Self::lock), but deleted tokens are found too.
    ///
    /// # Errors
    /// 42704 when no such token exists, or this actor must not know of it.
    pub fn lock_deleted(id: Uuid, actor: &Actor) -> Result<Self, Error> {
        // Kind and owner of a token never change, so they can be read before anything is locked.
        let found = find_for(id, actor)?;
        let kind = catalog::kind::lock(&found.kind)?;
        let owner = PrincipalName::given("owner", Some(found.owner))?;
        let Parties { owner: principal, authority } = Parties::lock(actor, &kind, &owner)?;
        let token = token::lock(id)?;
        if authority.is_nothing() {
            return Err(TokenError::NotFound(id).into());
        }
        // A principal stays as long as it has tokens, if only as a tombstone.
        let principal = principal.ok_or_else(|| PrincipalError::NotFound(owner.shown()))?;
        Ok(LockedToken { kind, owner, principal, authority, token })
    }

    /// Whether the token is dead, by its own revocation or by a mass death.
    pub fn is_dead(&self) -> bool {
        self.token.state.is_dead(&self.principal.state)
    }

    /// Checks that the token is not dead.
    ///
    /// # Errors
    /// 55000 when it is.
    pub fn must_not_be_dead(&self) -> Result<(), Error> {
        if self.is_dead() { Err(TokenError::Revoked(self.token.id).into()) } else { Ok(()) }
    }

    /// The status of the token.
    pub fn status(&self, now: Timestamp) -> Status {
        self.token.state.status(&self.principal.state, now)
    }

    /// Checks that the token works now.
    ///
    /// # Errors
    /// 55000 when it is dead, disabled, not yet valid or expired, or its owner is inactive.
    pub fn must_be_active(&self) -> Result<(), Error> {
        let now = Timestamp::now();
        self.must_be_usable(now)?;
        if self.status(now) == Status::NotYetValid {
            return Err(TokenError::NotYetValid(self.token.id).into());
        }
        self.kind.accepts(&self.owner, &self.principal)
    }

    /// Checks that the token works now, or will once it is valid and its owner active.
    ///
    /// # Errors
    /// 55000 when it is dead, disabled or expired.
    pub fn must_be_usable(&self, now: Timestamp) -> Result<(), Error> {
        let id = self.token.id;
        match self.status(now) {
            Status::Revoked => Err(TokenError::Revoked(id).into()),
            Status::Disabled => Err(TokenError::Disabled(id).into()),
            _ if self.token.state.has_ended(now) => Err(TokenError::Expired(id).into()),
            _ => Ok(()),
        }
    }

    /// Checks that the actor may bring the token, as it is, back into force.
    ///
    /// # Errors
    /// 55000 when the owner is inactive; 42501 when the token would grant more than the owner or the actor holds, or
    /// outlive the token by which the actor acts, or be accepted from more places.
    pub fn may_be_revived(&self) -> Result<(), Error> {
        let Extent { grant, expires_at, networks } = &self.token.extent;
        self.may_hand_out(grant)?;
        self.authority.end(&self.kind, *expires_at, false)?;
        self.authority.admits(&self.kind, networks.as_ref())
    }

    /// Checks that the actor may give this grant to a token in place of this one.
    ///
    /// # Errors
    /// 55000 when the owner is inactive, 42501 when the grant is more than the owner or the actor holds.
    pub fn may_hand_out(&self, grant: &Grant) -> Result<(), Error> {
        self.authority.may_hand_out(&self.kind)?;
        self.kind.accepts(&self.owner, &self.principal)?;
        grant.within_owner(&self.kind, &self.principal)?;
        self.authority.covers_always(&self.kind, grant, &self.principal)
    }
}

/// The token with this id, without a lock, for an actor that need not be allowed to know of it.
///
/// # Errors
/// 42704 when no such token exists; but an actor that may do nothing at all is told only that, and so learns nothing.
pub fn find_for(id: Uuid, actor: &Actor) -> Result<Token, Error> {
    if let Some(token) = token::find(id) {
        return Ok(token);
    }
    if let Some(name) = actor.name() {
        Acting::lock(actor, name, Hold::Look)?;
    }
    Err(TokenError::NotFound(id).into())
}
