//! Which transactions are about to kill or narrow something, so that an export knows what it does not see yet.
//!
//! Each takes a lock, before it reads the moment of its change from the clock, and holds it until the change is visible
//! or gone. Nobody ever waits for the lock: its tag says since when the transaction runs, and `pg_locks` shows it. A
//! prepared transaction keeps its locks, even over a restart, and `track_activities` does not matter, as it would for
//! what `pg_stat_activity` says of transactions.

use pgrx::pg_sys;

use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::types::clock::Timestamp;

/// Tells our locks from those of `pg_advisory_lock`, whose tags have 1 or 2 there, so that no SQL can make one.
const CLASS: u16 = u16::from_be_bytes(*b"ta");

/// Registers the current transaction, or subtransaction, until it ends.
///
/// # Errors
/// Raises 53200 when the server's lock table is full.
pub fn enter() {
    let [high, low] = halves(Timestamp::transaction_start());
    // SAFETY: a complete tag, with which the lock table is entered as for any advisory lock; the transaction's end
    // releases it. Share locks do not conflict, so this never waits.
    unsafe {
        let tag = pg_sys::LOCKTAG {
            locktag_field1: pg_sys::MyDatabaseId.to_u32(),
            locktag_field2: high,
            locktag_field3: low,
            locktag_field4: CLASS,
            locktag_type: pg_sys::LockTagType::LOCKTAG_ADVISORY as u8,
            locktag_lockmethodid: pg_sys::USER_LOCKMETHOD as u8,
        };
        pg_sys::LockAcquire(&tag, pg_sys::ShareLock as pg_sys::LOCKMODE, false, false);
    }
}

/// When the oldest of them began.
///
/// Whoever reads the clock first, then calls this, and then looks at the tables, misses no change from before the
/// earlier of the two moments: a transaction that is not visible by then either still holds its lock, or took it after
/// this, and then the moment of its change is later than the clock's.
pub fn oldest() -> Option<Timestamp> {
    static OLDEST: Statement = Statement::new(
        "SELECT min(l.classid::bigint << 32 | l.objid::bigint)
           FROM pg_locks l
           JOIN pg_database d ON d.oid = l.database
          WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.objsubid = $1",
    );
    OLDEST.first(arguments![i32::from(CLASS)], |row| row.optional(1)).flatten().and_then(Timestamp::of_micros)
}

fn halves(moment: Timestamp) -> [u32; 2] {
    let micros = moment.micros().cast_unsigned();
    [(micros >> 32) as u32, micros as u32]
}
