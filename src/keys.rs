//! Keys from outside the database: what this backend knows of the key file, and whether it is what the database knows.
//!
//! The file is read when a key is first needed and again after each reload of the configuration, by which time what was
//! remembered under the old one is forgotten (`pg::invalidation`). A key that is missing, or another one under its id, is
//! an error of its own and never an unknown token: the table `key` holds a check value of each from its first use on.

mod file;

use std::cell::RefCell;
use std::ffi::{CStr, CString};
use std::rc::Rc;

pub use file::{Fault, Key};

use crate::catalog;
use crate::catalog::key::Needed;
use crate::error::Error;
use crate::pg::settings::{data_directory, path_of, reloaded_at};
use crate::pg::snapshot::Latest;
use crate::settings;
use crate::token::{Pepper, Seal};
use file::KeyFile;

/// The file as it was read.
struct Known {
    path: Option<CString>,
    reloaded_at: i64,
    file: Rc<KeyFile>,
}

thread_local! {
    static KNOWN: RefCell<Option<Known>> = const { RefCell::new(None) };
}

/// What keys are for: which of the file's lines are theirs.
pub trait Purpose: Sized {
    /// In the order of the file.
    fn keys(file: &KeyFile) -> &[Rc<Key<Self>>];
}

impl Purpose for Pepper {
    fn keys(file: &KeyFile) -> &[Rc<Key<Self>>] {
        &file.peppers
    }
}

impl Purpose for Seal {
    fn keys(file: &KeyFile) -> &[Rc<Key<Self>>] {
        &file.seals
    }
}

/// The key that new tokens use, known to the database from now on; `None` when there is none of this purpose.
///
/// # Errors
/// 55000 when the key file cannot be used, or when the database knows another key by this id.
pub fn newest<K: Purpose>() -> Result<Option<Rc<Key<K>>>, Error> {
    let file = known()?;
    let Some(key) = K::keys(&file).last() else {
        return Ok(None);
    };
    let mut known = catalog::key::check_value(&key.id, &Latest::take());
    if known.is_none() {
        catalog::key::store(&key.id, &key.check_value);
        // Somebody else may have stored another one of that name a moment ago.
        known = catalog::key::check_value(&key.id, &Latest::take());
    }
    key.must_be(known)?;
    Ok(Some(Rc::clone(key)))
}

/// The key that rows call so.
///
/// # Errors
/// 55000 when the key file cannot be used, does not have the key, or has another one by this id.
pub fn named<K: Purpose>(id: &[u8], snapshot: &Latest) -> Result<Rc<Key<K>>, Error> {
    let find = |file: &KeyFile| file::find(K::keys(file), id).map(Rc::clone);
    // A backend in the middle of a long statement has not heard yet of the reload that brought the key.
    let key = match find(&*known()?) {
        Some(key) => key,
        None => find(&*read()?).ok_or_else(|| Error::KeyMissing(String::from_utf8_lossy(id).into_owned()))?,
    };
    key.must_be(catalog::key::check_value(&key.id, snapshot))?;
    Ok(key)
}

impl<K> Key<K> {
    /// # Errors
    /// 55000 when the database knows another key by this id, or none.
    fn must_be(&self, known: Option<[u8; 32]>) -> Result<(), Error> {
        if known == Some(self.check_value) { Ok(()) } else { Err(Error::KeyWrong(self.id.to_string())) }
    }
}

/// Why the file of this name cannot be used, as far as that can be told without keeping anything of it.
pub fn fault(path: &CStr) -> Option<Fault> {
    KeyFile::read(path_of(path), data_directory()).err()
}

/// What is wrong with the keys that tokens of this database need: the file itself, or each key that is missing or another.
pub fn faults() -> Vec<Error> {
    let file = match read() {
        Ok(file) => file,
        Err(why) => return vec![why],
    };
    let is_there = |needed: &Needed| {
        let found = if needed.is_pepper {
            file::find(&file.peppers, &needed.id).map(|key| key.must_be(needed.check_value))
        } else {
            file::find(&file.seals, &needed.id).map(|key| key.must_be(needed.check_value))
        };
        found.unwrap_or_else(|| Err(Error::KeyMissing(String::from_utf8_lossy(&needed.id).into_owned())))
    };
    catalog::key::needed().iter().filter_map(|needed| is_there(needed).err()).collect()
}

/// The file as it was when the configuration was last loaded, or when it was first needed.
fn known() -> Result<Rc<KeyFile>, Error> {
    let (path, now) = (settings::key_file(), reloaded_at());
    let known = KNOWN.with_borrow(|known| {
        known
            .as_ref()
            .filter(|known| known.reloaded_at == now && known.path == path)
            .map(|known| Rc::clone(&known.file))
    });
    known.map_or_else(read, Ok)
}

/// The file as it is now. Without one there are no keys.
fn read() -> Result<Rc<KeyFile>, Error> {
    // Whatever comes of it, the keys of before are not used any more.
    KNOWN.take();
    let (path, reloaded_at) = (settings::key_file(), reloaded_at());
    let file = match &path {
        None => KeyFile::default(),
        Some(path) => KeyFile::read(path_of(path), data_directory()).map_err(Error::KeyFile)?,
    };
    let file = Rc::new(file);
    KNOWN.set(Some(Known { path, reloaded_at, file: Rc::clone(&file) }));
    Ok(file)
}
