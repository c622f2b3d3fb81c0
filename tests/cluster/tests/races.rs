//! Real sessions race each other: however they are scheduled, nothing that was killed is reported alive, no limit is
//! exceeded, and no two calls wait for each other.
//!
//! With `TOKENAUTH_SOAK` each test runs longer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread::{self, sleep};
use std::time::Duration;

use postgres::Client;
use postgres::error::SqlState;
use tokenauth_cluster::contract::verdict;
use tokenauth_cluster::{End, FAST, Random, Server, rounds};

const LEVELS: [&str; 3] = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"];

fn start() -> Server {
    // A call that would wait forever fails instead, and a deadlock is detected at once.
    let mut settings = FAST.to_vec();
    settings.extend(["deadlock_timeout = 20ms", "statement_timeout = 120s", "max_connections = 40"]);
    let server = Server::start(&settings);
    server
        .connect("postgres")
        .batch_execute(
            "CREATE EXTENSION tokenauth;
             INSERT INTO tokenauth.kind (name, prefix, owner_inactive, max_active_per_owner, expired_editable)
             VALUES ('key', 'key_', 'revoke', NULL, true), ('seat', 'seat_', 'suspend', NULL, true),
                    ('few', 'few_', 'revoke', 3, true);",
        )
        .unwrap();
    server
}

/// Runs the statement in a transaction of its own, some time after its snapshot was taken, and pauses before COMMIT.
fn transact(client: &mut Client, random: &mut Random, level: &str, sql: &str) -> Result<Vec<String>, SqlState> {
    let code = |error: postgres::Error| match error.code() {
        Some(code) => code.clone(),
        None => panic!("{sql}: {error}"),
    };
    let mut transaction = client.transaction().unwrap();
    transaction
        .batch_execute(&format!("SET TRANSACTION ISOLATION LEVEL {level}; SELECT count(*) FROM tokenauth.kind"))
        .map_err(code)?;
    random.jitter(300);
    let rows = transaction.query(sql, &[]).map_err(code)?;
    random.jitter(300);
    transaction.commit().map_err(code)?;
    Ok(rows.iter().map(|row| row.try_get(0).unwrap_or_default()).collect())
}

#[test]
fn no_token_survives_the_deactivation_that_raced_its_issue() {
    let server = start();
    let rounds = rounds(1_000, 10_000);
    // Rounds begin and end with messages, so that when one thread fails, the other does not wait forever.
    let ((begin, rounds_begun), (end, rounds_ended)) = (channel(), channel());
    let mut admin = server.connect("postgres");

    thread::scope(|scope| {
        let killer_of = &server;
        let killer = scope.spawn(move || {
            let mut client = killer_of.connect("postgres");
            let mut random = Random::new(1);
            for round in rounds_begun {
                random.jitter(1_000);
                let sql = match round % 3 {
                    0 => format!("SELECT tokenauth.deactivate('user:{round}')::text"),
                    1 => format!("SELECT tokenauth.put_principal('user:{round}', active => false)::text"),
                    _ => format!("SELECT tokenauth.drop_principal('user:{round}')::text"),
                };
                // Under REPEATABLE READ the call may have to be retried; until it succeeds, nothing was acknowledged.
                let mut level = *random.pick(&LEVELS);
                while let Err(code) = transact(&mut client, &mut random, level, &sql) {
                    assert_eq!(code, SqlState::T_R_SERIALIZATION_FAILURE, "round {round}: {sql}");
                    level = "READ COMMITTED";
                }
                if end.send(()).is_err() {
                    break;
                }
            }
        });

        let mut client = server.connect("postgres");
        let mut random = Random::new(2);
        let (mut issued, mut refused) = (0, 0);
        for round in 0..rounds {
            let kind = ["key", "seat", "few"][usize::try_from(round / 3 % 3).unwrap()];
            let dropped = round % 3 == 2;
            admin.execute("SELECT tokenauth.put_principal($1)", &[&format!("user:{round}")]).unwrap();
            begin.send(round).unwrap();
            random.jitter(1_000);
            let level = *random.pick(&LEVELS);
            let sql = format!("SELECT token FROM tokenauth.issue('{kind}', 'user:{round}')");
            let answer = transact(&mut client, &mut random, level, &sql);
            rounds_ended.recv().unwrap();

            // The owner is inactive or dropped now, whichever call came first.
            let token = match answer {
                Ok(tokens) => {
                    issued += 1;
                    tokens[0].clone()
                }
                Err(code) => {
                    refused += 1;
                    let expected =
                        if dropped { SqlState::UNDEFINED_OBJECT } else { SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE };
                    assert!(
                        code == expected || level != LEVELS[0] && code == SqlState::T_R_SERIALIZATION_FAILURE,
                        "round {round}, {level}: {code:?}"
                    );
                    continue;
                }
            };
            let suspended = kind == "seat" && !dropped;
            let expected = if suspended { "owner_inactive" } else { "revoked" };
            assert_eq!(verdict(&mut admin, &token), expected, "round {round}, {kind}, {level}");
            // What is dead stays dead when the owner is active or known again.
            admin.execute("SELECT tokenauth.put_principal($1, active => true)", &[&format!("user:{round}")]).unwrap();
            let expected = if suspended { "valid" } else { "revoked" };
            assert_eq!(verdict(&mut admin, &token), expected, "round {round}, {kind}, {level}, back again");
        }
        drop(begin);
        killer.join().unwrap();
        assert!(issued > 0 && refused > 0, "{issued} issued, {refused} refused: no race");
    });
}

