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
    /// Somebody has.
    Authenticated(Authenticated<T>),
    /// Nobody is, and nobody can be.
    Closed,
}

/// Somebody, as accepted last, and as accepted before in the subtransactions that this one is part of: the same token again
/// may grant something else, by changes that are rolled back together with its acceptance.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Authenticated<T> {
    who: T,
    /// Nesting level of the subtransaction.
    level: i32,
    /// From the outermost, with rising levels; nothing in most transactions.
    before: Vec<(T, i32)>,
}

impl<T> Authenticated<T> {
    fn first(who: T, level: i32) -> Self {
        Authenticated { who, level, before: Vec::new() }
    }

    /// Accepted once more, at this level.
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
                return State::Open;
            };
            (self.who, self.level) = (who, level);
        }
        State::Authenticated(self)
    }

    fn after_commit(mut self, committed: i32) -> Self {
        if self.level >= committed {
            self.level = committed - 1;
            // What the level above had before is replaced.
            self.before.pop_if(|(_, level)| *level >= committed - 1);
        }
        self
    }
}

impl<T> State<T> {
    /// What is left of it after a transaction or a part of it.
    ///
    /// Only an identity is taken back with the savepoint that it was set after. What was closed stays closed at every
    /// level: an attempt that failed must not be forgotten by rolling it back.
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

/// With the role that was logged in: the identity is void for any other.
struct Held {
    identity: Identity,
    session_user: role::Id,
}

impl Held {
    /// Whether this is the same token, presented as the same role.
    fn is_same(&self, other: &Held) -> bool {
        self.identity.id == other.identity.id && self.session_user == other.session_user
    }
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
        State::Authenticated(Authenticated { who, .. }) if who.session_user == role::session_id() => Some(Rc::clone(&who.identity)),
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
    former: Option<Authenticated<Held>>,
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
            State::Authenticated(former) => Ok(Attempt { former: Some(former) }),
            State::Closed => Err(Error::SecondIdentity),
        }
    }

    /// The transaction is authenticated by this token from now on. The same token again changes nothing but what it
    /// grants.
    ///
    /// # Errors
    /// 25001 when it was by another one, or as another role.
    pub fn succeed(self, identity: Identity) -> Result<(), Error> {
        let who = Held { identity, session_user: role::session_id() };
        let level = xact::nesting_level();
        STATE.set(State::Authenticated(match self.former {
            None => Authenticated::first(who, level),
            Some(former) if former.who.is_same(&who) => former.again(who, level),
            Some(_) => return Err(Error::SecondIdentity),
        }));
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
        /// By this token, which now grants this.
        Authenticate(u8, u8),
        SignOut,
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => Just(Step::Savepoint),
            2 => Just(Step::Release),
            3 => Just(Step::RollBack),
            2 => (0_u8..2, 0_u8..9).prop_map(|(token, grants)| Step::Authenticate(token, grants)),
            1 => Just(Step::SignOut),
        ]
    }

    /// The rules as the contract has them, told by keeping a copy at each savepoint.
    #[derive(Default)]
    struct Model {
        identity: Option<(u8, u8)>,
        closed: bool,
        savepoints: Vec<Option<(u8, u8)>>,
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
                Step::Authenticate(token, grants)
                    if !self.closed && self.identity.is_none_or(|(former, _)| former == token) =>
                {
                    self.identity = Some((token, grants));
                }
                Step::Authenticate(..) | Step::SignOut => self.closed = true,
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
                    Step::Authenticate(token, grants) => {
                        let who = (token, grants);
                        state = match state {
                            State::Open => State::Authenticated(Authenticated::first(who, level)),
                            State::Authenticated(former) if former.who.0 == token => {
                                State::Authenticated(former.again(who, level))
                            }
                            _ => State::Closed,
                        };
                    }
                    Step::SignOut => state = State::Closed,
                }
                model.step(&step);
                let current = if let State::Authenticated(now) = &state { Some(now.who) } else { None };
                prop_assert_eq!(current, model.identity);
                prop_assert_eq!(state == State::Closed, model.closed);
            }
            prop_assert_eq!(state.after(End::Transaction), State::Open);
        }
    }
}
