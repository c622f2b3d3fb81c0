//! Usage in shared memory: every use counts once, whatever ends in between, and verification never fails for it.

use std::thread;

use postgres::Client;
use postgres::error::SqlState;
use tokenauth_cluster::contract::{Issued, issue, prepare, revoke, verdict};
use tokenauth_cluster::{FAST, Server, wait_until};

/// A server that writes usage every second.
fn server(settings: &[&str]) -> Server {
    let preloaded = ["shared_preload_libraries = 'tokenauth'", "tokenauth.usage_flush_interval = 1"];
    Server::start(&[FAST, &preloaded, settings].concat())
}

/// A server that writes usage when it is started anew, and not before a test is over.
fn lazy_server(settings: &[&str]) -> Server {
    server(&[&["tokenauth.usage_flush_interval = 1h"], settings].concat())
}

/// Requests and denials, as the view shows them.
fn counts(client: &mut Client, token: &Issued) -> (i64, i64) {
    let row = client
        .query_one("SELECT request_count, denied_count FROM tokenauth.tokens WHERE id = $1::text::uuid", &[&token.id])
        .unwrap();
    (row.get(0), row.get(1))
}

/// Requests as they are in the table.
fn written(client: &mut Client, token: &Issued) -> i64 {
    client
        .query_one("SELECT request_count FROM tokenauth.usage WHERE token_id = $1::text::uuid", &[&token.id])
        .unwrap()
        .get(0)
}

fn one<T: for<'a> postgres::types::FromSql<'a>>(client: &mut Client, query: &str) -> T {
    client.query_one(query, &[]).unwrap().get(0)
}

/// Verifies it so often in one statement.
fn verify_often(client: &mut Client, token: &Issued, times: i32) {
    let valid: i64 = client
        .query_one(
            "SELECT count(*) FROM generate_series(1, $2) n, LATERAL tokenauth.verify($1, client => '10.0.' || n % 2) v
              WHERE v.ok",
            &[&token.token, &times],
        )
        .unwrap()
        .get(0);
    assert_eq!(valid, i64::from(times));
}

/// The process that the view of activity calls so, once there is one.
fn process(client: &mut Client, kind: &str) -> i32 {
    let mut found = None;
    wait_until(kind, || {
        let row = client.query_opt("SELECT pid FROM pg_stat_activity WHERE backend_type = $1", &[&kind]).unwrap();
        found = row.map(|row| row.get(0));
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn a_list_right_after_a_verification_is_exact() {
    let server = server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    // While flushes go on: what is on its way into the table is neither missing nor there twice.
    let rounds = 3000;
    for round in 1..=rounds {
        assert_eq!(verdict(&mut client, &issued.token), "valid");
        assert_eq!(counts(&mut client, &issued), (round, 0));
    }
    let is_fresh = "SELECT last_used_at > clock_timestamp() - interval '10 seconds' FROM tokenauth.list()";
    assert!(one::<bool>(&mut client, is_fresh));
    wait_until("the flush", || written(&mut client, &issued) == rounds);
    assert_eq!(counts(&mut client, &issued), (rounds, 0));
}

#[test]
fn counts_are_exact_after_many_clients_and_a_clean_restart() {
    let mut server = server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let tokens: Vec<Issued> = (0..20).map(|_| issue(&mut client, "user:1")).collect();
    let each = 500;
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = server.connect("postgres");
                for token in &tokens {
                    verify_often(&mut client, token, each);
                }
            });
        }
    });
    let expected = i64::from(8 * each);
    assert!(tokens.iter().all(|token| counts(&mut client, token) == (expected, 0)));
    server.restart();
    let mut client = server.connect("postgres");
    assert!(tokens.iter().all(|token| counts(&mut client, token) == (expected, 0)));
    wait_until("what the stop has kept to be written", || {
        tokens.iter().all(|token| written(&mut client, token) == expected)
    });
    let verified: i64 = one(&mut client, "SELECT count FROM tokenauth.stats() WHERE verdict = 'valid'");
    assert_eq!(verified, 20 * expected);
    let hours: i64 = one(&mut client, "SELECT sum(request_count)::bigint FROM tokenauth.usage_hourly");
    assert_eq!(hours, 20 * expected);
}

