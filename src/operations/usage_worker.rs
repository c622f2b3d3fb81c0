//! A worker: writes the usage of one database from shared memory to its tables, and ends.
//!
//! It writes batches, each in a transaction of its own that also records the batch as written. The commit decides: a
//! callback at the end of the transaction settles what was taken, or gives it back, whether an error, SIGTERM or
//! anything else rolled it back. Uses of a token that has no row wait until it has one, or nobody can commit it any
//! more: a transaction may use the token that it issues. A worker stays connected for two seconds at most, so that DROP
//! DATABASE, which waits five, finds nobody; another, started soon, writes what it leaves. Once an hour it also does
//! the work of `tend`.
//!
//! It is connected as the bootstrap superuser, and runs unasked: so each transaction proves first that the extension is
//! installed and that the relations are its own, and acts as their owner in a security-restricted operation.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use super::unasked::as_owner;
use super::{heartbeat, idle_tokens, purge};
use crate::access::sql_privileges;
use crate::catalog::{counting, death_notice, derived_death, usage_copy};
use crate::error::Error;
use crate::pg::process::backend_local::backend_local;
use crate::pg::process::background_worker;
use crate::pg::process::shared_memory;
use crate::pg::types::clock::Timestamp;
use crate::settings;
use crate::usage::batch::Batch;
use crate::usage::complete;
use crate::usage::hours;
use crate::usage::slots::{Database, OpenBatch, Slots, Taken};
use crate::usage::tables;
use crate::usage::{in_memory, snapshot_file};

/// After this long a worker begins no other batch. A batch takes a fraction of a second, or fails at a lock.
const LONG_ENOUGH: Duration = Duration::from_millis(1400);

/// How many tokens a batch has at most.
const BATCH: usize = 5000;

/// So many or fewer go in one batch wherever they are.
const FEW: usize = 500;

/// For how long the rows are kept of memories that have added nothing since, in microseconds.
const BATCHES_KEPT: i64 = 90 * 86_400_000_000;

/// For how long it is remembered that a child was revoked, after it has ended, in microseconds: by the clock of a copy
/// it may not have ended yet.
const CHILDREN_KEPT: i64 = 3_600_000_000;

/// How many rows of hourly usage, or of revoked children, are removed or folded in one transaction.
const HOURS: i64 = 10_000;

/// What the current transaction has taken.
struct AtHand {
    slots: Slots<'static>,
    database: &'static Database,
    /// Since when its uses have waited.
    since: i64,
    open: OpenBatch,
    taken: Vec<Taken>,
    /// The tokens among them that have no row.
    missed: tables::Missing,
}

impl AtHand {
    fn new(slots: Slots<'static>, database: &'static Database, since: i64, open: OpenBatch) -> Self {
        AtHand { slots, database, since, open, taken: Vec::new(), missed: tables::Missing::default() }
    }
}

backend_local! {
    static AT_HAND: RefCell<Option<AtHand>> = const { RefCell::new(None) };
}

/// Runs a worker in the database with this object identifier.
pub fn run(database: u32) {
    let Some(slots) = shared_memory::slots() else { return };
    background_worker::connect_to(database);
    let start = Instant::now();
    let Some(database) = in_memory::database(slots) else { return };
    background_worker::at_transaction_end(ended);
    if work(slots, database, start).is_none() {
        // The extension was dropped, and so were its tokens.
        database.begin_writing();
        slots.forget(database.oid());
        slots.header.samples.take(database.oid());
        database.set_tended(Timestamp::now().micros());
    }
    database.set_served(true);
}

/// Writes what waits; `None` where the extension is not installed.
fn work(slots: Slots<'static>, database: &'static Database, start: Instant) -> Option<()> {
    // Before anything is taken: where a relation is somebody else's, all stays in memory.
    let needs_beats = as_owner(heartbeat::is_needed)?;
    let is_reader = settings::reader();
    database.set_reader(is_reader.then(|| Timestamp::now().micros()));
    database.set_needs_beats(needs_beats);
    if is_reader {
        // What waits is fetched by the primary.
        database.set_tended(Timestamp::now().micros());
        return Some(());
    }
    take_back(slots, database)?;
    let since = database.waiting_since().unwrap_or_else(|| Timestamp::now().micros());
    database.begin_writing();
    if !flush(slots, database, since, start)? {
        database.leave(since);
        return Some(());
    }
    if slots.has_rest() {
        // Uses wait for what is fetched from another database, so their count is not complete.
        return Some(());
    }
    as_owner(|| record_denials(slots, database))?.unwrap_or_else(Error::log);
    let now = Timestamp::now().micros();
    if database.is_due(now) && housekeep(slots, database, start)? {
        database.set_tended(now);
    }
    Some(())
}

