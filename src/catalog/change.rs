//! Rows of `tokenauth.change`: each transaction that changes what verification reads leaves one, while there are
//! readers.
//!
//! It is written in that transaction, so that it is there exactly if the change is: after a crash or a restart, by
//! COMMIT PREPARED, wherever it is replicated to. The next beat removes what it finds and tells how much that was, and
//! a reader counts what of it was there to be removed.

use pgrx::PgLogLevel;

use crate::catalog::{heartbeat, id};
use crate::error::ErrorReport;
use crate::pg::roles::extension::Extension;
use crate::pg::scan::index_scan::UniqueIndex;
use crate::pg::scan::publication;
use crate::pg::sql::statement::{Argument, Statement};
use crate::pg::transaction::acting_as::ActingAs;
use crate::pg::types::clock::Timestamp;
use crate::settings;

/// The table by its primary key.
pub static BY_ID: UniqueIndex = UniqueIndex::new(c"change", c"change_pkey", 1);

/// The columns.
mod column {
    pub const ID: usize = 1;
}

/// Writes a row for this transaction if there are readers, and returns whether there are. Readers of a publication that
/// is no more will learn from the next beat that they have missed something, if they are given one.
///
/// To be called before the transaction commits or is prepared.
///
/// # Errors
/// Raises 58030 when the operating system provides no random bytes, and what an INSERT raises.
pub fn record() -> bool {
    // The transaction may have removed the extension; earlier releases have no such table.
    let is_recorded = || Extension::find().is_some_and(|ours| ours.has_relation(c"change"));
    if settings::reader() || !is_recorded() {
        return false;
    }
    let is_published = publication::publishes(&heartbeat::BY_ID);
    if !is_published && !heartbeat::may_be_followed() {
        return false;
    }
    let Some(_owner) = ActingAs::owner_of_ours_restricted() else { return false };
    if !is_published {
        heartbeat::break_off();
        return false;
    }
    match id::new(Timestamp::now()) {
        Ok(id) => BY_ID.insert([(column::ID, Argument::of(id))]),
        Err(error) => ErrorReport::from(error).report(PgLogLevel::ERROR),
    }
    true
}

/// Removes the rows that are there, and returns how many.
pub fn take() -> i64 {
    static TAKE: Statement = Statement::new("DELETE FROM tokenauth.change");
    TAKE.run(&[]).cast_signed()
}
