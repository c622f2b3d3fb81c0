//! Whose a text or a digest is, without judging it.

use std::iter;

use pgrx::Uuid;

use super::derived::{self, IdentifiedChild};
use super::imported::find_import;
use super::resolved::TokenRow;
use super::{Claim, FOREIGN};
use crate::catalog::import::Imports;
use crate::error::Error;
use crate::keys;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::types::text::PresentedText;
use crate::token::{Digest, Lookup};

/// Whether a text does not have the form of our tokens, but may be one of an older system.
pub fn may_be_imported(text: &PresentedText<'_>) -> bool {
    matches!(Claim::of_presented(text), Claim::Foreign(_))
}

/// Returns the id of the token with this text, alive or not. A derived token has none.
///
/// # Errors
/// 55000 when the token's pepper is missing, or the key file has another key under its id.
pub fn identify(text: &PresentedText<'_>) -> Result<Option<Uuid>, Error> {
    identify_claim(Claim::of_presented(text))
}

fn identify_claim(claim: Claim<'_>) -> Result<Option<Uuid>, Error> {
    match claim {
        Claim::Bad(_) => Ok(None),
        Claim::Token { lookup, digest, text } => identify_token(lookup, &digest, text),
        Claim::Child(text) | Claim::Foreign(text) => identify_foreign(text),
    }
}

/// What dies when its text is known to somebody else.
pub enum Killable {
    Token(Uuid),
    /// It dies alone: who knows it does not know its parent.
    Child(IdentifiedChild),
}

impl Killable {
    /// All that this text presents, alive or not, in the order in which tokens are locked: a token and imports of the
    /// same text by any algorithm, since what answers first today may be purged tomorrow. The text is read as it is,
    /// and without the blanks, tabs and line ends around it, as a header would be.
    ///
    /// # Errors
    /// As [`identify`]; 55000 also when nothing is found, and a key is missing by which an import could be.
    pub fn all_of(text: &[u8]) -> Result<Vec<Self>, Error> {
        let (mut all, mut missing) = (Vec::new(), None);
        let bare = text.trim_ascii();
        for reading in iter::once(text).chain((bare.len() < text.len()).then_some(bare)) {
            all.extend(derived::identify_to_kill(reading)?.map(Killable::Child));
            let mut found = Vec::new();
            if let Claim::Token { lookup, digest, .. } = Claim::of_text(reading) {
                found.push(identify_digest(lookup, &digest));
            }
            if FOREIGN.contains(&reading.len()) {
                let imports = Imports::read(&LatestSnapshot::take());
                let go_on = |lookup, digest: &Digest| {
                    found.push(identify_digest(lookup, digest));
                    Ok(None::<Uuid>)
                };
                missing = find_import(&imports, None, Some(reading), go_on).err().or(missing);
            }
            for id in found {
                all.extend(id?.map(Killable::Token));
            }
        }
        match missing {
            Some(missing) if all.is_empty() => return Err(missing),
            _ => all.sort_by_key(|killable| *killable.token().as_bytes()),
        }
        all.dedup_by(
            |one, other| matches!((one, other), (Killable::Token(one), Killable::Token(other)) if one == other),
        );
        Ok(all)
    }

    /// The token, or that from which it was derived.
    pub fn token(&self) -> Uuid {
        match self {
            Killable::Token(id) => *id,
            Killable::Child(child) => child.parent,
        }
    }
}

fn identify_foreign(text: &[u8]) -> Result<Option<Uuid>, Error> {
    if !FOREIGN.contains(&text.len()) {
        return Ok(None);
    }
    find_import(&Imports::read(&LatestSnapshot::take()), None, Some(text), identify_digest)
}

/// Returns the id of the token with this lookup and digest, alive or not; failing that, of the imported one with this
/// digest, or another digest of this text.
///
/// # Errors
/// As [`identify`].
pub fn identify_token(lookup: Lookup, digest: &Digest, text: Option<&[u8]>) -> Result<Option<Uuid>, Error> {
    match identify_digest(lookup, digest)? {
        None => find_import(&Imports::read(&LatestSnapshot::take()), Some(digest), text, identify_digest),
        found => Ok(found),
    }
}

/// Returns the id of the token with this lookup and digest, alive or not.
///
/// # Errors
/// As [`identify`].
pub fn identify_digest(lookup: Lookup, digest: &Digest) -> Result<Option<Uuid>, Error> {
    let snapshot = LatestSnapshot::take();
    let found = TokenRow::find(lookup, digest, &snapshot, |id| keys::named(id, &snapshot))?;
    Ok(found.map(|token| token.id))
}
