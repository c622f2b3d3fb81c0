//! Keys from outside the database: what this backend has read from the key file, checked against the database.
//!
//! The file is read when a key is first needed and again after each reload of the configuration, which also makes
//! `pg::scan::invalidation` drop whatever was cached under the old file. A missing key, or a different one under
//! its id, is an error of its own and never an unknown token: from a key's first use on, the table `key` holds its
//! check value.

#![forbid(unsafe_code)]

mod file;

use std::cell::RefCell;
use std::ffi::{CStr, CString};
use std::rc::Rc;

pub use file::NamedKey;

use pgrx::PgLogLevel;

use crate::catalog;
use crate::catalog::key::{self, Needed};
use crate::error::key_fault::KeyFault;
use crate::error::{ErrorReport, KeyError};
use crate::pg::process::backend_local::backend_local;
use crate::pg::process::settings::{data_directory, path_of, reloaded_at};
use crate::pg::report::diagnostics;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::settings;
use crate::token::{ImportKey, Pepper, Seal};
use file::KeyFile;

/// The key file as this backend last read it.
struct CachedKeyFile {
    path: Option<CString>,
    reloaded_at: i64,
    file: Rc<KeyFile>,
}

backend_local! {
    static CACHED: RefCell<Option<CachedKeyFile>> = const { RefCell::new(None) };
}

/// The purpose of a key, which selects its lines in the file.
pub trait Purpose: Sized {
    /// The keys of this purpose, in the order of the file.
    fn keys(file: &KeyFile) -> &[Rc<NamedKey<Self>>];
}

impl Purpose for Pepper {
    fn keys(file: &KeyFile) -> &[Rc<NamedKey<Self>>] {
        &file.peppers
    }
}

impl Purpose for Seal {
    fn keys(file: &KeyFile) -> &[Rc<NamedKey<Self>>] {
        &file.seals
    }
}

impl Purpose for ImportKey {
    fn keys(file: &KeyFile) -> &[Rc<NamedKey<Self>>] {
        &file.imports
    }
}

/// The key that new tokens use, registered in the database; `None` when there is none of this purpose.
///
/// # Errors
/// 55000 when the key file is unusable, or when the database knows a different key by this id.
pub fn newest<K: Purpose>() -> Result<Option<Rc<NamedKey<K>>>, KeyError> {
    let file = known()?;
    let Some(key) = K::keys(&file).last() else {
        return Ok(None);
    };
    key.register()?;
    Ok(Some(Rc::clone(key)))
}

/// The key of an older system with this id, registered in the database.
///
/// # Errors
/// 55000 when the key file is unusable or does not have the key, or when the database knows a different one by this id.
pub fn of_import(id: &str) -> Result<Rc<NamedKey<ImportKey>>, KeyError> {
    let key = in_file(id.as_bytes())?.ok_or_else(|| KeyError::NoImport(id.to_owned()))?;
    key.register()?;
    Ok(key)
}

/// The key with this id in the key file.
fn in_file<K: Purpose>(id: &[u8]) -> Result<Option<Rc<NamedKey<K>>>, KeyError> {
    let find = |file: &KeyFile| file::find(K::keys(file), id).map(Rc::clone);
    // A backend in the middle of a long statement has not yet processed the reload that added the key.
    Ok(match find(&*known()?) {
        Some(key) => Some(key),
        None => find(&*read()?),
    })
}

/// The key that rows refer to by this id.
///
/// # Errors
/// 55000 when the key file is unusable, does not have the key, or has a different one under this id.
pub fn named<K: Purpose>(id: &[u8], snapshot: &LatestSnapshot) -> Result<Rc<NamedKey<K>>, KeyError> {
    let key = in_file::<K>(id)?.ok_or_else(|| KeyError::Missing(String::from_utf8_lossy(id).into_owned()))?;
    key.must_be(catalog::key::check_value(&key.id, snapshot))?;
    Ok(key)
}

impl<K> NamedKey<K> {
    /// Has the database know the key from now on.
    ///
    /// # Errors
    /// 55000 when it knows a different one by this id.
    fn register(&self) -> Result<(), KeyError> {
        let mut known = catalog::key::check_value(&self.id, &LatestSnapshot::take());
        if known.is_none() {
            catalog::key::store(&self.id, &self.check_value);
            // Another session may just have stored a different key under this id.
            known = catalog::key::check_value(&self.id, &LatestSnapshot::take());
        }
        self.must_be(known)
    }

    /// Checks that this is the key the database knows.
    ///
    /// # Errors
    /// 55000 when the database knows a different key by this id, or none.
    fn must_be(&self, known: Option<[u8; 32]>) -> Result<(), KeyError> {
        if known == Some(self.check_value) { Ok(()) } else { Err(KeyError::Wrong(self.id.to_string())) }
    }
}

/// Why the key file at this path is unusable, if it is. Keeps nothing of its contents.
fn fault(path: &CStr) -> Option<KeyFault> {
    KeyFile::read(path_of(path), data_directory()).err()
}

/// Whether the key file that is set can be used; `true` where none is. Keeps nothing of its contents.
pub fn is_file_usable() -> bool {
    settings::key_file().is_none_or(|path| fault(&path).is_none())
}

/// What is wrong with the keys that this database's tokens need: the file, or each missing or different key.
pub fn faults() -> Vec<KeyError> {
    let file = match read() {
        Ok(file) => file,
        Err(why) => return vec![why],
    };
    let is_there = |needed: &Needed| {
        let (id, known) = (&needed.id, needed.check_value);
        let found = match needed.purpose {
            key::Purpose::Pepper => file::find(&file.peppers, id).map(|key| key.must_be(known)),
            key::Purpose::Seal => file::find(&file.seals, id).map(|key| key.must_be(known)),
            key::Purpose::Import => file::find(&file.imports, id).map(|key| key.must_be(known)),
        };
        found.unwrap_or_else(|| Err(KeyError::Missing(String::from_utf8_lossy(&needed.id).into_owned())))
    };
    catalog::key::needed().iter().filter_map(|needed| is_there(needed).err()).collect()
}

/// The file as read after the last reload of the configuration, or when first needed.
fn known() -> Result<Rc<KeyFile>, KeyError> {
    let (path, now) = (settings::key_file(), reloaded_at());
    let known = CACHED.with_borrow(|known| {
        known
            .as_ref()
            .filter(|known| known.reloaded_at == now && known.path == path)
            .map(|known| Rc::clone(&known.file))
    });
    known.map_or_else(read, Ok)
}

/// Reads the current file. Without one there are no keys.
fn read() -> Result<Rc<KeyFile>, KeyError> {
    // Whatever the result, the previous keys are no longer used.
    CACHED.take();
    let (path, reloaded_at) = (settings::key_file(), reloaded_at());
    let file = match &path {
        None => KeyFile::default(),
        Some(path) => KeyFile::read(path_of(path), data_directory()).map_err(KeyError::File)?,
    };
    let file = Rc::new(file);
    CACHED.set(Some(CachedKeyFile { path, reloaded_at, file: Rc::clone(&file) }));
    Ok(file)
}

/// Reports a fault of the key file at once, in the log of the start or reload, before calls fail that need a key.
pub fn report_fault(path: &CStr) {
    if path.is_empty() {
        return;
    }
    if let Some(fault) = fault(path) {
        ErrorReport::from(KeyError::File(fault)).report(PgLogLevel::WARNING);
        diagnostics::clear_next();
    }
}
