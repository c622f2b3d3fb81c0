//! A worker: writes the usage of one database from shared memory to its tables, and ends.
//!
//! It writes batches, each in a transaction of its own that also records the batch as written. The commit decides: a
//! callback at the end of the transaction settles what was taken, or gives it back, whether an error, SIGTERM or
//! anything else rolled it back. A worker stays connected for two seconds at most, so that DROP DATABASE, which waits
//! five, finds nobody; another, started soon, writes what it leaves. Once an hour it also does the work of `tend`.
//!
//! It is connected as the bootstrap superuser, and runs unasked: so each transaction proves first that the extension is
//! installed and that the relations are its own, and acts as their owner in a security-restricted operation.

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
use crate::pg::user::ActingAs;
use crate::{grants, notify, purge};

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
    if work(slots, database, start).is_none() {
        // The extension was dropped, and so were its tokens.
        database.begin_writing();
        slots.forget(database.oid());
        slots.header.samples.take(database.oid());
        database.set_tended(Timestamp::now().micros());
    }
}

/// Runs `act` in a transaction of its own, as the owner of the extension. `None` where that is not installed: a schema of
/// its name may be anybody's.
fn as_owner<T>(act: impl FnOnce() -> T) -> Option<T> {
    process::in_transaction(|| {
        let _owner = ActingAs::owner_of_ours_restricted()?;
        Some(act())
    })
}

/// Writes what waits; `None` where the extension is not installed.
fn work(slots: Slots<'static>, database: &'static Database, start: Instant) -> Option<()> {
    // Before anything is taken: where a relation is somebody else's, all stays in memory.
    as_owner(|| ())?;
    take_back(slots, database)?;
    let since = database.waiting_since().unwrap_or_else(|| Timestamp::now().micros());
    database.begin_writing();
    for places in slots.waiting(database.oid()).chunks(BATCH) {
        if start.elapsed() > LONG_ENOUGH {
            database.leave(since);
            return Some(());
        }
        as_owner(|| write(slots, database, since, places))?;
    }
    as_owner(|| record_denials(slots, database))?.unwrap_or_else(Error::log);
    let now = Timestamp::now().micros();
    if database.is_due(now) && tend(slots, start)? {
        database.set_tended(now);
    }
    Some(())
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
fn take_back(slots: Slots<'static>, database: &Database) -> Option<()> {
    let Some(open) = database.open() else { return Some(()) };
    // Memory changes after the commit: had that failed, the batch could still arrive.
    let has_arrived = as_owner(|| !usage::enter_batch(open))?;
    slots.each(
        Some(database.oid()),
        |slot| {
            if has_arrived { slot.land(open.batch) } else { slot.give_back(open.batch) }
        },
    );
    database.set_open(None);
    Some(())
}

fn record_denials(slots: Slots<'static>, database: &Database) -> Result<(), Error> {
    slots.header.samples.take(database.oid()).iter().try_for_each(usage::record_denial)
}

/// Does the hourly work: tells listeners of tokens that are about to expire, removes what is old, and takes from PUBLIC
/// what pg_upgrade has given it. Returns whether all of it is done; `None` where the extension is not installed.
fn tend(slots: Slots<'static>, start: Instant) -> Option<bool> {
    let is_over = || start.elapsed() > LONG_ENOUGH;
    while as_owner(notify::expiring)? {
        if is_over() {
            return Some(false);
        }
    }
    if let Some(before) = Timestamp::of_micros(Timestamp::now().micros() - KEPT) {
        as_owner(|| {
            usage::remove_hours(before, REMOVED);
            usage::remove_batches(before, slots.node());
        })?;
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
    as_owner(grants::strip_row_types)?;
    Some(true)
}
