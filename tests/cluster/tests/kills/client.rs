//! A client that issues, kills and verifies, remembers what was acknowledged, and looks after each crash whether it
//! holds.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

use postgres::error::SqlState;
use postgres::{Client, Error, NoTls};
use tokenauth_cluster::{Random, wait_until};

use super::CLIENTS;

/// The ways to kill a token with id `$id` and owner `$owner`, and the verdict afterwards.
const DEATHS: [(&str, &str); 6] = [
    ("SELECT tokenauth.revoke('$id')", "revoked"),
    ("SELECT tokenauth.revoke_all(owner => '$owner')", "revoked"),
    ("SELECT tokenauth.deactivate('$owner')", "revoked"),
    ("SELECT tokenauth.disable('$id')", "disabled"),
    ("SELECT tokenauth.delete('$id')", "revoked"),
    ("SELECT tokenauth.drop_principal('$owner')", "revoked"),
];

/// What all clients together were told.
#[derive(Default)]
pub struct Told {
    /// Acknowledged verifications of tokens that were valid.
    pub uses: AtomicI64,
    /// How many crashes the server has recovered from.
    pub recovered: AtomicU64,
    steps: [AtomicU64; CLIENTS],
    durable: AtomicU64,
    deaths: AtomicU64,
    /// Tokens whose issue was acknowledged without waiting for the disk, and then lost.
    lost: AtomicU64,
    checks: AtomicU64,
}

impl Told {
    /// How much each client has done.
    pub fn steps(&self) -> Vec<u64> {
        self.steps.iter().map(|steps| steps.load(Relaxed)).collect()
    }
}

impl fmt::Display for Told {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [durable, deaths, lost, checks] =
            [&self.durable, &self.deaths, &self.lost, &self.checks].map(|number| number.load(Relaxed));
        write!(
            formatter,
            "{durable} durable tokens and {deaths} deaths hold, looked at {checks} times after crashes; {lost} tokens \
             that were not durable are lost; {} uses",
            self.uses.load(Relaxed)
        )
    }
}

/// What is known of a token.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Durable and alive.
    Alive,
    /// Alive; a crash may lose it.
    Fleeting,
    /// The connection broke when it was to be killed in such a way.
    Doubtful { verdict: &'static str, durable: bool },
    /// Its death was acknowledged.
    Dead(&'static str),
}

struct Known {
    token: String,
    id: String,
    owner: String,
    state: State,
    /// Acknowledged uses, and those whose answer did not arrive.
    uses: i64,
    unanswered: i64,
}

/// A client with all tokens that it has issued.
pub struct Working<'a> {
    number: usize,
    connection: &'a str,
    told: &'a Told,
    random: Random,
    owners: u32,
    known: Vec<Known>,
    /// The crashes before the connection was made.
    crashes: u64,
}

impl<'a> Working<'a> {
    /// A client with this number, which the random numbers that it draws depend on.
    pub fn new(number: usize, connection: &'a str, told: &'a Told) -> Self {
        let random = Random::new(number as u64);
        Working { number, connection, told, random, owners: 0, known: Vec::new(), crashes: 0 }
    }

    /// Works until the end, through all crashes, and then looks at everything once more.
    pub fn work(mut self, done: &AtomicBool) {
        let mut client = self.connect();
        while !done.load(SeqCst) {
            match self.step(&mut client) {
                Ok(()) => {
                    self.told.steps[self.number].fetch_add(1, Relaxed);
                }
                Err(error) => {
                    client = self.connect_after(&error);
                    self.settle(&mut client);
                }
            }
        }
        self.settle(&mut client);
        self.compare_usage(&mut client);
    }

    /// Connects after the crash that this error tells of: the process that was killed may have been this client's own,
    /// and a new one be there before the server has noticed.
    fn connect_after(&mut self, error: &Error) -> Client {
        assert!(is_end_of_connection(error), "client {}: {error:?}", self.number);
        let recovered = || self.told.recovered.load(SeqCst);
        wait_until("the server to recover", || recovered() > self.crashes);
        self.crashes = recovered();
        self.connect()
    }

    fn connect(&self) -> Client {
        let mut connected = None;
        wait_until("a connection", || {
            connected = Client::connect(self.connection, NoTls).ok();
            connected.as_mut().is_some_and(|client| client.batch_execute("SET synchronous_commit = off").is_ok())
        });
        connected.expect("it was waited for")
    }

    fn step(&mut self, client: &mut Client) -> Result<(), Error> {
        let alive: Vec<usize> = (0..self.known.len())
            .filter(|at| matches!(self.known[*at].state, State::Alive | State::Fleeting))
            .collect();
        match self.random.below(10) {
            _ if alive.len() < 4 => self.issue(client),
            0..2 => self.issue(client),
            2 => {
                let victim = *self.random.pick(&alive);
                self.kill(client, victim)
            }
            _ => {
                let which = self.random.index(self.known.len());
                self.verify(client, which)
            }
        }
    }