#[test]
fn a_clean_stop_keeps_what_was_never_written() {
    let mut server = lazy_server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    verify_often(&mut client, &issued, 7);
    server.restart();
    let mut client = server.connect("postgres");
    assert_eq!((counts(&mut client, &issued), written(&mut client, &issued)), ((7, 0), 0));
    assert!(!server.file("data/pg_stat/tokenauth.stat").exists(), "read once");

    // A file that is not as it was written is passed over, and the log says so.
    verify_often(&mut client, &issued, 1);
    server.stop();
    let mut kept = std::fs::read(server.file("data/pg_stat/tokenauth.stat")).unwrap();
    kept[100] ^= 1;
    std::fs::write(server.file("data/pg_stat/tokenauth.stat"), kept).unwrap();
    server.start_again();
    let mut client = server.connect("postgres");
    assert_eq!(counts(&mut client, &issued), (0, 0));
    assert!(server.log_text().contains("usage of tokens kept at the last stop is damaged"));
    assert_eq!(verdict(&mut client, &issued.token), "valid");
}

#[test]
fn uses_count_whatever_the_transaction_is_and_becomes() {
    let server = server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    let frames = [
        ("BEGIN READ ONLY", "COMMIT"),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE", "COMMIT"),
        ("BEGIN ISOLATION LEVEL REPEATABLE READ", "ROLLBACK"),
        ("BEGIN", "ROLLBACK"),
        ("BEGIN; SAVEPOINT s", "ROLLBACK TO s; COMMIT"),
    ];
    for (begin, end) in frames {
        client.batch_execute(begin).unwrap();
        assert_eq!(verdict(&mut client, &issued.token), "valid");
        client.query("SELECT tokenauth.verify($1, '{nothing:of:that}')", &[&issued.token]).unwrap();
        client.batch_execute(end).unwrap();
    }
    let expected = i64::try_from(frames.len()).unwrap();
    assert_eq!(counts(&mut client, &issued), (expected, expected));
    client.batch_execute("BEGIN; SELECT tokenauth.verify('key_nonsense'); ROLLBACK").unwrap();
    let malformed: i64 = one(&mut client, "SELECT count FROM tokenauth.stats() WHERE verdict = 'malformed'");
    assert_eq!(malformed, 1);
    // Denials become events, few of many, though their transactions were rolled back.
    let denied = "SELECT count(*) FROM tokenauth.events WHERE event = 'token.denied' AND correlation_id IS NOT NULL";
    wait_until("the events", || one::<i64>(&mut client, denied) == 2);
    let told: String = one(
        &mut client,
        "SELECT concat_ws(' ', kind, owner, role, after ->> 'verdict') FROM tokenauth.events
          WHERE event = 'token.denied' AND token_id IS NOT NULL",
    );
    assert_eq!(told, "key user:1 postgres insufficient_scope");
}

#[test]
fn authentication_counts_as_verification_does_though_it_raises() {
    let server = server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    client.query("SELECT tokenauth.authenticate($1)", &[&issued.token]).unwrap();
    client.query("SELECT tokenauth.sign_in($1)", &[&issued.token]).unwrap();
    client.query("SELECT tokenauth.authenticate($1, '{nothing}')", &[&issued.token]).unwrap_err();
    assert_eq!(counts(&mut client, &issued), (2, 1));
    let denied = "SELECT count(*) FROM tokenauth.events WHERE event = 'token.denied' AND correlation_id IS NULL";
    wait_until("the event", || one::<i64>(&mut client, denied) == 1);
}

#[test]
fn with_tracking_off_nothing_is_counted() {
    let server = server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    client.batch_execute("SET tokenauth.usage_tracking = off").unwrap();
    assert_eq!(verdict(&mut client, &issued.token), "valid");
    assert_eq!(counts(&mut client, &issued), (0, 0));
    assert_eq!(one::<i64>(&mut client, "SELECT sum(count)::bigint FROM tokenauth.stats()"), 0);
}

