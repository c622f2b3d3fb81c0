//! More tokens than memory has room for: what is counted, who keeps a place, and how soon it is written.

use std::thread;

use postgres::Client;
use tokenauth_cluster::contract::{Issued, issue, prepare, verdict};
use tokenauth_cluster::{Server, wait_until};

use super::{counts, lazy_server, one, server, verify_often};

/// The sum of all requests, wherever they are counted.
const COUNTED: &str = "SELECT sum(request_count)::bigint FROM tokenauth.tokens";

/// How many tokens a flood has, and how many are verified in each statement of it.
const TOKENS: i32 = 300_000;
const STEP: i32 = 10_000;

/// How many of them may wait for the worker at once.
const BEHIND: i32 = 100_000;

/// How many tokens have uses in the table.
fn written_of_all(client: &mut Client) -> i32 {
    one(client, "SELECT count(*)::int FROM tokenauth.usage WHERE request_count > 0")
}

/// Issues this many tokens, whose texts a table keeps.
fn issue_many(client: &mut Client, tokens: i32) {
    client
        .batch_execute(&format!(
            "CREATE TABLE presented AS
                 SELECT n, i.token
                   FROM generate_series(1, {tokens}) n, LATERAL tokenauth.issue('key', 'user:1', n::text) i"
        ))
        .unwrap();
}

/// Verifies the tokens that were issued with these numbers, each once.
fn verify_each(client: &mut Client, from: i32, to: i32) {
    let valid: i64 = client
        .query_one(
            "SELECT count(*) FROM (SELECT token FROM presented WHERE n BETWEEN $1 AND $2 OFFSET 0) p,
                    LATERAL tokenauth.verify(p.token) v WHERE v.ok",
            &[&from, &to],
        )
        .unwrap()
        .get(0);
    assert_eq!(valid, i64::from(to - from + 1));
}

fn is_short(client: &mut Client) -> bool {
    one(client, "SELECT count(*) > 0 FROM tokenauth.doctor() WHERE object = 'tokenauth.usage_slots'")
}

/// A kind whose tokens may be used twice an hour.
fn prepare_rated(client: &mut Client) -> Issued {
    prepare(client);
    client
        .batch_execute(
            "INSERT INTO tokenauth.kind (name, prefix, rate_limit, rate_interval)
             VALUES ('slow', 'slow_', 2, '1 hour')",
        )
        .unwrap();
    let row = client.query_one("SELECT token, id::text FROM tokenauth.issue('slow', 'user:1')", &[]).unwrap();
    Issued { token: row.get(0), id: row.get(1) }
}

#[test]
fn below_capacity_nothing_is_lost_however_the_tokens_are_spread() {
    let server = lazy_server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    issue_many(&mut client, 50_000);
    for _ in 0..3 {
        verify_each(&mut client, 1, 50_000);
    }
    assert_eq!(one::<i64>(&mut client, COUNTED), 150_000);
    assert!(!is_short(&mut client));
}

#[test]
fn a_flood_of_tokens_of_one_database_costs_no_other_its_counts() {
    let server = server(&["tokenauth.usage_flush_interval = 10"]);
    server.create_database("other", "");
    let mut flooded = server.connect("postgres");
    prepare(&mut flooded);
    issue_many(&mut flooded, TOKENS);
    let mut client = server.connect("other");
    let slow = prepare_rated(&mut client);
    let hot = issue(&mut client, "user:1");
    thread::scope(|scope| {
        let flood = scope.spawn(|| {
            for first in (0..TOKENS).step_by(STEP as usize) {
                verify_each(&mut flooded, first + 1, first + STEP);
                // However slow this machine is: as far behind as memory has room for, and no further.
                wait_until("the worker", || first + STEP - written_of_all(&mut flooded) <= BEHIND);
            }
        });
        let (mut uses, mut admitted) = (0, 0);
        while !flood.is_finished() {
            verify_often(&mut client, &hot, 100);
            uses += 100;
            admitted += u32::from(verdict(&mut client, &slow.token) == "valid");
        }
        assert_eq!(counts(&mut client, &hot), (uses, 0));
        assert_eq!(admitted, 2);
    });
    assert!(!is_short(&mut flooded));
    wait_until("the rest", || written_of_all(&mut flooded) == TOKENS);
    assert_eq!(one::<i64>(&mut flooded, COUNTED), i64::from(TOKENS));
}

