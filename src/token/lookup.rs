//! The lookup: the public number by which a token's row is found.
//!
//! It is 64 random bits, stored in a unique `bigint` column and written as 11 base62 digits. Knowing it proves nothing,
//! only the digest of the whole text does, so lookups need no comparison in constant time.

use super::{Digest, LOOKUP_LEN, Malformed, base62};

/// The public number of one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lookup(u64);

impl Lookup {
    /// Makes a lookup of these 64 bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The 64 bits.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The same 64 bits as a `bigint`, of which PostgreSQL reads the first as a sign.
    pub const fn to_bigint(self) -> i64 {
        self.0.cast_signed()
    }

    /// The lookup of an imported token, whose text does not contain one: the first 64 bits of its digest.
    pub fn of_digest(digest: &Digest) -> Self {
        let first = digest.as_bytes().iter().take(8);
        Self(first.fold(0, |bits, &byte| bits << 8 | u64::from(byte)))
    }

    /// The 11 digits written in the token.
    pub fn encode(self) -> [u8; LOOKUP_LEN] {
        base62::encode(self.0)
    }

    /// Reads the 11 digits written in a token.
    ///
    /// # Errors
    /// [`Malformed::Alphabet`] for a byte that is not a base62 digit. [`Malformed::Lookup`] for a number of 2⁶⁴ or
    /// more, which 11 digits can express: each lookup has only one spelling.
    pub fn decode(digits: &[u8; LOOKUP_LEN]) -> Result<Self, Malformed> {
        let [leading @ .., last] = digits;
        let leading = base62::decode(leading).ok_or(Malformed::Alphabet)?;
        let last = base62::decode(&[*last]).ok_or(Malformed::Alphabet)?;
        let value = leading.checked_mul(62).and_then(|value| value.checked_add(last));
        value.map(Self).ok_or(Malformed::Lookup)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::token::vectors;

    #[test]
    fn known_lookups_have_their_known_digits_and_bigint() {
        for case in vectors::cases("base62.json", "lookups") {
            let bits: u64 = vectors::text(&case["value"]).parse().unwrap();
            let bigint: i64 = vectors::text(&case["bigint"]).parse().unwrap();
            let digits: [u8; LOOKUP_LEN] = vectors::text(&case["digits"]).as_bytes().try_into().unwrap();
            assert_eq!(Lookup::decode(&digits), Ok(Lookup::from_bits(bits)));
            assert_eq!(Lookup::from_bits(bits).encode(), digits);
            assert_eq!(Lookup::from_bits(bits).to_bigint(), bigint);
        }
    }

    #[test]
    fn numbers_of_more_than_64_bits_are_refused() {
        for case in vectors::cases("base62.json", "beyond_64_bits") {
            let digits: [u8; LOOKUP_LEN] = vectors::text(&case).as_bytes().try_into().unwrap();
            assert_eq!(Lookup::decode(&digits), Err(Malformed::Lookup));
        }
    }

    #[test]
    fn the_lookup_of_a_digest_is_its_first_eight_bytes_read_from_the_left() {
        let digest = Digest::from_bytes(&std::array::from_fn::<u8, 32, _>(|at| at as u8 + 1)).unwrap();
        assert_eq!(Lookup::of_digest(&digest), Lookup::from_bits(0x0102_0304_0506_0708));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(bits: u64) {
            let lookup = Lookup::from_bits(bits);
            prop_assert_eq!(Lookup::decode(&lookup.encode()), Ok(lookup));
            prop_assert_eq!(lookup.to_bigint().cast_unsigned(), bits);
        }

        #[test]
        fn eleven_digits_are_refused_or_are_the_only_ones_of_their_lookup(digits in "[0-9A-Za-z]{11}") {
            let digits: [u8; LOOKUP_LEN] = digits.as_bytes().try_into().unwrap();
            if let Ok(lookup) = Lookup::decode(&digits) {
                prop_assert_eq!(lookup.encode(), digits);
            }
        }
    }
}
