//! The key file: its format.
//!
//! Each key is one line, `pepper <id> <64 hex digits>`, `seal <id> <64 hex digits>` or, for digests of an older system,
//! `import <id> <2 to 512 hex digits>`; lines that begin with `#` are comments. No message repeats a line. An unsafe
//! file is refused (`pg/process/private_file.rs`).

use std::path::Path;
use std::rc::Rc;

use zeroize::Zeroizing;

use crate::error::key_fault::KeyFault;
use crate::pg::process::private_file;
use crate::token::{ImportKey, KEY_LEN, Pepper, Seal, check_value, is_key_id};

/// Longest key file, in bytes: room for hundreds of keys.
const MOST_BYTES: usize = 64 * 1024;

/// The contents of a key file, in order. Has no `Debug`.
#[derive(Default)]
pub struct KeyFile {
    /// The keys for digests.
    pub peppers: Vec<Rc<NamedKey<Pepper>>>,
    /// The keys for sealed token texts.
    pub seals: Vec<Rc<NamedKey<Seal>>>,
    /// The keys for digests of older systems.
    pub imports: Vec<Rc<NamedKey<ImportKey>>>,
}

/// A key with its id. Has no `Debug`.
pub struct NamedKey<K> {
    /// The id by which rows refer to it.
    pub id: Box<str>,
    /// The value by which the database recognises it.
    pub check_value: [u8; 32],
    /// The key, ready for use.
    pub key: K,
}

impl KeyFile {
    /// Reads the file at this path, for a server with this data directory.
    ///
    /// # Errors
    /// [`KeyFault`] says why the file is unusable; then none of it is used.
    pub fn read(path: &Path, data_directory: &Path) -> Result<Self, KeyFault> {
        let text = private_file::read(path, data_directory, MOST_BYTES).map_err(KeyFault::File)?;
        Self::parse(&text)
    }

    /// Parses the text of a key file.
    ///
    /// # Errors
    /// [`KeyFault::Line`] or [`KeyFault::Repeated`], with the number of the first line that is no key.
    pub fn parse(text: &[u8]) -> Result<Self, KeyFault> {
        let mut keys = Self::default();
        for (number, line) in (1..).zip(text.split(|&byte| byte == b'\n')) {
            let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            let Some(purpose) = words.next().filter(|word| !word.starts_with(b"#")) else {
                continue;
            };
            let (Some(id), Some(digits), None) = (words.next(), words.next(), words.next()) else {
                return Err(KeyFault::Line(number));
            };
            let (Some(id), Some(key)) = (key_id(id), key(purpose, digits)) else {
                return Err(KeyFault::Line(number));
            };
            // Rows refer to a key by its id alone.
            if keys.has(id) {
                return Err(KeyFault::Repeated(number));
            }
            keys.add(purpose, id, &key).ok_or(KeyFault::Line(number))?;
        }
        Ok(keys)
    }

    /// Adds a key; `None` for a purpose that there is not, or a key of the wrong length.
    fn add(&mut self, purpose: &[u8], id: &str, key: &[u8]) -> Option<()> {
        match purpose {
            b"pepper" => self.peppers.push(NamedKey::new(id, key, Pepper::new(key.try_into().ok()?))),
            b"seal" => self.seals.push(NamedKey::new(id, key, Seal::new(key.try_into().ok()?))),
            b"import" => self.imports.push(NamedKey::new(id, key, ImportKey::new(key))),
            _ => return None,
        }
        Some(())
    }

    fn has(&self, id: &str) -> bool {
        let id = id.as_bytes();
        find(&self.peppers, id).is_some() || find(&self.seals, id).is_some() || find(&self.imports, id).is_some()
    }
}

/// The key with this id.
pub fn find<'a, K>(keys: &'a [Rc<NamedKey<K>>], id: &[u8]) -> Option<&'a Rc<NamedKey<K>>> {
    keys.iter().find(|key| key.id.as_bytes() == id)
}

impl<K> NamedKey<K> {
    fn new(id: &str, bytes: &[u8], key: K) -> Rc<Self> {
        Rc::new(NamedKey { id: id.into(), check_value: check_value(bytes), key })
    }
}

