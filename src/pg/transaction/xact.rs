//! What ends with a transaction; above all, one that kills tokens commits durably and cannot be prepared.
//!
//! An acknowledged revoke that a crash takes back is worse than none, so a commit that carries deaths waits for the
//! disk and for synchronous standbys even if the caller has turned `synchronous_commit` off. PREPARE TRANSACTION would
//! leave the commit, and so the death of the tokens, to a later session.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_int, c_void};
use std::ptr;

use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

use super::shallowest::Shallowest;
use super::{notify, open_writers, origin, row_changes};
use crate::pg::process::backend_local::backend_local;
use crate::pg::process::{database, fault};
use crate::pg::scan::invalidation;

// Declared here, without pgrx's guard, which costs more than the function: it returns a variable and cannot raise.
unsafe extern "C-unwind" {
    fn GetCurrentTransactionNestLevel() -> c_int;
}

backend_local! {
    /// Where this transaction has killed something.
    static KILLED: Shallowest = const { Shallowest::nowhere() };
    /// Where this transaction has narrowed or killed something.
    static NARROWED: Shallowest = const { Shallowest::nowhere() };
    /// Whether this transaction has narrowed anything, even in a subtransaction that was rolled back.
    static MUST_LAST: Cell<bool> = const { Cell::new(false) };
    /// The WAL position up to which this transaction has written nothing but what `commit_asynchronously_if_alone`
    /// wrote.
    static ASYNC_UP_TO: Cell<Option<pg_sys::XLogRecPtr>> = const { Cell::new(None) };
    /// Where this transaction has asked for something to be done once it has committed.
    static ACTS: Shallowest = const { Shallowest::nowhere() };
    /// That.
    static ACT: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
    /// How many transactions and subtransactions of this backend have been rolled back.
    static ROLLBACKS: Cell<u64> = const { Cell::new(0) };
    /// How many transactions of this backend have ended.
    static ENDED: Cell<u64> = const { Cell::new(0) };
    /// The function to call at each end.
    static LISTENER: Cell<Option<fn(End)>> = const { Cell::new(None) };
    /// Tells what the commit of a death waits for.
    static AWAITED: Cell<fn() -> Awaited> = const { Cell::new(|| Awaited::Flush) };
}

/// What a commit that kills or narrows waits for on synchronous standbys, at least.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// That they have it on disk.
    Flush,
    /// That they have applied it, so that their sessions see it.
    Apply,
}

/// What ends; a subtransaction with its nesting level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A transaction, by COMMIT, ABORT or PREPARE.
    Transaction,
    /// A committed subtransaction, which becomes part of the level above.
    Committed(i32),
    /// A subtransaction that is rolled back.
    Aborted(i32),
}

/// Calls this function at each end, from the server's own callbacks: it must not raise.
pub fn on_end(listener: fn(End)) {
    LISTENER.set(Some(listener));
}

fn notify_listener(end: End) {
    if let Some(listener) = LISTENER.get() {
        listener(end);
    }
}

/// The nesting level of the current subtransaction; 1 is the transaction itself.
pub fn nesting_level() -> i32 {
    // SAFETY: reads this backend's transaction state.
    unsafe { GetCurrentTransactionNestLevel() }
}

/// Whether this is the number of this transaction, or of a subtransaction of it that was not rolled back.
pub fn is_ours(transaction: u32) -> bool {
    // SAFETY: compares it with this backend's transaction state.
    unsafe { pg_sys::TransactionIdIsCurrentTransactionId(pg_sys::TransactionId::from(transaction)) }
}

/// Whether this process is a parallel worker.
pub fn is_parallel_worker() -> bool {
    // SAFETY: reads this process's state.
    unsafe { pg_sys::ParallelWorkerNumber >= 0 }
}

/// Whether this process, leader or worker, is running a parallel query.
pub fn is_parallel() -> bool {
    // SAFETY: reads this backend's transaction state.
    unsafe { pg_sys::IsInParallelMode() }
}

/// Records that this transaction narrows what a token may do: it commits durably. It can be prepared, since COMMIT
/// PREPARED itself waits for the disk, but not where standbys are to be waited for as well.
///
/// Called before the moment of the change is read from the clock, so that an export that does not see the change
/// knows that one may come (see [`open_writers`]).
pub fn mark_narrowing() {
    open_writers::enter();
    // SAFETY: sets a flag that the commit of this transaction reads.
    unsafe { pg_sys::ForceSyncCommit() };
    NARROWED.with(Shallowest::mark);
    MUST_LAST.set(true);
    fault::step();
}

