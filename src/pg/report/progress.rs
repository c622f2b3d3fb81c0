//! Tells the client of a long operation how far it has come, by a NOTICE now and then.
//!
//! PostgreSQL's own views of progress are for commands of its own: which of them a backend shows, and what its numbers
//! mean, is an enum of the server. What takes less than some seconds says nothing.

use super::message::notice;

/// After so many rows that were read, and from so many on that are written at once, the client is told.
const MANY: u64 = 1_000_000;

/// Tells, after each million, how many rows of a table were read.
#[inline]
pub fn read(rows: u64, table: impl FnOnce() -> String) {
    if rows > 0 && rows.is_multiple_of(MANY) {
        notice(format!("read {rows} rows of {}", table()));
    }
}

/// Tells that so many are about to be written by one statement, if it is a million or more.
pub fn writing(rows: u64, what: &str) {
    if rows >= MANY {
        notice(format!("writing {rows} rows as {what}"));
    }
}

/// Tells, after each hundred thousand, how many of all are done, each of which takes its time.
pub fn done(number: u64, all: u64, what: &str) {
    const EACH: u64 = MANY / 10;
    if number > 0 && number.is_multiple_of(EACH) {
        notice(format!("{what} {number} of {all}"));
    }
}
