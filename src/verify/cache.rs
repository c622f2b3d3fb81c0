//! Finds all that is known of a token by its digest, and remembers it where that is safe.
//!
//! The order matters: each step prevents a failure that was seen without it. First, the invalidation messages of other
//! sessions are accepted, so that whatever was committed before this call has dropped its entries. Then the generation
//! is read, and one snapshot serves all reads. Then messages are accepted again: if the generation has moved, the rows
//! read may be older than the change, and everything is read again. What was read is remembered only if the generation
//! has not moved, and never in a transaction that has written itself, since that sees rows that a rollback would take
//! back.

pub mod effective;
pub mod set_associative;

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

use super::Question;
use super::accepted::{Accepted, Peppering};
use super::answer::Outcome;
use super::resolved::{Resolved, TokenRow};
use crate::catalog::import::Imports;
use crate::catalog::kind;
use crate::catalog::principal::{self, Principal};
use crate::catalog::scope_interner;
use crate::error::{Error, KeyError};
use crate::keys;
use crate::model::kind::Kind;
use crate::model::verdict::Verdict;
use crate::pg::scan::invalidation;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::text::Text;
use crate::settings;
use crate::token::{Digest, Lookup};
use crate::usage;
use effective::{Combinations, Effective};
use set_associative::{SetAssociative, Weigh};

/// All that this backend remembers, of one generation and for one `tokenauth.cache_size`.
struct Memory {
    generation: u64,
    cache_size: usize,
    tokens: SetAssociative<Accepted>,
    principals: SetAssociative<Owner>,
    combinations: Combinations,
    kinds: HashMap<Text, Rc<Kind>>,
    /// The peppers that were needed; their check values were compared.
    peppers: Vec<Rc<Peppering>>,
    imports: Option<Imports>,
    hasher: Option<RandomState>,
}

/// How many bytes of `tokenauth.cache_size` each part may take.
mod share {
    use crate::catalog::scope_interner;
    use crate::settings;

    /// Combinations; the lists that they are made of may take as much again.
    pub fn combinations() -> usize {
        settings::cache_size() / scope_interner::SHARE
    }

    /// Tokens and principals together.
    pub fn rows() -> usize {
        settings::cache_size() - 2 * combinations()
    }

    /// Tokens: principals make room for them, since a remembered token needs no principal.
    pub fn tokens() -> usize {
        settings::cache_size() / 8 * 7
    }

    /// The room that principals make at a time, so that they need not for each token.
    pub fn room() -> usize {
        settings::cache_size() / 64
    }

    /// Principals, while tokens do not need it: where each token comes once, its owner may come again.
    pub fn principals() -> usize {
        settings::cache_size() / 2
    }
}

/// A principal with its name, by whose hash it is remembered.
pub struct Owner {
    name: Text,
    /// The principal.
    pub principal: Principal,
    /// Computed when it was read: later, others may share its permissions.
    weight: usize,
}

impl Owner {
    fn new(name: Text, principal: Principal) -> Self {
        /// The two counts of an `Rc`, and the allocator's overhead for it and the name.
        const OVERHEAD: usize = 16 + 2 * 16;
        let weight = size_of::<Self>() + OVERHEAD + name.as_bytes().len() + principal.size();
        Owner { name, principal, weight }
    }
}

impl Weigh for Owner {
    const USUAL: usize = 192;

    fn weight(&self) -> usize {
        self.weight
    }
}

/// How many kinds are remembered. Usually there are few; beyond this, all are forgotten at once.
const MOST_KINDS: usize = 256;

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::new(Memory {
        generation: 0,
        cache_size: 0,
        tokens: SetAssociative::new(),
        principals: SetAssociative::new(),
        combinations: Combinations::default(),
        kinds: HashMap::new(),
        peppers: Vec::new(),
        imports: None,
        hasher: None,
    });
}

impl Memory {
    /// Forgets everything if it is of another generation or was sized for another `tokenauth.cache_size`.
    fn at(&mut self, generation: u64) -> &mut Self {
        let cache_size = settings::cache_size();
        if self.generation != generation || self.cache_size != cache_size {
            self.generation = generation;
            self.cache_size = cache_size;
            self.tokens.clear();
            self.principals.clear();
            self.combinations = Combinations::default();
            self.kinds.clear();
            self.peppers.clear();
            self.imports = None;
            scope_interner::clear();
        }
        self
    }

