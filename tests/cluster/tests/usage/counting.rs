//! What is counted, how exactly, and how rates use it.
//!
//! With `TOKENAUTH_SOAK` the test with many clients runs longer.

use std::thread;

use postgres::Client;
use tokenauth_cluster::contract::{Issued, issue, prepare, revoke, verdict};
use tokenauth_cluster::{FAST, Server, rounds, wait_until};

use super::{counts, lazy_server, one, server, verify_often, written};

#[test]
fn a_list_right_after_a_verification_is_exact() {
    let server = server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    // While usage is being flushed, counts on their way into the table are neither missing nor counted twice.
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
    // Each client makes 10,000 verifications, or 100,000.
    let each = i32::try_from(rounds(500, 5000)).unwrap();
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
    let expected = vec![(i64::from(8 * each), 0); tokens.len()];
    let counted = |client: &mut Client| tokens.iter().map(|token| counts(client, token)).collect::<Vec<_>>();
    assert_eq!(counted(&mut client), expected);
    server.restart();
    let mut client = server.connect("postgres");
    assert_eq!(counted(&mut client), expected);
    wait_until("what the stop has kept to be written", || {
        tokens.iter().all(|token| written(&mut client, token) == i64::from(8 * each))
    });
    let verified: i64 = one(&mut client, "SELECT count FROM tokenauth.stats() WHERE verdict = 'valid'");
    assert_eq!(verified, 20 * i64::from(8 * each));
    let hours: i64 = one(&mut client, "SELECT sum(request_count)::bigint FROM tokenauth.usage_hourly");
    assert_eq!(hours, 20 * i64::from(8 * each));
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

    // A clean stop does not count again what was already written.
    server.reconfigure(&["tokenauth.usage_flush_interval = 1"]);
    wait_until("the flush", || written(&mut client, &issued) == 7);
    server.reconfigure(&["tokenauth.usage_flush_interval = 1h"]);
    verify_often(&mut client, &issued, 2);
    server.restart();
    let mut client = server.connect("postgres");
    assert_eq!((counts(&mut client, &issued), written(&mut client, &issued)), ((9, 0), 7));

    // A damaged file is ignored, and the log says so.
    verify_often(&mut client, &issued, 1);
    server.stop();
    let mut kept = std::fs::read(server.file("data/pg_stat/tokenauth.stat")).unwrap();
    kept[100] ^= 1;
    std::fs::write(server.file("data/pg_stat/tokenauth.stat"), kept).unwrap();
    server.start_again();
    let mut client = server.connect("postgres");
    assert_eq!(counts(&mut client, &issued), (7, 0));
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
    // Samples of denials become events, although their transactions were rolled back.
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

    // The rate is judged before the scopes; a dead token is dead however often it is presented.
    assert!(revoke(&mut client, &one_token));
    assert_eq!(verdict(&mut second, &one_token.token), "revoked");
    client.batch_execute("UPDATE tokenauth.kind SET rate_limit = NULL, rate_interval = NULL").unwrap();
    assert_eq!(verdict(&mut second, &other.token), "valid");
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
