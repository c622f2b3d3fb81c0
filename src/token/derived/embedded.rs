//! Finds children inside other text, for whatever finds and masks tokens there: without allocating, and by form alone.
//! What is no child but looks like one is hidden with the others.

use super::{MAX_DERIVED_LEN, SEPARATOR, SIGNATURE_LEN, base64url};
use crate::token::{LOOKUP_LEN, Lookup, MAX_PREFIX_LEN, prefix};

/// What all caveats begin with, as base64url has it: `{"n":`, and the digit after it makes the next character.
const BEGIN: &[u8] = b"eyJuIjo";

/// A child at the end of a text.
pub struct EmbeddedChild {
    /// Where it begins.
    pub start: usize,
    /// Where prefix and lookup end.
    pub lookup_end: usize,
}

/// The child at the end of a text, if there is one. The end counts as the end of a word.
pub fn child_at_end_of(text: &[u8]) -> Option<EmbeddedChild> {
    let (rest, signature) = text.split_last_chunk::<SIGNATURE_LEN>()?;
    let rest = rest.strip_suffix(&[SEPARATOR])?;
    let caveats = rest.iter().rev().take(MAX_DERIVED_LEN).take_while(|&&byte| base64url::is_digit(byte)).count();
    let (public, caveats) = rest.split_at(rest.len() - caveats);
    let public = public.strip_suffix(&[SEPARATOR])?;
    if !caveats.starts_with(BEGIN) || !signature.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    let (before, lookup) = public.split_last_chunk::<LOOKUP_LEN>()?;
    Lookup::decode(lookup).ok()?;
    let prefix = before.iter().rev().take(MAX_PREFIX_LEN).take_while(|byte| prefix::is_word_byte(byte)).count();
    Some(EmbeddedChild { start: before.len() - prefix, lookup_end: public.len() })
}
