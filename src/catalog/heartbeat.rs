//! The row of `tokenauth.heartbeat`: by its own clock, when the primary was alive last.
//!
//! Whatever was committed before it was written is on a copy when it is: replication keeps the order of commits.

use crate::pg::process::wal;
use crate::pg::scan::index_key::{IndexKey, Is};
use crate::pg::scan::index_scan::UniqueIndex;
use crate::pg::scan::index_walk::{Direction, WHOLE};
use crate::pg::scan::publication;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::sql::statement::{Argument, Statement, arguments};
use crate::pg::types::clock::Timestamp;
use crate::pg::types::row::Row;
use crate::pg::types::text::Text;

/// Columns of the table.
pub mod column {
    pub const AT: usize = 2;
    pub const TIMELINE: usize = 3;
    pub const TIMELINES: usize = 4;
    pub const LEFT_AT: usize = 5;
    pub const SYSTEM: usize = 6;
    pub const BEAT: usize = 7;
    pub const AFTER: usize = 8;
    pub const CHANGED: usize = 9;
    pub const GAP: usize = 10;
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

/// Why this reader lacks something that its primary has changed; `None` as far as is known.
pub fn gap(snapshot: &LatestSnapshot) -> Option<Text> {
    if !exists() {
        return None;
    }
    BY_ID.find(IndexKey::Boolean(true), snapshot, |row| row.optional(column::GAP)).flatten()
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

/// Writes a beat, with this server's timeline and where those before it were left, and how many records of changes this
/// transaction has removed.
pub fn beat(changed: i64) {
    static BEAT: Statement = Statement::new(
        "INSERT INTO tokenauth.heartbeat AS last (id, at, timeline, timelines, left_at, system, beat, changed)
         VALUES (true, clock_timestamp(), $1, $2,
                 (SELECT array_agg('0/0'::pg_lsn + p ORDER BY number) FROM unnest($3) WITH ORDINALITY l (p, number)),
                 $4, CASE WHEN $6 THEN gen_random_uuid() END, $5)
         ON CONFLICT (id) DO UPDATE
            SET at = excluded.at, timeline = excluded.timeline, timelines = excluded.timelines,
                left_at = excluded.left_at, system = excluded.system, beat = excluded.beat, after = last.beat,
                changed = excluded.changed, gap = NULL",
    );
    let timeline = wal::end().timeline;
    let forks = wal::forks(timeline).ok();
    let timelines =
        forks.as_ref().map(|forks| forks.iter().map(|fork| fork.timeline.cast_signed()).collect::<Vec<_>>());
    let left_at = forks.map(|forks| forks.iter().map(|fork| fork.position.cast_signed()).collect::<Vec<_>>());
    let system = wal::system_identifier().cast_signed();
    let is_published = publication::publishes(&BY_ID);
    BEAT.run(arguments![timeline.cast_signed(), timelines, left_at, system, changed, is_published]);
}

/// Whether a reader may know the last beat: one that was published has an id. Without the index nobody knows, and no
/// death fails for want of that.
pub fn may_be_followed() -> bool {
    BY_ID.index().open_to_walk_if_possible().is_none_or(|opened| {
        let snapshot = LatestSnapshot::take();
        let mut walk = opened.walk(&snapshot);
        walk.seek([(1, Is::Equal, IndexKey::Boolean(true))]);
        walk.next(Direction::Up, WHOLE).is_some_and(|row| !row.is_null(column::BEAT))
    })
}

/// Has the next beat follow none that a reader knows.
pub fn break_off() {
    static BREAK_OFF: Statement = Statement::new("UPDATE tokenauth.heartbeat SET beat = NULL WHERE beat IS NOT NULL");
    BREAK_OFF.run(&[]);
}

/// Removes the last beat: no reader believes one that comes after it, until it is copied anew.
pub fn forget() {
    static FORGET: Statement = Statement::new("DELETE FROM tokenauth.heartbeat");
    FORGET.run(&[]);
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

/// Has the row say why this reader lacks something, as it goes on saying.
pub fn lack(gap: &Text) {
    static LACK: Statement = Statement::new(
        "INSERT INTO tokenauth.heartbeat AS last (at, gap) VALUES ('epoch', $1)
         ON CONFLICT (id) DO UPDATE SET gap = coalesce(last.gap, excluded.gap)",
    );
    LACK.run(arguments![gap.clone()]);
}
