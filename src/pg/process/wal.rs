//! How far this server has come: its timeline, and its position in the write-ahead log.

use pgrx::pg_sys;

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
}
