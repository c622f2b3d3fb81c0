//! Lists of scopes that many tokens share, parsed once and held once.
//!
//! Parsing depends on nothing but the stored bytes, so what is held here is never out of date; it is let go with what
//! verification remembers.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::scope::Scopes;
use crate::settings;

/// Which part of `tokenauth.cache_size` lists may take. What comes later is parsed each time.
pub const SHARE: usize = 32;

struct Held {
    lists: HashMap<Box<[u8]>, Rc<Scopes>>,
    size: usize,
}

thread_local! {
    static HELD: RefCell<Held> = RefCell::new(Held { lists: HashMap::new(), size: 0 });
}

/// The scopes stored as these bytes, parsed by `parse` unless they are held.
pub fn scopes(stored: &[u8], parse: impl FnOnce() -> Scopes) -> Rc<Scopes> {
    /// A place in the map, and what the allocator adds to its two parts.
    const OVERHEAD: usize = 96;
    HELD.with_borrow_mut(|held| {
        if let Some(scopes) = held.lists.get(stored) {
            return Rc::clone(scopes);
        }
        let scopes = Rc::new(parse());
        let size = held.size + OVERHEAD + stored.len() + scopes.size();
        if size <= settings::cache_size() / SHARE {
            held.size = size;
            held.lists.insert(stored.into(), Rc::clone(&scopes));
        }
        scopes
    })
}

/// Lets all of them go.
pub fn clear() {
    HELD.with_borrow_mut(|held| {
        held.lists = HashMap::new();
        held.size = 0;
    });
}

/// What a list takes that nobody else holds: one that is shared is counted where it is held.
pub fn own_size(scopes: &Rc<Scopes>) -> usize {
    if Rc::strong_count(scopes) == 1 { scopes.size() } else { 0 }
}
