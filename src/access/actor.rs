//! The actor: who asks for an operation, and under which name events record it.

use std::rc::Rc;

use pgrx::Uuid;

use super::identity::{self, Standing};
use crate::arguments::caller::Caller;
use crate::catalog::erased;
use crate::catalog::event::Originator;
use crate::error::{AccessError, ArgumentError, Error, IdentityError};
use crate::model::narrowing::Narrowing;
use crate::model::principal_name::PrincipalName;
use crate::pg::transaction::acting_as::is_security_restricted;
use crate::pg::transaction::name_lock;
use crate::pg::types::text::Text;
use crate::settings;
use crate::token::Digest;

/// Who asks for an operation, and as which role.
#[derive(Clone)]
pub struct Actor {
    who: Who,
    caller: Caller,
}

#[derive(Clone)]
enum Who {
    /// The application itself, which has checked on its own that the operation is allowed.
    Application,
    /// A principal for which the application asks; `access::authority` decides what it may do.
    Principal(PrincipalName),
    /// The identity of the transaction: a principal limited to what the token it presented grants.
    Identity(Presenter),
}

/// A principal that acts by a token of its own.
#[derive(Clone)]
pub struct Presenter {
    /// The owner of the token.
    pub owner: PrincipalName,
    pub token: Uuid,
    /// The child of that token which was presented, if one was.
    pub child: Option<ActingChild>,
}

/// A child by which a principal acts.
#[derive(Clone)]
pub struct ActingChild {
    /// What it leaves of its parent.
    pub narrowing: Rc<Narrowing>,
    /// Its own digest.
    pub digest: Digest,
}

impl Actor {
    /// Resolves the argument `actor`, whose default is `'session'`.
    ///
    /// Under an identity, the actor is that identity; it may also name itself, but nobody else.
    ///
    /// # Errors
    /// 22004 for NULL, so that a variable that happens to be empty never becomes a trusted call; 22023 for a malformed
    /// principal; 42501 for another actor than the identity, under a derived token, where there is no identity for a
    /// role without `manage` access, and for the default where the setting `require_actor` is on.
    pub fn resolve(caller: Caller, actor: Option<Text>) -> Result<Self, Error> {
        Actor::resolve_if(caller, actor, Caller::may_call_trusted)?.not_by_child()
    }

    /// As [`resolve`](Self::resolve), for what only shows tokens: a derived token will do, and whoever may read all of
    /// them needs no identity.
    ///
    /// # Errors
    /// As `resolve`, for a role with neither `manage` nor `observe` access.
    pub fn resolve_reader(caller: Caller, actor: Option<Text>) -> Result<Self, Error> {
        Actor::resolve_if(caller, actor, |caller| caller.may_call_trusted() || caller.may_read_tokens())
    }

    fn resolve_if(caller: Caller, actor: Option<Text>, trusts: fn(Caller) -> bool) -> Result<Self, Error> {
        let actor = actor.ok_or(ArgumentError::Absent("actor"))?;
        let session = Actor::of_transaction(caller, trusts)?;
        match (&session.who, actor.as_bytes()) {
            (_, b"session") => session.given_if_required(),
            (Who::Identity(presenter), name) if name == presenter.owner.as_bytes() => Ok(session),
            (Who::Identity(_), _) => Err(AccessError::OtherActor.into()),
            _ => Ok(Actor { who: Who::Principal(PrincipalName::given("actor", Some(actor))?), caller }),
        }
    }

    /// The identity of the transaction if there is one, otherwise the application itself.
    ///
    /// # Errors
    /// 42501 without an identity for a role without `manage` access, where the setting `require_actor` is on, and for
    /// every role once an identity, or an attempt at one, has ended: the application has not checked what comes after
    /// that.
    pub fn session(caller: Caller) -> Result<Self, Error> {
        Actor::of_transaction(caller, Caller::may_call_trusted)?.given_if_required()
    }

    /// The application itself, for functions that no other actor may call.
    ///
    /// # Errors
    /// 42501 under an identity, and as [`session`](Self::session).
    pub fn application(caller: Caller) -> Result<Self, Error> {
        match Actor::of_transaction(caller, Caller::may_call_trusted) {
            Ok(application) if application.is_trusted() => Ok(application),
            Ok(_) => Err(AccessError::UnderIdentity.into()),
            // To authenticate would not help.
            Err(Error::Access(AccessError::NotAuthenticated)) => Err(AccessError::NotTrusted.into()),
            Err(other) => Err(other),
        }
    }

