//! Finds all that is known of a token by its digest, and caches it where that is safe.
//!
//! The order matters: each step prevents a failure that was seen without it. First, the invalidation messages of other
//! sessions are accepted, so that whatever was committed before this call has told which entries are out of date. Then
//! the generation is read, and one snapshot serves all reads. Then messages are accepted again: if the generation has
//! moved, the rows read may be older than the change, and everything is read again. What was read is cached only if the
//! generation has not moved, and never in a transaction that has written itself, since that sees rows that a rollback
//! would take back.

pub mod derived;
pub mod effective;
mod imports;
mod principals;
pub mod set_associative;
mod sources;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::Question;
use super::accepted::{Accepted, Peppering};
use super::answer::Outcome;
use super::resolved::{Resolved, TokenRow};
use crate::catalog::import::Imports;
use crate::catalog::principal;
use crate::catalog::scope_interner;
use crate::catalog::{kind, token};
use crate::error::{Error, KeyError};
use crate::keys::{self, NamedKey};
use crate::model::kind::Kind;
use crate::model::verdict::Verdict;
use crate::pg::process::backend_local::backend_local;
use crate::pg::scan::invalidation;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::types::text::Text;
use crate::settings;
use crate::token::{Digest, ImportKey, Lookup};
use crate::usage;
use effective::{Combinations, Effective};
pub use imports::{import_key, imports};
pub use principals::Owner;
use principals::Principals;
use set_associative::{SetAssociative, Weigh};
use sources::Sources;

/// All that this backend caches, for one `tokenauth.cache_size`.
struct Cache {
    /// The generation in which everything was dropped last.
    since: u64,
    cache_size: usize,
    /// By lookup, children by their signature; a token comes from its own row, its owner's and its kind's, and a child
    /// from those of its parent.
    tokens: SetAssociative<Accepted, 3>,
    principals: Principals,
    combinations: Combinations,
    kinds: HashMap<Text, (Sources<1>, Rc<Kind>)>,
    /// The peppers that were needed; their check values were compared.
    peppers: Vec<Rc<Peppering>>,
    imports: Option<Imports>,
    /// The keys of older systems that were needed, likewise.
    import_keys: Vec<Rc<NamedKey<ImportKey>>>,
    /// Whether any child was revoked by itself.
    derived_deaths: Option<(Sources<1>, bool)>,
}

/// How many bytes of `tokenauth.cache_size` each part may take.
mod share {
    use crate::catalog::scope_interner;
    use crate::settings;

    /// Combinations; the lists that they are made of may take as much again, and so may what principals share.
    pub fn combinations() -> usize {
        settings::cache_size() / scope_interner::SHARE
    }

    /// What children leave of combinations.
    pub fn narrowed() -> usize {
        combinations() / 2
    }

    /// Tokens and principals together.
    pub fn rows() -> usize {
        settings::cache_size() - 2 * combinations() - narrowed()
    }

    /// Tokens: principals make room for those that come again, since a cached token needs no principal.
    pub fn tokens() -> usize {
        settings::cache_size() / 8 * 7
    }

    /// Principals, while tokens do not need it: where each token comes once, its owner may come again.
    pub fn principals() -> usize {
        settings::cache_size() / 8 * 7
    }
}

/// How many kinds are cached. Usually there are few; beyond this, all are dropped at once.
const MOST_KINDS: usize = 256;

backend_local! {
    static CACHE: RefCell<Cache> = RefCell::new(Cache {
        since: 0,
        cache_size: 0,
        tokens: SetAssociative::new(),
        principals: Principals::default(),
        combinations: Combinations::default(),
        kinds: HashMap::new(),
        peppers: Vec::new(),
        imports: None,
        import_keys: Vec::new(),
        derived_deaths: None,
    });
}

impl Cache {
    /// Drops everything if all of it may be out of date, or was sized for another `tokenauth.cache_size`.
    fn fresh(&mut self) -> &mut Self {
        if self.since < invalidation::all_changed() || self.cache_size != settings::cache_size() {
            self.clear();
        }
        self
    }

    fn clear(&mut self) {
        self.since = invalidation::last_generation();
        self.cache_size = settings::cache_size();
        self.tokens.clear();
        self.principals.clear();
        self.combinations = Combinations::default();
        self.kinds.clear();
        self.peppers.clear();
        self.imports = None;
        self.import_keys.clear();
        self.derived_deaths = None;
        scope_interner::clear();
    }

