//! Conversion between the server encoding and UTF-8.
//!
//! serde_json, Rust strings and messages are UTF-8; the database may have any encoding. Where text must be converted as
//! a whole, what cannot be raises PostgreSQL's own error (22021, 22P05); in messages it becomes `?`.

use std::ffi::{CStr, c_char, c_int};

use pgrx::pg_sys;

use super::memory::copied;
use super::text::Text;
use crate::token::pasted;

const UTF8: c_int = pg_sys::pg_enc::PG_UTF8 as c_int;
const SQL_ASCII: c_int = pg_sys::pg_enc::PG_SQL_ASCII as c_int;

fn database() -> c_int {
    // SAFETY: reads a static that is set when the backend connects.
    unsafe { pg_sys::GetDatabaseEncoding() }
}

/// Whether the database stores text as UTF-8.
pub fn is_utf8() -> bool {
    database() == UTF8
}

/// Longest text that a message repeats, in bytes.
const MOST_SHOWN: usize = 128;
/// More than a token has.
const BEYOND: usize = 128;

/// Server-encoded bytes for use in a message: cut to a reasonable length, with any token that has strayed into a name
/// masked, and with `?` for what is no text in any encoding.
pub fn shown(bytes: &[u8]) -> String {
    // A token that begins in what is shown ends before this.
    let mut bytes = bytes[..bytes.len().min(MOST_SHOWN + BEYOND)].to_vec();
    pasted::mask_in_place(&mut bytes);
    if bytes.len() > MOST_SHOWN {
        bytes.truncate(MOST_SHOWN);
        // Where the cut ends a run of letters, there may be a token that was none while the run went on.
        pasted::mask_in_place(&mut bytes);
        bytes.extend_from_slice(b"...");
    }
    if is_utf8() { String::from_utf8_lossy(&bytes).into_owned() } else { to_utf8_lossy(&bytes) }
}

/// Server-encoded bytes as UTF-8, with `?` for what cannot be converted.
pub fn to_utf8_lossy(bytes: &[u8]) -> String {
    String::from_utf8(convert_lossily(bytes, database(), UTF8)).unwrap_or_default()
}

/// A message in the encoding of the server, with `?` for characters that it does not have; `None` if it is the same
/// there.
pub fn message(text: &str) -> Option<Vec<u8>> {
    let encoding = database();
    let is_same = text.is_ascii() || encoding == UTF8 || encoding == SQL_ASCII;
    (!is_same).then(|| convert_lossily(text.as_bytes(), UTF8, encoding))
}

/// Server-encoded bytes as UTF-8; `None` when they cannot be converted.
pub fn utf8(bytes: &[u8]) -> Option<String> {
    if bytes.is_ascii() || is_utf8() || database() == SQL_ASCII {
        return String::from_utf8(copied(bytes)).ok();
    }
    let (converted, read) = Converter::find(database(), UTF8)?.convert(bytes);
    String::from_utf8(converted).ok().filter(|_| read == bytes.len())
}

/// Whether the server encoding has every character of a text.
pub fn has(text: &str) -> bool {
    text.is_ascii()
        || is_utf8()
        || database() == SQL_ASCII
        || Converter::find(UTF8, database()).is_some_and(|converter| converter.convert(text.as_bytes()).1 == text.len())
}

/// Whether a text takes more bytes than this in UTF-8, so that it would not fit after a move to such a database.
pub fn is_longer(bytes: &[u8], most: usize) -> bool {
    /// The most bytes that a server encoding takes for a character, which takes at least one in UTF-8.
    const WIDEST: usize = 4;
    if bytes.is_ascii() || is_utf8() || database() == SQL_ASCII || bytes.len() > WIDEST * most {
        return bytes.len() > most;
    }
    convert_lossily(bytes, database(), UTF8).len() > most
}

/// Whether a text holds nothing but white space. Bytes that cannot be text are something.
pub fn is_blank(bytes: &[u8]) -> bool {
    bytes.trim_ascii().is_empty() || utf8(bytes).is_some_and(|text| text.trim().is_empty())
}

/// A hint in the server encoding: `…` becomes `...` unless that is UTF-8, as other encodings may lack the character.
pub fn hint(hint: String) -> Text {
    if is_utf8() { hint.into_bytes().into() } else { hint.replace('…', "...").into_bytes().into() }
}

/// The number of characters in these bytes of a text.
pub fn characters(bytes: &[u8]) -> usize {
    // A text has less than a gigabyte.
    let length = c_int::try_from(bytes.len()).unwrap_or(c_int::MAX);
    // SAFETY: `bytes` is valid for `length` bytes, and no more are read. Raises 22021 for bytes that cannot be text.
    let characters = unsafe { pg_sys::pg_mbstrlen_with_len(bytes.as_ptr().cast(), length) };
    usize::try_from(characters).unwrap_or_default()
}

