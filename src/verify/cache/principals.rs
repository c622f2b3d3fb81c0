//! A backend's cache of principals, of which the default size has room for a hundred thousand.
//!
//! So many fit because most principals are alike: they share one value, with the permissions of a role and nothing else
//! of their own. Names are not kept either. A principal is told by 96 bits of hashes of its name under keys that this
//! process has drawn and nobody sees, so that nobody can choose two names that are taken for each other, and by chance
//! they are not in the life of any server.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::mem;
use std::rc::Rc;

use crate::catalog::principal::{self, Principal};
use crate::catalog::scope_interner;
use crate::pg::scan::invalidation;

/// A principal as it is cached.
pub struct Owner {
    pub principal: Principal,
    /// What it takes beyond its place: nothing if others share it.
    weight: usize,
}

/// A set-associative table like that of tokens, which grows and shrinks. A principal needs 24 bytes of it.
#[derive(Default)]
pub struct Principals {
    sets: Vec<Set>,
    /// The generation from which those of the sets are counted.
    since: u64,
    /// What the values take that are not shared.
    own: usize,
    hashers: Option<[RandomState; 2]>,
    alike: HashMap<Likeness, Rc<Owner>>,
    is_full: bool,
    /// The set at which eviction continues.
    hand: usize,
}

const WAYS: usize = 8;

/// What a principal is found by.
#[derive(Clone, Copy)]
struct NameHash {
    hash: u64,
    more: u32,
}

#[repr(C, align(64))]
#[derive(Default)]
struct Set {
    hashes: [u64; WAYS],
    more: [u32; WAYS],
    /// The last generation in which the row of each was not known to have changed.
    agreed: [u32; WAYS],
    values: [Option<Rc<Owner>>; WAYS],
}

/// All that verification reads of a principal that has neither data scopes nor a reason for its state, and whose
/// permissions are held for others too, so that equal ones are of one address, which the value keeps.
#[derive(PartialEq, Eq, Hash)]
struct Likeness {
    active: bool,
    dropped: bool,
    dead_before: (i32, i32),
    epoch: i32,
    permissions: usize,
}

impl Likeness {
    fn of(principal: &Principal) -> Option<Self> {
        let Principal { state, epoch, permissions, state_reason, data_scopes } = principal;
        let is_plain = state_reason.is_none() && data_scopes.is_unrestricted();
        (is_plain && scope_interner::own_size(permissions) == 0).then(|| Likeness {
            active: state.active,
            dropped: state.dropped,
            dead_before: (state.all_dead_before, state.revocable_dead_before),
            epoch: *epoch,
            permissions: Rc::as_ptr(permissions).addr(),
        })
    }
}

/// What one value takes that others share, with its entry.
const ALIKE: usize = size_of::<Likeness>() + size_of::<Owner>() + 64;

impl Owner {
    /// A principal of which nothing is shared.
    pub fn alone(principal: Principal) -> Rc<Self> {
        /// The two counts of an `Rc`, and the allocator's overhead for it.
        const OVERHEAD: usize = 16 + 16;
        let weight = size_of::<Self>() + OVERHEAD + principal.size();
        Rc::new(Owner { principal, weight })
    }
}

impl Set {
    fn way_of(&self, name: NameHash) -> Option<usize> {
        (0..WAYS)
            .find(|&way| self.hashes[way] == name.hash && self.more[way] == name.more && self.values[way].is_some())
    }

    fn free(&self) -> Option<usize> {
        self.values.iter().position(Option::is_none)
    }

    fn put(&mut self, way: usize, name: NameHash, agreed: u32, owner: Rc<Owner>) -> Option<Rc<Owner>> {
        self.hashes[way] = name.hash;
        self.more[way] = name.more;
        self.agreed[way] = agreed;
        self.values[way].replace(owner)
    }

