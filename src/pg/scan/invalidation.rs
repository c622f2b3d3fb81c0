//! Tells when what a backend caches of our tables is out of date.
//!
//! The signal is PostgreSQL's own, a message that a relation is invalid. It is sent at commit, before COMMIT returns to
//! its client, and a standby replays it with the commit. There are two forms. The coarse one names `tokenauth.signal`,
//! which is never read itself: everything cached is out of date. The fine one names one row by an oid that no relation
//! has, a [`RowKey`]. `verify/cache.rs` describes the order in which a reader must look.

use std::cell::{Cell, RefCell};

use pgrx::pg_guard;
use pgrx::pg_sys;

use super::index_scan;
use super::row_key::{self, RowKey};
use crate::pg::process::backend_local::backend_local;
use crate::pg::process::fault;
use crate::pg::process::settings::reloaded_at;

/// How many rows a transaction tells one by one. Beyond that it sends the coarse signal: the server searches its
/// messages for duplicates one by one, and when the queue overflows, every backend drops every cache of the server's
/// own too.
const MOST_ROWS: usize = 64;

/// How many rows told last are known one by one, a power of two. Of earlier ones a part of the key is known, by which
/// others are taken for changed as well.
const RECENT: usize = 1024;

backend_local! {
    static WATCHED: RefCell<Watched> = const {
        RefCell::new(Watched { signal: None, signals: Vec::new(), tables: Vec::new(), indexes: Vec::new() })
    };
    /// Generation of rows: advances whenever cached rows may have changed.
    static ROWS: Cell<u64> = const { Cell::new(0) };
    /// The generation that began when all rows may have changed last.
    static ALL_ROWS: Cell<u64> = const { Cell::new(0) };
    /// By a part of the row's key, the generation that began when such a row changed last.
    static CHANGED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
    /// By the generation that began with it, the row that changed.
    static RECENTLY: RefCell<[RowKey; RECENT]> = const { RefCell::new([RowKey::NONE; RECENT]) };
    /// Generation of names: advances whenever names of tables and indexes may denote other relations.
    static NAMES: Cell<u64> = const { Cell::new(0) };
    /// The time of the last reload of the configuration that `ROWS` has taken into account.
    static RELOADED: Cell<i64> = const { Cell::new(0) };
    /// Whether this transaction has changed what others cache.
    static WROTE: Cell<bool> = const { Cell::new(false) };
    /// What this transaction has sent.
    static SENT: RefCell<Sent> = const { RefCell::new(Sent { all: None, rows: Vec::new() }) };
}

/// The relations whose invalidation matters.
struct Watched {
    /// The oid of the signal relation, unless it has been invalidated since it was looked up.
    signal: Option<pg_sys::Oid>,
    /// Every oid that the signal has had. None is ever removed: a message between two look-ups would be missed.
    signals: Vec<pg_sys::Oid>,
    /// Every oid that our tables have had.
    tables: Vec<pg_sys::Oid>,
    /// Every oid that their indexes have had that were looked at.
    indexes: Vec<pg_sys::Oid>,
}

/// Messages of this transaction, with the subtransactions that queued them: the rollback of one drops its messages, and
/// no later one has its number.
struct Sent {
    all: Option<pg_sys::SubTransactionId>,
    rows: Vec<(pg_sys::SubTransactionId, RowKey)>,
}

/// Takes in what other sessions have committed, and returns the generation of what may be cached.
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
        // The message may concern a re-created signal. Nothing is read, and so cached, before that one is watched.
        watch_signal();
    }
    // A reload may have brought another key file, and what is cached depends on the keys of the old one.
    let reloaded = reloaded_at();
    if RELOADED.replace(reloaded) != reloaded {
        all_rows_changed();
    }
    ROWS.get()
}

/// The generation as of the messages that were taken in last.
pub fn last_generation() -> u64 {
    ROWS.get()
}

/// The generation that began when everything cached went out of date last.
pub fn all_changed() -> u64 {
    ALL_ROWS.get()
}

/// Whether one of these rows may have changed after this generation began: it has, or all may have, or it was long ago
/// and another has that shares its place.
pub fn has_any_changed(rows: &[RowKey], generation: u64) -> bool {
    let since = ROWS.get() - generation.min(ROWS.get());
    if generation < ALL_ROWS.get() {
        return true;
    }
    if since > RECENT as u64 {
        return CHANGED.with_borrow(|changed| {
            rows.iter().any(|row| changed.get(row.bucket()).is_some_and(|&last| last > generation))
        });
    }
    RECENTLY.with_borrow(|recent| {
        // Those told since, which may lie around the end. All are compared, which takes less than to stop at one.
        let (first, count) = (place(generation + 1), since as usize);
        let (told, around) = if first + count <= RECENT {
            (&recent[first..first + count], &recent[..0])
        } else {
            (&recent[first..], &recent[..first + count - RECENT])
        };
        let is_among = |told: &[RowKey], row: &RowKey| told.iter().fold(false, |found, key| found | (key == row));
        rows.iter().any(|row| is_among(told, row) | is_among(around, row))
    })
}

fn place(generation: u64) -> usize {
    generation as usize % RECENT
}

/// Whether this transaction may use and fill caches. One that has written may not: it sees rows that a rollback would
/// take back.
pub fn may_use_caches() -> bool {
    !WROTE.get()
}

/// Records that this transaction sees rows that a rollback would take back.
pub fn bypass_caches() {
    WROTE.set(true);
}