/// Converts server-encoded text to UTF-8.
///
/// # Errors
/// Raises 22021 when an SQL_ASCII database holds bytes that are not UTF-8.
pub fn to_utf8(bytes: &[u8]) -> String {
    // What the server has converted or checked is UTF-8, and needs no further copy.
    String::from_utf8(convert(bytes, pg_sys::pg_server_to_any)).unwrap_or_default()
}

/// Converts UTF-8 to the server encoding.
///
/// # Errors
/// Raises 22P05 for a character that the server encoding does not have.
pub fn from_utf8(text: &str) -> Vec<u8> {
    convert(text.as_bytes(), pg_sys::pg_any_to_server)
}

type Conversion = unsafe fn(*const c_char, c_int, c_int) -> *mut c_char;

fn convert(bytes: &[u8], conversion: Conversion) -> Vec<u8> {
    // ASCII is the same in every server encoding.
    let (false, Ok(length)) = (bytes.is_ascii(), c_int::try_from(bytes.len())) else {
        return copied(bytes);
    };
    // SAFETY: `bytes` is valid for `length` bytes. The result is the same pointer when there is nothing to convert,
    // otherwise a palloc'd, zero-terminated string, which is copied and freed.
    unsafe {
        let converted = conversion(bytes.as_ptr().cast(), length, UTF8);
        if converted.cast_const().cast() == bytes.as_ptr() {
            return copied(bytes);
        }
        let copy = copied(CStr::from_ptr(converted).to_bytes());
        pg_sys::pfree(converted.cast());
        copy
    }
}

/// Converts text, with `?` for each character that cannot be converted. Never raises an error of conversion.
fn convert_lossily(bytes: &[u8], from: c_int, to: c_int) -> Vec<u8> {
    if bytes.is_ascii() || from == to || to == UTF8 && from == SQL_ASCII && str::from_utf8(bytes).is_ok() {
        return copied(bytes);
    }
    let Some(converter) = Converter::find(from, to) else {
        return bytes.iter().map(|&byte| if byte.is_ascii() { byte } else { b'?' }).collect();
    };
    let mut converted = Vec::new();
    let mut rest = bytes;
    loop {
        let (part, read) = converter.convert(rest);
        converted.extend_from_slice(&part);
        rest = &rest[read..];
        if rest.is_empty() {
            return converted;
        }
        converted.push(b'?');
        // SAFETY: looks at the first byte, and at the next ones only as far as their text goes on.
        let width = unsafe { pg_sys::pg_encoding_mblen(from, rest.as_ptr().cast()) };
        rest = &rest[usize::try_from(width).unwrap_or(1).clamp(1, rest.len())..];
    }
}

/// How the server converts from one encoding to another.
struct Converter {
    procedure: pg_sys::Oid,
    from: c_int,
    to: c_int,
}

impl Converter {
    /// The conversion between these encodings, if there is one and catalogs can be read.
    fn find(from: c_int, to: c_int) -> Option<Self> {
        if from == SQL_ASCII || to == SQL_ASCII {
            return None;
        }
        // SAFETY: looks it up in a catalog, which takes a transaction.
        let procedure = unsafe {
            if !pg_sys::IsTransactionState() {
                return None;
            }
            pg_sys::FindDefaultConversionProc(from, to)
        };
        (procedure != pg_sys::InvalidOid).then_some(Converter { procedure, from, to })
    }

    /// Converts up to the first character that cannot be, and returns how many bytes it has read.
    fn convert(&self, bytes: &[u8]) -> (Vec<u8>, usize) {
        /// The most bytes that one byte becomes, as in `pg_wchar.h`.
        const GROWTH: usize = 4;
        /// More than any text that is converted here, whose conversion then fits in a C int.
        const MOST: usize = 1 << 20;
        let mut source = bytes[..bytes.len().min(MOST)].to_vec();
        let mut converted = vec![0; source.len() * GROWTH + 1];
        let length = |bytes: &[u8]| c_int::try_from(bytes.len()).unwrap_or_default();
        let (given, room) = (length(&source), length(&converted));
        // SAFETY: both buffers are as long as is said; the result is zero-terminated. With `noError` nothing is raised
        // for what cannot be converted.
        let read = unsafe {
            pg_sys::pg_do_encoding_conversion_buf(
                self.procedure,
                self.from,
                self.to,
                source.as_mut_ptr(),
                given,
                converted.as_mut_ptr(),
                room,
                true,
            )
        };
        let end = converted.iter().position(|&byte| byte == 0).unwrap_or_default();
        converted.truncate(end);
        (converted, usize::try_from(read).unwrap_or_default())
    }
}
