//! What is kept per database: counts of verdicts, and whether anything waits to be written.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

use super::flag::Flag;
use super::moment::has_passed;
use super::slot::Word;
use super::{halves, whole};
use crate::model::verdict::Verdict;

/// How many databases can have usage. Those that find no place go uncounted, which `doctor()` tells in each of them.
pub const DATABASES: usize = 1024;

/// How many verdicts there are.
pub const VERDICTS: usize = Verdict::ALL.len();

/// Each backend adds to one of several stripes, so that processors do not contend for one cache line.
const STRIPES: usize = 16;

/// Counters of one stripe.
#[repr(C, align(128))]
struct Stripe([AtomicU64; VERDICTS]);

/// One database.
#[repr(C)]
pub struct Database {
    oid: AtomicU32,
    waiting_since: AtomicU64,
    is_unfinished: AtomicBool,
    is_served: AtomicBool,
    tended: AtomicU64,
    /// When a worker last found that the database is a reader; 0 if it was none.
    reader: AtomicU64,
    needs_beats: AtomicBool,
    /// Held while a batch is handed out, so that two calls cannot hand out different ones.
    pub exporting: Flag,
    reset: Word,
    sampled: AtomicU64,
    open: [Word; 3],
    /// How many uses of tokens were left out, since they were not to be counted.
    left_out: AtomicU64,
    /// The memory that the last round of the worker was noted for, this one or one that it took over from, and how many
    /// uses had been lost by then.
    noted: [Word; 2],
    lost_then: AtomicU64,
    /// The token up to which the round that is not finished has looked for idle ones.
    idle_after: [Word; 2],
    stripes: [Stripe; STRIPES],
}

/// A batch, such as the one that a standby has handed out and not yet seen arrive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenBatch {
    /// The memory that it is of.
    pub node: [u8; 16],
    /// Its number.
    pub batch: u64,
}

/// Every database with usage.
#[repr(C)]
pub struct Databases {
    flag: Flag,
    /// The object identifier in each place; 0 if it is free. Beside each other, since a search reads all of them, and
    /// one under the flag must not take long.
    oids: [AtomicU32; DATABASES],
    all: [Database; DATABASES],
}

impl Databases {
    /// Returns the database with this oid, adding it as of `now` if it is not known; `None` when there are too many.
    pub fn find(&self, oid: u32, now: i64) -> Option<&Database> {
        if let Some(place) = self.place_of(oid) {
            return Some(&self.all[place]);
        }
        let _held = self.flag.hold()?;
        // Another process may have added it meanwhile.
        if let Some(place) = self.place_of(oid) {
            return Some(&self.all[place]);
        }
        let place = self.place_of(0)?;
        let database = &self.all[place];
        database.reset.set_moment(now);
        database.oid.store(oid, Release);
        self.oids[place].store(oid, Release);
        Some(database)
    }

    fn place_of(&self, oid: u32) -> Option<usize> {
        self.oids.iter().position(|place| place.load(Acquire) == oid)
    }

    /// The database with this oid, if it is known.
    pub fn known(&self, oid: u32) -> Option<&Database> {
        self.place_of(oid).filter(|_| oid != 0).map(|place| &self.all[place])
    }

    /// All databases known.
    pub fn each(&self) -> impl Iterator<Item = &Database> {
        self.oids.iter().zip(&self.all).filter(|(oid, _)| oid.load(Acquire) != 0).map(|(_, database)| database)
    }

    /// Frees the place of a database that no longer exists, so that no process can be connected to it.
    pub fn forget(&self, database: &Database) {
        let _held = self.flag.hold();
        let place = self.place_of(database.oid());
        database.waiting_since.store(0, Relaxed);
        database.is_unfinished.store(false, Relaxed);
        database.is_served.store(false, Relaxed);
        database.tended.store(0, Relaxed);
        database.reader.store(0, Relaxed);
        database.needs_beats.store(false, Relaxed);
        database.sampled.store(0, Relaxed);
        database.set_open(None);
        database.set_noted([0; 16], 0);
        database.set_idle_after([0; 16]);
        database.left_out.store(0, Relaxed);
        database.stripes.iter().flat_map(|stripe| &stripe.0).for_each(|count| count.store(0, Relaxed));
        database.oid.store(0, Release);
        if let Some(place) = place {
            self.oids[place].store(0, Release);
        }
    }
}

impl Database {
    /// Its object identifier.
    pub fn oid(&self) -> u32 {
        self.oid.load(Acquire)
    }

    #[inline]
    pub fn count(&self, verdict: Verdict, stripe: u32) {
        self.stripes[stripe as usize % STRIPES].0[verdict as usize].fetch_add(1, Relaxed);
    }

    /// How often each verdict was given, in the order of [`Verdict::ALL`].
    pub fn counts(&self) -> [u64; VERDICTS] {
        std::array::from_fn(|verdict| self.stripes.iter().map(|stripe| stripe.0[verdict].load(Relaxed)).sum())
    }

    /// Since when verdicts are counted.
    pub fn reset(&self) -> i64 {
        self.reset.moment()
    }

    /// Records that a use of a token was not counted.
    pub fn leave_out(&self) {
        self.left_out.fetch_add(1, Relaxed);
    }

    /// How many were not.
    pub fn left_out(&self) -> u64 {
        self.left_out.load(Relaxed)
    }

