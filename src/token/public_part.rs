//! The public part of a token: prefix and lookup.
//!
//! An application that hashes tokens itself sends this part and the digest, so the secret never reaches the server. It
//! has no checksum: a wrong public part is detected by the digest. Never allocates.

use super::{LOOKUP_LEN, Lookup, MAX_PREFIX_LEN, Malformed, prefix};

/// The prefix and the 11 characters after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicPart {
    lookup: Lookup,
}

impl PublicPart {
    /// Parses the public part of a token.
    ///
    /// # Errors
    /// [`Malformed`] for anything but 0 to 32 prefix characters and 11 base62 digits below 2⁶⁴. A whole token is
    /// refused too, so that one sent here by mistake is not taken for a public part.
    pub fn parse(text: &[u8]) -> Result<Self, Malformed> {
        if text.len() > MAX_PREFIX_LEN + LOOKUP_LEN {
            return Err(Malformed::Length);
        }
        let (before, digits) = text.split_last_chunk::<LOOKUP_LEN>().ok_or(Malformed::Length)?;
        prefix::validate(before)?;
        Ok(Self { lookup: Lookup::decode(digits)? })
    }

    /// The public number by which the row is found.
    pub fn lookup(&self) -> Lookup {
        self.lookup
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::token::{BODY_LEN, NewToken, Prefix, Presented, vectors};

    #[test]
    fn the_public_part_of_a_token_names_the_same_row() {
        for case in vectors::cases("tokens.json", "well_formed") {
            let text = vectors::text(&case["text"]).as_bytes();
            let public = PublicPart::parse(&text[..text.len() - BODY_LEN + LOOKUP_LEN]).unwrap();
            let presented = Presented::parse(text).ok().unwrap();
            assert_eq!(public.lookup(), presented.lookup());
        }
    }

    #[test]
    fn a_whole_token_is_no_public_part() {
        for prefix in ["", "sk_"] {
            let token = NewToken::generate(&Prefix::parse(prefix.as_bytes()).unwrap()).unwrap();
            assert_eq!(PublicPart::parse(token.expose().as_bytes()), Err(Malformed::Length));
        }
    }

    #[test]
    fn broken_public_parts_are_refused() {
        assert_eq!(PublicPart::parse(b""), Err(Malformed::Length));
        assert_eq!(PublicPart::parse(b"0000000000"), Err(Malformed::Length));
        assert_eq!(PublicPart::parse(b"sk_0000000000_"), Err(Malformed::Alphabet));
        assert_eq!(PublicPart::parse(b"sk 00000000000"), Err(Malformed::Alphabet));
        assert_eq!(PublicPart::parse(b"sk_zzzzzzzzzzz"), Err(Malformed::Lookup));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(text in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = PublicPart::parse(&text);
        }
    }
}
