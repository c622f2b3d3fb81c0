//! Whatever hands out, widens or revives a token is judged like `issue`: by what its owner holds now.

use pgrx::Uuid;

use crate::catalog::principal::{Hold, Principal};
use crate::catalog::token::Token;
use crate::catalog::{self, token};
use crate::error::Error;
use crate::kind::Kind;
use crate::pg::clock::Timestamp;
use crate::principal::PrincipalName;

/// A token with its kind and owner, none of which others can change until the transaction ends.
pub struct Held {
    /// Its kind.
    pub kind: Kind,
    /// Its owner's name.
    pub owner: PrincipalName,
    /// Its owner.
    pub principal: Principal,
    /// The token.
    pub token: Token,
}

impl Held {
    /// Locks all three, in the order of `issue`: kind, owner, token.
    ///
    /// # Errors
    /// 42704 when no such token exists, or it was deleted.
    pub fn lock(id: Uuid) -> Result<Self, Error> {
        // Kind and owner of a token never change, so they can be read before anything is locked.
        let found = token::find(id).ok_or(Error::NoSuchToken(id))?;
        let kind = catalog::kind::lock(&found.kind)?;
        let owner = PrincipalName::given("owner", Some(found.owner))?;
        let hold = if kind.max_active_per_owner.is_some() {
            Hold::Alone
        } else {
            Hold::Share
        };
        let principal = catalog::principal::lock(&owner, hold).ok_or_else(|| Error::NoSuchPrincipal(owner.shown()))?;
        let token = token::lock(id)?;
        if token.deleted {
            return Err(Error::NoSuchToken(id));
        }
        Ok(Held {
            kind,
            owner,
            principal,
            token,
        })
    }

    /// # Errors
    /// 55000 when the token is revoked, alone or with others.
    pub fn must_be_alive(&self) -> Result<(), Error> {
        let Token {
            id,
            owner_epoch,
            dies_with_owner,
            revoked,
            ..
        } = self.token;
        if revoked || self.principal.has_killed(owner_epoch, dies_with_owner) {
            return Err(Error::TokenRevoked(id));
        }
        Ok(())
    }

    /// # Errors
    /// 55000 when the token does not work now: it is revoked, disabled, not yet valid or expired, or its owner is inactive.
    pub fn must_be_active(&self) -> Result<(), Error> {
        let (id, now) = (self.token.id, Timestamp::now());
        self.must_be_alive()?;
        if self.token.disabled {
            return Err(Error::TokenDisabled(id));
        }
        if self.token.not_before.is_some_and(|start| now < start) {
            return Err(Error::TokenNotYetValid(id));
        }
        if self.token.is_expired(now) {
            return Err(Error::TokenExpired(id));
        }
        self.kind.accepts(&self.owner, &self.principal)
    }

    /// Whether the token may be given back the force it had.
    ///
    /// # Errors
    /// 55000 when the owner is inactive, 42501 when the token would grant more than the owner holds now.
    pub fn may_be_revived(&self) -> Result<(), Error> {
        self.kind.accepts(&self.owner, &self.principal)?;
        if !self.kind.permission_mode.is_chosen() {
            return Ok(());
        }
        let held = self.kind.held(&self.principal.permissions);
        let scopes = self
            .kind
            .effective_scopes(self.token.scopes.as_ref(), &self.principal.permissions);
        if !scopes.within(&held) {
            return Err(Error::NotHeld("scopes"));
        }
        let held = &self.principal.data_scopes;
        if !self
            .kind
            .effective_data_scopes(self.token.data_scopes.as_ref(), held)
            .within(held)
        {
            return Err(Error::NotHeld("data scopes"));
        }
        Ok(())
    }
}
