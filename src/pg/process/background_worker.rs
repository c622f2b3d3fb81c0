//! Background workers: what they need from the server and sessions do not.

use std::ffi::{CStr, CString, c_int, c_long, c_void};
use std::ptr;
use std::time::Duration;

use pgrx::bgworkers::{BackgroundWorker, SignalWakeFlags};
use pgrx::{pg_guard, pg_sys};

use crate::pg::sql::statement::Statement;
use crate::pg::types::row::Row;
use crate::pg::types::text::Text;

/// The process id.
#[inline]
pub fn id() -> i32 {
    // SAFETY: set once, when the process begins.
    unsafe { pg_sys::MyProcPid }
}

/// Whether this process applies what a subscription receives, or copies a table for it.
pub fn is_applying() -> bool {
    // SAFETY: reads this process's state.
    unsafe { pg_sys::IsLogicalWorker() }
}

/// Whether pg_upgrade runs this server; nothing must interfere then.
pub fn is_upgrade() -> bool {
    // SAFETY: a plain variable of this process.
    unsafe { pg_sys::IsBinaryUpgrade }
}

/// Connects this worker to the server without a database. SIGTERM asks it to end.
pub fn connect_to_none() {
    BackgroundWorker::attach_signal_handlers(SignalWakeFlags::SIGHUP | SignalWakeFlags::SIGTERM);
    // SAFETY: called once, when a worker begins that was registered with a database connection.
    unsafe { pg_sys::BackgroundWorkerInitializeConnectionByOid(pg_sys::InvalidOid, pg_sys::InvalidOid, 0) };
    // A reload that was asked for before there was a handler is not heard of.
    reload();
}

/// Connects this worker to a database as the bootstrap superuser, even if the database allows no connections. SIGTERM
/// ends it at its next check for interrupts, and it waits for locks only briefly.
///
/// No ALTER DATABASE or ALTER ROLE has any effect on it, but for settings of ours.
pub fn connect_to(database: u32) {
    /// Settings that this worker needs, and those under which it could not even look for the others that were changed.
    const SETTINGS: [(&CStr, &CStr); 10] = [
        (c"search_path", c"pg_catalog, pg_temp"),
        (c"default_transaction_isolation", c"read committed"),
        (c"default_transaction_read_only", c"off"),
        (c"statement_timeout", c"0"),
        (c"idle_in_transaction_session_timeout", c"0"),
        (c"row_security", c"on"),
        // Local: a missing standby does not hold up a shutdown, and no crash takes back what was written.
        (c"synchronous_commit", c"local"),
        (c"lock_timeout", c"500ms"),
        (c"session_replication_role", c"origin"),
        (c"jit", c"off"),
    ];
    // SAFETY: called once, when a worker begins that was registered with a database connection. `die` makes the worker
    // raise at the next check for interrupts; the abort that follows releases its resources.
    unsafe {
        let terminated = pg_sys::SIGTERM as c_int;
        #[cfg(not(feature = "pg18"))]
        pg_sys::pqsignal(terminated, Some(die));
        #[cfg(feature = "pg18")]
        pg_sys::pqsignal_be(terminated, Some(die));
        pg_sys::BackgroundWorkerUnblockSignals();
        pg_sys::BackgroundWorkerInitializeConnectionByOid(
            pg_sys::Oid::from(database),
            pg_sys::InvalidOid,
            pg_sys::BGWORKER_BYPASS_ALLOWCONN,
        );
        // The owner of a database may set its role and its session's authorization to whom he can become himself. Since
        // 15.10 the latter leaves a role in effect.
        pg_sys::SetSessionAuthorization(pg_sys::Oid::from(BOOTSTRAP_SUPERUSER), true);
        pg_sys::SetCurrentRoleId(pg_sys::InvalidOid, true);
        #[cfg(any(feature = "pg17", feature = "pg18"))]
        override_setting(c"transaction_timeout", c"0");
        for (name, value) in SETTINGS {
            override_setting(name, value);
        }
    }
    in_transaction(|| {
        let text = |row: &Row, column| CString::new(row.required::<Text>(column).into_bytes()).unwrap_or_default();
        for (name, default) in CHANGED.all(&[], |row| (text(row, 1), text(row, 2))) {
            override_setting(&name, &default);
        }
    });
}

/// Its object identifier is fixed.
const BOOTSTRAP_SUPERUSER: u32 = 10;

/// What ALTER DATABASE or ALTER ROLE has changed for this session, with its defaults. Settings of the transaction end
/// with it, those of a connection and its client change nothing here, the depth of the stack is what the server found
/// at its start, and those of ours only superusers can change.
static CHANGED: Statement = Statement::new(
    "SELECT name, boot_val FROM pg_catalog.pg_settings
      WHERE source IN ('database', 'user', 'database user') AND context IN ('user', 'superuser')
        AND boot_val IS NOT NULL AND name NOT IN ('client_encoding', 'max_stack_depth')
        AND name NOT LIKE 'transaction\\_%' AND name NOT LIKE 'tokenauth.%'",
);