#[test]
fn a_crash_loses_no_more_than_what_was_not_written_and_counts_nothing_twice() {
    let mut server = server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    let mut expected = 0;
    for round in 0..4 {
        verify_often(&mut client, &issued, 100);
        expected += 100;
        wait_until("the flush", || written(&mut client, &issued) == expected);
        if round % 2 == 0 {
            server.crash();
        } else {
            server.kill();
            server.start_again();
        }
        client = server.connect("postgres");
        // Shared memory is there again, and empty.
        assert_eq!(counts(&mut client, &issued), (expected, 0), "round {round}");
        process(&mut client, "tokenauth launcher");
    }
}

#[test]
fn a_worker_that_is_killed_or_ended_loses_and_doubles_nothing_that_was_written() {
    let server = server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    // A worker that waits for a lock, until it gives up.
    let hold = |client: &mut Client| client.batch_execute("BEGIN; LOCK TABLE tokenauth.usage IN SHARE MODE").unwrap();

    let mut holder = server.connect("postgres");
    hold(&mut holder);
    verify_often(&mut client, &issued, 10);
    wait_until("a worker to give up", || server.log_text().contains("canceling statement due to lock timeout"));
    assert_eq!(counts(&mut client, &issued), (10, 0), "given back");
    let worker = process(&mut client, "tokenauth usage");
    client.execute("SELECT pg_terminate_backend($1)", &[&worker]).unwrap();
    holder.batch_execute("ROLLBACK").unwrap();
    wait_until("another worker", || written(&mut client, &issued) == 10);
    assert_eq!(counts(&mut client, &issued), (10, 0));

    // SIGKILL makes the server begin anew: what was not written is lost, and it goes on.
    hold(&mut holder);
    verify_often(&mut client, &issued, 10);
    let worker = process(&mut client, "tokenauth usage");
    server.crash_at(worker);
    client = server.connect("postgres");
    assert_eq!((counts(&mut client, &issued), written(&mut client, &issued)), ((10, 0), 10));
    verify_often(&mut client, &issued, 5);
    wait_until("the flush after it", || written(&mut client, &issued) == 15);
}

#[test]
fn the_launcher_comes_back_and_follows_the_configuration() {
    let server = lazy_server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    verify_often(&mut client, &issued, 3);
    server.reconfigure(&["tokenauth.usage_flush_interval = 1"]);
    wait_until("the flush", || written(&mut client, &issued) == 3);
    let first = process(&mut client, "tokenauth launcher");
    client.execute("SELECT pg_terminate_backend($1)", &[&first]).unwrap();
    wait_until("another launcher", || process(&mut client, "tokenauth launcher") != first);
    verify_often(&mut client, &issued, 3);
    wait_until("the flush", || written(&mut client, &issued) == 6);
}

#[test]
fn databases_and_extensions_come_and_go() {
    let server = server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    for round in 0..5 {
        let name = format!("db{round}");
        server.create_database(&name, "");
        let mut other = server.connect(&name);
        prepare(&mut other);
        let issued = issue(&mut other, "user:1");
        verify_often(&mut other, &issued, 100);
        drop(other);
        // A worker may be connected right now; it is gone before DROP DATABASE gives up.
        client.batch_execute(&format!("DROP DATABASE {name}")).unwrap();
    }
    let issued = issue(&mut client, "user:1");
    verify_often(&mut client, &issued, 1);
    client.batch_execute("DROP EXTENSION tokenauth").unwrap();
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    verify_often(&mut client, &issued, 2);
    wait_until("the flush", || written(&mut client, &issued) == 2);
    assert!(!server.log_text().contains("PANIC"));
}

