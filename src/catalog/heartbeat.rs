//! The row of `tokenauth.heartbeat`: by its own clock, when the primary was alive last.
//!
//! Whatever was committed before it was written is on a copy when it is: replication keeps the order of commits.

use crate::pg::scan::index_key::IndexKey;
use crate::pg::scan::index_scan::UniqueIndex;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::types::clock::Timestamp;

/// The table by its primary key.
static BY_ID: UniqueIndex = UniqueIndex::new(c"heartbeat", c"heartbeat_pkey", 1);

/// The last beat; `None` if there is none, as in a database of an earlier release, which has no such table.
pub fn newest(snapshot: &LatestSnapshot) -> Option<Timestamp> {
    if !BY_ID.is_there() {
        return None;
    }
    BY_ID.find(IndexKey::Boolean(true), snapshot, |row| row.required(2))
}

/// Whether beats are to be written: they are asked for, or a publication carries them to readers.
pub fn is_needed(is_asked_for: bool) -> bool {
    static NEEDED: Statement = Statement::new(
        "SELECT $1
                OR EXISTS (SELECT FROM pg_publication_rel WHERE prrelid = c.oid)
                OR EXISTS (SELECT FROM pg_publication_namespace WHERE pnnspid = c.relnamespace)
           FROM pg_class c WHERE c.oid = to_regclass('tokenauth.heartbeat')",
    );
    NEEDED.first(arguments![is_asked_for], |row| row.required(1)).unwrap_or(false)
}

/// Writes a beat.
pub fn beat() {
    static BEAT: Statement = Statement::new(
        "INSERT INTO tokenauth.heartbeat (id, at) VALUES (true, clock_timestamp())
         ON CONFLICT (id) DO UPDATE SET at = excluded.at",
    );
    BEAT.run(&[]);
}
