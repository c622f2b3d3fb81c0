//! A backend remembers as much as `tokenauth.cache_size` says, whatever tokens and principals look like.

use postgres::Client;
use tokenauth_cluster::{FAST, Server, memory};

/// The number of owners: each has many permissions, and one token that grants few of them.
const OWNERS: i32 = 1_000;

fn start() -> (Server, Client) {
    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    client
        .batch_execute(&format!(
            "SET tokenauth.cache_size = 0;
             CREATE EXTENSION tokenauth;
             INSERT INTO tokenauth.kind (name, prefix) VALUES ('api', 'api_');
             SELECT tokenauth.put_principal('user:' || o,
                                            array_agg(format('%s:%s:%s', o, p, repeat('x', 40))) || '{{own}}')
               FROM generate_series(1, {OWNERS}) o, generate_series(1, 250) p
              GROUP BY o;
             CREATE TABLE token AS
             SELECT (tokenauth.issue('api', 'user:' || o, scopes => '{{own}}')).token
               FROM generate_series(1, {OWNERS}) o",
        ))
        .unwrap();
    let client = server.connect("postgres");
    (server, client)
}

/// Verifies all of them, often enough to be remembered, and returns the memory that the backend then uses.
fn remember(client: &mut Client, cache_size: &str) -> u64 {
    client.batch_execute(&format!("SET tokenauth.cache_size = '{cache_size}'")).unwrap();
    for _ in 0..3 {
        let accepted: i64 = client
            .query_one("SELECT count(*) FROM token, LATERAL tokenauth.verify(token.token) v WHERE v.ok", &[])
            .unwrap()
            .get(0);
        assert_eq!(accepted, i64::from(OWNERS));
    }
    own_kilobytes(client)
}

/// The memory that the backend shares with no other process.
fn own_kilobytes(client: &mut Client) -> u64 {
    memory(client.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0), "RssAnon") / 1024
}

#[test]
fn permissions_that_many_tokens_are_cut_to_count_as_remembered() {
    let (_server, mut client) = start();
    let before = remember(&mut client, "0");
    let after = remember(&mut client, "16MB");
    assert!(after < before + 20_000, "{before} kB before, {after} kB after");
}

#[test]
fn a_session_remembers_more_as_soon_as_it_may() {
    let (_server, mut client) = start();
    let little = remember(&mut client, "64kB");
    let much = remember(&mut client, "64MB");
    assert!(much > little + 20_000, "{little} kB, then {much} kB");
}
