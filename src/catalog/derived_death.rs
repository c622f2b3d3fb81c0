//! Rows of `tokenauth.derived_death`: children that were revoked by themselves, by the digest of their text.
//!
//! Only while there are any is a child looked for among them. Releases before 0.2.0 have no such table; their tokens
//! have no children, so that verification does not come here, and all others ask first.

use pgrx::Uuid;

use crate::pg::roles::extension::Extension;
use crate::pg::scan::index_key::IndexKey;
use crate::pg::scan::index_scan::UniqueIndex;
use crate::pg::scan::row_key::RowKey;
use crate::pg::scan::row_lock::Strength;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::sql::rows::Rows;
use crate::pg::sql::statement::{Argument, Statement, arguments};
use crate::pg::types::clock::Timestamp;
use crate::token::Digest;

/// The table by its primary key.
pub static BY_DIGEST: UniqueIndex = UniqueIndex::new(c"derived_death", c"derived_death_pkey", 1);

/// Columns, in the order of the table.
pub mod column {
    pub const DIGEST: usize = 1;
    pub const TOKEN_ID: usize = 2;
    pub const EXPIRES_AT: usize = 3;
}

/// Whether there are rows at all, as messages name it.
pub fn any() -> RowKey {
    RowKey::new("derived_death", b"")
}

/// Whether the installed extension has the table.
pub fn is_installed() -> bool {
    Extension::installed().has(c"derived_death")
}

/// Whether there may be any rows. The index is asked, which has entries of rows that are gone as well.
pub fn are_there() -> bool {
    BY_DIGEST.index().has_entries()
}

/// Whether the child with this digest was revoked.
///
/// # Errors
/// Raises XX001 where the row was lost: everywhere else a token is refused when its row is, but this row is what
/// refuses.
pub fn is_recorded(digest: &Digest, snapshot: &LatestSnapshot) -> bool {
    let key = IndexKey::Bytes(digest.as_bytes());
    let is_recorded = BY_DIGEST.find_often(key, snapshot, |_| ()).is_some();
    if !is_recorded {
        BY_DIGEST.index().refuse_lost_row(key);
    }
    is_recorded
}

/// How many children of this token were revoked that would end later than this, counted up to `most`.
pub fn count_ending_after(parent: Uuid, end: Timestamp, most: i64) -> i64 {
    static COUNT: Statement = Statement::by_key(
        "SELECT count(*) FROM (SELECT FROM tokenauth.derived_death WHERE token_id = $1 AND expires_at > $2 LIMIT $3) d",
    );
    COUNT.first(arguments![parent, end, most], |row| row.required(1)).unwrap_or(0)
}

/// Records that a child of this token, which would work until this end, was revoked. Returns whether it was not before.
pub fn record(digest: &Digest, parent: Uuid, end: Timestamp) -> bool {
    let key = IndexKey::Bytes(digest.as_bytes());
    loop {
        // A row that is there is locked: a transaction that has written nothing would wait for nobody when it commits.
        if BY_DIGEST.lock(key, Strength::KeyShare, |_| ()).is_some() {
            return false;
        }
        let row = [
            (column::DIGEST, Argument::of(digest.as_bytes())),
            (column::TOKEN_ID, Argument::of(parent)),
            (column::EXPIRES_AT, Argument::of(end)),
        ];
        if BY_DIGEST.insert_unless_taken(key, row) {
            return true;
        }
        pgrx::check_for_interrupts!();
    }
}

/// Records children of tokens that exist, as rows `tokenauth_children`, and returns how many were not recorded before.
pub fn record_all(children: &Rows) -> i64 {
    static RECORD: Statement = Statement::by_key(
        "WITH told AS (
             INSERT INTO tokenauth.derived_death (digest, token_id, expires_at)
             SELECT DISTINCT ON (c.digest) c.digest, c.token_id, c.expires_at
               FROM tokenauth_children c
               JOIN tokenauth.token t ON t.id = c.token_id
              WHERE c.expires_at > clock_timestamp()
              ORDER BY c.digest
             ON CONFLICT (digest) DO NOTHING
             RETURNING digest)
         SELECT count(*) FROM told",
    )
    .repeated();
    if !is_installed() {
        return 0;
    }
    RECORD.first_over(children, &[], |row| row.required(1)).unwrap_or(0)
}

/// Removes at most `most` rows of children that ended before this moment, or whose parents are gone, and returns how
/// many; rows that others have locked stay.
pub fn remove(before: Timestamp, most: i64) -> i64 {
    static HOLD: Statement = Statement::new(
        "SELECT d.digest
           FROM tokenauth.derived_death d
          WHERE d.expires_at < $1 OR NOT EXISTS (SELECT FROM tokenauth.token t WHERE t.id = d.token_id)
          LIMIT $2
            FOR UPDATE SKIP LOCKED",
    )
    .repeated();
    static REMOVE: Statement =
        Statement::by_key("DELETE FROM tokenauth.derived_death WHERE digest = ANY ($1)").repeated();
    if most <= 0 || !is_installed() {
        return 0;
    }
    let ended: Vec<Vec<u8>> = HOLD.all(arguments![before, most], |row| row.required(1));
    if ended.is_empty() { 0 } else { REMOVE.run(arguments![ended]).cast_signed() }
}
