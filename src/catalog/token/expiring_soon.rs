//! How many tokens expire soon, at a price that has a bound however many there are.

use super::life::{ends_at, ends_between_days_of, is_alive, of_kind};
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::types::clock::Timestamp;

/// The least id of a token that was issued when a token of kind `k` was that ends at this moment by its age.
macro_rules! first_id {
    ($end:literal) => {
        concat!(
            "(lpad(to_hex(greatest(extract(epoch FROM (",
            $end,
            "::timestamptz AT TIME ZONE 'UTC' - k.max_age)) * 1000, 0)::bigint), 12, '0') || repeat('0', 20))::uuid"
        )
    };
}

/// How many tokens that are alive stop working from `now` until the one moment, and until the later other. Read are at
/// most 10,000 whose expiry is on a day from the first to the last of these, day by day; and for each kind with a
/// `max_age` as many that were issued when those were that end by it. One that was imported is counted by its expiry
/// alone.
pub fn count(now: Timestamp, until: Timestamp, later: Timestamp) -> [i64; 2] {
    // The limit counts what is read, not what is found: of tokens that live for minutes, most of a day's are dead. The
    // order is that of the index, so that the planner walks it as far as the limit.
    static COUNT: Statement = Statement::of_all(concat!(
        "SELECT count(*) FILTER (WHERE ",
        ends_at!(),
        "                              <= $2), count(*)
           FROM (SELECT * FROM (
                     SELECT *
                       FROM tokenauth.token t
                      WHERE ",
        ends_between_days_of!("$1", "$3"),
        "             ORDER BY (t.expires_at AT TIME ZONE 'UTC')::date
                      LIMIT 10000) by_expiry
                 UNION ALL
                 SELECT t.*
                   FROM tokenauth.kind k
                  CROSS JOIN LATERAL (
                        SELECT * FROM tokenauth.token t WHERE t.id >= ",
        first_id!("$1"),
        "                  AND t.id < ",
        first_id!("($3::timestamptz + interval '1 second')"),
        "                ORDER BY t.id LIMIT 10000) t
                  WHERE t.kind = k.name AND k.max_age IS NOT NULL AND NOT coalesce(",
        ends_between_days_of!("$1", "$3"),
        "                , false)) t
           JOIN tokenauth.principal p ON p.principal = t.owner",
        of_kind!(),
        " WHERE t.deleted_at IS NULL AND ",
        ends_at!(),
        "         BETWEEN $1 AND $3 AND ",
        is_alive!(),
    ));
    COUNT.first(arguments![now, until, later], |row| [row.required(1), row.required(2)]).unwrap_or_default()
}
