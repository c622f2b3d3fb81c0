//! Whatever hands out, widens or revives a token is judged like `issue`: by what its owner and the actor hold now.

use pgrx::Uuid;

use crate::actor::Actor;
use crate::authority::{Acting, Authority, Parties};
use crate::catalog::principal::{Hold, Principal};
use crate::catalog::token::Token;
use crate::catalog::{self, token};
use crate::data_scope::DataScopes;
use crate::error::Error;
use crate::kind::{Expiry, Kind};
use crate::pg::clock::Timestamp;
use crate::pg::text::Text;
use crate::principal::PrincipalName;
use crate::scope::{Scopes, ScopesError};

/// What a token is granted; both are `None` for kinds whose tokens carry nothing of their own.
#[derive(Clone)]
pub struct Grant {
    /// The scopes chosen for it.
    pub scopes: Option<Scopes>,
    /// The data scopes chosen for it.
    pub data_scopes: Option<DataScopes>,
}

impl Grant {
    /// Checks that the owner holds what a token with this grant would carry. Does not apply to mode `all`.
    ///
    /// # Errors
    /// 42501 when it does not.
    pub fn within_owner(&self, kind: &Kind, owner: &Principal) -> Result<(), Error> {
        if !kind.permission_mode.is_chosen() {
            return Ok(());
        }
        let scopes = kind.effective_scopes(self.scopes.as_ref(), &owner.permissions);
        let data_scopes = kind.effective_data_scopes(self.data_scopes.as_ref(), &owner.data_scopes);
        if !scopes.within(&kind.held(&owner.permissions)) {
            return Err(Error::NotHeld("scopes"));
        }
        if data_scopes.within(&owner.data_scopes) { Ok(()) } else { Err(Error::NotHeld("data scopes")) }
    }

    /// Checks that the actor holds what a token with this grant would carry now.
    ///
    /// # Errors
    /// 42501 when it does not.
    pub fn within(&self, kind: &Kind, owner: &Principal, authority: &Authority) -> Result<(), Error> {
        authority.covers(
            kind,
            &kind.effective_scopes(self.scopes.as_ref(), &owner.permissions),
            &kind.effective_data_scopes(self.data_scopes.as_ref(), &owner.data_scopes),
        )
    }

    /// The grant chosen by the caller; a field is `None` where nothing is chosen.
    ///
    /// # Errors
    /// 22023 when the kind allows no choice or the choice is beyond the ceiling, 42501 when the owner does not hold it.
    pub fn chosen(
        kind: &Kind,
        owner: &Principal,
        scopes: Option<Scopes>,
        data_scopes: Option<DataScopes>,
    ) -> Result<Self, Error> {
        if !kind.permission_mode.is_chosen() && (scopes.is_some() || data_scopes.is_some()) {
            let what = if scopes.is_some() { "scopes" } else { "data_scopes" };
            return Err(Error::NotChosen { what, kind: kind.name.shown() });
        }
        if let Some(scopes) = &scopes {
            kind.within_ceiling(scopes)?;
            if let Some(index) = scopes.first_not_in(&kind.held(&owner.permissions)) {
                return Err(Error::ScopeNotHeld { index });
            }
        }
        if data_scopes.as_ref().is_some_and(|chosen| !chosen.within(&owner.data_scopes)) {
            return Err(Error::NotHeld("data scopes"));
        }
        Ok(Grant { scopes, data_scopes })
    }

    /// Fills in all that the owner holds where nothing was chosen, for kinds whose tokens carry something of their own.
    ///
    /// # Errors
    /// 22023 when that is more than a token can carry.
    pub fn or_all(self, kind: &Kind, owner: &Principal) -> Result<Self, Error> {
        if !kind.permission_mode.is_chosen() {
            return Ok(self);
        }
        let scopes = self.scopes.unwrap_or_else(|| kind.held(&owner.permissions));
        // Intersecting many patterns with many can yield more patterns than a token may carry.
        if scopes.len() > Scopes::MAX {
            return Err(Error::Scopes { of: "scopes", why: ScopesError::TooMany });
        }
        let data_scopes = self.data_scopes.unwrap_or_else(|| owner.data_scopes.clone());
        Ok(Grant { scopes: Some(scopes), data_scopes: Some(data_scopes) })
    }

    /// Fills in what the token has where nothing was chosen.
    pub fn or_as(self, token: &Token) -> Self {
        Grant {
            scopes: self.scopes.or_else(|| token.scopes.clone()),
            data_scopes: self.data_scopes.or_else(|| token.data_scopes.clone()),
        }
    }
}

