//! A worker: writes the usage of one database from shared memory to its tables, and ends.
//!
//! It writes batches, each in a transaction of its own that also records the batch as written. The commit decides: a
//! callback at the end of the transaction settles what was taken, or gives it back, whether an error, SIGTERM or
//! anything else rolled it back. A worker stays connected for two seconds at most, so that DROP DATABASE, which waits
//! five, finds nobody; another, started soon, writes what it leaves. Once an hour it also does the work of `tend`.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use super::batch::Batch;
use super::in_memory;
use super::slots::{Database, OpenBatch, Slots, Taken, Waiting};
use crate::catalog::usage;
use crate::error::Error;
use crate::pg::clock::Timestamp;
use crate::pg::process;
use crate::pg::shared_memory;
use crate::{notify, purge};

/// After this long a worker begins no other batch. A batch takes a fraction of a second, or fails at a lock.
const LONG_ENOUGH: Duration = Duration::from_millis(1000);

/// How many tokens a batch has at most.
const BATCH: usize = 5000;

/// How long hourly usage is kept, in microseconds: more than `unusual_activity` compares with.
const KEPT: i64 = 90 * 86_400_000_000;

/// How many rows of hourly usage a worker removes at most.
const REMOVED: i64 = 10_000;

/// What the current transaction has taken.
struct AtHand {
    slots: Slots<'static>,
    database: &'static Database,
    /// Since when its uses have waited.
    since: i64,
    number: u64,
    taken: Vec<Taken>,
}

thread_local! {
    static AT_HAND: RefCell<Option<AtHand>> = const { RefCell::new(None) };
}

/// Runs a worker in the database with this object identifier.
pub fn run(database: u32) {
    let Some(slots) = shared_memory::slots() else { return };
    process::connect_to(database);
    let start = Instant::now();
    let Some(database) = in_memory::database(slots) else { return };
    process::at_transaction_end(ended);
    if !process::in_transaction(process::is_installed) {
        // The extension was dropped, and so were its tokens.
        database.begin_writing();
        slots.forget(database.oid());
        slots.header.samples.take(database.oid());
        database.set_tended(Timestamp::now().micros());
        return;
    }
    take_back(slots, database);
    let since = database.waiting_since().unwrap_or_else(|| Timestamp::now().micros());
    database.begin_writing();
    for places in slots.waiting(database.oid()).chunks(BATCH) {
        if start.elapsed() > LONG_ENOUGH {
            database.leave(since);
            return;
        }
        process::in_transaction(|| write(slots, database, since, places));
    }
    process::in_transaction(|| record_denials(slots, database)).unwrap_or_else(Error::log);
    let now = Timestamp::now().micros();
    if database.is_due(now) && tend(slots, start) {
        database.set_tended(now);
    }
}

fn ended(committed: bool) {
    if let Some(AtHand { slots, database, since, number, taken }) = AT_HAND.take() {
        if committed {
            slots.settle(number, &taken);
        } else {
            slots.give_back(number, &taken);
            database.wait(since);
        }
    }
}

/// Writes one batch of the uses that wait at these places.
fn write(slots: Slots<'static>, database: &'static Database, since: i64, places: &[Waiting]) {
    let number = slots.next_batch();
    let batch = AT_HAND.with_borrow_mut(|at_hand| {
        // Stored before anything is taken, so that an error from here on gives it back.
        let at_hand = at_hand.insert(AtHand { slots, database, since, number, taken: Vec::new() });
        slots.take(database.oid(), number, places, &mut at_hand.taken);
        if at_hand.taken.len() < places.len() {
            database.wait(since);
        }
        Batch::of(OpenBatch { node: slots.node(), batch: number }, &at_hand.taken)
    });
    usage::enter_batch(batch.open);
    usage::add(&batch.uses);
}

/// On a promoted standby, gives back what had been handed out and has not arrived, so that it is written here. Records
/// its batch as written, so that it can no longer arrive.
fn take_back(slots: Slots<'static>, database: &Database) {
    let Some(open) = database.open() else { return };
    // Memory changes after the commit: had that failed, the batch could still arrive.
    let has_arrived = process::in_transaction(|| !usage::enter_batch(open));
    slots.each(
        Some(database.oid()),
        |slot| {
            if has_arrived { slot.land(open.batch) } else { slot.give_back(open.batch) }
        },
    );
    database.set_open(None);
}

fn record_denials(slots: Slots<'static>, database: &Database) -> Result<(), Error> {
    slots.header.samples.take(database.oid()).iter().try_for_each(usage::record_denial)
}

/// Does the hourly work: tells listeners of tokens that are about to expire, and removes what is old. Returns whether
/// all of it is done.
fn tend(slots: Slots<'static>, start: Instant) -> bool {
    let is_over = || start.elapsed() > LONG_ENOUGH;
    while process::in_transaction(notify::expiring) {
        if is_over() {
            return false;
        }
    }
    if let Some(before) = Timestamp::of_micros(Timestamp::now().micros() - KEPT) {
        process::in_transaction(|| {
            usage::remove_hours(before, REMOVED);
            usage::remove_batches(before, slots.node());
        });
    }
    loop {
        // One round takes up to a second.
        if is_over() {
            return false;
        }
        match process::in_transaction(purge::by_retention) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => {
                error.log();
                return true;
            }
        }
    }
}