#[test]
fn eight_sessions_never_hold_more_tokens_than_one_owner_may() {
    let server = start();
    let rounds = rounds(60, 1_000);
    let mut admin = server.connect("postgres");
    admin.batch_execute("SELECT tokenauth.put_principal('user:1')").unwrap();
    // Counts the tokens that verification would call valid, in one snapshot.
    let alive = "SELECT count(*) FROM tokenauth.tokens WHERE kind = 'few' AND status = 'active'";

    thread::scope(|scope| {
        let mut sessions = Vec::new();
        for seed in 0..8 {
            let server = &server;
            sessions.push(scope.spawn(move || {
                let mut client = server.connect("postgres");
                let mut random = Random::new(seed);
                for round in 0..rounds {
                    let level = *random.pick(&LEVELS);
                    let sql = match random.below(6) {
                        0..3 => "SELECT id::text FROM tokenauth.issue('few', 'user:1')",
                        3 => {
                            "SELECT tokenauth.revoke(id)::text
                                FROM tokenauth.list(kind => 'few') WHERE status = 'active'
                               ORDER BY random() LIMIT 1"
                        }
                        // An expired token that is revived counts again.
                        4 => {
                            "UPDATE tokenauth.token SET expires_at = created_at WHERE id =
                                (SELECT id FROM tokenauth.list(kind => 'few') WHERE status = 'active'
                                  ORDER BY random() LIMIT 1) RETURNING id::text"
                        }
                        _ => {
                            "SELECT e.id::text
                                FROM tokenauth.list(kind => 'few') t, tokenauth.edit(t.id, expires_in => '1 day') e
                               WHERE t.id = (SELECT id FROM tokenauth.list(kind => 'few') WHERE status = 'expired'
                                              ORDER BY random() LIMIT 1)"
                        }
                    };
                    if let Err(code) = transact(&mut client, &mut random, level, sql) {
                        let expected = [
                            SqlState::CONFIGURATION_LIMIT_EXCEEDED,
                            SqlState::T_R_SERIALIZATION_FAILURE,
                            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                        ];
                        assert!(expected.contains(&code), "session {seed}, round {round}, {level}: {code:?}: {sql}");
                    }
                }
                // At the end, every session issues as many as it can.
                loop {
                    let sql = "SELECT id::text FROM tokenauth.issue('few', 'user:1')";
                    match transact(&mut client, &mut random, LEVELS[0], sql) {
                        Ok(_) => {}
                        Err(code) if code == SqlState::CONFIGURATION_LIMIT_EXCEEDED => break,
                        Err(code) => panic!("session {seed}: {code:?}"),
                    }
                }
            }));
        }
        let mut most = 0;
        while sessions.iter().any(|session| !session.is_finished()) {
            let now: i64 = admin.query_one(alive, &[]).unwrap().get(0);
            assert!(now <= 3, "{now} tokens alive, 3 allowed");
            most = most.max(now);
            sleep(Duration::from_millis(2));
        }
        assert_eq!(most, 3, "the limit was never reached");
    });
    let now: i64 = admin.query_one(alive, &[]).unwrap().get(0);
    assert_eq!(now, 3, "room that was there was not given");
}

