//! Tells when what a backend remembers of our tables is out of date.
//!
//! The signal is PostgreSQL's own: every change of a row that verification reads invalidates the relation
//! `tokenauth.signal`, which is never read itself. The message is sent at commit, before COMMIT returns to its client,
//! and a standby replays it with the commit. `verify/cache.rs` describes the order in which a reader must look.

use std::cell::{Cell, RefCell};

use pgrx::pg_guard;
use pgrx::pg_sys;

use super::index_scan;
use crate::pg::process::settings::reloaded_at;

thread_local! {
    static WATCHED: RefCell<Watched> = const {
        RefCell::new(Watched { signal: None, signals: Vec::new(), tables: Vec::new() })
    };
    /// Generation of rows: advances whenever remembered rows may have changed.
    static ROWS: Cell<u64> = const { Cell::new(0) };
    /// Generation of names: advances whenever names of tables and indexes may denote other relations.
    static NAMES: Cell<u64> = const { Cell::new(0) };
    /// The time of the last reload of the configuration that `ROWS` has taken into account.
    static RELOADED: Cell<i64> = const { Cell::new(0) };
    /// Whether this transaction has changed what others remember.
    static WROTE: Cell<bool> = const { Cell::new(false) };
}

/// The relations whose invalidation matters.
struct Watched {
    /// The oid of the signal relation, unless it has been invalidated since it was looked up.
    signal: Option<pg_sys::Oid>,
    /// Every oid that the signal has had. None is ever removed: a message between two look-ups would be missed.
    signals: Vec<pg_sys::Oid>,
    /// Every oid that our tables have had.
    tables: Vec<pg_sys::Oid>,
}

/// Takes in what other sessions have committed, and returns the generation of what may be remembered.
///
/// A reader that finds it advanced since it began must begin again.
///
/// # Errors
/// Raises 55000 when the extension's tables do not exist.
pub fn generation() -> u64 {
    loop {
        // SAFETY: reads the shared queue; callbacks run inside, `forget` below among them.
        unsafe { pg_sys::AcceptInvalidationMessages() };
        if WATCHED.with_borrow(|watched| watched.signal.is_some()) {
            break;
        }
        // The message may concern a re-created signal. Nothing is read, and so remembered, before that one is watched.
        watch_signal();
    }
    // A reload may have brought another key file, and what is remembered depends on the keys of the old one.
    let reloaded = reloaded_at();
    if RELOADED.replace(reloaded) != reloaded {
        ROWS.set(ROWS.get() + 1);
    }
    ROWS.get()
}

/// Whether this transaction may use and fill what is remembered. One that has written may not: it sees rows that a
/// rollback would take back.
pub fn may_remember() -> bool {
    !WROTE.get()
}

/// Records that this transaction sees rows that a rollback would take back.
pub fn remember_nothing() {
    WROTE.set(true);
}

/// Tells all backends, at commit, that this transaction has changed rows they may remember.
///
/// # Errors
/// Raises 55000 when the extension's tables do not exist.
pub fn signal() {
    remember_nothing();
    // SAFETY: queues a message for the commit; needs no transaction id and no lock.
    unsafe { pg_sys::CacheInvalidateRelcacheByRelid(watch_signal()) };
}

/// Starts watching the signal, without which nothing may be remembered, and returns its oid.
fn watch_signal() -> pg_sys::Oid {
    if let Some(signal) = WATCHED.with_borrow(|watched| watched.signal) {
        return signal;
    }
    let signal = index_scan::relation(c"signal");
    WATCHED.with_borrow_mut(|watched| {
        watched.signal = Some(signal);
        if !watched.signals.contains(&signal) {
            watched.signals.push(signal);
        }
    });
    signal
}

pub(in crate::pg) fn names() -> u64 {
    NAMES.get()
}

pub(in crate::pg) fn watch_table(table: pg_sys::Oid) {
    WATCHED.with_borrow_mut(|watched| {
        if !watched.tables.contains(&table) {
            watched.tables.push(table);
        }
    });
}

/// Called by `xact.rs` at the end of the transaction, on commit and abort.
pub(in crate::pg) fn end_transaction() {
    WROTE.set(false);
}

/// Registers the callback, once, from `_PG_init`.
pub fn register() {
    // SAFETY: the callback is a static function that lives as long as the backend.
    unsafe { pg_sys::CacheRegisterRelcacheCallback(Some(forget), pg_sys::Datum::null()) };
}

/// Called with each invalidated relation. After a change of a table of ours itself, names are looked up again too:
/// REINDEX CONCURRENTLY gives an index a new oid, DROP and CREATE EXTENSION all of them. Catalogs cannot be read here.
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
