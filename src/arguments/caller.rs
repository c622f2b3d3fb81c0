//! The caller of a function of ours.

use crate::error::{AccessError, Error, IdentityError, ReplicationError, ServerError};
use crate::fence;
use crate::pg::function::call::Call;
use crate::pg::process::background_worker;
use crate::pg::roles::role;
use crate::pg::roles::{citus, privileges};
use crate::pg::transaction::acting_as::ActingAs;
use crate::pg::transaction::xact;
use crate::pg::types::text::Text;
use crate::settings;

/// The effective user of a call, which may execute the called function.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    user: role::Id,
}

impl Caller {
    /// The caller of a function, before anything else in it.
    ///
    /// # Errors
    /// 25000 in a parallel worker, 42501 when the effective user may not execute this function.
    #[inline]
    pub fn enter(call: Call) -> Result<Self, Error> {
        Caller::enter_leader(call, ServerError::InParallel.into())
    }

    /// As [`enter`](Self::enter), for a function that writes what a reader follows.
    ///
    /// # Errors
    /// As `enter`, 25006 on a reader, 25000 in a session that another node of Citus has opened, and 55000 on a fenced
    /// server.
    pub fn enter_to_write(call: Call) -> Result<Self, Error> {
        let caller = Caller::enter_to_kill(call)?;
        fence::refuse_when_fenced()?;
        Ok(caller)
    }

    /// As [`enter_to_write`](Self::enter_to_write), for a function that only makes dead what died elsewhere: without it
    /// a fenced server would have to be opened first.
    ///
    /// # Errors
    /// As `enter_to_write`, but for fenced servers.
    pub fn enter_to_kill(call: Call) -> Result<Self, Error> {
        let caller = Caller::enter(call)?;
        refuse_other_node()?;
        refuse_on_reader()?;
        Ok(caller)
    }

    /// As [`enter`](Self::enter), for the function of this name that reads events or all use of tokens.
    ///
    /// # Errors
    /// As `enter`, and 55000 on a reader, which has neither.
    pub fn enter_to_look_back(call: Call, function: &'static str) -> Result<Self, Error> {
        let caller = Caller::enter(call)?;
        if settings::reader() { Err(ReplicationError::NotPublished(function).into()) } else { Ok(caller) }
    }

    /// As [`enter`](Self::enter), for a function that is PARALLEL RESTRICTED.
    ///
    /// # Errors
    /// As `enter`.
    #[inline]
    pub fn enter_restricted(call: Call) -> Result<Self, Error> {
        Caller::enter_leader(call, IdentityError::InWorker.into())
    }

    #[inline]
    fn enter_leader(call: Call, otherwise: Error) -> Result<Self, Error> {
        if xact::is_parallel_worker() { Err(otherwise) } else { Caller::enter_anywhere(call) }
    }

    /// As [`enter`](Self::enter), for a function that is PARALLEL SAFE.
    ///
    /// # Errors
    /// 42501 as `enter`.
    #[inline]
    pub fn enter_anywhere(call: Call) -> Result<Self, Error> {
        let user = role::effective();
        if privileges::may_call(user, &call) { Ok(Caller { user }) } else { Err(refused(&call).into()) }
    }

    /// Whoever runs the statement that fired a trigger of ours, or the worker. A trigger's function is not asked for:
    /// whoever writes a bound table needs no access of ours.
    pub fn of_trigger() -> Self {
        Caller { user: role::effective() }
    }

    /// Whether it was granted `manage`, and so may make trusted calls, for which the application vouches.
    pub fn may_call_trusted(self) -> bool {
        privileges::may_manage(self.user)
    }

    /// Whether it may read the view `tokens`, and so see every token.
    pub fn may_read_tokens(self) -> bool {
        privileges::may_read(self.user, c"tokens")
    }

    /// Acts as the extension's owner until the guard is dropped: for constant SQL of ours and nothing else.
    pub fn act_as_owner(self) -> ActingAs {
        ActingAs::owner_of_ours()
    }

    /// As [`act_as_owner`](Self::act_as_owner), for what usually runs no statement: it takes a fraction of the time.
    pub fn act_as_owner_for_rows(self) -> ActingAs {
        ActingAs::owner_of_ours_for_rows()
    }

    /// The effective user.
    pub fn user(self) -> role::Id {
        self.user
    }

    /// The name of the effective user.
    pub fn role(self) -> Text {
        role::name(self.user)
    }

    /// The role that logged in, or that SET SESSION AUTHORIZATION has replaced it with, unless that is the effective
    /// user.
    pub fn session_role(self) -> Option<Text> {
        let session = role::session();
        (session != self.user).then(|| role::name(session))
    }
}

/// Checks that this database is no reader, or that its subscription is what writes it. A role that merely behaves like
/// a replica is not: many may.
///
/// # Errors
/// 25006 on a reader.
pub fn refuse_on_reader() -> Result<(), ReplicationError> {
    if settings::reader() && !background_worker::is_applying() { Err(ReplicationError::OnReader) } else { Ok(()) }
}

/// Checks that no other node of Citus has opened this session, in which nobody is authenticated and no token is known.
///
/// # Errors
/// 25000 in such a session.
#[inline]
pub fn refuse_other_node() -> Result<(), IdentityError> {
    if citus::is_session_of_another_node() { Err(IdentityError::OnOtherNode) } else { Ok(()) }
}

#[cold]
fn refused(call: &Call) -> AccessError {
    AccessError::MayNotExecute(call.function_name().shown())
}