/// Records that this transaction kills: it commits durably, and cannot be prepared. Called before the moment of death
/// is read from the clock.
///
/// Also where there is nothing left to kill, once the row is locked: the lock is written to WAL, so that the commit
/// waits for standbys until they have what an earlier transaction has killed, whose own wait may have been cut short.
pub fn mark_death() {
    mark_narrowing();
    KILLED.with(Shallowest::mark);
}

/// Does something once this transaction has committed, unless the part of it that asks for this is rolled back: then it
/// is dropped. It must not raise. One thing at a time: another takes its place.
pub fn at_commit(act: impl FnOnce() + 'static) {
    ACT.set(Some(Box::new(act)));
    ACTS.with(Shallowest::mark);
}

/// Whether something is to be done once this transaction has committed.
pub fn acts_at_commit() -> bool {
    ACTS.with(Shallowest::is_somewhere)
}

/// How many transactions and subtransactions of this backend have been rolled back: whoever remembers having written
/// something compares this.
pub fn rollbacks() -> u64 {
    ROLLBACKS.get()
}

/// How many transactions of this backend have ended: whoever remembers something for one compares this.
pub fn ended() -> u64 {
    ENDED.get()
}

/// Raises 25006, naming `command`, in a read-only transaction, as every transaction on a standby is.
pub fn refuse_read_only(command: &CStr) {
    // SAFETY: reads this backend's transaction state; the string is copied into the message.
    unsafe { pg_sys::PreventCommandIfReadOnly(command.as_ptr()) };
}

/// Raises 25000, naming `command`, in a parallel query.
pub fn refuse_parallel(command: &CStr) {
    // SAFETY: as above.
    unsafe { pg_sys::PreventCommandIfParallelMode(command.as_ptr()) };
}

/// Whether the transaction sees only what was there when it began, as at the levels above READ COMMITTED.
fn keeps_its_snapshot() -> bool {
    // SAFETY: reads this backend's transaction state.
    unsafe { pg_sys::XactIsoLevel > pg_sys::XACT_READ_COMMITTED as c_int }
}

/// Whether it does, and its outcome need not be as if transactions had run one after the other.
pub fn is_repeatable_read() -> bool {
    keeps_its_snapshot() && !is_serializable()
}

/// Whether the outcome must be as if transactions had run one after the other.
pub fn is_serializable() -> bool {
    // SAFETY: as above.
    unsafe { pg_sys::XactIsoLevel == pg_sys::XACT_SERIALIZABLE as c_int }
}

/// Whether a verification may write now: in a read-write READ COMMITTED transaction on a primary, outside parallel
/// queries. At stricter levels updating a counter would raise 40001; elsewhere nothing can be written.
pub fn may_write_usage() -> bool {
    // SAFETY: reads this backend's transaction state.
    unsafe { !pg_sys::XactReadOnly && !keeps_its_snapshot() && !database::is_in_recovery() && !is_parallel() }
}

/// Runs `write`, whose changes a crash may lose: a transaction that writes nothing else commits without waiting for the
/// disk. Otherwise the first verification of a minute would cost a hundred times as much as the others.
pub fn commit_asynchronously_if_alone<T>(write: impl FnOnce() -> T) -> T {
    // SAFETY: reads this backend's WAL position, which is 0 until the transaction writes something.
    let position = || unsafe { pg_sys::XactLastRecEnd };
    let (before, async_up_to) = (position(), ASYNC_UP_TO.get());
    let answer = write();
    let after = position();
    if after != before && (before == 0 || async_up_to == Some(before)) {
        ASYNC_UP_TO.set(Some(after));
    }
    answer
}

