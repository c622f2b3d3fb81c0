//! Which database the launcher starts a worker for, and when.
//!
//! Each database in turn, every `tokenauth.usage_flush_interval`; one that a worker has left unfinished again soon; and
//! while memory is filling, every other time the one of which most waits, so that neither starves the other. Beats come
//! first: one every two seconds in each database that needs them. Which do is looked up in all of them after a start
//! and once an hour: after a crash, nobody else would know.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::slots::Slots;
use crate::settings;

/// How long a database has no worker between two. DROP DATABASE checks ten times a second whether anybody is connected.
const WORKER_PAUSE: Duration = Duration::from_millis(150);

/// How long it has none after one that has failed, or could not be started.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How often a beat is written.
const BEAT: Duration = Duration::from_secs(2);

/// How often all databases are looked at for whether they need beats.
const LOOK: Duration = Duration::from_secs(3600);

/// What the launcher does next.
pub enum Next {
    /// It starts a worker in this database that writes usage.
    Serve(u32),
    /// It starts a worker in this database that looks whether beats are needed and, if so, writes one.
    Beat(u32),
    /// It rests for so long, unless it is woken.
    Rest(Duration),
}

/// How a worker has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It has written all there was.
    Done,
    /// It has left some for another.
    Left,
    /// It has not come to an orderly end.
    Failed,
}

/// The databases that are to be served.
pub struct Agenda {
    last_round: Instant,
    due: VecDeque<u32>,
    /// Until when databases that had a worker lately have none.
    resting: BTreeMap<u32, Instant>,
    was_urgent: bool,
    /// When the next beat of a database is due.
    beats: BTreeMap<u32, Instant>,
    /// Databases that are to be looked at.
    unseen: VecDeque<u32>,
    /// When all were looked at last.
    looked: Option<Instant>,
}

impl Agenda {
    /// Nothing is due before the first round.
    pub fn new() -> Self {
        Agenda {
            last_round: Instant::now(),
            due: VecDeque::new(),
            resting: BTreeMap::new(),
            was_urgent: false,
            beats: BTreeMap::new(),
            unseen: VecDeque::new(),
            looked: None,
        }
    }

    /// Whether all databases are to be looked at again.
    pub fn is_to_look(&self) -> bool {
        self.looked.is_none_or(|looked| looked.elapsed() >= LOOK)
    }

    /// Looks at these databases, one after the other, when nothing else is due.
    pub fn look_at(&mut self, databases: Vec<u32>) {
        self.unseen = databases.into();
        self.looked = Some(Instant::now());
    }

    /// Settings may have changed.
    pub fn look_again(&mut self) {
        self.looked = None;
    }

    /// The database whose beat is due, and notes when its next one is; and for how long there is none.
    fn beat(&mut self, slots: Slots<'_>, now: Instant) -> (Option<u32>, Duration) {
        let needs: Vec<u32> =
            slots.header.databases.each().filter(|found| found.needs_beats()).map(|found| found.oid()).collect();
        self.beats.retain(|oid, _| needs.contains(oid));
        let due = |oid: u32| self.beats.get(&oid).copied().unwrap_or(now);
        let first = needs.into_iter().map(|oid| (due(oid), oid)).min();
        match first {
            Some((at, oid)) if at <= now => {
                self.beats.insert(oid, now + BEAT);
                (Some(oid), Duration::ZERO)
            }
            Some((at, _)) => (None, at - now),
            None => (None, Duration::MAX),
        }
    }

    /// What is next at this moment, by the clock `micros`.
    pub fn next(&mut self, slots: Slots<'_>, can_write: bool, micros: i64) -> Next {
        let now = Instant::now();
        self.resting.retain(|_, until| *until > now);
        let interval = settings::usage_flush_interval();
        if now.duration_since(self.last_round) >= interval {
            self.last_round = now;
            let needs_one = slots.header.databases.each().filter(|found| found.needs_worker(micros));
            let fresh = needs_one.map(|found| found.oid()).filter(|oid| !self.due.contains(oid)).collect::<Vec<_>>();
            self.due.extend(fresh);
        }
        let (beat, until_beat) = if can_write { self.beat(slots, now) } else { (None, Duration::MAX) };
        if let Some(oid) = beat {
            return Next::Beat(oid);
        }
        let is_filling = can_write && slots.is_filling();
        let is_left_alone = |oid| slots.header.databases.known(oid).is_some_and(|found| found.is_left_alone(micros));
        let can_serve = |oid: u32| !self.resting.contains_key(&oid) && !is_left_alone(oid);
        let urgent = || if is_filling { slots.fullest(can_serve) } else { None };
        let routine = || self.due.iter().copied().find(|&oid| can_serve(oid));
        let next = if self.was_urgent { routine().or_else(urgent) } else { urgent().or_else(routine) };
        self.was_urgent = is_filling && !self.was_urgent;
        if let Some(oid) = next {
            self.due.retain(|&due| due != oid);
            return Next::Serve(oid);
        }
        if let Some(oid) = self.unseen.pop_front().filter(|_| can_write) {
            return Next::Beat(oid);
        }
        let until_round = interval.saturating_sub(now.duration_since(self.last_round)).min(until_beat);
        let is_wanted = |oid: &u32| is_filling || self.due.contains(oid);
        let until_rested =
            self.resting.iter().filter(|(oid, _)| is_wanted(oid)).map(|(_, until)| until.duration_since(now));
        // Longer than the milliseconds that a wait counts in, so that it is over afterwards.
        Next::Rest(until_rested.min().unwrap_or(until_round).min(until_round) + Duration::from_millis(1))
    }

    /// Notes how the worker of a database has ended.
    pub fn note(&mut self, oid: u32, ended: Ended) {
        let rest = if ended == Ended::Failed { AFTER_FAILURE } else { WORKER_PAUSE };
        self.resting.insert(oid, Instant::now() + rest);
        if ended == Ended::Left {
            self.due.push_back(oid);
        }
    }
}
