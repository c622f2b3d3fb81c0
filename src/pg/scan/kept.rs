//! Rows of ours that somebody's trigger or rule keeps from being written. What was not done may not pass for done.

use pgrx::{PgSqlErrorCode, ereport};

/// For a statement that was to write a row of this table, which this transaction has locked.
///
/// # Errors
/// Raises 09000 when it has written none.
pub fn refuse(table: &str, written: u64) {
    if written == 0 {
        raise(table);
    }
}

/// For whoever tries again for as long as neither an INSERT succeeds nor the row is there. Another session may have
/// removed it just then, some times but not for ever.
///
/// # Errors
/// Raises 09000 after many rounds.
pub fn refuse_endless(table: &str, round: u32) {
    const MOST: u32 = 1000;
    if round > MOST {
        raise(table);
    }
}

/// Raises 09000: what was to be written was not.
pub fn raise(table: &str) -> ! {
    ereport!(
        ERROR,
        PgSqlErrorCode::ERRCODE_TRIGGERED_ACTION_EXCEPTION,
        format!("a trigger or a rule has kept a row of tokenauth.{table} from being written"),
        "Nothing has been changed. Drop it, or let it pass the row."
    );
}
