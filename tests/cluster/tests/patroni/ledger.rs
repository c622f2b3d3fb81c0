//! What clients were told: which tokens are alive, and which are dead.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokenauth_cluster::Random;
use tokenauth_cluster::contract::Issued;

/// What is known of a token that was issued.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    Alive,
    /// Its death was acknowledged then.
    Dead(Instant),
    /// Its death was asked for, and the answer lost: it may be alive or dead.
    Unknown,
}

/// How often something was acknowledged.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counts {
    pub issued: usize,
    pub revoked: usize,
    /// Owners, each with whatever it had.
    pub deactivated: usize,
    /// Tokens whose death was asked for, and not acknowledged.
    pub unknown: usize,
}

impl Counts {
    /// What has come since.
    pub fn since(self, before: Self) -> Self {
        Self {
            issued: self.issued - before.issued,
            revoked: self.revoked - before.revoked,
            deactivated: self.deactivated - before.deactivated,
            // Of those under way then, the answer may have come.
            unknown: self.unknown.saturating_sub(before.unknown),
        }
    }
}

#[derive(Default)]
struct Book {
    tokens: Vec<(Issued, Fate)>,
    ids: HashSet<String>,
    /// Places of those that are dead.
    dead: Vec<usize>,
    counts: Counts,
    acknowledged: Option<Instant>,
    longest_silence: Duration,
}

/// Shared by all clients.
#[derive(Default)]
pub struct Ledger(Mutex<Book>);

impl Ledger {
    /// Enters a token that was issued; its place.
    pub fn issued(&self, issued: Issued) -> usize {
        let mut book = self.0.lock().unwrap();
        assert!(book.ids.insert(issued.id.clone()), "the id {} was given twice", issued.id);
        book.tokens.push((issued, Fate::Alive));
        book.counts.issued += 1;
        book.acknowledge();
        book.tokens.len() - 1
    }

    /// Somebody is about to ask for their death.
    pub fn begin_to_kill(&self, places: &[usize]) {
        let mut book = self.0.lock().unwrap();
        book.counts.unknown += places.len();
        for &place in places {
            book.tokens[place].1 = Fate::Unknown;
        }
    }

    /// It was acknowledged, for the only token or for those of an owner.
    pub fn killed(&self, places: &[usize], with_owner: bool) {
        let now = Instant::now();
        let mut book = self.0.lock().unwrap();
        book.counts.unknown -= places.len();
        if with_owner {
            book.counts.deactivated += 1;
        } else {
            book.counts.revoked += 1;
        }
        for &place in places {
            book.tokens[place].1 = Fate::Dead(now);
            book.dead.push(place);
        }
        book.acknowledge();
    }

    /// The text of a token.
    pub fn text(&self, place: usize) -> String {
        self.0.lock().unwrap().tokens[place].0.token.clone()
    }

    /// The id of a token.
    pub fn id(&self, place: usize) -> String {
        self.0.lock().unwrap().tokens[place].0.id.clone()
    }

    /// One of those that died no later than this.
    pub fn any_dead(&self, random: &mut Random, until: Instant) -> Option<(usize, String)> {
        let book = self.0.lock().unwrap();
        if book.dead.is_empty() {
            return None;
        }
        let place = *random.pick(&book.dead);
        let (issued, fate) = &book.tokens[place];
        matches!(fate, Fate::Dead(at) if *at <= until).then(|| (place, issued.token.clone()))
    }

    /// Any one.
    pub fn any(&self, random: &mut Random) -> Option<String> {
        let book = self.0.lock().unwrap();
        if book.tokens.is_empty() { None } else { Some(random.pick(&book.tokens).0.token.clone()) }
    }

    /// Every token whose fate is known, with whether it is alive.
    pub fn known(&self) -> Vec<(String, bool)> {
        let book = self.0.lock().unwrap();
        let known = book.tokens.iter().filter(|(_, fate)| *fate != Fate::Unknown);
        known.map(|(issued, fate)| (issued.token.clone(), *fate == Fate::Alive)).collect()
    }

    /// The place of a token that is alive.
    pub fn alive(&self) -> usize {
        let book = self.0.lock().unwrap();
        book.tokens.iter().rposition(|(_, fate)| *fate == Fate::Alive).expect("one is alive")
    }

    pub fn counts(&self) -> Counts {
        self.0.lock().unwrap().counts
    }

    /// Begins to measure how long nothing is acknowledged.
    pub fn listen(&self) {
        let mut book = self.0.lock().unwrap();
        book.acknowledged = Some(Instant::now());
        book.longest_silence = Duration::ZERO;
    }

    /// The longest time in which nothing was acknowledged since then.
    pub fn longest_silence(&self) -> Duration {
        self.0.lock().unwrap().longest_silence
    }
}

impl Book {
    fn acknowledge(&mut self) {
        let now = Instant::now();
        if let Some(before) = self.acknowledged.replace(now) {
            self.longest_silence = self.longest_silence.max(now - before);
        }
    }
}
