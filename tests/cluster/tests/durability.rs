//! Death is durable: once a call that kills has been acknowledged, no crash brings the token back.

use postgres::error::SqlState;
use tokenauth_cluster::contract::{issue, prepare, revoke, serve, verdict};
use tokenauth_cluster::{Server, rounds};

/// The ways to kill a token with id `$id` and owner `$owner`, and the verdict afterwards.
const DEATHS: &[(&str, &str)] = &[
    ("SELECT tokenauth.revoke('$id')", "revoked"),
    ("SELECT tokenauth.revoke_all(owner => '$owner')", "revoked"),
    ("SELECT tokenauth.deactivate('$owner')", "revoked"),
    ("SELECT tokenauth.disable('$id')", "disabled"),
    ("SELECT tokenauth.delete('$id')", "revoked"),
    ("SELECT tokenauth.drop_principal('$owner')", "revoked"),
    ("BEGIN; SELECT tokenauth.revoke('$id'); SET LOCAL synchronous_commit = off; COMMIT", "revoked"),
];

#[test]
fn a_killed_token_stays_dead_when_the_server_is_killed_right_after() {
    // The WAL writer must not happen to save what was committed without waiting for the disk.
    let mut server = Server::start(&["wal_writer_delay = 10s", "autovacuum = off"]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    client.batch_execute("CREATE TABLE control (round int)").unwrap();
    let rounds = rounds(10, 200);

    for (round, (death, expected)) in (0..rounds).zip(DEATHS.iter().cycle()) {
        let mut client = server.connect("postgres");
        let owner = format!("user:round-{round}");
        client.execute("SELECT tokenauth.put_principal($1)", &[&owner]).unwrap();
        let issued = issue(&mut client, &owner);
        let other = issue(&mut client, "user:1");

        client.batch_execute("SET synchronous_commit = off").unwrap();
        client.batch_execute(&death.replace("$id", &issued.id).replace("$owner", &owner)).unwrap();
        client.execute("INSERT INTO control VALUES ($1)", &[&i32::try_from(round).unwrap()]).unwrap();
        server.kill();
        server.start_again();

        let mut client = server.connect("postgres");
        assert_eq!(verdict(&mut client, &issued.token), *expected, "round {round}, after {death}");
        assert_eq!(verdict(&mut client, &other.token), "valid", "round {round}, a token that nobody killed");
    }

    let survived: i64 = server.connect("postgres").query_one("SELECT count(*) FROM control", &[]).unwrap().get(0);
    assert!(survived < i64::from(rounds), "the crashes lost nothing at all, so they prove nothing");
}

#[test]
fn every_other_way_a_server_ends_keeps_tokens_as_they_are() {
    let mut server = Server::start(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let (kept, killed) = (issue(&mut client, "user:1"), issue(&mut client, "user:1"));
    assert!(revoke(&mut client, &killed));

    for what in ["crash", "immediate stop", "restart"] {
        match what {
            "crash" => server.crash(),
            "restart" => server.restart(),
            _ => {
                server.stop_immediately();
                server.start_again();
            }
        }
        let mut client = server.connect("postgres");
        assert_eq!(verdict(&mut client, &kept.token), "valid", "after a {what}");
        assert_eq!(verdict(&mut client, &killed.token), "revoked", "after a {what}");
    }
}

#[test]
fn a_token_whose_issue_was_not_committed_is_unknown_after_a_crash() {
    let (mut server, mut client, durable) = serve(&[]);
    for how in [Server::crash, Server::kill] {
        client.batch_execute("BEGIN").unwrap();
        let issued = issue(&mut client, "user:1");
        assert_eq!(verdict(&mut client, &issued.token), "valid", "in the transaction that issues it");
        how(&mut server);
        if !server.is_running() {
            server.start_again();
        }
        client = server.connect("postgres");
        assert_eq!(verdict(&mut client, &issued.token), "unknown");
        assert_eq!(verdict(&mut client, &durable.token), "valid");
    }
}

/// COMMIT PREPARED of a session with `synchronous_commit` off waits for no standby.
#[test]
fn what_narrows_is_not_prepared_where_standbys_are_to_be_waited_for() {
    let server = Server::start(&["max_prepared_transactions = 2"]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    // There is no such standby: a commit that waited for one would never end.
    server.reconfigure(&["synchronous_standby_names = 'nobody'"]);

    let narrowings = [
        "SELECT tokenauth.put_principal('user:1', permissions => '{}')",
        "SELECT tokenauth.edit('$id', expires_in => '1 hour')",
        "SELECT tokenauth.rotate('$id', grace => '1 hour')",
        "SAVEPOINT inner_one; SELECT tokenauth.put_principal('user:1', permissions => '{}'); RELEASE inner_one",
    ];
    client.batch_execute("SET synchronous_commit = off").unwrap();
    for narrowing in narrowings.map(|narrowing| narrowing.replace("$id", &issued.id)) {
        client.batch_execute(&format!("BEGIN; {narrowing}")).unwrap();
        let error = client.batch_execute("PREPARE TRANSACTION 'narrowed'").expect_err(&narrowing);
        assert_eq!(error.code(), Some(&SqlState::FEATURE_NOT_SUPPORTED), "{narrowing}: {error:?}");
        client.batch_execute("ROLLBACK").unwrap();

        // Taken back to a savepoint, nothing is narrowed.
        let taken_back = format!("BEGIN; SAVEPOINT before; {narrowing}; ROLLBACK TO before");
        client.batch_execute(&taken_back).unwrap();
        client.batch_execute("PREPARE TRANSACTION 'nothing'").unwrap();
        client.batch_execute("ROLLBACK PREPARED 'nothing'").unwrap();
    }

    server.reconfigure(&["synchronous_standby_names = ''"]);
    client.batch_execute(&format!("BEGIN; {}", narrowings[0])).unwrap();
    client.batch_execute("PREPARE TRANSACTION 'narrowed'").unwrap();
    client.batch_execute("COMMIT PREPARED 'narrowed'").unwrap();
}