#[test]
fn calls_on_the_same_owners_kinds_and_tokens_never_deadlock() {
    // One call per transaction. Each session has calls of its own, some of every kind, so that all kinds meet.
    const CALLS: &[&[&str]] = &[
        &["SELECT tokenauth.revoke_all(owner => '$owner')"],
        &["SELECT tokenauth.deactivate('$owner')", "SELECT tokenauth.activate('$owner')"],
        &["SELECT tokenauth.issue('$kind', '$owner')"],
        &[
            "SELECT tokenauth.edit('$id', name => 'n$n', scopes => '{a}', expires_in => '1 day')",
            "SELECT tokenauth.disable('$id')",
            "SELECT tokenauth.enable('$id')",
        ],
        &["SELECT tokenauth.revoke_all(kind => '$kind')"],
        &[
            "SELECT tokenauth.revoke_all(issued_before => clock_timestamp())",
            "SELECT tokenauth.revoke_all(owner => '$owner', kind => '$kind')",
            "SELECT tokenauth.revoke_all(owner => '$owner', issued_before => clock_timestamp())",
            "SELECT tokenauth.put_principal('$owner', permissions => '{a,b}', active => true)",
            "UPDATE tokenauth.kind SET ceiling = NULL, description = 'd$n' WHERE name = '$kind'",
            "SELECT tokenauth.issue('$kind', '$owner')",
            "SELECT tokenauth.revoke('$id')",
            "SELECT tokenauth.delete('$id')",
            "SELECT tokenauth.drop_principal('$owner')",
        ],
    ];
    let server = start();
    let mut admin = server.connect("postgres");
    let owners = ["user:1", "user:2"];
    for owner in owners {
        admin.execute("SELECT tokenauth.put_principal($1, permissions => '{a,b}')", &[&owner]).unwrap();
    }
    let rounds = rounds(2_000, 10_000);
    let answers = thread::scope(|scope| {
        let sessions: Vec<_> = (0..)
            .zip(CALLS)
            .map(|(seed, calls)| {
                let server = &server;
                scope.spawn(move || {
                    let mut client = server.connect("postgres");
                    let mut random = Random::new(seed);
                    let mut answers: HashMap<(&str, String), u32> = HashMap::new();
                    for round in 0..rounds {
                        let call = *random.pick(calls);
                        let (owner, kind) = (*random.pick(&owners), *random.pick(&["key", "seat", "few"]));
                        // One of the newest tokens, which other sessions use as well.
                        let id: Option<String> = client
                            .query_opt(
                                "SELECT id::text FROM tokenauth.token ORDER BY id DESC OFFSET $1 LIMIT 1",
                                &[&i64::try_from(random.below(3)).unwrap()],
                            )
                            .unwrap()
                            .map(|row| row.get(0));
                        let id = id.unwrap_or_else(|| "00000000-0000-7000-8000-000000000000".to_owned());
                        let sql = call
                            .replace("$owner", owner)
                            .replace("$kind", kind)
                            .replace("$id", &id)
                            .replace("$n", &round.to_string());
                        let answer = match client.batch_execute(&sql) {
                            Ok(()) => "done".to_owned(),
                            Err(error) => error.code().map_or(error.to_string(), |code| code.code().to_owned()),
                        };
                        *answers.entry((call, answer)).or_default() += 1;
                    }
                    answers
                })
            })
            .collect();
        sessions.into_iter().flat_map(|session| session.join().unwrap()).collect::<Vec<_>>()
    });
    // Refusals that a single call may meet here: inactive or dead, limit reached, dropped or deleted, no longer held.
    let refusals = ["55000", "53400", "42704", "42501"];
    let others: Vec<_> =
        answers.iter().filter(|((_, answer), _)| answer != "done" && !refusals.contains(&answer.as_str())).collect();
    assert!(others.is_empty(), "{others:?}");
    for call in CALLS.iter().copied().flatten() {
        assert!(answers.iter().any(|((made, answer), _)| made == call && answer == "done"), "never took place: {call}");
    }
}