    /// Moves all values into whichever set `choose` says, and returns what finds no place there.
    fn move_to(self, mut choose: impl FnMut(u64) -> usize, sets: &mut [Set]) -> usize {
        let mut lost = 0;
        for (way, value) in self.values.into_iter().enumerate() {
            let Some(owner) = value else { continue };
            let name = NameHash { hash: self.hashes[way], more: self.more[way] };
            let set = &mut sets[choose(name.hash)];
            match set.free() {
                Some(free) => drop(set.put(free, name, self.agreed[way], owner)),
                None => lost += owner.weight,
            }
        }
        lost
    }
}

impl Principals {
    /// The bytes that it takes.
    pub fn size(&self) -> usize {
        size_of_val(&*self.sets) + self.own + self.alike.len() * ALIKE
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Principals { hashers: self.hashers.take(), ..Principals::default() };
    }

    fn hash(&mut self, name: &[u8]) -> NameHash {
        let [first, second] = self.hashers.get_or_insert_with(|| [RandomState::new(), RandomState::new()]);
        NameHash { hash: first.hash_one(name), more: second.hash_one(name) as u32 }
    }

    /// The generation as the sets count it; `None` for one before they began, or when they can count no further.
    fn count(&self, generation: u64) -> Option<u32> {
        generation.checked_sub(self.since).and_then(|count| u32::try_from(count).ok())
    }

    /// The principal of this name, if in this generation it still agrees with its row. Otherwise it is dropped.
    pub fn find(&mut self, name: &[u8], generation: u64) -> Option<Rc<Owner>> {
        let count = self.count(generation)?;
        let hash = self.hash(name);
        let at = self.place(hash);
        let set = self.sets.get_mut(at)?;
        let way = set.way_of(hash)?;
        let agreed = self.since + u64::from(set.agreed[way]);
        if agreed != generation && invalidation::has_any_changed(&[principal::row_key(name)], agreed) {
            self.own -= set.values[way].take().map_or(0, |outdated| outdated.weight);
            return None;
        }
        set.agreed[way] = count;
        set.values[way].clone()
    }

    /// The value for a principal that was read: one that others share, unless they would then take more than
    /// `most_alike` bytes.
    pub fn value(&mut self, principal: Principal, most_alike: usize) -> Rc<Owner> {
        let Some(likeness) = Likeness::of(&principal) else {
            return Owner::alone(principal);
        };
        if let Some(known) = self.alike.get(&likeness) {
            return Rc::clone(known);
        }
        self.is_full = (self.alike.len() + 1) * ALIKE > most_alike;
        if self.is_full {
            return Owner::alone(principal);
        }
        let shared = Rc::new(Owner { principal, weight: 0 });
        self.alike.insert(likeness, Rc::clone(&shared));
        shared
    }

    /// How many values others can share there are, if there was no room for another.
    pub fn full(&self) -> Option<usize> {
        self.is_full.then_some(self.alike.len())
    }

    /// Stores a principal that was read in this generation, in at most `most` bytes; others make room for it.
    pub fn store(&mut self, name: &[u8], owner: &Rc<Owner>, generation: u64, most: usize) {
        const LARGEST_SHARE: usize = 16;
        if self.sets.is_empty() {
            self.since = generation;
            self.sets.push(Set::default());
        }
        let Some(agreed) = self.count(generation) else {
            if generation > self.since {
                self.clear();
            }
            return;
        };
        let hash = self.hash(name);
        if owner.weight > most / LARGEST_SHARE {
            return self.remove(hash);
        }
        while self.place_in(hash).is_none() && self.grow(most) {}
        // Whose turn it is to go, if none is free, is as good as random.
        let way = self.place_in(hash).unwrap_or(hash.more as usize % WAYS);
        let at = self.place(hash);
        let former = self.sets[at].put(way, hash, agreed, Rc::clone(owner));
        self.own = self.own + owner.weight - former.map_or(0, |former| former.weight);
        self.keep_within(most);
    }

