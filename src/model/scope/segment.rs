//! The grammar of one segment of a scope, and why a text can fail to be a scope.
//!
//! The check looks at bytes, not characters: only ASCII is allowed, so the same text is accepted or refused in every
//! server encoding, and an accepted text is valid in all of them.

use std::{error, fmt};

use super::{Scope, WILDCARD};

/// Why a text is not a scope. Names the broken rule and never repeats the text, which may be a mislaid secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScopeError {
    /// A segment is empty: nothing before, between or after the colons, or no text at all.
    EmptySegment,
    /// More than [`Scope::MAX_SEGMENTS`] segments.
    TooManySegments,
    /// A segment of more than [`Scope::MAX_SEGMENT_LENGTH`] characters.
    SegmentTooLong,
    /// A character outside `[A-Za-z0-9_./-]`, or a `*` that is not a whole segment.
    ForbiddenCharacter,
}

impl fmt::Display for ScopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SEGMENTS: usize = Scope::MAX_SEGMENTS;
        const LENGTH: usize = Scope::MAX_SEGMENT_LENGTH;
        match self {
            Self::EmptySegment => f.write_str("a segment of a scope cannot be empty"),
            Self::TooManySegments => write!(f, "a scope has at most {SEGMENTS} segments"),
            Self::SegmentTooLong => {
                write!(f, "a segment of a scope has at most {LENGTH} characters")
            }
            Self::ForbiddenCharacter => {
                f.write_str("a segment of a scope is \"*\" or consists of A to Z, a to z, 0 to 9 and \"_./-\"")
            }
        }
    }
}

impl error::Error for ScopeError {}

/// Checks that `segment` may stand between two colons.
pub(super) fn check(segment: &[u8]) -> Result<(), ScopeError> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"_./-".contains(byte);
    if segment.is_empty() {
        Err(ScopeError::EmptySegment)
    } else if segment != WILDCARD.as_bytes() && !segment.iter().all(allowed) {
        Err(ScopeError::ForbiddenCharacter)
    } else if segment.len() > Scope::MAX_SEGMENT_LENGTH {
        Err(ScopeError::SegmentTooLong)
    } else {
        Ok(())
    }
}
