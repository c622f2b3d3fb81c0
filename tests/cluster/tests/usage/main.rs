//! Usage in shared memory: every use is counted once, whatever stops in between, and verification never fails because
//! of it.

mod capacity;
mod counting;
mod erase;
mod hours;
mod idle;
mod impostors;
mod processes;
mod rates;
mod settings;
mod standbys;
mod unusual;

use postgres::Client;
use tokenauth_cluster::contract::Issued;
use tokenauth_cluster::{FAST, Server};

/// A server that writes usage every second.
fn server(settings: &[&str]) -> Server {
    let preloaded = ["shared_preload_libraries = 'tokenauth'", "tokenauth.usage_flush_interval = 1"];
    Server::start(&[FAST, &preloaded, settings].concat())
}

/// A server that writes usage only when it is restarted, not during a test.
fn lazy_server(settings: &[&str]) -> Server {
    server(&[&["tokenauth.usage_flush_interval = 1h"], settings].concat())
}

/// Requests and denials as the view shows them.
fn counts(client: &mut Client, token: &Issued) -> (i64, i64) {
    let row = client
        .query_one("SELECT request_count, denied_count FROM tokenauth.tokens WHERE id = $1::text::uuid", &[&token.id])
        .unwrap();
    (row.get(0), row.get(1))
}

/// Requests as written to the table.
fn written(client: &mut Client, token: &Issued) -> i64 {
    client
        .query_one("SELECT request_count FROM tokenauth.usage WHERE token_id = $1::text::uuid", &[&token.id])
        .unwrap()
        .get(0)
}

fn one<T: for<'a> postgres::types::FromSql<'a>>(client: &mut Client, query: &str) -> T {
    client.query_one(query, &[]).unwrap().get(0)
}

/// Verifies the token this many times in one statement.
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
