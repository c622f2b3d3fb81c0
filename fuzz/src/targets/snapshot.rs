//! The file of usage that is written at a stop and read at the next start.

use crate::usage::slots::{Header, OverflowPage, SlotSet, Slots, UNREACHED, layout};
use crate::usage::snapshot_file::image::Image;

/// For how many slots there is memory.
const SLOTS: usize = 16;

/// The moment of the start, in microseconds since 2000.
const NOW: i64 = 800_000_000_000_000;

/// A file of any content is refused or restored; what was restored can be written again.
pub fn check(input: &[u8]) {
    judge(input);
    // Most files fail at the checksum: each is tried with the right one, too, and with numbers as memories have them.
    // The first word tells the format.
    let words: Vec<u64> = input.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
    judge(&with_checksum(words.iter().copied()));
    let small = |(place, &number): (usize, &u64)| if place == 0 { number } else { number % (UNREACHED >> 4) };
    if let Some(again) = judge(&with_checksum(words.iter().enumerate().map(small))) {
        assert!(Image::of_bytes(&again).is_some(), "what was restored can be saved");
    }
}

fn with_checksum(words: impl Iterator<Item = u64>) -> Vec<u8> {
    let content: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    let checksum = u64::from(crc32fast::hash(&content));
    [&content[..], &checksum.to_le_bytes()].concat()
}

/// Restores a file, and returns what is saved of it.
fn judge(file: &[u8]) -> Option<Vec<u8>> {
    let mut image = Image::of_bytes(file)?;
    assert!(Image::of_bytes(&image.to_bytes()).as_ref() == Some(&image), "an image is read as it was written");
    image.take_rounds();
    let memory = Memory::zeroed();
    image.restore(memory.slots(), NOW);
    Some(Image::of(memory.slots()).to_bytes())
}

/// Memory for slots, as the postmaster has it.
struct Memory {
    header: Box<Header>,
    sets: Box<[SlotSet]>,
    pages: Box<[OverflowPage]>,
}

impl Memory {
    fn zeroed() -> Self {
        let (sets, pages) = layout(SLOTS);
        // SAFETY: all consist of atomics, for which all zeros are valid.
        unsafe {
            Memory {
                header: Box::new_zeroed().assume_init(),
                sets: Box::new_zeroed_slice(sets).assume_init(),
                pages: Box::new_zeroed_slice(pages).assume_init(),
            }
        }
    }

    fn slots(&self) -> Slots<'_> {
        Slots::over(&self.header, &self.sets, &self.pages)
    }
}
