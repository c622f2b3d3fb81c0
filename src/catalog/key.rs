//! Rows of `tokenauth.key`: check values of the keys in use, never the keys themselves.

use crate::pg::scan::index_key::IndexKey;
use crate::pg::scan::index_scan::UniqueIndex;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::sql::statement::{Statement, arguments};

/// The table by its primary key.
pub static BY_ID: UniqueIndex = UniqueIndex::new(c"key", c"key_pkey", 1);

/// Columns, in the order of the table.
mod column {
    pub const CHECK_VALUE: usize = 2;
}

/// The check value of the key with this id.
pub fn check_value(id: &str, snapshot: &LatestSnapshot) -> Option<[u8; 32]> {
    BY_ID.find(IndexKey::Text(id.as_bytes()), snapshot, |row| row.bytes(column::CHECK_VALUE)?.try_into().ok()).flatten()
}

/// Stores the check value of a key before its first use, unless another session has just stored one.
pub fn store(id: &str, check_value: &[u8; 32]) {
    static STORE: Statement =
        Statement::new("INSERT INTO tokenauth.key (id, check_value) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING")
            .repeated();
    STORE.run(arguments![id, check_value.as_slice()]);
}

/// A key that tokens need.
pub struct Needed {
    /// The id by which the rows refer to it.
    pub id: Vec<u8>,
    /// What for.
    pub purpose: Purpose,
    /// Its check value, if it is known.
    pub check_value: Option<[u8; 32]>,
}

/// What a key is for.
#[derive(Clone, Copy)]
pub enum Purpose {
    Pepper,
    Seal,
    Import,
}

/// The peppers of tokens that are not revoked, the keys of imported ones, and the seals of stored texts.
///
/// Each pepper and seal is found by the one before it: an index has few of them, however many tokens there are. Which
/// keys there are imports under is in a table of its own. Of a pepper and of such a key, the newest token that is not
/// revoked is looked for by an index: the oldest ones are dead.
pub fn needed() -> Vec<Needed> {
    static NEEDED: Statement = Statement::by_key(
        "WITH RECURSIVE pepper (id) AS (
           SELECT min(pepper) FROM tokenauth.token
           UNION ALL
           SELECT (SELECT min(t.pepper) FROM tokenauth.token t WHERE t.pepper > former.id)
             FROM pepper former WHERE former.id IS NOT NULL),
         seal (id) AS (
           SELECT min(seal) FROM tokenauth.token
           UNION ALL
           SELECT (SELECT min(t.seal) FROM tokenauth.token t WHERE t.seal > former.id)
             FROM seal former WHERE former.id IS NOT NULL)
         SELECT DISTINCT needed.id, needed.purpose, key.check_value
           FROM (SELECT id, 'pepper' FROM pepper
                  WHERE (SELECT true FROM tokenauth.token t
                          -- Written as a range, the order is that of the index, which is walked backward.
                          WHERE t.pepper >= pepper.id AND t.pepper <= pepper.id AND t.revoked_at IS NULL
                          ORDER BY t.pepper DESC LIMIT 1)
                 UNION ALL
                 SELECT id, 'seal' FROM seal WHERE id IS NOT NULL
                 UNION ALL
                 SELECT split_part(i.algorithm, ':', 2), 'import' FROM tokenauth.import i
                  WHERE i.algorithm LIKE 'hmac-%:%'
                    AND (SELECT true FROM tokenauth.token t
                          WHERE t.algorithm >= i.algorithm AND t.algorithm <= i.algorithm
                            AND t.algorithm LIKE 'hmac-%:%' AND t.revoked_at IS NULL
                          ORDER BY t.algorithm COLLATE \"C\" DESC LIMIT 1)) needed (id, purpose)
           LEFT JOIN tokenauth.key ON key.id = needed.id
          ORDER BY needed.id, needed.purpose",
    );
    NEEDED.all(arguments![], |row| Needed {
        id: row.bytes(1).unwrap_or_default().to_vec(),
        purpose: match row.bytes(2) {
            Some(b"seal") => Purpose::Seal,
            Some(b"import") => Purpose::Import,
            _ => Purpose::Pepper,
        },
        check_value: row.bytes(3).and_then(|stored| stored.try_into().ok()),
    })
}
