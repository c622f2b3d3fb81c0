//! Sets of scope patterns in the one form that is stored, compared and returned.
//!
//! Duplicates and patterns covered by another are dropped, the rest is kept in byte order. Two sets are equal exactly
//! when they grant the same: a pattern that several patterns cover together is always covered by one of them alone, so
//! dropping the covered ones leaves exactly one form for each meaning.

use std::{collections::HashSet, error, fmt};

use super::{Scope, ScopeError};

/// A normalised set of scope patterns.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scopes(Box<[Scope]>);

impl Scopes {
    /// The most elements a list of scopes may have when it is read.
    pub const MAX: usize = 256;

    /// Parses a list of patterns, in any order and with repetitions.
    ///
    /// # Errors
    /// [`ScopesError::TooMany`] for more than [`Self::MAX`] elements, counting repetitions, and
    /// [`ScopesError::Malformed`] for the first element that is not a scope. Parsing stops at the first fault.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, ScopesError> {
        let mut patterns = Vec::new();
        for (index, text) in (1..).zip(texts) {
            if index > Self::MAX {
                return Err(ScopesError::TooMany);
            }
            let pattern = Scope::parse(text).map_err(|error| ScopesError::Malformed { index, error })?;
            patterns.push(pattern);
        }
        Ok(Self::normalise(patterns))
    }

    /// The set that grants every scope: `{*}`.
    pub fn everything() -> Self {
        Self(Box::new([Scope::everything()]))
    }

    /// The set that grants no scope: `{}`.
    pub fn nothing() -> Self {
        Self(Box::default())
    }

    /// Whether the set grants no scope.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of patterns. An intersection can have more than [`Self::MAX`].
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The approximate number of bytes that the set takes in memory.
    pub fn size(&self) -> usize {
        /// What an allocator adds to each allocation.
        const OVERHEAD: usize = 16;
        OVERHEAD + self.0.iter().map(|scope| size_of::<Scope>() + OVERHEAD + scope.as_str().len()).sum::<usize>()
    }

    /// Whether the set grants every scope that the pattern stands for. Does not allocate: verification calls this.
    pub fn covers(&self, pattern: &Scope) -> bool {
        self.0.iter().any(|granted| granted.covers(pattern))
    }

    /// Whether `other` grants everything that this set grants. The empty set is within every set.
    pub fn within(&self, other: &Self) -> bool {
        self.missing_from(other).next().is_none()
    }

    /// The patterns of this set that `granted` does not cover entirely, in byte order.
    pub fn missing_from(&self, granted: &Self) -> impl Iterator<Item = &Scope> {
        self.0.iter().filter(|&required| !granted.covers(required))
    }

    /// The set of the scopes that both sets grant.
    pub fn intersect(&self, other: &Self) -> Self {
        // A token's scopes usually lie within what its owner holds: then there is nothing to build.
        if self.within(other) {
            return self.clone();
        }
        if other.within(self) {
            return other.clone();
        }
        let common = self.0.iter().flat_map(|ours| other.0.iter().filter_map(|theirs| ours.intersect(theirs)));
        Self::normalise(common.collect())
    }

    /// The set of the scopes that either set grants.
    pub fn union(&self, other: &Self) -> Self {
        Self::normalise(self.0.iter().chain(&other.0).cloned().collect())
    }

    /// The patterns, in byte order.
    pub fn each(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }

    /// The patterns as text, in byte order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(Scope::as_str)
    }

    fn normalise(mut patterns: Vec<Scope>) -> Self {
        patterns.sort_unstable();
        patterns.dedup();
        // Look up the few patterns that could cover each one instead of comparing all pairs: an intersection of two
        // sets of 256 has up to 65,536 elements, for which comparing pairs would take some 40 s instead of 30 ms.
        let known: HashSet<&str> = patterns.iter().map(Scope::as_str).collect();
        let kept = patterns.iter().filter(|pattern| !pattern.has_wider(|wider| known.contains(wider)));
        Self(kept.cloned().collect())
    }
}

/// Why a list of texts is not a set of scopes. Names the element by its position and never repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScopesError {
    /// More than [`Scopes::MAX`] elements.
    TooMany,
    /// An element is not a scope.
    Malformed {
        /// The position of the element in the list, counted from 1.
        index: usize,
        /// What is wrong with it.
        error: ScopeError,
    },
}

impl fmt::Display for ScopesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => write!(f, "a list of scopes has at most {} elements", Scopes::MAX),
            Self::Malformed { index, error } => write!(f, "element {index} is malformed: {error}"),
        }
    }
}

