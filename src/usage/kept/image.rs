//! An image of the shared memory as bytes: 64-bit numbers in little-endian order, then a checksum.

use crate::usage::slots::{OpenBatch, Slots, VERDICTS, WORDS};

/// The number that an image begins with. Its last byte is the version of the format.
const MAGIC: u64 = u64::from_be_bytes(*b"tokauth\x01");

/// All that is kept over a stop.
#[derive(Default, PartialEq, Eq, Debug)]
pub struct Image {
    last_batch: u64,
    databases: Vec<DatabaseImage>,
    slots: Vec<[u64; WORDS]>,
}

#[derive(PartialEq, Eq, Debug)]
struct DatabaseImage {
    oid: u32,
    reset: i64,
    open: Option<OpenBatch>,
    counts: [u64; VERDICTS],
}

impl Image {
    /// Takes an image of memory that no other process uses any more.
    pub fn of(slots: Slots<'_>) -> Self {
        let mut image = Image { last_batch: slots.last_batch(), ..Image::default() };
        let mut handed_out = Vec::new();
        for database in slots.header.databases.each() {
            let open = database.open();
            handed_out.extend(open.map(|open| (database.oid(), open.batch)));
            image.databases.push(DatabaseImage {
                oid: database.oid(),
                reset: database.reset(),
                open,
                counts: database.counts(),
            });
        }
        slots.each(None, |slot| {
            // The worker that had taken it has ended without a commit.
            if let Some(batch) = slot.open_flight().filter(|&batch| !handed_out.contains(&(slot.key().database, batch)))
            {
                slot.give_back(batch);
            }
            // The next memory has another number, so the batch would seem unwritten and its uses would count twice.
            slot.forget_settled();
            if slot.is_worth_keeping() {
                image.slots.push(slot.words());
            }
        });
        image
    }

    /// Restores the image in new memory, and returns for how many slots there was no room.
    pub fn restore(self, slots: Slots<'_>) -> usize {
        slots.continue_after(self.last_batch);
        for DatabaseImage { oid, reset, open, counts } in self.databases {
            if let Some(database) = slots.header.databases.find(oid, reset) {
                database.restore(counts, reset, open);
                database.wait(reset);
            }
        }
        self.slots.into_iter().filter(|&words| !slots.restore(words)).count()
    }

    /// The image in the format of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut put = |number: u64| bytes.extend(number.to_le_bytes());
        for number in [MAGIC, self.last_batch, self.databases.len() as u64, self.slots.len() as u64] {
            put(number);
        }
        for database in &self.databases {
            put(u64::from(database.oid));
            put(database.reset.cast_unsigned());
            let open = database.open.unwrap_or(OpenBatch { node: [0; 16], batch: 0 });
            let node = u128::from_be_bytes(open.node);
            for number in [(node >> 64) as u64, node as u64, open.batch] {
                put(number);
            }
            database.counts.into_iter().for_each(&mut put);
        }
        self.slots.iter().flatten().copied().for_each(&mut put);
        let checksum = crc32fast::hash(&bytes);
        bytes.extend(u64::from(checksum).to_le_bytes());
        bytes
    }

    /// Reads an image; `None` unless every byte is as it was written.
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let (content, checksum) = bytes.split_last_chunk::<8>()?;
        if u64::from_le_bytes(*checksum) != u64::from(crc32fast::hash(content)) || content.len() % 8 != 0 {
            return None;
        }
        let mut numbers = content.chunks_exact(8).map(|chunk| u64::from_le_bytes(chunk.try_into().unwrap_or_default()));
        let mut next = || numbers.next();
        if next()? != MAGIC {
            return None;
        }
        let last_batch = next()?;
        let (databases, slots) = (next()?, next()?);
        let databases = (0..databases)
            .map(|_| {
                let (oid, reset) = (u32::try_from(next()?).ok()?, next()?.cast_signed());
                let (high, low, batch) = (next()?, next()?, next()?);
                let node = ((u128::from(high) << 64) | u128::from(low)).to_be_bytes();
                let open = (batch != 0).then_some(OpenBatch { node, batch });
                let mut counts = [0; VERDICTS];
                for count in &mut counts {
                    *count = next()?;
                }
                Some(DatabaseImage { oid, reset, open, counts })
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
        next().is_none().then_some(Image { last_batch, databases, slots })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::shared_memory::on_heap;
    use crate::usage::slots::{Key, Use};
    use crate::verdict::Verdict;
    use proptest::prelude::*;

    fn used() -> Slots<'static> {
        let slots = on_heap(64);
        for number in 0..20 {
            let key = Key { database: 5, token: [number; 16] };
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
        assert_eq!(Image::of_bytes(&bytes).unwrap().restore(again), 0);
        assert_eq!(Image::of_bytes(&Image::of(again).to_bytes()).unwrap().databases, Image::of(used()).databases);
        for number in 0..20 {
            let key = Key { database: 5, token: [number; 16] };
            assert_eq!(again.recent(&key).record, used().recent(&key).record);
        }
        let database = again.header.databases.find(5, 0).unwrap();
        assert_eq!((database.reset(), database.waiting_since()), (77, Some(77)));
    }

    #[test]
    fn what_was_taken_and_not_committed_waits_again() {
        let slots = used();
        slots.take(5, 8, &slots.waiting(5), &mut Vec::new());
        let image = Image::of(slots);
        assert_eq!(image.slots.len(), 20);
        let again = on_heap(64);
        image.restore(again);
        assert_eq!(again.recent(&Key { database: 5, token: [1; 16] }).record.requests, 1);
    }

    #[test]
    fn what_was_taken_and_committed_is_not_told_again() {
        let slots = used();
        let mut taken = Vec::new();
        slots.take(5, 8, &slots.waiting(5), &mut taken);
        slots.settle(8, &taken);
        let key = Key { database: 5, token: [1; 16] };
        slots.count(&key, &Use { at: 100, valid: true, client: None });
        let again = on_heap(64);
        Image::of(slots).restore(again);
        let recent = again.recent(&key);
        assert_eq!((recent.record.requests, recent.flights), (1, [None; 4]));
    }

    #[test]
    fn what_was_handed_out_is_still_out_after_a_stop() {
        let slots = used();
        slots.take(5, 9, &slots.waiting(5), &mut Vec::new());
        let again = on_heap(64);
        Image::of_bytes(&Image::of(slots).to_bytes()).unwrap().restore(again);
        let recent = again.recent(&Key { database: 5, token: [1; 16] });
        assert_eq!((recent.record.requests, recent.flights[0].unwrap().batch), (0, 9));
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
