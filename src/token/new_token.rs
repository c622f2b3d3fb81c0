//! A freshly drawn token: the only place where a plaintext is made, and it is wiped when dropped.
//!
//! The lookup and the secret come from the operating system's generator only: a generator inside the process is copied
//! by every fork, so two backends would issue the same tokens. This module never prints, clones or moves the plaintext
//! in memory; a caller of [`NewToken::expose`] is responsible for its copy.

use std::fmt;

use rand::TryRngCore;
use rand::rngs::OsRng;
use zeroize::Zeroizing;

use super::{Digest, Lookup, MAX_LEN, Prefix, SECRET_LEN, base62, checksum, hint};

/// A token that nobody has seen yet.
///
/// Has no `Debug`, `Display` or `Clone`: the text leaves by [`NewToken::expose`] only.
pub struct NewToken {
    text: Zeroizing<String>,
    lookup: Lookup,
}

impl NewToken {
    /// Draws a token with this prefix.
    ///
    /// # Errors
    /// [`RandomError`] when the operating system cannot provide randomness.
    pub fn generate(prefix: &Prefix) -> Result<Self, RandomError> {
        Self::draw(prefix, fill_randomly)
    }

    /// The whole text, to be handed to its holder once.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The lookup under which its row is stored.
    pub fn lookup(&self) -> Lookup {
        self.lookup
    }

    /// SHA-256 of the whole text.
    pub fn digest(&self) -> Digest {
        Digest::sha256(self.text.as_bytes())
    }

    /// The part that lists and messages may show.
    pub fn hint(&self) -> String {
        hint::of(self.text.as_bytes())
    }

    /// Draws a token from the bytes that `fill` provides. Only tests pass a source other than the operating system.
    fn draw<E>(prefix: &Prefix, mut fill: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        let mut bits = [0; 8];
        fill(&mut bits)?;
        let lookup = Lookup::from_bits(u64::from_be_bytes(bits));
        // Reserve room for the longest token: growing the string would leave a copy in freed memory.
        let mut text = Zeroizing::new(String::with_capacity(MAX_LEN));
        text.push_str(prefix.as_str());
        text.extend(lookup.encode().map(char::from));
        push_secret(&mut text, fill)?;
        let checksum = checksum::of(text.as_bytes());
        text.extend(checksum::encode(checksum).map(char::from));
        Ok(Self { text, lookup })
    }
}

/// Fills a buffer from the operating system's generator.
pub(super) fn fill_randomly(buffer: &mut [u8]) -> Result<(), RandomError> {
    OsRng.try_fill_bytes(buffer).map_err(RandomError)
}

/// Appends the characters of a secret, each of the 62 equally likely.
fn push_secret<E>(text: &mut String, mut fill: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<(), E> {
    // 33 bytes are needed on average; three times in a million 40 are not enough, and the loop draws again.
    let mut random = Zeroizing::new([0; 40]);
    let mut missing = SECRET_LEN;
    while missing > 0 {
        fill(random.as_mut_slice())?;
        for digit in random.iter().copied().filter_map(digit).take(missing) {
            text.push(digit);
            missing -= 1;
        }
    }
    Ok(())
}

/// The digit for the upper six bits of a random byte, or `None` for two of the 64 values.
///
/// Dropping those two keeps the digits uniform: a remainder modulo 62 would favour some of them.
fn digit(random: u8) -> Option<char> {
    base62::DIGITS.get(usize::from(random >> 2)).copied().map(char::from)
}

/// The operating system gave no randomness.
#[derive(Debug)]
pub struct RandomError(rand::rand_core::OsError);

impl fmt::Display for RandomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not read random bytes from the operating system: {}", self.0)
    }
}

