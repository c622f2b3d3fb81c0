//! Holds a principal's name still while a transaction writes it without having locked the principal's row.
//!
//! Whoever erases a principal waits for those who may have written its name and are not visible yet, and those who come
//! later wait until it is erased. In a row lock's place, since these would be out of the order of locks: everybody but
//! `erase` holds a name together with others, and `erase` takes it before anything else. What somebody writes by hand
//! may be any name, and is held as [`ANY`], which `erase` takes first of all.

use std::hash::{DefaultHasher, Hasher as _};

use pgrx::pg_sys;

/// Tells our locks from those of `pg_advisory_lock`, whose tags have 1 or 2 there, so that no SQL can make one.
const CLASS: u16 = u16::from_be_bytes(*b"tn");

/// Stands for whatever name somebody writes by hand. No principal is called so.
pub const ANY: &[u8] = b"";

/// Stands for whatever is written of uses: not by whom, but from where.
pub const USES: &[u8] = b"\0";

/// Holds the name until the transaction ends. It may have been erased meanwhile, which is for the caller to look at.
///
/// # Errors
/// Raises 53200 when the server's lock table is full.
pub fn hold(name: &[u8]) {
    acquire(name, pg_sys::ShareLock);
}

/// Waits until nobody holds the name, and lets nobody hold it until the transaction ends.
///
/// # Errors
/// As [`hold`].
pub fn hold_alone(name: &[u8]) {
    acquire(name, pg_sys::ExclusiveLock);
}

fn acquire(name: &[u8], mode: u32) {
    // The same in every process. Two names of one hash wait for each other, no more.
    let mut hasher = DefaultHasher::new();
    hasher.write(name);
    let hash = hasher.finish();
    // SAFETY: a complete tag, with which the lock table is entered as for any advisory lock; the transaction's end
    // releases it. It raises when the wait is cancelled or would not end.
    unsafe {
        let tag = pg_sys::LOCKTAG {
            locktag_field1: pg_sys::MyDatabaseId.to_u32(),
            locktag_field2: (hash >> 32) as u32,
            locktag_field3: hash as u32,
            locktag_field4: CLASS,
            locktag_type: pg_sys::LockTagType::LOCKTAG_ADVISORY as u8,
            locktag_lockmethodid: pg_sys::USER_LOCKMETHOD as u8,
        };
        pg_sys::LockAcquire(&tag, mode as pg_sys::LOCKMODE, false, false);
    }
}
