//! Denials that wait to become events: a sample only, so that a flood of denials is no flood of events.

use super::address::Address;
use super::flag::Flag;
use super::slot::Word;
use super::{halves, whole};
use crate::model::verdict::Verdict;

/// How many can wait, of all databases together. Further denials are counted but become no events.
const MOST: usize = 256;

/// How many words a sample has.
const WORDS: usize = 11 + LABEL / 8;

/// The most bytes of a label.
pub const LABEL: usize = 64;

/// A denial that is to become an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    /// Object identifier of its database.
    pub database: u32,
    /// Object identifier of the effective user.
    pub role: u32,
    /// Object identifier of the role that logged in.
    pub session_role: u32,
    /// The token, if it is known.
    pub token: Option<[u8; 16]>,
    /// Why it was denied.
    pub verdict: Verdict,
    /// When, in microseconds since 2000.
    pub at: i64,
    /// The client, if known.
    pub client: Option<Address>,
    /// The correlation id that the caller was told; zeros if none.
    pub correlation: [u8; 16],
    /// The label of the derived token, with zeros behind it; zeros if none.
    pub label: [u8; LABEL],
}

/// The samples that wait to be written.
#[repr(C)]
pub struct Samples {
    flag: Flag,
    count: Word,
    all: [[Word; WORDS]; MOST],
}

impl Samples {
    /// Adds a sample unless there are too many.
    pub fn put(&self, sample: &Sample) {
        let Some(_held) = self.flag.hold() else { return };
        let count = self.count.get() as usize;
        if let Some(at) = self.all.get(count) {
            at.iter().zip(sample.words()).for_each(|(word, value)| word.set(value));
            self.count.set(count as u64 + 1);
        }
    }

    /// Forgets the clients of the samples of such tokens of a database.
    pub fn forget_clients(&self, database: u32, is_such: impl Fn(&[u8; 16]) -> bool) {
        let Some(_held) = self.flag.hold() else { return };
        for at in &self.all[..MOST.min(self.count.get() as usize)] {
            let sample = Sample::of_words(std::array::from_fn(|word| at[word].get()));
            if let Some(sample) = sample.filter(|sample| sample.database == database)
                && sample.token.as_ref().is_some_and(&is_such)
            {
                let without = Sample { client: None, label: [0; LABEL], ..sample };
                at.iter().zip(without.words()).for_each(|(word, value)| word.set(value));
            }
        }
    }

    /// Removes and returns the samples of a database.
    pub fn take(&self, database: u32) -> Vec<Sample> {
        let mut taken = Vec::with_capacity(MOST);
        let Some(_held) = self.flag.hold() else { return taken };
        let count = self.count.get() as usize;
        let mut kept = 0;
        for index in 0..count.min(MOST) {
            let words = std::array::from_fn(|word| self.all[index][word].get());
            match Sample::of_words(words) {
                Some(sample) if sample.database == database => taken.push(sample),
                _ => {
                    self.all[kept].iter().zip(words).for_each(|(word, value)| word.set(value));
                    kept += 1;
                }
            }
        }
        self.count.set(kept as u64);
        taken
    }
}

impl Sample {
    /// The label of the derived token that was denied.
    pub fn label(&self) -> Option<&str> {
        let length = self.label.iter().position(|&byte| byte == 0).unwrap_or(LABEL);
        str::from_utf8(&self.label[..length]).ok().filter(|label| !label.is_empty())
    }

    fn words(&self) -> [u64; WORDS] {
        let (token_high, token_low) = halves(self.token.unwrap_or_default());
        let (correlation_high, correlation_low) = halves(self.correlation);
        let [family, high, low] = self.client.map_or([0; 3], Address::words);
        let mut words = [0; WORDS];
        let (fixed, label) = words.split_at_mut(11);
        fixed.copy_from_slice(&[
            u64::from(self.database) << 32 | u64::from(self.role),
            u64::from(self.session_role) << 32 | u64::from(self.token.is_some()),
            token_high,
            token_low,
            self.verdict as u64,
            self.at.cast_unsigned(),
            family,
            high,
            low,
            correlation_high,
            correlation_low,
        ]);
        for (word, bytes) in label.iter_mut().zip(self.label.chunks(8)) {
            *word = bytes.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
        }
        words
    }

    fn of_words(words: [u64; WORDS]) -> Option<Self> {
        let mut label = [0; LABEL];
        for (bytes, word) in label.chunks_mut(8).zip(&words[11..]) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        Some(Sample {
            label,
            database: (words[0] >> 32) as u32,
            role: words[0] as u32,
            session_role: (words[1] >> 32) as u32,
            token: (words[1] & 1 == 1).then(|| whole(words[2], words[3])),
            verdict: *Verdict::ALL.get(words[4] as usize)?,
            at: words[5].cast_signed(),
            client: Address::of_words([words[6], words[7], words[8]]),
            correlation: whole(words[9], words[10]),
        })
    }
}
