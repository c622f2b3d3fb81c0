//! Imported tokens, which are found by digests of what was presented.

use super::cache;
use crate::catalog::import::Imports;
use crate::error::{Error, KeyError};
use crate::token::{Digest, ForeignAlgorithm, Lookup};

/// What `find` finds of an imported token, by each algorithm of which there are any. Without a text, `digest` may be by
/// any of them; with one, it is the SHA-256 of the text.
///
/// # Errors
/// Those of `find`; 55000 when it finds nothing, and a key is missing by which the token could be another's.
pub fn find_import<T>(
    imports: &Imports,
    digest: Option<&Digest>,
    text: Option<&[u8]>,
    mut find: impl FnMut(Lookup, &Digest) -> Result<Option<T>, Error>,
) -> Result<Option<T>, Error> {
    let mut missing = None;
    for algorithm in imports.algorithms() {
        let digest = match (text, digest) {
            (Some(_), Some(digest)) if *algorithm == ForeignAlgorithm::Sha256 => Ok(Some(digest.clone())),
            (Some(text), _) => foreign_digest(algorithm, text),
            (None, digest) => Ok(digest.filter(|digest| digest.as_bytes().len() == algorithm.digest_len()).cloned()),
        };
        match digest {
            Ok(Some(digest)) => match find(algorithm.lookup(&digest), &digest)? {
                None => {}
                found => return Ok(found),
            },
            Ok(None) => {}
            Err(why) => missing = Some(why),
        }
    }
    missing.map_or(Ok(None), |why| Err(why.into()))
}

/// The digest of a text by an algorithm of an older system; `None` if no token of that has such a text.
fn foreign_digest(algorithm: &ForeignAlgorithm, text: &[u8]) -> Result<Option<Digest>, KeyError> {
    let Some(secret) = algorithm.secret(text) else {
        return Ok(None);
    };
    let key = algorithm.key().map(cache::import_key).transpose()?;
    Ok(algorithm.digest(&secret, key.as_ref().map(|key| &key.key)))
}
