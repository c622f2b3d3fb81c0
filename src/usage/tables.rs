//! Rows of `tokenauth.usage`, `usage_hourly` and `usage_batch`, written in batches from shared memory.

use std::collections::{BTreeMap, HashSet};
use std::ffi::CStr;

use pgrx::{Uuid, pg_sys};

use super::hours;
use super::seen::Uses;
use super::slots::{Missed, OpenBatch, Record, Sample};
use crate::catalog::{erased, id};
use crate::error::Error;
use crate::pg::scan::index_key::IndexKey;
use crate::pg::scan::index_scan::UniqueIndex;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::sql::rows::Rows;
use crate::pg::sql::statement::{Argument, Statement, arguments, fields};
use crate::pg::transaction::name_lock;
use crate::pg::types::array::TextArray;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::row::Row;
use crate::pg::types::text::Text;

/// `tokenauth.usage_batch` by its primary key, the memory that batches are of.
static BY_NODE: UniqueIndex = UniqueIndex::new(c"usage_batch", c"usage_batch_pkey", 1);

/// `tokenauth.usage` by its primary key.
pub static BY_TOKEN: UniqueIndex = UniqueIndex::new(c"usage", c"usage_pkey", column::TOKEN_ID as i16);

/// Columns of `tokenauth.usage`, in the order of the table.
pub(super) mod column {
    pub const TOKEN_ID: usize = 1;
    pub const LAST_USED_AT: usize = 2;
    pub const REQUEST_COUNT: usize = 3;
    pub const DENIED_COUNT: usize = 4;
}

/// Until where rows are taken apart for what they say of it.
pub(super) const USES: usize = column::DENIED_COUNT;

/// What a row of `tokenauth.usage` says of its token.
pub(super) fn uses(row: &Row) -> Uses {
    Uses {
        last_used_at: row.optional(column::LAST_USED_AT),
        requests: row.required(column::REQUEST_COUNT),
        denials: row.required(column::DENIED_COUNT),
    }
}

/// Inserts the row of a new token, which was not used yet.
pub fn begin(token: Uuid) {
    const NEVER: i64 = 0;
    BY_TOKEN.insert([
        (column::TOKEN_ID, Argument::of(token)),
        (column::REQUEST_COUNT, Argument::of(NEVER)),
        (column::DENIED_COUNT, Argument::of(NEVER)),
    ]);
}

/// Whether the snapshot shows the tables to have this batch.
pub fn has_arrived(batch: OpenBatch, snapshot: &LatestSnapshot) -> bool {
    let last: Option<i64> = BY_NODE.find(IndexKey::Uuid(Uuid::from_bytes(batch.node)), snapshot, |row| row.required(2));
    last.and_then(|last| u64::try_from(last).ok()).is_some_and(|last| last >= batch.batch)
}