    /// The memory of which the last round is noted, and how many uses had been lost by then.
    pub fn noted(&self) -> Option<([u8; 16], u64)> {
        let node = whole(self.noted[0].get(), self.noted[1].get());
        (node != [0; 16]).then(|| (node, self.lost_then.load(Relaxed)))
    }

    /// Records that a round is noted, in the name of this memory.
    pub fn set_noted(&self, node: [u8; 16], lost: u64) {
        let (high, low) = halves(node);
        self.noted[0].set(high);
        self.noted[1].set(low);
        self.lost_then.store(lost, Relaxed);
    }

    /// The token up to which the worker has looked for idle ones in the round that it is in.
    pub fn idle_after(&self) -> [u8; 16] {
        whole(self.idle_after[0].get(), self.idle_after[1].get())
    }

    /// Sets that token.
    pub fn set_idle_after(&self, token: [u8; 16]) {
        let (high, low) = halves(token);
        self.idle_after[0].set(high);
        self.idle_after[1].set(low);
    }

    /// Continues from saved values.
    pub fn restore(&self, counts: [u64; VERDICTS], reset: i64, open: Option<OpenBatch>) {
        self.stripes[0].0.iter().zip(counts).for_each(|(count, saved)| count.store(saved, Relaxed));
        self.reset.set_moment(reset);
        self.set_open(open);
    }

    /// Records that uses wait to be written, since this moment unless some wait already.
    #[inline]
    pub fn wait(&self, since: i64) {
        if self.waiting_since.load(Relaxed) == 0 {
            self.waiting_since.store(since.cast_unsigned(), Release);
        }
    }

    /// Since when uses may have been waiting to be written.
    pub fn waiting_since(&self) -> Option<i64> {
        Some(self.waiting_since.load(Relaxed).cast_signed()).filter(|&since| since != 0)
    }

    /// Records that no uses wait. Called before they are taken, so that one that comes meanwhile is not missed.
    pub fn begin_writing(&self) {
        self.waiting_since.store(0, Release);
    }

    /// Records that a worker has left uses unwritten, which have waited since this moment.
    pub fn leave(&self, since: i64) {
        self.wait(since);
        self.is_unfinished.store(true, Relaxed);
    }

    /// Whether a worker has left uses since the last call.
    pub fn was_left(&self) -> bool {
        self.is_unfinished.swap(false, Relaxed)
    }

    /// Records that a worker has come to an orderly end, or that one is about to begin.
    pub fn set_served(&self, is_served: bool) {
        self.is_served.store(is_served, Relaxed);
    }

    /// Whether the last worker has come to an orderly end.
    pub fn was_served(&self) -> bool {
        self.is_served.load(Relaxed)
    }

    /// Whether uses wait to be written, or the hourly work is due.
    pub fn needs_worker(&self, now: i64) -> bool {
        (self.waiting_since().is_some() || self.is_due(now)) && !self.is_left_alone(now)
    }

    /// Records that a worker has found the database to be a reader at this moment, or none.
    pub fn set_reader(&self, found: Option<i64>) {
        self.reader.store(found.unwrap_or_default().cast_unsigned(), Relaxed);
    }

    /// Whether it was a reader when a worker last looked.
    pub fn is_reader(&self) -> bool {
        self.reader.load(Relaxed) != 0
    }

    /// Whether no worker is to come: it was a reader a moment ago, where none writes anything.
    pub fn is_left_alone(&self, now: i64) -> bool {
        const WHILE: i64 = 20_000_000;
        self.is_reader() && !has_passed(WHILE, self.reader.load(Relaxed).cast_signed(), now)
    }

    /// Whether beats are to be written in it.
    pub fn needs_beats(&self) -> bool {
        self.needs_beats.load(Relaxed)
    }

    /// Records whether beats are to be written in it.
    pub fn set_needs_beats(&self, needs_beats: bool) {
        self.needs_beats.store(needs_beats, Relaxed);
    }

    /// Whether the hourly work, which does not depend on usage, is due.
    pub fn is_due(&self, now: i64) -> bool {
        const HOUR: i64 = 3_600_000_000;
        has_passed(HOUR, self.tended.load(Relaxed).cast_signed(), now)
    }

    /// When the hourly work was last done, since the server was started.
    pub fn tended(&self) -> Option<i64> {
        Some(self.tended.load(Relaxed).cast_signed()).filter(|&tended| tended != 0)
    }

    /// Records that the hourly work is done.
    pub fn set_tended(&self, now: i64) {
        self.tended.store(now.cast_unsigned(), Relaxed);
    }

    /// Whether a denial at this moment, without a known token, is to become an event: one every ten seconds is.
    pub fn is_sample(&self, now: i64) -> bool {
        const SAMPLING: i64 = 10_000_000;
        let last = self.sampled.load(Relaxed);
        has_passed(SAMPLING, last.cast_signed(), now)
            && self.sampled.compare_exchange(last, now.cast_unsigned(), Relaxed, Relaxed).is_ok()
    }

    /// The batch that was handed out and is not known to have arrived.
    pub fn open(&self) -> Option<OpenBatch> {
        let [high, low, batch] = [0, 1, 2].map(|index| self.open[index].get());
        (batch != 0).then(|| OpenBatch { node: whole(high, low), batch })
    }

    /// Sets the batch that is handed out, or none.
    pub fn set_open(&self, open: Option<OpenBatch>) {
        let (high, low) = open.map_or((0, 0), |open| halves(open.node));
        self.open[0].set(high);
        self.open[1].set(low);
        self.open[2].set(open.map_or(0, |open| open.batch));
    }
}