impl Kind {
    /// Checks that this owner can have tokens of the kind.
    ///
    /// # Errors
    /// 22023 when principals of its type cannot own them, 55000 when the owner is inactive.
    pub fn accepts(&self, owner: &PrincipalName, principal: &Principal) -> Result<(), Error> {
        let owner_type = owner.principal_type();
        if !self.owner_types.iter().any(|allowed| allowed.as_bytes() == owner_type.as_bytes()) {
            return Err(Error::OwnerType { kind: self.name.shown(), owner_type: owner_type.to_owned() });
        }
        if !principal.active {
            return Err(Error::OwnerInactive(owner.shown()));
        }
        Ok(())
    }

    /// Checks that there is a name if the kind requires one.
    ///
    /// # Errors
    /// 22004 when it is missing.
    pub fn accepts_name(&self, name: Option<&Text>) -> Result<(), Error> {
        match name {
            None if self.name_required => Err(Error::NameRequired(self.name.shown())),
            _ => Ok(()),
        }
    }

    /// Checks that the owner may have one more token alive. The caller must hold its row with `Hold::Alone`.
    ///
    /// # Errors
    /// 53400 when it may not.
    pub fn has_room(&self, owner: &PrincipalName, principal: &Principal) -> Result<(), Error> {
        match self.max_active_per_owner {
            Some(most) if token::count_alive(owner, &self.name, principal) >= i64::from(most) => {
                Err(Error::TooManyActive { kind: self.name.shown(), most })
            }
            _ => Ok(()),
        }
    }
}

/// A kind and an owner for which a new token may be made, locked until the transaction ends.
pub struct Admission {
    /// The kind.
    pub kind: Kind,
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
    /// 22004 for a missing name or lifetime, 22023 for a lifetime out of bounds or an owner of the wrong type, 42501 when
    /// the actor may not hand out, 42704 for an unknown kind, owner or actor, 55000 for an inactive owner.
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
        kind.accepts(owner, &principal)?;
        kind.accepts_name(name)?;
        let expires_at = kind.expiry(asked, now)?;
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
        grant.within(kind, principal, authority)?;
        kind.has_room(owner, principal)?;
        Ok(grant)
    }
}

/// A token with its kind and owner, and the actor's authority over it. None can change until the transaction ends.
pub struct Held {
    /// Its kind.
    pub kind: Kind,
    /// Its owner's name.
    pub owner: PrincipalName,
    /// Its owner.
    pub principal: Principal,
    /// What the actor may do with it.
    pub authority: Authority,
    /// The token.
    pub token: Token,
}

impl Held {
    /// Locks all of them in the order of `issue`: kind, principals, token.
    ///
    /// # Errors
    /// 42704 when no such token exists, it was deleted, or this actor must not know of it.
    pub fn lock(id: Uuid, actor: &Actor) -> Result<Self, Error> {
        let held = Held::lock_deleted(id, actor)?;
        if held.token.deleted { Err(Error::NoSuchToken(id)) } else { Ok(held) }
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
            return Err(Error::NoSuchToken(id));
        }
        // A principal stays as long as it has tokens, if only as a tombstone.
        let principal = principal.ok_or_else(|| Error::NoSuchPrincipal(owner.shown()))?;
        Ok(Held { kind, owner, principal, authority, token })
    }

    /// Whether the token is dead, by its own revocation or by a mass death.
    pub fn is_dead(&self) -> bool {
        self.token.is_dead(&self.principal)
    }

    /// Checks that the token is not dead.
    ///
    /// # Errors
    /// 55000 when it is.
    pub fn must_be_alive(&self) -> Result<(), Error> {
        if self.is_dead() { Err(Error::TokenRevoked(self.token.id)) } else { Ok(()) }
    }

    /// Checks that the token works now.
    ///
    /// # Errors
    /// 55000 when it is dead, disabled, not yet valid or expired, or its owner is inactive.
    pub fn must_be_active(&self) -> Result<(), Error> {
        let (id, now) = (self.token.id, Timestamp::now());
        self.must_be_alive()?;
        if self.token.disabled {
            return Err(Error::TokenDisabled(id));
        }
        if self.token.is_early(now) {
            return Err(Error::TokenNotYetValid(id));
        }
        if self.token.is_expired(now) {
            return Err(Error::TokenExpired(id));
        }
        self.kind.accepts(&self.owner, &self.principal)
    }

    /// Checks that the actor may bring the token, as it is, back into force.
    ///
    /// # Errors
    /// 55000 when the owner is inactive, 42501 when the token would grant more than the owner or the actor holds now.
    pub fn may_be_revived(&self) -> Result<(), Error> {
        self.authority.may_hand_out(&self.kind)?;
        self.kind.accepts(&self.owner, &self.principal)?;
        let grant = Grant { scopes: self.token.scopes.clone(), data_scopes: self.token.data_scopes.clone() };
        grant.within_owner(&self.kind, &self.principal)?;
        grant.within(&self.kind, &self.principal, &self.authority)
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
    Err(Error::NoSuchToken(id))
}
