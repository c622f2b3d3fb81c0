//! Steps of an index scan, each under one of pgrx's guards. A guard for each function of the server would take a tenth
//! of a step.

use std::ffi::c_int;
use std::ptr;

use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

// Declared here, without pgrx's guards.
unsafe extern "C-unwind" {
    fn index_rescan(
        scan: pg_sys::IndexScanDesc,
        keys: pg_sys::ScanKey,
        count: c_int,
        orders: pg_sys::ScanKey,
        order_count: c_int,
    );
    fn index_getnext_slot(
        scan: pg_sys::IndexScanDesc,
        direction: pg_sys::ScanDirection::Type,
        slot: *mut pg_sys::TupleTableSlot,
    ) -> bool;
    fn slot_getsomeattrs_int(slot: *mut pg_sys::TupleTableSlot, columns: c_int);
}

/// Moves to before the rows that meet these conditions.
///
/// # Safety
/// The scan must be open, and was begun for so many conditions. They are copied; what they refer to is read until the
/// scan is moved to other rows.
pub(super) unsafe fn seek(scan: pg_sys::IndexScanDesc, conditions: &mut [pg_sys::ScanKeyData]) {
    let (keys, count) = (conditions.as_mut_ptr(), conditions.len() as c_int);
    // SAFETY: guaranteed by the caller. Nothing within the guard is left to be dropped.
    unsafe { pg_guard_ffi_boundary(|| index_rescan(scan, keys, count, ptr::null_mut(), 0)) }
}

/// Puts the next row into the slot and takes the first `columns` of its columns apart; false if there is none.
///
/// # Safety
/// The scan must be open, and the slot of its table's form.
pub(super) unsafe fn next(
    scan: pg_sys::IndexScanDesc,
    direction: pg_sys::ScanDirection::Type,
    slot: *mut pg_sys::TupleTableSlot,
    columns: usize,
) -> bool {
    // SAFETY: guaranteed by the caller; as above.
    unsafe {
        let columns = least(slot, columns);
        pg_guard_ffi_boundary(|| step(scan, direction, slot, columns))
    }
}

/// Both at once, for the only row, or the first one.
///
/// # Safety
/// As for both.
pub(super) unsafe fn find(
    scan: pg_sys::IndexScanDesc,
    conditions: &mut [pg_sys::ScanKeyData],
    direction: pg_sys::ScanDirection::Type,
    slot: *mut pg_sys::TupleTableSlot,
    columns: usize,
) -> bool {
    let (keys, count) = (conditions.as_mut_ptr(), conditions.len() as c_int);
    // SAFETY: guaranteed by the caller; as above.
    unsafe {
        let columns = least(slot, columns);
        pg_guard_ffi_boundary(|| {
            index_rescan(scan, keys, count, ptr::null_mut(), 0);
            step(scan, direction, slot, columns)
        })
    }
}

/// # Safety
/// As for `next`, under a guard.
unsafe fn step(
    scan: pg_sys::IndexScanDesc,
    direction: pg_sys::ScanDirection::Type,
    slot: *mut pg_sys::TupleTableSlot,
    columns: c_int,
) -> bool {
    // SAFETY: guaranteed by the caller; a row has just been stored, and nothing of it was taken apart.
    unsafe {
        let is_there = index_getnext_slot(scan, direction, slot);
        if is_there && columns > 0 {
            slot_getsomeattrs_int(slot, columns);
        }
        is_there
    }
}

/// At most as many columns as the slot has.
///
/// # Safety
/// The slot must be one.
unsafe fn least(slot: *mut pg_sys::TupleTableSlot, columns: usize) -> c_int {
    // SAFETY: guaranteed by the caller.
    let all = unsafe { (*(*slot).tts_tupleDescriptor).natts };
    c_int::try_from(columns).map_or(all, |columns| columns.min(all))
}
