//! Converts `text[]` arguments and results.

use std::ffi::c_int;
use std::ptr;

use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::nullable::Nullable;
use pgrx::{FromDatum, IntoDatum, impl_sql_translatable, pg_sys, varatt_is_4b_u};

use super::text::Text;

/// A `text[]` value. It only records whether there are further dimensions, which our arguments and columns do not have.
#[derive(Clone, PartialEq, Eq)]
pub struct TextArray {
    elements: Vec<Option<Text>>,
    nested: bool,
}

impl TextArray {
    /// The elements, or `None` when the array has more than one dimension.
    pub fn elements(&self) -> Option<&[Option<Text>]> {
        (!self.nested).then_some(&self.elements)
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// The elements that are not NULL, for arrays that we have stored.
    pub fn stored(&self) -> impl Iterator<Item = &[u8]> {
        self.elements.iter().flatten().map(Text::as_bytes)
    }
}

impl<'a> FromIterator<&'a str> for TextArray {
    fn from_iter<I: IntoIterator<Item = &'a str>>(texts: I) -> Self {
        TextArray { elements: texts.into_iter().map(|text| Some(Text::from(text))).collect(), nested: false }
    }
}

impl FromIterator<Text> for TextArray {
    fn from_iter<I: IntoIterator<Item = Text>>(texts: I) -> Self {
        TextArray { elements: texts.into_iter().map(Some).collect(), nested: false }
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
            return Some(TextArray { elements: Vec::new(), nested: false });
        }
        // SAFETY: as above. Detoasting returns the value itself or a palloc'd copy.
        let array: *mut pg_sys::ArrayType = unsafe { pg_sys::pg_detoast_datum(datum.cast_mut_ptr()) }.cast();
        let (mut datums, mut nulls, mut count): (*mut pg_sys::Datum, *mut bool, c_int) =
            (ptr::null_mut(), ptr::null_mut(), 0);
        // SAFETY: text is a varlena of int alignment; both results are palloc'd and `count` long.
        let elements = unsafe {
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
            (0..usize::try_from(count).unwrap_or_default())
                .map(|index| Text::from_datum(*datums.add(index), *nulls.add(index)))
                .collect()
        };
        // SAFETY: `array` is still what was detoasted above.
        let nested = unsafe { (*array).ndim } > 1;
        Some(TextArray { elements, nested })
    }
}

impl IntoDatum for TextArray {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        self.elements.into_datum()
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
        unsafe { arg.unbox_arg_using_from_datum() }.unwrap_or(TextArray { elements: Vec::new(), nested: false })
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
