//! What an actor may do with the tokens of an owner: its own, those of an organisation where its membership allows it,
//! or everybody's.
//!
//! Nothing is assumed: an actor without any authority does not even see the token, and whatever hands out, widens or
//! revives a token is measured against what the actor itself holds.

mod acting;
mod holding;
mod reach;

pub use acting::Acting;
pub use holding::{Holding, Owned};
pub use reach::Reach;

use super::actor::Actor;
use crate::catalog::member;
use crate::catalog::principal::{self, Hold, Principal};
use crate::catalog::token::extent::Extent;
use crate::catalog::token::grant::Grant;
use crate::error::refusal::Refusal;
use crate::error::{AccessError, Error, GrantError, PrincipalError};
use crate::model::kind::Kind;
use crate::model::network::Networks;
use crate::model::principal_name::PrincipalName;
use crate::model::scope::Scopes;
use crate::pg::types::clock::Timestamp;

/// What an actor may do with tokens of one kind and one owner.
pub enum Authority {
    /// The application's own trusted call: everything that the owner's permissions allow.
    Trusted,
    /// That of a principal, acting by itself or by a token.
    Principal(Holding),
    /// None: this actor must not learn that such tokens exist.
    Nothing,
}

/// An owner, and what the actor may do with its tokens. When locked, neither can change until the transaction ends.
pub struct Parties {
    /// The owner, or its tombstone; `None` when there never was one.
    pub owner: Option<Principal>,
    /// What the actor may do.
    pub authority: Authority,
}

impl Parties {
    /// Locks owner and actor in key order and then the membership, and determines the actor's authority over tokens of
    /// this kind.
    ///
    /// # Errors
    /// 42704 when the actor does not exist, 42501 when it is inactive, 28000 when it acts by a token that is no longer
    /// accepted.
    pub fn lock(actor: &Actor, kind: &Kind, owner: &PrincipalName) -> Result<Self, Error> {
        let hold = if kind.max_active_per_owner.is_some() { Hold::Alone } else { Hold::Share };
        Parties::weigh(actor, kind, owner, hold, Hold::Share)
    }

    /// As [`lock`](Self::lock), without locking anything: for showing what could be done.
    ///
    /// # Errors
    /// As `lock`.
    pub fn look(actor: &Actor, kind: &Kind, owner: &PrincipalName) -> Result<Self, Error> {
        Parties::weigh(actor, kind, owner, Hold::Look, Hold::Look)
    }

    fn weigh(actor: &Actor, kind: &Kind, owner: &PrincipalName, hold: Hold, hold_actor: Hold) -> Result<Self, Error> {
        let lock_owner = || principal::lock(owner, hold);
        let Some(name) = actor.name() else {
            return Ok(Parties { owner: lock_owner(), authority: Authority::Trusted });
        };
        let (locked_owner, acting) = Acting::lock_with(actor, name, hold_actor, owner, lock_owner)?;
        let authority = Authority::weigh(kind, name == owner, &acting, || member::lock(owner, name, hold_actor));
        Ok(Parties { owner: locked_owner, authority })
    }

    /// Owner and authority, if the actor may hand out tokens of this kind to this owner.
    ///
    /// # Errors
    /// 42501 when it may not, whether the owner exists or not: otherwise a token could tell which principals there are.
    /// 42704 when it may and the owner does not exist.
    pub fn handing_out(self, kind: &Kind, owner: &PrincipalName) -> Result<(Principal, Authority), Error> {
        self.authority.may_hand_out(kind)?;
        match self.owner.filter(|owner| !owner.state.dropped) {
            Some(principal) => Ok((principal, self.authority)),
            None => Err(PrincipalError::NotFound(owner.shown()).into()),
        }
    }
}

impl Authority {
    /// The authority of `acting` over tokens of this kind, of its own or of an owner in which it may have a membership.
    pub fn weigh(kind: &Kind, is_owner: bool, acting: &Acting, membership: impl FnOnce() -> Option<Scopes>) -> Self {
        let manages = |held: &Scopes| kind.manage_permission.as_ref().is_some_and(|needed| held.covers(needed));
        let there = if is_owner { None } else { membership() };
        if !is_owner && !there.as_ref().is_some_and(manages) && !manages(&acting.scopes) {
            return Authority::Nothing;
        }
        let is_member = there.as_ref().is_some_and(manages);
        let scopes = match there {
            // A token hands out only what it grants itself, whatever else its owner holds.
            Some(there) if acting.presented.is_none() => acting.scopes.union(&there),
            _ => Scopes::clone(&acting.scopes),
        };
        let Acting { data_scopes, presented, .. } = acting;
        Authority::Principal(Holding {
            is_owner,
            is_member,
            scopes,
            data_scopes: data_scopes.clone(),
            presented: presented.clone(),
        })
    }