impl std::error::Error for RandomError {}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::token::{BODY_LEN, CHECKSUM_LEN, LOOKUP_LEN, vectors};

    fn prefix(text: &str) -> Prefix {
        Prefix::parse(text.as_bytes()).unwrap()
    }

    fn secret(token: &NewToken) -> &str {
        let text = token.expose();
        &text[text.len() - BODY_LEN + LOOKUP_LEN..text.len() - CHECKSUM_LEN]
    }

    /// A source that hands out these bytes in order and fails when they are used up.
    fn script(bytes: Vec<u8>) -> impl FnMut(&mut [u8]) -> Result<(), &'static str> {
        let mut bytes = bytes.into_iter();
        move |buffer| {
            for place in buffer {
                *place = bytes.next().ok_or("used up")?;
            }
            Ok(())
        }
    }

    #[test]
    fn known_random_bytes_make_known_tokens() {
        for case in vectors::cases("tokens.json", "drawn") {
            let source = script(vectors::bytes(&case["random"]));
            let token = NewToken::draw(&prefix(vectors::text(&case["prefix"])), source).ok().unwrap();
            assert_eq!(token.expose(), vectors::text(&case["text"]));
            assert_eq!(token.hint(), vectors::text(&case["hint"]));
        }
    }

    #[test]
    fn without_randomness_there_is_no_token() {
        for given in [0, 7, 8, 47] {
            assert_eq!(NewToken::draw(&prefix("sk_"), script(vec![0; given])).err(), Some("used up"));
        }
    }

    #[test]
    fn bytes_that_stand_for_no_digit_are_passed_over() {
        let mut bytes = vec![0xff; 8 + 40];
        bytes.extend([0x04; 40]);
        let token = NewToken::draw(&prefix(""), script(bytes)).ok().unwrap();
        assert_eq!(secret(&token), "1".repeat(SECRET_LEN));
    }

    #[test]
    fn the_plaintext_is_written_into_memory_that_never_grows() {
        for text in ["", "01234567890123456789012345678901"] {
            let token = NewToken::generate(&prefix(text)).unwrap();
            assert_eq!(token.expose().len(), text.len() + BODY_LEN);
            assert_eq!(token.text.capacity(), String::with_capacity(MAX_LEN).capacity());
        }
    }

    #[test]
    fn no_two_tokens_share_lookup_or_secret() {
        let tokens: Vec<_> = (0..1000).map(|_| NewToken::generate(&prefix("sk_")).unwrap()).collect();
        assert_eq!(tokens.iter().map(NewToken::lookup).collect::<HashSet<_>>().len(), tokens.len());
        assert_eq!(tokens.iter().map(secret).collect::<HashSet<_>>().len(), tokens.len());
    }

    /// Implemented once for every type, and twice for one that has `Debug`, `Display` or `Clone`. For such a type the
    /// `_` below is ambiguous, and this does not compile.
    trait CannotLeak<Because> {
        const HOLDS: () = ();
    }
    impl<T> CannotLeak<()> for T {}
    impl<T: fmt::Debug> CannotLeak<[(); 1]> for T {}
    impl<T: fmt::Display> CannotLeak<[(); 2]> for T {}
    impl<T: Clone> CannotLeak<[(); 3]> for T {}
    const _: () = <NewToken as CannotLeak<_>>::HOLDS;

    /// The secrets drawn below have 10,240,000 characters.
    const DRAWN: usize = 320_000;

    /// A uniform source exceeds this with a probability below 10⁻¹⁴ (χ² with 61 degrees of freedom).
    const LIMIT: f64 = 200.0;

    /// χ² of the characters, expecting 62 equally likely ones.
    fn chi_square(characters: impl Iterator<Item = u8>) -> f64 {
        let mut counts = [0_u32; 256];
        characters.for_each(|character| counts[usize::from(character)] += 1);
        let expected = f64::from(counts.iter().sum::<u32>()) / 62.0;
        let of_digits = base62::DIGITS.map(|digit| f64::from(counts[usize::from(digit)]));
        of_digits.map(|count| (count - expected).powi(2) / expected).iter().sum()
    }

    #[test]
    fn every_character_of_a_secret_is_equally_likely() {
        let prefix = prefix("");
        let tokens = (0..DRAWN).map(|_| NewToken::generate(&prefix).unwrap());
        let chi_square = chi_square(tokens.flat_map(|token| secret(&token).as_bytes().to_vec()));
        assert!(chi_square < LIMIT, "{chi_square}");
    }

    #[test]
    fn a_generator_that_takes_remainders_would_be_found_out() {
        let mut random = vec![0; DRAWN * SECRET_LEN];
        OsRng.try_fill_bytes(&mut random).unwrap();
        let chi_square = chi_square(random.iter().map(|byte| base62::DIGITS[usize::from(byte % 62)]));
        assert!(chi_square > LIMIT, "{chi_square}");
    }
}