    fn remove(&mut self, name: NameHash) {
        let at = self.place(name);
        if let Some(set) = self.sets.get_mut(at)
            && let Some(way) = set.way_of(name)
        {
            self.own -= set.values[way].take().map_or(0, |former| former.weight);
        }
    }

    /// The place in its set that a principal has, or could have without taking another's.
    fn place_in(&self, name: NameHash) -> Option<usize> {
        let set = &self.sets[self.place(name)];
        set.way_of(name).or_else(|| set.free())
    }

    fn place(&self, name: NameHash) -> usize {
        // The number of sets is a power of two, so this keeps the lower bits.
        name.hash as usize & self.sets.len().wrapping_sub(1)
    }

    /// Doubles the number of sets, unless that would take more than `most` bytes.
    #[cold]
    fn grow(&mut self, most: usize) -> bool {
        let former = self.sets.len();
        if self.size() + size_of_val(&*self.sets) > most {
            return false;
        }
        self.move_into(2 * former)
    }

    /// Halves the number of sets, so that something else has room. Where two sets become one, some values go.
    pub fn shrink(&mut self) {
        match self.sets.len() {
            0 | 1 => self.clear(),
            sets if self.move_into(sets / 2) => {}
            _ => self.clear(),
        }
    }

    fn move_into(&mut self, count: usize) -> bool {
        let mut sets = Vec::new();
        if sets.try_reserve_exact(count).is_err() {
            return false;
        }
        sets.resize_with(count, Set::default);
        for set in mem::take(&mut self.sets) {
            self.own -= set.move_to(|hash| hash as usize & (count - 1), &mut sets);
        }
        self.sets = sets;
        true
    }

