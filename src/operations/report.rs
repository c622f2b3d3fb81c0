//! `report()`: the page that a DBA reads on Monday.
//!
//! Most sections are one statement each over what the views show; none decides anything.

use pgrx::datum::Interval;
use pgrx::prelude::*;

use super::doctor;
use crate::arguments::caller::Caller;
use crate::catalog::token::idle::idle;
use crate::catalog::token::life::{
    died_with_others, ends_at, ends_between_days_of, is_alive, of_kind, of_kinds_with_age, status,
};
use crate::error::ErrorReport;
use crate::model::token_state::Status;
use crate::pg::function::call::Call;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::sql::statement::{Argument, Statement, arguments};
use crate::pg::types::array::TextArray;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::text::Text;
use crate::settings;
use crate::usage;
use crate::usage::seen::Recent;

/// How many tokens a section lists; it counts them all.
macro_rules! most_listed {
    () => {
        10
    };
}
const MOST_LISTED: i64 = most_listed!();

/// One line of the report.
struct Line {
    section: &'static str,
    item: Text,
    value: Text,
}

/// Shows the state of things on one page: tokens by kind, expiring, idle, unusual, newly dead, drift, settings.
///
/// Tokens by kind and status; those that expire within a week; those that were neither issued nor used for 90 days;
/// what `unusual_activity` finds, and deaths by reason, of the last week; what `doctor` finds; and the settings that
/// are not at their defaults. It reads every token and, for drift, every bound table.
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
    let now = Timestamp::now();
    let [kinds, expiring, dead] = counts(now);
    let [idle, unusual] = if settings::reader() {
        // As the functions do.
        [("idle", "idle()"), ("unusual", "unusual_activity()")]
            .map(|(section, item)| vec![Line { section, item: item.into(), value: "needs the primary".into() }])
    } else {
        [idle(now), unusual()]
    };
    let lines = [kinds, expiring, first_to_expire(now), idle, unusual, dead, drift(), shown_settings()];
    Ok(TableIterator::new(
        lines.into_iter().flatten().map(|Line { section, item, value }| (Text::from(section), item, value)),
    ))
}

