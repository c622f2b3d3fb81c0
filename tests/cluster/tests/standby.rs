//! A hot standby verifies, and follows its primary.

use std::thread;

use postgres::error::SqlState;
use tokenauth_cluster::contract::{issue, prepare, revoke, verdict};
use tokenauth_cluster::{By, FAST, Server, Verifier, wait_until};

/// A primary that keeps rows which transactions on its standbys may still see, and that can prepare transactions.
fn primary() -> Server {
    let mut settings = FAST.to_vec();
    settings.extend(["hot_standby_feedback = on", "max_prepared_transactions = 2"]);
    Server::start(&settings)
}

#[test]
fn a_standby_verifies_and_refuses_what_the_primary_revoked_once_that_is_replayed() {
    let primary = Server::start(FAST);
    let mut on_primary = primary.connect("postgres");
    prepare(&mut on_primary);
    let (kept, killed) = (issue(&mut on_primary, "user:1"), issue(&mut on_primary, "user:1"));

    let standby = primary.standby();
    standby.catch_up_with(&primary);
    // A session that was open before the revocation must see it too, whatever it has cached.
    let mut on_standby = standby.connect("postgres");
    assert_eq!(verdict(&mut on_standby, &kept.token), "valid");
    assert_eq!(verdict(&mut on_standby, &killed.token), "valid");

    assert!(revoke(&mut on_primary, &killed));
    standby.catch_up_with(&primary);
    assert_eq!(verdict(&mut on_standby, &killed.token), "revoked");
    assert_eq!(verdict(&mut on_standby, &kept.token), "valid");
}

/// What a primary may do to a token `$id` of `user:$n`, and how a line of the answer begins once that is replayed.
const CHANGES: &[(&str, &str)] = &[
    ("SELECT tokenauth.revoke('$id')", "verdict revoked"),
    ("SELECT tokenauth.disable('$id')", "verdict disabled"),
    ("SELECT tokenauth.deactivate('user:$n')", "verdict revoked"),
    ("SELECT tokenauth.revoke_all(kind => 'key')", "verdict revoked"),
    ("SELECT tokenauth.edit('$id', metadata => '{\"team\": \"a\"}')", "metadata {\"team\": \"a\"}"),
    ("SELECT tokenauth.put_principal('user:$n', permissions => '{}')", "scopes {}"),
    (
        "BEGIN; SELECT tokenauth.put_principal('user:$n', permissions => '{}');
         PREPARE TRANSACTION 'p'; COMMIT PREPARED 'p'",
        "scopes {}",
    ),
    ("BEGIN; SAVEPOINT s; UPDATE tokenauth.token SET name = 'x'; RELEASE s; COMMIT", "name x"),
    (
        "SET session_replication_role = replica; DELETE FROM tokenauth.token; RESET session_replication_role",
        "verdict unknown",
    ),
    ("UPDATE tokenauth.kind SET ceiling = '{sites:read}'", "scopes {}"),
    ("TRUNCATE tokenauth.token", "verdict unknown"),
    // Last: no token works after it.
    ("UPDATE tokenauth.kind SET max_age = '1 microsecond'", "verdict expired"),
];

