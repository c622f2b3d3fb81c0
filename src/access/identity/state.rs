//! The identity of the transaction, and when it ends.

use std::cell::RefCell;
use std::rc::Rc;

use crate::arguments::caller::refuse_other_node;
use crate::error::IdentityError;
use crate::pg::process::backend_local::backend_local;
use crate::pg::roles::role;
use crate::pg::transaction::acting_as::is_security_restricted;
use crate::pg::transaction::xact::{self, End};
use crate::verify::accepted::Accepted;

/// What a token was accepted for.
pub type Identity = Rc<Accepted>;

/// What the transaction knows about identities.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State<T> {
    /// Nobody has been authenticated.
    Open,
    /// Somebody is authenticated.
    Authenticated(Authenticated<T>),
    /// Nobody is authenticated any more, since the identity was rolled back; somebody can be again.
    RolledBack,
    /// Nobody is authenticated, and nobody can be.
    Closed,
}

/// Who is authenticated, with the acceptances of enclosing subtransactions: the same token may be accepted again and
/// grant something else, because of changes that are rolled back together with that acceptance.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Authenticated<T> {
    who: T,
    /// Nesting level of the subtransaction that accepted `who`.
    level: i32,
    /// Earlier acceptances and their levels, in rising order; empty in most transactions.
    before: Vec<(T, i32)>,
}

impl<T> Authenticated<T> {
    fn first(who: T, level: i32) -> Self {
        Authenticated { who, level, before: Vec::new() }
    }

    /// Accepts the same token once more, at this level.
    fn again(mut self, who: T, level: i32) -> Self {
        let former = std::mem::replace(&mut self.who, who);
        if self.level < level {
            self.before.push((former, self.level));
            self.level = level;
        }
        self
    }

    fn after_abort(mut self, aborted: i32) -> State<T> {
        while self.level >= aborted {
            let Some((who, level)) = self.before.pop() else {
                return State::RolledBack;
            };
            (self.who, self.level) = (who, level);
        }
        State::Authenticated(self)
    }

    fn after_commit(mut self, committed: i32) -> Self {
        if self.level >= committed {
            self.level = committed - 1;
            // The enclosing level's own acceptance is replaced.
            self.before.pop_if(|(_, level)| *level >= committed - 1);
        }
        self
    }
}

impl<T> State<T> {
    /// The state after the end of a transaction or subtransaction.
    ///
    /// A rollback to a savepoint takes back only an identity set after it, and not that there was one: the application
    /// has not checked what comes next. A closed state stays closed at every level: rolling back a failed attempt must
    /// not undo it.
    fn after(self, end: End) -> Self {
        match (self, end) {
            (_, End::Transaction) => State::Open,
            (State::Authenticated(authenticated), End::Aborted(level)) => authenticated.after_abort(level),
            (State::Authenticated(authenticated), End::Committed(level)) => {
                State::Authenticated(authenticated.after_commit(level))
            }
            (state, _) => state,
        }
    }
}

/// An identity with the role that logged in: it is void for any other role.
struct LoginIdentity {
    identity: Identity,
    session_user: role::Id,
}

impl LoginIdentity {
    /// Whether this is the same token, or the same child of one, presented as the same role.
    fn is_same(&self, other: &LoginIdentity) -> bool {
        self.identity.is_same(&other.identity) && self.session_user == other.session_user
    }
}

backend_local! {
    static STATE: RefCell<State<LoginIdentity>> = const { RefCell::new(State::Open) };
}

/// Registers for the ends of transactions, once, from `_PG_init`.
pub fn listen() {
    xact::on_end(|end| STATE.with_borrow_mut(|state| *state = std::mem::replace(state, State::Closed).after(end)));
}

/// The identity of the transaction, if there is one.
///
/// # Errors
/// 25000 in a parallel worker, which does not have the identity, and in a session that another node of Citus has opened
/// for a part of a query whose identity is there.
pub fn current() -> Result<Option<Identity>, IdentityError> {
    if xact::is_parallel_worker() {
        return Err(IdentityError::InWorker);
    }
    let identity = STATE.with_borrow(|state| match state {
        State::Authenticated(Authenticated { who, .. }) if who.session_user == role::session() => {
            Some(Rc::clone(&who.identity))
        }
        _ => None,
    });
    if identity.is_none() {
        refuse_other_node()?;
    }
    Ok(identity)
}

/// On whose behalf the transaction acts.
pub enum Standing {
    /// The application itself: the transaction has had nothing to do with identities.
    Application,
    /// The principal that is authenticated.
    Identity(Identity),
    /// Nobody: an attempt failed, the identity was signed out or rolled back, or it belongs to another role.
    Lost,
}

/// On whose behalf the transaction acts.
///
/// A caller that was refused, or has signed out, is not the application: a call after a refused `sign_in` must not
/// become a trusted one.
///
/// # Errors
/// 25000 in a parallel worker.
pub fn standing() -> Result<Standing, IdentityError> {
    Ok(match current()? {
        Some(identity) => Standing::Identity(identity),
        None if STATE.with_borrow(|state| matches!(state, State::Open)) => Standing::Application,
        None => Standing::Lost,
    })
}

/// Ends the identity, and closes the transaction for any other.
///
/// # Errors
/// 42501 in a security-restricted operation.
pub fn close() -> Result<(), IdentityError> {
    refuse_restricted()?;
    STATE.set(State::Closed);
    Ok(())
}

