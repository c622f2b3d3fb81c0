//! What lists, messages and masked logs may show of a token: enough to recognise it, nothing of its secret.
//!
//! The shown characters belong to prefix, lookup and checksum. The four of the checksum tell 24 bits about the
//! secret at most and leave 166. Never looks at the characters between.

use std::iter;
use std::ops::Range;

use super::{BODY_LEN, CHECKSUM_LEN, LOOKUP_LEN};

/// How many characters after the prefix are shown.
const HEAD: usize = 8;

/// How many characters at the end are shown.
const TAIL: usize = 4;

// What is shown never reaches into the secret, whatever the lengths become.
const _: () = assert!(HEAD <= LOOKUP_LEN && TAIL <= CHECKSUM_LEN);

/// Where a token that ends at `end` has its characters that are never shown.
pub(super) fn hidden(end: usize) -> Range<usize> {
    end.saturating_sub(BODY_LEN - HEAD)..end.saturating_sub(TAIL)
}

/// The hint of a token: prefix, eight characters, `…`, four characters.
///
/// In Unicode whatever the server's encoding is; who hands it to a server that cannot write `…` converts it.
pub(super) fn of(token: &[u8]) -> String {
    let hidden = hidden(token.len());
    let head = token[..hidden.start].iter().copied().map(char::from);
    let tail = token[hidden.end..].iter().copied().map(char::from);
    head.chain(iter::once('…')).chain(tail).collect()
}
