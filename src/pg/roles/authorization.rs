//! Tells when what a backend caches of roles, privileges and the extension's own objects is out of date.
//!
//! By the same messages PostgreSQL itself forgets what it has cached of them, so a GRANT, a REVOKE or an ALTER ROLE is
//! felt here exactly when the server feels it.

use std::ffi::c_int;
use std::sync::atomic::{AtomicU64, Ordering};

use pgrx::{pg_guard, pg_sys};

/// Of this backend, which has one thread. A thread-local variable of a library costs a call each time it is read, and
/// this is read at each call of a function.
static GENERATION: AtomicU64 = AtomicU64::new(1);

/// The generation of what may be cached; never 0.
#[inline]
pub(in crate::pg) fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// Registers the callback, once, from `_PG_init`.
pub fn register() {
    // Of what these catalogs hold: functions with their ACLs; the schema; memberships, superusers, and the database,
    // whose owner is a member of pg_database_owner.
    for cache in [
        pg_sys::SysCacheIdentifier::PROCOID,
        pg_sys::SysCacheIdentifier::NAMESPACEOID,
        pg_sys::SysCacheIdentifier::AUTHMEMROLEMEM,
        pg_sys::SysCacheIdentifier::AUTHOID,
        pg_sys::SysCacheIdentifier::DATABASEOID,
    ] {
        // SAFETY: the callback is a static function that lives as long as the backend.
        unsafe { pg_sys::CacheRegisterSyscacheCallback(cache as c_int, Some(forget), pg_sys::Datum::null()) };
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn forget(_argument: pg_sys::Datum, _cache: c_int, _hash: u32) {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}
