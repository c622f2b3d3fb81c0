//! A row of one of our tables, or of a statement's answer, read column by column.

use std::ffi::c_int;

use pgrx::{FromDatum, IntoDatum, pg_sys};

use super::varlena;

/// How many columns of a row are read: more than any table or statement of ours has. What somebody has added to a table
/// stands behind ours, and is passed over.
pub(in crate::pg) const MOST_COLUMNS: usize = 48;

/// A row, deformed once; columns are numbered from 1, as in the catalogs.
///
/// It borrows from the scan or statement that produced it; values are copied out while that lasts.
pub struct Row {
    values: [pg_sys::Datum; MOST_COLUMNS],
    nulls: [bool; MOST_COLUMNS],
    columns: usize,
}

impl Row {
    /// # Safety
    /// `tuple` must be a tuple of `descriptor` and stay in memory as long as values are read.
    pub(in crate::pg) unsafe fn new(tuple: pg_sys::HeapTuple, descriptor: pg_sys::TupleDesc) -> Self {
        // SAFETY: guaranteed by the caller.
        let columns = usize::try_from(unsafe { (*descriptor).natts }).unwrap_or_default();
        if columns > MOST_COLUMNS {
            // SAFETY: guaranteed by the caller.
            return unsafe { Row::start_of(tuple, descriptor, columns) };
        }
        let mut row = Row { values: [pg_sys::Datum::null(); MOST_COLUMNS], nulls: [true; MOST_COLUMNS], columns };
        // SAFETY: both arrays have room for `columns` entries.
        unsafe {
            pg_sys::heap_deform_tuple(tuple, descriptor, row.values.as_mut_ptr(), row.nulls.as_mut_ptr());
        }
        row
    }

    /// The start of a row that has so many columns.
    ///
    /// # Safety
    /// As for [`new`](Self::new).
    #[cold]
    unsafe fn start_of(tuple: pg_sys::HeapTuple, descriptor: pg_sys::TupleDesc, columns: usize) -> Self {
        let mut values = vec![pg_sys::Datum::null(); columns];
        let mut nulls = vec![true; columns];
        // SAFETY: guaranteed by the caller; both have room for `columns` entries.
        unsafe { pg_sys::heap_deform_tuple(tuple, descriptor, values.as_mut_ptr(), nulls.as_mut_ptr()) };
        let mut row =
            Row { values: [pg_sys::Datum::null(); MOST_COLUMNS], nulls: [true; MOST_COLUMNS], columns: MOST_COLUMNS };
        row.values.copy_from_slice(&values[..MOST_COLUMNS]);
        row.nulls.copy_from_slice(&nulls[..MOST_COLUMNS]);
        row
    }

    /// # Safety
    /// `slot` must hold a row and keep it as long as values are read.
    pub(in crate::pg) unsafe fn of_slot(slot: *mut pg_sys::TupleTableSlot) -> Self {
        // SAFETY: guaranteed by the caller.
        unsafe { Row::start_of_slot(slot, MOST_COLUMNS) }
    }

    /// The first `columns` columns of a row: what follows need not be taken apart.
    ///
    /// # Safety
    /// As for [`of_slot`](Self::of_slot).
    pub(in crate::pg) unsafe fn start_of_slot(slot: *mut pg_sys::TupleTableSlot, columns: usize) -> Self {
        // SAFETY: guaranteed by the caller; once columns are fetched, the slot's arrays have so many entries.
        unsafe {
            let natts = usize::try_from((*(*slot).tts_tupleDescriptor).natts).unwrap_or_default();
            let columns = columns.min(natts).min(MOST_COLUMNS);
            if usize::try_from((*slot).tts_nvalid).unwrap_or_default() < columns {
                pg_sys::slot_getsomeattrs_int(slot, columns as c_int);
            }
            let mut row = Row { values: [pg_sys::Datum::null(); MOST_COLUMNS], nulls: [true; MOST_COLUMNS], columns };
            row.values[..columns].copy_from_slice(std::slice::from_raw_parts((*slot).tts_values, columns));
            row.nulls[..columns].copy_from_slice(std::slice::from_raw_parts((*slot).tts_isnull, columns));
            row
        }
    }

    /// The value of a column; `None` for NULL.
    pub fn optional<T: FromDatum>(&self, column: usize) -> Option<T> {
        debug_assert!((1..=self.columns).contains(&column));
        let index = column - 1;
        // SAFETY: the datum is the column's, of the type that the schema or the statement declares.
        unsafe { T::from_datum(self.values[index], self.nulls[index]) }
    }

    /// The value of a column that is never NULL.
    ///
    /// # Panics
    /// When it is NULL nevertheless: the table is then not the one this library was built for.
    pub fn required<T: FromDatum>(&self, column: usize) -> T {
        self.optional(column).unwrap_or_else(|| panic!("unexpected null in column {column}"))
    }

    /// All values, and which of them are NULL.
    pub(in crate::pg) fn raw(&self) -> (&[pg_sys::Datum], &[bool]) {
        (&self.values[..self.columns], &self.nulls[..self.columns])
    }

    /// The value of a column, to be passed on as it is while the row lasts.
    pub fn value(&self, column: usize) -> Value {
        Value((!self.nulls[column - 1]).then_some(self.values[column - 1]))
    }

    /// Whether a column is NULL.
    pub fn is_null(&self, column: usize) -> bool {
        self.nulls[column - 1]
    }

    /// The bytes of a `text` or `bytea` column, borrowed.
    pub fn bytes(&self, column: usize) -> Option<&[u8]> {
        // SAFETY: as in `optional`; a detoasted copy is palloc'd in a context that outlives the row.
        (!self.nulls[column - 1]).then(|| unsafe { varlena::bytes(self.values[column - 1]) })
    }
}

/// A value of a row that is about to be stored, of the type that its column has; NULL by default.
#[derive(Clone, Copy, Default)]
pub struct Value(Option<pg_sys::Datum>);

impl Value {
    /// Any value that has an SQL type; `None` is NULL.
    pub fn of<T: IntoDatum>(value: T) -> Self {
        Value(value.into_datum())
    }

    pub(in crate::pg) fn datum(self) -> Option<pg_sys::Datum> {
        self.0
    }
}
