//! Rows of `tokenauth.key`: check values of the keys that are in use, never the keys.

use crate::pg::probe::{Indexed, Key};
use crate::pg::snapshot::Latest;
use crate::pg::statement::{Statement, arguments};

/// The table by its primary key.
static BY_ID: Indexed = Indexed::new(c"key", c"key_pkey", 1);

/// Columns, in the order of the table.
mod column {
    pub const CHECK_VALUE: usize = 2;
}

/// The check value of the key with this id.
pub fn check_value(id: &str, snapshot: &Latest) -> Option<[u8; 32]> {
    BY_ID.find(Key::Text(id.as_bytes()), snapshot, |row| row.bytes(column::CHECK_VALUE)?.try_into().ok()).flatten()
}

/// Stores the check value of a key that is about to be used for the first time, unless somebody else has just done so.
pub fn store(id: &str, check_value: &[u8; 32]) {
    static STORE: Statement =
        Statement::new("INSERT INTO tokenauth.key (id, check_value) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING");
    STORE.run(arguments![id, check_value.as_slice()]);
}

/// Keys that tokens which are not revoked were digested or sealed with, each with its check value if it is known.
pub fn needed() -> Vec<(Vec<u8>, Option<[u8; 32]>)> {
    static NEEDED: Statement = Statement::new(
        "SELECT needed.id, key.check_value
           FROM (SELECT pepper AS id FROM tokenauth.token WHERE pepper IS NOT NULL AND revoked_at IS NULL
                 UNION
                 SELECT seal FROM tokenauth.token WHERE seal IS NOT NULL) needed
           LEFT JOIN tokenauth.key ON key.id = needed.id
          ORDER BY needed.id",
    );
    NEEDED.all(arguments![], |row| {
        let id = row.bytes(1).unwrap_or_default().to_vec();
        (id, row.bytes(2).and_then(|stored| stored.try_into().ok()))
    })
}