/// The sections that count tokens: by kind and status, those that expire, and those that are newly dead, by reason. All
/// tokens are read once for them.
fn counts(now: Timestamp) -> [Vec<Line>; 3] {
    // The first death of a token is joined as that which ended the epochs in which the token was issued: asked of each
    // token by a subquery, it would keep all of it from going parallel.
    static COUNTS: Statement = Statement::of_all(concat!(
        "WITH death AS (
             SELECT owner, true AS dies_with_owner, lag(epoch, 1, 0::bigint) OVER epochs AS since, epoch, at, reason
               FROM tokenauth.mass_death
             WINDOW epochs AS (PARTITION BY owner ORDER BY epoch)
             UNION ALL
             SELECT owner, false, lag(epoch, 1, 0::bigint) OVER epochs, epoch, at, reason
               FROM tokenauth.mass_death
              WHERE covers = 'all'
             WINDOW epochs AS (PARTITION BY owner ORDER BY epoch)),
         counted AS MATERIALIZED (
             SELECT t.kind, ",
        status!("$1"),
        "          AS status,
                    coalesce(CASE WHEN ",
        died_with_others!(),
        "                 THEN d.at ELSE t.revoked_at END >= $1 - interval '7 days', false) AS is_newly_dead,
                    CASE WHEN ",
        died_with_others!(),
        "                THEN d.reason ELSE t.revoke_reason END AS reason,
                    count(*) AS tokens,
                    count(*) FILTER (WHERE ",
        ends_at!(),
        "                                  <= $1 + interval '7 days' AND ",
        is_alive!(),
        "           ) AS expiring
               FROM tokenauth.token t
               JOIN tokenauth.principal p ON p.principal = t.owner",
        of_kind!(),
        "      LEFT JOIN death d
                      ON d.owner = t.owner AND d.dies_with_owner = t.dies_with_owner
                     AND t.owner_epoch >= d.since AND t.owner_epoch < d.epoch
              WHERE t.deleted_at IS NULL
              GROUP BY 1, 2, 3, 4)
         SELECT section, item, value
           FROM (SELECT 0 AS place, 'tokens' AS section, k.name AS item,
                        coalesce(string_agg(s.tokens || ' ' || replace(s.status, '_', ' '), ', '
                                            ORDER BY array_position($2, s.status)), 'none') AS value
                   FROM tokenauth.kind k
                   LEFT JOIN (SELECT kind, status, sum(tokens) AS tokens FROM counted GROUP BY kind, status) s
                          ON s.kind = k.name
                  GROUP BY k.name
                 UNION ALL
                 SELECT 0, 'expiring', 'within a week', coalesce(sum(expiring), 0)::text FROM counted
                 UNION ALL
                 SELECT 0, 'dead', 'revoked within a week', coalesce(sum(tokens), 0)::text
                   FROM counted WHERE is_newly_dead
                 UNION ALL
                 SELECT row_number() OVER (ORDER BY sum(tokens) DESC, reason), 'dead',
                        coalesce(reason, 'no reason given'), sum(tokens)::text
                   FROM counted WHERE is_newly_dead
                  GROUP BY reason) lines
          WHERE place <= $3
          ORDER BY place, item COLLATE \"C\"",
    ));
    let statuses: TextArray = Status::ALL.into_iter().map(Status::as_str).collect();
    let mut sections = ["tokens", "expiring", "dead"].map(|section| (section, Vec::new()));
    COUNTS.each(&LatestSnapshot::of_now(), arguments![now, statuses, MOST_LISTED], |row| {
        for (section, lines) in &mut sections {
            if row.bytes(1) == Some(section.as_bytes()) {
                lines.push(Line { section, item: row.required(2), value: row.required(3) });
            }
        }
    });
    sections.map(|(_, lines)| lines)
}

/// How a token is told in a list: by its name, or else its hint, and its owner; and a moment.
macro_rules! told {
    ($moment:literal) => {
        concat!(
            "format('%s of %s', coalesce(t.name, t.hint, t.id::text), t.owner),
             to_char(",
            $moment,
            ", 'YYYY-MM-DD HH24:MI TZ')"
        )
    };
}

/// Lists tokens that expire within a week.
fn first_to_expire(now: Timestamp) -> Vec<Line> {
    /// The first of the tokens that are read so.
    macro_rules! first_of {
        ($tokens:expr, $condition:expr) => {
            concat!(
                "(SELECT t.id, ",
                ends_at!(),
                " AS ends_at",
                $tokens,
                " JOIN tokenauth.principal p ON p.principal = t.owner WHERE t.deleted_at IS NULL AND ",
                $condition,
                " AND ",
                is_alive!(),
                " ORDER BY 2, t.id LIMIT ",
                most_listed!(),
                ")"
            )
        };
    }
    // The limit is written out so that the planner walks the index of days as far as the first of them. What ends by
    // its age is not in that index.
    static FIRST: Statement = Statement::of_all(concat!(
        "SELECT ",
        told!("first.ends_at"),
        "  FROM (",
        first_of!(
            concat!(" FROM tokenauth.token t", of_kind!()),
            concat!(
                "k.max_age IS NULL AND t.expires_at > $1 AND t.expires_at <= $2 AND ",
                ends_between_days_of!("$1", "$2")
            )
        ),
        " UNION ALL ",
        first_of!(of_kinds_with_age!(), concat!(ends_at!(), " > $1 AND ", ends_at!(), " <= $2")),
        ") first
           JOIN tokenauth.token t ON t.id = first.id
          ORDER BY first.ends_at, first.id
          LIMIT ",
        most_listed!()
    ));
    let until = Interval::new(0, 7, 0).ok().and_then(|week| now.plus(&week)).unwrap_or(Timestamp::INFINITY);
    section("expiring", &FIRST, arguments![now, until])
}

/// Counts and lists tokens that were neither issued nor used within 90 days.
fn idle(now: Timestamp) -> Vec<Line> {
    static IDLE: Statement = Statement::of_all(concat!(
        "WITH idle AS MATERIALIZED (SELECT t.id, greatest(t.created_at, u.last_used_at, m.last_used_at) AS moment",
        idle!(),
        ")
         SELECT item, value
           FROM (SELECT 0 AS place, 'for 90 days' AS item, count(*)::text AS value FROM idle
                 UNION ALL
                 SELECT row_number() OVER (ORDER BY first.moment, first.id), ",
        told!("first.moment"),
        "          FROM (SELECT * FROM idle ORDER BY moment, id LIMIT ",
        most_listed!(),
        "               ) first
                   JOIN tokenauth.token t ON t.id = first.id) lines
          ORDER BY place"
    ));
    let since = Interval::new(0, 90, 0).ok().and_then(|long| now.minus(&long)).unwrap_or(Timestamp::MINUS_INFINITY);
    let snapshot = LatestSnapshot::of_now();
    let [tokens, last_used, requests, denials] = Recent::new(&snapshot).all();
    let mut lines = Vec::new();
    IDLE.each(&snapshot, &[Argument::of(since), tokens, last_used, requests, denials], |row| {
        lines.push(Line { section: "idle", item: row.required(1), value: row.required(2) });
    });
    lines
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

fn drift() -> Vec<Line> {
    let findings = doctor::findings(true);
    if findings.is_empty() {
        return vec![Line { section: "drift", item: "doctor()".into(), value: "finds nothing".into() }];
    }
    findings.into_iter().map(|found| Line { section: "drift", item: found.object, value: found.finding }).collect()
}

/// Shows what somebody has set. Of a key file or a fence file only that there is one: paths are for superusers.
fn shown_settings() -> Vec<Line> {
    static SETTINGS: Statement = Statement::new(
        "SELECT name,
                CASE WHEN name NOT IN ('tokenauth.fence_file', 'tokenauth.key_file')
                     THEN coalesce(nullif(current_setting(name), ''), 'not set')
                     WHEN current_setting(name) <> '' THEN 'set'
                     ELSE 'not set' END
           FROM pg_settings
          WHERE starts_with(name, 'tokenauth.') AND coalesce(setting, '') <> coalesce(boot_val, '')
          ORDER BY name",
    );
    let mut lines = section("settings", &SETTINGS, &[]);
    lines.push(Line { section: "settings", item: "all others".into(), value: "default".into() });
    lines
}

/// Runs a statement as a section; `is_listing` if its argument is how many tokens to list.
fn section(section: &'static str, statement: &Statement, arguments: &[Argument]) -> Vec<Line> {
    statement.all(arguments, |row| Line { section, item: row.required(1), value: row.required(2) })
}
