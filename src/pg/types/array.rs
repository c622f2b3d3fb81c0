//! Converts `text[]` arguments and results.
//!
//! How many elements there are is read from the header of the array: one with more than anything here may have is never
//! taken apart.

use std::ffi::c_int;
use std::ptr;

use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::nullable::Nullable;
use pgrx::{FromDatum, IntoDatum, impl_sql_translatable, pg_sys, varatt_is_4b_u};

use super::text::Text;
use crate::pg::report::diagnostics::Watch;

/// A `text[]` value, unless it has more elements or dimensions than our arguments and columns.
#[derive(Clone, PartialEq, Eq)]
pub struct TextArray(Result<Vec<Option<Text>>, Unlisted>);

/// Why an array is no list of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlisted {
    /// It has more than one dimension.
    Nested,
    /// It has more than [`TextArray::MOST`] elements.
    TooMany,
}

impl TextArray {
    /// The most elements that are read: an intersection of two lists of 256 scopes has at most so many.
    pub const MOST: usize = 256 * 256;

    /// The elements.
    ///
    /// # Errors
    /// [`Unlisted`] for an array that is none of ours.
    pub fn elements(&self) -> Result<&[Option<Text>], Unlisted> {
        self.0.as_deref().map_err(|unlisted| *unlisted)
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_ok_and(Vec::is_empty)
    }

    /// The elements that are not NULL, for arrays that we have stored.
    pub fn stored(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().flatten().flatten().map(Text::as_bytes)
    }
}

impl<'a> FromIterator<&'a str> for TextArray {
    fn from_iter<I: IntoIterator<Item = &'a str>>(texts: I) -> Self {
        TextArray(Ok(texts.into_iter().map(|text| Some(Text::from(text))).collect()))
    }
}

impl FromIterator<Text> for TextArray {
    fn from_iter<I: IntoIterator<Item = Text>>(texts: I) -> Self {
        TextArray(Ok(texts.into_iter().map(Some).collect()))
    }
}

impl FromDatum for TextArray {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _oid: pg_sys::Oid) -> Option<Self> {
        if is_null {
            return None;
        }
        let value: *mut pg_sys::ArrayType = datum.cast_mut_ptr();
        // SAFETY: the caller vouches for a text[]; one with a plain header begins with an array header. An empty array,
        // the usual argument, is recognised without a call to the server.
        if unsafe { varatt_is_4b_u(value.cast()) && (*value).ndim == 0 } {
            return Some(TextArray(Ok(Vec::new())));
        }
        // SAFETY: as above. Detoasting returns the value itself or a palloc'd copy, which begins with an array header.
        unsafe {
            let _watch = Watch::if_large(datum);
            let array: *mut pg_sys::ArrayType = pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast();
            Some(TextArray(elements(array)))
        }
    }
}

/// Copies the elements of an array, if it is a list of ours.
///
/// # Safety
/// `array` must be a `text[]` that is neither compressed nor out of line.
unsafe fn elements(array: *mut pg_sys::ArrayType) -> Result<Vec<Option<Text>>, Unlisted> {
    // SAFETY: the caller vouches for the array; its lengths follow its header, one for each dimension.
    let count = unsafe {
        let lengths = array.add(1).cast::<c_int>();
        match (*array).ndim {
            0 => return Ok(Vec::new()),
            1 => usize::try_from(*lengths).unwrap_or_default(),
            _ => return Err(Unlisted::Nested),
        }
    };
    if count > TextArray::MOST {
        return Err(Unlisted::TooMany);
    }
    let (mut datums, mut nulls, mut count): (*mut pg_sys::Datum, *mut bool, c_int) =
        (ptr::null_mut(), ptr::null_mut(), 0);
    // SAFETY: text is a varlena of int alignment; both results are palloc'd and `count` long.
    unsafe {
        pg_sys::deconstruct_array(
            array,
            pg_sys::TEXTOID,
            -1,
            false,
            pg_sys::TYPALIGN_INT as _,
            &mut datums,
            &mut nulls,
            &mut count,
        );
        Ok((0..usize::try_from(count).unwrap_or_default())
            .map(|index| Text::from_datum(*datums.add(index), *nulls.add(index)))
            .collect())
    }
}

impl IntoDatum for TextArray {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        self.0.ok()?.into_datum()
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::TEXTARRAYOID
    }
}

impl_sql_translatable!(TextArray, "text[]");

// SAFETY: a text[] argument is unboxed by FromDatum above.
unsafe impl<'fcx> ArgAbi<'fcx> for TextArray {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: forwarded from the caller.
        unsafe { arg.unbox_arg_using_from_datum() }.unwrap_or(TextArray(Ok(Vec::new())))
    }

    unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
        // SAFETY: forwarded from the caller.
        unsafe { arg.unbox_arg_using_from_datum() }.into()
    }
}

// SAFETY: `into_datum` returns a palloc'd text[].
unsafe impl BoxRet for TextArray {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        match self.into_datum() {
            // SAFETY: the datum was just made.
            Some(datum) => unsafe { fcinfo.return_raw_datum(datum) },
            None => fcinfo.return_null(),
        }
    }
}