/// Records that the tables have this batch, so that no batch of its memory up to it is added again. Returns false and
/// changes nothing if they already have it or a later one.
///
/// Its moment is no earlier than those of the batches before it: if the clock was set back, what they wrote may lie in
/// the future.
pub fn enter_batch(batch: OpenBatch) -> bool {
    static ENTER: Statement = Statement::new(
        "INSERT INTO tokenauth.usage_batch AS b (node, batch, at) VALUES ($1, $2, clock_timestamp())
         ON CONFLICT (node) DO UPDATE SET batch = excluded.batch, at = greatest(b.at, excluded.at)
          WHERE b.batch < excluded.batch",
    )
    .repeated();
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

/// Tokens that have no row, and what is known of those who could yet commit one.
#[derive(Default)]
pub struct Missing {
    pub tokens: Vec<[u8; 16]>,
    /// When their rows were missed.
    pub at: Missed,
}

/// Adds uses of tokens, each token once, in the order of their ids: concurrent writers then cannot deadlock, and each
/// page is visited once. Makes rows of usage that are missing. Returns the tokens that do not exist, as far as this
/// transaction can see.
pub fn add(uses: &BTreeMap<[u8; 16], Record>) -> Missing {
    // Whoever is erased from here on waits until this is committed.
    name_lock::hold(name_lock::USES);
    let missed = add_to_rows(uses.iter());
    if missed.is_empty() {
        return Missing::default();
    }
    make_rows(&missed);
    // Looked for after this, a row is found if whoever could commit it had ended before.
    let at = missed_now();
    let missed = add_to_rows(missed.iter().filter_map(|token| uses.get_key_value(token)));
    Missing { tokens: missed, at }
}

/// Adds uses to rows that exist, and returns the tokens that have none.
fn add_to_rows<'a>(uses: impl Iterator<Item = (&'a [u8; 16], &'a Record)> + Clone) -> Vec<[u8; 16]> {
    // Nearly every token has its row, and an UPDATE takes half the time of INSERT ... ON CONFLICT. No moment is later
    // than the clock: one that was counted or written before the clock was set back would otherwise stay for years.
    static ADD: Statement = Statement::by_key(
        "WITH known AS (
           UPDATE tokenauth.usage u
              SET first_used_at = least(u.first_used_at, r.first_used_at),
                  last_client = CASE WHEN greatest(u.last_used_at, u.last_denied_at)
                                          > greatest(r.last_used_at, r.last_denied_at)
                                      AND greatest(u.last_used_at, u.last_denied_at) <= $1 THEN u.last_client
                                     ELSE coalesce(r.last_client, u.last_client) END,
                  last_used_at = greatest(CASE WHEN u.last_used_at <= $1 THEN u.last_used_at END, r.last_used_at),
                  last_denied_at = greatest(CASE WHEN u.last_denied_at <= $1 THEN u.last_denied_at END,
                                            r.last_denied_at),
                  request_count = u.request_count + r.request_count,
                  denied_count = u.denied_count + r.denied_count
             FROM recent r
            WHERE u.token_id = r.token_id
           RETURNING r.token_id, r.hour, r.request_count, r.denied_count, r.networks),
         by_hour AS (
           INSERT INTO tokenauth.usage_hourly AS h (token_id, hour, request_count, denied_count, networks)
           SELECT token_id, hour, request_count, denied_count, networks
             FROM known
            WHERE $2
           -- An hour that comes late may be the first one of a day that was folded before.
           ON CONFLICT (token_id, hour) DO UPDATE
              SET request_count = h.request_count + excluded.request_count,
                  denied_count = h.denied_count + excluded.denied_count,
                  hours_used = h.hours_used + (excluded.request_count > 0)::int,
                  networks = CASE WHEN h.networks @> excluded.networks OR cardinality(h.networks) >= 32
                                       THEN h.networks
                                  ELSE ARRAY(SELECT DISTINCT n FROM unnest(h.networks || excluded.networks) n
                                              ORDER BY n)
                             END)
         SELECT token_id FROM known",
    )
    .repeated();
    const HOUR: i64 = 3_600_000_000;
    let now = Timestamp::now();
    // Of tokens whose owner was erased, nothing is stored that tells who it was.
    let erased = erased::among(uses.clone().map(|(token, _)| token));
    let until_now = |micros: i64| micros.min(now.micros());
    let moment = |micros: i64| Timestamp::of_micros(until_now(micros));
    let mut rows = Rows::new(c"recent", &COLUMNS);
    for (token, record) in uses.clone() {
        let is_erased = erased.contains(token);
        let last = until_now(record.last_use.max(record.last_denial));
        rows.put(fields![
            Uuid::from_bytes(*token),
            moment(record.first_use),
            moment(record.last_use),
            moment(record.last_denial),
            record.requests.cast_signed(),
            record.denials.cast_signed(),
            record.client().filter(|_| !is_erased).map(|client| Text::from(client.text().as_str())),
            record.networks().filter(|_| !is_erased).map(|network| Text::from(network.as_str())).collect::<TextArray>(),
            Timestamp::of_micros(last - last.rem_euclid(HOUR)),
        ]);
    }
    let found: Vec<Uuid> = ADD.all_over(&rows, arguments![now, hours::are_kept()], |row| row.required(1));
    let found: HashSet<[u8; 16]> = found.iter().map(|token| *token.as_bytes()).collect();
    uses.map(|(token, _)| *token).filter(|token| !found.contains(token)).collect()
}