    /// Checks that the actor may see such tokens, and change them in ways that neither hand out nor widen.
    ///
    /// # Errors
    /// 42501 when it may not.
    pub fn may_manage(&self, kind: &Kind) -> Result<(), Error> {
        match self {
            Authority::Trusted => Ok(()),
            Authority::Principal(holding) if holding.covers(kind.issue_permission.as_ref()) => Ok(()),
            _ => Err(AccessError::NotAllowed(kind.name.shown()).into()),
        }
    }

    /// Checks that the actor may revoke such tokens; its own it always may.
    ///
    /// # Errors
    /// 42501 when it may not.
    pub fn may_revoke(&self, kind: &Kind) -> Result<(), Error> {
        match self {
            Authority::Principal(Holding { is_owner: true, .. }) => Ok(()),
            _ => self.may_manage(kind),
        }
    }

    /// Checks that the actor may hand out, edit, widen or revive such tokens.
    ///
    /// # Errors
    /// 42501 when it may not.
    pub fn may_hand_out(&self, kind: &Kind) -> Result<(), Error> {
        self.may_manage(kind)?;
        match self {
            Authority::Principal(_) if !kind.self_service => Err(AccessError::NotAllowed(kind.name.shown()).into()),
            _ => Ok(()),
        }
    }

    /// Checks that the actor holds what a token with this grant carries now and all that it may come to carry.
    ///
    /// # Errors
    /// 42501 when it does not; see [`Holding::covers_always`].
    pub fn covers_always(&self, kind: &Kind, grant: &Grant, owner: &Principal) -> Result<(), Error> {
        self.weigh_by(kind, |holding| holding.covers_always(kind, grant, Owned::by(owner)))
    }

    /// Checks that the actor may make of a token with the extent `before` one with the extent `after`; `is_revived`
    /// says that it had expired.
    ///
    /// # Errors
    /// 42501 when it may not; see [`Holding::covers_edit`].
    pub fn covers_edit(
        &self,
        kind: &Kind,
        before: &Extent,
        after: &Extent,
        owner: &Principal,
        is_revived: bool,
    ) -> Result<(), Error> {
        self.weigh_by(kind, |holding| holding.covers_edit(kind, before, after, Owned::by(owner), is_revived))
    }

    /// The end of a token that is handed out; a default is cut to that of the token presented.
    ///
    /// # Errors
    /// 42501 when the token would outlive the one presented.
    pub fn end(&self, kind: &Kind, end: Option<Timestamp>, is_default: bool) -> Result<Option<Timestamp>, Error> {
        let mut cut = end;
        self.weigh_by(kind, |holding| holding.end(end, is_default).map(|end| cut = end))?;
        Ok(cut)
    }

    /// Checks that a token that is handed out has no wider networks than the one presented.
    ///
    /// # Errors
    /// 42501 when it has.
    pub fn admits(&self, kind: &Kind, networks: Option<&Networks>) -> Result<(), Error> {
        self.weigh_by(kind, |holding| holding.admits(networks))
    }

    /// Asks what the actor holds; a trusted call is not weighed.
    fn weigh_by(&self, kind: &Kind, check: impl FnOnce(&Holding) -> Result<(), Refusal>) -> Result<(), Error> {
        match self {
            Authority::Trusted => Ok(()),
            Authority::Principal(holding) => {
                check(holding).map_err(|why| GrantError::NotPassedOn { kind: kind.name.shown(), why }.into())
            }
            Authority::Nothing => Err(AccessError::NotAllowed(kind.name.shown()).into()),
        }
    }

    /// The part of these scopes that the actor could pass on.
    pub fn cut(&self, scopes: Scopes) -> Scopes {
        match self {
            Authority::Trusted => scopes,
            Authority::Principal(holding) => scopes.intersect(&holding.scopes),
            Authority::Nothing => Scopes::nothing(),
        }
    }

    /// Whether the actor has no authority at all.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Authority::Nothing)
    }
}

impl<'a> Owned<'a> {
    fn by(owner: &'a Principal) -> Self {
        Owned { permissions: &owner.permissions, data_scopes: &owner.data_scopes }
    }
}