/// Gives a setting a value that nothing but another call changes.
fn override_setting(name: &CStr, value: &CStr) {
    // SAFETY: both strings are copied; raises when the value is not one of the setting's.
    unsafe {
        pg_sys::SetConfigOption(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            pg_sys::GucSource::PGC_S_OVERRIDE,
        );
    }
}

/// The handler of SIGTERM. Not guarded, since it only sets flags.
unsafe extern "C-unwind" fn die(signal: c_int) {
    // SAFETY: the server's own handler.
    unsafe { pg_sys::die(signal) };
}

/// Runs `act` in a transaction of its own. An error ends the worker, which rolls the transaction back.
pub fn in_transaction<T>(act: impl FnOnce() -> T) -> T {
    // SAFETY: called by a worker outside of any transaction.
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
        let answer = act();
        pg_sys::CommitTransactionCommand();
        answer
    }
}

/// Rereads the configuration file if a reload was requested, and returns whether one was.
pub fn reload_if_asked() -> bool {
    let is_asked = BackgroundWorker::sighup_received();
    if is_asked {
        reload();
    }
    is_asked
}

fn reload() {
    // SAFETY: outside of any transaction, as in the server's own loops.
    unsafe { pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP) };
}

/// Why a worker goes on, or does not.
pub enum Woken {
    /// It was woken, or has waited long enough.
    GoOn,
    /// The server stops, or somebody stops this process.
    Stop,
    /// The postmaster is gone, and the server ends in no order: what is written from now on may reach no standby.
    Orphaned,
}

/// Waits for so long at most, to the millisecond.
pub fn wait(most: Duration) -> Woken {
    let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_POSTMASTER_DEATH;
    let most = c_long::from(c_int::try_from(most.as_millis()).unwrap_or(c_int::MAX));
    // SAFETY: waits for this process's own latch; the answer is some of the events.
    let woken = unsafe {
        let woken = pg_sys::WaitLatch(pg_sys::MyLatch, events as c_int, most, pg_sys::PG_WAIT_EXTENSION);
        pg_sys::ResetLatch(pg_sys::MyLatch);
        woken.cast_unsigned()
    };
    pgrx::check_for_interrupts!();
    if woken & pg_sys::WL_POSTMASTER_DEATH != 0 {
        Woken::Orphaned
    } else if BackgroundWorker::sigterm_received() {
        Woken::Stop
    } else {
        Woken::GoOn
    }
}

/// Ends this process; the postmaster starts it again unless the server is shutting down.
pub fn leave() -> ! {
    // SAFETY: nothing is held; the server's own callbacks clean up.
    unsafe { pg_sys::proc_exit(1) };
    // The bindings for PostgreSQL 18 do not declare that it never returns.
    #[cfg(feature = "pg18")]
    unreachable!("the process has ended");
}

/// Every database that sessions may connect to, templates left out. Must be called inside a transaction; a worker
/// needs no database for it, as the server's launcher of autovacuum.
pub fn databases() -> Vec<u32> {
    let mut databases = Vec::new();
    // SAFETY: a sequential scan of a shared catalog, whose rows have this form and live until the scan moves on.
    unsafe {
        let catalog = pg_sys::table_open(pg_sys::DatabaseRelationId, pg_sys::AccessShareLock as c_int);
        let scan = pg_sys::table_beginscan_catalog(catalog, 0, ptr::null_mut());
        loop {
            let tuple = pg_sys::heap_getnext(scan, pg_sys::ScanDirection::ForwardScanDirection);
            if tuple.is_null() {
                break;
            }
            let form: pg_sys::Form_pg_database = pg_sys::GETSTRUCT(tuple).cast();
            if (*form).datallowconn && !(*form).datistemplate {
                databases.push((*form).oid.to_u32());
            }
        }
        pg_sys::heap_endscan(scan);
        pg_sys::table_close(catalog, pg_sys::AccessShareLock as c_int);
    }
    databases
}

/// Whether a database exists. Must be called inside a transaction.
pub fn database_exists(database: u32) -> bool {
    // SAFETY: a look-up in the system cache, which works without a database too; the name is palloc'd.
    unsafe {
        let name = pg_sys::get_database_name(pg_sys::Oid::from(database));
        if name.is_null() {
            return false;
        }
        pg_sys::pfree(name.cast());
    }
    true
}

static AT_END: std::sync::OnceLock<fn(bool)> = std::sync::OnceLock::new();

/// Calls `listener` at the end of each transaction from now on, with whether it committed.
pub fn at_transaction_end(listener: fn(bool)) {
    #[pg_guard]
    unsafe extern "C-unwind" fn ended(event: pg_sys::XactEvent::Type, _argument: *mut c_void) {
        let Some(listener) = AT_END.get() else { return };
        match event {
            pg_sys::XactEvent::XACT_EVENT_COMMIT => listener(true),
            pg_sys::XactEvent::XACT_EVENT_ABORT => listener(false),
            _ => {}
        }
    }
    AT_END.get_or_init(|| listener);
    // SAFETY: the callback is a static function that lives as long as the process.
    unsafe { pg_sys::RegisterXactCallback(Some(ended), ptr::null_mut()) };
}
