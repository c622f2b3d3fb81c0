//! Text arguments and columns as bytes.
//!
//! A `text` value holds whatever the server encoding allows: Latin-1, or in an SQL_ASCII database any byte at all.
//! pgrx's `&str` panics on such values, so nothing here assumes UTF-8.

use std::borrow::Borrow;

use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::nullable::Nullable;
use pgrx::{FromDatum, IntoDatum, impl_sql_translatable, pg_sys};
use zeroize::Zeroizing;

use super::memory::copied;
use super::{encoding, varlena};
use crate::token::pasted;

/// A `text` value, in the server encoding.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Vec<u8>);

impl Text {
    /// The bytes, in the server encoding.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as a box.
    pub fn into_bytes(self) -> Box<[u8]> {
        self.0.into_boxed_slice()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text with every token in it hidden except for its hint, in the same length, whatever follows the token.
    pub fn masked(mut self) -> Self {
        pasted::mask_in_place(&mut self.0);
        self
    }

    /// The text as messages may show it: messages are built as UTF-8, so in a database of another encoding every
    /// character that is not ASCII becomes `?`.
    pub fn shown(&self) -> String {
        encoding::shown(&self.0)
    }
}

/// # Errors
/// Raises 53200 when there is no memory for the copy.
impl Clone for Text {
    fn clone(&self) -> Self {
        Text(copied(&self.0))
    }
}

/// Compared and hashed as its bytes.
impl Borrow<[u8]> for Text {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Text {
    fn from(bytes: Vec<u8>) -> Self {
        Text(bytes)
    }
}

/// Takes text of our own, which is ASCII.
impl From<&str> for Text {
    fn from(text: &str) -> Self {
        debug_assert!(text.is_ascii());
        Text(text.as_bytes().to_vec())
    }
}

impl FromDatum for Text {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _oid: pg_sys::Oid) -> Option<Self> {
        if is_null {
            return None;
        }
        // SAFETY: the caller vouches that the datum is a text; the bytes are copied before anything can free them.
        Some(Text(copied(unsafe { varlena::bytes(datum) })))
    }
}

/// Copied once, into the memory of the server.
impl IntoDatum for &Text {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        self.0.as_slice().into_datum()
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::TEXTOID
    }
}

impl IntoDatum for Text {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        self.0.as_slice().into_datum()
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::TEXTOID
    }
}

impl_sql_translatable!(Text, "text");

// SAFETY: a text argument is unboxed as its bytes, by FromDatum above.
unsafe impl<'fcx> ArgAbi<'fcx> for Text {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: forwarded from the caller.
        unsafe { arg.unbox_arg_using_from_datum() }.unwrap_or_else(|| Text(Vec::new()))
    }

    unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
        // SAFETY: forwarded from the caller.
        unsafe { arg.unbox_arg_using_from_datum() }.into()
    }
}

// SAFETY: `into_datum` makes a palloc'd varlena, which is what a function declared to return text must return.
unsafe impl BoxRet for Text {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        match self.into_datum() {
            // SAFETY: the datum was just made.
            Some(datum) => unsafe { fcinfo.return_raw_datum(datum) },
            None => fcinfo.return_null(),
        }
    }
}

/// A token text on its way to the caller. Our buffer is wiped; the caller gets the server's copy.
pub struct Plaintext(Zeroizing<Vec<u8>>);

impl From<Zeroizing<Vec<u8>>> for Plaintext {
    fn from(text: Zeroizing<Vec<u8>>) -> Self {
        Plaintext(text)
    }
}

impl From<Vec<u8>> for Plaintext {
    fn from(text: Vec<u8>) -> Self {
        Plaintext(Zeroizing::new(text))
    }
}

impl_sql_translatable!(Plaintext, "text");

// SAFETY: as for `Text`.
unsafe impl BoxRet for Plaintext {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        match self.0.as_slice().into_datum() {
            // SAFETY: the datum was just made.
            Some(datum) => unsafe { fcinfo.return_raw_datum(datum) },
            None => fcinfo.return_null(),
        }
    }
}

/// A text argument that is only looked at and never copied: a token text, or a text that may contain tokens.
///
/// A text longer than [`PresentedText::LONGEST`] is not fetched or decompressed.
pub struct PresentedText<'fcx>(Option<&'fcx [u8]>);

impl<'fcx> PresentedText<'fcx> {
    /// Longest text that is looked at; derived tokens set this limit.
    pub const LONGEST: usize = 2048;

    /// The bytes, or `None` when the text is too long to be a token.
    pub fn bytes(&self) -> Option<&'fcx [u8]> {
        self.0
    }
}

impl FromDatum for PresentedText<'_> {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _oid: pg_sys::Oid) -> Option<Self> {
        if is_null {
            return None;
        }
        // SAFETY: the caller vouches for a text datum.
        if let Some(bytes) = unsafe { varlena::in_line(datum) } {
            return Some(PresentedText(Some(bytes).filter(|bytes| bytes.len() <= Self::LONGEST)));
        }
        // SAFETY: as above; its size is read from its header or its toast pointer.
        if unsafe { pg_sys::toast_raw_datum_size(datum) } - pg_sys::VARHDRSZ > Self::LONGEST {
            return Some(PresentedText(None));
        }
        // SAFETY: as above. A detoasted copy is palloc'd and lives as long as the call's argument.
        Some(PresentedText(Some(unsafe { varlena::bytes(datum) })))
    }
}

impl_sql_translatable!(PresentedText<'_>, "text");

// SAFETY: a text argument is unboxed as its bytes, by FromDatum above.
unsafe impl<'fcx> ArgAbi<'fcx> for PresentedText<'fcx> {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: forwarded from the caller.
        unsafe { arg.unbox_arg_using_from_datum() }.unwrap_or(PresentedText(None))
    }

    unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
        // SAFETY: forwarded from the caller.
        unsafe { arg.unbox_arg_using_from_datum() }.into()
    }
}
