//! The one place that cuts a token text, from the right.
//!
//! Shared by what a client presents and by what is found inside other text, so that both mean the same by a
//! token. Never looks at what stands before the last 49 bytes and never judges the checksum: its users do.

use super::{BODY_LEN, CHECKSUM_LEN, LOOKUP_LEN, Lookup, Malformed, base62};

/// A text cut before its last 49 bytes, and what those say.
pub(super) struct Parts<'a> {
    /// What stands before them: the prefix, in other text more than it.
    pub before: &'a [u8],
    /// What the checksum is taken of: everything but itself.
    pub covered: &'a [u8],
    /// The public number.
    pub lookup: Lookup,
    /// The checksum as written.
    pub checksum: u32,
}

impl<'a> Parts<'a> {
    /// Cuts `text`.
    ///
    /// # Errors
    /// [`Malformed::Length`] below 49 bytes, [`Malformed::Alphabet`] when one of the last 49 is no base62 digit,
    /// [`Malformed::Lookup`] and [`Malformed::Checksum`] when those are numbers of more than 64 and 32 bits.
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
