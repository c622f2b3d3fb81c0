//! Eight sessions run every pair of verbs at once, on few principals, members and tokens, in all isolation levels: no
//! two wait for each other, nothing that was killed works, and nothing drifts.
//!
//! With `TOKENAUTH_SOAK` each pair meets ten times, in more than 10,000 rounds.

mod oracle;
mod verbs;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use oracle::{Death, Fact, Token};
use postgres::{Client, SimpleQueryMessage};
use tokenauth_cluster::{FAST, Random, Server, rounds};
use verbs::{REFUSALS, Target, VERBS, Verb};

const SESSIONS: u64 = 8;
const CALLS_PER_ROUND: usize = 3;
/// How long a round may take: the others would not notice a session that has failed.
const MOST: Duration = Duration::from_secs(900);
/// A serialization failure, in the levels where it is expected: nothing was done, and the application tries again.
const NOT_SERIALIZED: &str = "40001";

fn start() -> Server {
    let mut settings = FAST.to_vec();
    settings.extend([
        "deadlock_timeout = 50ms",
        "statement_timeout = 180s",
        "max_connections = 40",
        // Tells who waited for whom, should there be a deadlock.
        "log_lock_waits = on",
        "log_line_prefix = '%p '",
        "tokenauth.notify = on",
    ]);
    let server = Server::start(&settings);
    server
        .connect("postgres")
        .batch_execute(
            "CREATE EXTENSION tokenauth;
             INSERT INTO tokenauth.kind (name, prefix, owner_types, owner_inactive, max_active_per_owner,
                                         manage_permission)
             VALUES ('key', 'key_', '{user,org,app}', 'revoke', NULL, 'keys:manage'),
                    ('seat', 'seat_', '{user,org,app}', 'suspend', NULL, 'keys:manage'),
                    ('few', 'few_', '{user,org,app}', 'revoke', 3, 'keys:manage');
             CREATE TABLE users (id int PRIMARY KEY, active boolean NOT NULL, held text[] NOT NULL);
             CREATE TABLE members (org text, member text, held text[] NOT NULL, PRIMARY KEY (org, member));
             CREATE FUNCTION is_bound(source text) RETURNS boolean LANGUAGE sql AS $$
                 SELECT EXISTS (SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
                                 WHERE t.tgrelid = source::regclass AND p.proname = 'sync_principal') $$;
             -- Peoples the world again: everybody active, often bound, and some tokens.
             CREATE FUNCTION people() RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN
                 INSERT INTO users SELECT id, true, '{a,b,keys:manage}' FROM generate_series(1, 4) id
                     ON CONFLICT (id) DO UPDATE SET active = true, held = excluded.held;
                 IF random() < 0.3 AND is_bound('users') THEN
                     PERFORM tokenauth.unbind_principals('users');
                 ELSIF random() < 0.6 AND NOT is_bound('users') THEN
                     PERFORM tokenauth.bind_principals('users', 'user', 'id', active => 'active',
                                                       permissions => 'held');
                 END IF;
                 IF NOT is_bound('users') THEN
                     PERFORM tokenauth.put_principal('user:' || id, held, active => active) FROM users;
                 END IF;
                 PERFORM tokenauth.put_principal(p, '{a,b,keys:manage}', active => true)
                    FROM unnest('{app:1,app:2,org:1,org:2}'::text[]) p;
                 INSERT INTO members SELECT o, m, '{a,b,keys:manage}'
                    FROM unnest('{org:1,org:2}'::text[]) o, unnest('{app:1,app:2,user:1,user:2}'::text[]) m
                     ON CONFLICT (org, member) DO NOTHING;
                 IF random() < 0.3 AND is_bound('members') THEN
                     PERFORM tokenauth.unbind_principals('members');
                 ELSIF random() < 0.6 AND NOT is_bound('members') THEN
                     PERFORM tokenauth.bind_members('members', 'org', 'member', 'held');
                 END IF;
                 IF NOT is_bound('members') THEN
                     PERFORM tokenauth.add_member(org, member, held) FROM members;
                 END IF;
                 RETURN QUERY SELECT format('issued %s %s %s %s', i.token, i.id, i.owner, i.kind)
                    FROM unnest('{key,seat,key}'::text[], '{user:1,org:1,app:1}'::text[]) o (kind, owner),
                         tokenauth.issue(o.kind, o.owner) i;
             END $$;",
        )
        .unwrap();
    server
}

/// What one round asks of a session.
type Round = (&'static Verb, &'static Verb, Vec<Target>);

/// One call and its outcome.
struct Call {
    verb: &'static Verb,
    level: &'static str,
    sql: String,
    outcome: Result<Vec<Fact>, String>,
}