    fn key(&mut self, name: &Text) -> u64 {
        self.hasher.get_or_insert_with(RandomState::new).hash_one(name)
    }

    /// Remembers an accepted token if it has come before, and returns whether it does.
    fn keep(&mut self, key: u64, accepted: &Rc<Accepted>) -> bool {
        if accepted.digest.is_none() || !self.tokens.wants(key, share::tokens()) {
            return false;
        }
        if self.tokens.size() + accepted.weight() <= share::tokens() {
            let both = self.tokens.size() + self.principals.size() + accepted.weight();
            if both > share::rows() {
                self.principals.let_go(share::room());
            }
        }
        let most = share::tokens().min(share::rows().saturating_sub(self.principals.size()));
        self.tokens.store(key, accepted, most)
    }
}

/// Answers a question about the token with this lookup and digest; `None` if there is none. Digests are compared in
/// constant time.
pub fn ask(lookup: Lookup, digest: &Digest, question: &Question) -> Result<Option<Outcome>, Error> {
    let key = lookup.to_bigint().cast_unsigned();
    let Some(generation) = generation() else {
        let (resolved, _) = settled(invalidation::generation(), |snapshot, _| read(lookup, digest, snapshot, None));
        return Ok(resolved?.map(|resolved| {
            resolved.judge(question, |Resolved { token, owner, kind }| {
                Rc::new(Effective::of(kind, token.scopes.as_deref(), &owner.principal.permissions))
            })
        }));
    };
    let known = MEMORY.with_borrow_mut(|memory| memory.at(generation).tokens.find(key).map(Rc::clone));
    if let Some(known) = known.filter(|known| question.is_answered_by(known)) {
        let now = Timestamp::now();
        // Otherwise the rows must tell what is wrong.
        if known.is_still(digest, question, now) && known.is_admitted(now) {
            usage::count(known.id, Verdict::Valid, known.rotated, question.client.known(), now);
            return Ok(Some(Outcome::Accepted(known, None)));
        }
    }
    let (resolved, generation) =
        settled(generation, |snapshot, generation| read(lookup, digest, snapshot, Some(generation)));
    let outcome = resolved?.map(|resolved| resolved.judge(question, |token| effective(token, generation)));
    Ok(outcome.map(|mut outcome| {
        if let Outcome::Accepted(accepted, Some(shown)) = &mut outcome {
            shown.is_kept = MEMORY.with_borrow_mut(|memory| memory.at(generation).keep(key, accepted));
        }
        outcome
    }))
}

fn effective(resolved: &Resolved, generation: u64) -> Rc<Effective> {
    let Resolved { token, owner, kind } = resolved;
    MEMORY.with_borrow_mut(|memory| {
        let combinations = &mut memory.at(generation).combinations;
        combinations.effective(kind, token.scopes.as_ref(), &owner.principal.permissions, share::combinations())
    })
}

/// Which algorithms imported tokens have.
pub fn imports() -> Imports {
    let Some(generation) = generation() else {
        return settled(invalidation::generation(), |snapshot, _| Imports::read(snapshot)).0;
    };
    if let Some(imports) = MEMORY.with_borrow_mut(|memory| memory.at(generation).imports) {
        return imports;
    }
    let (imports, generation) = settled(generation, |snapshot, _| Imports::read(snapshot));
    MEMORY.with_borrow_mut(|memory| memory.at(generation).imports = Some(imports));
    imports
}

/// The current generation; `None` if nothing may be remembered.
fn generation() -> Option<u64> {
    if settings::cache_size() == 0 {
        // Also forgets what was remembered before the setting was changed to 0.
        MEMORY.with_borrow_mut(|memory| {
            memory.at(memory.generation);
        });
        return None;
    }
    if !invalidation::may_remember() {
        return None;
    }
    Some(invalidation::generation())
}