#[test]
fn a_rate_holds_for_a_token_that_makes_room_for_others() {
    let server = server(&["tokenauth.usage_slots = 8"]);
    let mut client = server.connect("postgres");
    let slow = prepare_rated(&mut client);
    issue_many(&mut client, 1200);
    let mut verdicts = Vec::new();
    for round in 0..12 {
        verdicts.push(verdict(&mut client, &slow.token));
        verify_each(&mut client, round * 100 + 1, round * 100 + 100);
        // Whether its uses are already written does not matter.
        if round % 4 == 0 {
            wait_until("the flush", || {
                one::<i64>(&mut client, "SELECT sum(request_count)::bigint FROM tokenauth.usage") > 0
            });
        }
    }
    assert_eq!(verdicts.iter().filter(|verdict| *verdict == "valid").count(), 2, "{verdicts:?}");
}

#[test]
fn the_worker_comes_when_memory_fills_and_not_by_the_clock_alone() {
    let server = lazy_server(&["tokenauth.usage_slots = 8"]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    issue_many(&mut client, 3000);
    verify_each(&mut client, 1, 3000);
    wait_until("the flush", || written_of_all(&mut client) > 1000);
    assert_eq!(one::<i64>(&mut client, COUNTED), 3000);
}

#[test]
fn what_no_worker_can_write_is_dropped_from_those_who_fill_memory_and_counted() {
    // No place for a worker.
    let settings = ["tokenauth.usage_slots = 8", "max_worker_processes = 1", "max_logical_replication_workers = 0"];
    let server: Server = lazy_server(&settings);
    server.create_database("other", "");
    let mut client = server.connect("other");
    prepare(&mut client);
    let (hot, early) = (issue(&mut client, "user:1"), issue(&mut client, "user:1"));
    verify_often(&mut client, &early, 7);
    let mut flooded = server.connect("postgres");
    prepare(&mut flooded);
    issue_many(&mut flooded, 20_000);
    for round in 0..200 {
        verify_often(&mut client, &hot, 3);
        verify_each(&mut flooded, round * 100 + 1, round * 100 + 100);
    }
    assert_eq!(counts(&mut client, &hot), (600, 0), "a token in use keeps its place");
    assert_eq!(counts(&mut client, &early), (7, 0), "the database that fills memory makes room");
    let seen: i64 = one(&mut flooded, COUNTED);
    let told: String =
        one(&mut flooded, "SELECT finding FROM tokenauth.doctor() WHERE object = 'tokenauth.usage_slots'");
    assert!(told.contains(&format!(" {} uses were not counted", 20_000 - seen)), "{seen} of 20000 are seen; {told}");
}

/// How many databases of a server can have usage.
const DATABASES: usize = 1024;

#[test]
fn a_database_that_finds_no_place_is_told_and_verifies_nevertheless() {
    if std::env::var_os("TOKENAUTH_SOAK").is_none() {
        return;
    }
    // A worker would free the places of the databases that are gone.
    let server = lazy_server(&["max_worker_processes = 1", "max_logical_replication_workers = 0"]);
    server.create_database("template", "");
    let key = {
        let mut client = server.connect("template");
        prepare(&mut client);
        issue(&mut client, "user:1")
    };
    let mut admin = server.connect("postgres");
    let mut verified_in = |database: &str| -> (String, String) {
        admin.batch_execute(&format!("CREATE DATABASE {database} TEMPLATE template STRATEGY file_copy")).unwrap();
        let mut client = server.connect(database);
        let verdict = verdict(&mut client, &key.token);
        let told = "SELECT coalesce(string_agg(finding, ' ') FILTER (WHERE finding LIKE '%is not counted%'), '')
                      FROM tokenauth.doctor()";
        let told = one(&mut client, told);
        drop(client);
        admin.batch_execute(&format!("DROP DATABASE {database} WITH (FORCE)")).unwrap();
        (verdict, told)
    };
    for number in 0..DATABASES {
        assert_eq!(verified_in(&format!("d{number}")), ("valid".to_owned(), String::new()));
    }
    let (verdict, told) = verified_in("late");
    assert_eq!(verdict, "valid");
    assert_eq!(told, format!("usage of this database is not counted: {DATABASES} others of this server have usage"));
}
