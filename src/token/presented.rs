//! A token as a client presents it, parsed before any table is read.
//!
//! Refuses every text that cannot have been issued: wrong length, a stray byte, a wrong checksum. Borrows the text and
//! never copies or allocates. An over-long text is refused unread, because anybody may send anything. A [`Presented`]
//! is well formed, not valid: only the digest decides that.

use super::{BODY_LEN, Digest, LOOKUP_LEN, Lookup, MAX_LEN, Malformed, checksum, hint, parts::TextParts, prefix};

/// A well-formed token text.
///
/// Has no `Debug`: the text is a secret of the client.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    text: &'a [u8],
    lookup: Lookup,
}

impl<'a> Presented<'a> {
    /// Parses a presented text. White space around it is not tolerated.
    ///
    /// # Errors
    /// [`Malformed`] names the rule that is broken.
    pub fn parse(text: &'a [u8]) -> Result<Self, Malformed> {
        if text.len() > MAX_LEN {
            return Err(Malformed::Length);
        }
        let parts = TextParts::of(text)?;
        prefix::validate(parts.before)?;
        if checksum::of(parts.covered) != parts.checksum {
            return Err(Malformed::Checksum);
        }
        Ok(Self { text, lookup: parts.lookup })
    }

    /// The public number by which its row is found.
    pub fn lookup(&self) -> Lookup {
        self.lookup
    }

    /// The whole text.
    pub(super) fn text(&self) -> &'a [u8] {
        self.text
    }

    /// Prefix and lookup, which are ASCII.
    pub(super) fn public_part(&self) -> &'a str {
        str::from_utf8(&self.text[..self.text.len() - BODY_LEN + LOOKUP_LEN]).unwrap_or_default()
    }

    /// SHA-256 of the whole text, prefix and checksum included.
    pub fn digest(&self) -> Digest {
        Digest::sha256(self.text)
    }

    /// The part that lists and messages may show.
    pub fn hint(&self) -> String {
        hint::of(self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::token::{NewToken, Prefix, base62, vectors};

    #[test]
    fn known_tokens_have_their_known_parts() {
        for case in vectors::cases("tokens.json", "well_formed") {
            let text = vectors::text(&case["text"]).as_bytes();
            let presented = Presented::parse(text).unwrap();
            assert_eq!(TextParts::of(text).ok().unwrap().before, vectors::text(&case["prefix"]).as_bytes());
            assert_eq!(presented.lookup().to_bigint().to_string(), vectors::text(&case["bigint"]));
            assert_eq!(presented.hint(), vectors::text(&case["hint"]));
            assert_eq!(presented.digest().as_bytes(), vectors::bytes(&case["sha256"]));
        }
    }

    #[test]
    fn known_malformed_texts_are_refused_for_their_known_reason() {
        for case in vectors::cases("tokens.json", "malformed") {
            let reason = match vectors::text(&case["reason"]) {
                "length" => Malformed::Length,
                "alphabet" => Malformed::Alphabet,
                "lookup" => Malformed::Lookup,
                "checksum" => Malformed::Checksum,
                other => panic!("no such reason: {other}"),
            };
            let text = vectors::bytes(&case["text_hex"]);
            assert_eq!(Presented::parse(&text).err(), Some(reason), "{}", case["what"]);
        }
    }

    #[test]
    fn a_text_of_ten_megabytes_is_refused_for_its_length() {
        let text = vec![0xff; 10 << 20];
        assert_eq!(Presented::parse(&text).err(), Some(Malformed::Length));
    }

    #[test]
    fn every_change_of_one_character_is_refused() {
        for prefix in ["", "sk_", "ps_usr_", "pnms_pat_", "01234567890123456789012345678901"] {
            let token = NewToken::generate(&Prefix::parse(prefix.as_bytes()).unwrap()).unwrap();
            let original = token.expose().as_bytes();
            for at in 0..original.len() {
                let in_prefix = at < original.len() - BODY_LEN;
                let also = if in_prefix { b"_-".as_slice() } else { b"" };
                for &digit in base62::DIGITS.iter().chain(also).filter(|&&digit| digit != original[at]) {
                    let mut changed = original.to_vec();
                    changed[at] = digit;
                    assert!(Presented::parse(&changed).is_err(), "position {at}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_generated_is_well_formed(prefix in "[A-Za-z0-9_-]{0,32}") {
            let token = NewToken::generate(&Prefix::parse(prefix.as_bytes()).unwrap()).unwrap();
            let presented = Presented::parse(token.expose().as_bytes()).ok().unwrap();
            prop_assert_eq!(TextParts::of(token.expose().as_bytes()).ok().unwrap().before, prefix.as_bytes());
            prop_assert_eq!(presented.lookup(), token.lookup());
            prop_assert_eq!(presented.hint(), token.hint());
            prop_assert!(presented.digest().matches(token.digest().as_bytes()));
        }

        #[test]
        fn arbitrary_bytes_are_refused(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Presented::parse(&text).is_err());
        }

        #[test]
        fn what_stands_around_a_token_is_not_forgiven(before in "[ -~]{0,2}", after in "[ \t\r\n\0]{0,2}") {
            prop_assume!(!(before.is_empty() && after.is_empty()));
            let token = NewToken::generate(&Prefix::parse(b"sk_").unwrap()).unwrap();
            let text = format!("{before}{}{after}", token.expose());
            prop_assert!(Presented::parse(text.as_bytes()).is_err());
        }
    }
}
