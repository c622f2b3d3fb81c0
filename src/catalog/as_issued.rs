//! Rows of `tokenauth.as_issued`: what tokens were when they were issued.
//!
//! The event of an issue does not repeat what the row of its token holds: the view `tokenauth.events` shows that row.
//! So whatever is about to change the name, description, scopes, expiry, networks or metadata of tokens, whose rows it
//! has locked, leaves here what they were.

use pgrx::Uuid;

use crate::pg::sql::statement::{Statement, arguments};

/// Keeps what the events of these tokens' issue show, unless that has been kept before: then it is older.
macro_rules! keep_as_issued {
    ($tokens:literal) => {
        concat!(
            "INSERT INTO tokenauth.as_issued (token_id, after)
             SELECT e.token_id, e.after FROM tokenauth.events e
              WHERE e.token_id IN (",
            $tokens,
            ") AND e.event IN ('token.issued', 'token.imported') AND e.after IS NOT NULL
             ON CONFLICT DO NOTHING"
        )
    };
}
pub(crate) use keep_as_issued;

/// Keeps what a token was, before it is changed.
pub fn keep(token: Uuid) {
    static KEEP: Statement = Statement::by_key(keep_as_issued!("$1")).repeated();
    KEEP.run(arguments![token]);
}
