//! Who asks for an operation, and in whose name it is recorded.

use crate::error::Error;
use crate::grants;
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
}

impl Actor {
    /// From the argument `actor`, whose default is `'session'`.
    ///
    /// # Errors
    /// 22004 for NULL, so that a variable that happens to be empty never becomes a trusted call; 22023 for what is no
    /// principal; 42501 for a call by a role that was not granted `manage` access.
    pub fn resolve(actor: Option<Text>) -> Result<Self, Error> {
        let actor = actor.ok_or(Error::Absent("actor"))?;
        let trusted = Actor::session()?;
        match actor.as_bytes() {
            b"session" => Ok(trusted),
            _ => Ok(Actor::Principal(PrincipalName::given("actor", Some(actor))?)),
        }
    }

    /// The application itself, for functions that act for nobody else.
    ///
    /// # Errors
    /// 42501 for a role that was not granted `manage` access.
    pub fn session() -> Result<Self, Error> {
        if grants::may_call_trusted() { Ok(Actor::Trusted) } else { Err(Error::NotTrusted) }
    }

    /// What history says of who did it: the principal, or the role that was logged in.
    pub fn recorded(&self) -> Text {
        match self {
            Actor::Trusted => {
                let mut recorded = b"role:".to_vec();
                recorded.extend_from_slice(role::session().as_bytes());
                recorded.into()
            }
            Actor::Principal(name) => name.text(),
        }
    }

    /// Whether it is the application itself, or this principal.
    pub fn is_trusted_or(&self, principal: &PrincipalName) -> bool {
        match self {
            Actor::Trusted => true,
            Actor::Principal(name) => name == principal,
        }
    }

    /// The principal, if it is one.
    pub fn principal(&self) -> Option<Text> {
        match self {
            Actor::Trusted => None,
            Actor::Principal(name) => Some(name.text()),
        }
    }
}
