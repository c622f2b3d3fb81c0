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
