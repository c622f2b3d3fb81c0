//! The text of a token: generates, parses, digests and abbreviates it, and finds it inside other text.
//!
//! A token is `<prefix><lookup: 11><secret: 32><checksum: 6>`, everything after the prefix in base62. It is parsed from
//! the right, because prefixes have no fixed length and may contain `_`. What its holder derives from it is in
//! [`derived`]. This module works on bytes alone: it never
//! touches the server, a setting, a clock or a character encoding. It never prints a secret or a digest, and never
//! compares digests in a time that depends on where they differ.

#![forbid(unsafe_code)]

mod algorithm;
mod base62;
mod checksum;
pub mod derived;
mod digest;
pub mod embedded;
mod foreign;
mod hint;
mod lookup;
mod malformed;
mod new_token;
mod parts;
pub mod pasted;
mod pepper;
mod prefix;
mod presented;
mod public_part;
pub mod remains;
mod seal;

#[cfg(test)]
mod vectors;

pub use algorithm::Algorithm;
pub use digest::{Digest, MalformedDigest};
pub use foreign::{ForeignAlgorithm, MOST_KEY_ID, Secret, is_key_id};
pub use lookup::Lookup;
pub use malformed::Malformed;
pub use new_token::{NewToken, RandomError};
pub use pepper::{ImportKey, KEY_LEN, Pepper, check_value};
pub use prefix::Prefix;
pub use presented::Presented;
pub use public_part::PublicPart;
pub use seal::Seal;

/// Number of characters of the lookup: 11 base62 digits hold any 64-bit number.
pub const LOOKUP_LEN: usize = 11;

/// Number of characters of the secret: 32 base62 digits are 190 bits.
pub const SECRET_LEN: usize = 32;

/// Number of characters of the checksum: 6 base62 digits hold any 32-bit number.
pub const CHECKSUM_LEN: usize = 6;

/// Number of characters after the prefix.
pub const BODY_LEN: usize = LOOKUP_LEN + SECRET_LEN + CHECKSUM_LEN;

/// Length of the longest prefix a kind may have, in characters.
pub const MAX_PREFIX_LEN: usize = 32;

/// Length of the longest token, in characters; a longer text is refused unread.
pub const MAX_LEN: usize = MAX_PREFIX_LEN + BODY_LEN;
