//! The row of `tokenauth.counting`: since when every use of a token has been counted, as far as is known.
//!
//! The worker notes each of its hourly rounds. The row says whose counting it is: of which server, timeline and
//! database, so that what was copied elsewhere begins anew there; a dump has the table without it, so what is restored
//! does too.

use pgrx::Uuid;

use crate::pg::roles::extension::Extension;
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::types::clock::Timestamp;

/// What was noted last.
pub struct Counted {
    /// Since when all uses were counted then.
    pub since: Timestamp,
    /// When that was noted.
    pub until: Timestamp,
    /// The memory that counted.
    pub node: Uuid,
    /// Whether it was noted on this server, on this timeline and in this database.
    pub is_here: bool,
}

/// The server, the timeline and the database, as SQL.
macro_rules! here {
    () => {
        "(SELECT format('%s/%s/%s', s.system_identifier, left(pg_walfile_name(pg_current_wal_insert_lsn()), 8), d.oid)
            FROM pg_control_system() s, pg_database d WHERE d.datname = current_database())"
    };
}

/// Whether the installed extension has the table: databases of before 0.2.0 do not.
pub fn exists() -> bool {
    Extension::installed().has_relation(c"counting")
}

/// What was noted last; `None` if nothing was.
pub fn last() -> Option<Counted> {
    static LAST: Statement =
        Statement::new(concat!("SELECT since, until, node, server = ", here!(), " FROM tokenauth.counting"));
    LAST.first(&[], |row| Counted {
        since: row.required(1),
        until: row.required(2),
        node: row.required(3),
        is_here: row.required(4),
    })
}

/// Notes that this memory has counted all uses since that moment until this one.
pub fn note(node: Uuid, since: Timestamp, until: Timestamp) {
    static NOTE: Statement = Statement::new(concat!(
        "INSERT INTO tokenauth.counting AS c (server, node, since, until) VALUES (",
        here!(),
        ", $1, $2, $3)
         ON CONFLICT (only_row) DO UPDATE
            SET server = excluded.server, node = excluded.node, since = excluded.since, until = excluded.until",
    ));
    NOTE.run(arguments![node, since, until]);
}

/// Forgets what was noted: tokens have come whose uses were counted elsewhere.
pub fn forget() {
    static FORGET: Statement = Statement::new("DELETE FROM tokenauth.counting");
    FORGET.run(&[]);
}
