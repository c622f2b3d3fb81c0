//! Values that outlive the call that made them: copied out of PostgreSQL's memory once, and back in at each use.

use std::ptr;

use pgrx::{IntoDatum, pg_sys, varsize_any};

use super::array::TextArray;
use super::memory::copied;
use crate::pg::process::prefetch::prefetch;

/// A copy of a varlena value.
pub struct Detached(Box<[u8]>);

impl Detached {
    /// A copy of the value.
    ///
    /// # Safety
    /// `value` must be an uncompressed varlena in line.
    unsafe fn copy(value: *const pg_sys::varlena) -> Self {
        // SAFETY: the caller guarantees that the value is as long as its header says.
        unsafe { Detached(copied(std::slice::from_raw_parts(value.cast(), varsize_any(value))).into()) }
    }

    /// The value in the current memory context.
    fn restored(&self) -> pg_sys::Datum {
        // SAFETY: palloc raises or returns room for the value, aligned for any type.
        unsafe {
            let copy: *mut u8 = pg_sys::palloc(self.0.len()).cast();
            ptr::copy_nonoverlapping(self.0.as_ptr(), copy, self.0.len());
            pg_sys::Datum::from(copy)
        }
    }
}

/// A copy of a varlena value but for some bytes in it, which are others at each use. Behind it stands how many bytes
/// follow them, which are few: a cached value takes no more room than it must.
pub struct DetachedAround(Box<[u8]>);

/// How many bytes a processor fetches at once.
const CACHE_LINE: usize = 64;

/// How many bytes say how many follow.
const COUNT: usize = size_of::<u16>();

impl DetachedAround {
    /// A copy of the value without `hole` bytes from `at` on; `None` if too many bytes follow them.
    ///
    /// # Safety
    /// `value` must be an uncompressed varlena in line that has these bytes.
    pub(in crate::pg) unsafe fn copy(value: *const pg_sys::varlena, at: usize, hole: usize) -> Option<Self> {
        // SAFETY: the caller guarantees that the value is as long as its header says.
        let value = unsafe { std::slice::from_raw_parts(value.cast::<u8>(), varsize_any(value)) };
        let after = value.get(at + hole..)?;
        let count = u16::try_from(after.len()).ok()?;
        let mut kept = copied(&value[..at]);
        kept.try_reserve_exact(after.len() + COUNT).ok()?;
        kept.extend_from_slice(after);
        kept.extend_from_slice(&count.to_ne_bytes());
        Some(DetachedAround(kept.into()))
    }

    /// Asks the processor for it.
    #[inline]
    pub(in crate::pg) fn prefetch(&self) {
        self.0.chunks(CACHE_LINE).for_each(prefetch);
    }

    /// The value in the current memory context, with these bytes in the hole, which must have their length.
    #[inline]
    pub(in crate::pg) fn restored(&self, filling: &[u8]) -> pg_sys::Datum {
        let Some((kept, count)) = self.0.split_last_chunk::<COUNT>() else { return pg_sys::Datum::null() };
        let (before, after) = kept.split_at(kept.len() - usize::from(u16::from_ne_bytes(*count)));
        // SAFETY: palloc raises or returns room for all parts, aligned for any type.
        unsafe {
            let copy: *mut u8 = pg_sys::palloc(kept.len() + filling.len()).cast();
            ptr::copy_nonoverlapping(before.as_ptr(), copy, before.len());
            ptr::copy_nonoverlapping(filling.as_ptr(), copy.add(before.len()), filling.len());
            if !after.is_empty() {
                ptr::copy_nonoverlapping(after.as_ptr(), copy.add(before.len() + filling.len()), after.len());
            }
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
        DetachedTexts(unsafe { Detached::copy(array.cast_mut_ptr()) })
    }

    /// The number of bytes they take.
    pub fn len(&self) -> usize {
        self.0.0.len()
    }
}

impl IntoDatum for &DetachedTexts {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        Some(self.0.restored())
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::TEXTARRAYOID
    }
}
