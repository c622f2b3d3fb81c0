//! The launcher and its workers: stopped, killed, kept from working, and what else they do.

use std::thread::sleep;
use std::time::Duration;

use postgres::Client;
use tokenauth_cluster::contract::{issue, prepare, revoke, verdict};
use tokenauth_cluster::{rounds, wait_until};

use super::{counts, lazy_server, one, server, verify_often, written};

/// The process with this name in `pg_stat_activity`, once there is one.
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
fn a_crash_loses_no_more_than_what_was_not_written_and_counts_nothing_twice() {
    let mut server = server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    let mut expected = 0;
    for round in 0..rounds(4, 20) {
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
        // Shared memory is there again, but empty.
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
    // A worker that waits for a lock gives up.
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

    // After SIGKILL the server starts anew: what was not written is lost, and counting continues.
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
fn a_database_whose_extension_was_dropped_is_left_alone() {
    let server = server(&["log_min_messages = debug1"]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    let workers = || server.log_text().matches("starting background worker process \"tokenauth usage\"").count();
    let before = workers();
    // In one transaction, so that the use is still waiting when the extension is gone.
    client.batch_execute(&format!("SELECT tokenauth.verify('{}'); DROP EXTENSION tokenauth", issued.token)).unwrap();
    // A worker that does not forget the use is started again each second.
    wait_until("workers to come no more, since there is nothing to come back for", || {
        let so_far = workers();
        sleep(Duration::from_secs(4));
        so_far > before && workers() == so_far
    });
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
    // One slot for background workers, for the launcher, since that of logical replication is switched off.
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
fn a_fast_shutdown_waits_for_no_standby_and_no_lock_of_ours() {
    let mut server = server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    // From now on, every other commit waits for a standby that does not exist.
    server.reconfigure(&["synchronous_standby_names = 'nobody'"]);
    verify_often(&mut client, &issued, 10);
    wait_until("the flush", || written(&mut client, &issued) == 10);
    let mut holder = server.connect("postgres");
    holder.batch_execute("BEGIN; LOCK TABLE tokenauth.usage").unwrap();
    verify_often(&mut client, &issued, 10);
    process(&mut client, "tokenauth usage");
    // Returns when the server has stopped.
    server.configure_and_restart(&["synchronous_standby_names = ''"]);
    let mut client = server.connect("postgres");
    wait_until("the flush after it", || written(&mut client, &issued) == 20);
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
