//! What the fence file says: how far a cluster has come. Pure.

use crate::pg::process::wal::{Place, position, shown};

/// The longest text of a record, in bytes.
pub const MOST_BYTES: usize = 256;

/// The first line, with the version of the form.
const TITLE: &str = "tokenauth fence 1";

/// A cluster, how far it had come, and how often that was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// The system identifier of the cluster.
    pub system: u64,
    /// Up to where it has written.
    pub place: Place,
    /// Higher in each record than in the one before: by it the server that wrote it knows it again.
    pub counter: u64,
}

impl Record {
    /// The text of the file.
    pub fn to_text(self) -> String {
        let Record { system, place: Place { timeline, position }, counter } = self;
        let position = shown(position);
        format!("{TITLE}\nsystem {system}\ntimeline {timeline}\nposition {position}\ncounter {counter}\n")
    }

    /// The cluster and how far it had come, in one line.
    pub fn to_line(self) -> String {
        let Record { system, place: Place { timeline, position }, .. } = self;
        format!("{system}/{timeline}/{}", shown(position))
    }

    /// Reads a text that [`to_text`](Self::to_text) has made; `None` for any other.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut lines = str::from_utf8(text).ok()?.strip_suffix('\n')?.split('\n');
        let mut value = |name: &str| lines.next()?.strip_prefix(name);
        value(TITLE)?.is_empty().then_some(())?;
        let record = Record {
            system: value("system ")?.parse().ok()?,
            place: Place { timeline: value("timeline ")?.parse().ok()?, position: position(value("position ")?)? },
            counter: value("counter ")?.parse().ok()?,
        };
        (lines.next().is_none() && record.to_text().as_bytes() == text).then_some(record)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_record_reads_as_it_is_written() {
        let record = Record {
            system: 7_301_234_567_890_123_456,
            place: Place { timeline: 3, position: 0x1_016B_3748 },
            counter: 42,
        };
        let text = "tokenauth fence 1\nsystem 7301234567890123456\ntimeline 3\nposition 1/16B3748\ncounter 42\n";
        assert_eq!(record.to_text(), text);
        assert_eq!(Record::parse(text.as_bytes()), Some(record));
        assert!(text.len() < MOST_BYTES);
    }

    #[test]
    fn a_text_that_is_not_whole_is_no_record() {
        let record = Record { system: 12, place: Place { timeline: 34, position: 56 }, counter: 78 };
        let text = record.to_text();
        for end in 0..text.len() {
            assert_eq!(Record::parse(&text.as_bytes()[..end]), None, "{end}");
        }
        for other in [
            text.replace("fence 1", "fence 2"),
            text.replace("12", "+12"),
            text.replace("78", "078"),
            text.replace("0/38", "0/+38"),
            text.replace("0/38", "0/G"),
            text.replace('\n', "\r\n"),
            format!("{text}\n"),
            format!("{text}counter 79\n"),
        ] {
            assert_eq!(Record::parse(other.as_bytes()), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn every_record_reads_as_it_is_written(
            system in any::<u64>(), timeline in any::<u32>(), position in any::<u64>(), counter in any::<u64>(),
        ) {
            let record = Record { system, place: Place { timeline, position }, counter };
            prop_assert!(record.to_text().len() <= MOST_BYTES);
            prop_assert_eq!(Record::parse(record.to_text().as_bytes()), Some(record));
        }

        #[test]
        fn arbitrary_bytes_never_panic(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(Record::parse(&text), None);
        }
    }
}
