//! The row of `tokenauth.heartbeat`: by its own clock, when the primary was alive last.
//!
//! Whatever was committed before it was written is on a copy when it is: replication keeps the order of commits.

use crate::pg::scan::index_key::IndexKey;
use crate::pg::scan::index_scan::UniqueIndex;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::sql::statement::{Argument, Statement, arguments};
use crate::pg::types::clock::Timestamp;
use crate::pg::types::row::Row;

/// Columns of the table.
pub mod column {
    pub const AT: usize = 2;
    pub const TIMELINE: usize = 3;
}

/// The table by its primary key.
pub static BY_ID: UniqueIndex = UniqueIndex::new(c"heartbeat", c"heartbeat_pkey", 1);

/// The last beat; `None` if there is none, as in a database of an earlier release, which has no such table.
pub fn newest(snapshot: &LatestSnapshot) -> Option<Timestamp> {
    if !exists() {
        return None;
    }
    BY_ID.find(IndexKey::Boolean(true), snapshot, |row| row.required(column::AT))
}

/// Whether there is such a table.
pub fn exists() -> bool {
    BY_ID.is_there()
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

/// Writes a beat, with this server's timeline and where those before it were left, as its history file has it.
pub fn beat() {
    static BEAT: Statement = Statement::new(
        "INSERT INTO tokenauth.heartbeat (id, at, timeline, timelines, left_at)
         SELECT true, clock_timestamp(), ('x' || w.timeline)::bit(32)::int, h.timelines, h.left_at
           FROM substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) w (timeline)
          CROSS JOIN LATERAL (
                SELECT array_agg(m[1]::int) AS timelines, array_agg(m[2]::pg_lsn) AS left_at
                  FROM regexp_matches(
                           CASE WHEN w.timeline > '00000001'
                                 AND has_function_privilege('pg_read_file(text, bigint, bigint, boolean)', 'EXECUTE')
                                THEN pg_read_file('pg_wal/' || w.timeline || '.history', 0, 1000000, true) END,
                           '^\\s*(\\d+)\\s+([0-9A-F]+/[0-9A-F]+)', 'gn') m) h
         ON CONFLICT (id) DO UPDATE
            SET at = excluded.at, timeline = excluded.timeline, timelines = excluded.timelines,
                left_at = excluded.left_at",
    );
    BEAT.run(&[]);
}

/// Where a primary has left a timeline, or the first one after it that it has left.
pub enum Left {
    /// At this place.
    At(u64),
    /// It was never on it.
    Never,
    /// It could not read that.
    Unknown,
}

/// What a beat, as a row, says of a timeline that its primary is not on any more.
pub fn left(beat: Argument, timeline: i32) -> Left {
    static LEFT: Statement = Statement::new(
        "SELECT ($1).timeline > 1 AND ($1).timelines IS NULL,
                (SELECT (min(l.left_at) - '0/0')::bigint
                   FROM unnest(($1).timelines, ($1).left_at) l (timeline, left_at)
                  WHERE l.timeline >= $2 AND $2 = ANY (($1).timelines))",
    );
    let read = |row: &Row| match row.optional::<i64>(2) {
        _ if row.required(1) => Left::Unknown,
        Some(at) => Left::At(at.cast_unsigned()),
        None => Left::Never,
    };
    LEFT.first(&[beat, Argument::of(timeline)], read).unwrap_or(Left::Unknown)
}
