//! Lists of scopes that many tokens share, parsed once and held once.
//!
//! Parsing depends on nothing but the stored bytes, so what is held here is never out of date.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::scope::Scopes;

/// How many lists are held; then all are let go at once.
const MOST: usize = 1024;

thread_local! {
    static HELD: RefCell<HashMap<Box<[u8]>, Rc<Scopes>>> = RefCell::new(HashMap::new());
}

/// The scopes stored as these bytes, parsed by `parse` unless they are held.
pub fn scopes(stored: &[u8], parse: impl FnOnce() -> Scopes) -> Rc<Scopes> {
    if let Some(scopes) = HELD.with_borrow(|held| held.get(stored).map(Rc::clone)) {
        return scopes;
    }
    let scopes = Rc::new(parse());
    HELD.with_borrow_mut(|held| {
        if held.len() >= MOST {
            held.clear();
        }
        held.insert(stored.into(), Rc::clone(&scopes));
    });
    scopes
}