    fn issue(&mut self, client: &mut Client) -> Result<(), Error> {
        let durable = self.random.below(2) == 0;
        self.owners += 1;
        let owner = format!("user:{}-{}", self.number, self.owners);
        let mut transaction = client.transaction()?;
        if durable {
            transaction.batch_execute("SET LOCAL synchronous_commit = on")?;
        }
        transaction.execute("SELECT tokenauth.put_principal($1)", &[&owner])?;
        let row = transaction.query_one("SELECT token, id::text FROM tokenauth.issue('key', $1)", &[&owner])?;
        let (token, id) = (row.get(0), row.get(1));
        transaction.commit()?;
        if durable {
            self.told.durable.fetch_add(1, Relaxed);
        }
        let state = if durable { State::Alive } else { State::Fleeting };
        self.known.push(Known { token, id, owner, state, uses: 0, unanswered: 0 });
        Ok(())
    }

    fn kill(&mut self, client: &mut Client, which: usize) -> Result<(), Error> {
        let (death, verdict) = *self.random.pick(&DEATHS);
        let known = &mut self.known[which];
        let durable = matches!(known.state, State::Alive);
        known.state = State::Doubtful { verdict, durable };
        client.batch_execute(&death.replace("$id", &known.id).replace("$owner", &known.owner))?;
        known.state = State::Dead(verdict);
        self.told.deaths.fetch_add(1, Relaxed);
        Ok(())
    }

    fn verify(&mut self, client: &mut Client, which: usize) -> Result<(), Error> {
        let known = &mut self.known[which];
        known.unanswered += 1;
        let row = client.query_one("SELECT verdict FROM tokenauth.verify($1)", &[&known.token])?;
        known.unanswered -= 1;
        let verdict: &str = row.get(0);
        match known.state {
            State::Alive | State::Fleeting => {
                assert_eq!(verdict, "valid", "client {}", self.number);
                known.uses += 1;
                self.told.uses.fetch_add(1, Relaxed);
            }
            State::Dead(expected) => assert_eq!(verdict, expected, "client {}", self.number),
            State::Doubtful { .. } => unreachable!("what is doubtful is settled with the next connection"),
        }
        Ok(())
    }

    /// Looks at every token after a crash. What is doubtful is a fact now.
    fn settle(&mut self, client: &mut Client) {
        let tokens: Vec<String> = self.known.iter().map(|known| known.token.clone()).collect();
        let sql = "SELECT v.verdict FROM unnest($1::text[]) WITH ORDINALITY AS t (token, number),
                          LATERAL tokenauth.verify(t.token) v ORDER BY number";
        let mut unanswered = 0;
        let verdicts: Vec<String> = loop {
            match client.query(sql, &[&tokens]) {
                Ok(rows) => break rows.iter().map(|row| row.get(0)).collect(),
                Err(error) => {
                    unanswered += 1;
                    *client = self.connect_after(&error);
                }
            }
        };
        for (known, verdict) in self.known.iter_mut().zip(&verdicts) {
            let (was, verdict) = (known.state, verdict.as_str());
            known.unanswered += unanswered;
            if verdict == "valid" {
                known.uses += 1;
                self.told.uses.fetch_add(1, Relaxed);
            }
            known.state = match was {
                State::Alive | State::Fleeting | State::Doubtful { .. } if verdict == "valid" => State::Alive,
                State::Doubtful { verdict: dead, .. } if verdict == dead => State::Dead(dead),
                State::Dead(dead) if verdict == dead => was,
                State::Fleeting | State::Doubtful { durable: false, .. } if verdict == "unknown" => was,
                _ => panic!("client {}: {was:?}, and after the crash {verdict}", self.number),
            };
            self.told.checks.fetch_add(1, Relaxed);
        }
        let mut verdicts = verdicts.into_iter();
        let before = self.known.len();
        self.known.retain(|_| verdicts.next().is_some_and(|verdict| verdict != "unknown"));
        self.told.lost.fetch_add((before - self.known.len()) as u64, Relaxed);
    }

    /// No use is counted that was not made.
    fn compare_usage(&self, client: &mut Client) {
        let sql = "SELECT id::text, request_count FROM tokenauth.tokens";
        let counted: HashMap<String, i64> =
            client.query(sql, &[]).unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
        for known in &self.known {
            let (counted, most) = (counted.get(&known.id).copied().unwrap_or_default(), known.uses + known.unanswered);
            assert!(counted <= most, "client {}: {counted} uses of a token that was used {most} times", self.number);
        }
    }
}

/// Whether the server has ended the connection, or could not go on with it.
fn is_end_of_connection(error: &Error) -> bool {
    error.is_closed()
        || error.code().is_none_or(|code| {
            [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW].contains(code)
        })
}
