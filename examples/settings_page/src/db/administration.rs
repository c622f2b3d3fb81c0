//! What the observer sees: every token, whoever owns it, and the usage that charts are made of.

use tokio_postgres::Row;
use uuid::Uuid;

use super::tokens::{COLUMNS, Token, cut};
use super::{Database, Filter, FromRow};
use crate::chart::Day;
use crate::failure::Failure;

/// How many tokens a view shows: enough to begin with.
pub const MOST: usize = 100;

/// What an administrator asks for beside the list of all tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Alive, and expiring within thirty days.
    Expiring,
    /// Alive, but neither created nor used for ninety days.
    Idle,
}

/// A token that was used in an unusual way, or breaks a rule of its kind, and how.
pub struct Unusual {
    pub token: Token,
    pub signal: String,
    /// What the signal follows from, as JSON, or since when it is so.
    pub evidence: String,
}

impl FromRow for Unusual {
    fn from_row(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self { token: Token::from_row(row)?, signal: row.try_get("signal")?, evidence: row.try_get("evidence")? })
    }
}

impl Unusual {
    /// The signal, or the rule, in words.
    pub fn in_words(&self) -> &str {
        match &*self.signal {
            "new_network" => "Used from a new network",
            "spike" => "Used far more often than before",
            "dormant_woke" => "Used after a long time without use",
            "denied_burst" => "Denied many times within an hour",
            "used_after_death" => "Presented after it was revoked or had expired",
            "no_expiry" => "Does not expire, and must",
            "lifetime" => "Ends later than a new one may",
            "idle" => "Unused for longer than its kind allows",
            "name" => "Has no name, and must",
            "ceiling" => "Was granted more than its kind allows",
            "maximum" => "One of too many of its owner",
            other => other,
        }
    }
}

impl FromRow for Day {
    fn from_row(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self { date: row.try_get("day")?, accepted: row.try_get("accepted")?, denied: row.try_get("denied")? })
    }
}

impl Database {
    /// A page of everybody's tokens, as [`list`](Self::list).
    pub async fn all_tokens(&self, filter: &Filter, size: usize) -> Result<(Vec<Token>, Option<Uuid>), Failure> {
        let statement =
            format!("SELECT {COLUMNS} FROM tokenauth.list(owner => $1, status => $2, page_size => $3, after => $4)");
        let Filter { owner, status, after } = filter;
        let most = i32::try_from(size + 1).unwrap_or(i32::MAX);
        Ok(cut(self.observer.rows(&statement, &[owner, status, &most, after]).await?, size))
    }

    /// The first tokens of a view.
    pub async fn viewed(&self, view: View) -> Result<Vec<Token>, Failure> {
        let source = match view {
            View::Expiring => "tokenauth.expiring('30 days')",
            View::Idle => "tokenauth.idle('90 days')",
        };
        self.observer.rows(&format!("SELECT {COLUMNS} FROM {source} LIMIT {MOST}"), &[]).await
    }

    /// What was unusual within a week.
    pub async fn unusual(&self) -> Result<Vec<Unusual>, Failure> {
        let statement = format!(
            "SELECT {COLUMNS}, u.signal, u.evidence::text AS evidence
               FROM tokenauth.unusual_activity('7 days') u JOIN tokenauth.tokens t ON t.id = u.token LIMIT {MOST}"
        );
        self.observer.rows(&statement, &[]).await
    }

    /// Tokens that break a rule that their kind has today.
    pub async fn noncompliant(&self) -> Result<Vec<Unusual>, Failure> {
        let statement = format!(
            "SELECT {COLUMNS}, n.signal, n.evidence
               FROM (SELECT id AS token, rule AS signal,
                            coalesce('since ' || to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD'), '') AS evidence
                       FROM tokenauth.noncompliant()) n
               JOIN tokenauth.tokens t ON t.id = n.token LIMIT {MOST}"
        );
        self.observer.rows(&statement, &[]).await
    }

    /// How often a token was used on each of the last fourteen days. Whether somebody may know that is not asked here:
    /// look for the token as its owner first.
    pub async fn usage(&self, token: &Token) -> Result<Vec<Day>, Failure> {
        self.observer
            .rows(
                "SELECT to_char(day, 'YYYY-MM-DD') AS day, coalesce(sum(request_count), 0)::bigint AS accepted,
                        coalesce(sum(denied_count), 0)::bigint AS denied
                   FROM (SELECT date_trunc('day', now() AT TIME ZONE 'UTC') AS today) AS clock,
                        generate_series(today - interval '13 days', today, '1 day') AS day
                   LEFT JOIN tokenauth.usage_hourly
                     ON token_id = $1 AND hour >= day AT TIME ZONE 'UTC'
                    AND hour < (day + interval '1 day') AT TIME ZONE 'UTC'
                  GROUP BY day ORDER BY day",
                &[&token.id],
            )
            .await
    }
}
