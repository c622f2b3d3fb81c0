//! `unusual_activity`: what a DBA should look at, found in the hourly usage.

use pgrx::Uuid;
use pgrx::datum::Interval;
use pgrx::prelude::*;

use super::{hours, shared_memory};
use crate::arguments;
use crate::arguments::caller::Caller;
use crate::catalog::token::life::{ends_at, of_kind};
use crate::error::{ArgumentError, ErrorReport, ServerError};
use crate::pg::function::call::Call;
use crate::pg::sql::statement::{Statement, arguments};
use crate::pg::types::clock::{Timestamp, is_positive};
use crate::pg::types::jsonb::Jsonb;
use crate::pg::types::row::Row;
use crate::pg::types::text::Text;

/// After how long without use a token is dormant, in microseconds.
const DORMANT: i64 = 30 * 86_400_000_000;

/// Lists recent unusual use of tokens, with its evidence.
///
/// It knows of uses up to the last flush, and by days what is older than seven of them. Where
/// `tokenauth.hourly_retention` keeps too little to tell a signal, a warning says which. Signals: `new_network`, used
/// from a new network after use from others; `spike`, a hundred requests or more in an hour, and ten times its average
/// for an hour of use; `dormant_woke`, used after thirty days without use; `denied_burst`, denied twenty times or more
/// in an hour; `used_after_death`, presented after it was revoked or had expired.
///
/// # Arguments
/// - `within`: how far to look back
///
/// # Returns
/// - `token`: the id of the token
/// - `signal`: what was unusual
/// - `evidence`: what it was compared with
///
/// # Errors
/// `22004` for NULL, `22023` for an interval that is not positive, `55000` when the library is not preloaded, since
/// hourly usage is not counted then.
///
/// # Access
/// `observe`
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
#[allow(clippy::type_complexity, reason = "pgrx reads the columns from the type as it is written")]
fn unusual_activity(
    call: Call,
    within: default!(Option<Interval>, "'1 day'"),
) -> Result<TableIterator<'static, (name!(token, Uuid), name!(signal, Text), name!(evidence, Jsonb))>, ErrorReport> {
    let _owner = Caller::enter_to_look_back(call, "unusual_activity")?.act_as_owner();
    let within = arguments::given("within", within)?;
    if !is_positive(&within) {
        Err(ArgumentError::NotPositive("within"))?;
    }
    shared_memory::slots().ok_or(ServerError::NotPreloaded("unusual_activity"))?;
    let since = Timestamp::now().minus(&within).unwrap_or(Timestamp::MINUS_INFINITY);
    let read = |row: &Row| (row.required(1), row.required(2), row.required(3));
    if !hours::are_kept() {
        warn("any signal but \"used_after_death\"");
        return Ok(TableIterator::new(WITHOUT_HOURS.all(arguments![since], read)));
    }
    let kept_since = hours::kept_since().unwrap_or(Timestamp::MINUS_INFINITY);
    if since.micros().saturating_sub(DORMANT) < kept_since.micros() {
        warn("signal \"dormant_woke\" of all this time");
    }
    Ok(TableIterator::new(UNUSUAL.all(arguments![since, kept_since], read)))
}

fn warn(what: &'static str) {
    ErrorReport::from(ServerError::HoursNotKept(what)).report(PgLogLevel::WARNING);
}

