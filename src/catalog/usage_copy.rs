//! Rows of `tokenauth.usage_copy`: the copies whose usage was brought in, and until when.

use pgrx::Uuid;

use crate::pg::roles::extension::Extension;
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::types::clock::Timestamp;

/// Whether the installed extension has the table: databases of before 0.2.0 do not.
pub fn exists() -> bool {
    Extension::installed().has_relation(c"usage_copy")
}

/// Notes that the usage of this copy was brought in until this moment.
pub fn note(copy: Uuid, until: Timestamp) {
    static NOTE: Statement = Statement::new(
        "INSERT INTO tokenauth.usage_copy AS c (copy, until) VALUES ($1, least($2, clock_timestamp()))
         ON CONFLICT (copy) DO UPDATE SET until = excluded.until WHERE c.until < excluded.until",
    )
    .repeated();
    NOTE.run(arguments![copy, until]);
}

/// Forgets copies of which nothing was brought in since this moment: they are gone.
pub fn forget(before: Timestamp) {
    static FORGET: Statement = Statement::new("DELETE FROM tokenauth.usage_copy WHERE until < $1");
    FORGET.run(arguments![before]);
}

/// How many copies are known of which nothing was brought in since this moment.
pub fn count_unread(since: Timestamp) -> i64 {
    static COUNT: Statement = Statement::new("SELECT count(*) FROM tokenauth.usage_copy WHERE until < $1");
    COUNT.first(arguments![since], |row| row.required(1)).unwrap_or_default()
}

/// How many subscriptions this database may feed with tokens beyond the copies known: of these no usage was ever
/// brought in. None while no publication has the table.
pub fn count_unknown() -> i64 {
    static COUNT: Statement = Statement::new(
        "SELECT greatest(count(*) - (SELECT count(*) FROM tokenauth.usage_copy), 0)
           FROM pg_replication_slots s
          WHERE s.slot_type = 'logical' AND s.plugin = 'pgoutput'
            AND s.database = current_database() AND NOT s.temporary
            AND s.slot_name !~ '^pg_[0-9]+_sync_'
            AND EXISTS (SELECT FROM pg_publication p
                          LEFT JOIN pg_publication_rel r
                                 ON r.prpubid = p.oid AND r.prrelid = 'tokenauth.token'::regclass
                          LEFT JOIN pg_publication_namespace n
                                 ON n.pnpubid = p.oid AND n.pnnspid = 'tokenauth'::regnamespace
                         WHERE p.puballtables OR r.oid IS NOT NULL OR n.oid IS NOT NULL)",
    );
    COUNT.first(&[], |row| row.required(1)).unwrap_or_default()
}