/// Checks that the transaction's identity may change now: it is not that of whoever wrote the code of an index
/// expression or a materialized view, and a superuser's ANALYZE must not log in as its owner.
fn refuse_restricted() -> Result<(), IdentityError> {
    if is_security_restricted() { Err(IdentityError::RestrictedChange) } else { Ok(()) }
}

/// An attempt to authenticate. Unless it succeeds, the transaction is closed for identities.
pub struct Attempt {
    former: Option<Authenticated<LoginIdentity>>,
    /// Whether an identity was rolled back before.
    was_rolled_back: bool,
}

impl Attempt {
    /// Begins an attempt.
    ///
    /// # Errors
    /// 25001 when the transaction is closed for identities; 42501 in a security-restricted operation, which leaves the
    /// identity as it is.
    pub fn begin() -> Result<Self, IdentityError> {
        refuse_restricted()?;
        match STATE.replace(State::Closed) {
            State::Open => Ok(Attempt { former: None, was_rolled_back: false }),
            State::RolledBack => Ok(Attempt { former: None, was_rolled_back: true }),
            State::Authenticated(former) => Ok(Attempt { former: Some(former), was_rolled_back: false }),
            State::Closed => Err(IdentityError::Second),
        }
    }

    /// Leaves the transaction without an identity and as it was, open for one: nothing was presented.
    ///
    /// # Errors
    /// 25001 when the transaction was authenticated: it must not go on as somebody who is not there any more.
    pub fn withdraw(self) -> Result<(), IdentityError> {
        if self.former.is_some() {
            return Err(IdentityError::Second);
        }
        STATE.set(if self.was_rolled_back { State::RolledBack } else { State::Open });
        Ok(())
    }

    /// Authenticates the transaction by this token from now on. The same token again only renews what it grants.
    ///
    /// # Errors
    /// 25001 when the transaction was authenticated by another token, or as another role.
    pub fn succeed(self, identity: Identity) -> Result<(), IdentityError> {
        let who = LoginIdentity { identity, session_user: role::session() };
        let level = xact::nesting_level();
        STATE.set(State::Authenticated(match self.former {
            None => Authenticated::first(who, level),
            Some(former) if former.who.is_same(&who) => former.again(who, level),
            Some(_) => return Err(IdentityError::Second),
        }));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One step of a session.
    #[derive(Clone, Debug)]
    enum SessionStep {
        Savepoint,
        Release,
        RollBack,
        /// With this token, which now grants this.
        Authenticate(u8, u8),
        SignOut,
    }

    fn any_step() -> impl Strategy<Value = SessionStep> {
        prop_oneof![
            3 => Just(SessionStep::Savepoint),
            2 => Just(SessionStep::Release),
            3 => Just(SessionStep::RollBack),
            2 => (0_u8..2, 0_u8..9).prop_map(|(token, grants)| SessionStep::Authenticate(token, grants)),
            1 => Just(SessionStep::SignOut),
        ]
    }

    /// The rules of the contract, modelled by keeping a copy at each savepoint.
    #[derive(Default)]
    struct Model {
        identity: Option<(u8, u8)>,
        closed: bool,
        /// Whether there was any attempt: the application is not trusted again.
        touched: bool,
        savepoints: Vec<Option<(u8, u8)>>,
    }

    impl Model {
        fn step(&mut self, step: &SessionStep) {
            self.touched |= matches!(step, SessionStep::Authenticate(..) | SessionStep::SignOut);
            match *step {
                SessionStep::Savepoint => self.savepoints.push(self.identity),
                SessionStep::Release => drop(self.savepoints.pop()),
                SessionStep::RollBack => {
                    if let Some(before) = self.savepoints.pop() {
                        self.identity = before;
                    }
                }
                SessionStep::Authenticate(token, grants)
                    if !self.closed && self.identity.is_none_or(|(former, _)| former == token) =>
                {
                    self.identity = Some((token, grants));
                }
                SessionStep::Authenticate(..) | SessionStep::SignOut => self.closed = true,
            }
            if self.closed {
                self.identity = None;
            }
        }
    }

    proptest! {
        #[test]
        fn the_identity_follows_savepoints_and_what_was_closed_or_touched_stays_so(
            steps in prop::collection::vec(any_step(), 0..60),
        ) {
            let mut model = Model::default();
            let (mut state, mut level) = (State::Open, 1);
            for step in steps {
                match step {
                    SessionStep::Savepoint => level += 1,
                    SessionStep::Release if level > 1 => {
                        state = state.after(End::Committed(level));
                        level -= 1;
                    }
                    SessionStep::RollBack if level > 1 => {
                        state = state.after(End::Aborted(level));
                        level -= 1;
                    }
                    SessionStep::Release | SessionStep::RollBack => {}
                    SessionStep::Authenticate(token, grants) => {
                        let who = (token, grants);
                        state = match state {
                            State::Open | State::RolledBack => {
                                State::Authenticated(Authenticated::first(who, level))
                            }
                            State::Authenticated(former) if former.who.0 == token => {
                                State::Authenticated(former.again(who, level))
                            }
                            _ => State::Closed,
                        };
                    }
                    SessionStep::SignOut => state = State::Closed,
                }
                model.step(&step);
                let current = if let State::Authenticated(now) = &state { Some(now.who) } else { None };
                prop_assert_eq!(current, model.identity);
                prop_assert_eq!(state == State::Closed, model.closed);
                prop_assert_eq!(state == State::Open, !model.touched);
            }
            prop_assert_eq!(state.after(End::Transaction), State::Open);
        }
    }
}