#[test]
fn no_verification_that_starts_after_the_acknowledged_death_is_valid() {
    const DEATHS: &[(&str, &str)] = &[
        ("SELECT tokenauth.revoke('$id')", "revoked"),
        ("SELECT tokenauth.deactivate('$owner')", "revoked"),
        ("SELECT tokenauth.disable('$id')", "disabled"),
        ("SELECT tokenauth.revoke_all(owner => '$owner')", "revoked"),
        ("SELECT tokenauth.revoke_all(kind => 'key')", "revoked"),
        ("SELECT tokenauth.delete('$id')", "revoked"),
        ("SELECT tokenauth.drop_principal('$owner')", "revoked"),
    ];
    const VERIFIERS: [&str; 4] = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "REPEATABLE READ, READ ONLY"];
    let server = start();
    let mut killer = server.connect("postgres");
    let mut random = Random::new(7);
    let mut clients: Vec<Client> = VERIFIERS.iter().map(|_| server.connect("postgres")).collect();

    for (round, (death, dead)) in (0..rounds(200, 5_000)).zip(DEATHS.iter().cycle()) {
        let owner = format!("user:{round}");
        killer.execute("SELECT tokenauth.put_principal($1)", &[&owner]).unwrap();
        let row = killer.query_one("SELECT token, id::text FROM tokenauth.issue('key', $1)", &[&owner]).unwrap();
        let (token, id): (String, String) = (row.get(0), row.get(1));
        let sql = death.replace("$owner", &owner).replace("$id", &id);
        // Set when COMMIT has returned to the killer, or when the first verifier has seen the death: once one session
        // has seen it, every session must.
        let (acknowledged, stop) = (AtomicBool::new(false), AtomicBool::new(false));
        let (ready, all_ready) = channel::<()>();

        thread::scope(|scope| {
            for (client, level) in clients.iter_mut().zip(VERIFIERS) {
                let (token, sql) = (&token, &sql);
                let (acknowledged, stop, ready) = (&acknowledged, &stop, ready.clone());
                scope.spawn(move || {
                    client
                        .batch_execute(&format!("BEGIN ISOLATION LEVEL {level}; SELECT count(*) FROM tokenauth.token"))
                        .unwrap();
                    assert_eq!(verdict(client, token), "valid", "round {round}, {level}: before {sql}");
                    drop(ready);
                    let mut after = 0;
                    while after < 3 {
                        let too_late = acknowledged.load(Ordering::SeqCst);
                        let last = stop.load(Ordering::SeqCst);
                        let verdict = verdict(client, token);
                        if too_late {
                            assert_eq!(verdict, *dead, "round {round}, {level}: after {sql}");
                        } else if verdict != "valid" {
                            assert_eq!(verdict, *dead, "round {round}, {level}: during {sql}");
                            acknowledged.store(true, Ordering::SeqCst);
                        }
                        after += u32::from(last);
                    }
                    client.batch_execute("COMMIT").unwrap();
                });
            }
            drop(ready);
            let end = End(&stop);
            // The channel closes when every verifier has dropped its sender, or failed.
            assert!(all_ready.recv().is_err());
            random.jitter(2_000);
            killer.batch_execute("BEGIN").unwrap();
            killer.batch_execute(&sql).unwrap();
            random.jitter(2_000);
            killer.batch_execute("COMMIT").unwrap();
            acknowledged.store(true, Ordering::SeqCst);
            drop(end);
        });
    }
}
