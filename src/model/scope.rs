//! Scopes: what a token grants and what a request requires, as patterns of segments.
//!
//! A [`Scope`] is one pattern, [`Scopes`] a normalised set of them; both are well formed by construction. What a set
//! grants never depends on the order or repetition of its patterns. A malformed pattern is refused, never repaired, and
//! no error repeats the text it refuses.

mod segment;
mod set;
#[cfg(test)]
mod universe;

use std::{fmt, iter, str};

pub use segment::ScopeError;
pub use set::{Scopes, ScopesError};

/// Stands for any one segment, and in last place for one or more segments.
const WILDCARD: &str = "*";

/// A well-formed scope pattern such as `devices:read`, `dcim.view_device`, `*:read` or `*`.
///
/// One to four segments joined by `:`, each of 1 to 64 characters from `[A-Za-z0-9_./-]`. A segment may be `*`, which
/// stands for exactly one segment, or in last place for one or more, so that `*` alone is everything. Every character
/// is also a `scope-token` character of RFC 6749 section 3.3, so a scope needs no quoting in a `WWW-Authenticate`
/// header. Ordered by bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(Box<str>);

impl Scope {
    /// The most segments a scope may have.
    pub const MAX_SEGMENTS: usize = 4;

    /// The most characters one segment may have.
    pub const MAX_SEGMENT_LENGTH: usize = 64;

    /// Parses a pattern from text in any server encoding.
    ///
    /// # Errors
    /// A [`ScopeError`] for the first fault from the left.
    pub fn parse(text: &[u8]) -> Result<Self, ScopeError> {
        for (position, segment) in split(text).enumerate() {
            if position == Self::MAX_SEGMENTS {
                return Err(ScopeError::TooManySegments);
            }
            segment::check(segment)?;
        }
        // Every byte has been found to be ASCII, so the conversion cannot fail.
        let text = str::from_utf8(text).map_err(|_| ScopeError::ForbiddenCharacter)?;
        Ok(Self(text.into()))
    }

    /// The pattern that covers every scope.
    pub fn everything() -> Self {
        Self(WILDCARD.into())
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this pattern stands for every scope that `other` stands for.
    ///
    /// Every verification calls this: one pass, no allocation.
    pub fn covers(&self, other: &Self) -> bool {
        // Split as bytes: splitting the text as `str` takes more than twice the time, 29 ns against 12.
        let mut ours = split(self.0.as_bytes()).peekable();
        let mut theirs = split(other.0.as_bytes());
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) => return true,
                (Some(b"*"), Some(_)) if ours.peek().is_none() => return true,
                (Some(our), Some(their)) if our == b"*" || our == their => {}
                _ => return false,
            }
        }
    }

    /// The pattern for the scopes that both patterns stand for, or `None` when there are none.
    ///
    /// The intersection of two patterns is always a single pattern: `*:read` and `devices:*` give `devices:read`.
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        let length = self.segments().count().max(other.segments().count());
        let common = iter::zip(self.unrolled(), other.unrolled())
            .take(length)
            .map(|pair| match pair {
                (WILDCARD, segment) | (segment, WILDCARD) => Some(segment),
                (our, their) => (our == their).then_some(our),
            })
            .collect::<Option<Vec<_>>>()?;
        // With fewer segments, the shorter pattern does not end in `*`, so no scope has the length of both.
        (common.len() == length).then(|| Self(common.join(":").into()))
    }

    fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split(':')
    }

    /// The segments; a last `*` repeats for ever.
    fn unrolled(&self) -> impl Iterator<Item = &str> {
        let last = self.segments().last().filter(|&segment| segment == WILDCARD);
        self.segments().chain(last.into_iter().cycle())
    }

    /// Whether `known` holds for some other pattern that covers this one.
    ///
    /// Such a pattern replaces some segments by `*`, and may end early with a `*` that stands for the rest. There are
    /// at most 22 of them, which keeps the normalisation of a large set cheap.
    fn has_wider(&self, known: impl Fn(&str) -> bool) -> bool {
        let segments: Vec<&str> = self.segments().collect();
        let mut wider = String::with_capacity(self.0.len());
        for length in 1..=segments.len() {
            let last = 1 << (length - 1);
            // Bit i says that segment i becomes `*`. In a pattern that ends early, the last bit must be set.
            let least = if length < segments.len() { last } else { 1 };
            for opened in least..last << 1 {
                wider.clear();
                for (position, segment) in segments[..length].iter().enumerate() {
                    if position > 0 {
                        wider.push(':');
                    }
                    wider.push_str(if opened & (1 << position) == 0 { segment } else { WILDCARD });
                }
                if wider != *self.0 && known(&wider) {
                    return true;
                }
            }
        }
        false
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn split(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b':')
}

#[cfg(test)]
mod tests {
    use super::universe::{meaning, patterns};
    use super::*;
    use proptest::prelude::*;

