//! The acting principal with what it holds itself: all that is its own, or under an identity what its token grants now.

use std::rc::Rc;

use super::holding::ActingToken;
use crate::access::actor::{Actor, Presenter};
use crate::catalog::principal::{self, Hold, Principal};
use crate::catalog::token::grant::Grant;
use crate::catalog::{derived_death, kind, token};
use crate::error::{AccessError, Error, IdentityError};
use crate::model::data_scope::DataScopes;
use crate::model::principal_name::PrincipalName;
use crate::model::scope::Scopes;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::types::clock::Timestamp;

/// The acting principal, with what it holds itself.
pub struct Acting {
    pub(super) scopes: Rc<Scopes>,
    pub(super) data_scopes: DataScopes,
    /// The token by which it acts, if any.
    pub(super) presented: Option<Rc<ActingToken>>,
}

impl Acting {
    /// Reads the actor of this name; `hold` says whether its row stays locked until the transaction ends.
    ///
    /// A token is judged anew by its current rows, not as it was when presented: what was taken away since is not
    /// handed on. Only its networks do not refuse it, since the client is no longer known; they bound what it hands
    /// out.
    ///
    /// # Errors
    /// 42704 when the principal does not exist, 42501 when it is inactive; 28000, whatever the reason, when it acts by
    /// a token that is no longer accepted.
    pub fn lock(actor: &Actor, name: &PrincipalName, hold: Hold) -> Result<Self, Error> {
        if let Some(presenter) = actor.presenter() {
            let owner = principal::lock(name, hold).ok_or(IdentityError::NotAccepted)?;
            return Acting::by_token(presenter, &owner);
        }
        let Principal { state, permissions, data_scopes, .. } = principal::lock_existing(name, hold)?;
        if !state.active {
            return Err(AccessError::ActorInactive(name.shown()).into());
        }
        Ok(Acting { scopes: permissions, data_scopes, presented: None })
    }

    /// Locks an owner and the actor, in key order, before anything of theirs (see [`crate::catalog`]). Whether there is
    /// such an owner is for the caller to tell, to those who may know.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    pub fn lock_with<T>(
        actor: &Actor,
        name: &PrincipalName,
        hold: Hold,
        owner: &PrincipalName,
        lock_owner: impl FnOnce() -> T,
    ) -> Result<(T, Self), Error> {
        if name < owner {
            let acting = Acting::lock(actor, name, hold)?;
            return Ok((lock_owner(), acting));
        }
        // Also when they are the same: the owner's lock is the firmer one.
        let owner = lock_owner();
        Ok((owner, Acting::lock(actor, name, hold)?))
    }

    fn by_token(presenter: &Presenter, owner: &Principal) -> Result<Self, Error> {
        let now = Timestamp::now();
        let snapshot = LatestSnapshot::take();
        let token = token::find(presenter.token).ok_or(IdentityError::NotAccepted)?;
        let kind = kind::find(token.kind.as_bytes(), &snapshot).ok_or(IdentityError::NotAccepted)?;
        let state = match &presenter.child {
            None => token.state,
            Some(_) if !kind.derivable => return Err(IdentityError::NotAccepted.into()),
            Some(child) => {
                child.narrowing.state(token.state, &kind, derived_death::is_recorded(&child.digest, &snapshot))
            }
        };
        if state.refusal(&owner.state, now).is_some() {
            return Err(IdentityError::NotAccepted.into());
        }
        let Grant { scopes, data_scopes } = &token.extent.grant;
        let mut scopes = kind.effective_scopes(scopes.as_ref(), &owner.permissions);
        let mut data_scopes = kind.effective_data_scopes(data_scopes.as_ref(), &owner.data_scopes);
        if let Some(child) = &presenter.child {
            scopes = child.narrowing.scopes(&scopes);
            data_scopes = child.narrowing.data_scopes(data_scopes);
        }
        Ok(Acting {
            scopes: Rc::new(scopes),
            data_scopes,
            presented: Some(Rc::new(ActingToken { kind: kind.name, extent: token.extent })),
        })
    }
}
