//! Walks along an index of one of our tables, from any place in it and in either direction, through the access methods.
//!
//! A scan for one key, as `index_scan` has it, is set up for each key; a walk is set up once and then moved, which
//! takes a fraction of that. That pays where a call reads many rows.

use std::ffi::c_int;
use std::ptr;

use pgrx::{pg_sys, set_varsize_4b};

use super::index_key::{IndexKey, Is};
use super::index_scan::{Index, Opened, READING};
use super::index_step;
use super::snapshot::LatestSnapshot;
use crate::pg::process::fault;
use crate::pg::types::row::{MOST_COLUMNS, Row};

/// The direction of a walk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the least to the greatest.
    Up,
    /// From the greatest to the least.
    Down,
}

impl Direction {
    fn as_raw(self) -> pg_sys::ScanDirection::Type {
        match self {
            Direction::Up => pg_sys::ScanDirection::ForwardScanDirection,
            Direction::Down => pg_sys::ScanDirection::BackwardScanDirection,
        }
    }
}

/// The number of columns of a row that is taken apart as a whole.
pub const WHOLE: usize = MOST_COLUMNS;

/// An index and its table, open for reading.
///
/// To be opened before the snapshot is taken by which it is walked: to an older one, a table that was rewritten while
/// the lock was waited for looks empty.
pub struct OpenIndex {
    table: pg_sys::Relation,
    index: pg_sys::Relation,
}

impl Index {
    /// Opens the index and its table for reading.
    ///
    /// # Errors
    /// Raises 55000 when the table does not exist: the extension is absent or of another version; and when the index is
    /// not as it was made.
    pub fn open_to_walk(&self) -> OpenIndex {
        OpenIndex::of(self.open(READING))
    }

    /// As [`open_to_walk`](Self::open_to_walk), for whoever has another way to the rows: `None` when the index is
    /// missing, as in an earlier release, is being built, or is not as it was made.
    ///
    /// # Errors
    /// Raises 55000 when the table does not exist.
    pub fn open_to_walk_if_possible(&self) -> Option<OpenIndex> {
        self.open_if_proved(READING).ok().map(OpenIndex::of)
    }
}

impl OpenIndex {
    fn of(opened: Opened) -> Self {
        // SAFETY: the index exists while its table is locked.
        let index = unsafe { pg_sys::index_open(opened.index, READING) };
        fault::step();
        OpenIndex { table: opened.table, index }
    }

    /// A walk among the rows that the snapshot shows, to places that so many conditions give. It begins nowhere: see
    /// [`Walk::seek`].
    pub fn walk<'a, const N: usize>(&'a self, snapshot: &'a LatestSnapshot) -> Walk<'a, N> {
        // SAFETY: both relations are open and the snapshot is registered for as long as the walk lives.
        let (scan, slot) = unsafe { (self.begin(snapshot.as_ptr(), N as c_int), self.slot()) };
        // SAFETY: reads this backend's state.
        let context = unsafe { pg_sys::CurrentMemoryContext };
        Walk { _opened: self, scan, slot, context, keys: [const { Vec::new() }; N] }
    }

    /// A slot for rows of the table.
    ///
    /// # Safety
    /// The slot must be dropped before this is.
    pub(super) unsafe fn slot(&self) -> *mut pg_sys::TupleTableSlot {
        // SAFETY: the table is open.
        unsafe { pg_sys::table_slot_create(self.table, ptr::null_mut()) }
    }

    /// Begins a scan for so many conditions.
    ///
    /// # Safety
    /// The scan must be ended before this is dropped and before the snapshot goes.
    pub(super) unsafe fn begin(&self, snapshot: pg_sys::Snapshot, conditions: c_int) -> pg_sys::IndexScanDesc {
        // SAFETY: both relations are open; the rest is guaranteed by the caller.
        unsafe {
            #[cfg(not(feature = "pg18"))]
            let scan = pg_sys::index_beginscan(self.table, self.index, snapshot, conditions, 0);
            #[cfg(feature = "pg18")]
            let scan = pg_sys::index_beginscan(self.table, self.index, snapshot, ptr::null_mut(), conditions, 0);
            scan
        }
    }
}

impl Drop for OpenIndex {
    fn drop(&mut self) {
        // After an error the resource owner closes them.
        if !std::thread::panicking() {
            // SAFETY: opened by `open_to_walk`, closed only here; no walk is left, since it borrows this.
            unsafe {
                pg_sys::index_close(self.index, READING);
                pg_sys::table_close(self.table, READING);
            }
        }
    }
}

