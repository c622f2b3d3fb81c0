//! Entry points of our own processes, which the server finds by name.

use std::sync::OnceLock;

use pgrx::{pg_guard, pg_sys};

/// What our processes run.
pub struct Entries {
    /// The launcher of workers.
    pub launch: fn() -> !,
    /// A worker in the database with this oid, which writes usage.
    pub flush: fn(u32),
    /// A worker in the database with this oid, which writes a beat.
    pub beat: fn(u32),
    /// A worker in the database with this oid, which compares the server with the fence file.
    pub fence: fn(u32),
}

/// Set in the postmaster, from which our processes are forked.
static ENTRIES: OnceLock<Entries> = OnceLock::new();

/// Says what our processes run. Called once, while the postmaster loads the library.
pub fn register(entries: Entries) {
    ENTRIES.get_or_init(|| entries);
}

/// Name of [`tokenauth_launch`].
pub const LAUNCH: &str = "tokenauth_launch";
/// Name of [`tokenauth_flush`].
pub const FLUSH: &str = "tokenauth_flush";
/// Name of [`tokenauth_beat`].
pub const BEAT: &str = "tokenauth_beat";
/// Name of [`tokenauth_fence`].
pub const FENCE: &str = "tokenauth_fence";

/// The launcher of workers.
#[unsafe(no_mangle)]
#[pg_guard]
pub extern "C-unwind" fn tokenauth_launch(_argument: pg_sys::Datum) {
    if let Some(entries) = ENTRIES.get() {
        (entries.launch)();
    }
}

/// A worker; its argument is the oid of its database.
#[unsafe(no_mangle)]
#[pg_guard]
pub extern "C-unwind" fn tokenauth_flush(argument: pg_sys::Datum) {
    if let Some(entries) = ENTRIES.get() {
        (entries.flush)(argument.value() as u32);
    }
}

/// A worker; its argument is the oid of its database.
#[unsafe(no_mangle)]
#[pg_guard]
pub extern "C-unwind" fn tokenauth_beat(argument: pg_sys::Datum) {
    if let Some(entries) = ENTRIES.get() {
        (entries.beat)(argument.value() as u32);
    }
}

/// A worker; its argument is the oid of its database.
#[unsafe(no_mangle)]
#[pg_guard]
pub extern "C-unwind" fn tokenauth_fence(argument: pg_sys::Datum) {
    if let Some(entries) = ENTRIES.get() {
        (entries.fence)(argument.value() as u32);
    }
}