/// Reads until the generation has not moved meanwhile, and returns what was read with its generation.
///
/// This is needed even if nothing is remembered: a table that was rewritten after the snapshot, as by ALTER TABLE,
/// looks empty to it.
///
/// If the generation keeps moving, returns what was read last, by a snapshot taken after the call began. Whatever is
/// then remembered is of a past generation, and forgotten by the next call.
fn settled<T>(mut generation: u64, read: impl Fn(&LatestSnapshot, u64) -> T) -> (T, u64) {
    const MOST_ROUNDS: usize = 16;
    let mut rounds = 0;
    loop {
        let found = read(&LatestSnapshot::take(), generation);
        let now = invalidation::generation();
        rounds += 1;
        if now == generation || rounds == MOST_ROUNDS {
            return (found, generation);
        }
        generation = now;
    }
}

/// Reads token, owner and kind as the snapshot shows them; owner and kind from memory if it has them.
///
/// # Errors
/// 55000 when the token's pepper is missing, or the key file has another key under its id.
fn read(
    lookup: Lookup,
    digest: &Digest,
    snapshot: &LatestSnapshot,
    generation: Option<u64>,
) -> Result<Option<Resolved>, KeyError> {
    let pepper = |id: &[u8]| match generation {
        None => keys::named(id, snapshot),
        Some(generation) => pepper(id, snapshot, generation),
    };
    let Some(token) = TokenRow::find(lookup, digest, snapshot, pepper)? else {
        return Ok(None);
    };
    let (owner, kind) = match generation {
        None => (find_owner(&token.owner, snapshot), find_kind(&token.kind, snapshot).map(Rc::new)),
        Some(generation) => (owner(&token.owner, snapshot, generation), kind_of(&token.kind, snapshot, generation)),
    };
    // We never remove either of them. If one were missing, the token would be refused as unknown.
    Ok(owner.zip(kind).map(|(owner, kind)| Resolved { token, owner, kind }))
}

fn pepper(id: &[u8], snapshot: &LatestSnapshot, generation: u64) -> Result<Rc<Peppering>, KeyError> {
    let remembered = MEMORY.with_borrow_mut(|memory| {
        let mut peppers = memory.at(generation).peppers.iter();
        peppers.find(|pepper| pepper.id.as_bytes() == id).map(Rc::clone)
    });
    if let Some(pepper) = remembered {
        return Ok(pepper);
    }
    let found = keys::named(id, snapshot)?;
    if invalidation::generation() == generation {
        MEMORY.with_borrow_mut(|memory| memory.at(generation).peppers.push(Rc::clone(&found)));
    }
    Ok(found)
}

fn find_owner(name: &Text, snapshot: &LatestSnapshot) -> Option<Rc<Owner>> {
    principal::find(name.as_bytes(), snapshot).map(|principal| Rc::new(Owner::new(name.clone(), principal)))
}

fn find_kind(name: &Text, snapshot: &LatestSnapshot) -> Option<Kind> {
    kind::find(name.as_bytes(), snapshot)
}

fn owner(name: &Text, snapshot: &LatestSnapshot, generation: u64) -> Option<Rc<Owner>> {
    let (key, remembered) = MEMORY.with_borrow_mut(|memory| {
        let key = memory.key(name);
        (key, memory.at(generation).principals.find(key).map(Rc::clone))
    });
    if let Some(owner) = remembered.filter(|owner| owner.name == *name) {
        return Some(owner);
    }
    let found = find_owner(name, snapshot)?;
    // As for tokens: if the generation has moved, what was read may be older than the change.
    if invalidation::generation() == generation {
        MEMORY.with_borrow_mut(|memory| {
            let memory = memory.at(generation);
            let most = share::principals().min(share::rows().saturating_sub(memory.tokens.size()));
            // If there is room, the first use is enough: after any change all principals are read again.
            if memory.principals.wants(key, most) || memory.principals.has_room(key, found.weight(), most) {
                memory.principals.store(key, &found, most);
            }
        });
    }
    Some(found)
}

fn kind_of(name: &Text, snapshot: &LatestSnapshot, generation: u64) -> Option<Rc<Kind>> {
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
