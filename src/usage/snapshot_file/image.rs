//! An image of the shared memory as bytes: 64-bit numbers in little-endian order, then a checksum.

use std::mem;

use crate::usage::slots::{Numbers, OpenBatch, Saved, Slot, Slots, UNREACHED, VERDICTS, WORDS, halves, whole};

/// The number that an image begins with. Its last byte is the version of the format.
const MAGIC: u64 = u64::from_be_bytes(*b"tokauth\x04");

/// That of the version before, whose databases have no rounds.
const BEFORE_ROUNDS: u64 = u64::from_be_bytes(*b"tokauth\x03");

/// All that is kept over a stop.
#[derive(Default, PartialEq, Eq, Debug)]
pub struct Image {
    databases: Vec<DatabaseImage>,
    saved: Saved,
}

#[derive(PartialEq, Eq, Debug)]
struct DatabaseImage {
    oid: u32,
    reset: i64,
    open: Option<OpenBatch>,
    /// The memory that the last round of the worker was noted for, if no use was lost since.
    noted: [u8; 16],
    counts: [u64; VERDICTS],
}

impl Image {
    /// Takes an image of memory that no other process uses any more.
    pub fn of(slots: Slots<'_>) -> Self {
        let databases = slots.header.databases.each().map(|database| DatabaseImage {
            oid: database.oid(),
            reset: database.reset(),
            open: database.open(),
            noted: database
                .noted()
                .filter(|(_, lost_then)| *lost_then == slots.lost(database))
                .map_or([0; 16], |(node, _)| node),
            counts: database.counts(),
        });
        Image { databases: databases.collect(), saved: slots.save() }
    }

    /// Takes out of it whose rounds of the worker it continues, by database.
    pub fn take_rounds(&mut self) -> Vec<(u32, [u8; 16])> {
        let rounds = self.databases.iter_mut().map(|database| (database.oid, mem::take(&mut database.noted)));
        rounds.filter(|(_, node)| *node != [0; 16]).collect()
    }

    /// Restores the image in new memory, and returns for how many uses there was no room.
    pub fn restore(self, slots: Slots<'_>, now: i64) -> u64 {
        for DatabaseImage { oid, reset, open, noted: _, counts } in self.databases {
            if let Some(database) = slots.header.databases.find(oid, reset) {
                database.restore(counts, reset, open);
                database.wait(now);
            }
        }
        slots.restore(&self.saved, now)
    }

