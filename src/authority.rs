//! What an actor may do with the tokens of an owner: its own, those of an organisation in which its membership says so,
//! or everybody's.
//!
//! Nothing is assumed: an actor without standing does not even see the token, and whatever hands out, widens or revives is
//! measured by what the actor holds itself.

mod acting;
mod reach;

pub use acting::Acting;
pub use reach::Reach;

use crate::actor::Actor;
use crate::catalog::member;
use crate::catalog::principal::{self, Hold, Principal};
use crate::data_scope::DataScopes;
use crate::error::Error;
use crate::kind::{Kind, PermissionMode};
use crate::pg::text::Text;
use crate::principal::PrincipalName;
use crate::scope::{Scope, Scopes};

/// What an actor may do with tokens of one kind and one owner.
pub enum Authority {
    /// The application's own trusted call: everything that is not against the owner.
    Trusted,
    /// A principal's, by itself or by a token.
    Principal(Holding),
    /// None: to this actor there are no such tokens.
    Nothing,
}

/// What a principal holds towards an owner.
pub struct Holding {
    is_owner: bool,
    scopes: Scopes,
    data_scopes: DataScopes,
    presented: Option<Text>,
}

/// An owner, and what the actor may do with its tokens. Neither can change until the transaction ends.
pub struct Parties {
    /// The owner.
    pub owner: Principal,
    /// What the actor may do.
    pub authority: Authority,
}

impl Parties {
    /// Locks owner, actor and membership, in the order of their keys, and weighs what they are worth for this kind.
    ///
    /// # Errors
    /// 42704 when owner or actor do not exist, 42501 when the actor is inactive, 28000 when it acts by a token that is not
    /// accepted any more.
    pub fn lock(actor: &Actor, kind: &Kind, owner: &PrincipalName) -> Result<Self, Error> {
        let hold = if kind.max_active_per_owner.is_some() { Hold::Alone } else { Hold::Share };
        Parties::weigh(actor, kind, owner, hold, Hold::Share)
    }

    /// As [`lock`](Self::lock) without locking anything: for showing what could be done.
    ///
    /// # Errors
    /// As `lock`.
    pub fn look(actor: &Actor, kind: &Kind, owner: &PrincipalName) -> Result<Self, Error> {
        Parties::weigh(actor, kind, owner, Hold::Look, Hold::Look)
    }

    fn weigh(actor: &Actor, kind: &Kind, owner: &PrincipalName, hold: Hold, hold_actor: Hold) -> Result<Self, Error> {
        let lock_owner = || principal::lock(owner, hold).ok_or_else(|| Error::NoSuchPrincipal(owner.shown()));
        let Some(name) = actor.name() else {
            return Ok(Parties { owner: lock_owner()?, authority: Authority::Trusted });
        };
        let (locked_owner, acting) = if name < owner {
            let acting = Acting::lock(actor, name, hold_actor)?;
            (lock_owner()?, acting)
        } else {
            (lock_owner()?, Acting::lock(actor, name, hold_actor)?)
        };
        let authority = Authority::weigh(kind, name == owner, &acting, || member::lock(owner, name, hold_actor));
        Ok(Parties { owner: locked_owner, authority })
    }

    /// The owner, if it has not been dropped.
    ///
    /// # Errors
    /// 42704 when it has.
    pub fn existing(self, owner: &PrincipalName) -> Result<Self, Error> {
        if self.owner.dropped { Err(Error::NoSuchPrincipal(owner.shown())) } else { Ok(self) }
    }
}

impl Authority {
    /// Of whoever acts over tokens of this kind: its own, or of an owner in which it may have a membership.
    pub fn weigh(kind: &Kind, is_owner: bool, acting: &Acting, membership: impl FnOnce() -> Option<Scopes>) -> Self {
        let manages = |held: &Scopes| kind.manage_permission.as_ref().is_some_and(|needed| held.covers(needed));
        let there = if is_owner { None } else { membership() };
        if !is_owner && !there.as_ref().is_some_and(manages) && !manages(&acting.scopes) {
            return Authority::Nothing;
        }
        let scopes = match there {
            // A token hands out what it grants itself, whatever else its owner holds.
            Some(there) if acting.presented.is_none() => acting.scopes.union(&there),
            _ => Scopes::clone(&acting.scopes),
        };
        let Acting { data_scopes, presented, .. } = acting;
        Authority::Principal(Holding {
            is_owner,
            scopes,
            data_scopes: data_scopes.clone(),
            presented: presented.clone(),
        })
    }

    /// Whether the actor may see such tokens and do what neither hands out nor widens.
    ///
    /// # Errors
    /// 42501 when it may not.
    pub fn may_manage(&self, kind: &Kind) -> Result<(), Error> {
        match self {
            Authority::Trusted => Ok(()),
            Authority::Principal(holding) if holding.covers(kind.issue_permission.as_ref()) => Ok(()),
            _ => Err(Error::NotAllowed(kind.name.shown())),
        }
    }

    /// Whether the actor may revoke such tokens: its own always.
    ///
    /// # Errors
    /// 42501 when it may not.
    pub fn may_revoke(&self, kind: &Kind) -> Result<(), Error> {
        match self {
            Authority::Principal(Holding { is_owner: true, .. }) => Ok(()),
            _ => self.may_manage(kind),
        }
    }

    /// Whether the actor may hand out, edit, widen or revive such tokens.
    ///
    /// # Errors
    /// 42501 when it may not.
    pub fn may_hand_out(&self, kind: &Kind) -> Result<(), Error> {
        self.may_manage(kind)?;
        match self {
            Authority::Principal(_) if !kind.self_service => Err(Error::NotAllowed(kind.name.shown())),
            _ => Ok(()),
        }
    }

    /// Whether a token that carries this is within what the actor holds. For mode `all` the `issue_permission` of the kind
    /// is the gate, and nothing is compared.
    ///
    /// # Errors
    /// 42501 when it is not, or when the actor acts by a token of another kind and what this one carries is not chosen:
    /// it may grow.
    pub fn covers(&self, kind: &Kind, scopes: &Scopes, data_scopes: &DataScopes) -> Result<(), Error> {
        let holding = match self {
            Authority::Trusted => return Ok(()),
            Authority::Principal(holding) => holding,
            Authority::Nothing => return Err(Error::NotAllowed(kind.name.shown())),
        };
        if !kind.permission_mode.is_chosen() && holding.presented.as_ref().is_some_and(|by| *by != kind.name) {
            return Err(Error::OnlyBySameKind(kind.name.shown()));
        }
        match kind.permission_mode {
            PermissionMode::All => Ok(()),
            _ if !scopes.within(&holding.scopes) => Err(Error::NotHeldByActor("scopes")),
            _ if !data_scopes.within(&holding.data_scopes) => Err(Error::NotHeldByActor("data scopes")),
            _ => Ok(()),
        }
    }

    /// What of these the actor could pass on.
    pub fn cut(&self, scopes: Scopes) -> Scopes {
        match self {
            Authority::Trusted => scopes,
            Authority::Principal(holding) => scopes.intersect(&holding.scopes),
            Authority::Nothing => Scopes::nothing(),
        }
    }

    /// Whether the actor has none.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Authority::Nothing)
    }
}

impl Holding {
    fn covers(&self, needed: Option<&Scope>) -> bool {
        needed.is_none_or(|needed| self.scopes.covers(needed))
    }
}