    /// Evicts values that are not shared, of one set after the other, until all take at most so many bytes.
    fn keep_within(&mut self, most: usize) {
        while self.size() > most && self.own > 0 {
            self.hand = (self.hand + 1) % self.sets.len();
            let own = self.sets[self.hand]
                .values
                .iter_mut()
                .find(|value| value.as_ref().is_some_and(|value| value.weight > 0));
            self.own -= own.and_then(Option::take).map_or(0, |value| value.weight);
        }
        while self.size() > most && !self.sets.is_empty() {
            self.shrink();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::data_scope::DataScopes;
    use crate::model::scope::Scopes;
    use crate::model::token_state::OwnerState;

    const ROOM: usize = 4 << 20;

    fn of(permissions: &Rc<Scopes>, epoch: i32) -> Principal {
        let state = OwnerState { active: true, dropped: false, all_dead_before: epoch, revocable_dead_before: epoch };
        let data_scopes = DataScopes::unrestricted();
        Principal { state, epoch, permissions: Rc::clone(permissions), state_reason: None, data_scopes }
    }

    fn name(number: u64) -> String {
        format!("user:{number}")
    }

    fn put(cache: &mut Principals, number: u64, principal: Principal, most: usize) {
        let owner = cache.value(principal, most / 32);
        cache.store(name(number).as_bytes(), &owner, 0, most);
    }

    fn epoch(cache: &mut Principals, number: u64) -> Option<i32> {
        cache.find(name(number).as_bytes(), 0).map(|owner| owner.principal.epoch)
    }

    #[test]
    fn a_hundred_thousand_that_are_alike_fit_beside_tokens() {
        let (mut cache, permissions) = (Principals::default(), Rc::new(Scopes::nothing()));
        for number in 0..100_000 {
            put(&mut cache, number, of(&permissions, i32::try_from(number % 3).unwrap()), ROOM / 8 * 7);
        }
        let found = (0..100_000)
            .filter(|&number| epoch(&mut cache, number) == Some(i32::try_from(number % 3).unwrap()))
            .count();
        assert!(found > 94_000, "{found}");
        assert!(cache.size() < ROOM / 8 * 7);
    }

    #[test]
    fn those_that_are_alike_share_a_value_and_those_with_something_of_their_own_do_not() {
        let (mut cache, permissions) = (Principals::default(), Rc::new(Scopes::nothing()));
        let one = cache.value(of(&permissions, 0), ROOM);
        assert!(Rc::ptr_eq(&one, &cache.value(of(&permissions, 0), ROOM)));
        assert!(!Rc::ptr_eq(&one, &cache.value(of(&permissions, 1), ROOM)));
        assert!(!Rc::ptr_eq(&one, &cache.value(of(&Rc::new(Scopes::nothing()), 0), ROOM)));
        // A list that was parsed for it alone, since there was no room to keep it for others.
        let parsed = Principal { permissions: Rc::new(Scopes::everything()), ..of(&permissions, 0) };
        let list = parsed.permissions.size();
        let alone = cache.value(parsed, ROOM);
        assert!(list > 0 && alone.weight > list && cache.alike.len() == 3);
        let limited = || Principal { data_scopes: DataScopes::nothing(), ..of(&permissions, 0) };
        assert!(!Rc::ptr_eq(&cache.value(limited(), ROOM), &cache.value(limited(), ROOM)));
        assert!(cache.value(limited(), ROOM).weight > 0 && one.weight == 0);
    }

    #[test]
    fn one_whose_row_has_changed_is_not_found_and_others_are() {
        let (mut cache, permissions) = (Principals::default(), Rc::new(Scopes::nothing()));
        put(&mut cache, 1, of(&permissions, 0), ROOM);
        put(&mut cache, 2, of(&permissions, 0), ROOM);
        let generation = invalidation::told(principal::row_key(name(1).as_bytes()));
        assert!(cache.find(name(1).as_bytes(), generation).is_none());
        assert!(cache.find(name(2).as_bytes(), generation).is_some());
        let owner = cache.value(of(&permissions, 1), ROOM);
        cache.store(name(1).as_bytes(), &owner, generation, ROOM);
        assert!(cache.find(name(1).as_bytes(), generation).is_some_and(|owner| owner.principal.epoch == 1));
    }

    #[test]
    fn nothing_is_stored_as_of_a_generation_before_the_table_began() {
        let (mut cache, permissions) = (Principals::default(), Rc::new(Scopes::nothing()));
        let owner = cache.value(of(&permissions, 0), ROOM);
        cache.store(b"user:1", &owner, 7, ROOM);
        cache.store(b"user:2", &owner, 6, ROOM);
        assert!(cache.find(b"user:1", 7).is_some() && cache.find(b"user:2", 7).is_none());
        // One that it can count no further than makes it begin anew.
        cache.store(b"user:3", &owner, 7 + (1 << 32), ROOM);
        assert!(cache.find(b"user:1", 7 + (1 << 32)).is_none());
    }

    proptest! {
        #[test]
        fn whatever_is_found_is_what_was_stored_last_and_size_is_never_more_than_allowed(
            stores in prop::collection::vec((0_u64..2_000, 0_i32..4, 0_usize..200), 1..600),
            most in 1_000_usize..40_000,
        ) {
            let (mut cache, permissions) = (Principals::default(), Rc::new(Scopes::nothing()));
            let mut stored = HashMap::new();
            for (number, epoch, reason) in stores {
                let state_reason = (reason > 100).then(|| vec![b'x'; reason].into());
                put(&mut cache, number, Principal { state_reason, ..of(&permissions, epoch) }, most);
                stored.insert(number, epoch);
                prop_assert!(cache.size() <= most);
            }
            let own: usize = cache.sets.iter().flat_map(|set| &set.values).flatten().map(|owner| owner.weight).sum();
            prop_assert_eq!(cache.own, own);
            for number in 0..2_000 {
                if let Some(found) = epoch(&mut cache, number) {
                    prop_assert_eq!(Some(&found), stored.get(&number));
                }
            }
        }
    }
}
