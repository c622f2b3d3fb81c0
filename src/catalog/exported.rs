//! Tells what has died since a moment, for another copy of the database.

use pgrx::Uuid;

use super::derived_death;
use crate::pg::sql::statement::{Statement, arguments, utc};
use crate::pg::types::clock::Timestamp;
use crate::pg::types::jsonb::Jsonb;

/// About how many bytes of deaths a document has at most. Making it takes some ten times as much memory, reading it
/// too; and an array in jsonb cannot have more than 256 MB.
const MOST: i32 = 32 << 20;

/// A reason that is longer than this and that several deaths have stands in the document once.
const LONG: i32 = 64;

/// The first of these moments that is not before `$1`: for it something is told.
macro_rules! first_of {
    ($($moment:literal),+) => {
        concat!("least(", first_of!(@ $($moment),+), ")")
    };
    (@ $moment:literal) => { concat!("CASE WHEN ", $moment, " >= $1 THEN ", $moment, " END") };
    (@ $moment:literal, $($more:literal),+) => { concat!(first_of!(@ $moment), ", ", first_of!(@ $($more),+)) };
}

/// All that is to be told, with `recent` events: `list` and `key`, by which the list is sorted; `moment`, for which it
/// is told; `element`, and `reason`.
macro_rules! exported_deaths {
    () => {
        concat!(
            "SELECT 'tokens' AS list, t.id::text AS key, ",
            first_of!("t.revoked_at", "t.deleted_at", "t.learned_at"),
            " AS moment,
                    jsonb_build_object('id', t.id, 'at', ",
            utc!("t.revoked_at"),
            ", 'by', coalesce(t.revoked_by, 'unknown'),
                        'deleted', CASE WHEN t.deleted_at IS NOT NULL THEN true END) AS element,
                    t.revoke_reason AS reason
               FROM tokenauth.token t
              WHERE t.revoked_at IS NOT NULL AND (t.revoked_at >= $1 OR t.deleted_at >= $1 OR t.learned_at >= $1)
             UNION ALL
             SELECT 'owners', m.owner, m.at, jsonb_build_object('owner', m.owner, 'at', ",
            utc!("m.at"),
            ", 'by', m.by, 'covers', m.covers), m.reason
               FROM tokenauth.mass_death m WHERE m.at >= $1
             UNION ALL
             -- What was removed by hand, and not put there again.
             SELECT 'tokens', e.token_id::text, e.at, jsonb_build_object('id', e.token_id, 'at', ",
            utc!("e.at"),
            ", 'by', 'role:' || e.role), 'removed by hand'
               FROM recent e
              WHERE e.event = 'token.removed' AND NOT EXISTS (SELECT FROM tokenauth.token t WHERE t.id = e.token_id)
             UNION ALL
             SELECT 'disabled', t.id::text, ",
            first_of!("t.disabled_at", "t.learned_at"),
            ", jsonb_build_object('id', t.id, 'at', ",
            utc!("t.disabled_at"),
            "), NULL
               FROM tokenauth.token t
              WHERE t.revoked_at IS NULL AND t.disabled_at IS NOT NULL AND (t.disabled_at >= $1 OR t.learned_at >= $1)
             UNION ALL
             SELECT 'expiries', t.id::text, least(e.at, ",
            first_of!("t.learned_at"),
            "), jsonb_build_object('id', t.id, 'at', ",
            utc!("t.expires_at"),
            "), NULL
               FROM tokenauth.token t
               LEFT JOIN (SELECT e.token_id, min(e.at) AS at
                            FROM recent e
                           WHERE e.event IN ('token.rotated', 'token.edited')
                           GROUP BY e.token_id) e ON e.token_id = t.id
              WHERE t.revoked_at IS NULL AND t.expires_at IS NOT NULL AND (e.at IS NOT NULL OR t.learned_at >= $1)
             UNION ALL
             SELECT 'inactive', p.principal, m.at, jsonb_build_object('principal', p.principal), p.state_reason
               FROM tokenauth.principal p
               JOIN (SELECT m.owner, min(m.at) AS at FROM tokenauth.mass_death m WHERE m.at >= $1 GROUP BY m.owner) m
                 ON m.owner = p.principal
              WHERE NOT p.active"
        )
    };
}

/// The same of what only some releases have: children that were revoked by themselves and have not ended; and each
/// token of a principal that was erased, since the copy knows that by the id that nobody here knows any more.
macro_rules! exported_since_0_2 {
    () => {
        concat!(
            " UNION ALL
             SELECT 'derived', encode(d.digest, 'hex'), d.at,
                    jsonb_build_object('digest', encode(d.digest, 'hex'), 'id', d.token_id, 'at', ",
            utc!("d.at"),
            ", 'expires_at', ",
            utc!("d.expires_at"),
            "), NULL
               FROM tokenauth.derived_death d
              WHERE d.at >= $1 AND d.expires_at > clock_timestamp()
             UNION ALL
             SELECT 'tokens', t.id::text, m.at, jsonb_build_object('id', t.id, 'at', ",
            utc!("m.at"),
            ", 'by', m.by), m.reason
               FROM tokenauth.erased e
               JOIN tokenauth.token t ON t.id = e.token_id AND t.revoked_at IS NULL
              CROSS JOIN LATERAL (
                   SELECT m.at, m.by, m.reason
                     FROM tokenauth.mass_death m
                    WHERE m.owner = t.owner AND m.epoch > t.owner_epoch AND (m.covers = 'all' OR t.dies_with_owner)
                      AND m.at >= $1
                    ORDER BY m.at LIMIT 1) m"
        )
    };
}

/// The elements of a list.
macro_rules! list {
    ($name:literal) => {
        concat!(
            "'",
            $name,
            "', coalesce(jsonb_agg(element ORDER BY key, moment) FILTER (WHERE list = '",
            $name,
            "'), '[]')"
        )
    };
}

/// The statement that makes a document, of deaths and `$more`.
macro_rules! document {
    ($more:expr) => {
        concat!(
            "WITH recent AS MATERIALIZED (
                 SELECT e.token_id, e.owner, e.event, e.at, e.role
                   FROM tokenauth.event e
                  WHERE e.id >= $2 AND e.at >= $1
                    AND e.event IN ('token.rotated', 'token.edited', 'token.removed')),
             told AS (",
            exported_deaths!(),
            $more,
            "),
             weighed AS MATERIALIZED (
                 SELECT *,
                        sum(weight) OVER (ORDER BY moment ROWS UNBOUNDED PRECEDING) AS filled,
                        min(moment) OVER () AS earliest
                   FROM (SELECT *,
                                pg_column_size(element)
                                + CASE WHEN row_number() OVER (PARTITION BY reason ORDER BY moment) = 1
                                       THEN coalesce(octet_length(reason), 0) ELSE 0 END AS weight
                           FROM told) told),
             -- Whatever happened in one moment stands in one document.
             room AS MATERIALIZED (
                 SELECT min(moment) AS ends FROM weighed WHERE filled > $4 AND moment > earliest),
             chosen AS MATERIALIZED (
                 SELECT * FROM weighed w WHERE w.moment < coalesce((SELECT ends FROM room), 'infinity')),
             shared AS MATERIALIZED (
                 SELECT reason, row_number() OVER (ORDER BY min(moment)) - 1 AS place
                   FROM chosen
                  WHERE octet_length(reason) > $5
                  GROUP BY reason
                 HAVING count(*) > 1)
             SELECT jsonb_build_object(
                        'version', 1,
                        'since', ",
            utc!("CASE WHEN isfinite($1) THEN $1 END"),
            ",
                        'until', (SELECT ",
            utc!("CASE WHEN isfinite(least($3, ends)) THEN least($3, ends) END"),
            " FROM room), ",
            list!("tokens"),
            ", ",
            list!("owners"),
            ", ",
            list!("disabled"),
            ", ",
            list!("expiries"),
            ", ",
            list!("inactive"),
            ")
                    || CASE WHEN count(*) FILTER (WHERE list = 'derived') = 0 THEN '{}'::jsonb
                            ELSE jsonb_build_object(",
            list!("derived"),
            ") END
                    || (SELECT CASE WHEN ends IS NULL THEN '{}'::jsonb ELSE '{\"more\": true}' END FROM room)
                    || coalesce((SELECT jsonb_build_object('reasons', jsonb_agg(reason ORDER BY place))
                                   FROM shared HAVING count(*) > 0), '{}'),
                    (SELECT ends IS NOT NULL FROM room)
               FROM (SELECT c.list, c.key, c.moment,
                            jsonb_strip_nulls(c.element || jsonb_build_object(
                                'reason', coalesce(to_jsonb(s.place), to_jsonb(c.reason)))) AS element
                       FROM chosen c
                       LEFT JOIN shared s ON s.reason = c.reason) e"
        )
    };
}

/// Returns all that has died since a moment, and whether there is more. It is complete until `until`; if there is too
/// much for one document, it is what came first, complete until an earlier moment, from which the next one goes on.
/// `first` is the least id that an event of that moment can have.
pub fn document(since: Timestamp, first: Uuid, until: Timestamp) -> Option<(Jsonb, bool)> {
    static DOCUMENT: Statement = Statement::of_all(document!(exported_since_0_2!()));
    static BEFORE_0_2: Statement = Statement::of_all(document!(""));
    let statement = if derived_death::is_installed() { &DOCUMENT } else { &BEFORE_0_2 };
    statement.first(arguments![since, first, until, MOST, LONG], |row| (row.required(1), row.required(2)))
}
