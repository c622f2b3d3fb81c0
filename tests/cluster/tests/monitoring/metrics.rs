//! What the view shows is what its page says, and is so.

use std::collections::{BTreeMap, BTreeSet};

use postgres::Client;
use tokenauth_cluster::contract::{issue, prepare, revoke, serve, verdict};
use tokenauth_cluster::{FAST, Server, wait_until};

use super::listed::{self, Metric};

const PRELOADED: &[&str] = &["shared_preload_libraries = tokenauth", "tokenauth.usage_flush_interval = 1s"];

/// A server with the extension preloaded, on which everything that can be measured has happened.
pub fn busy_server() -> (Server, Client) {
    let (server, mut client, issued) = serve(&[FAST, PRELOADED].concat());
    client.batch_execute("CREATE ROLE monitoring LOGIN").unwrap();
    client.batch_execute("SELECT tokenauth.grant_access('monitoring', 'observe')").unwrap();
    assert_eq!(verdict(&mut client, &issued.token), "valid");
    assert_eq!(verdict(&mut client, "key_"), "malformed");
    for table in ["token", "principal", "member", "mass_death", "event", "usage", "usage_hourly"] {
        client.batch_execute(&format!("VACUUM ANALYZE tokenauth.{table}")).unwrap();
    }
    wait_until("the hourly work", || value(&mut client, "tokenauth_housekeeping_timestamp_seconds", "{}").is_some());
    (server, client)
}

/// The metrics by name and labels.
pub fn shown(client: &mut Client) -> BTreeMap<(String, String), f64> {
    let rows = client.query("SELECT name, labels::text, value FROM tokenauth.metrics", &[]).unwrap();
    let shown: BTreeMap<_, _> = rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect();
    assert_eq!(shown.len(), rows.len(), "no two have the same name and labels");
    shown
}

fn value(client: &mut Client, name: &str, labels: &str) -> Option<f64> {
    let one = "SELECT value FROM tokenauth.metrics WHERE name = $1 AND labels = $2::text::jsonb";
    client.query_opt(one, &[&name, &labels]).unwrap().map(|row| row.get(0))
}

/// Names with their labels.
fn names(client: &mut Client) -> BTreeSet<(String, String)> {
    let names = "SELECT DISTINCT name,
                        (SELECT coalesce(string_agg(label, ','), '') FROM jsonb_object_keys(labels) label)
                   FROM tokenauth.metrics";
    client.query(names, &[]).unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}

fn told() -> BTreeSet<(String, String)> {
    listed::metrics().into_iter().map(|Metric { name, label, .. }| (name, label)).collect()
}

#[test]
fn the_page_lists_what_the_view_shows_by_the_conventions_of_prometheus() {
    let (_server, mut client) = busy_server();
    assert_eq!(names(&mut client), told());
    for Metric { name, kind, .. } in listed::metrics() {
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        assert!(["counter", "gauge"].contains(&kind.as_str()), "{name}");
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
    }
    let before = shown(&mut client);
    let issued = issue(&mut client, "user:1");
    assert_eq!(verdict(&mut client, &issued.token), "valid");
    let after = shown(&mut client);
    for metric in listed::metrics().iter().filter(|metric| metric.kind == "counter") {
        let fell = before.iter().find(|(key, value)| key.0 == metric.name && after[*key] < **value);
        assert_eq!(fell, None);
    }
}