    fn scope(text: &str) -> Scope {
        Scope::parse(text.as_bytes()).unwrap()
    }

    fn common(left: &str, right: &str) -> Option<String> {
        scope(left).intersect(&scope(right)).map(|scope| scope.to_string())
    }

    #[test]
    fn the_scopes_of_real_products_are_well_formed() {
        for text in ["admin", "devices:read", "dcim.view_device", "repo/x:read", "a:b:c:d", "*", "*:read", "a:*:c", "-"]
        {
            assert_eq!(scope(text).as_str(), text);
        }
    }

    #[test]
    fn anything_else_is_refused_for_its_reason() {
        use ScopeError::*;
        let long = "a".repeat(65);
        let refused: [(&[u8], ScopeError); 20] = [
            (b"", EmptySegment),
            (b":", EmptySegment),
            (b"a:", EmptySegment),
            (b":a", EmptySegment),
            (b"a::b", EmptySegment),
            (b"a:b:c:d:e", TooManySegments),
            (b"a:b:c:d:", TooManySegments),
            (long.as_bytes(), SegmentTooLong),
            (b"read*", ForbiddenCharacter),
            (b"**", ForbiddenCharacter),
            (b"a b", ForbiddenCharacter),
            (b" a", ForbiddenCharacter),
            (b"a\n", ForbiddenCharacter),
            (b"a\0", ForbiddenCharacter),
            (b"a\"", ForbiddenCharacter),
            (b"\xff", ForbiddenCharacter),
            (b"\xc0\xaf", ForbiddenCharacter),
            ("caf\u{e9}".as_bytes(), ForbiddenCharacter),
            ("a\u{202e}b".as_bytes(), ForbiddenCharacter),
            ("\u{ff11}".as_bytes(), ForbiddenCharacter),
        ];
        for (text, error) in refused {
            assert_eq!(Scope::parse(text), Err(error), "{}", text.escape_ascii());
        }
        assert!(Scope::parse(&long.as_bytes()[1..]).is_ok());
    }

    #[test]
    fn patterns_meet_segment_by_segment() {
        assert_eq!(common("*:read", "devices:*").as_deref(), Some("devices:read"));
        assert_eq!(common("devices:*", "*:*:read").as_deref(), Some("devices:*:read"));
        assert_eq!(common("devices:*", "devices:a:b").as_deref(), Some("devices:a:b"));
        assert_eq!(common("*", "admin").as_deref(), Some("admin"));
        assert_eq!(common("devices:*", "devices"), None);
        assert_eq!(common("*:read", "devices:write"), None);
        assert_eq!(common("*:read", "devices:a:read"), None);
    }

    #[test]
    fn a_last_wildcard_covers_more_segments_and_another_only_one() {
        assert!(scope("devices:*").covers(&scope("devices:a:b:c")));
        assert!(!scope("devices:*").covers(&scope("devices")));
        assert!(!scope("*:read").covers(&scope("devices:a:read")));
        assert!(!scope("*:read").covers(&scope("*")));
        assert!(Scope::everything().covers(&scope("*:read")));
    }

    #[test]
    fn covering_is_inclusion_of_meanings_for_every_pair_of_patterns() {
        for (left, right) in pairs() {
            let included = meaning(&right) & !meaning(&left) == 0;
            assert_eq!(left.covers(&right), included, "{left} covers {right}");
        }
    }

    #[test]
    fn intersection_is_that_of_meanings_for_every_pair_of_patterns() {
        for (left, right) in pairs() {
            let met = left.intersect(&right).map_or(0, |scope| meaning(&scope));
            assert_eq!(met, meaning(&left) & meaning(&right), "{left} with {right}");
            assert_eq!(left.intersect(&right), right.intersect(&left));
        }
    }

    #[test]
    fn the_wider_patterns_are_exactly_those_that_cover() {
        for (wide, narrow) in pairs() {
            let found = narrow.has_wider(|pattern| pattern == wide.as_str());
            assert_eq!(found, wide != narrow && wide.covers(&narrow), "{wide} over {narrow}");
        }
    }

    fn pairs() -> impl Iterator<Item = (Scope, Scope)> {
        patterns().flat_map(|left| patterns().map(move |right| (left.clone(), right)))
    }

    proptest! {
        #[test]
        fn no_bytes_make_parsing_panic_and_what_is_read_is_kept(text: Vec<u8>) {
            if let Ok(scope) = Scope::parse(&text) {
                prop_assert_eq!(scope.as_str().as_bytes(), &text[..]);
            }
        }

        #[test]
        fn an_intersection_is_itself_well_formed(
            left in "([a-z*]:){0,3}[a-z*]",
            right in "([a-z*]:){0,3}[a-z*]",
        ) {
            if let Some(met) = scope(&left).intersect(&scope(&right)) {
                prop_assert_eq!(Scope::parse(met.as_str().as_bytes()), Ok(met));
            }
        }
    }
}