/// Makes the rows of usage of those of these tokens that exist: somebody has removed them.
fn make_rows(tokens: &[[u8; 16]]) {
    static MAKE: Statement = Statement::by_key(
        "INSERT INTO tokenauth.usage (token_id)
         SELECT t.id FROM missed m JOIN tokenauth.token t ON t.id = m.token_id
         ON CONFLICT DO NOTHING",
    )
    .repeated();
    let mut rows = Rows::new(c"missed", &[(c"token_id", pg_sys::UUIDOID)]);
    tokens.iter().for_each(|token| rows.put(fields![Uuid::from_bytes(*token)]));
    MAKE.run_over(&[&rows], &[]);
}

/// What is known now of those who could yet commit a token that they have used: they began before this transaction,
/// which has an id, since they had used it before.
fn missed_now() -> Missed {
    static NOW: Statement = Statement::new(
        "SELECT pg_current_xact_id()::text::bigint, pg_snapshot_xmin(pg_current_snapshot())::text::bigint",
    );
    let id = |row: &Row, column| row.required::<i64>(column).cast_unsigned();
    NOW.first(&[], |row| Missed { by: id(row, 1), all_ended_before: id(row, 2) }).unwrap_or_default()
}

/// Whether a batch was written at a moment that the clock has not reached yet. No use in it is later than that.
pub fn were_written_ahead_of_clock() -> bool {
    static AHEAD: Statement =
        Statement::new("SELECT FROM tokenauth.usage_batch WHERE at > clock_timestamp() + interval '1 minute' LIMIT 1");
    AHEAD.run(&[]) > 0
}

/// How many tokens have a last use or denial that the clock has not reached yet.
pub fn ahead_of_clock() -> i64 {
    static AHEAD: Statement = Statement::of_all(
        "SELECT count(*) FROM tokenauth.usage
          WHERE greatest(last_used_at, last_denied_at) > clock_timestamp() + interval '1 minute'",
    );
    AHEAD.first(&[], |row| row.required(1)).unwrap_or_default()
}

/// Records a denial as an event.
///
/// # Errors
/// 58030 when no identifier can be drawn.
pub fn record_denial(sample: &Sample) -> Result<(), Error> {
    static RECORD: Statement = Statement::new(
        "INSERT INTO tokenauth.event (id, at, event, token_id, kind, owner, role, session_role, client, after,
             correlation_id, acting_label)
         SELECT $1, $2, 'token.denied', $3, t.kind, t.owner, pg_get_userbyid($4), pg_get_userbyid(nullif($5, $4)),
                $6, $7, $8, $9
           FROM (VALUES (true)) one LEFT JOIN tokenauth.token t ON t.id = $3",
    );
    name_lock::hold(name_lock::USES);
    let is_erased = sample.token.is_some_and(|token| !erased::among([&token].into_iter()).is_empty());
    let at = Timestamp::of_micros(sample.at).unwrap_or_else(Timestamp::now);
    RECORD.run(arguments![
        id::new(at)?,
        at,
        sample.token.map(Uuid::from_bytes),
        pg_sys::Oid::from(sample.role),
        pg_sys::Oid::from(sample.session_role),
        sample.client.filter(|_| !is_erased).map(|client| Text::from(client.text().as_str())),
        Jsonb::of(&serde_json::json!({ "verdict": sample.verdict.as_str() })),
        // A denial that was raised as an error has no correlation id.
        (sample.correlation != [0; 16]).then(|| Text::from(hex::encode(sample.correlation).as_str())),
        sample.label().filter(|label| label.is_ascii() && !is_erased).map(Text::from),
    ]);
    Ok(())
}

/// Removes the rows of memories, other than this one, of which no batch was added since this moment.
pub fn remove_batches(before: Timestamp, node: [u8; 16]) -> u64 {
    static REMOVE: Statement = Statement::new("DELETE FROM tokenauth.usage_batch WHERE at < $1 AND node <> $2");
    REMOVE.run(arguments![before, Uuid::from_bytes(node)])
}
