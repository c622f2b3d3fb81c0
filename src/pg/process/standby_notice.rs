//! Notices to all standbys, whatever database they verify in: that their primary is fenced, and what of that somebody
//! has accepted.
//!
//! They are entries of `pg_replication_origin`, one of the few catalogs that all databases share and that takes any
//! name. Nothing is ever replicated by them. Replay brings them, with the messages by which backends forget what they
//! know of them, and a rollback takes them back. Only a process that is connected to a database can look for one.

use std::cell::Cell;
use std::ffi::{CStr, CString, c_int};

use pgrx::{pg_guard, pg_sys};

use crate::pg::process::backend_local::backend_local;

/// That the server is fenced, as `pg_replication_origin` shows it.
const FENCED: &CStr = c"tokenauth: restored, and nobody has accepted that";

/// How notices begin of what was accepted.
const ACCEPTED: &str = "tokenauth: accepted ";

/// Taken by whoever posts one or takes one down, until the transaction ends: what was looked at before then holds.
const LOCK: pg_sys::LOCKMODE = pg_sys::ExclusiveLock as pg_sys::LOCKMODE;

backend_local! {
    /// Whether this backend has found that the server is fenced; `None` when it has to look.
    static FOUND: Cell<Option<bool>> = const { Cell::new(None) };
    /// How often it was told to forget that.
    static FORGOTTEN: Cell<u64> = const { Cell::new(0) };
}

/// Registers the callback, once, from `_PG_init`.
pub fn register() {
    let cache = pg_sys::SysCacheIdentifier::REPLORIGNAME;
    // SAFETY: the callback is a static function that lives as long as the backend.
    unsafe { pg_sys::CacheRegisterSyscacheCallback(cache as c_int, Some(forget), pg_sys::Datum::null()) };
}

#[pg_guard]
unsafe extern "C-unwind" fn forget(_argument: pg_sys::Datum, _cache: c_int, _hash: u32) {
    FOUND.set(None);
    FORGOTTEN.set(FORGOTTEN.get() + 1);
}

/// Whether the server was found fenced, as far as this one has written or replayed.
pub fn is_fenced() -> bool {
    // SAFETY: reads the shared queue; callbacks run inside, `forget` among them.
    unsafe { pg_sys::AcceptInvalidationMessages() };
    FOUND.get().unwrap_or_else(|| {
        let before = FORGOTTEN.get();
        let is_fenced = is_posted(FENCED);
        // What was told meanwhile may be newer.
        if FORGOTTEN.get() == before {
            FOUND.set(Some(is_fenced));
        }
        is_fenced
    })
}

/// Whether somebody has accepted what this text says.
pub fn is_accepted(what: &str) -> bool {
    accepted(what).is_some_and(|name| is_posted(&name))
}

/// Tells that the server is fenced, if it still is when nobody can accept that any more before it is told. While
/// somebody is accepting it, tells nothing.
pub fn post_fenced(is_still_fenced: impl FnOnce() -> bool) {
    // SAFETY: a heavyweight lock of a catalog, if it is free; the end of the transaction releases it.
    let is_locked = unsafe { pg_sys::ConditionalLockRelationOid(pg_sys::ReplicationOriginRelationId, LOCK) };
    if is_locked && is_still_fenced() && !is_posted(FENCED) {
        create(FENCED);
    }
}

/// Tells no more that it is fenced, once the transaction commits, and that this was accepted.
pub fn accept(what: Option<&str>) {
    // SAFETY: as above, but waits for the lock; nobody uses the entry, so that there is nobody else to wait for.
    unsafe {
        pg_sys::LockRelationOid(pg_sys::ReplicationOriginRelationId, LOCK);
        pg_sys::replorigin_drop_by_name(FENCED.as_ptr(), true, false);
    }
    if let Some(name) = what.and_then(accepted)
        && !is_posted(&name)
    {
        create(&name);
    }
}

fn accepted(what: &str) -> Option<CString> {
    CString::new(format!("{ACCEPTED}{what}")).ok()
}

fn is_posted(name: &CStr) -> bool {
    // SAFETY: looks into a cache of the catalogs inside a transaction; the name is only read.
    unsafe { pg_sys::replorigin_by_name(name.as_ptr(), true) != 0 }
}

fn create(name: &CStr) {
    // SAFETY: inside a transaction that holds the lock; copies the name.
    unsafe { pg_sys::replorigin_create(name.as_ptr()) };
}
