//! Rows of `tokenauth.usage`, `usage_hourly` and `usage_batch`, written in batches from shared memory.

use std::ffi::CStr;

use pgrx::{Uuid, pg_sys};

use crate::pg::array::TextArray;
use crate::pg::clock::Timestamp;
use crate::pg::jsonb::Jsonb;
use crate::pg::meanwhile::Meanwhile;
use crate::pg::probe::{Indexed, Key};
use crate::pg::rows::Rows;
use crate::pg::snapshot::Latest;
use crate::pg::statement::{Statement, arguments, fields};
use crate::pg::text::Text;
use crate::usage::slots::{OpenBatch, Record, Sample};
use crate::{error::Error, id};

/// `tokenauth.usage_batch` by its primary key, the memory that batches are of.
static BY_NODE: Indexed = Indexed::new(c"usage_batch", c"usage_batch_pkey", 1);

/// Whether the snapshot shows the tables to have this batch.
pub fn has_arrived(batch: OpenBatch, snapshot: &Latest) -> bool {
    let last: Option<i64> = BY_NODE.find(Key::Uuid(Uuid::from_bytes(batch.node)), snapshot, |row| row.required(2));
    last.and_then(|last| u64::try_from(last).ok()).is_some_and(|last| last >= batch.batch)
}

/// Records that the tables have this batch, so that no batch of its memory up to it is added again. Returns false and
/// changes nothing if they already have it or a later one.
pub fn enter_batch(batch: OpenBatch) -> bool {
    static ENTER: Statement = Statement::new(
        "INSERT INTO tokenauth.usage_batch AS b (node, batch, at) VALUES ($1, $2, clock_timestamp())
         ON CONFLICT (node) DO UPDATE SET batch = excluded.batch, at = excluded.at WHERE b.batch < excluded.batch",
    );
    ENTER.run(arguments![Uuid::from_bytes(batch.node), batch.batch.cast_signed()]) > 0
}

/// Columns of the rows that `add` passes to its statement.
const COLUMNS: [(&CStr, pg_sys::Oid); 9] = [
    (c"token_id", pg_sys::UUIDOID),
    (c"first_used_at", pg_sys::TIMESTAMPTZOID),
    (c"last_used_at", pg_sys::TIMESTAMPTZOID),
    (c"last_denied_at", pg_sys::TIMESTAMPTZOID),
    (c"request_count", pg_sys::INT8OID),
    (c"denied_count", pg_sys::INT8OID),
    (c"last_client", pg_sys::TEXTOID),
    (c"networks", pg_sys::TEXTARRAYOID),
    (c"hour", pg_sys::TIMESTAMPTZOID),
];

/// Adds uses of tokens, each token once, in the order of their ids: concurrent writers then cannot deadlock, and each
/// page is visited once. Skips tokens that no longer exist, and returns how many do.
pub fn add<'a>(uses: impl IntoIterator<Item = (&'a [u8; 16], &'a Record)>) -> u64 {
    // Every token has its row, and an UPDATE takes half the time of INSERT ... ON CONFLICT.
    static ADD: Statement = Statement::new(
        "WITH known AS (
           UPDATE tokenauth.usage u
              SET first_used_at = least(u.first_used_at, r.first_used_at),
                  last_client = CASE WHEN greatest(u.last_used_at, u.last_denied_at)
                                          > greatest(r.last_used_at, r.last_denied_at) THEN u.last_client
                                     ELSE coalesce(r.last_client, u.last_client) END,
                  last_used_at = greatest(u.last_used_at, r.last_used_at),
                  last_denied_at = greatest(u.last_denied_at, r.last_denied_at),
                  request_count = u.request_count + r.request_count,
                  denied_count = u.denied_count + r.denied_count
             FROM recent r
            WHERE u.token_id = r.token_id
           RETURNING r.token_id, r.hour, r.request_count, r.denied_count, r.networks)
         INSERT INTO tokenauth.usage_hourly AS h (token_id, hour, request_count, denied_count, networks)
         SELECT token_id, hour, request_count, denied_count, networks
           FROM known
         ON CONFLICT (token_id, hour) DO UPDATE
            SET request_count = h.request_count + excluded.request_count,
                denied_count = h.denied_count + excluded.denied_count,
                networks = CASE WHEN h.networks @> excluded.networks OR cardinality(h.networks) >= 32 THEN h.networks
                                ELSE ARRAY(SELECT DISTINCT n FROM unnest(h.networks || excluded.networks) n ORDER BY n)
                           END",
    );
    /// Makes the plan look up each use by the index, in order, however many the planner expects.
    const IN_ORDER: [(&CStr, &CStr); 3] =
        [(c"enable_hashjoin", c"off"), (c"enable_mergejoin", c"off"), (c"enable_seqscan", c"off")];
    const HOUR: i64 = 3_600_000_000;
    let mut rows = Rows::new(c"recent", &COLUMNS);
    for (token, record) in uses {
        let last = record.last_use.max(record.last_denial);
        rows.put(fields![
            Uuid::from_bytes(*token),
            Timestamp::of_micros(record.first_use),
            Timestamp::of_micros(record.last_use),
            Timestamp::of_micros(record.last_denial),
            record.requests.cast_signed(),
            record.denials.cast_signed(),
            record.client().map(|client| Text::from(client.text().as_str())),
            record.networks().map(|network| Text::from(network.as_str())).collect::<TextArray>(),
            Timestamp::of_micros(last - last.rem_euclid(HOUR)),
        ]);
    }
    let _in_order = Meanwhile::set(&IN_ORDER);
    ADD.run_over(&rows, &[])
}

/// Records a denial as an event.
///
/// # Errors
/// 58030 when no identifier can be drawn.
pub fn record_denial(sample: &Sample) -> Result<(), Error> {
    static RECORD: Statement = Statement::new(
        "INSERT INTO tokenauth.event (id, at, event, token_id, kind, owner, role, client, after, correlation_id)
         SELECT $1, $2, 'token.denied', $3, t.kind, t.owner, pg_get_userbyid($4), $5, $6, $7
           FROM (VALUES (true)) one LEFT JOIN tokenauth.token t ON t.id = $3",
    );
    let at = Timestamp::of_micros(sample.at).unwrap_or_else(Timestamp::now);
    RECORD.run(arguments![
        id::new(at)?,
        at,
        sample.token.map(Uuid::from_bytes),
        pg_sys::Oid::from(sample.role),
        sample.client.map(|client| Text::from(client.text().as_str())),
        Jsonb::of(&serde_json::json!({ "verdict": sample.verdict.as_str() })),
        // A denial that was raised as an error has no correlation id.
        (sample.correlation != [0; 16]).then(|| Text::from(hex::encode(sample.correlation).as_str())),
    ]);
    Ok(())
}

/// Removes hourly usage before this moment, `most` rows at most, and returns how many.
pub fn remove_hours(before: Timestamp, most: i64) -> u64 {
    static REMOVE: Statement = Statement::new(
        "DELETE FROM tokenauth.usage_hourly
          WHERE ctid = ANY (ARRAY(SELECT ctid FROM tokenauth.usage_hourly WHERE hour < $1 LIMIT $2))",
    );
    REMOVE.run(arguments![before, most])
}

/// Removes the rows of memories, other than this one, of which no batch was added since this moment.
pub fn remove_batches(before: Timestamp, node: [u8; 16]) -> u64 {
    static REMOVE: Statement = Statement::new("DELETE FROM tokenauth.usage_batch WHERE at < $1 AND node <> $2");
    REMOVE.run(arguments![before, Uuid::from_bytes(node)])
}