/// Registers the callbacks, and who tells what the commit of a death waits for. Called once, from `_PG_init`. The
/// callbacks of pgrx are per transaction and miss PREPARE.
pub fn register(awaited: fn() -> Awaited) {
    AWAITED.set(awaited);
    // SAFETY: the callbacks are static functions that live as long as the backend.
    unsafe {
        pg_sys::RegisterXactCallback(Some(at_transaction), ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(at_subtransaction), ptr::null_mut());
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn at_transaction(event: pg_sys::XactEvent::Type, _argument: *mut c_void) {
    match event {
        pg_sys::XactEvent::XACT_EVENT_PRE_COMMIT => before_commit(),
        pg_sys::XactEvent::XACT_EVENT_PRE_PREPARE => before_prepare(),
        pg_sys::XactEvent::XACT_EVENT_COMMIT => {
            if acts_at_commit()
                && let Some(act) = ACT.take()
            {
                act();
            }
            end();
        }
        pg_sys::XactEvent::XACT_EVENT_PREPARE => end(),
        pg_sys::XactEvent::XACT_EVENT_ABORT => {
            end();
            ROLLBACKS.set(ROLLBACKS.get() + 1);
        }
        _ => {}
    }
}

fn before_commit() {
    origin::note();
    record_changes();
    if MUST_LAST.get() {
        notify::send_pending();
        wait_for_standbys();
        fault::step();
        return;
    }
    // SAFETY: reads this backend's WAL position, which has moved if anything else was written since.
    if ASYNC_UP_TO.get() == Some(unsafe { pg_sys::XactLastRecEnd }) {
        set_for_this_commit(c"off");
    }
}

fn before_prepare() {
    if KILLED.with(Shallowest::is_somewhere) {
        refuse_prepare_death();
    }
    if NARROWED.with(Shallowest::is_somewhere) && (waits_for_standbys() || awaited() == Awaited::Apply) {
        refuse_prepare_narrowing();
    }
    record_changes();
}

/// Also where the transaction was made read-only after it had written.
fn record_changes() {
    // SAFETY: a variable of this backend, which the end of the transaction sets anew, also after an error.
    unsafe {
        let was_read_only = pg_sys::XactReadOnly;
        pg_sys::XactReadOnly = false;
        row_changes::record();
        pg_sys::XactReadOnly = was_read_only;
    }
}

fn refuse_prepare_death() {
    ereport!(
        ERROR,
        PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        "cannot PREPARE a transaction that has revoked tokens",
        "A revocation takes effect when its transaction commits, and a prepared one may wait for long."
    );
}

fn refuse_prepare_narrowing() {
    ereport!(
        ERROR,
        PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        "cannot PREPARE a transaction that has narrowed what tokens may do",
        "COMMIT PREPARED would wait for synchronous standbys only as its session has set \"synchronous_commit\"."
    );
}

/// Whether commits are to wait for standbys, as `SyncStandbysDefined` of syncrep.h decides.
fn waits_for_standbys() -> bool {
    // SAFETY: reads a string setting: NULL or zero-terminated.
    unsafe { pg_sys::SyncRepStandbyNames.as_ref() }.is_some_and(|first| *first != 0)
}

fn end() {
    invalidation::end_transaction();
    notify::forget();
    ENDED.set(ENDED.get() + 1);
    forget_act_from(0);
    row_changes::undo_from(0);
    origin::end();
    KILLED.with(|killed| killed.undo_from(0));
    NARROWED.with(|narrowed| narrowed.undo_from(0));
    MUST_LAST.set(false);
    ASYNC_UP_TO.set(None);
    notify_listener(End::Transaction);
}

#[pg_guard]
unsafe extern "C-unwind" fn at_subtransaction(
    event: pg_sys::SubXactEvent::Type,
    _subtransaction: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    _argument: *mut c_void,
) {
    // At both events this is still the level of the subtransaction.
    let level = nesting_level();
    match event {
        pg_sys::SubXactEvent::SUBXACT_EVENT_COMMIT_SUB => {
            ACTS.with(|acts| acts.merge(level));
            row_changes::merge(level);
            KILLED.with(|killed| killed.merge(level));
            NARROWED.with(|narrowed| narrowed.merge(level));
            notify::merge(level);
            notify_listener(End::Committed(level));
        }
        pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB => {
            notify::drop_from(level);
            forget_act_from(level);
            row_changes::undo_from(level);
            KILLED.with(|killed| killed.undo_from(level));
            NARROWED.with(|narrowed| narrowed.undo_from(level));
            ROLLBACKS.set(ROLLBACKS.get() + 1);
            notify_listener(End::Aborted(level));
        }
        _ => {}
    }
}

/// Drops what was to be done at the commit, if that was asked for at this level or below.
fn forget_act_from(level: c_int) {
    if acts_at_commit() {
        ACTS.with(|acts| acts.undo_from(level));
        if !acts_at_commit() {
            ACT.take();
        }
    }
}

fn awaited() -> Awaited {
    AWAITED.get()()
}

/// Raises `synchronous_commit` for this commit to at least what a death waits for: ForceSyncCommit alone waits only for
/// the local disk.
fn wait_for_standbys() {
    let (least, name) = match awaited() {
        Awaited::Flush => (pg_sys::SyncCommitLevel::SYNCHRONOUS_COMMIT_REMOTE_FLUSH, c"on"),
        Awaited::Apply => (pg_sys::SyncCommitLevel::SYNCHRONOUS_COMMIT_REMOTE_APPLY, c"remote_apply"),
    };
    // SAFETY: reads an enum setting.
    if unsafe { pg_sys::synchronous_commit } < least as c_int {
        set_for_this_commit(name);
    }
}

fn set_for_this_commit(synchronous_commit: &CStr) {
    // SAFETY: before its commit record is written, a transaction may still change settings; the change ends with it.
    unsafe {
        pg_sys::set_config_option(
            c"synchronous_commit".as_ptr(),
            synchronous_commit.as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_LOCAL,
            true,
            PgLogLevel::ERROR as c_int,
            false,
        );
    }
}
