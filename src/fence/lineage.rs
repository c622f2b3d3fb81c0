//! Whether a server has in its past what the fence file says a cluster has come to. Pure.

use super::record::Record;
use crate::pg::process::wal::Place;

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
}
