//! Hourly usage as it gets older: folded into days, removed, or not kept at all.

use postgres::Client;
use tokenauth_cluster::contract::{issue, prepare, revoke};
use tokenauth_cluster::{Server, wait_until};

use super::{one, server, verify_often};

/// Every row, with its age in days.
const ROWS: &str = "SELECT string_agg(format('%s %s %s: %s %s %s %s', name,
                                             (now() AT TIME ZONE 'UTC')::date - (hour AT TIME ZONE 'UTC')::date, period,
                                             h.request_count, h.denied_count, hours_used, h.networks), E'\n'
                                      ORDER BY name, hour DESC)
                      FROM tokenauth.usage_hourly h JOIN tokenauth.tokens t ON t.id = h.token_id
                     WHERE name IN ('a', 'b')";

/// Adds an hour of a day so many days ago.
fn used(client: &mut Client, name: &str, days: i32, hour: i32, counts: (i64, i64), networks: &[&str]) {
    client
        .execute(
            "INSERT INTO tokenauth.usage_hourly (token_id, hour, request_count, denied_count, networks)
             SELECT id, date_trunc('day', now(), 'UTC') - make_interval(days => $2) + make_interval(hours => $3),
                    $4, $5, $6
               FROM tokenauth.tokens WHERE name = $1",
            &[&name, &days, &hour, &counts.0, &counts.1, &networks],
        )
        .unwrap();
}

/// Restarts the server, and uses another token: a worker looks after what is old once an hour, and once after each
/// start, in a database that is used.
fn restart(server: &mut Server, settings: &[&str]) -> Client {
    server.configure_and_restart(settings);
    let mut client = server.connect("postgres");
    let token = issue(&mut client, "user:1");
    verify_often(&mut client, &token, 1);
    client
}

#[test]
fn hours_become_days_after_a_week_and_go_after_the_retention() {
    let mut server = server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    for name in ["a", "b"] {
        client.execute("SELECT tokenauth.issue('key', 'user:1', $1)", &[&name]).unwrap();
    }
    used(&mut client, "a", 100, 3, (5, 0), &[]);
    used(&mut client, "a", 20, 0, (1, 1), &["10.0.0.0/24"]);
    used(&mut client, "a", 20, 5, (2, 0), &["192.0.2.0/24", "10.0.0.0/24"]);
    used(&mut client, "a", 20, 23, (0, 4), &[]);
    used(&mut client, "a", 8, 7, (3, 0), &[]);
    used(&mut client, "a", 6, 7, (3, 0), &[]);
    used(&mut client, "b", 20, 9, (7, 0), &[]);
    let folded = "a 6 hour: 3 0  {}\na 8 day: 3 0 1 {}\n\
                  a 20 day: 3 5 2 {10.0.0.0/24,192.0.2.0/24}\nb 20 day: 7 0 1 {}";
    let unfolded =
        "SELECT count(*) FROM tokenauth.usage_hourly WHERE period = 'hour' AND hour < now() - interval '8 days'";

    let mut client = restart(&mut server, &[]);
    wait_until("the hours to be folded", || one::<i64>(&mut client, unfolded) == 0);
    assert_eq!(one::<String>(&mut client, ROWS), folded);

    let mut client = restart(&mut server, &["tokenauth.hourly_retention = '15 days'"]);
    wait_until("old days to go", || {
        one::<i64>(&mut client, "SELECT count(*) FROM tokenauth.usage_hourly WHERE hour < now() - interval '16 days'")
            == 0
    });
    assert_eq!(one::<String>(&mut client, ROWS), "a 6 hour: 3 0  {}\na 8 day: 3 0 1 {}");
}

/// As from a standby that was away.
#[test]
fn an_hour_that_comes_late_joins_its_day() {
    let mut server = server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    client.execute("SELECT tokenauth.issue('key', 'user:1', 'a')", &[]).unwrap();
    for (hour, counts, networks) in [(4, (2, 0), &["10.0.0.0/24"][..]), (11, (10, 1), &["203.0.113.0/24"])] {
        used(&mut client, "a", 20, hour, counts, networks);
        client = restart(&mut server, &[]);
        let days = "SELECT count(*) FROM tokenauth.usage_hourly WHERE period = 'day'";
        let hours =
            "SELECT count(*) FROM tokenauth.usage_hourly WHERE period = 'hour' AND hour < now() - interval '1 day'";
        wait_until("the hours to be folded", || {
            one::<i64>(&mut client, days) == 1 && one::<i64>(&mut client, hours) == 0
        });
    }
    assert_eq!(one::<String>(&mut client, ROWS), "a 20 day: 12 1 2 {10.0.0.0/24,203.0.113.0/24}");
}

#[test]
fn without_hourly_usage_unusual_activity_says_what_it_cannot_tell() {
    let server = server(&["tokenauth.hourly_retention = 0"]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let token = issue(&mut client, "user:1");
    verify_often(&mut client, &token, 10);
    assert!(revoke(&mut client, &token));
    client.query("SELECT tokenauth.verify($1, client => '198.51.100.1')", &[&token.token]).unwrap();
    wait_until("the flush", || {
        one::<i64>(&mut client, "SELECT (request_count + denied_count)::bigint FROM tokenauth.usage") == 11
    });
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM tokenauth.usage_hourly"), 0);
    let told =
        "SELECT string_agg(concat_ws(' ', signal, evidence ->> 'client'), ',') FROM tokenauth.unusual_activity()";
    assert_eq!(one::<String>(&mut client, told), "used_after_death 198.51.100.1");
    let log = server.log_text();
    assert!(log.contains("cannot tell any signal but \"used_after_death\""), "{log}");
}
