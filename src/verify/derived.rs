//! A child as it is presented: its text, and what its caveats leave of its parent.

use std::rc::Rc;

use pgrx::Uuid;

use super::resolved::TokenRow;
use crate::catalog::kind;
use crate::error::Error;
use crate::keys;
use crate::model::kind::Kind;
use crate::model::narrowing::Narrowing;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::types::encoding;
use crate::token::derived::{DerivedText, PublicKey};
use crate::token::{Digest, Lookup, Malformed};

/// A text in the form of a child, of which nothing was looked up yet.
pub struct Child<'a> {
    text: DerivedText<'a>,
    narrowing: Rc<Narrowing>,
}

impl<'a> Child<'a> {
    /// Parses a presented text.
    ///
    /// # Errors
    /// [`Malformed`] names the rule that is broken.
    pub fn parse(text: &'a [u8]) -> Result<Self, Malformed> {
        let text = DerivedText::parse(text)?;
        let narrowing = Narrowing::of(text.caveats(), encoding::has).map(Rc::new).ok_or(Malformed::Caveats)?;
        Ok(Child { text, narrowing })
    }

    /// The lookup of its parent.
    pub fn lookup(&self) -> Lookup {
        self.text.lookup()
    }

    /// What it leaves of its parent.
    pub fn narrowing(&self) -> Rc<Narrowing> {
        Rc::clone(&self.narrowing)
    }

    /// Whether tokens of this kind have such children.
    pub fn is_of(&self, kind: &Kind) -> bool {
        kind.derivable && self.has_prefix_of(kind)
    }

    /// Whether its text begins as those of tokens of this kind.
    fn has_prefix_of(&self, kind: &Kind) -> bool {
        kind.prefix.as_str().as_bytes() == self.text.prefix()
    }

    /// Whether it was signed by the holder of the token with this key.
    pub fn is_signed_by(&self, key: PublicKey) -> bool {
        self.text.is_signed_by(key)
    }
}

/// A child whose signature was checked, alive or not.
pub struct IdentifiedChild {
    /// Its parent.
    pub parent: Uuid,
    /// Its own digest.
    pub digest: Digest,
    /// What it leaves of its parent.
    pub narrowing: Rc<Narrowing>,
}

/// The child with this text, alive or not; `None` if it is none of any token here.
///
/// # Errors
/// 55000 when the parent's pepper is missing, or the key file has another key under its id.
pub fn identify(text: &[u8]) -> Result<Option<IdentifiedChild>, Error> {
    find(text, |child, kind| child.is_of(kind))
}

/// As [`identify`], to kill it: also one whose kind has no children now, but may have them again before it ends.
///
/// # Errors
/// As `identify`.
pub fn identify_to_kill(text: &[u8]) -> Result<Option<IdentifiedChild>, Error> {
    find(text, |child, kind| child.has_prefix_of(kind))
}

fn find(text: &[u8], is_of: impl FnOnce(&Child<'_>, &Kind) -> bool) -> Result<Option<IdentifiedChild>, Error> {
    let Ok(child) = Child::parse(text) else { return Ok(None) };
    let (snapshot, digest) = (LatestSnapshot::take(), Digest::sha256(text));
    let found = TokenRow::find_parent(child.lookup(), &digest, &snapshot, |id| keys::named(id, &snapshot))?;
    Ok(found.and_then(|(parent, key)| {
        let is_of_kind = kind::find(parent.kind.as_bytes(), &snapshot).is_some_and(|kind| is_of(&child, &kind));
        (is_of_kind && child.is_signed_by(key)).then(|| IdentifiedChild {
            parent: parent.id,
            digest,
            narrowing: child.narrowing(),
        })
    }))
}
