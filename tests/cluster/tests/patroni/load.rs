//! Clients that issue, verify and kill, whatever becomes of the servers, and hold everybody to what they were told.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use postgres::error::SqlState;
use postgres::{Client, Config, Error, NoTls};
use tokenauth_cluster::Random;
use tokenauth_cluster::contract::Issued;

use super::ledger::Ledger;

/// How a client knows that its server has gone, is not the primary any more, or not yet one.
const INTERRUPTIONS: &[&str] = &["57P01", "57P02", "57P03", "25006"];

/// Whether the error says nothing but that.
fn is_interruption(error: &Error) -> bool {
    error.code().is_none_or(|code| INTERRUPTIONS.contains(&code.code()) || code.code().starts_with("08"))
}

fn verdict(client: &mut Client, token: &str) -> Result<String, Error> {
    Ok(client.query_one("SELECT verdict FROM tokenauth.verify($1)", &[&token])?.get(0))
}

/// Owns customers one after the other, issues tokens to them, and kills the tokens one by one or with their owner.
pub struct Writer<'a> {
    config: Config,
    ledger: &'a Ledger,
    random: Random,
    client: Option<Client>,
    owner: Option<i64>,
    /// Places of its owner's tokens that are alive.
    own: Vec<usize>,
}

impl<'a> Writer<'a> {
    pub fn new(mut config: Config, ledger: &'a Ledger, seed: u64) -> Self {
        config.connect_timeout(Duration::from_secs(5));
        Self { config, ledger, random: Random::new(seed), client: None, owner: None, own: Vec::new() }
    }

    /// Goes on until the end.
    pub fn run(mut self, end: &AtomicBool) {
        while !end.load(Ordering::SeqCst) {
            let Some(mut client) = self.client.take().or_else(|| self.config.connect(NoTls).ok()) else {
                sleep(Duration::from_millis(100));
                continue;
            };
            match self.step(&mut client) {
                Ok(()) => self.client = Some(client),
                Err(error) => assert!(is_interruption(&error), "{error:?}"),
            }
            // There are many, and two cores.
            sleep(Duration::from_millis(2));
        }
    }

    fn step(&mut self, client: &mut Client) -> Result<(), Error> {
        match self.random.below(12) {
            0..4 => self.issue(client),
            4..7 => self.verify_own(client),
            7..9 => self.verify_dead(client),
            9..11 => self.revoke(client),
            _ => self.deactivate(client),
        }
    }

    fn issue(&mut self, client: &mut Client) -> Result<(), Error> {
        let owner = match self.owner {
            Some(owner) => owner,
            None => client.query_one("INSERT INTO customer DEFAULT VALUES RETURNING id", &[])?.get(0),
        };
        self.owner = Some(owner);
        let sql = "SELECT token, id::text FROM tokenauth.issue('key', 'customer:' || $1::bigint)";
        let row = client.query_one(sql, &[&owner])?;
        self.own.push(self.ledger.issued(Issued { token: row.get(0), id: row.get(1) }));
        Ok(())
    }

    fn verify_own(&mut self, client: &mut Client) -> Result<(), Error> {
        if !self.own.is_empty() {
            let token = self.ledger.text(*self.random.pick(&self.own));
            assert_eq!(verdict(client, &token)?, "valid", "its issue was acknowledged");
        }
        Ok(())
    }

    fn verify_dead(&mut self, client: &mut Client) -> Result<(), Error> {
        if let Some((_, token)) = self.ledger.any_dead(&mut self.random, Instant::now()) {
            assert_eq!(verdict(client, &token)?, "revoked", "its death was acknowledged");
        }
        Ok(())
    }

    fn revoke(&mut self, client: &mut Client) -> Result<(), Error> {
        if !self.own.is_empty() {
            let at = self.random.index(self.own.len());
            let place = self.own.swap_remove(at);
            let id = self.ledger.id(place);
            self.ledger.begin_to_kill(&[place]);
            self.kill(client, &format!("SELECT tokenauth.revoke('{id}')"))?;
            self.ledger.killed(&[place], false);
        }
        Ok(())
    }

    fn deactivate(&mut self, client: &mut Client) -> Result<(), Error> {
        // Often enough while an owner has some tokens.
        if let Some(owner) = self.owner.filter(|_| self.own.len() > 1) {
            let own = std::mem::take(&mut self.own);
            self.owner = None;
            self.ledger.begin_to_kill(&own);
            self.kill(client, &format!("UPDATE customer SET is_active = false WHERE id = {owner}"))?;
            self.ledger.killed(&own, true);
        }
        Ok(())
    }

    /// Every other time in a session that would not wait for anybody.
    fn kill(&mut self, client: &mut Client, sql: &str) -> Result<(), Error> {
        let mut transaction = client.transaction()?;
        if self.random.below(2) == 0 {
            transaction.batch_execute("SET LOCAL synchronous_commit = off")?;
        }
        transaction.batch_execute(sql)?;
        transaction.commit()
    }
}

/// Verifies on one member, in a session that is as long as the member lets it be.
pub struct Watcher<'a> {
    config: Config,
    ledger: &'a Ledger,
    random: Random,
    /// Places of those that this member has refused, since it knows of their death.
    refused: HashSet<usize>,
}

impl<'a> Watcher<'a> {
    pub fn new(mut config: Config, ledger: &'a Ledger, seed: u64) -> Self {
        config.connect_timeout(Duration::from_secs(5));
        Self { config, ledger, random: Random::new(seed), refused: HashSet::new() }
    }

    /// Goes on until the end; returns the longest time in which the member has answered nobody.
    pub fn run(mut self, end: &AtomicBool) -> Duration {
        let mut client = None;
        let mut answered = Instant::now();
        let mut longest = Duration::ZERO;
        while !end.load(Ordering::SeqCst) {
            if let Some(mut session) = client.take().or_else(|| self.config.connect(NoTls).ok()) {
                if self.look(&mut session).is_ok() {
                    longest = longest.max(answered.elapsed());
                    answered = Instant::now();
                }
                client = Some(session).filter(|session| !session.is_closed());
            }
            sleep(Duration::from_millis(5));
        }
        longest.max(answered.elapsed())
    }

    fn look(&mut self, session: &mut Client) -> Result<(), Error> {
        if let Some(token) = self.ledger.any(&mut self.random) {
            verdict(session, &token)?;
        }
        if let Some((place, token)) = self.ledger.any_dead(&mut self.random, Instant::now()) {
            if verdict(session, &token)? == "valid" {
                // It may not have heard of it yet, but it must not forget it.
                assert!(!self.refused.contains(&place), "a token has come back to life");
            } else {
                self.refused.insert(place);
            }
        }
        Ok(())
    }
}

/// Verifies on a reader that refuses when it has heard nothing for so long.
pub fn hold_to_its_bound(mut client: Client, ledger: &Ledger, bound: Duration, end: &AtomicBool) {
    let mut random = Random::new(99);
    while !end.load(Ordering::SeqCst) {
        let before = Instant::now().checked_sub(bound).expect("the machine runs for longer");
        if let Some((_, token)) = ledger.any_dead(&mut random, before) {
            match verdict(&mut client, &token) {
                Ok(answer) => assert_ne!(answer, "valid", "dead for longer than the bound"),
                Err(error) => assert_eq!(error.code().map(SqlState::code), Some("55000"), "{error:?}"),
            }
        }
        sleep(Duration::from_millis(5));
    }
}
