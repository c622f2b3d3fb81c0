//! Which database the launcher starts a worker for, and when.
//!
//! Each database in turn, every `tokenauth.usage_flush_interval`; one that a worker has left unfinished again soon; and
//! while memory is filling, every other time the one of which most waits, so that neither starves the other.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::slots::Slots;
use crate::settings;

/// How long a database has no worker between two. DROP DATABASE checks ten times a second whether anybody is connected.
const WORKER_PAUSE: Duration = Duration::from_millis(150);

/// How long it has none after one that has failed, or could not be started.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// What the launcher does next.
pub enum Next {
    /// It starts a worker in this database.
    Serve(u32),
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
}

impl Agenda {
    /// Nothing is due before the first round.
    pub fn new() -> Self {
        Agenda { last_round: Instant::now(), due: VecDeque::new(), resting: BTreeMap::new(), was_urgent: false }
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
        let is_filling = can_write && slots.is_filling();
        let can_serve = |oid: u32| !self.resting.contains_key(&oid);
        let urgent = || if is_filling { slots.fullest(can_serve) } else { None };
        let routine = || self.due.iter().copied().find(|&oid| can_serve(oid));
        let next = if self.was_urgent { routine().or_else(urgent) } else { urgent().or_else(routine) };
        self.was_urgent = is_filling && !self.was_urgent;
        if let Some(oid) = next {
            self.due.retain(|&due| due != oid);
            return Next::Serve(oid);
        }
        let until_round = interval.saturating_sub(now.duration_since(self.last_round));
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