#[test]
fn sessions_of_a_standby_that_answer_from_memory_hear_of_every_replayed_change() {
    let primary = primary();
    let mut on_primary = primary.connect("postgres");
    prepare(&mut on_primary);
    let standby = primary.standby();
    standby.catch_up_with(&primary);
    let mut verifiers = Verifier::each(&standby);

    for (number, (change, then)) in (2..).zip(CHANGES) {
        let owner = format!("user:{number}");
        on_primary.execute("SELECT tokenauth.put_principal($1, permissions => '{devices:read}')", &[&owner]).unwrap();
        let issued = issue(&mut on_primary, &owner);
        let told = |answer: &str| answer.lines().any(|line| line.starts_with(then));
        let change = change.replace("$id", &issued.id).replace("$n", &number.to_string());
        standby.catch_up_with(&primary);
        for verifier in &mut verifiers {
            let before = verifier.heat(&issued.token);
            assert!(before.starts_with("verdict valid") && !told(&before), "{change}: {:?}: {before}", verifier.name);
        }
        if !change.contains("PREPARE") {
            on_primary.batch_execute(&format!("BEGIN; {}; ROLLBACK", change.replace("COMMIT", "SELECT"))).unwrap();
            standby.catch_up_with(&primary);
            for verifier in &mut verifiers {
                let answer = verifier.heat(&issued.token);
                assert!(!told(&answer), "{change}, rolled back: {:?}: {answer}", verifier.name);
            }
        }
        for sql in change.split("; ") {
            on_primary.batch_execute(sql).unwrap();
        }
        standby.catch_up_with(&primary);
        for verifier in &mut verifiers {
            let answer = verifier.ask(&issued.token);
            assert!(told(&answer), "{change}: {:?}: {answer}", verifier.name);
        }
    }
}

#[test]
fn sessions_of_a_standby_go_on_when_it_is_promoted() {
    let mut primary = primary();
    let mut on_primary = primary.connect("postgres");
    prepare(&mut on_primary);
    let (killed_before, killed_after) = (issue(&mut on_primary, "user:1"), issue(&mut on_primary, "user:1"));
    let standby = primary.standby();
    standby.catch_up_with(&primary);
    let mut verifiers = Verifier::each(&standby);
    let mut admin = standby.connect("postgres");
    for verifier in &mut verifiers {
        verifier.heat(&killed_before.token);
        verifier.heat(&killed_after.token);
    }

    assert!(revoke(&mut on_primary, &killed_before));
    standby.catch_up_with(&primary);
    primary.kill();
    assert!(admin.query_one("SELECT pg_promote()", &[]).unwrap().get::<_, bool>(0));
    for verifier in &mut verifiers {
        assert!(verifier.heat(&killed_before.token).starts_with("verdict revoked"), "{:?}", verifier.name);
        assert!(verifier.heat(&killed_after.token).starts_with("verdict valid"), "{:?}", verifier.name);
    }
    // A session that was connected while this was a standby kills a token, and the verifiers see this and a new token.
    assert!(revoke(&mut admin, &killed_after));
    let issued = issue(&mut admin, "user:1");
    for verifier in &mut verifiers {
        assert!(verifier.ask(&killed_after.token).starts_with("verdict revoked"), "{:?}", verifier.name);
        assert!(verifier.heat(&issued.token).starts_with("verdict valid"), "{:?}", verifier.name);
    }
}

