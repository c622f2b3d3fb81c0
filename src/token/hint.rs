//! The hint: what lists, messages and masked logs show of a token, enough to recognise it and nothing of its secret.
//!
//! The visible characters belong to the prefix, the lookup and the checksum. The four from the checksum reveal at most
//! 24 bits about the secret and leave 166. This module never looks at the hidden characters.

use std::iter;
use std::ops::Range;

use super::{BODY_LEN, CHECKSUM_LEN, LOOKUP_LEN};

/// How many characters after the prefix are shown.
const HEAD: usize = 8;

/// How many characters at the end are shown.
const TAIL: usize = 4;

// The visible characters never reach into the secret, even if the lengths change.
const _: () = assert!(HEAD <= LOOKUP_LEN && TAIL <= CHECKSUM_LEN);

/// The range of the hidden characters in a token that ends at `end`.
pub(super) fn hidden(end: usize) -> Range<usize> {
    end.saturating_sub(BODY_LEN - HEAD)..end.saturating_sub(TAIL)
}

/// Where the hint of a derived token ends, given the end of its lookup: nothing of it is shown but what its parent's
/// hint begins with.
pub(super) fn end_of_derived(lookup_end: usize) -> usize {
    lookup_end.saturating_sub(LOOKUP_LEN - HEAD)
}

/// The hint of a derived token with this prefix and lookup: prefix, eight characters, `…`.
pub(super) fn of_derived(public: &[u8]) -> String {
    public[..end_of_derived(public.len())].iter().copied().map(char::from).chain(iter::once('…')).collect()
}

/// The hint of a token: prefix, eight characters, `…`, four characters.
///
/// The hint is Unicode whatever the server encoding; a caller whose server cannot write `…` must convert it.
pub(super) fn of(token: &[u8]) -> String {
    let hidden = hidden(token.len());
    let head = token[..hidden.start].iter().copied().map(char::from);
    let tail = token[hidden.end..].iter().copied().map(char::from);
    head.chain(iter::once('…')).chain(tail).collect()
}
