//! When what a backend remembers of our tables is out of date.
//!
//! The signal is PostgreSQL's own: whatever changes a row that verification reads invalidates the relation
//! `tokenauth.signal`, which is never read. The message goes out at commit, before COMMIT returns to its client, and a
//! standby replays it with the commit. The order in which a reader must look is in `verify.rs`.

use std::cell::{Cell, RefCell};

use pgrx::pg_guard;
use pgrx::pg_sys;

use super::probe;
use super::settings::reloaded_at;

thread_local! {
    static WATCHED: RefCell<Watched> = const { RefCell::new(Watched { signal: None, signals: Vec::new(), tables: Vec::new() }) };
    /// Moves whenever rows that are remembered may have changed.
    static ROWS: Cell<u64> = const { Cell::new(0) };
    /// Moves whenever names of tables and indexes may stand for others.
    static NAMES: Cell<u64> = const { Cell::new(0) };
    /// When the configuration was last loaded, as far as `ROWS` knows.
    static RELOADED: Cell<i64> = const { Cell::new(0) };
    /// Whether this transaction has changed what others remember.
    static WROTE: Cell<bool> = const { Cell::new(false) };
}

/// Relations whose invalidation matters.
struct Watched {
    /// As it was looked up last, if nothing has happened to it since.
    signal: Option<pg_sys::Oid>,
    /// Every oid it has had. None is ever let go: a message that came between two look-ups would go unnoticed.
    signals: Vec<pg_sys::Oid>,
    /// Every oid that one of our tables has had.
    tables: Vec<pg_sys::Oid>,
}

/// Takes in what other sessions have committed, and tells the generation of what may be remembered.
///
/// Whoever finds it moved since it began must begin again.
///
/// # Errors
/// Raises 55000 when the extension's tables are not there.
pub fn generation() -> u64 {
    loop {
        // SAFETY: reads the shared queue; callbacks run inside, `forget` below among them.
        unsafe { pg_sys::AcceptInvalidationMessages() };
        if WATCHED.with_borrow(|watched| watched.signal.is_some()) {
            break;
        }
        // What has just come may be of a signal made anew. Nothing is read, and so remembered, before that one is watched.
        watch_signal();
    }
    // The key file may be another one since the last reload, and what is remembered was read with its keys.
    let reloaded = reloaded_at();
    if RELOADED.replace(reloaded) != reloaded {
        ROWS.set(ROWS.get() + 1);
    }
    ROWS.get()
}

/// Whether this transaction may use and fill what is remembered: one that has written sees rows that a rollback would take
/// back.
pub fn may_remember() -> bool {
    !WROTE.get()
}

/// Says that this transaction sees rows that a rollback would take back.
pub fn remember_nothing() {
    WROTE.set(true);
}

/// Says that this transaction has changed rows that others remember.
///
/// # Errors
/// Raises 55000 when the extension's tables are not there.
pub fn signal() {
    remember_nothing();
    // SAFETY: queues a message for the commit; needs no transaction id and no lock.
    unsafe { pg_sys::CacheInvalidateRelcacheByRelid(watch_signal()) };
}

/// Watches the signal, without which nothing may be remembered.
fn watch_signal() -> pg_sys::Oid {
    if let Some(signal) = WATCHED.with_borrow(|watched| watched.signal) {
        return signal;
    }
    let signal = probe::relation(c"signal");
    WATCHED.with_borrow_mut(|watched| {
        watched.signal = Some(signal);
        if !watched.signals.contains(&signal) {
            watched.signals.push(signal);
        }
    });
    signal
}

pub(super) fn names() -> u64 {
    NAMES.get()
}

pub(super) fn watch_table(table: pg_sys::Oid) {
    WATCHED.with_borrow_mut(|watched| {
        if !watched.tables.contains(&table) {
            watched.tables.push(table);
        }
    });
}

/// Called by `xact.rs` when the transaction ends, whichever way.
pub(super) fn end_transaction() {
    WROTE.set(false);
}

/// Registers the callback, once, from `_PG_init`.
pub fn register() {
    // SAFETY: the callback is a static function that lives as long as the backend.
    unsafe { pg_sys::CacheRegisterRelcacheCallback(Some(forget), pg_sys::Datum::null()) };
}

/// After any change of one of our tables themselves, names are looked up again too: REINDEX CONCURRENTLY gives an index
/// another oid, DROP and CREATE EXTENSION gives all of them others. The catalogs cannot be read here.
#[pg_guard]
unsafe extern "C-unwind" fn forget(_argument: pg_sys::Datum, relation: pg_sys::Oid) {
    WATCHED.with_borrow_mut(|watched| {
        if relation == pg_sys::InvalidOid || watched.tables.contains(&relation) {
            watched.signal = None;
            ROWS.set(ROWS.get() + 1);
            NAMES.set(NAMES.get() + 1);
        } else if watched.signals.contains(&relation) {
            watched.signal = None;
            ROWS.set(ROWS.get() + 1);
        }
    });
}
