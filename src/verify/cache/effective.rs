//! What tokens grant now, computed once for each combination of kind, chosen scopes and owner's permissions.
//!
//! A million tokens have only a few combinations. All tokens with the same one share both the set that questions are
//! checked against and the array that is returned, and so do children that narrow it to the same scopes.

use std::collections::HashMap;
use std::rc::Rc;

use crate::catalog::scope_interner;
use crate::model::kind::Kind;
use crate::model::scope::{Scope, Scopes};
use crate::pg::types::detached_datum::DetachedTexts;

/// What a token grants, and its kind.
pub struct Effective {
    kind: Rc<Kind>,
    scopes: Scopes,
    array: DetachedTexts,
}

impl Effective {
    /// Computes what such a token grants.
    pub fn of(kind: &Rc<Kind>, chosen: Option<&Scopes>, permissions: &Scopes) -> Self {
        let scopes = kind.effective_scopes(chosen, permissions);
        let array = DetachedTexts::of(scopes.iter().collect());
        Effective { kind: Rc::clone(kind), scopes, array }
    }

    /// What is left of it for a child that is narrowed to these scopes.
    pub fn narrowed(&self, to: &Scopes) -> Self {
        let scopes = to.intersect(&self.scopes);
        let array = DetachedTexts::of(scopes.iter().collect());
        Effective { kind: Rc::clone(&self.kind), scopes, array }
    }

    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    pub fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// The scopes as `text[]`.
    pub fn array(&self) -> &DetachedTexts {
        &self.array
    }

    /// Whether all of these are granted.
    pub fn grants(&self, required: &Scopes) -> bool {
        required.each().all(|scope: &Scope| self.scopes.covers(scope))
    }

    /// About how many bytes it takes, without the kind.
    pub fn size(&self) -> usize {
        /// The overhead of maps and the allocator.
        const OVERHEAD: usize = 128;
        OVERHEAD + size_of::<Self>() + self.scopes.size() + self.array.len()
    }
}

/// The combinations met so far.
#[derive(Default)]
pub struct Combinations {
    known: HashMap<Addresses, CachedCombination>,
    size: usize,
    is_full: bool,
    /// By the address of what their parents grant.
    narrowed: HashMap<usize, Narrowed>,
    narrowed_size: usize,
    is_narrowed_full: bool,
}

/// The addresses of a combination's parts. Equal parts at other addresses only cost another entry.
type Addresses = (usize, usize, usize);

/// An entry, which keeps its parts alive, and so at their addresses.
struct CachedCombination {
    effective: Rc<Effective>,
    _chosen: Option<Rc<Scopes>>,
    _permissions: Rc<Scopes>,
}

/// What is left of one combination for children, by the scopes that they are narrowed to.
struct Narrowed {
    /// Kept alive, and so at its address.
    _parents: Rc<Effective>,
    left: HashMap<Scopes, Rc<Effective>>,
}

impl Combinations {
    /// Returns what such a token grants; stores it unless all combinations would then take more than `most` bytes.
    pub fn effective(
        &mut self,
        kind: &Rc<Kind>,
        chosen: Option<&Rc<Scopes>>,
        permissions: &Rc<Scopes>,
        most: usize,
    ) -> Rc<Effective> {
        let address = |scopes: &Rc<Scopes>| Rc::as_ptr(scopes).addr();
        let addresses = (Rc::as_ptr(kind).addr(), chosen.map_or(0, address), address(permissions));
        if let Some(known) = self.known.get(&addresses) {
            return Rc::clone(&known.effective);
        }
        let effective = Rc::new(Effective::of(kind, chosen.map(Rc::as_ref), permissions));
        // Parts that nobody else held are counted here: the entry keeps them, however long their row is cached.
        let parts = chosen.map_or(0, scope_interner::own_size) + scope_interner::own_size(permissions);
        let size = self.size + size_of::<CachedCombination>() + effective.size() + parts;
        self.is_full = size > most;
        if !self.is_full {
            self.size = size;
            let known = CachedCombination {
                effective: Rc::clone(&effective),
                _chosen: chosen.map(Rc::clone),
                _permissions: Rc::clone(permissions),
            };
            self.known.insert(addresses, known);
        }
        effective
    }

    /// Returns what is left for a child that is narrowed to these scopes, of what its parent grants; stores it unless
    /// all of these would then take more than `most` bytes.
    pub fn narrowed(&mut self, parents: &Rc<Effective>, to: &Scopes, most: usize) -> Rc<Effective> {
        /// The overhead of the maps.
        const OVERHEAD: usize = 96;
        let address = Rc::as_ptr(parents).addr();
        if let Some(known) = self.narrowed.get(&address).and_then(|of| of.left.get(to)) {
            return Rc::clone(known);
        }
        let left = Rc::new(parents.narrowed(to));
        let size = self.narrowed_size + OVERHEAD + to.size() + left.size();
        self.is_narrowed_full = size > most;
        if !self.is_narrowed_full {
            self.narrowed_size = size;
            let of = self.narrowed.entry(address);
            let of = of.or_insert_with(|| Narrowed { _parents: Rc::clone(parents), left: HashMap::new() });
            of.left.insert(to.clone(), Rc::clone(&left));
        }
        left
    }

    /// How many there are, if there was no room for the one asked for last.
    pub fn full(&self) -> Option<usize> {
        self.is_full.then_some(self.known.len())
    }

    /// As [`full`](Self::full), of what is left for children.
    pub fn full_of_narrowed(&self) -> Option<usize> {
        let count = || self.narrowed.values().map(|of| of.left.len()).sum();
        self.is_narrowed_full.then(count)
    }
}