/// A walk along an index.
pub struct Walk<'a, const N: usize> {
    _opened: &'a OpenIndex,
    scan: pg_sys::IndexScanDesc,
    slot: *mut pg_sys::TupleTableSlot,
    /// In which the scan allocates what lasts as long as it does, whatever is current when it is moved.
    context: pg_sys::MemoryContext,
    /// Keys that are passed by reference: the scan reads them until it is moved to another place.
    keys: [Vec<u64>; N],
}

impl<const N: usize> Walk<'_, N> {
    /// Moves to before the first row, in whatever direction, among those of which the columns of the index compare so
    /// with these keys; they are numbered from 1.
    pub fn seek(&mut self, conditions: [(pg_sys::AttrNumber, Is, IndexKey<'_>); N]) {
        let mut keys = self.keys(conditions);
        self.within(|walk| {
            // SAFETY: the scan was begun for as many keys, and what they refer to is kept until the next call.
            unsafe { index_step::seek(walk.scan, &mut keys) };
        });
    }

    /// Moves to the next row in this direction, and takes the first `columns` of its columns apart.
    pub fn next(&mut self, direction: Direction, columns: usize) -> Option<Row> {
        self.within(|walk| {
            // SAFETY: the scan is open and the slot of its table's form; it pins the page of the row it holds.
            unsafe {
                index_step::next(walk.scan, direction.as_raw(), walk.slot, columns)
                    .then(|| Row::start_of_slot(walk.slot, columns))
            }
        })
    }

    /// Moves to the first row in this direction, as [`seek`](Self::seek) and [`next`](Self::next) do.
    pub fn first(
        &mut self,
        conditions: [(pg_sys::AttrNumber, Is, IndexKey<'_>); N],
        direction: Direction,
        columns: usize,
    ) -> Option<Row> {
        let mut keys = self.keys(conditions);
        self.within(|walk| {
            // SAFETY: as in both.
            unsafe {
                index_step::find(walk.scan, &mut keys, direction.as_raw(), walk.slot, columns)
                    .then(|| Row::start_of_slot(walk.slot, columns))
            }
        })
    }

    /// The whole of the row that was moved to.
    pub fn whole(&self) -> Row {
        // SAFETY: the slot holds the row until the walk goes on; an empty one cannot be taken apart.
        unsafe {
            assert!(u32::from((*self.slot).tts_flags) & pg_sys::TTS_FLAG_EMPTY == 0, "the walk is at no row");
            Row::of_slot(self.slot)
        }
    }

    fn keys(&mut self, conditions: [(pg_sys::AttrNumber, Is, IndexKey<'_>); N]) -> [pg_sys::ScanKeyData; N] {
        let mut keys = [pg_sys::ScanKeyData::default(); N];
        for (place, (column, is, key)) in conditions.into_iter().enumerate() {
            let value = self.kept(place, key);
            keys[place] = is.condition(column, key, value);
        }
        keys
    }

    fn within<T>(&mut self, act: impl FnOnce(&Self) -> T) -> T {
        // SAFETY: the context is that in which the scan was begun, and so outlives it.
        unsafe {
            let former = pg_sys::MemoryContextSwitchTo(self.context);
            let outcome = act(self);
            fault::step();
            pg_sys::MemoryContextSwitchTo(former);
            outcome
        }
    }

    /// A key as a datum that lasts until the key at this place is another.
    fn kept(&mut self, place: usize, key: IndexKey<'_>) -> pg_sys::Datum {
        /// The size of the header of a varlena value.
        const HEADER: usize = pg_sys::VARHDRSZ;
        let (bytes, offset): (&[u8], usize) = match &key {
            IndexKey::Bigint(_) | IndexKey::Boolean(_) => return key.datum(),
            IndexKey::Uuid(key) => (key.as_bytes(), 0),
            IndexKey::Text(key) | IndexKey::Bytes(key) => (key, HEADER),
        };
        let room = &mut self.keys[place];
        room.resize((offset + bytes.len()).div_ceil(size_of::<u64>()), 0);
        let start: *mut u8 = room.as_mut_ptr().cast();
        // SAFETY: there is room for header and bytes, aligned for any type.
        unsafe {
            if offset > 0 {
                let size = i32::try_from(offset + bytes.len()).expect("a key is less than two gigabytes");
                set_varsize_4b(start.cast(), size);
            }
            ptr::copy_nonoverlapping(bytes.as_ptr(), start.add(offset), bytes.len());
        }
        pg_sys::Datum::from(start)
    }
}

impl<const N: usize> Drop for Walk<'_, N> {
    fn drop(&mut self) {
        // After an error the resource owner releases the pinned pages.
        if !std::thread::panicking() {
            // SAFETY: made by `walk`, ended only here, and before its relations are closed.
            unsafe {
                pg_sys::ExecDropSingleTupleTableSlot(self.slot);
                pg_sys::index_endscan(self.scan);
            }
        }
    }
}
