//! What is counted, and how exactly.
//!
//! With `TOKENAUTH_SOAK` the test with many clients runs longer.

use std::thread;

use postgres::Client;
use tokenauth_cluster::contract::{Issued, issue, prepare, verdict};
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
        assert_eq!(one::<i64>(&mut client, "SELECT request_count FROM tokenauth.list(page_size => 1)"), round);
    }
    let is_fresh = "SELECT last_used_at > clock_timestamp() - interval '1 minute' FROM tokenauth.list()";
    assert!(one::<bool>(&mut client, is_fresh));
    wait_until("the flush", || written(&mut client, &issued) == rounds);
    assert_eq!(counts(&mut client, &issued), (rounds, 0));
}

#[test]
fn a_token_that_only_memory_knows_to_be_used_is_not_idle() {
    let server = lazy_server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let [used, unused] = [issue(&mut client, "user:1"), issue(&mut client, "user:1")];
    client.batch_execute("UPDATE tokenauth.token SET created_at = created_at - interval '100 days'").unwrap();
    let idle = |client: &mut Client, within: &str| -> Vec<String> {
        one(client, &format!("SELECT array_agg(id::text) FROM tokenauth.idle('{within}')"))
    };
    let reported = "SELECT value FROM tokenauth.report() WHERE section = 'idle' AND item = 'for 90 days'";
    assert_eq!(idle(&mut client, "90 days"), [used.id.as_str(), &unused.id]);
    assert_eq!(one::<String>(&mut client, reported), "2");

    verify_often(&mut client, &used, 3);
    assert_eq!(written(&mut client, &used), 0);
    assert_eq!(idle(&mut client, "90 days"), [unused.id.as_str()]);
    assert_eq!(one::<String>(&mut client, reported), "1");
    assert_eq!(idle(&mut client, "0"), [unused.id.as_str(), &used.id], "the longest idle first");
    for set in ["tokenauth.list()", "tokenauth.idle('0')"] {
        let differ = format!(
            "SELECT count(*) FROM {set} s FULL JOIN tokenauth.tokens t ON t.id = s.id
              WHERE s IS DISTINCT FROM t OR s.id = '{}' AND s.request_count <> 3",
            used.id
        );
        assert_eq!(one::<i64>(&mut client, &differ), 0, "{set}");
    }
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

    // A clean stop does not count again what was already written.
    server.reconfigure(&["tokenauth.usage_flush_interval = 1"]);
    wait_until("the flush", || written(&mut client, &issued) == 7);
    wait_until("the file to go", || !server.file("data/pg_stat/tokenauth.stat").exists());
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
fn what_a_clean_stop_has_kept_outlives_starts_that_fail_and_crashes() {
    let mut server = lazy_server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let (issued, other) = (issue(&mut client, "user:1"), issue(&mut client, "user:1"));
    verify_often(&mut client, &issued, 7);
    server.stop();
    let hba = std::fs::read(server.file("data/pg_hba.conf")).unwrap();
    server.write_file("data/pg_hba.conf", "nonsense", 0o600);
    server.fail_to_start();
    server.write_file("data/pg_hba.conf", &hba, 0o600);
    std::fs::create_dir(server.file(".s.PGSQL.5432.lock")).unwrap();
    server.fail_to_start();
    std::fs::remove_dir(server.file(".s.PGSQL.5432.lock")).unwrap();

    // What is used after the start, or between two starts, is kept apart from it.
    let mut expected = 7;
    for _ in 0..3 {
        server.start_again();
        let mut client = server.connect("postgres");
        assert_eq!(counts(&mut client, &issued), (expected, 0));
        verify_often(&mut client, &issued, 2);
        verify_often(&mut client, &other, 2);
        server.kill();
        server.start_again();
        let mut client = server.connect("postgres");
        assert_eq!((counts(&mut client, &issued), written(&mut client, &issued)), ((expected, 0), 0));
        verify_often(&mut client, &issued, 3);
        expected += 3;
        server.stop();
    }
    server.start_again();
    let mut client = server.connect("postgres");
    verify_often(&mut client, &issued, 1);
    server.reconfigure(&["tokenauth.usage_flush_interval = 1"]);
    wait_until("the flush", || written(&mut client, &issued) == expected + 1);
    wait_until("the file to go", || !server.file("data/pg_stat/tokenauth.stat").exists());
    server.crash();
    let mut client = server.connect("postgres");
    assert_eq!(counts(&mut client, &issued), (expected + 1, 0));
}

#[test]
fn uses_of_a_token_count_from_the_transaction_on_that_issues_it() {
    let server = server(&[]);
    let (mut issuer, mut client) = (server.connect("postgres"), server.connect("postgres"));
    prepare(&mut client);
    let settled = issue(&mut client, "user:1");
    let mut rounds = 0;
    // Two flushes, of which each finds a use of a token that it sees.
    let mut flush_twice = |client: &mut Client| {
        for _ in 0..2 {
            verify_often(client, &settled, 1);
            rounds += 1;
            wait_until("a flush", || written(client, &settled) == rounds);
        }
    };
    issuer.batch_execute("BEGIN").unwrap();
    let committed = issue(&mut issuer, "user:1");
    verify_often(&mut issuer, &committed, 3);
    flush_twice(&mut client);
    verify_often(&mut issuer, &committed, 2);
    flush_twice(&mut client);
    issuer.batch_execute("COMMIT").unwrap();
    assert_eq!(counts(&mut client, &committed), (5, 0));
    wait_until("a flush after the commit", || written(&mut client, &committed) == 5);

    // Uses of a token that was never committed are forgotten, and no worker comes for them again.
    issuer.batch_execute("BEGIN").unwrap();
    let rolled_back = issue(&mut issuer, "user:1");
    verify_often(&mut issuer, &rolled_back, 3);
    flush_twice(&mut client);
    let recent = format!("SELECT request_count FROM tokenauth.recent_usage('{}')", rolled_back.id);
    assert_eq!(one::<Option<i64>>(&mut client, &recent), Some(3));
    issuer.batch_execute("ROLLBACK").unwrap();
    wait_until("it to be forgotten", || one::<Option<i64>>(&mut client, &recent).unwrap_or_default() == 0);
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM tokenauth.usage"), 2);
}

#[test]
fn a_missing_row_of_usage_is_made_when_it_is_missed() {
    let server = server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let (missing, present) = (issue(&mut client, "user:1"), issue(&mut client, "user:1"));
    client.execute("DELETE FROM tokenauth.usage WHERE token_id = $1::text::uuid", &[&missing.id]).unwrap();
    verify_often(&mut client, &missing, 3);
    verify_often(&mut client, &present, 2);
    wait_until("the flush", || one::<i64>(&mut client, "SELECT sum(request_count)::bigint FROM tokenauth.usage") == 5);
    assert_eq!((written(&mut client, &missing), written(&mut client, &present)), (3, 2));
    assert_eq!(one::<i64>(&mut client, "SELECT sum(request_count)::bigint FROM tokenauth.usage_hourly"), 5);
}

#[test]
fn a_use_in_the_future_is_a_finding_until_the_next_one_corrects_it() {
    let in_the_future = "SELECT count(*) FROM tokenauth.doctor() WHERE object = 'tokenauth.usage'";
    let set_clock = "UPDATE tokenauth.usage SET last_used_at = '2090-01-01', last_denied_at = '2090-01-01'";
    let is_right = "SELECT count(*) FROM tokenauth.usage
                     WHERE last_used_at BETWEEN now() - interval '1 minute' AND clock_timestamp()";
    for settings in [&["shared_preload_libraries = 'tokenauth'", "tokenauth.usage_flush_interval = 1"][..], &[]] {
        let server = Server::start(&[FAST, settings].concat());
        let mut client = server.connect("postgres");
        prepare(&mut client);
        let issued = issue(&mut client, "user:1");
        client.batch_execute(set_clock).unwrap();
        if !settings.is_empty() {
            assert_eq!(one::<i64>(&mut client, in_the_future), 1);
        }
        assert_eq!(verdict(&mut client, &issued.token), "valid");
        wait_until("the correction", || one::<i64>(&mut client, is_right) == 1);
        if !settings.is_empty() {
            assert_eq!(one::<i64>(&mut client, in_the_future), 0);
        }
    }
}

#[test]
fn without_comparison_uses_in_the_future_are_counted_where_a_batch_was_written_then() {
    let told = |client: &mut Client, compare: bool| -> i64 {
        let count = format!("SELECT count(*) FROM tokenauth.doctor({compare}) WHERE object = 'tokenauth.usage'");
        one(client, &count)
    };
    let flushed = "SELECT count(*) FROM tokenauth.usage WHERE request_count > 0 AND last_used_at < clock_timestamp()";
    let server = Server::start(
        &[FAST, &["shared_preload_libraries = 'tokenauth'", "tokenauth.usage_flush_interval = 1"]].concat(),
    );
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    assert_eq!(verdict(&mut client, &issued.token), "valid");
    wait_until("a batch", || one::<i64>(&mut client, flushed) == 1);

    // Only by hand can a use be ahead of all batches.
    client.batch_execute("UPDATE tokenauth.usage SET last_used_at = '2090-01-01'").unwrap();
    assert_eq!((told(&mut client, false), told(&mut client, true)), (0, 1));
    client.batch_execute("UPDATE tokenauth.usage_batch SET at = '2090-01-01'").unwrap();
    assert_eq!((told(&mut client, false), told(&mut client, true)), (1, 1));

    // The next batch, which corrects it, does not hide that others may be ahead.
    assert_eq!(verdict(&mut client, &issued.token), "valid");
    wait_until("the correction", || one::<i64>(&mut client, flushed) == 1);
    assert_eq!((told(&mut client, false), told(&mut client, true)), (0, 0));
    assert!(one::<bool>(&mut client, "SELECT at = '2090-01-01' FROM tokenauth.usage_batch"));
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
    // It names the role whose access was used, and the one that logged in.
    client
        .batch_execute(
            "CREATE ROLE asker; SELECT tokenauth.grant_access('asker', 'verify');
             SET ROLE asker; SELECT tokenauth.verify('key_nonsense'); RESET ROLE",
        )
        .unwrap();
    let roles = "SELECT coalesce(string_agg(concat_ws(' ', role, session_role), ','), '') FROM tokenauth.events
                  WHERE event = 'token.denied' AND token_id IS NULL";
    wait_until("the event", || !one::<String>(&mut client, roles).is_empty());
    assert_eq!(one::<String>(&mut client, roles), "asker postgres");
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
fn the_log_says_once_that_the_library_is_not_preloaded() {
    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    assert_eq!(verdict(&mut client, &issued.token), "valid");
    assert_eq!(verdict(&mut server.connect("postgres"), &issued.token), "valid");
    assert_eq!(server.log_text().matches("exact usage needs tokenauth to be preloaded").count(), 1);
}
