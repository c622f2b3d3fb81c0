//! Who makes a deactivation wait: it writes the owner's row, records the death and the event, and so waits for any
//! transaction that holds that row or has locked one of these tables.

use super::found;
use crate::error::finding::Finding;
use crate::pg::sql::statement::Statement;

/// The sessions and prepared transactions that a deactivation waits for, or would.
pub fn findings() -> Vec<Finding> {
    [of_tables(), of_principals(), prepared()].into_iter().flatten().collect()
}

/// Sessions that lock whole tables, as CREATE INDEX, VACUUM FULL and ALTER TABLE do.
fn of_tables() -> Vec<Finding> {
    static FIND: Statement = Statement::new(
        "SELECT format('process %s', l.pid), format('holds %s on %s', l.mode, l.relation::regclass),
                format('Deactivation waits for it. Let its transaction end, or use pg_terminate_backend(%s).', l.pid)
           FROM pg_locks l
          WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid()
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND CASE WHEN l.mode = 'AccessExclusiveLock'
                     THEN l.relation IN ('tokenauth.principal'::regclass, 'tokenauth.mass_death'::regclass,
                                         'tokenauth.event'::regclass, 'tokenauth.token'::regclass)
                     WHEN l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock')
                     THEN l.relation IN ('tokenauth.principal'::regclass, 'tokenauth.mass_death'::regclass,
                                         'tokenauth.event'::regclass) END
          ORDER BY l.pid, 2",
    );
    found("locks", &FIND, &[])
}

/// Transactions that hold rows of principals, if others wait for them or they have been idle for a minute.
fn of_principals() -> Vec<Finding> {
    static FIND: Statement = Statement::new(
        "SELECT format('process %s', a.pid),
                CASE WHEN b.blocks THEN 'holds principals in an open transaction, for which others wait'
                     ELSE 'holds principals in a transaction that has been idle for more than a minute' END,
                format('Their deactivation waits for it. Let its transaction end, or use pg_terminate_backend(%s).',
                       a.pid)
           FROM pg_stat_activity a
          CROSS JOIN LATERAL (
                SELECT EXISTS (SELECT FROM pg_locks w
                                WHERE NOT w.granted AND a.pid = ANY (pg_blocking_pids(w.pid))) AS blocks) b
          WHERE a.pid <> pg_backend_pid()
            AND a.datname = current_database()
            AND EXISTS (SELECT FROM pg_locks l
                         WHERE l.pid = a.pid AND l.locktype = 'relation' AND l.granted AND l.database = a.datid
                           AND l.relation = 'tokenauth.principal'::regclass
                           AND l.mode IN ('RowShareLock', 'RowExclusiveLock'))
            AND (b.blocks
                 OR starts_with(a.state, 'idle in transaction')
                    AND a.state_change < clock_timestamp() - interval '1 minute')
          ORDER BY a.pid",
    );
    found("locks", &FIND, &[])
}

/// Prepared transactions that hold rows of principals: they do until somebody commits or rolls them back.
fn prepared() -> Vec<Finding> {
    static FIND: Statement = Statement::new(
        "SELECT format('prepared transaction %L', x.gid), 'holds principals',
                format('Their deactivation waits for COMMIT PREPARED or ROLLBACK PREPARED %L.', x.gid)
           FROM pg_prepared_xacts x
          WHERE x.database = current_database()
            -- It holds a lock on itself as well, and all of its locks have one holder, which is no process.
            AND EXISTS (SELECT FROM pg_locks l
                          JOIN pg_locks itself ON itself.virtualtransaction = l.virtualtransaction
                         WHERE itself.pid IS NULL AND itself.transactionid = x.transaction
                           AND l.pid IS NULL AND l.locktype = 'relation'
                           AND l.relation = 'tokenauth.principal'::regclass
                           AND l.mode IN ('RowShareLock', 'RowExclusiveLock'))
          ORDER BY x.gid",
    );
    found("locks", &FIND, &[])
}