#[test]
fn its_values_are_so() {
    let (_server, mut client) = busy_server();
    let verdicts = |client: &mut Client, verdict: &str| {
        value(client, "tokenauth_verifications_total", &format!("{{\"verdict\": \"{verdict}\"}}"))
    };
    assert_eq!(verdicts(&mut client, "valid"), Some(1.0));
    assert_eq!(verdicts(&mut client, "malformed"), Some(1.0));
    assert_eq!(verdicts(&mut client, "revoked"), Some(0.0));
    let since = "SELECT value = trunc(extract(epoch FROM stats_reset)::numeric, 3)::float8
                   FROM tokenauth.metrics, tokenauth.stats()
                  WHERE name = 'tokenauth_stats_reset_timestamp_seconds' AND verdict = 'valid'";
    assert!(client.query_one(since, &[]).unwrap().get::<_, bool>(0));
    let lately = "SELECT extract(epoch FROM clock_timestamp()) - value BETWEEN 0 AND 3600
                    FROM tokenauth.metrics WHERE name = 'tokenauth_housekeeping_timestamp_seconds'";
    assert!(client.query_one(lately, &[]).unwrap().get::<_, bool>(0));

    let expiring = |client: &mut Client| {
        ["1d", "7d"].map(|within| value(client, "tokenauth_tokens_expiring", &format!("{{\"within\": \"{within}\"}}")))
    };
    assert_eq!(expiring(&mut client), [Some(0.0), Some(0.0)]);
    let days = "SELECT count(i.id) FROM unnest('{1,1,30,100,200}'::int[]) hours,
                       LATERAL tokenauth.issue('key', 'user:1', expires_in => make_interval(hours => hours)) i";
    client.query_one(days, &[]).unwrap();
    assert_eq!(expiring(&mut client), [Some(2.0), Some(4.0)]);
    let dead = "SELECT tokenauth.revoke(id) FROM tokenauth.tokens WHERE expires_at < now() + '2 hours' LIMIT 1";
    client.query(dead, &[]).unwrap();
    assert_eq!(expiring(&mut client), [Some(1.0), Some(3.0)]);

    let findings = |client: &mut Client| value(client, "tokenauth_doctor_findings", "{\"area\": \"binding\"}");
    assert_eq!(findings(&mut client), Some(0.0));
    client
        .batch_execute(
            "CREATE TABLE customer (id int PRIMARY KEY, is_active boolean);
             SELECT tokenauth.bind_principals('customer', 'customer', 'id::text', active => 'is_active');
             ALTER TABLE customer DISABLE TRIGGER tokenauth_principals_update",
        )
        .unwrap();
    assert_eq!(findings(&mut client), Some(1.0));

    let counts = "SELECT f.findings = m.value
                    FROM (SELECT area, count(*) AS findings FROM tokenauth.doctor(compare => false) GROUP BY area) f
                    LEFT JOIN tokenauth.metrics m
                      ON name = 'tokenauth_doctor_findings' AND labels ->> 'area' = f.area";
    let agree: Vec<Option<bool>> = client.query(counts, &[]).unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(agree, [Some(true)]);

    // What is written is told to the statistics once the session is idle.
    let issued = |client: &mut Client| value(client, "tokenauth_tokens_issued_total", "{}");
    wait_until("the tokens to be counted", || issued(&mut client) == Some(6.0));
    client.batch_execute("SELECT tokenauth.revoke_all('user:1')").unwrap();
    wait_until("the mass death to be counted", || value(&mut client, "tokenauth_mass_deaths_total", "{}") == Some(1.0));
}

#[test]
fn a_standby_shows_what_it_counts_itself() {
    let (server, mut client) = busy_server();
    let standby = server.standby();
    standby.catch_up_with(&server);
    let mut reader = standby.connect("postgres");
    let issued = issue(&mut client, "user:1");
    standby.catch_up_with(&server);
    for _ in 0..3 {
        assert_eq!(verdict(&mut reader, &issued.token), "valid");
    }
    assert!(revoke(&mut client, &issued));
    let of_the_primary = [
        "tokenauth_tokens_issued_total",
        "tokenauth_mass_deaths_total",
        "tokenauth_events_total",
        "tokenauth_housekeeping_timestamp_seconds",
    ];
    let expected: BTreeSet<_> =
        told().into_iter().filter(|(name, _)| !of_the_primary.contains(&name.as_str())).collect();
    assert_eq!(names(&mut reader), expected);
    assert_eq!(value(&mut reader, "tokenauth_verifications_total", "{\"verdict\": \"valid\"}"), Some(3.0));
    assert_eq!(value(&mut reader, "tokenauth_usage_backlog_tokens", "{}"), Some(1.0));
}

#[test]
fn it_reads_so_many_tokens_and_no_more() {
    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    client
        .batch_execute(
            "SELECT count(i.id) FROM generate_series(1, 12000) n,
                    LATERAL tokenauth.issue('key', 'user:1', n::text, expires_in => interval '1 hour') i;
             ANALYZE tokenauth.token",
        )
        .unwrap();
    client.batch_execute("BEGIN; SELECT count(*) FROM tokenauth.metrics").unwrap();
    let read = "SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::bigint FROM pg_stat_xact_all_tables
                 WHERE schemaname = 'tokenauth' AND relname = 'token'";
    let read: i64 = client.query_one(read, &[]).unwrap().get(0);
    assert_eq!(read, 10_000);
    client.batch_execute("ROLLBACK").unwrap();
    assert_eq!(value(&mut client, "tokenauth_tokens_expiring", "{\"within\": \"1d\"}"), Some(10_000.0));
}
