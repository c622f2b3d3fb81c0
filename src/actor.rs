//! Who asks for an operation, and in whose name it is recorded.

use pgrx::Uuid;

use crate::error::Error;
use crate::grants;
use crate::identity::{self, Standing};
use crate::pg::role;
use crate::pg::text::Text;
use crate::principal::PrincipalName;

/// Who asks for an operation.
#[derive(Clone, PartialEq, Eq)]
pub enum Actor {
    /// The application itself, which has checked by its own means that this may be done.
    Trusted,
    /// A principal, for which the application asks; what it may do is decided by `authority.rs`.
    Principal(PrincipalName),
    /// The identity of the transaction: a principal that holds no more than the token it has presented.
    Identity(Presenter),
}

/// A principal, by a token of its own.
#[derive(Clone, PartialEq, Eq)]
pub struct Presenter {
    /// The owner of the token.
    pub owner: PrincipalName,
    /// The token.
    pub token: Uuid,
}

impl Actor {
    /// From the argument `actor`, whose default is `'session'`.
    ///
    /// Under an identity that is the identity, which may also name itself and nobody else.
    ///
    /// # Errors
    /// 22004 for NULL, so that a variable that happens to be empty never becomes a trusted call; 22023 for what is no
    /// principal; 42501 for another actor than the identity, and without one for a role that was not granted `manage`
    /// access.
    pub fn resolve(actor: Option<Text>) -> Result<Self, Error> {
        let actor = actor.ok_or(Error::Absent("actor"))?;
        let session = Actor::session()?;
        match (&session, actor.as_bytes()) {
            (_, b"session") => Ok(session),
            (Actor::Identity(presenter), name) if name == presenter.owner.as_bytes() => Ok(session),
            (Actor::Identity(_), _) => Err(Error::OtherActor),
            _ => Ok(Actor::Principal(PrincipalName::given("actor", Some(actor))?)),
        }
    }

    /// The identity of the transaction, otherwise the application itself.
    ///
    /// # Errors
    /// 42501 without an identity for a role that was not granted `manage` access, and for everybody where there was one,
    /// or an attempt at one: what comes after that is not what the application has checked.
    pub fn session() -> Result<Self, Error> {
        match identity::standing()? {
            Standing::Identity(identity) => Presenter::of(&identity).map(Actor::Identity),
            Standing::Lost => Err(Error::IdentityLost),
            Standing::Application if grants::may_call_trusted() => Ok(Actor::Trusted),
            Standing::Application => Err(Error::NotTrusted),
        }
    }

    /// The application itself, for functions that act for nobody else.
    ///
    /// # Errors
    /// 42501 under an identity, and as [`session`](Self::session).
    pub fn application() -> Result<Self, Error> {
        match Actor::session()? {
            Actor::Identity(_) => Err(Error::UnderIdentity),
            application => Ok(application),
        }
    }

    /// Whoever is behind what is done by other means than an actor's: a trigger of a bound table, a token presented to be
    /// revoked.
    ///
    /// # Errors
    /// 25000 in a parallel worker.
    pub fn behind() -> Result<Self, Error> {
        match identity::standing()? {
            Standing::Identity(identity) => Presenter::of(&identity).map(Actor::Identity),
            Standing::Lost | Standing::Application => Ok(Actor::Trusted),
        }
    }

    /// What history says of who did it: the principal, or the role that was logged in.
    pub fn recorded(&self) -> Text {
        self.principal().unwrap_or_else(|| {
            let mut recorded = b"role:".to_vec();
            recorded.extend_from_slice(role::session().as_bytes());
            recorded.into()
        })
    }

    /// Whether it is the application itself, or this principal.
    pub fn is_trusted_or(&self, principal: &PrincipalName) -> bool {
        self.name().is_none_or(|name| name == principal)
    }

    /// The name of the principal, if it is one.
    pub fn name(&self) -> Option<&PrincipalName> {
        match self {
            Actor::Trusted => None,
            Actor::Principal(name) | Actor::Identity(Presenter { owner: name, .. }) => Some(name),
        }
    }

    /// The principal, if it is one.
    pub fn principal(&self) -> Option<Text> {
        self.name().map(PrincipalName::text)
    }
}

impl Presenter {
    fn of(identity: &identity::Identity) -> Result<Self, Error> {
        let owner = PrincipalName::given("owner", Some(identity.owner()))?;
        Ok(Presenter { owner, token: identity.id })
    }
}

/// Refuses what neither the end user behind an identity nor whoever has lost one may do, whatever the role is granted.
///
/// # Errors
/// 42501 where the transaction has, or had, to do with an identity.
pub fn refuse_identity() -> Result<(), Error> {
    match identity::standing()? {
        Standing::Identity(_) => Err(Error::UnderIdentity),
        Standing::Lost => Err(Error::IdentityLost),
        Standing::Application => Ok(()),
    }
}