/// A session: makes its calls of each round, and reports them.
fn session(server: &Server, number: u64, rounds: Receiver<Round>, done: &Sender<Vec<Call>>, calls: &AtomicU32) {
    let mut client = server.connect("postgres");
    let mut random = Random::new(number);
    for (one, other, targets) in rounds {
        let made = (0..CALLS_PER_ROUND)
            .map(|_| {
                // The last session brings in a third party.
                let verb = if number == SESSIONS - 1 { random.pick(VERBS) } else { *random.pick(&[one, other]) };
                let target = random.pick(&targets).clone();
                let sql = verb.sql(&mut random, calls.fetch_add(1, Ordering::Relaxed), &target);
                let level = *random.pick(&["READ COMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]);
                let outcome = transact(&mut client, &mut random, level, &sql);
                Call { verb, level, sql, outcome }
            })
            .collect();
        if done.send(made).is_err() {
            break;
        }
    }
}

/// Runs the statements in a transaction whose snapshot is older than they are, and which goes on holding their locks.
fn transact(client: &mut Client, random: &mut Random, level: &str, sql: &str) -> Result<Vec<Fact>, String> {
    let started = Instant::now();
    client.batch_execute(&format!("BEGIN ISOLATION LEVEL {level}; SELECT FROM tokenauth.signal")).unwrap();
    random.jitter(300);
    let answer = client.simple_query(sql).and_then(|rows| {
        random.jitter(300);
        client.batch_execute("COMMIT").map(|()| rows)
    });
    let rows = answer.map_err(|error| {
        // After an error of COMMIT there is no transaction any more, which ROLLBACK does not mind.
        client.batch_execute("ROLLBACK").unwrap();
        error.code().unwrap_or_else(|| panic!("{sql}: {error}")).code().to_owned()
    })?;
    let acknowledged = Instant::now();
    let facts = rows.iter().filter_map(|row| match row {
        SimpleQueryMessage::Row(row) => row.get(0).filter(|fact| !fact.is_empty()),
        _ => None,
    });
    let facts = facts.map(|fact| Fact::parse(fact, sql, started, acknowledged));
    // In an older snapshot a statement on a bound table cannot tell whether the table is bound.
    let is_certain = level == "READ COMMITTED" || sql.contains("tokenauth.");
    Ok(facts.filter(|fact| is_certain || matches!(fact, Fact::Issued(_))).collect())
}

/// What the server's log says about deadlocks.
fn deadlocks(server: &Server) -> String {
    let log = server.log_text();
    let lines: Vec<&str> = log.lines().collect();
    let places = (0..lines.len()).filter(|&place| lines[place].contains("deadlock"));
    let told: Vec<String> =
        places.map(|place| lines[place.saturating_sub(12)..lines.len().min(place + 14)].join("\n")).collect();
    told.join("\n---\n")
}

/// Every verb with itself and with every other, in an order of chance.
fn pairs(random: &mut Random) -> Vec<(&'static Verb, &'static Verb)> {
    let mut pairs: Vec<_> = VERBS
        .iter()
        .enumerate()
        .flat_map(|(place, one)| VERBS[place..].iter().map(move |other| (one, other)))
        .collect();
    for place in (1..pairs.len()).rev() {
        pairs.swap(place, random.index(place + 1));
    }
    pairs
}

#[test]
fn no_two_verbs_wait_for_each_other_and_nothing_survives_or_drifts() {
    let server = start();
    let mut admin = server.connect("postgres");
    let mut random = Random::new(99);
    let calls = AtomicU32::new(0);
    let mut counts: BTreeMap<&str, BTreeMap<String, u32>> = BTreeMap::new();
    let mut tokens: Vec<Token> = Vec::new();
    let mut deaths: Vec<Death> = Vec::new();
    let begun = Instant::now();
    let mut rounds_made = 0;

    thread::scope(|scope| {
        let (done, all_done) = channel();
        let sessions: Vec<Sender<Round>> = (0..SESSIONS)
            .map(|number| {
                let (ask, asked) = channel();
                let (server, calls, done) = (&server, &calls, done.clone());
                scope.spawn(move || session(server, number, asked, &done, calls));
                ask
            })
            .collect();
        drop(done);
        for _ in 0..rounds(1, 10) {
            for (one, other) in pairs(&mut random) {
                let started = Instant::now();
                for row in admin.query("SELECT people()", &[]).unwrap() {
                    if let Fact::Issued(token) = Fact::parse(row.get(0), "", started, Instant::now()) {
                        tokens.push(token);
                    }
                }
                // A few of the newest tokens, so that several sessions mean the same.
                let targets: Vec<Target> = tokens.iter().rev().take(3).map(|token| token.target.clone()).collect();
                for session in &sessions {
                    session.send((one, other, targets.clone())).expect("every session goes on");
                }
                for call in (0..SESSIONS).flat_map(|_| all_done.recv_timeout(MOST).expect("every session goes on")) {
                    let Call { verb, level, sql, outcome } = call;
                    let answer = match outcome {
                        Ok(facts) => {
                            for fact in facts {
                                match fact {
                                    Fact::Issued(token) => tokens.push(token),
                                    Fact::Killed(death) => deaths.push(death),
                                }
                            }
                            "done".to_owned()
                        }
                        Err(code) => {
                            let is_expected = REFUSALS.contains(&&*code)
                                || verb.refusals.contains(&&*code)
                                || code == NOT_SERIALIZED && level != "READ COMMITTED";
                            let pair = (one.name, other.name);
                            assert!(is_expected, "{code} in {level} of {pair:?}: {sql}\n{}", deadlocks(&server));
                            code
                        }
                    };
                    *counts.entry(verb.name).or_default().entry(answer).or_default() += 1;
                }
                rounds_made += 1;
                if rounds_made % 8 == 0 {
                    tokens = oracle::survivors(&mut admin, std::mem::take(&mut tokens), &deaths);
                    deaths.clear();
                    oracle::drift(&mut admin);
                }
                if rounds_made % 64 == 0 {
                    oracle::sync(&mut admin);
                }
            }
        }
    });
    println!("{rounds_made} rounds, {} calls in {:?}", calls.into_inner(), begun.elapsed());
    for (verb, answers) in &counts {
        println!("{verb}: {answers:?}");
    }
    for verb in VERBS {
        assert!(counts.get(verb.name).is_some_and(|answers| answers.contains_key("done")), "never done: {}", verb.name);
    }
    assert!(!server.log_text().contains("deadlock detected"));
}