    /// Whether combinations and their lists have no room, and there have been as many changes as there are of them:
    /// what has changed since leaves combinations behind that are never asked for again.
    fn is_obstructed(&self) -> bool {
        let changes = invalidation::last_generation() - self.since;
        changes > 0
            && [
                self.combinations.full(),
                self.combinations.full_of_narrowed(),
                scope_interner::full(),
                self.principals.full(),
            ]
            .into_iter()
            .flatten()
            .any(|full| full as u64 <= changes)
    }

    /// Stores an accepted token if it is worth it, and returns whether it does.
    fn keep(&mut self, key: u64, lookup: Lookup, accepted: &Rc<Accepted>, generation: u64) -> bool {
        let weight = accepted.weight();
        if accepted.digest.is_none() || !self.tokens.wants(key, weight, share::tokens()) {
            return false;
        }
        let is_in_the_way = self.tokens.size() + self.principals.size() + weight > share::rows();
        if is_in_the_way && self.tokens.size() + weight <= share::tokens() && self.tokens.needs_room() {
            self.principals.shrink();
        }
        let most = share::tokens().min(share::rows().saturating_sub(self.principals.size()));
        let rows = [
            token::row_key(lookup.to_bigint()),
            principal::row_key(&accepted.owner),
            kind::row_key(accepted.effective.kind().name.as_bytes()),
        ];
        self.tokens.store(key, accepted, Sources::new(rows, generation), most)
    }
}

/// What the cache has, or else what is read now. That is put into the cache unless the generation has moved meanwhile:
/// what was read may then be older than the change.
fn cached<T, E>(
    generation: u64,
    get: impl FnOnce(&mut Cache) -> Option<T>,
    read: impl FnOnce() -> Result<T, E>,
    put: impl FnOnce(&mut Cache, &T),
) -> Result<T, E> {
    if let Some(known) = CACHE.with_borrow_mut(|cache| get(cache.fresh())) {
        return Ok(known);
    }
    let found = read()?;
    if invalidation::generation() == generation {
        CACHE.with_borrow_mut(|cache| put(cache.fresh(), &found));
    }
    Ok(found)
}

/// Answers a question about the token with this lookup and digest; `None` if there is none. Digests are compared in
/// constant time.
pub fn ask(lookup: Lookup, digest: &Digest, question: &Question) -> Result<Option<Outcome>, Error> {
    let Some(generation) = generation() else {
        let (resolved, _) = settled(invalidation::generation(), |snapshot, _| read(lookup, digest, snapshot, None));
        return Ok(resolved?.map(|resolved| resolved.judge(question, effective_alone)));
    };
    let key = lookup.to_bits();
    if let Some(known) = known(key, generation) {
        known.prefetch();
        if let Some(outcome) = recalled::<false>(known, digest, question) {
            return Ok(Some(outcome));
        }
    }
    let (resolved, generation) =
        settled(generation, |snapshot, generation| read(lookup, digest, snapshot, Some(generation)));
    Ok(resolved?.map(|resolved| judged(resolved, key, lookup, question, generation)))
}

/// What is cached under this key.
#[inline]
fn known(key: u64, generation: u64) -> Option<Rc<Accepted>> {
    CACHE.with_borrow_mut(|cache| cache.fresh().tokens.find(key, generation).map(Rc::clone))
}

/// The outcome for a cached token, or for a child of one; `None` if the rows must tell what is wrong.
#[inline]
fn recalled<const CHILD: bool>(known: Rc<Accepted>, digest: &Digest, question: &Question) -> Option<Outcome> {
    if !question.is_answered_by(&known) {
        return None;
    }
    let now = question.moment();
    if !known.is_still::<CHILD>(digest, question, now) || !known.is_admitted(now) {
        return None;
    }
    usage::count(known.id, Verdict::Valid, known.rotated, question.client.known(), now);
    Some(Outcome::Accepted(known, None))
}

/// Judges what was read in this generation, and caches it under this key if it is accepted and worth it.
fn judged(resolved: Resolved, key: u64, lookup: Lookup, question: &Question, generation: u64) -> Outcome {
    let mut outcome = resolved.judge(question, effective);
    if let Outcome::Accepted(accepted, Some(shown)) = &mut outcome
        // An introspection would put what it has read in the place of what answers verifications.
        && (question.fills_caches() || known(key, generation).is_none())
        && invalidation::last_generation() == generation
    {
        shown.is_kept = CACHE.with_borrow_mut(|cache| cache.fresh().keep(key, lookup, accepted, generation));
    }
    outcome
}