    fn of_transaction(caller: Caller, trusts: impl FnOnce(Caller) -> bool) -> Result<Self, Error> {
        match identity::standing()? {
            // The code is not that of whoever authenticated: an index expression, a materialized view.
            Standing::Identity(_) if is_security_restricted() => Err(IdentityError::RestrictedUse.into()),
            Standing::Identity(identity) => Actor::identity(caller, &identity),
            Standing::Lost => Err(IdentityError::Lost.into()),
            Standing::Application if trusts(caller) => Ok(Actor::itself(caller)),
            Standing::Application => Err(AccessError::NotAuthenticated.into()),
        }
    }

    /// Checks that this is not the application itself where it must name whom it asks for: a forgotten BEGIN, and what
    /// was meant for a user is done for everybody.
    fn given_if_required(self) -> Result<Self, Error> {
        if self.is_trusted() && settings::require_actor() { Err(AccessError::ActorRequired.into()) } else { Ok(self) }
    }

    /// Checks that the actor does not act by a derived token.
    ///
    /// # Errors
    /// 42501 when it does.
    pub fn not_by_child(self) -> Result<Self, Error> {
        match self.presenter() {
            Some(Presenter { child: Some(_), .. }) => Err(AccessError::UnderChild.into()),
            _ => Ok(self),
        }
    }

    /// Who is behind an operation that takes no actor and locks none: a trigger of a bound table, or a token presented
    /// to be revoked.
    ///
    /// # Errors
    /// 25000 in a parallel worker, 28000 under the identity of a principal that was erased since.
    pub fn behind(caller: Caller) -> Result<Self, Error> {
        match identity::standing()? {
            Standing::Identity(identity) => {
                let name = identity.owner();
                name_lock::hold(name.as_bytes());
                let _owner = caller.act_as_owner();
                if erased::is_id(&name) {
                    return Err(IdentityError::NotAccepted.into());
                }
                Actor::identity(caller, &identity)
            }
            Standing::Lost | Standing::Application => Ok(Actor::itself(caller)),
        }
    }

    /// The application itself, where nobody else can ask: the worker.
    pub fn itself(caller: Caller) -> Self {
        Actor { who: Who::Application, caller }
    }

    fn identity(caller: Caller, identity: &identity::Identity) -> Result<Self, Error> {
        Ok(Actor { who: Who::Identity(Presenter::of(identity)?), caller })
    }

    /// The name recorded as the originator: the principal, or the role whose access was used.
    pub fn recorded(&self) -> Text {
        self.principal().unwrap_or_else(|| {
            let mut recorded = b"role:".to_vec();
            recorded.extend_from_slice(self.caller.role().as_bytes());
            recorded.into()
        })
    }

    /// The caller, whose role events record.
    pub fn caller(&self) -> Caller {
        self.caller
    }

    /// Whether this actor is the application itself.
    pub fn is_trusted(&self) -> bool {
        matches!(self.who, Who::Application)
    }

    /// Whether this actor is the application itself or this principal.
    pub fn is_trusted_or(&self, principal: &PrincipalName) -> bool {
        self.name().is_none_or(|name| name == principal)
    }

    /// The identity of the transaction, if that is the actor.
    pub fn presenter(&self) -> Option<&Presenter> {
        match &self.who {
            Who::Identity(presenter) => Some(presenter),
            Who::Application | Who::Principal(_) => None,
        }
    }

    /// The name of the principal, if the actor is one.
    pub fn name(&self) -> Option<&PrincipalName> {
        match &self.who {
            Who::Application => None,
            Who::Principal(name) | Who::Identity(Presenter { owner: name, .. }) => Some(name),
        }
    }
}

impl Originator for Actor {
    fn principal(&self) -> Option<Text> {
        self.name().map(PrincipalName::text)
    }

    fn token(&self) -> Option<Uuid> {
        self.presenter().map(|presenter| presenter.token)
    }

    fn label(&self) -> Option<Text> {
        Some(Text::from(self.presenter()?.child.as_ref()?.narrowing.label()?))
    }

    fn role(&self) -> Text {
        self.caller.role()
    }

    fn session_role(&self) -> Option<Text> {
        self.caller.session_role()
    }
}

impl Presenter {
    fn of(identity: &identity::Identity) -> Result<Self, Error> {
        let owner = PrincipalName::given("owner", Some(identity.owner()))?;
        let child = identity.child().map(|(narrowing, digest)| ActingChild { narrowing: Rc::clone(narrowing), digest });
        Ok(Presenter { owner, token: identity.id, child })
    }
}

/// Checks that neither an identity nor a lost one is behind the call, whatever access the role was granted.
///
/// # Errors
/// 25000 in a parallel worker, 42501 when the transaction has, or had, to do with an identity.
pub fn refuse_identity() -> Result<(), Error> {
    match identity::standing()? {
        Standing::Identity(_) => Err(AccessError::UnderIdentity.into()),
        Standing::Lost => Err(IdentityError::Lost.into()),
        Standing::Application => Ok(()),
    }
}