#[test]
fn without_a_place_for_a_worker_usage_waits() {
    // One place, for the launcher, once that of logical replication is taken away.
    let settings = ["max_worker_processes = 1", "max_logical_replication_workers = 0"];
    let mut server = server(&settings);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    verify_often(&mut client, &issued, 4);
    wait_until("a word in the log", || server.log_text().contains("could not start a worker to write usage of tokens"));
    wait_until("doctor() to tell", || {
        let told = "SELECT count(*) FROM tokenauth.doctor() WHERE object = 'tokenauth launcher'";
        one::<i64>(&mut client, told) == 1
    });
    assert_eq!(counts(&mut client, &issued), (4, 0));
    server.configure_and_restart(&["max_worker_processes = 4"]);
    let mut client = server.connect("postgres");
    wait_until("the flush", || written(&mut client, &issued) == 4);
}

#[test]
fn when_memory_is_full_verification_goes_on_and_what_is_lost_is_counted() {
    let server = lazy_server(&["tokenauth.usage_slots = 8"]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let tokens = 5000;
    let valid: i64 = one(
        &mut client,
        &format!(
            "SELECT count(*) FROM generate_series(1, {tokens}) n, LATERAL tokenauth.issue('key', 'user:1', n::text) i,
                    LATERAL tokenauth.verify(i.token) v WHERE v.ok"
        ),
    );
    assert_eq!(valid, tokens);
    let seen: i64 = one(&mut client, "SELECT sum(request_count)::bigint FROM tokenauth.tokens");
    assert!(seen < tokens, "{seen} of {tokens} uses are in 8 slots and the overflow");
    let told: String =
        one(&mut client, "SELECT finding FROM tokenauth.doctor() WHERE object = 'tokenauth.usage_slots'");
    assert!(told.contains(&format!(" {} uses were not counted", tokens - seen)), "{told}");

    server.reconfigure(&["tokenauth.usage_flush_interval = 1"]);
    let total = "SELECT sum(request_count)::bigint FROM tokenauth.usage";
    wait_until("the flush", || one::<i64>(&mut client, total) == seen);
    // There is room again.
    let issued = issue(&mut client, "user:1");
    verify_often(&mut client, &issued, 1);
    assert_eq!(counts(&mut client, &issued), (1, 0));
}

#[test]
fn a_standby_counts_and_writes_when_it_is_promoted() {
    let primary = lazy_server(&[]);
    let mut on_primary = primary.connect("postgres");
    prepare(&mut on_primary);
    let issued = issue(&mut on_primary, "user:1");
    let standby = primary.standby();
    standby.catch_up_with(&primary);
    let mut on_standby = standby.connect("postgres");
    verify_often(&mut on_standby, &issued, 6);
    assert_eq!(counts(&mut on_standby, &issued), (6, 0));
    assert_eq!(one::<i64>(&mut on_standby, "SELECT count FROM tokenauth.stats() WHERE verdict = 'valid'"), 6);
    assert_eq!(counts(&mut on_primary, &issued), (0, 0));

    on_standby.batch_execute("SELECT pg_promote()").unwrap();
    standby.reconfigure(&["tokenauth.usage_flush_interval = 1"]);
    wait_until("the promoted server to write", || written(&mut on_standby, &issued) == 6);
    assert_eq!(counts(&mut on_standby, &issued), (6, 0));
}

#[test]
fn a_rate_is_kept_for_each_token_by_itself() {
    let server = server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    client.batch_execute("UPDATE tokenauth.kind SET rate_limit = 3, rate_interval = '1 hour'").unwrap();
    let (one_token, other) = (issue(&mut client, "user:1"), issue(&mut client, "user:1"));
    let mut second = server.connect("postgres");
    for client in [&mut client, &mut second, &mut server.connect("postgres")] {
        assert_eq!(verdict(client, &one_token.token), "valid");
    }
    for _ in 0..3 {
        assert_eq!(verdict(&mut second, &one_token.token), "rate_limited");
        assert_eq!(verdict(&mut client, &other.token), "valid");
    }
    let row = client
        .query_one(
            "SELECT v.http_status, (v.detail ->> 'retry_after')::int,
                    tokenauth.error_response(v) -> 'headers' ->> 'Retry-After'
               FROM tokenauth.verify($1) v",
            &[&one_token.token],
        )
        .unwrap();
    let (status, seconds, header): (i32, i32, String) = (row.get(0), row.get(1), row.get(2));
    assert_eq!(status, 429);
    assert!((1..=1200).contains(&seconds), "a third of an hour is the longest, {seconds}");
    assert_eq!(header, seconds.to_string());
    let rate = client
        .query_one("SELECT passed, reason FROM tokenauth.explain($1) WHERE step = 'rate'", &[&one_token.token])
        .unwrap();
    assert!(!rate.get::<_, bool>(0), "{}", rate.get::<_, String>(1));
    assert_eq!(counts(&mut client, &one_token), (3, 4));

    // What a scope would refuse is judged after the rate; a dead token is dead however often it comes.
    assert!(revoke(&mut client, &one_token));
    assert_eq!(verdict(&mut second, &one_token.token), "revoked");
    client.batch_execute("UPDATE tokenauth.kind SET rate_limit = NULL, rate_interval = NULL").unwrap();
    assert_eq!(verdict(&mut second, &other.token), "valid");
}

#[test]
fn a_fast_shutdown_waits_for_no_standby_and_no_lock_of_ours() {
    let mut server = server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    // From now on every commit of anybody else waits for a standby that does not exist.
    server.reconfigure(&["synchronous_standby_names = 'nobody'"]);
    verify_often(&mut client, &issued, 10);
    wait_until("the flush", || written(&mut client, &issued) == 10);
    let mut holder = server.connect("postgres");
    holder.batch_execute("BEGIN; LOCK TABLE tokenauth.usage").unwrap();
    verify_often(&mut client, &issued, 10);
    process(&mut client, "tokenauth usage");
    // Returns when the server has ended.
    server.configure_and_restart(&["synchronous_standby_names = ''"]);
    let mut client = server.connect("postgres");
    wait_until("the flush after it", || written(&mut client, &issued) == 20);
}

#[test]
fn the_log_says_once_that_the_library_is_not_preloaded() {
    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    assert_eq!(verdict(&mut client, &issued.token), "valid");
    assert_eq!(verdict(&mut server.connect("postgres"), &issued.token), "valid");
    assert_eq!(server.log_text().matches("exact usage needs tokenauth to be preloaded").count(), 1);
}

#[test]
fn the_worker_removes_what_is_old_and_announces_what_expires() {
    let mut server = server(&["tokenauth.notify = on"]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let (kept, killed) = (issue(&mut client, "user:1"), issue(&mut client, "user:1"));
    verify_often(&mut client, &kept, 1);
    assert!(revoke(&mut client, &killed));
    let expiring: String =
        one(&mut client, "SELECT id::text FROM tokenauth.issue('key', 'user:1', expires_in => '30 days')");
    client
        .batch_execute(
            "UPDATE tokenauth.token
                SET created_at = created_at - interval '25 days', expires_at = expires_at - interval '25 days'
              WHERE expires_at IS NOT NULL",
        )
        .unwrap();
    // Once an hour, and once after each start.
    server.configure_and_restart(&["tokenauth.retention = '1 millisecond'"]);
    let mut client = server.connect("postgres");
    client.batch_execute("LISTEN tokenauth").unwrap();
    wait_until("the killed token to go", || one::<i64>(&mut client, "SELECT count(*) FROM tokenauth.token") == 2);
    let announced: String = one(&mut client, "SELECT token_id::text FROM tokenauth.announced");
    assert_eq!(announced, expiring);
    assert_eq!(verdict(&mut client, &kept.token), "valid");
    assert_eq!(verdict(&mut client, &killed.token), "unknown");
}

/// What the README says the primary's DBA runs, by a timer.
const PULL: &str = "SELECT tokenauth.usage_import(batch)
  FROM dblink('$standby', 'SELECT tokenauth.usage_export()') AS pulled (batch jsonb)
 WHERE batch IS NOT NULL";

#[test]
fn usage_of_a_standby_is_pulled_once_however_often_it_is_asked_for() {
    let primary = server(&[]);
    let mut on_primary = primary.connect("postgres");
    prepare(&mut on_primary);
    on_primary.batch_execute("CREATE EXTENSION dblink").unwrap();
    let issued = issue(&mut on_primary, "user:1");
    let mut standby = primary.standby();
    standby.catch_up_with(&primary);
    let pull = PULL.replace("$standby", &standby.connection_string("postgres"));
    let pull = |client: &mut Client| -> Option<i64> { client.query_opt(&pull, &[]).unwrap().map(|row| row.get(0)) };

    let mut on_standby = standby.connect("postgres");
    assert_eq!(pull(&mut on_primary), None, "nothing was used");
    verify_often(&mut on_standby, &issued, 6);
    verify_often(&mut on_primary, &issued, 4);
    // The answer is lost on its way, and what is used meanwhile is of the next batch.
    on_standby.batch_execute("SELECT tokenauth.usage_export()").unwrap();
    verify_often(&mut on_standby, &issued, 1);
    assert_eq!(counts(&mut on_standby, &issued).0 - written(&mut on_standby, &issued), 7);
    assert_eq!(pull(&mut on_primary), Some(1));
    // Before the standby has replayed that, it hands out the same.
    on_standby.batch_execute("SELECT pg_wal_replay_pause()").unwrap();
    let again = pull(&mut on_primary);
    assert!(matches!(again, Some(0 | 1)), "the same, or the next if the standby was fast: {again:?}");
    on_standby.batch_execute("SELECT pg_wal_replay_resume()").unwrap();
    standby.catch_up_with(&primary);
    pull(&mut on_primary);
    wait_until("all of both", || counts(&mut on_primary, &issued) == (11, 0));
    standby.catch_up_with(&primary);
    wait_until("the standby to see the same", || counts(&mut on_standby, &issued) == (11, 0));

    // What is out survives a restart of the standby, and what it hands out then is the same batch.
    verify_often(&mut on_standby, &issued, 5);
    let batch = "SELECT tokenauth.usage_export()::text";
    let out: String = one(&mut on_standby, batch);
    standby.restart();
    let mut on_standby = standby.connect("postgres");
    assert_eq!(one::<String>(&mut on_standby, batch), out);
    assert_eq!(counts(&mut on_standby, &issued), (16, 0));
    assert_eq!(pull(&mut on_primary), Some(1));
    let import = "SELECT tokenauth.usage_import($1::text::jsonb)";
    assert_eq!(on_primary.query_one(import, &[&out]).unwrap().get::<_, i64>(0), 0);
    assert_eq!(counts(&mut on_primary, &issued), (16, 0));

    // A batch that is out when the standby is promoted is written by it, and cannot be brought in any more.
    standby.catch_up_with(&primary);
    verify_often(&mut on_standby, &issued, 2);
    let out: String = one(&mut on_standby, batch);
    on_standby.batch_execute("SELECT pg_promote()").unwrap();
    wait_until("the promoted server to write", || written(&mut on_standby, &issued) == 18);
    assert_eq!(counts(&mut on_standby, &issued), (18, 0));
    assert_eq!(on_standby.query_one(import, &[&out]).unwrap().get::<_, i64>(0), 0);
}

#[test]
fn usage_that_is_not_as_it_was_handed_out_is_refused() {
    let server = server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let error = client.batch_execute("SELECT tokenauth.usage_export()").unwrap_err();
    assert_eq!(error.code().map(SqlState::code), Some("55000"));
    for batch in [
        "NULL",
        "'[]'",
        "'{}'",
        r#"'{"node": "x", "batch": 1, "tokens": []}'"#,
        r#"'{"node": "0198f0a0-0000-7000-8000-000000000000", "batch": 0, "tokens": []}'"#,
        r#"'{"node": "0198f0a0-0000-7000-8000-000000000000", "batch": 1, "tokens": [{}]}'"#,
    ] {
        let error = client.batch_execute(&format!("SELECT tokenauth.usage_import({batch})")).unwrap_err();
        let expected = if batch == "NULL" { "22004" } else { "22023" };
        assert_eq!(error.code().map(SqlState::code), Some(expected), "{batch}");
    }
}

/// Signals of a token, in order.
fn signals(client: &mut Client, token: &Issued) -> Vec<String> {
    let rows = client
        .query("SELECT signal FROM tokenauth.unusual_activity() WHERE token = $1::text::uuid", &[&token.id])
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Real traffic of a moment ago becomes that of `days` days ago.
fn age(client: &mut Client, days: i32) {
    wait_until("the flush", || {
        let waiting = "SELECT bool_and(t.request_count = u.request_count AND t.denied_count = u.denied_count)
                         FROM tokenauth.tokens t JOIN tokenauth.usage u ON u.token_id = t.id";
        one(client, waiting)
    });
    let older = "UPDATE tokenauth.usage_hourly SET hour = hour - make_interval(days => $1)";
    client.execute(older, &[&days]).unwrap();
}

#[test]
fn unusual_activity_shows_each_signal_with_its_evidence() {
    let server = server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let tokens: Vec<Issued> = (0..6).map(|_| issue(&mut client, "user:1")).collect();
    let [usual, network, spike, dormant, denied, dead] = &tokens[..] else { panic!("six tokens") };
    let verify = |client: &mut Client, token: &Issued, from: &str, times: i32| {
        let query = "SELECT tokenauth.verify($1, client => $2) FROM generate_series(1, $3)";
        client.query(query, &[&token.token, &from, &times]).unwrap();
    };
    // Some days of the same: tokens used from one network, ten times each.
    for _ in 0..3 {
        for token in [usual, network, spike, dead] {
            verify(&mut client, token, "10.0.0.1", 10);
        }
        age(&mut client, 2);
    }
    verify(&mut client, dormant, "10.0.0.1", 10);
    age(&mut client, 40);
    for token in [usual, network, spike, dead] {
        verify(&mut client, token, "10.0.0.1", 10);
    }
    age(&mut client, 2);
    // The history of the others is forty days older now, and would wake as well: one more day of it.
    verify(&mut client, usual, "10.0.0.99", 12);
    verify(&mut client, network, "10.0.0.1", 10);
    verify(&mut client, network, "192.0.2.7", 1);
    verify(&mut client, spike, "10.0.0.1", 150);
    verify(&mut client, dormant, "10.0.0.1", 1);
    client.query("SELECT tokenauth.verify($1, '{nothing}') FROM generate_series(1, 25)", &[&denied.token]).unwrap();
    assert!(revoke(&mut client, dead));
    verify(&mut client, dead, "198.51.100.1", 1);
    age(&mut client, 0);

    assert_eq!(signals(&mut client, usual), [""; 0]);
    assert_eq!(signals(&mut client, network), ["new_network"]);
    assert_eq!(signals(&mut client, spike), ["spike"]);
    assert_eq!(signals(&mut client, dormant), ["dormant_woke"]);
    assert_eq!(signals(&mut client, denied), ["denied_burst"]);
    assert_eq!(signals(&mut client, dead), ["used_after_death"]);
    let evidence =
        |signal: &str| format!("SELECT evidence::text FROM tokenauth.unusual_activity() WHERE signal = '{signal}'");
    let shown: String = one(&mut client, &evidence("new_network"));
    assert!(
        shown.contains(r#""known": ["10.0.0.0/24"]"#) && shown.contains(r#""networks": ["192.0.2.0/24"]"#),
        "{shown}"
    );
    assert!(one::<String>(&mut client, &evidence("spike")).contains(r#""usual": 10.0"#));
    assert!(one::<String>(&mut client, &evidence("denied_burst")).contains(r#""denials": 25"#));
    assert!(one::<String>(&mut client, &evidence("used_after_death")).contains(r#""client": "198.51.100.1""#));
}