/// Tells all backends, at commit, that this transaction has changed this row.
///
/// # Errors
/// Raises 55000 when the extension's tables do not exist.
pub fn signal_row(row: RowKey) {
    bypass_caches();
    fault::step();
    let now = subtransaction();
    let is_known = SENT.with_borrow_mut(|sent| {
        if sent.rows.contains(&(now, row)) {
            return Some(true);
        }
        let has_room = sent.all.is_none() && sent.rows.len() < MOST_ROWS;
        has_room.then(|| {
            sent.rows.push((now, row));
            false
        })
    });
    match is_known {
        Some(true) => {}
        Some(false) => row_key::send(row),
        None => signal(),
    }
}

/// Tells all backends, at commit, that this transaction has changed any rows.
///
/// # Errors
/// Raises 55000 when the extension's tables do not exist.
pub fn signal() {
    bypass_caches();
    fault::step();
    let now = subtransaction();
    if SENT.with_borrow(|sent| sent.all == Some(now)) {
        return;
    }
    // SAFETY: queues a message for the commit; needs no transaction id and no lock.
    unsafe { pg_sys::CacheInvalidateRelcacheByRelid(watch_signal()) };
    SENT.with_borrow_mut(|sent| sent.all = Some(now));
}

fn subtransaction() -> pg_sys::SubTransactionId {
    // SAFETY: reads the state of the current transaction.
    unsafe { pg_sys::GetCurrentSubTransactionId() }
}

/// Starts watching the signal, without which nothing may be cached, and returns its oid.
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

/// Watches an index from before it is looked at on: whoever changes its row in the catalog by hand tells of nothing
/// else.
pub(super) fn watch_index(index: pg_sys::Oid) {
    WATCHED.with_borrow_mut(|watched| {
        if !watched.indexes.contains(&index) {
            watched.indexes.push(index);
        }
    });
}

/// Called by `xact.rs` at the end of the transaction, on commit and abort.
pub(in crate::pg) fn end_transaction() {
    WROTE.set(false);
    SENT.with_borrow_mut(|sent| {
        sent.all = None;
        sent.rows.clear();
    });
}

/// Registers the callback, once, from `_PG_init`.
pub fn register() {
    // SAFETY: the callback is a static function that lives as long as the backend.
    unsafe { pg_sys::CacheRegisterRelcacheCallback(Some(forget), pg_sys::Datum::null()) };
}

/// Called with each invalidated relation. After a change of a table of ours itself, names are looked up again too:
/// REINDEX CONCURRENTLY gives an index a new oid, DROP and CREATE EXTENSION all of them. So they are after one of an
/// index that is read. Catalogs cannot be read here.
#[pg_guard]
unsafe extern "C-unwind" fn forget(_argument: pg_sys::Datum, relation: pg_sys::Oid) {
    WATCHED.with_borrow_mut(|watched| {
        if relation == pg_sys::InvalidOid || watched.tables.contains(&relation) {
            watched.signal = None;
            all_rows_changed();
            NAMES.set(NAMES.get() + 1);
        } else if watched.signals.contains(&relation) {
            watched.signal = None;
            all_rows_changed();
        } else if let Some(row) = RowKey::named_by(relation) {
            row_changed(row);
        } else if watched.indexes.contains(&relation) {
            NAMES.set(NAMES.get() + 1);
        }
    });
}

fn all_rows_changed() {
    ROWS.set(ROWS.get() + 1);
    ALL_ROWS.set(ROWS.get());
}

fn row_changed(row: RowKey) {
    CHANGED.with_borrow_mut(|changed| {
        if changed.is_empty() && changed.try_reserve_exact(row_key::BUCKETS).is_ok() {
            changed.resize(row_key::BUCKETS, 0);
        }
        match changed.get_mut(row.bucket()) {
            None => all_rows_changed(),
            Some(last) => {
                ROWS.set(ROWS.get() + 1);
                *last = ROWS.get();
                RECENTLY.with_borrow_mut(|recent| recent[place(ROWS.get())] = row);
            }
        }
    });
}

/// As if a message had told that this row has changed. Returns the generation that begins.
#[cfg(test)]
pub fn told(row: RowKey) -> u64 {
    row_changed(row);
    ROWS.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: usize) -> RowKey {
        RowKey::new("row", &number.to_ne_bytes())
    }

    #[test]
    fn a_row_told_lately_is_the_only_one_that_has_changed_and_later_its_neighbours_have_too() {
        let is_neighbour = |other: &RowKey| other.bucket() == row(0).bucket();
        let neighbour = (1..).map(row).find(is_neighbour).unwrap_or(RowKey::NONE);
        let before = last_generation();
        let told = told(row(0));
        assert!(has_any_changed(&[row(1), row(0)], before) && !has_any_changed(&[row(0)], told));
        assert!(!has_any_changed(&[neighbour], before));
        for (count, other) in (1..=2 * RECENT).zip((1..).map(row).filter(|other| !is_neighbour(other))) {
            super::told(other);
            assert!(has_any_changed(&[row(0)], before) && !has_any_changed(&[row(0)], told));
            assert_eq!(has_any_changed(&[neighbour], before), count >= RECENT);
            assert!(!has_any_changed(&[neighbour], last_generation()));
        }
        all_rows_changed();
        assert!(has_any_changed(&[neighbour], last_generation() - 1));
        assert!(!has_any_changed(&[neighbour], last_generation()));
    }
}
