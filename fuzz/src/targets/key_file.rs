//! The key file.

use std::rc::Rc;

use crate::error::key_fault::KeyFault;
use crate::keys::file::{KeyFile, NamedKey};
use crate::token::{check_value, is_key_id};

/// A purpose, an id, and the value by which the key is recognised.
type Key = (&'static str, String, [u8; 32]);

/// Read twice, the second time by whoever knows only what the documents say.
pub fn check(input: &[u8]) {
    let read = match KeyFile::parse(input) {
        Ok(file) => {
            Ok([listed("pepper", &file.peppers), listed("seal", &file.seals), listed("import", &file.imports)].concat())
        }
        Err(KeyFault::Line(number) | KeyFault::Repeated(number)) => Err(number),
        Err(other) => panic!("a text is never {other:?}"),
    };
    assert!(read == expected(input), "the key file is read otherwise");
}

fn listed<K>(purpose: &'static str, keys: &[Rc<NamedKey<K>>]) -> Vec<Key> {
    keys.iter().map(|key| (purpose, key.id.to_string(), key.check_value)).collect()
}

/// The keys by purpose, or the number of the first line that is none.
fn expected(text: &[u8]) -> Result<Vec<Key>, usize> {
    let mut keys: Vec<Key> = Vec::new();
    for (number, line) in (1..).zip(text.split(|&byte| byte == b'\n')) {
        let words: Vec<&[u8]> = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
        if words.first().is_none_or(|word| word[0] == b'#') {
            continue;
        }
        let &[purpose, id, digits] = &words[..] else { return Err(number) };
        let purpose = ["pepper", "seal", "import"].into_iter().find(|known| known.as_bytes() == purpose);
        let purpose = purpose.ok_or(number)?;
        let lengths = if purpose == "import" { 2..=512 } else { 64..=64 };
        if !is_key_id(id) || !lengths.contains(&digits.len()) {
            return Err(number);
        }
        let key = hex::decode(digits).map_err(|_| number)?;
        let id = String::from_utf8(id.to_vec()).map_err(|_| number)?;
        if keys.iter().any(|(_, known, _)| *known == id) {
            return Err(number);
        }
        keys.push((purpose, id, check_value(&key)));
    }
    keys.sort_by_key(|(purpose, ..)| ["pepper", "seal", "import"].iter().position(|known| known == purpose));
    Ok(keys)
}
