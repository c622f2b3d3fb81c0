//! Readers: databases that verify what a primary on another server issues and kills. A reader knows of every death that
//! its subscription has applied, refuses to decide any itself, and says so when it has not heard from its primary.

mod another_past;
mod beats;
mod children;
mod copies;
mod deaths;
mod failures;
mod far;
mod gaps;
mod idle;
mod lost_changes;
mod publications;
mod usage;

use postgres::Client;
use postgres::error::SqlState;
use tokenauth_cluster::contract::prepare;
use tokenauth_cluster::{FAST, Server, wait_until};

/// Starts a server that can publish.
fn publisher(settings: &[&str]) -> Server {
    server(&[&["wal_level = logical"], settings].concat())
}

/// Starts a server that has the library preloaded.
fn server(settings: &[&str]) -> Server {
    let preloaded = ["shared_preload_libraries = 'tokenauth'", "tokenauth.usage_flush_interval = 1"];
    Server::start(&[FAST, &preloaded, settings].concat())
}

/// Starts a primary with a kind and a principal, which publishes to readers.
fn primary(settings: &[&str]) -> (Server, Client) {
    let server = publisher(settings);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    client.batch_execute("SELECT tokenauth.make_publication()").unwrap();
    (server, client)
}

/// Starts a server whose database is a reader, of nobody yet.
fn unsubscribed() -> (Server, Client) {
    let reader = server(&["wal_retrieve_retry_interval = 100ms"]);
    let mut client = reader.connect("postgres");
    client.batch_execute("CREATE EXTENSION tokenauth; ALTER DATABASE postgres SET tokenauth.reader = on").unwrap();
    client = reader.connect("postgres");
    (reader, client)
}

/// How a reader subscribes, as the documents say it.
fn subscription(primary: &Server, name: &str) -> String {
    format!(
        "CREATE SUBSCRIPTION {name} CONNECTION '{}' PUBLICATION tokenauth WITH (synchronous_commit = on)",
        primary.connection_string("postgres")
    )
}

/// A reader that has copied everything, and follows.
fn reader(primary: &Server, name: &str) -> (Server, Client) {
    let (reader, mut client) = unsubscribed();
    client.batch_execute(&subscription(primary, name)).unwrap();
    wait_for_copies(&mut client);
    primary.wait_for_subscribers();
    (reader, client)
}

fn wait_for_copies(client: &mut Client) {
    let copying = "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'";
    wait_until("the tables to be copied", || one::<i64>(client, copying) == 0);
}

fn one<T: for<'a> postgres::types::FromSql<'a>>(client: &mut Client, query: &str) -> T {
    client.query_one(query, &[]).unwrap_or_else(|error| panic!("{query}: {error:?}")).get(0)
}

/// What doctor says of readers.
fn findings(client: &mut Client) -> String {
    one(
        client,
        "SELECT coalesce(string_agg(object || ': ' || finding, E'\\n'), '')
           FROM tokenauth.doctor() WHERE area = 'readers'",
    )
}

/// As [`verdict_or_error`] of a reader that may be 5 s behind: it accepts a token only by a beat that is as recent.
/// What was committed before that beat is known there, so that the verdict is no older.
fn verdict_within_bound(client: &mut Client, token: &str) -> String {
    let recent = "SELECT coalesce(max(at) >= clock_timestamp() - interval '5 s', false) FROM tokenauth.heartbeat";
    let is_recent: bool = one(client, recent);
    let verdict = verdict_or_error(client, token);
    assert!(verdict != "valid" || is_recent, "accepted by a beat that is too old");
    verdict
}

/// The verdict, or the SQLSTATE when nothing is verified.
fn verdict_or_error(client: &mut Client, token: &str) -> String {
    match client.query_one("SELECT verdict FROM tokenauth.verify($1)", &[&token]) {
        Ok(row) => row.get(0),
        Err(error) => error.code().map_or_else(|| panic!("{error:?}"), SqlState::code).to_owned(),
    }
}
