//! `examples/managed_database`: a server with tokenauth beside one that has nothing of it, and publishes its customers.

use std::fs;

use postgres::Client;
use tokenauth_cluster::{FAST, Server, example, wait_until};

/// The managed database, and the server beside it, with what the example installs.
fn start() -> (Server, Server) {
    let managed = Server::start(&[FAST, &["wal_level = logical", "shared_preload_libraries = ''"]].concat());
    let retry = "wal_retrieve_retry_interval = 100ms";
    let satellite = Server::start(&[FAST, &["shared_preload_libraries = 'tokenauth'", retry]].concat());
    let script = |name: &str| fs::read_to_string(example("managed_database").join(name)).unwrap();
    managed.psql("postgres", &script("managed.sql"));
    managed.psql("postgres", "INSERT INTO customer (email, rights) VALUES ('a@example.com', '{reports:*}');");
    let connection = managed.connection_string("postgres");
    satellite.psql("postgres", &format!("\\set managed '{connection}'\n{}", script("satellite.sql")));
    (managed, satellite)
}

/// The verdict and the scopes of a token.
fn verified(client: &mut Client, token: &str) -> (String, Vec<String>) {
    let row = client.query_one("SELECT verdict, coalesce(scopes, '{}') FROM tokenauth.verify($1)", &[&token]).unwrap();
    (row.get(0), row.get(1))
}

#[test]
fn customers_over_there_have_tokens_here_that_die_with_them() {
    let (mut managed, satellite) = start();
    let mut there = managed.connect("postgres");
    let mut here = satellite.connect("postgres");
    let mut session = satellite.connect("postgres");
    let ours = "SELECT FROM pg_namespace WHERE nspname = 'tokenauth'";
    assert!(there.query(ours, &[]).unwrap().is_empty());

    let is_known = "SELECT FROM tokenauth.principal WHERE principal = 'customer:1' AND active";
    wait_until("the first customer to be known", || !here.query(is_known, &[]).unwrap().is_empty());
    let token: String = here
        .query_one("SELECT token FROM tokenauth.issue('key', 'customer:1', scopes => '{reports:read}')", &[])
        .unwrap()
        .get(0);
    // From now on in a transaction that stays open, whatever happens over there.
    session.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ").unwrap();
    assert_eq!(verified(&mut session, &token), ("valid".to_owned(), vec!["reports:read".to_owned()]));

    let mut change = |sql: &str, verdict: &str, scopes: &[&str]| {
        there.batch_execute(sql).unwrap();
        managed.wait_for_subscribers();
        assert_eq!(
            verified(&mut session, &token),
            (verdict.to_owned(), scopes.iter().map(|&s| s.to_owned()).collect()),
            "{sql}"
        );
    };
    change("UPDATE customer SET email = 'b@example.com'", "valid", &["reports:read"]);
    change("UPDATE customer SET rights = '{}'", "valid", &[]);
    change("UPDATE customer SET rights = '{reports:read}'", "valid", &["reports:read"]);
    change("UPDATE customer SET is_active = false", "revoked", &[]);
    session.batch_execute("COMMIT").unwrap();

    // While nothing is heard, what is here goes on, and is told.
    there.batch_execute("INSERT INTO customer (email) VALUES ('c@example.com')").unwrap();
    managed.wait_for_subscribers();
    let token: String = here.query_one("SELECT token FROM tokenauth.issue('key', 'customer:2')", &[]).unwrap().get(0);
    drop(there);
    managed.stop();
    assert_eq!(verified(&mut here, &token).0, "valid");
    let silence = "SELECT since IS NULL OR since > interval '0' FROM silence WHERE subname = 'customers'";
    assert!(here.query_one(silence, &[]).unwrap().get::<_, bool>(0));
    managed.start_again();
    managed.connect("postgres").batch_execute("DELETE FROM customer WHERE id = 2").unwrap();
    wait_until("the deletion to be known", || verified(&mut here, &token).0 != "valid");
    assert_eq!(verified(&mut here, &token).0, "revoked");
}