    /// The image in the format of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut put = |number: u64| bytes.extend(number.to_le_bytes());
        let Saved { node, last_batch, kept, slots } = &self.saved;
        let ((high, low), (kept_high, kept_low)) = (halves(*node), halves(kept.node));
        [MAGIC, high, low, *last_batch, kept_high, kept_low, kept.first, kept.end].into_iter().for_each(&mut put);
        [self.databases.len() as u64, slots.len() as u64].into_iter().for_each(&mut put);
        for database in &self.databases {
            put(u64::from(database.oid));
            put(database.reset.cast_unsigned());
            let open = database.open.unwrap_or(OpenBatch { node: [0; 16], batch: 0 });
            let (high, low) = halves(open.node);
            [high, low, open.batch].into_iter().for_each(&mut put);
            let (high, low) = halves(database.noted);
            [high, low].into_iter().for_each(&mut put);
            database.counts.into_iter().for_each(&mut put);
        }
        slots.iter().flatten().copied().for_each(&mut put);
        let checksum = crc32fast::hash(&bytes);
        bytes.extend(u64::from(checksum).to_le_bytes());
        bytes
    }

    /// Reads an image; `None` unless every byte is as it was written. What no memory can have counted nobody has
    /// written, even if the checksum is right.
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let (content, checksum) = bytes.split_last_chunk::<8>()?;
        if u64::from_le_bytes(*checksum) != u64::from(crc32fast::hash(content)) || content.len() % 8 != 0 {
            return None;
        }
        let mut numbers = content.chunks_exact(8).map(|chunk| u64::from_le_bytes(chunk.try_into().unwrap_or_default()));
        let mut next = || numbers.next();
        let has_rounds = match next()? {
            MAGIC => true,
            BEFORE_ROUNDS => false,
            _ => return None,
        };
        let node = whole(next()?, next()?);
        let last_batch = next()?;
        let kept = Numbers { node: whole(next()?, next()?), first: next()?, end: next()? };
        let (databases, slots) = (next()?, next()?);
        let databases = (0..databases)
            .map(|_| {
                let (oid, reset) = (u32::try_from(next()?).ok()?, next()?.cast_signed());
                let (node, batch) = (whole(next()?, next()?), next()?);
                let open = (batch != 0).then_some(OpenBatch { node, batch });
                let noted = if has_rounds { whole(next()?, next()?) } else { [0; 16] };
                let mut counts = [0; VERDICTS];
                for count in &mut counts {
                    *count = next()?;
                }
                Some(DatabaseImage { oid, reset, open, noted, counts })
            })
            .collect::<Option<_>>()?;
        let slots = (0..slots)
            .map(|_| {
                let mut words = [0; WORDS];
                for word in &mut words {
                    *word = next()?;
                }
                Some(words)
            })
            .collect::<Option<_>>()?;
        let image = Image { databases, saved: Saved { node, last_batch, kept, slots } };
        (next().is_none() && image.is_possible()).then_some(image)
    }

    fn is_possible(&self) -> bool {
        let Saved { node: _, last_batch, kept, slots } = &self.saved;
        let of_databases = self.databases.iter().flat_map(|database| {
            let batch = database.open.map_or(0, |open| open.batch);
            database.counts.into_iter().chain([batch])
        });
        let mut numbers = of_databases.chain([*last_batch, kept.first, kept.end]);
        numbers.all(|number| number < UNREACHED) && slots.iter().all(Slot::are_possible)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::verdict::Verdict;
    use crate::pg::process::shared_memory::on_heap;
    use crate::usage::slots::{Flight, Recent, UsageKey, Use};
    use proptest::prelude::*;

    fn used() -> Slots<'static> {
        let slots = on_heap(64);
        for number in 0..20 {
            let key = UsageKey { database: 5, token: [number; 16] };
            slots.count(&key, &Use { at: 1 + i64::from(number), valid: number % 3 > 0, client: None });
        }
        let database = slots.header.databases.find(5, 77).unwrap();
        database.count(Verdict::Valid, 3);
        database.set_open(Some(OpenBatch { node: [3; 16], batch: 9 }));
        slots
    }

    #[test]
    fn memory_comes_back_from_its_image() {
        let bytes = Image::of(used()).to_bytes();
        let again = on_heap(64);
        assert_eq!(Image::of_bytes(&bytes).unwrap().restore(again, 78), 0);
        assert_eq!(Image::of_bytes(&Image::of(again).to_bytes()).unwrap().databases, Image::of(used()).databases);
        for number in 0..20 {
            let key = UsageKey { database: 5, token: [number; 16] };
            let Recent { mut record, flight } = again.recent(&key);
            let Flight { batch, requests, denials } = flight.unwrap();
            (record.requests, record.denials) = (requests, denials);
            assert_eq!(record, used().recent(&key).record);
            assert_eq!(again.batch(batch), OpenBatch { node: used().node(), batch: 1 });
        }
        let database = again.header.databases.find(5, 0).unwrap();
        assert_eq!((database.reset(), database.waiting_since()), (77, Some(78)));
    }

    #[test]
    fn what_was_taken_and_not_committed_waits_again() {
        let slots = used();
        slots.take(5, 8, &slots.waiting(5), &mut Vec::new());
        let image = Image::of(slots);
        assert_eq!(image.saved.slots.len(), 20);
        let again = on_heap(64);
        image.restore(again, 77);
        let flight = again.recent(&UsageKey { database: 5, token: [1; 16] }).flight.unwrap();
        assert_eq!((flight.requests, again.batch(flight.batch).node), (1, slots.node()));
    }

    #[test]
    fn what_was_taken_and_committed_is_not_told_again() {
        let slots = used();
        let mut taken = Vec::new();
        slots.take(5, 8, &slots.waiting(5), &mut taken);
        slots.settle(5, 8, &taken);
        let key = UsageKey { database: 5, token: [1; 16] };
        slots.count(&key, &Use { at: 100, valid: true, client: None });
        let again = on_heap(64);
        Image::of(slots).restore(again, 77);
        let recent = again.recent(&key);
        assert_eq!((recent.record.requests, recent.flight.unwrap().requests), (0, 1), "only what came later");
    }

    #[test]
    fn what_was_handed_out_is_still_out_after_a_stop() {
        let slots = used();
        slots.take(5, 9, &slots.waiting(5), &mut Vec::new());
        let again = on_heap(64);
        Image::of_bytes(&Image::of(slots).to_bytes()).unwrap().restore(again, 77);
        let recent = again.recent(&UsageKey { database: 5, token: [1; 16] });
        assert_eq!((recent.record.requests, recent.flight.unwrap().batch), (0, 9));
    }

    #[test]
    fn no_other_bytes_are_an_image() {
        let bytes = Image::of(used()).to_bytes();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(Image::of_bytes(&changed), None, "a bit of byte {at}");
        }
        for length in 0..bytes.len() {
            assert_eq!(Image::of_bytes(&bytes[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn numbers_that_no_memory_has_are_no_image() {
        let bytes = Image::of(used()).to_bytes();
        let numbers: Vec<u64> = bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let with = |at: usize, number: u64| {
            let mut numbers = numbers[..numbers.len() - 1].to_vec();
            numbers[at] = number;
            let content: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            let checksum = u64::from(crc32fast::hash(&content));
            Image::of_bytes(&[&content[..], &checksum.to_le_bytes()].concat())
        };
        // Whatever is accepted can be restored, saved, and read again, in whichever place the number is.
        let mut refused = 0;
        for at in 1..numbers.len() - 1 {
            for number in [u64::MAX, u64::MAX - 1, 1 << 63, UNREACHED, UNREACHED >> 2] {
                let Some(image) = with(at, number) else {
                    refused += 1;
                    continue;
                };
                let slots = on_heap(64);
                image.restore(slots, 77);
                let waiting = slots.waiting(5);
                slots.take(5, 1, &waiting, &mut Vec::new());
                assert!(Image::of_bytes(&Image::of(slots).to_bytes()).is_some(), "word {at} as {number}");
            }
        }
        assert!(refused > 100, "{refused}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_reading_panic(mut numbers: Vec<u64>) {
            numbers.insert(0, MAGIC);
            let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            let checksum = u64::from(crc32fast::hash(&bytes));
            bytes.extend(checksum.to_le_bytes());
            let _ = Image::of_bytes(&bytes);
        }
    }
}