impl error::Error for ScopesError {}

#[cfg(test)]
mod tests {
    use super::super::universe;
    use super::*;
    use proptest::{collection::vec, prelude::*, sample::select};

    fn scopes(texts: &[&str]) -> Scopes {
        Scopes::parse(texts.iter().map(|text| text.as_bytes())).unwrap()
    }

    fn texts(scopes: &Scopes) -> Vec<&str> {
        scopes.iter().collect()
    }

    #[test]
    fn duplicates_and_covered_patterns_are_dropped_and_the_rest_is_in_byte_order() {
        let set = scopes(&["sites:read", "Devices", "devices:*", "devices:read", "sites:read", "devices:*:x"]);
        assert_eq!(texts(&set), ["Devices", "devices:*", "sites:read"]);
        assert_eq!(scopes(&["a", "*", "a:b"]), Scopes::everything());
    }

    #[test]
    fn an_error_names_the_place_and_never_the_value() {
        let error = Scopes::parse([&b"devices:read"[..], b"hunter2!"]).unwrap_err();
        assert_eq!(error, ScopesError::Malformed { index: 2, error: ScopeError::ForbiddenCharacter });
        assert!(error.to_string().starts_with("element 2 is malformed: "));
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn a_list_of_more_than_256_is_refused_however_much_of_it_is_repeated_and_not_read_to_its_end() {
        assert!(Scopes::parse([&b"a"[..]; 256]).is_ok());
        assert_eq!(Scopes::parse(std::iter::repeat(&b"a"[..])), Err(ScopesError::TooMany));
    }

    #[test]
    fn nothing_is_within_every_set_and_covers_none() {
        assert!(Scopes::nothing().is_empty());
        assert!(Scopes::nothing().within(&Scopes::nothing()));
        assert!(!Scopes::nothing().covers(&Scope::everything()));
        assert!(!scopes(&["a"]).within(&Scopes::nothing()));
    }

    #[test]
    fn what_is_required_and_not_granted_is_named() {
        let required = scopes(&["devices:read", "devices:write", "sites:*"]);
        let missing: Vec<_> = required.missing_from(&scopes(&["*:read"])).map(Scope::as_str).collect();
        assert_eq!(missing, ["devices:write", "sites:*"]);
    }

    #[test]
    fn the_largest_intersection_is_exact() {
        let rows: Vec<String> = (0..256).map(|number| format!("row{number}:*")).collect();
        let columns: Vec<String> = (0..256).map(|number| format!("*:column{number}")).collect();
        let [rows, columns] = [rows, columns].map(|texts| Scopes::parse(texts.iter().map(|t| t.as_bytes())).unwrap());
        assert_eq!(rows.intersect(&columns).len(), 65_536);
    }

    fn meaning(scopes: &Scopes) -> u128 {
        scopes.0.iter().fold(0, |bits, pattern| bits | universe::meaning(pattern))
    }

    fn any_patterns() -> impl Strategy<Value = Vec<Scope>> {
        vec(select(universe::patterns().collect::<Vec<_>>()), 0..8)
    }

    fn any_scopes() -> impl Strategy<Value = Scopes> {
        any_patterns().prop_map(Scopes::normalise)
    }

    proptest! {
        #[test]
        fn normalising_keeps_the_meaning(patterns in any_patterns()) {
            let given = patterns.iter().fold(0, |bits, pattern| bits | universe::meaning(pattern));
            prop_assert_eq!(meaning(&Scopes::normalise(patterns)), given);
        }

        #[test]
        fn normalising_twice_changes_nothing(set in any_scopes()) {
            prop_assert_eq!(Scopes::parse(set.iter().map(str::as_bytes)), Ok(set));
        }

        #[test]
        fn sets_that_grant_the_same_are_equal(left in any_scopes(), right in any_scopes()) {
            let mut patterns = left.0.to_vec();
            patterns.extend_from_slice(&left.intersect(&right).0);
            prop_assert_eq!(Scopes::normalise(patterns), left.clone());
            prop_assert_eq!(left == right, meaning(&left) == meaning(&right));
        }

        #[test]
        fn lying_within_is_inclusion_of_meanings(left in any_scopes(), right in any_scopes()) {
            prop_assert_eq!(left.within(&right), meaning(&left) & !meaning(&right) == 0);
        }

        #[test]
        fn intersection_is_that_of_meanings(left in any_scopes(), right in any_scopes()) {
            let common = left.intersect(&right);
            prop_assert_eq!(meaning(&common), meaning(&left) & meaning(&right));
            prop_assert!(common.within(&left) && common.within(&right));
        }
    }
}
