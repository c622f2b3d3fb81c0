//! Values that outlive the call that made them: copied out of PostgreSQL's memory once, and back in at each use.

use std::ptr;

use pgrx::{IntoDatum, pg_sys, varsize_any};

use super::array::TextArray;
use super::memory::copied;

/// A copy of a varlena value.
pub struct Detached(Box<[u8]>);

impl Detached {
    /// A copy of the value without its last `but_for` bytes.
    ///
    /// # Safety
    /// `value` must be an uncompressed varlena in line, with at least that many bytes after its header.
    pub(in crate::pg) unsafe fn copy(value: *const pg_sys::varlena, but_for: usize) -> Self {
        // SAFETY: the caller guarantees that the value is as long as its header says.
        unsafe { Detached(copied(std::slice::from_raw_parts(value.cast(), varsize_any(value) - but_for)).into()) }
    }

    /// The value in the current memory context, with `rest` appended to the kept bytes.
    pub(in crate::pg) fn restored(&self, rest: &[u8]) -> pg_sys::Datum {
        // SAFETY: palloc raises or returns room for both parts, aligned for any type.
        unsafe {
            let copy: *mut u8 = pg_sys::palloc(self.0.len() + rest.len()).cast();
            ptr::copy_nonoverlapping(self.0.as_ptr(), copy, self.0.len());
            ptr::copy_nonoverlapping(rest.as_ptr(), copy.add(self.0.len()), rest.len());
            pg_sys::Datum::from(copy)
        }
    }
}

/// A kept `text[]`.
pub struct DetachedTexts(Detached);

impl DetachedTexts {
    /// Keeps a copy of these texts.
    pub fn of(texts: TextArray) -> Self {
        let array = texts.into_datum().expect("an array is not null");
        // SAFETY: the datum of the array just made points to it.
        DetachedTexts(unsafe { Detached::copy(array.cast_mut_ptr(), 0) })
    }

    /// The number of bytes they take.
    pub fn len(&self) -> usize {
        self.0.0.len()
    }
}

impl IntoDatum for &DetachedTexts {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        Some(self.0.restored(&[]))
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::TEXTARRAYOID
    }
}
