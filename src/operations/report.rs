//! `report()`: the page that a DBA reads on Monday.
//!
//! Most sections are one statement each over what the views show; none decides anything.

use pgrx::prelude::*;

use super::doctor;
use crate::arguments::caller::Caller;
use crate::catalog::token::life::is_seen_alive;
use crate::error::ErrorReport;
use crate::model::token_state::Status;
use crate::pg::function::call::Call;
use crate::pg::sql::statement::{Argument, Statement, arguments};
use crate::pg::types::array::TextArray;
use crate::pg::types::text::Text;
use crate::usage;

/// How many tokens a section lists; it counts them all.
const MOST_LISTED: i64 = 10;

/// One line of the report.
struct Line {
    section: &'static str,
    item: Text,
    value: Text,
}

/// The state of things on one page: tokens by kind, expiring, idle, unusual, newly dead, drift, settings.
///
/// Tokens by kind and status; those that expire within a week; those that nobody has used for 90 days; what
/// `unusual_activity` finds, and deaths by reason, of the last week; what `doctor` finds; and the settings. It reads
/// every token and, for drift, every bound table.
///
/// # Returns
/// - `section`: what it is about
/// - `item`: what is told
/// - `value`: how many, or how it is
///
/// # Access
/// `observe`
///
/// # Example
/// ```sql
/// SELECT section, item, value FROM tokenauth.report() WHERE section IN ('tokens', 'expiring', 'idle');
/// ```
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
#[allow(clippy::type_complexity, reason = "pgrx reads the columns from the type as it is written")]
fn report(
    call: Call,
) -> Result<TableIterator<'static, (name!(section, Text), name!(item, Text), name!(value, Text))>, ErrorReport> {
    let _owner = Caller::enter(call)?.act_as_owner();
    let lines = [kinds(), expiring(), idle(), unusual(), dead(), drift(), settings()];
    Ok(TableIterator::new(
        lines.into_iter().flatten().map(|Line { section, item, value }| (Text::from(section), item, value)),
    ))
}

fn kinds() -> Vec<Line> {
    static KINDS: Statement = Statement::new(
        "SELECT k.name,
                coalesce(string_agg(s.tokens || ' ' || replace(s.status, '_', ' '), ', ' ORDER BY s.place), 'none')
           FROM tokenauth.kind k
           LEFT JOIN (SELECT t.kind, t.status, count(*) AS tokens,
                             array_position($1, t.status) AS place
                        FROM tokenauth.tokens t
                       GROUP BY t.kind, t.status) s ON s.kind = k.name
          GROUP BY k.name
          ORDER BY k.name",
    );
    let statuses: TextArray = Status::ALL.into_iter().map(Status::as_str).collect();
    section("tokens", &KINDS, arguments![statuses])
}

/// A statement that lists tokens: how many there are, then the first of them, each by its name, or else its hint, and
/// its owner. `$of` selects `t`, a row of the view, and `moment`, by which they are sorted.
macro_rules! listing {
    ($title:literal, $($of:expr),+) => {
        concat!(
            "WITH listed AS MATERIALIZED (",
            $($of,)+
            ")
             SELECT item, value
               FROM (SELECT 0 AS place, ",
            $title,
            " AS item, count(*)::text AS value FROM listed
                     UNION ALL
                     SELECT row_number() OVER (ORDER BY moment, (t).id),
                            format('%s of %s', coalesce((t).name, (t).hint, (t).id::text), (t).owner),
                            to_char(moment, 'YYYY-MM-DD HH24:MI TZ')
                       FROM listed) lines
              WHERE place <= $1
              ORDER BY place"
        )
    };
}

fn expiring() -> Vec<Line> {
    static EXPIRING: Statement = Statement::new(listing!(
        "'within a week'",
        "SELECT t, t.expires_at AS moment
           FROM tokenauth.tokens t
          WHERE t.expires_at <= clock_timestamp() + interval '7 days' AND ",
        is_seen_alive!()
    ));
    section("expiring", &EXPIRING, arguments![MOST_LISTED])
}

fn idle() -> Vec<Line> {
    static IDLE: Statement = Statement::new(listing!(
        "'neither issued nor used within 90 days'",
        "SELECT t, greatest(t.created_at, t.last_used_at) AS moment
           FROM tokenauth.tokens t
          WHERE greatest(t.created_at, t.last_used_at) < clock_timestamp() - interval '90 days' AND ",
        is_seen_alive!()
    ));
    section("idle", &IDLE, arguments![MOST_LISTED])
}

/// A token in it may have been deleted, and so be missing from the view.
fn unusual() -> Vec<Line> {
    static UNUSUAL: Statement = Statement::new(
        "WITH listed AS MATERIALIZED (
             SELECT format('%s of %s', coalesce(t.name, t.hint, a.token::text), coalesce(t.owner, 'nobody')) AS token,
                    a.signal, a.evidence
               FROM tokenauth.unusual_activity('7 days') a
               LEFT JOIN tokenauth.tokens t ON t.id = a.token)
         SELECT item, value
           FROM (SELECT 0 AS place, 'within a week' AS item, count(*)::text AS value FROM listed
                 UNION ALL
                 SELECT row_number() OVER (ORDER BY signal, token, evidence), token, format('%s %s', signal, evidence)
                   FROM listed) lines
          WHERE place <= $1
          ORDER BY place",
    );
    if usage::is_preloaded() {
        section("unusual", &UNUSUAL, arguments![MOST_LISTED])
    } else {
        vec![Line {
            section: "unusual",
            item: "unusual_activity()".into(),
            value: "needs the library preloaded".into(),
        }]
    }
}

fn dead() -> Vec<Line> {
    static DEAD: Statement = Statement::new(
        "SELECT item, value
           FROM (SELECT 0 AS place, 'revoked within a week' AS item, count(*) AS tokens, count(*)::text AS value
                   FROM tokenauth.tokens t WHERE t.revoked_at >= clock_timestamp() - interval '7 days'
                 UNION ALL
                 SELECT row_number() OVER (ORDER BY count(*) DESC, t.revoke_reason),
                        coalesce(t.revoke_reason, 'no reason given'), count(*), count(*)::text
                   FROM tokenauth.tokens t WHERE t.revoked_at >= clock_timestamp() - interval '7 days'
                  GROUP BY t.revoke_reason) lines
          WHERE place <= $1
          ORDER BY place",
    );
    section("dead", &DEAD, arguments![MOST_LISTED])
}

fn drift() -> Vec<Line> {
    let findings = doctor::findings(true);
    if findings.is_empty() {
        return vec![Line { section: "drift", item: "doctor()".into(), value: "finds nothing".into() }];
    }
    findings.into_iter().map(|found| Line { section: "drift", item: found.object, value: found.finding }).collect()
}

/// Shows only whether a key file is set: its path is for superusers.
fn settings() -> Vec<Line> {
    static SETTINGS: Statement = Statement::new(
        "SELECT name,
                CASE WHEN name <> 'tokenauth.key_file' THEN coalesce(nullif(current_setting(name), ''), 'not set')
                     WHEN current_setting(name) <> '' THEN 'set'
                     ELSE 'not set' END
           FROM pg_settings
          WHERE starts_with(name, 'tokenauth.')
          ORDER BY name",
    );
    section("settings", &SETTINGS, &[])
}

/// Runs a statement as a section; `is_listing` if its argument is how many tokens to list.
fn section(section: &'static str, statement: &Statement, arguments: &[Argument]) -> Vec<Line> {
    statement.all(arguments, |row| Line { section, item: row.required(1), value: row.required(2) })
}
