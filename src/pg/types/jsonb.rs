//! Converts `jsonb` from and to serde_json values.
//!
//! pgrx's `JsonB` takes the server's bytes for UTF-8 and panics where they are not.

use std::ffi::{CStr, CString, c_int};
use std::ptr;

use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::nullable::Nullable;
use pgrx::{FromDatum, IntoDatum, impl_sql_translatable, pg_sys};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::memory::{copied, expect_room};
use super::{encoding, varlena};
use crate::pg::report::diagnostics::Watch;
use crate::token::pasted;

/// A `jsonb` value in its text form, in the server encoding.
#[derive(PartialEq, Eq)]
pub struct Jsonb(Vec<u8>);

/// # Errors
/// Raises 53200 when there is no memory for the copy.
impl Clone for Jsonb {
    fn clone(&self) -> Self {
        Jsonb(copied(&self.0))
    }
}

impl Jsonb {
    /// Makes a jsonb of a value whose text is ASCII or can be written in the server encoding.
    pub fn of(value: &Value) -> Self {
        Jsonb(encoding::from_utf8(&value.to_string()))
    }

    /// The value, in UTF-8 (see [`encoding::to_utf8`] for what that may raise).
    pub fn value(&self) -> Value {
        // jsonb_out writes JSON; serde_json can refuse it only for its depth.
        self.parsed().unwrap_or(Value::Null)
    }

    /// The value as a `T`, whose parts are at most those of a [`Value`]; `None` when it has another form.
    ///
    /// # Errors
    /// Raises 53200 when there is no memory for it.
    pub fn parsed<T: DeserializeOwned>(&self) -> Option<T> {
        let text = encoding::to_utf8(&self.0);
        expect_room(most_parsed(text.as_bytes()));
        serde_json::from_str(&text).ok()
    }

    /// Its text, in the server encoding.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// With every token in it hidden except for its hint, as in a text.
    pub fn masked(mut self) -> Self {
        pasted::mask_in_place(&mut self.0);
        self
    }

    /// From its text, in the server encoding.
    pub(super) fn written(text: Vec<u8>) -> Self {
        Jsonb(text)
    }

    /// Without the members that are null, however deep.
    pub fn without_nulls(self) -> Self {
        // SAFETY: jsonb_strip_nulls takes one jsonb, and returns another.
        let stripped = unsafe { pgrx::direct_function_call(pg_sys::jsonb_strip_nulls, &[self.into_datum()]) };
        stripped.unwrap_or_else(Jsonb::empty_object)
    }

    /// `{}`.
    pub fn empty_object() -> Self {
        Jsonb(b"{}".to_vec())
    }

    /// Whether it is `{}`.
    pub fn is_empty_object(&self) -> bool {
        self.0 == b"{}"
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        self.0.first() == Some(&b'{')
    }

    /// Length of its text in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// The most memory that parsing a JSON text takes, several times its length, from its commas and brackets alone.
fn most_parsed(json: &[u8]) -> usize {
    /// A value, in a list that has just doubled its room beside its former place, with a small allocation of its own.
    const VALUE: usize = 3 * size_of::<Value>() + 48;
    /// A member's share of a half empty node of a map, and the allocation of its name.
    const MEMBER: usize = 2 * size_of::<(String, Value)>() + 48;
    /// The first node of a map, or the first room of a list.
    const FIRST: usize = 12 * size_of::<(String, Value)>();
    let size = |byte: &u8| match byte {
        b',' => VALUE + MEMBER,
        b'[' | b'{' => VALUE + MEMBER + FIRST,
        _ => 1,
    };
    VALUE + json.iter().map(size).sum::<usize>()
}

impl FromDatum for Jsonb {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _oid: pg_sys::Oid) -> Option<Self> {
        if is_null {
            return None;
        }
        // SAFETY: the caller vouches for a jsonb, a varlena that begins with the header of its outermost container. An
        // object without members, the usual case, is recognised by that header without a call to the server.
        if unsafe { varlena::in_line(datum) }.is_some_and(|bytes| *bytes == pg_sys::JB_FOBJECT.to_ne_bytes()) {
            return Some(Jsonb::empty_object());
        }
        // SAFETY: as above; JsonbToCString palloc's its text, which is copied and freed.
        unsafe {
            let _watch = Watch::if_large(datum);
            let jsonb: *mut pg_sys::Jsonb = pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast();
            let length = c_int::try_from(pgrx::varsize_any(jsonb.cast())).unwrap_or_default();
            let text = pg_sys::JsonbToCString(ptr::null_mut(), &raw mut (*jsonb).root, length);
            let copy = copied(CStr::from_ptr(text).to_bytes());
            pg_sys::pfree(text.cast());
            Some(Jsonb(copy))
        }
    }
}

impl IntoDatum for Jsonb {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        if self.is_empty_object() {
            return Some(empty_object());
        }
        let text = CString::new(self.0).ok()?;
        let argument = [Some(pg_sys::Datum::from(text.as_ptr()))];
        // SAFETY: jsonb_in takes one zero-terminated string, in the server encoding, and copies what it needs.
        unsafe { pgrx::direct_function_call_as_datum(pg_sys::jsonb_in, &argument) }
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::JSONBOID
    }
}

/// `{}` as PostgreSQL stores it, a header that says "object" and "no members". Most tokens are unrestricted in their
/// data, and parsing these two characters would cost a tenth of a verification.
fn empty_object() -> pg_sys::Datum {
    const SIZE: usize = size_of::<[u32; 2]>();
    // SAFETY: room for both words is palloc'd, with the alignment of any datum.
    unsafe {
        let words: *mut u32 = pg_sys::palloc(SIZE).cast();
        pgrx::set_varsize_4b(words.cast(), SIZE as i32);
        words.add(1).write(pg_sys::JB_FOBJECT);
        pg_sys::Datum::from(words)
    }
}

impl_sql_translatable!(Jsonb, "jsonb");

// SAFETY: a jsonb argument is unboxed by FromDatum above.
unsafe impl<'fcx> ArgAbi<'fcx> for Jsonb {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: forwarded from the caller.
        unsafe { arg.unbox_arg_using_from_datum() }.unwrap_or(Jsonb(Vec::new()))
    }

    unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
        // SAFETY: forwarded from the caller.
        unsafe { arg.unbox_arg_using_from_datum() }.into()
    }
}

// SAFETY: `into_datum` returns a palloc'd jsonb.
unsafe impl BoxRet for Jsonb {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        match self.into_datum() {
            // SAFETY: the datum was just made.
            Some(datum) => unsafe { fcinfo.return_raw_datum(datum) },
            None => fcinfo.return_null(),
        }
    }
}
