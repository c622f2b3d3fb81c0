//! Conversion between the server encoding and UTF-8.
//!
//! serde_json and Rust strings are UTF-8; the database may have any encoding. Text that cannot be converted raises
//! PostgreSQL's own error (22021, 22P05), and never panics.

use std::ffi::{CStr, c_char, c_int};

use pgrx::pg_sys;

use super::memory::copied;
use super::text::Text;
use crate::token::embedded;

const UTF8: c_int = pg_sys::pg_enc::PG_UTF8 as c_int;

/// Whether the database stores text as UTF-8.
pub fn is_utf8() -> bool {
    // SAFETY: reads a static that is set when the backend connects.
    unsafe { pg_sys::GetDatabaseEncoding() == UTF8 }
}

/// Longest text that a message repeats, in bytes.
const MOST_SHOWN: usize = 128;
/// More than a token has.
const BEYOND: usize = 128;

/// Server-encoded bytes for use in a message: cut to a reasonable length, with any token that has strayed into a name
/// masked, and with `?` for what is not ASCII unless the server encoding is UTF-8.
pub fn shown(bytes: &[u8]) -> String {
    // A token that begins in what is shown ends before this.
    let mut bytes = bytes[..bytes.len().min(MOST_SHOWN + BEYOND)].to_vec();
    embedded::mask_in_place(&mut bytes);
    if bytes.len() > MOST_SHOWN {
        bytes.truncate(MOST_SHOWN);
        bytes.extend_from_slice(b"...");
    }
    if is_utf8() {
        String::from_utf8_lossy(&bytes).into_owned()
    } else {
        bytes.iter().map(|&byte| if byte.is_ascii() { char::from(byte) } else { '?' }).collect()
    }
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
    let converted = convert(bytes, pg_sys::pg_server_to_any);
    String::from_utf8_lossy(&converted).into_owned()
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