/// Writes what waits, batch by batch, and more if memory has filled meanwhile. Returns false if time is up before all
/// is written; `None` where the extension is not installed.
fn flush(slots: Slots<'static>, database: &'static Database, since: i64, start: Instant) -> Option<bool> {
    let is_over = || start.elapsed() > LONG_ENOUGH;
    for number in slots.kept(Some(database.oid())) {
        if is_over() {
            return Some(false);
        }
        as_owner(|| write_kept(slots, database, since, number))?;
    }
    snapshot_file::remove_if_written(slots);
    if slots.has_rest() {
        // Other databases have batches of the file: they are written soon, or fetched from a reader some day.
        let is_soon = !slots.is_kept_for_a_primary();
        if !is_soon {
            database.wait(since);
        }
        return Some(!is_soon);
    }
    // With few slots, a batch of all would leave none to those who come meanwhile.
    let most = BATCH.min(slots.capacity() / 4);
    loop {
        let waiting = slots.waiting(database.oid());
        for tokens in scattered(&waiting, most) {
            if is_over() {
                return Some(false);
            }
            as_owner(|| write(slots, database, since, &tokens))?;
        }
        slots.tidy(Timestamp::now().micros());
        if waiting.len() < most || !slots.is_filling() {
            return Some(true);
        }
    }
}

/// The tokens in batches of at most `most`, each in their order, in which neighbours go in different batches.
///
/// A page of `usage` has rows of tokens that were issued one after the other. Rewritten by one transaction they would
/// take twice their room, and those for which the page has none would go elsewhere, with a new entry in the index for
/// each; what the batch before has replaced, the next one clears away.
fn scattered(tokens: &[[u8; 16]], most: usize) -> impl Iterator<Item = Vec<[u8; 16]>> {
    /// In how many batches neighbours go: a page has room for so large a part of its rows once more.
    const APART: usize = 6;
    tokens.chunks(most.saturating_mul(APART)).flat_map(|tokens| {
        // Few are written at once, since each batch waits for its commit.
        let apart = if tokens.len() < FEW { 1 } else { APART };
        (0..apart).map(move |first| tokens.iter().copied().skip(first).step_by(apart).collect())
    })
}

fn ended(committed: bool) {
    let Some(AtHand { slots, database, since, open, taken, missed }) = AT_HAND.take() else { return };
    let (oid, number) = (database.oid(), open.batch);
    if !committed {
        // What an earlier memory has kept stays in its batch.
        if open.node == slots.node() {
            slots.give_back(oid, number, &taken);
        }
        database.wait(since);
        return;
    }
    for token in missed.tokens {
        if slots.miss(oid, number, token, missed.at) {
            database.wait(Timestamp::now().micros());
        }
    }
    slots.settle(oid, number, &taken);
}

/// Writes one batch of the uses of these tokens that wait.
fn write(slots: Slots<'static>, database: &'static Database, since: i64, tokens: &[[u8; 16]]) {
    let open = OpenBatch { node: slots.node(), batch: slots.next_batch() };
    let batch = AT_HAND.with_borrow_mut(|at_hand| {
        // Stored before anything is taken, so that an error from here on gives it back.
        let at_hand = at_hand.insert(AtHand::new(slots, database, since, open));
        slots.take(database.oid(), open.batch, tokens, &mut at_hand.taken);
        if at_hand.taken.len() < tokens.len() {
            database.wait(since);
        }
        Batch::of(open, &at_hand.taken)
    });
    tables::enter_batch(open);
    add(&batch);
}

