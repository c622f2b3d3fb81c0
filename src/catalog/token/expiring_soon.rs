//! How many tokens expire soon, at a price that has a bound however many there are.

use super::life::{ends_at, ends_between_days_of, is_alive};
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::types::clock::Timestamp;

/// How many tokens that are alive stop working from `now` until the one moment, and until the later other. Read are at
/// most 10,000 whose expiry is on a day from the first to the last of these, day by day.
pub fn count(now: Timestamp, until: Timestamp, later: Timestamp) -> [i64; 2] {
    // The limit counts what is read, not what is found: of tokens that live for minutes, most of a day's are dead. The
    // order is that of the index, so that the planner walks it as far as the limit.
    static COUNT: Statement = Statement::of_all(concat!(
        "SELECT count(*) FILTER (WHERE ",
        ends_at!(),
        "                              <= $2), count(*)
           FROM (SELECT *
                   FROM tokenauth.token t
                  WHERE ",
        ends_between_days_of!("$1", "$3"),
        "         ORDER BY (t.expires_at AT TIME ZONE 'UTC')::date
                  LIMIT 10000) t
           JOIN tokenauth.principal p ON p.principal = t.owner
          WHERE t.deleted_at IS NULL AND ",
        ends_at!(),
        "         BETWEEN $1 AND $3 AND ",
        is_alive!(),
    ));
    COUNT.first(arguments![now, until, later], |row| [row.required(1), row.required(2)]).unwrap_or_default()
}
