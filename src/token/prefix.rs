//! The prefix of a kind, by which people and secret scanners recognise a token.
//!
//! A [`Prefix`] always has a valid form: at most 32 of `[A-Za-z0-9_-]`, possibly none. It does not imply that a kind
//! with this prefix exists.

use std::fmt;

use super::{MAX_PREFIX_LEN, Malformed};

/// A prefix of valid form, `^[A-Za-z0-9_-]{0,32}$`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Prefix(Box<str>);

impl Prefix {
    /// Parses a prefix.
    ///
    /// # Errors
    /// [`Malformed::Length`] for more than 32 bytes, [`Malformed::Alphabet`] for a byte outside `[A-Za-z0-9_-]`.
    pub fn parse(text: &[u8]) -> Result<Self, Malformed> {
        validate(text)?;
        Ok(Self(text.iter().copied().map(char::from).collect()))
    }

    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks that `text` is a prefix, without keeping it.
pub(super) fn validate(text: &[u8]) -> Result<(), Malformed> {
    if text.len() > MAX_PREFIX_LEN {
        return Err(Malformed::Length);
    }
    if !text.iter().all(is_word_byte) {
        return Err(Malformed::Alphabet);
    }
    Ok(())
}

/// Whether the byte may occur in a prefix, and so in a token.
pub(super) fn is_word_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_of_letters_digits_underscores_and_hyphens_are_accepted() {
        for text in ["", "sk_", "ps_usr_", "a-B_9", "01234567890123456789012345678901"] {
            assert_eq!(Prefix::parse(text.as_bytes()).unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_prefix_of_33_characters_is_too_long() {
        assert_eq!(Prefix::parse(&[b'a'; 33]), Err(Malformed::Length));
    }

    #[test]
    fn any_other_byte_is_refused() {
        for byte in (0..=u8::MAX).filter(|byte| !is_word_byte(byte)) {
            assert_eq!(Prefix::parse(&[b'a', byte, b'_']), Err(Malformed::Alphabet), "{byte:#04x}");
        }
    }
}