#[test]
fn a_standby_reads_what_can_be_read_and_refuses_what_would_write() {
    let primary = Server::start(FAST);
    let mut on_primary = primary.connect("postgres");
    prepare(&mut on_primary);
    let issued = issue(&mut on_primary, "user:1");
    on_primary
        .batch_execute(
            "CREATE TABLE people (id int PRIMARY KEY);
             SELECT tokenauth.bind_principals('people', 'person', 'id'), tokenauth.put_principal('org:1');",
        )
        .unwrap();
    let standby = primary.standby();
    standby.catch_up_with(&primary);
    let mut on_standby = standby.connect("postgres");
    let named = |sql: &str| format!("SELECT {sql}").replace("$id", &issued.id).replace("$token", &issued.token);

    for call in [
        "tokenauth.verify('$token')",
        "tokenauth.verify_digest(left('$token', 15), sha256('$token'))",
        "tokenauth.verify_request('{\"X-API-Key\": \"$token\"}')",
        "tokenauth.error_response(v) FROM tokenauth.verify('x') v",
        "* FROM tokenauth.explain('$token')",
        "* FROM tokenauth.list()",
        "* FROM tokenauth.list(actor => 'user:1')",
        "* FROM tokenauth.tokens",
        "* FROM tokenauth.events",
        "* FROM tokenauth.rotation_status('$id')",
        "tokenauth.grantable('key', 'user:1')",
        "tokenauth.contains_token('$token')",
        "tokenauth.mask('$token')",
        "* FROM tokenauth.doctor()",
    ] {
        on_standby.batch_execute(&named(call)).unwrap_or_else(|error| panic!("{call}: {error:?}"));
    }
    for call in [
        "tokenauth.issue('key', 'user:1')",
        "tokenauth.import('key', 'user:1', encode(sha256('x'), 'hex'), 'sha256')",
        "tokenauth.edit('$id', name => 'x')",
        "tokenauth.rotate('$id')",
        "tokenauth.revoke('$id')",
        "tokenauth.revoke_presented('$token')",
        "tokenauth.revoke_all(owner => 'user:1')",
        "tokenauth.disable('$id')",
        "tokenauth.delete('$id')",
        "tokenauth.put_principal('user:2')",
        "tokenauth.put_principal('user:1', active => false)",
        "tokenauth.deactivate('user:1')",
        "tokenauth.drop_principal('user:1')",
        "tokenauth.add_member('org:1', 'user:1')",
        "tokenauth.grant_access('pg_monitor', 'verify')",
        "tokenauth.bind_principals('people', 'person', 'id')",
        "tokenauth.bind_members('people', 'id', 'id')",
        "tokenauth.sync_principals('people')",
        "tokenauth.unbind_principals('people')",
    ] {
        let error = on_standby.batch_execute(&named(call)).expect_err(call);
        assert_eq!(error.code(), Some(&SqlState::READ_ONLY_SQL_TRANSACTION), "{call}: {error:?}");
    }
    assert_eq!(verdict(&mut on_standby, &issued.token), "valid");
}

#[test]
fn a_verification_that_recovery_cancels_may_be_tried_again() {
    // The lock shows that the statement runs: while it waits for a command, the session would be ended, not its
    // statement cancelled.
    const LONG: &str =
        "SELECT count(*) FROM pg_advisory_xact_lock(7), generate_series(1, 10000) a, generate_series(1, 10000) b,
                                             LATERAL tokenauth.verify(CASE WHEN a + b > 0 THEN $1 END) v WHERE v.ok";
    const RUNS: &str = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory')";
    let mut settings = FAST.to_vec();
    settings.extend(["max_standby_streaming_delay = 0", "autovacuum = off"]);
    let primary = Server::start(&settings);
    let mut on_primary = primary.connect("postgres");
    prepare(&mut on_primary);
    let issued = issue(&mut on_primary, "user:1");
    let standby = primary.standby();
    standby.catch_up_with(&primary);

    let connections: [fn(&Server) -> Verifier; 2] =
        [|standby| Verifier::connect(standby, "", By::Text), Verifier::without_memory];
    for connect in connections {
        let mut verifier = connect(&standby);
        verifier.heat(&issued.token);
        let error = thread::scope(|scope| {
            let running = scope.spawn(|| verifier.client.query(LONG, &[&issued.token]).map(drop).unwrap_err());
            wait_until("the statement to run", || standby.connect("postgres").query_one(RUNS, &[]).unwrap().get(0));
            // Remove row versions that the standby's statement may still see.
            while !running.is_finished() {
                on_primary.batch_execute("UPDATE tokenauth.principal SET display_name = 'x'").unwrap();
                on_primary.batch_execute("VACUUM tokenauth.principal").unwrap();
            }
            running.join().unwrap()
        });
        assert_eq!(error.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE), "{error:?}");
        standby.catch_up_with(&primary);
        // By another session: recovery may have ended this one where it waited for its client to read the error.
        assert!(connect(&standby).heat(&issued.token).starts_with("verdict valid"));
    }
    let mut verifier = Verifier::connect(&standby, "", By::Digest);
    verifier.heat(&issued.token);
    assert!(revoke(&mut on_primary, &issued));
    standby.catch_up_with(&primary);
    assert!(verifier.ask(&issued.token).starts_with("verdict revoked"));
}