/// What a token grants, or a child of it.
fn effective_alone(Resolved { token, owner, kind, .. }: &Resolved) -> Rc<Effective> {
    let effective = Effective::of(kind, token.scopes.as_deref(), &owner.principal.permissions);
    Rc::new(match token.own_scopes() {
        Some(own) => effective.narrowed(own),
        None => effective,
    })
}

/// The same, shared with others.
fn effective(resolved: &Resolved) -> Rc<Effective> {
    let Resolved { token, owner, kind, .. } = resolved;
    CACHE.with_borrow_mut(|cache| {
        let cache = cache.fresh();
        if cache.is_obstructed() {
            cache.clear();
        }
        let (chosen, permissions) = (token.scopes.as_ref(), &owner.principal.permissions);
        let effective = cache.combinations.effective(kind, chosen, permissions, share::combinations());
        match token.own_scopes() {
            Some(own) => cache.combinations.narrowed(&effective, own, share::narrowed()),
            None => effective,
        }
    })
}

/// The current generation; `None` if nothing may be cached.
fn generation() -> Option<u64> {
    if settings::cache_size() == 0 {
        // Also drops what was cached before the setting was changed to 0.
        CACHE.with_borrow_mut(|cache| {
            cache.fresh();
        });
        return None;
    }
    if !invalidation::may_use_caches() {
        return None;
    }
    Some(invalidation::generation())
}

/// Reads until the generation has not moved meanwhile, and returns what was read with its generation.
///
/// This is needed even if nothing is cached: a table that was rewritten after the snapshot, as by ALTER TABLE,
/// looks empty to it.
///
/// If the generation keeps moving, returns what was read last, by a snapshot taken after the call began, with a past
/// generation, so that it is not cached.
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

/// Reads token, owner and kind as the snapshot shows them; owner and kind from the cache if it has them.
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
    usage::prefetch(token.id, false);
    let (owner, kind) = match generation {
        None => (find_owner(&token.owner, snapshot), find_kind(&token.kind, snapshot).map(Rc::new)),
        Some(generation) => (owner(&token.owner, snapshot, generation), kind_of(&token.kind, snapshot, generation)),
    };
    // We never remove either of them. If one were missing, the token would be refused as unknown.
    Ok(owner.zip(kind).map(|(owner, kind)| Resolved::new(token, owner, kind)))
}

fn pepper(id: &[u8], snapshot: &LatestSnapshot, generation: u64) -> Result<Rc<Peppering>, KeyError> {
    cached(
        generation,
        |cache| cache.peppers.iter().find(|pepper| pepper.id.as_bytes() == id).map(Rc::clone),
        || keys::named(id, snapshot),
        |cache, pepper| cache.peppers.push(Rc::clone(pepper)),
    )
}

fn find_owner(name: &Text, snapshot: &LatestSnapshot) -> Option<Rc<Owner>> {
    principal::find(name.as_bytes(), snapshot).map(Owner::alone)
}

fn find_kind(name: &Text, snapshot: &LatestSnapshot) -> Option<Kind> {
    kind::find(name.as_bytes(), snapshot)
}

fn owner(name: &Text, snapshot: &LatestSnapshot, generation: u64) -> Option<Rc<Owner>> {
    if let Some(known) = CACHE.with_borrow_mut(|cache| cache.fresh().principals.find(name.as_bytes(), generation)) {
        return Some(known);
    }
    let found = principal::find(name.as_bytes(), snapshot)?;
    if invalidation::generation() != generation {
        return Some(Owner::alone(found));
    }
    Some(CACHE.with_borrow_mut(|cache| {
        let cache = cache.fresh();
        let owner = cache.principals.value(found, share::combinations());
        let most = share::principals().min(share::rows().saturating_sub(cache.tokens.size()));
        cache.principals.store(name.as_bytes(), &owner, generation, most);
        owner
    }))
}

fn kind_of(name: &Text, snapshot: &LatestSnapshot, generation: u64) -> Option<Rc<Kind>> {
    cached(
        generation,
        |cache| {
            let (sources, kind) = cache.kinds.get(name)?;
            sources.are_unchanged(generation).then(|| Rc::clone(kind))
        },
        || find_kind(name, snapshot).map(Rc::new).ok_or(()),
        |cache, kind| {
            if cache.kinds.len() >= MOST_KINDS {
                cache.kinds.clear();
            }
            let sources = Sources::new([kind::row_key(name.as_bytes())], generation);
            cache.kinds.insert(name.clone(), (sources, Rc::clone(kind)));
        },
    )
    .ok()
}
