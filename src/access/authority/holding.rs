//! What an actor holds, and so what it may pass on by a token: now, and whatever changes afterwards.
//!
//! What a token grants now is not all that it can come to grant: its owner may get back a permission, its kind may get
//! a higher ceiling. So a token is measured by what is stored of it as well. Whoever acts by a token also passes on no
//! longer life and no more networks than that token has.

use std::rc::Rc;

use crate::catalog::token::extent::Extent;
use crate::catalog::token::grant::Grant;
use crate::error::refusal::Refusal;
use crate::model::data_scope::DataScopes;
use crate::model::kind::{Kind, PermissionMode};
use crate::model::network::{Networks, are_within};
use crate::model::scope::{Scope, Scopes};
use crate::pg::types::clock::Timestamp;
use crate::pg::types::text::Text;

/// What an acting principal holds with regard to an owner.
pub struct Holding {
    /// Whether it is the owner.
    pub is_owner: bool,
    /// Whether it manages the owner's tokens as a member: then they follow the organisation, which both belong to.
    pub is_member: bool,
    /// The scopes that it holds now; under an identity those that its token grants.
    pub scopes: Scopes,
    /// The data scopes, likewise.
    pub data_scopes: DataScopes,
    /// The token by which it acts, if any.
    pub presented: Option<Rc<ActingToken>>,
}

/// The token by which a principal acts.
pub struct ActingToken {
    pub kind: Text,
    /// How far it goes.
    pub extent: Extent,
}

/// What the owner of a token holds now.
#[derive(Clone, Copy)]
pub struct Owned<'a> {
    pub permissions: &'a Scopes,
    pub data_scopes: &'a DataScopes,
}

impl Holding {
    /// Whether it holds a permission, if one is needed.
    pub fn covers(&self, needed: Option<&Scope>) -> bool {
        needed.is_none_or(|needed| self.scopes.covers(needed))
    }

    /// Checks that the actor holds what a token with this grant carries now. For mode `all`, the kind's
    /// `issue_permission` is the gate, and nothing is compared.
    ///
    /// # Errors
    /// When it does not, or when the actor presented a token of another kind and this kind's tokens follow their owner.
    pub fn covers_now(&self, kind: &Kind, grant: &Grant, owned: Owned<'_>) -> Result<(), Refusal> {
        if !kind.permission_mode.is_chosen() && self.presented.as_ref().is_some_and(|by| by.kind != kind.name) {
            return Err(Refusal::OnlyBySameKind);
        }
        if kind.permission_mode == PermissionMode::All {
            return Ok(());
        }
        if !kind.effective_scopes(grant.scopes.as_ref(), owned.permissions).within(&self.scopes) {
            return Err(Refusal::NotHeld("scopes"));
        }
        if !kind.effective_data_scopes(grant.data_scopes.as_ref(), owned.data_scopes).within(&self.data_scopes) {
            return Err(Refusal::NotHeld("data scopes"));
        }
        Ok(())
    }

    /// Checks that the actor holds what a token with this grant carries now, and all that it may come to carry when its
    /// owner or the ceiling of its kind change.
    ///
    /// # Errors
    /// When it does not; also, under an identity, for a token that follows somebody else than the owner of the one
    /// presented or an organisation whose tokens that owner manages.
    pub fn covers_always(&self, kind: &Kind, grant: &Grant, owned: Owned<'_>) -> Result<(), Refusal> {
        self.covers_now(kind, grant, owned)?;
        match kind.permission_mode {
            PermissionMode::All => Ok(()),
            PermissionMode::Live if self.presented.is_some() && !self.is_owner && !self.is_member => {
                Err(Refusal::OnlyForSameOwner)
            }
            // What the token carries is its owner's, and an actor is told that it may grow.
            PermissionMode::Live => Ok(()),
            PermissionMode::Intersect | PermissionMode::Snapshot => self.covers_stored(kind, grant),
        }
    }

    fn covers_stored(&self, kind: &Kind, grant: &Grant) -> Result<(), Refusal> {
        let (scopes, data_scopes) = match &self.presented {
            // Two tokens of one kind and one owner grow and shrink together: what each was granted decides.
            Some(presented) if self.is_owner && presented.kind == kind.name => {
                (presented.extent.grant.scopes.as_ref(), presented.extent.grant.data_scopes.as_ref())
            }
            // Whatever such a token comes to carry, its owner holds.
            None if self.is_owner && kind.permission_mode == PermissionMode::Intersect => return Ok(()),
            _ => (Some(&self.scopes), Some(&self.data_scopes)),
        };
        // A token without a grant was issued while its kind was of another mode, and follows its owner when that comes
        // back: only another such token passes it on. For now it carries nothing.
        let passes = match (&grant.scopes, scopes) {
            (Some(granted), Some(held)) => granted.within(held),
            (Some(granted), None) => granted.is_empty(),
            (None, held) => held.is_none(),
        };
        if !passes {
            return Err(Refusal::NotHeldLater("scopes"));
        }
        let nothing = DataScopes::nothing();
        let held = data_scopes.unwrap_or(&nothing);
        if !grant.data_scopes.as_ref().is_none_or(|granted| granted.within(held)) {
            return Err(Refusal::NotHeldLater("data scopes"));
        }
        Ok(())
    }

    /// The end of a token that is handed out: `end`, or if that is a default the end of the token presented where that
    /// is nearer.
    ///
    /// # Errors
    /// When the token would outlive the one presented.
    pub fn end(&self, end: Option<Timestamp>, is_default: bool) -> Result<Option<Timestamp>, Refusal> {
        let Some(most) = self.presented.as_ref().and_then(|presented| presented.extent.expires_at) else {
            return Ok(end);
        };
        match end {
            Some(end) if end <= most => Ok(Some(end)),
            Some(_) if is_default => Ok(Some(most)),
            _ => Err(Refusal::Outlives(most)),
        }
    }

    /// Checks that a token bound to these networks cannot be used from anywhere that the one presented cannot.
    ///
    /// # Errors
    /// When it can.
    pub fn admits(&self, networks: Option<&Networks>) -> Result<(), Refusal> {
        match &self.presented {
            Some(presented) if !are_within(networks, presented.extent.networks.as_ref()) => Err(Refusal::Wider),
            _ => Ok(()),
        }
    }

    /// Checks that the actor may make of a token with the extent `before` one with the extent `after`; `is_revived`
    /// says that it had expired.
    ///
    /// An edit that only narrows is measured by what the token carries now: shortening the life of a token that went
    /// too far must not be refused for its going too far.
    ///
    /// # Errors
    /// When the edit grants, for longer or to more places, what the actor cannot pass on.
    pub fn covers_edit(
        &self,
        kind: &Kind,
        before: &Extent,
        after: &Extent,
        owned: Owned<'_>,
        is_revived: bool,
    ) -> Result<(), Refusal> {
        if after.exceeds(before) {
            self.covers_always(kind, &after.grant, owned)?;
        } else {
            self.covers_now(kind, &after.grant, owned)?;
        }
        if after.outlives(before) {
            self.end(after.expires_at, false)?;
        }
        if after.is_wider_than(before) || is_revived { self.admits(after.networks.as_ref()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
