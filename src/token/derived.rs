//! Derived tokens: children that the holder of a token makes offline, narrower and for a short time.
//!
//! A child is `<prefix><lookup: 11>.<caveats>.<signature: 86>`. Prefix and lookup are the parent's, by which its row is
//! found; the caveats say what the child is narrowed to, and the signature is made by a key that only the parent's text
//! yields. There is one spelling for each child, so that its digest identifies it: whatever is not written exactly so
//! is refused. Like the rest of this room, this works on bytes alone, and never prints what it reads.

mod base64url;
mod caveats;
mod embedded;
mod json;
mod key;
mod presented;
mod signature;

pub use caveats::Caveats;
pub(super) use embedded::{EmbeddedChild, child_at_end_of};
pub use key::{DerivingKey, PublicKey};
pub use presented::DerivedText;
pub use signature::SIGNATURE_LEN;

/// Length of the longest child, in characters.
pub const MAX_DERIVED_LEN: usize = 2048;

/// What separates the parts of a child. No token has it.
const SEPARATOR: u8 = b'.';

#[cfg(test)]
mod tests;
