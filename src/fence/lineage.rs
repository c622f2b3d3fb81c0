//! Whether a server has in its past what the fence file says a cluster has come to. Pure.

use super::record::{Record, position};
use crate::pg::process::wal::Place;

/// Where each timeline was left for the next one, of a history file of PostgreSQL. It has a line for each timeline
/// before its own: its number, where it was left, and why. A line of another form is passed over.
pub fn forks(text: &[u8]) -> Vec<Place> {
    let fork = |line: &[u8]| {
        let mut words = str::from_utf8(line).ok()?.split_whitespace();
        let timeline = words.next()?.parse().ok()?;
        Some(Place { timeline, position: position(words.next()?)? })
    };
    text.split(|&byte| byte == b'\n').filter_map(fork).collect()
}

/// Whether a server of this system has gone through what the record says: it is on the record's timeline and not before
/// its position, or on a timeline whose history left that one not before it.
pub fn includes(system: u64, at: Place, forks: &[Place], record: &Record) -> bool {
    let written = record.place;
    let left = || forks.iter().find(|fork| fork.timeline == written.timeline).map(|fork| fork.position);
    let reached = if at.timeline == written.timeline { Some(at.position) } else { left() };
    system == record.system && reached.is_some_and(|reached| reached >= written.position)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYSTEM: u64 = 7;
    const RECORD: Record = Record { system: SYSTEM, place: Place { timeline: 2, position: 500 }, counter: 1 };

    fn at(timeline: u32, position: u64) -> Place {
        Place { timeline, position }
    }

    #[test]
    fn on_the_same_timeline_the_position_decides() {
        for (position, expected) in [(0, false), (499, false), (500, true), (501, true)] {
            assert_eq!(includes(SYSTEM, at(2, position), &[], &RECORD), expected, "{position}");
        }
    }

    #[test]
    fn on_a_later_timeline_it_is_where_the_history_left_the_records() {
        let forks = |position| [at(1, 900), at(2, position)];
        for (position, expected) in [(499, false), (500, true), (600, true)] {
            assert_eq!(includes(SYSTEM, at(3, 5000), &forks(position), &RECORD), expected, "{position}");
        }
    }

    #[test]
    fn other_timelines_and_systems_have_nothing_of_it() {
        // A sibling of the record's timeline, an earlier one, and one whose history is not known.
        assert!(!includes(SYSTEM, at(3, 5000), &[at(1, 900)], &RECORD));
        assert!(!includes(SYSTEM, at(1, 5000), &[], &RECORD));
        assert!(!includes(SYSTEM, at(3, 5000), &[], &RECORD));
        assert!(!includes(SYSTEM + 1, at(2, 5000), &[], &RECORD));
    }

    #[test]
    fn a_history_is_read_as_postgresql_writes_it() {
        let text = b"1\t0/3000148\tno recovery target specified\n\n# a comment\n\
                     2\tA/FF\tbefore 2026-11-30 10:00:00+00\nnonsense\n4\n";
        assert_eq!(forks(text), [at(1, 0x300_0148), at(2, 0xA_0000_00FF)]);
        assert_eq!(forks(b""), []);
    }
}
