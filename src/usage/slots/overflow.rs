//! Where records go that have lost their slot and still have something to lose.
//!
//! Who fills it makes room: if a page is full, it gives up what is written already, then the database with most records
//! in the page gives up the one that was used longest ago.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::Tagged;
use super::group::Group;
use super::slot::{Slot, UsageKey, WORDS};

/// How many places a page has. When memory is full each newcomer searches some pages, so they are small.
pub const PLACES: usize = 32;

/// How long a record with nothing to lose keeps a place that nobody needs, in microseconds: a reader whose snapshot is
/// older than the last batch still adds its flight.
const LONG: u64 = 60_000_000;

/// The places that a token's record may have in the overflow.
pub type OverflowPage = Group<PLACES>;

/// All pages.
#[derive(Clone, Copy)]
pub struct Overflow<'a> {
    pages: &'a [OverflowPage],
    /// How many places are occupied: while none is, no page need be searched.
    occupied: &'a AtomicU32,
}

/// What became of a record.
pub enum Placement {
    /// It has a place.
    Placed,
    /// It has the place of another, whose uses were these.
    Replaced(u64),
    /// There is no place for it.
    Refused,
}

impl<'a> Overflow<'a> {
    pub fn over(pages: &'a [OverflowPage], occupied: &'a AtomicU32) -> Self {
        Overflow { pages, occupied }
    }

    pub fn pages(&self) -> &'a [OverflowPage] {
        self.pages
    }

    /// The two pages in which a token's record may be. With one, some would be full when most have room.
    fn pages_of(&self, hash: u64) -> [&'a OverflowPage; 2] {
        // The sets are chosen by the upper half.
        let page = |bits: u32| &self.pages[(u64::from(bits) as usize * self.pages.len()) >> 32];
        let bits = hash as u32;
        [page(bits), page(bits.wrapping_mul(0x9E37_79B1))]
    }

    /// Asks for the pages in which a token's record may be.
    #[inline]
    pub fn prefetch(&self, tagged: Tagged) {
        if self.occupied.load(Relaxed) > 0 {
            self.pages_of(tagged.hash).into_iter().for_each(Group::prefetch);
        }
    }

    /// Acts on the record of a token, whose set's flag the caller holds: so it can be found nowhere else meanwhile.
    pub fn with<T>(&self, key: &UsageKey, tagged: Tagged, act: impl FnOnce(&OverflowPage, usize) -> T) -> Option<T> {
        if self.occupied.load(Relaxed) == 0 {
            return None;
        }
        for page in self.pages_of(tagged.hash).into_iter().filter(|page| page.may_have(tagged.tag)) {
            let held = page.hold()?;
            if let Some(at) = page.find(key, tagged.tag) {
                return Some(act(page, at));
            }
            drop(held);
        }
        None
    }

    /// Takes out the record of a token, whose set's flag the caller holds.
    pub fn remove(&self, key: &UsageKey, tagged: Tagged) -> Option<[u64; WORDS]> {
        self.with(key, tagged, |page, at| {
            page.vacate(at);
            self.occupied.fetch_sub(1, Relaxed);
            page.slot(at).words()
        })
    }

    /// Puts in a copy of a record whose set's flag the caller holds. One with nothing to lose gets a free place only.
    pub fn put(&self, record: &Slot, now: i64) -> Placement {
        let tagged = Tagged::of(&record.key());
        let pages = self.pages_of(tagged.hash);
        let mut page = fewer(pages, |page| page.occupied().count());
        if page.free(0).is_none() && record.is_worth_keeping(now) {
            page = fewer(pages, |page| with_something_to_lose(page, now));
        }
        let Some(_held) = page.hold() else { return Placement::Refused };
        let mut put = Placement::Placed;
        let at = if let Some(at) = page.free(0) {
            self.occupied.fetch_add(1, Relaxed);
            at
        } else if record.is_worth_keeping(now)
            && let Some(at) = replaceable(page, now)
        {
            let uses = page.slot(at).waiting_uses();
            if uses > 0 {
                put = Placement::Replaced(uses);
            }
            at
        } else {
            return Placement::Refused;
        };
        page.slot(at).copy(record);
        page.occupy(at, tagged.tag);
        put
    }

    /// Frees the places of records that have had nothing to lose for long.
    pub fn tidy(&self, now: i64) {
        if self.occupied.load(Relaxed) == 0 {
            return;
        }
        for page in self.pages {
            let Some(_held) = page.hold() else { continue };
            let is_idle = |slot: &Slot| !slot.is_worth_keeping(now) && slot.idle(now) > LONG;
            for at in page.occupied().filter(|&at| is_idle(page.slot(at))) {
                page.vacate(at);
                self.occupied.fetch_sub(1, Relaxed);
            }
        }
    }
}

/// That of two pages which has fewer of what is counted.
fn fewer(pages: [&OverflowPage; 2], count: impl Fn(&OverflowPage) -> usize) -> &OverflowPage {
    let [one, other] = pages;
    if count(other) < count(one) { other } else { one }
}

/// How many records of a page cannot make room without a loss; more than it has places if nobody can tell.
fn with_something_to_lose(page: &OverflowPage, now: i64) -> usize {
    page.hold().map_or(PLACES + 1, |_held| page.occupied().filter(|&at| page.slot(at).is_worth_keeping(now)).count())
}

/// The place in a full page whose record is to make room. One in an open flight never does: it is to be settled there.
fn replaceable(page: &OverflowPage, now: i64) -> Option<usize> {
    let of = |at: usize| page.slot(at).database();
    let with_nothing = page.longest_idle(now, |slot| !slot.is_worth_keeping(now));
    let with_bucket = || page.longest_idle(now, |slot| !slot.is_waiting() && !slot.is_in_open_flight());
    let with_uses = || {
        let database =
            page.occupied().map(of).max_by_key(|&this| page.occupied().filter(|&at| of(at) == this).count())?;
        page.longest_idle(now, |slot| slot.database() == database && !slot.is_in_open_flight())
            .or_else(|| page.longest_idle(now, |slot| !slot.is_in_open_flight()))
    };
    with_nothing.or_else(with_bucket).or_else(with_uses)
}
