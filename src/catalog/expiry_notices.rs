//! Rows of `tokenauth.announced`: tokens whose coming expiry has been announced to listeners.

use pgrx::Uuid;

use crate::catalog::token::life::may_end_between_days_of;
use crate::pg::sql::statement::{Statement, arguments};

/// For each active token of an array that expires soon, the narrowest term that its expiry is within; not if that term
/// was announced already, or the token was issued for no longer than the term.
macro_rules! due {
    ($tokens:expr, $select:literal) => {
        concat!(
            "WITH due AS (
                 SELECT t.id, t.expires_at, n.term
                   FROM tokenauth.tokens t
                   JOIN LATERAL (
                        SELECT min(term) AS term FROM unnest('{1 day,7 days}'::interval[]) term
                         WHERE t.expires_at <= clock_timestamp() + term AND t.created_at < t.expires_at - term) n
                     ON n.term IS NOT NULL
                  WHERE t.id = ANY (",
            $tokens,
            "       ) AND t.expires_at <= clock_timestamp() + interval '7 days'
                    AND t.status = 'active'
                    AND NOT EXISTS (SELECT FROM tokenauth.announced a
                                     WHERE a.token_id = t.id AND a.expires_at = t.expires_at AND a.term <= n.term)) ",
            $select
        )
    };
}

/// At most `most` tokens to be announced, in order of expiry.
pub fn due(most: i64) -> Vec<Uuid> {
    static DUE: Statement = Statement::of_all(due!(
        concat!("ARRAY(", may_end_between_days_of!("now() - interval '1 day'", "now() + interval '8 days'"), ")"),
        "SELECT id FROM due ORDER BY expires_at, id LIMIT $1"
    ));
    DUE.all(arguments![most], |row| row.required(1))
}

/// Records that these tokens were announced.
pub fn record(tokens: &[Uuid]) {
    static RECORD: Statement = Statement::by_key(due!(
        "$1",
        "INSERT INTO tokenauth.announced (token_id, expires_at, term)
         SELECT id, expires_at, term FROM due
         ON CONFLICT (token_id) DO UPDATE SET expires_at = excluded.expires_at, term = excluded.term"
    ));
    RECORD.run(arguments![tokens.to_vec()]);
}