/// Presented after it had died: of each token in `l`.
macro_rules! used_after_death {
    ($presented:literal) => {
        concat!(
            "SELECT u.token_id,
                    jsonb_build_object('died_at', died.at, 'presented_at', u.last_denied_at,
                                       'client', u.last_client) AS evidence
               FROM ",
            $presented,
            "  JOIN tokenauth.token t ON t.id = u.token_id",
            of_kind!(),
            "  LEFT JOIN tokenauth.tokens s ON s.id = t.id
              CROSS JOIN LATERAL (SELECT least(coalesce(s.revoked_at, t.revoked_at), ",
            ends_at!(),
            ") AS at) died
              WHERE u.last_denied_at > died.at"
        )
    };
}

/// Without hourly usage, all of the usage is read.
static WITHOUT_HOURS: Statement = Statement::of_all(concat!(
    "SELECT token_id, 'used_after_death', evidence FROM (",
    used_after_death!(
        "(SELECT * FROM tokenauth.usage
           WHERE denied_count > 0 AND last_denied_at >= date_trunc('hour', $1, 'UTC')) u "
    ),
    ") used ORDER BY 1"
));

static UNUSUAL: Statement = Statement::of_all(concat!(
    "WITH since AS MATERIALIZED (
         SELECT date_trunc('hour', $1, 'UTC') AS at),
     lately AS MATERIALIZED (
         SELECT h.* FROM since, tokenauth.usage_hourly h WHERE h.hour >= since.at),
     -- What happened in one hour cannot be told of a day.
     by_hour AS (
         SELECT * FROM lately WHERE period = 'hour'),
     used AS MATERIALIZED (
         SELECT token_id, min(hour) AS hour FROM lately WHERE request_count > 0 GROUP BY token_id),
     -- What each of them was like before.
     former AS MATERIALIZED (
         SELECT u.token_id, sum(coalesce(h.hours_used, 1)) AS hours,
                sum(h.request_count) / sum(coalesce(h.hours_used, 1)) AS usual,
                max(h.hour + CASE h.period WHEN 'day' THEN interval '23 hours' ELSE '0' END) AS last
           FROM since, used u JOIN tokenauth.usage_hourly h ON h.token_id = u.token_id
          WHERE h.hour < since.at AND h.request_count > 0
          GROUP BY u.token_id),
     new_network AS (
         SELECT l.token_id, jsonb_build_object('networks', jsonb_agg(DISTINCT n), 'first_seen', min(l.hour),
                                               'known', k.networks) AS evidence
           FROM lately l CROSS JOIN unnest(l.networks) n
          CROSS JOIN LATERAL (
                SELECT coalesce(array_agg(DISTINCT known), '{}') AS networks
                  FROM since, tokenauth.usage_hourly h, unnest(h.networks) known
                 WHERE h.token_id = l.token_id AND h.hour < since.at) k
          WHERE k.networks <> '{}' AND n <> ALL (k.networks)
          GROUP BY l.token_id, k.networks),
     spike AS (
         SELECT DISTINCT ON (l.token_id) l.token_id,
                jsonb_build_object('hour', l.hour, 'requests', l.request_count, 'usual', round(f.usual, 1)) AS evidence
           FROM by_hour l JOIN former f ON f.token_id = l.token_id
          WHERE f.hours >= 3 AND l.request_count >= 100 AND l.request_count >= 10 * f.usual
          ORDER BY l.token_id, l.request_count DESC),
     dormant_woke AS (
         SELECT u.token_id, jsonb_build_object('woke_at', u.hour, 'last_used_before', f.last) AS evidence
           FROM used u
           JOIN tokenauth.token t ON t.id = u.token_id
           LEFT JOIN former f ON f.token_id = u.token_id
          WHERE coalesce(f.last, t.created_at) < u.hour - interval '30 days'
            -- Uses in that time would still be known.
            AND u.hour - interval '30 days' >= $2),
     denied_burst AS (
         SELECT DISTINCT ON (token_id) token_id,
                jsonb_build_object('hour', hour, 'denials', denied_count, 'requests', request_count) AS evidence
           FROM by_hour
          WHERE denied_count >= 20
          ORDER BY token_id, denied_count DESC),
     used_after_death AS (
         ",
    used_after_death!(
        "(SELECT DISTINCT token_id FROM lately WHERE denied_count > 0) l
           JOIN tokenauth.usage u ON u.token_id = l.token_id "
    ),
    ")
     SELECT token_id, 'new_network', evidence FROM new_network
     UNION ALL SELECT token_id, 'spike', evidence FROM spike
     UNION ALL SELECT token_id, 'dormant_woke', evidence FROM dormant_woke
     UNION ALL SELECT token_id, 'denied_burst', evidence FROM denied_burst
     UNION ALL SELECT token_id, 'used_after_death', evidence FROM used_after_death
     ORDER BY 1, 2",
));
