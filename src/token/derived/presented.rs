//! A child as it is presented or made: the one place that takes its text apart and puts it together.

use super::key::{DerivingKey, PublicKey};
use super::{Caveats, MAX_DERIVED_LEN, SEPARATOR, SIGNATURE_LEN, base64url, signature};
use crate::token::{LOOKUP_LEN, Lookup, Malformed, Presented, PublicPart, hint};

/// A well-formed child. Whether its parent has signed it is another question.
///
/// Has no `Debug`: the text is a secret of its holder.
pub struct DerivedText<'a> {
    prefix: &'a [u8],
    lookup: Lookup,
    caveats: Caveats,
    signed: &'a [u8],
    signature: [u8; 64],
}

impl<'a> DerivedText<'a> {
    /// Whether the text may be a child and can be nothing else of ours. Looks at its length and one character.
    #[inline]
    pub fn may_be(text: &[u8]) -> bool {
        text.len() <= MAX_DERIVED_LEN
            && text.len().checked_sub(SIGNATURE_LEN + 1).is_some_and(|before| text[before] == SEPARATOR)
    }

    /// A number that tells the text from those of other signatures, for whoever keeps children by it. Looks at nothing
    /// else, and says nothing of whether this is a child.
    #[inline]
    pub fn number(text: &[u8]) -> u64 {
        let last = text.last_chunk::<16>().map_or(0, |last| u128::from_le_bytes(*last));
        // The digits differ in few bits of each byte. A product has all of them in its upper half, and that of an odd
        // number loses none.
        let mixed = last.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        (mixed >> 64) as u64 ^ mixed as u64
    }

    /// Parses a presented text. White space around it is not tolerated.
    ///
    /// # Errors
    /// [`Malformed`] names the rule that is broken.
    pub fn parse(text: &'a [u8]) -> Result<Self, Malformed> {
        if text.len() > MAX_DERIVED_LEN {
            return Err(Malformed::Length);
        }
        let (rest, digits) = text.split_last_chunk::<SIGNATURE_LEN>().ok_or(Malformed::Length)?;
        let signed = rest.strip_suffix(&[SEPARATOR]).ok_or(Malformed::Alphabet)?;
        let dot = signed.iter().position(|&byte| byte == SEPARATOR).ok_or(Malformed::Alphabet)?;
        let (public, caveats) = (&signed[..dot], &signed[dot + 1..]);
        let lookup = PublicPart::parse(public)?.lookup();
        let signature = signature::decode(digits).ok_or(Malformed::Signature)?;
        let caveats = base64url::decode(caveats).ok_or(Malformed::Alphabet)?;
        let caveats = str::from_utf8(&caveats).ok().and_then(Caveats::parse).ok_or(Malformed::Caveats)?;
        Ok(DerivedText { prefix: &public[..public.len() - LOOKUP_LEN], lookup, caveats, signed, signature })
    }

    /// Makes a child of a token; `None` if these cannot be caveats, or make it too long.
    pub fn derive(parent: &Presented<'_>, caveats: &Caveats) -> Option<String> {
        let caveats = caveats.write()?;
        let mut text = parent.public_part().to_owned();
        text.push(char::from(SEPARATOR));
        base64url::encode_into(&mut text, caveats.as_bytes());
        let signature = DerivingKey::of(parent.text()).sign(text.as_bytes());
        text.push(char::from(SEPARATOR));
        text.extend(signature::encode(&signature).map(char::from));
        (text.len() <= MAX_DERIVED_LEN).then_some(text)
    }

    /// The part that lists and messages may show.
    pub fn hint(&self) -> String {
        hint::of_derived(&self.signed[..self.prefix.len() + LOOKUP_LEN])
    }

    /// The prefix, which is its parent's.
    pub fn prefix(&self) -> &'a [u8] {
        self.prefix
    }

    /// The public number of its parent.
    pub fn lookup(&self) -> Lookup {
        self.lookup
    }

    /// What it is narrowed to.
    pub fn caveats(&self) -> &Caveats {
        &self.caveats
    }

    /// Whether it was signed by the holder of the token with this key.
    pub fn is_signed_by(&self, key: PublicKey) -> bool {
        key.has_signed(self.signed, &self.signature)
    }
}
