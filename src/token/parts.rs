//! The one place that splits a token text, from the right.
//!
//! It serves both presented tokens and tokens found inside other text, so that both agree on what a token is. It never
//! looks at the bytes before the last 49 and does not verify the checksum; its callers do.

use super::{BODY_LEN, CHECKSUM_LEN, LOOKUP_LEN, Lookup, Malformed, base62};

/// A text split before its last 49 bytes, and the contents of those.
pub(super) struct TextParts<'a> {
    /// The bytes before them: the prefix, and inside other text also what precedes it.
    pub before: &'a [u8],
    /// The bytes that the checksum covers: all but the checksum itself.
    pub covered: &'a [u8],
    /// The public number.
    pub lookup: Lookup,
    /// The checksum as written.
    pub checksum: u32,
}

impl<'a> TextParts<'a> {
    /// Splits `text`.
    ///
    /// # Errors
    /// [`Malformed::Length`] below 49 bytes, [`Malformed::Alphabet`] when one of the last 49 is not a base62 digit,
    /// [`Malformed::Lookup`] and [`Malformed::Checksum`] when these numbers exceed 64 and 32 bits.
    pub(super) fn of(text: &'a [u8]) -> Result<Self, Malformed> {
        let (before, body) = text.split_last_chunk::<BODY_LEN>().ok_or(Malformed::Length)?;
        let (lookup, rest) = body.split_first_chunk::<LOOKUP_LEN>().ok_or(Malformed::Length)?;
        let (covered, checksum) = text.split_last_chunk::<CHECKSUM_LEN>().ok_or(Malformed::Length)?;
        if !base62::is_base62(rest) {
            return Err(Malformed::Alphabet);
        }
        let lookup = Lookup::decode(lookup)?;
        let checksum = base62::decode(checksum).ok_or(Malformed::Alphabet)?;
        let checksum = u32::try_from(checksum).map_err(|_| Malformed::Checksum)?;
        Ok(Self { before, covered, lookup, checksum })
    }
}
