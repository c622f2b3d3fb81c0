//! Rows of `tokenauth.usage_hourly` as they get older: folded into days, and removed.
//!
//! Each call is a bounded batch, for the worker's hourly round. It waits for nobody: rows that others have locked are
//! left for the next time.

use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::types::clock::{Timestamp, is_positive};
use crate::settings;

/// How long hours stay hours.
const UNFOLDED: i64 = 7 * DAY;

const DAY: i64 = 86_400_000_000;

/// Whether hourly usage is kept at all.
pub fn are_kept() -> bool {
    settings::hourly_retention().is_none_or(|keep| is_positive(&keep))
}

/// The moment before which hourly usage is not kept; `None` where all of it is.
pub fn kept_since() -> Option<Timestamp> {
    settings::hourly_retention().and_then(|keep| Timestamp::now().minus(&keep))
}

/// Removes hourly usage before this moment, `most` rows at most, and returns how many.
pub fn remove(before: Timestamp, most: i64) -> u64 {
    static REMOVE: Statement = Statement::by_key(
        "DELETE FROM tokenauth.usage_hourly
          WHERE ctid = ANY (ARRAY(SELECT ctid FROM tokenauth.usage_hourly WHERE hour < $1 LIMIT $2))",
    );
    REMOVE.run(arguments![before, most])
}

/// Folds at most `most` rows of hours into rows of their days, the oldest first, and returns how many.
pub fn fold(most: i64) -> i64 {
    // Days in UTC, as hours are. An hour that was locked by somebody else is folded later, and so is one that comes
    // late: the row of its day is there by then, or the row of the first hour, which becomes that of the day.
    static FOLD: Statement = Statement::by_key(
        "WITH taken AS (
             DELETE FROM tokenauth.usage_hourly
              WHERE ctid = ANY (ARRAY(
                        SELECT ctid FROM tokenauth.usage_hourly
                         WHERE period = 'hour' AND hour < $1
                         ORDER BY hour
                         LIMIT $2
                           FOR UPDATE SKIP LOCKED))
             RETURNING token_id, date_trunc('day', hour, 'UTC') AS day, request_count, denied_count, networks),
         seen AS (
             SELECT token_id, day, request_count, denied_count, NULL AS network FROM taken
             UNION ALL
             SELECT token_id, day, 0, 0, network FROM taken, unnest(networks) network),
         counted AS (
             SELECT token_id, day, sum(request_count) AS requests, sum(denied_count) AS denials,
                    count(*) FILTER (WHERE request_count > 0) AS hours,
                    array_agg(DISTINCT network) FILTER (WHERE network IS NOT NULL) AS networks
               FROM seen GROUP BY token_id, day),
         days AS (
             INSERT INTO tokenauth.usage_hourly AS d
                    (token_id, hour, request_count, denied_count, hours_used, period, networks)
             SELECT token_id, day, requests, denials, hours, 'day', coalesce(networks[:32], '{}')
               FROM counted
              ORDER BY token_id, day
             ON CONFLICT (token_id, hour) DO UPDATE
                SET request_count = d.request_count + excluded.request_count,
                    denied_count = d.denied_count + excluded.denied_count,
                    hours_used = coalesce(d.hours_used, (d.request_count > 0)::int) + excluded.hours_used,
                    period = 'day',
                    networks = CASE WHEN d.networks @> excluded.networks THEN d.networks
                                    ELSE (ARRAY(SELECT DISTINCT n FROM unnest(d.networks || excluded.networks) n
                                                 ORDER BY n))[:32]
                               END)
         SELECT count(*) FROM taken",
    );
    let now = Timestamp::now().micros();
    let before = Timestamp::of_micros(now - now.rem_euclid(DAY) - UNFOLDED);
    before.and_then(|before| FOLD.first(arguments![before, most], |row| row.required(1))).unwrap_or(0)
}
