//! Locks a row of ours by its key, as `SELECT … FOR UPDATE` does, without a statement.

use std::ffi::{CStr, c_int};

use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

use super::index_key::IndexKey;
use super::index_scan::UniqueIndex;
use super::snapshot::LatestSnapshot;
use crate::pg::process::fault;
use crate::pg::report::diagnostics::Watch;
use crate::pg::transaction::xact;
use crate::pg::types::row::Row;

/// How firmly a row is locked until the transaction ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Strength {
    /// Its key cannot change, nor the row vanish.
    KeyShare,
    /// It cannot change; others may lock it so too.
    Share,
    /// It cannot change, and nobody else locks it but by its key.
    NoKeyUpdate,
}

impl Strength {
    fn mode(self) -> pg_sys::LockTupleMode::Type {
        match self {
            Strength::KeyShare => pg_sys::LockTupleMode::LockTupleKeyShare,
            Strength::Share => pg_sys::LockTupleMode::LockTupleShare,
            Strength::NoKeyUpdate => pg_sys::LockTupleMode::LockTupleNoKeyExclusive,
        }
    }

    /// The command, as PostgreSQL names it where it must not run.
    fn command(self) -> &'static CStr {
        match self {
            Strength::KeyShare => c"SELECT FOR KEY SHARE",
            Strength::Share => c"SELECT FOR SHARE",
            Strength::NoKeyUpdate => c"SELECT FOR NO KEY UPDATE",
        }
    }
}

impl UniqueIndex {
    /// Reads the newest version of the row with this key, locked until the transaction ends. Waits for whoever has
    /// locked it otherwise.
    ///
    /// # Errors
    /// Raises 25006 in a read-only transaction, 40001 when somebody has changed the row while a SERIALIZABLE
    /// transaction waited for it, and 55000 when the table does not exist.
    pub fn lock<T>(&self, key: IndexKey<'_>, strength: Strength, read: impl FnOnce(&Row) -> T) -> Option<T> {
        let _watch = Watch::begin();
        xact::refuse_read_only(strength.command());
        // SAFETY: as before a statement: what this transaction has just done is seen.
        unsafe { pg_sys::CommandCounterIncrement() };
        // The snapshot follows the lock: whoever held the table may have rewritten it.
        let opened = self.open(pg_sys::RowShareLock as pg_sys::LOCKMODE);
        // SAFETY: the slot is of the table's own kind, as locking takes it, and dropped before the table is closed. The
        // lock of the table is kept until the transaction ends, as after a statement.
        unsafe {
            let slot = pg_sys::table_slot_create(opened.table, std::ptr::null_mut());
            let is_locked = loop {
                let snapshot = LatestSnapshot::take();
                // The address of a tuple stays valid when the scan is over.
                let Some(mut tid) = self.find_in(opened, key, &snapshot, |tuple| (*tuple).t_self) else { break false };
                match lock_tuple(opened.table, &mut tid, &snapshot, strength, slot) {
                    // A version newer than the one that was found may have another key.
                    Locked::Newest if key.is_of(&Row::of_slot(slot), self.column()) => break true,
                    Locked::ByUs => break false,
                    // Whoever took it away may have put another one there.
                    Locked::Newest | Locked::Deleted => {}
                }
                pgrx::check_for_interrupts!();
            };
            let row = is_locked.then(|| read(&Row::of_slot(slot)));
            pg_sys::ExecDropSingleTupleTableSlot(slot);
            pg_sys::table_close(opened.table, pg_sys::NoLock as c_int);
            row
        }
    }
}

/// What became of locking a tuple.
enum Locked {
    /// Its newest version is.
    Newest,
    /// There is none any more.
    Deleted,
    /// This transaction has deleted it, or changes it by a command that is still running, which must not be disturbed.
    ByUs,
}

/// Locks the newest version of a tuple and puts it into the slot, as the executor does for `SELECT … FOR UPDATE` in
/// READ COMMITTED.
///
/// In REPEATABLE READ, too: the tuple was found by a snapshot of now, so what is newer still is no more of a surprise
/// than it was, and a death that had to wait for another finds it done. A SERIALIZABLE transaction begins again.
///
/// # Safety
/// `table` must be open, `tid` the address of one of its tuples that the snapshot shows, and `slot` made for it.
unsafe fn lock_tuple(
    table: pg_sys::Relation,
    tid: &mut pg_sys::ItemPointerData,
    snapshot: &LatestSnapshot,
    strength: Strength,
    slot: *mut pg_sys::TupleTableSlot,
) -> Locked {
    let mut flags = pg_sys::TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS;
    if !xact::is_serializable() {
        flags |= pg_sys::TUPLE_LOCK_FLAG_FIND_LAST_VERSION;
    }
    let mut failure = pg_sys::TM_FailureData::default();
    // SAFETY: guaranteed by the caller. Raises when the wait is cancelled or would last for ever.
    let answer = unsafe {
        pg_sys::table_tuple_lock(
            table,
            tid,
            snapshot.as_ptr(),
            slot,
            pg_sys::GetCurrentCommandId(true),
            strength.mode(),
            pg_sys::LockWaitPolicy::LockWaitBlock,
            flags as u8,
            &mut failure,
        )
    };
    fault::step();
    match answer {
        pg_sys::TM_Result::TM_Ok => Locked::Newest,
        pg_sys::TM_Result::TM_SelfModified => Locked::ByUs,
        pg_sys::TM_Result::TM_Deleted if !xact::is_serializable() => Locked::Deleted,
        pg_sys::TM_Result::TM_Deleted | pg_sys::TM_Result::TM_Updated => {
            ereport!(
                ERROR,
                PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
                "could not serialize access due to concurrent update"
            );
        }
        other => panic!("unexpected result {other} of locking a tuple"),
    }
}