#[test]
fn a_standby_that_is_too_far_behind_verifies_nothing() {
    let primary = Server::start(&[FAST, &["autovacuum = off"]].concat());
    let mut on_primary = primary.connect("postgres");
    prepare(&mut on_primary);
    let issued = issue(&mut on_primary, "user:1");
    let standby = primary.standby();
    let mut on_standby = standby.connect("postgres");
    let within = |most: &str| format!("SET tokenauth.max_staleness = '{most}'");

    // A standby that has replayed nothing cannot know how far behind it is.
    on_standby.batch_execute(&within("1d")).unwrap();
    let told = on_standby.query("SELECT tokenauth.verify($1)", &[&issued.token]).unwrap_err();
    assert_eq!(told.code(), Some(&SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE), "{told:?}");
    let issued = issue(&mut on_primary, "user:1");
    standby.catch_up_with(&primary);
    // After the second time, the token is remembered.
    for _ in 0..3 {
        assert_eq!(verdict(&mut on_standby, &issued.token), "valid");
    }

    // From now on nothing commits on the primary.
    on_standby.batch_execute(&within("1ms")).unwrap();
    let behind = "SELECT now() - pg_last_xact_replay_timestamp() > '10 ms'";
    wait_until("time to go by", || on_standby.query_one(behind, &[]).unwrap().get(0));
    for call in ["verify($1)", "sign_in($1)", "authenticate($1)", "verify_digest(left($1, 11), sha256($1::bytea))"] {
        let error = on_standby.query(&format!("SELECT tokenauth.{call}"), &[&issued.token]).expect_err(call);
        let told = error.as_db_error().unwrap();
        assert_eq!(told.code(), &SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, "{call}: {told:?}");
        assert!(told.detail().unwrap().contains("tokenauth.max_staleness allows 1 ms"), "{told:?}");
    }
    // A primary is never behind.
    on_primary.batch_execute(&within("1ms")).unwrap();
    assert_eq!(verdict(&mut on_primary, &issued.token), "valid");

    on_standby.batch_execute(&within("1d")).unwrap();
    assert!(revoke(&mut on_primary, &issued));
    standby.catch_up_with(&primary);
    assert_eq!(verdict(&mut on_standby, &issued.token), "revoked");
}

#[test]
fn an_administrator_sees_on_a_standby_what_the_primary_shows_and_removes_nothing() {
    let primary = Server::start(FAST);
    let mut on_primary = primary.connect("postgres");
    prepare(&mut on_primary);
    on_primary
        .batch_execute(
            "SELECT tokenauth.issue('key', 'user:1', expires_in => '1 hour');
             CREATE TABLE members (id int PRIMARY KEY, active boolean NOT NULL);
             INSERT INTO members VALUES (1, true);
             SELECT tokenauth.bind_principals('members', 'member', 'id::text', active => 'active')",
        )
        .unwrap();
    let killed = issue(&mut on_primary, "user:1");
    assert!(revoke(&mut on_primary, &killed));

    let standby = primary.standby();
    standby.catch_up_with(&primary);
    let mut on_standby = standby.connect("postgres");
    for seen in [
        "SELECT count(*)::text FROM tokenauth.expiring('1 day')",
        "SELECT count(*)::text FROM tokenauth.idle('0')",
        "SELECT count(*)::text FROM tokenauth.doctor()",
        "SELECT string_agg(item || ' ' || value, ',' ORDER BY section, item, value) FROM tokenauth.report()",
        "SELECT (tokenauth.export_revocations('-infinity') -> 'tokens')::text",
    ] {
        let [here, there]: [String; 2] =
            [&mut on_standby, &mut on_primary].map(|client| client.query_one(seen, &[]).unwrap().get(0));
        assert_eq!(here, there, "{seen}");
    }
    for statement in ["SELECT tokenauth.purge('0')", "SELECT tokenauth.import_revocations('{\"version\": 1}')"] {
        let error = on_standby.batch_execute(statement).expect_err(statement);
        assert_eq!(error.code(), Some(&SqlState::READ_ONLY_SQL_TRANSACTION), "{statement}: {error}");
    }
}