/// Writes one batch that was kept over a stop, unless the tables have it: the server has crashed since, and has read it
/// again.
fn write_kept(slots: Slots<'static>, database: &'static Database, since: i64, number: u64) {
    let open = slots.batch(number);
    let batch = AT_HAND.with_borrow_mut(|at_hand| {
        let at_hand = at_hand.insert(AtHand::new(slots, database, since, open));
        at_hand.taken = slots.departed(database.oid(), number);
        Batch::of(open, &at_hand.taken)
    });
    if tables::enter_batch(open) {
        add(&batch);
    }
}

fn add(batch: &Batch) {
    let missed = tables::add(&batch.uses);
    AT_HAND.with_borrow_mut(|at_hand| at_hand.as_mut().map(|at_hand| at_hand.missed = missed));
}

/// On a promoted standby, gives back what had been handed out and has not arrived, so that it is written here. Records
/// its batch as written, so that it can no longer arrive.
fn take_back(slots: Slots<'static>, database: &Database) -> Option<()> {
    let Some(open) = database.open() else { return Some(()) };
    // Memory changes after the commit: had that failed, the batch could still arrive.
    let has_arrived = as_owner(|| !tables::enter_batch(open))?;
    if has_arrived {
        slots.land(database.oid(), open.batch);
    } else {
        slots.take_back(database.oid(), open.batch);
    }
    database.set_open(None);
    Some(())
}

fn record_denials(slots: Slots<'static>, database: &Database) -> Result<(), Error> {
    slots.header.samples.take(database.oid()).iter().try_for_each(tables::record_denial)
}

/// Does the hourly work: notes that uses are counted, tells listeners of tokens that are about to expire, revokes those
/// that nobody uses, removes what is old, and takes from PUBLIC what pg_upgrade has given it. Returns whether all of it
/// is done; `None` where the extension is not installed.
fn housekeep(slots: Slots<'static>, database: &'static Database, start: Instant) -> Option<bool> {
    let is_over = || start.elapsed() > LONG_ENOUGH;
    if let Some(noted) = as_owner(|| counting::exists().then(|| complete::note(slots, database)))? {
        noted.commit(slots, database);
    }
    loop {
        match as_owner(|| idle_tokens::revoke_some(database.idle_after()))? {
            Ok(Some(last)) => database.set_idle_after(last),
            Ok(None) => break,
            Err(error) => {
                error.log();
                break;
            }
        }
        if is_over() {
            return Some(false);
        }
    }
    database.set_idle_after(idle_tokens::FIRST);
    while as_owner(death_notice::expiring)? {
        if is_over() {
            return Some(false);
        }
    }
    if let Some(before) = Timestamp::of_micros(Timestamp::now().micros() - BATCHES_KEPT) {
        as_owner(|| {
            tables::remove_batches(before, slots.node());
            if usage_copy::exists() {
                usage_copy::forget(before);
            }
        })?;
    }
    if let Some(before) = Timestamp::of_micros(Timestamp::now().micros() - CHILDREN_KEPT) {
        while as_owner(|| derived_death::remove(before, HOURS))? > 0 {
            if is_over() {
                return Some(false);
            }
        }
    }
    while as_owner(|| {
        hours::kept_since().is_some_and(|before| hours::remove(before, HOURS) > 0) || hours::fold(HOURS) > 0
    })? {
        if is_over() {
            return Some(false);
        }
    }
    loop {
        // One round takes up to a second.
        if is_over() {
            return Some(false);
        }
        match as_owner(purge::by_retention)? {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => {
                error.log();
                break;
            }
        }
    }
    as_owner(sql_privileges::strip_row_types)?;
    Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_go_in_different_batches() {
        let tokens: Vec<[u8; 16]> = (0..70_000_u128).map(u128::to_be_bytes).collect();
        let batches: Vec<_> = scattered(&tokens, 5000).collect();
        assert!(batches.iter().all(|batch| batch.len() <= 5000 && batch.is_sorted()));
        assert!(
            batches
                .iter()
                .flat_map(|batch| batch.windows(2))
                .all(|pair| { u128::from_be_bytes(pair[1]) - u128::from_be_bytes(pair[0]) >= 6 })
        );
        let mut all: Vec<_> = batches.concat();
        all.sort_unstable();
        assert_eq!(all, tokens);
        assert_eq!(scattered(&tokens[..FEW - 1], 5000).count(), 1);
        assert_eq!(scattered(&tokens[..7], 2).map(|batch| batch.len()).sum::<usize>(), 7);
    }
}
