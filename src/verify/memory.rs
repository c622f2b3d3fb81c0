//! From a digest to all that is known of its token, remembered where that is safe.
//!
//! The order matters, and each step prevents a failure that was seen without it. First the messages of other sessions are
//! taken in: whatever was committed before this call has then dropped its entries. Then the generation is read, and one
//! snapshot serves all reads. Then messages are taken in once more: had the generation moved meanwhile, the rows read may
//! be of before the change, and all is done again. Only what the generation has not moved under is remembered, and nothing
//! in a transaction that has itself written, since it sees rows that a rollback would take back.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

use super::resolved::{Resolved, TokenRow};
use crate::catalog::kind;
use crate::catalog::principal::{self, Principal};
use crate::kind::Kind;
use crate::pg::invalidation;
use crate::pg::snapshot::Latest;
use crate::pg::text::Text;
use crate::remembered::Remembered;
use crate::settings;
use crate::token::{Digest, Lookup};

/// All that this backend remembers, of one generation.
struct Memory {
    generation: u64,
    tokens: Remembered<Resolved>,
    principals: Remembered<(Text, Rc<Principal>)>,
    kinds: HashMap<Text, Rc<Kind>>,
    hasher: Option<RandomState>,
}

/// Kinds are few; where they are not, they are forgotten all at once.
const MOST_KINDS: usize = 256;

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::new(Memory {
        generation: 0,
        tokens: Remembered::new(),
        principals: Remembered::new(),
        kinds: HashMap::new(),
        hasher: None,
    });
}

impl Memory {
    /// Forgets what is of another generation.
    fn at(&mut self, generation: u64) -> &mut Self {
        if self.generation != generation {
            self.generation = generation;
            self.tokens.clear();
            self.principals.clear();
            self.kinds.clear();
        }
        self
    }

    fn key(&mut self, name: &Text) -> u64 {
        self.hasher.get_or_insert_with(RandomState::new).hash_one(name)
    }
}

/// The token with this lookup and digest, which are compared in constant time, with its owner and kind.
pub fn resolve(lookup: Lookup, digest: &Digest) -> Option<Rc<Resolved>> {
    let key = lookup.to_bigint().cast_unsigned();
    if settings::cache_size() == 0 || !invalidation::may_remember() {
        return read(lookup, digest, &Latest::take(), None);
    }
    loop {
        // Without the signal nothing could be forgotten, so it is watched before anything is read.
        invalidation::watch_signal();
        let generation = invalidation::generation();
        let remembered = MEMORY.with_borrow_mut(|memory| memory.at(generation).tokens.find(key).map(Rc::clone));
        if let Some(resolved) = remembered {
            return resolved.has_digest(digest).then_some(resolved);
        }
        let resolved = read(lookup, digest, &Latest::take(), Some(generation));
        if invalidation::generation() != generation {
            continue;
        }
        if let Some(resolved) = &resolved {
            MEMORY.with_borrow_mut(|memory| {
                let most = settings::cache_size().saturating_sub(memory.principals.size());
                memory.at(generation).tokens.store(key, resolved, resolved.size(), most);
            });
        }
        return resolved;
    }
}

/// Reads token, owner and kind as the snapshot shows them; owner and kind from memory if it is of this generation.
fn read(lookup: Lookup, digest: &Digest, snapshot: &Latest, generation: Option<u64>) -> Option<Rc<Resolved>> {
    let token = TokenRow::find(lookup, digest, snapshot)?;
    // The foreign keys see to it that both are there. Were they not, the token would be refused as unknown.
    let (owner, kind) = match generation {
        None => (Rc::new(find_owner(&token.owner, snapshot)?), Rc::new(find_kind(&token.kind, snapshot)?)),
        Some(generation) => {
            (owner(&token.owner, snapshot, generation)?, kind_of(&token.kind, snapshot, generation)?)
        }
    };
    Some(Rc::new(Resolved::new(token, owner, kind)))
}

fn find_owner(name: &Text, snapshot: &Latest) -> Option<Principal> {
    principal::find(name.as_bytes(), snapshot)
}

fn find_kind(name: &Text, snapshot: &Latest) -> Option<Kind> {
    kind::find(name.as_bytes(), snapshot)
}

fn owner(name: &Text, snapshot: &Latest, generation: u64) -> Option<Rc<Principal>> {
    let (key, remembered) = MEMORY.with_borrow_mut(|memory| {
        let key = memory.key(name);
        (key, memory.at(generation).principals.find(key).map(Rc::clone))
    });
    if let Some(entry) = remembered.filter(|entry| entry.0 == *name) {
        return Some(Rc::clone(&entry.1));
    }
    let found = Rc::new(find_owner(name, snapshot)?);
    // As for tokens: what was read under a generation that has moved since may be of before the change.
    if invalidation::generation() == generation {
        let size = found.size() + name.as_bytes().len();
        let entry = Rc::new((name.clone(), Rc::clone(&found)));
        // Half for owners, so that they never crowd out all tokens.
        let most = settings::cache_size() / 2;
        MEMORY.with_borrow_mut(|memory| memory.at(generation).principals.store(key, &entry, size, most));
    }
    Some(found)
}

fn kind_of(name: &Text, snapshot: &Latest, generation: u64) -> Option<Rc<Kind>> {
    if let Some(kind) = MEMORY.with_borrow_mut(|memory| memory.at(generation).kinds.get(name).map(Rc::clone)) {
        return Some(kind);
    }
    let found = Rc::new(find_kind(name, snapshot)?);
    if invalidation::generation() == generation {
        MEMORY.with_borrow_mut(|memory| {
            let kinds = &mut memory.at(generation).kinds;
            if kinds.len() >= MOST_KINDS {
                kinds.clear();
            }
            kinds.insert(name.clone(), Rc::clone(&found));
        });
    }
    Some(found)
}
