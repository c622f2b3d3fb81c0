//! The identity of the transaction, and its end.

use std::cell::RefCell;
use std::rc::Rc;

use crate::error::Error;
use crate::pg::role;
use crate::pg::xact::{self, End};
use crate::verify::accepted::Accepted;

/// What a token was accepted for.
pub type Identity = Rc<Accepted>;

/// What the transaction knows of identities.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State<T> {
    /// Nobody has been authenticated.
    Open,
    /// Somebody has, in the subtransaction of this nesting level.
    Authenticated { who: T, level: i32 },
    /// Nobody is, and nobody can be.
    Closed,
}

impl<T> State<T> {
    /// What is left of it after a transaction or a part of it.
    ///
    /// Only an identity is taken back with the savepoint that it was set after. What was closed stays closed at every
    /// level: an attempt that failed must not be forgotten by rolling it back.
    fn after(self, end: End) -> Self {
        match (self, end) {
            (_, End::Transaction) => State::Open,
            (State::Authenticated { level, .. }, End::Aborted(aborted)) if level >= aborted => State::Open,
            (State::Authenticated { who, level }, End::Committed(committed)) if level >= committed => {
                State::Authenticated { who, level: committed - 1 }
            }
            (state, _) => state,
        }
    }
}

/// With the role that was logged in: the identity is void for any other.
struct Held {
    identity: Identity,
    session_user: role::Id,
}

thread_local! {
    static STATE: RefCell<State<Held>> = const { RefCell::new(State::Open) };
}

/// Begins to listen to the ends of transactions, once, from `_PG_init`.
pub fn listen() {
    xact::tell_end(|end| STATE.with_borrow_mut(|state| *state = std::mem::replace(state, State::Closed).after(end)));
}

/// The identity of the transaction, if there is one.
///
/// # Errors
/// 25000 in a parallel worker, which knows nothing of it.
pub fn current() -> Result<Option<Identity>, Error> {
    if xact::is_parallel_worker() {
        return Err(Error::InWorker);
    }
    Ok(STATE.with_borrow(|state| match state {
        State::Authenticated { who, .. } if who.session_user == role::session_id() => Some(Rc::clone(&who.identity)),
        _ => None,
    }))
}

/// For whom the transaction acts.
pub enum Standing {
    /// For the application itself: it has had nothing to do with identities.
    Application,
    /// For the one who is authenticated.
    Identity(Identity),
    /// For nobody: an attempt has failed, the identity was signed out, or it is another role's.
    Lost,
}

/// For whom the transaction acts.
///
/// Whoever was not let in, or has gone, is not the application: a call that goes on after a refused `sign_in` must not
/// become a trusted one.
///
/// # Errors
/// 25000 in a parallel worker.
pub fn standing() -> Result<Standing, Error> {
    Ok(match current()? {
        Some(identity) => Standing::Identity(identity),
        None if STATE.with_borrow(|state| matches!(state, State::Open)) => Standing::Application,
        None => Standing::Lost,
    })
}

/// Ends the identity, and closes the transaction for others.
pub fn close() {
    STATE.set(State::Closed);
}

/// An attempt to authenticate. Unless it succeeds, whatever becomes of it, the transaction is closed for identities.
pub struct Attempt {
    former: Option<(Held, i32)>,
}

impl Attempt {
    /// Begins.
    ///
    /// # Errors
    /// 25001 when the transaction is closed for identities, 25000 in a parallel worker.
    pub fn begin() -> Result<Self, Error> {
        if xact::is_parallel_worker() {
            return Err(Error::InWorker);
        }
        match STATE.replace(State::Closed) {
            State::Open => Ok(Attempt { former: None }),
            State::Authenticated { who, level } => Ok(Attempt { former: Some((who, level)) }),
            State::Closed => Err(Error::SecondIdentity),
        }
    }

    /// The transaction is authenticated by this token from now on. The same token again changes nothing but what it
    /// grants.
    ///
    /// # Errors
    /// 25001 when it was by another one, or as another role.
    pub fn succeed(self, identity: Identity) -> Result<(), Error> {
        let session_user = role::session_id();
        let level = match self.former {
            None => xact::nesting_level(),
            Some((former, level)) if former.identity.id == identity.id && former.session_user == session_user => level,
            Some(_) => return Err(Error::SecondIdentity),
        };
        STATE.set(State::Authenticated { who: Held { identity, session_user }, level });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a session may do.
    #[derive(Clone, Debug)]
    enum Step {
        Savepoint,
        Release,
        RollBack,
        Authenticate(u8),
        SignOut,
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => Just(Step::Savepoint),
            2 => Just(Step::Release),
            3 => Just(Step::RollBack),
            2 => (0_u8..3).prop_map(Step::Authenticate),
            1 => Just(Step::SignOut),
        ]
    }

    /// The rules as the contract has them, told by keeping a copy at each savepoint.
    #[derive(Default)]
    struct Model {
        identity: Option<u8>,
        closed: bool,
        savepoints: Vec<Option<u8>>,
    }

    impl Model {
        fn step(&mut self, step: &Step) {
            match *step {
                Step::Savepoint => self.savepoints.push(self.identity),
                Step::Release => drop(self.savepoints.pop()),
                Step::RollBack => {
                    if let Some(before) = self.savepoints.pop() {
                        self.identity = before;
                    }
                }
                Step::Authenticate(who) if !self.closed && self.identity.is_none_or(|identity| identity == who) => {
                    self.identity = Some(who);
                }
                Step::Authenticate(_) | Step::SignOut => self.closed = true,
            }
            if self.closed {
                self.identity = None;
            }
        }
    }

    proptest! {
        #[test]
        fn the_identity_follows_savepoints_and_what_was_closed_stays_closed(
            steps in prop::collection::vec(any_step(), 0..60),
        ) {
            let mut model = Model::default();
            let (mut state, mut level) = (State::Open, 1);
            for step in steps {
                match step {
                    Step::Savepoint => level += 1,
                    Step::Release if level > 1 => {
                        state = state.after(End::Committed(level));
                        level -= 1;
                    }
                    Step::RollBack if level > 1 => {
                        state = state.after(End::Aborted(level));
                        level -= 1;
                    }
                    Step::Release | Step::RollBack => {}
                    Step::Authenticate(who) => {
                        state = match state {
                            State::Open => State::Authenticated { who, level },
                            State::Authenticated { who: former, level } if former == who => {
                                State::Authenticated { who, level }
                            }
                            _ => State::Closed,
                        };
                    }
                    Step::SignOut => state = State::Closed,
                }
                model.step(&step);
                let current = if let State::Authenticated { who, .. } = state { Some(who) } else { None };
                prop_assert_eq!(current, model.identity);
                prop_assert_eq!(state == State::Closed, model.closed);
            }
            prop_assert_eq!(state.after(End::Transaction), State::Open);
        }
    }
}
