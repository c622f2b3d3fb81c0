//! The mark in the data directory of a server that was found fenced: it stays fenced, however far it writes and however
//! often it starts, until somebody has accepted it.

use std::path::PathBuf;
use std::{fs, io};

use super::record::Record;
use crate::pg::process::private_file::Prepared;
use crate::pg::process::settings::data_directory;

/// The file, in the data directory, beside that of usage.
const NAME: &str = "pg_stat/tokenauth.fenced";

/// The mark, if there is one.
pub enum Mark {
    /// What the fence file said, and where the server was that did not have it.
    Of { written: Record, here: Record },
    /// It cannot be read.
    Damaged,
}

/// Reads the mark.
pub fn read() -> Option<Mark> {
    match fs::read(path()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(_) => Some(Mark::Damaged),
        Ok(text) => Some(parse(&text).unwrap_or(Mark::Damaged)),
    }
}

/// Two records, one after the other.
fn parse(text: &[u8]) -> Option<Mark> {
    let ends = text.iter().enumerate().filter(|&(_, byte)| *byte == b'\n').nth(4)?.0 + 1;
    Some(Mark::Of { written: Record::parse(&text[..ends])?, here: Record::parse(&text[ends..])? })
}

/// Leaves the mark.
///
/// # Errors
/// What the operating system says.
pub fn leave(written: Record, here: Record) -> io::Result<()> {
    Prepared::write(&path(), (written.to_text() + &here.to_text()).as_bytes())?.put()
}

/// Removes the mark.
///
/// # Errors
/// What the operating system says, unless there is none.
pub fn remove() -> io::Result<()> {
    match fs::remove_file(path()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn path() -> PathBuf {
    data_directory().join(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::process::wal::Place;

    #[test]
    fn a_mark_reads_as_it_is_written() {
        let written = Record { system: 7, place: Place { timeline: 1, position: 500 }, counter: 3 };
        let here = Record { place: Place { timeline: 2, position: 400 }, counter: 0, ..written };
        let text = written.to_text() + &here.to_text();
        let read = parse(text.as_bytes());
        assert!(matches!(read, Some(Mark::Of { written: one, here: other }) if (one, other) == (written, here)));
        assert!((0..text.len()).all(|end| parse(&text.as_bytes()[..end]).is_none()));
    }
}
