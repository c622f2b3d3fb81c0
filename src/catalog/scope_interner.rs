//! Interner of scopes that many tokens share, parsed and stored once.
//!
//! Parsing depends only on the stored bytes, so no entry is ever out of date; entries are dropped together with what
//! verification caches.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::model::scope::Scopes;
use crate::pg::process::backend_local::backend_local;
use crate::settings;

/// The share of `tokenauth.cache_size` that lists may take, as a divisor. Beyond it, lists are parsed each time.
pub const SHARE: usize = 32;

struct Interner {
    lists: HashMap<Box<[u8]>, Rc<Scopes>>,
    size: usize,
    is_full: bool,
}

backend_local! {
    static INTERNER: RefCell<Interner> = RefCell::new(Interner { lists: HashMap::new(), size: 0, is_full: false });
}

/// The scopes stored as these bytes; calls `parse` unless they are stored already.
pub fn scopes(stored: &[u8], parse: impl FnOnce() -> Scopes) -> Rc<Scopes> {
    /// An entry of the map, and the allocator's overhead for its two parts.
    const OVERHEAD: usize = 96;
    INTERNER.with_borrow_mut(|interner| {
        if let Some(scopes) = interner.lists.get(stored) {
            return Rc::clone(scopes);
        }
        let scopes = Rc::new(parse());
        let size = interner.size + OVERHEAD + stored.len() + scopes.size();
        interner.is_full = size > settings::cache_size() / SHARE;
        if !interner.is_full {
            interner.size = size;
            interner.lists.insert(stored.into(), Rc::clone(&scopes));
        }
        scopes
    })
}

/// Drops all of them.
pub fn clear() {
    INTERNER.with_borrow_mut(|interner| {
        *interner = Interner { lists: HashMap::new(), size: 0, is_full: false };
    });
}

/// How many there are, if there was no room for the one asked for last.
pub fn full() -> Option<usize> {
    INTERNER.with_borrow(|interner| interner.is_full.then_some(interner.lists.len()))
}

/// The size of a list that nobody else holds, else 0: a shared list is counted where it is held.
pub fn own_size(scopes: &Rc<Scopes>) -> usize {
    if Rc::strong_count(scopes) == 1 { scopes.size() } else { 0 }
}
