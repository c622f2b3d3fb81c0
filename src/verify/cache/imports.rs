//! What is cached of imported tokens as a whole: which algorithms there are, and the keys that they need.

use std::rc::Rc;

use super::{CACHE, cached, generation, settled};
use crate::catalog::import::Imports;
use crate::error::KeyError;
use crate::keys::{self, NamedKey};
use crate::pg::scan::invalidation;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::token::ImportKey;

/// Which algorithms imported tokens have.
pub fn imports() -> Imports {
    let Some(generation) = generation() else {
        return settled(invalidation::generation(), |snapshot, _| Imports::read(snapshot)).0;
    };
    if let Some(imports) = CACHE.with_borrow_mut(|cache| cache.fresh().imports.clone()) {
        return imports;
    }
    let (imports, generation) = settled(generation, |snapshot, _| Imports::read(snapshot));
    if invalidation::last_generation() == generation {
        CACHE.with_borrow_mut(|cache| cache.fresh().imports = Some(imports.clone()));
    }
    imports
}

/// The key of an older system with this id.
///
/// # Errors
/// 55000 when it is missing, or the key file has another key under its id.
pub fn import_key(id: &str) -> Result<Rc<NamedKey<ImportKey>>, KeyError> {
    let read = || keys::named(id.as_bytes(), &LatestSnapshot::take());
    let Some(generation) = generation() else {
        return read();
    };
    cached(
        generation,
        |cache| cache.import_keys.iter().find(|key| *key.id == *id).map(Rc::clone),
        read,
        |cache, key| cache.import_keys.push(Rc::clone(key)),
    )
}