/// Parses an id, by which rows, messages and events refer to a key.
fn key_id(id: &[u8]) -> Option<&str> {
    is_key_id(id).then(|| str::from_utf8(id).ok()).flatten()
}

/// A key as hexadecimal digits spell it. One of another system has any length; ours have their own.
fn key(purpose: &[u8], digits: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let length = if purpose == b"import" { digits.len() / 2 } else { KEY_LEN };
    if !(1..=ImportKey::MOST).contains(&length) {
        return None;
    }
    let mut key = Zeroizing::new(vec![0; length]);
    hex::decode_to_slice(digits, key.as_mut_slice()).ok()?;
    Some(key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::token::MOST_KEY_ID;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn ids(text: &str) -> Result<(Vec<String>, Vec<String>), KeyFault> {
        let file = KeyFile::parse(text.as_bytes())?;
        let peppers = file.peppers.iter().map(|key| key.id.to_string()).collect();
        let seals = file.seals.iter().map(|key| key.id.to_string()).collect();
        Ok((peppers, seals))
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn keys_keep_the_order_of_their_lines() {
        let text = format!(
            "# made by openssl rand -hex 32\n\npepper 2025 {HEX}\n  seal\ts-1  {HEX}\r\n\
             pepper 2026.1 {HEX}\n#pepper old {HEX}"
        );
        assert_eq!(ids(&text), Ok((words(&["2025", "2026.1"]), words(&["s-1"]))));
        assert_eq!(ids(""), Ok((vec![], vec![])));
    }

    #[test]
    fn a_key_is_recognised_by_its_check_value() {
        let text = format!("pepper p {HEX}\nseal s {}", HEX.to_uppercase());
        let file = KeyFile::parse(text.as_bytes()).ok().unwrap();
        let key: [u8; KEY_LEN] = std::array::from_fn(|at| at as u8);
        assert_eq!(file.peppers[0].check_value, check_value(&key));
        assert_eq!(file.seals[0].check_value, check_value(&key));
    }

    #[test]
    fn a_key_of_another_system_has_the_length_that_it_has() {
        let file = KeyFile::parse(format!("import a ab\nimport b {}", "cd".repeat(ImportKey::MOST)).as_bytes());
        let file = file.ok().unwrap();
        assert_eq!(file.imports[0].check_value, check_value(&[0xab]));
        assert_eq!(file.imports[1].check_value, check_value(&[0xcd; ImportKey::MOST]));
    }

    #[test]
    fn malformed_lines_are_refused_by_number_and_nothing_else() {
        for line in [
            "pepper".to_owned(),
            "pepper p".to_owned(),
            format!("pepper {HEX}"),
            format!("salt p {HEX}"),
            format!("Pepper p {HEX}"),
            format!("pepper p {HEX} {HEX}"),
            format!("pepper p {HEX} # new"),
            format!("pepper p {HEX}00"),
            format!("pepper p {}", &HEX[2..]),
            format!("pepper p {}", HEX.replace('0', "g")),
            format!("pepper p:1 {HEX}"),
            format!("pepper \u{e9} {HEX}"),
            format!("pepper {} {HEX}", "i".repeat(MOST_KEY_ID + 1)),
            "import i".to_owned(),
            "import i a".to_owned(),
            format!("import i {}", "ab".repeat(ImportKey::MOST + 1)),
        ] {
            assert_eq!(ids(&format!("pepper first {HEX}\n{line}\n")), Err(KeyFault::Line(2)), "{line}");
        }
    }

    #[test]
    fn an_id_stands_for_one_key() {
        assert_eq!(ids(&format!("pepper k {HEX}\n\npepper k {HEX}")), Err(KeyFault::Repeated(3)));
        assert_eq!(ids(&format!("pepper k {HEX}\nseal k {HEX}")), Err(KeyFault::Repeated(2)));
        assert_eq!(ids(&format!("pepper k {HEX}\nimport k {HEX}")), Err(KeyFault::Repeated(2)));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = KeyFile::parse(&text);
        }
    }
}
