//! How far this server has come: its timeline, its position in the write-ahead log, and the timelines before.

use std::{fs, io};

use pgrx::pg_sys;

use super::settings::data_directory;

/// A timeline and a position on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    pub timeline: u32,
    pub position: u64,
}

/// Identifies the cluster and all copies of its data directory.
pub fn system_identifier() -> u64 {
    // SAFETY: reads shared state that is set when the server starts.
    unsafe { pg_sys::GetSystemIdentifier() }
}

/// The end of the last record that was written. Only outside of recovery.
pub fn end() -> Place {
    let mut timeline = 0;
    // SAFETY: reads shared state under spinlocks; the first function writes the number of the timeline.
    let position = unsafe {
        pg_sys::GetFlushRecPtr(&mut timeline);
        end_of_record(pg_sys::GetXLogInsertRecPtr(), pg_sys::wal_segment_size.unsigned_abs().into())
    };
    Place { timeline, position }
}

/// As [`end`], once everything up to there is on disk: recovery after a crash comes at least as far. What is flushed at
/// any moment may end in the middle of a record, and that is lost in a crash.
pub fn durable_end() -> Place {
    let end = end();
    // SAFETY: waits for the disk; the position is not beyond what has been written, which would be an error.
    unsafe { pg_sys::XLogFlush(end.position) };
    end
}

/// Up to where this server has replayed. Only in recovery.
pub fn replayed() -> Place {
    let mut timeline = 0;
    // SAFETY: reads shared state under a spinlock, and writes the number of the timeline.
    let position = unsafe { pg_sys::GetXLogReplayRecPtr(&mut timeline) };
    Place { timeline, position }
}

/// The timelines that came before this one, and where each was left for the next, as the history file in the data
/// directory has them. The first timeline has no such file.
///
/// # Errors
/// What the operating system says.
pub fn forks(timeline: u32) -> io::Result<Vec<Place>> {
    match fs::read(data_directory().join(format!("pg_wal/{timeline:08X}.history"))) {
        Err(error) if timeline == 1 && error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        text => Ok(forks_of(&text?)),
    }
}

/// Reads a history file. It has a line for each timeline before its own: its number, where it was left, and why. A line
/// of another form is passed over.
fn forks_of(text: &[u8]) -> Vec<Place> {
    let fork = |line: &[u8]| {
        let mut words = str::from_utf8(line).ok()?.split_whitespace();
        let timeline = words.next()?.parse().ok()?;
        Some(Place { timeline, position: position(words.next()?)? })
    };
    text.split(|&byte| byte == b'\n').filter_map(fork).collect()
}

/// A position as PostgreSQL shows it.
pub fn shown(position: u64) -> String {
    format!("{:X}/{:X}", position >> 32, position & 0xFFFF_FFFF)
}

/// Reads a position as PostgreSQL shows it.
pub fn position(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    let part = |digits: &str| u32::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'));
    Some(u64::from(part(high)?) << 32 | u64::from(part(low)?))
}

/// Where the record ends after which the next one begins at this position: if that is right behind the header of a
/// page, at the begin of the page, as recovery counts.
fn end_of_record(next: u64, segment: u64) -> u64 {
    const PAGE: u64 = pg_sys::XLOG_BLCKSZ as u64;
    /// The sizes of the header of a page, and of the first page of a segment, on every platform that aligns to 8 bytes.
    const HEADER: u64 = 24;
    const FIRST_HEADER: u64 = 40;
    let header = if next % segment < PAGE { FIRST_HEADER } else { HEADER };
    if next % PAGE == header { next - header } else { next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_ends_before_the_header_that_follows_it() {
        const SEGMENT: u64 = 16 << 20;
        let (page, segment) = (5 * SEGMENT + 3 * 8192, 6 * SEGMENT);
        assert_eq!(end_of_record(page + 24, SEGMENT), page);
        assert_eq!(end_of_record(page + 32, SEGMENT), page + 32);
        assert_eq!(end_of_record(page + 40, SEGMENT), page + 40);
        assert_eq!(end_of_record(page, SEGMENT), page);
        assert_eq!(end_of_record(segment + 40, SEGMENT), segment);
        assert_eq!(end_of_record(segment + 24, SEGMENT), segment + 24);
        assert_eq!(end_of_record(segment + 48, SEGMENT), segment + 48);
    }

    #[test]
    fn a_history_is_read_as_postgresql_writes_it() {
        let text = b"1\t0/3000148\tno recovery target specified\n\n# a comment\n\
                     2\tA/FF\tbefore 2026-11-30 10:00:00+00\nnonsense\n4\n";
        let at = |timeline, position| Place { timeline, position };
        assert_eq!(forks_of(text), [at(1, 0x300_0148), at(2, 0xA_0000_00FF)]);
        assert_eq!(forks_of(b""), []);
    }

    #[test]
    fn a_position_reads_as_it_is_shown() {
        for at in [0, 0x300_0148, 0xA_0000_00FF, u64::MAX] {
            assert_eq!(position(&shown(at)), Some(at));
        }
        for text in ["", "/", "1", "1/", "+1/0", "0/+1", "0/100000000", "0/1/2", "G/0"] {
            assert_eq!(position(text), None, "{text}");
        }
    }
}
