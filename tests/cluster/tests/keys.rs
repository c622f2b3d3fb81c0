//! Keys live in a file outside the database. Digests under a pepper are worth nothing without it, and a key that is missing
//! or wrong is an error of its own, never an unknown token.

use std::os::unix::fs::chown;

use nix::unistd::geteuid;
use postgres::Client;
use postgres::error::SqlState;
use tokenauth_cluster::contract::{issue, prepare, verdict};
use tokenauth_cluster::{FAST, Server};

const ONE: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const TWO: &str = "2222222222222222222222222222222222222222222222222222222222222222";

/// Makes these lines the key file, and the server read it.
fn keys(server: &Server, lines: &[(&str, &str, &str)]) {
    let lines: String = lines
        .iter()
        .map(|(purpose, id, key)| format!("{purpose} {id} {key}\n"))
        .collect();
    server.write_file("keys", &lines, 0o600);
    use_file(server, server.file("keys").to_str().unwrap());
}

fn use_file(server: &Server, path: &str) {
    server.reconfigure(&[&format!("tokenauth.key_file = '{path}'")]);
}

fn prepared() -> (Server, Client) {
    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    (server, client)
}

/// Algorithm and pepper of the token with this id, and whether its digest is SHA-256 of its text.
fn stored(client: &mut Client, id: &str, token: &str) -> (String, Option<String>, bool) {
    let row = client
        .query_one(
            "SELECT algorithm, pepper, digest = sha256($2::text::bytea) FROM tokenauth.token WHERE id = $1::text::uuid",
            &[&id, &token],
        )
        .unwrap();
    (row.get(0), row.get(1), row.get(2))
}

/// What a statement with one text argument fails with.
fn refusal(client: &mut Client, sql: &str, argument: &str) -> (SqlState, String) {
    let error = client.query(sql, &[&argument]).expect_err(sql);
    let error = error.as_db_error().expect("the server refuses");
    (error.code().clone(), error.message().to_owned())
}

const STATE: SqlState = SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE;

/// Everything that needs the key of this token fails with this message.
fn assert_key_refused(client: &mut Client, token: &str, message: &str) {
    for sql in [
        "SELECT tokenauth.verify($1)",
        "SELECT tokenauth.verify_digest(left($1, 4 + 11), sha256($1::bytea))",
        "SELECT tokenauth.revoke_presented($1)",
    ] {
        assert_eq!(refusal(client, sql, token), (STATE, message.to_owned()), "{sql}");
    }
}

#[test]
fn a_pepper_that_is_added_is_over_new_tokens_and_old_ones_go_on() {
    let (server, mut client) = prepared();
    let bare = issue(&mut client, "user:1");
    assert_eq!(
        stored(&mut client, &bare.id, &bare.token),
        ("sha256".to_owned(), None, true)
    );

    // The session that is open hears of it too.
    keys(&server, &[("pepper", "one", ONE)]);
    let under_one = issue(&mut client, "user:1");
    keys(
        &server,
        &[("pepper", "one", ONE), ("seal", "s", ONE), ("pepper", "two", TWO)],
    );
    let under_two = issue(&mut client, "user:1");
    for (issued, pepper) in [(&under_one, "one"), (&under_two, "two")] {
        assert_eq!(
            stored(&mut client, &issued.id, &issued.token),
            ("hmac-sha256".to_owned(), Some(pepper.to_owned()), false)
        );
    }

    for client in [&mut client, &mut server.connect("postgres")] {
        for issued in [&bare, &under_one, &under_two] {
            // From the third time on it is remembered.
            for _ in 0..4 {
                assert_eq!(verdict(client, &issued.token), "valid");
            }
            let row = client
                .query_one(
                    "SELECT verdict FROM tokenauth.verify_digest(left($1, 4 + 11), sha256($1::bytea))",
                    &[&issued.token],
                )
                .unwrap();
            assert_eq!(row.get::<_, String>(0), "valid");
        }
        let stolen = client
            .query_one(
                "SELECT v.verdict FROM tokenauth.token t, tokenauth.verify_digest(left($1, 4 + 11), t.digest) v
                  WHERE t.id = $2::text::uuid",
                &[&under_one.token, &under_one.id],
            )
            .unwrap();
        assert_eq!(
            stolen.get::<_, String>(0),
            "unknown",
            "who has read the table has nothing to present"
        );
    }

    client
        .query_one("SELECT tokenauth.revoke_presented($1)", &[&under_one.token])
        .unwrap();
    assert_eq!(verdict(&mut client, &under_one.token), "revoked");
    assert_eq!(verdict(&mut client, &under_two.token), "valid");
}

#[test]
fn a_missing_or_wrong_key_is_an_error_of_its_own() {
    let (server, mut client) = prepared();
    let bare = issue(&mut client, "user:1");
    keys(&server, &[("pepper", "one", ONE)]);
    let issued = issue(&mut client, "user:1");
    for _ in 0..4 {
        assert_eq!(verdict(&mut client, &issued.token), "valid");
    }

    // In an open session, with the token remembered, and in a new one.
    let missing = "key \"one\" is not in the key file";
    let wrong = "key \"one\" in the key file is not the key of that name";
    for (lines, message) in [
        (&[("pepper", "two", TWO)][..], missing),
        (&[("pepper", "one", TWO)], wrong),
        (&[("seal", "one", ONE)], missing),
        (&[], missing),
    ] {
        keys(&server, lines);
        for client in [&mut client, &mut server.connect("postgres")] {
            assert_key_refused(client, &issued.token, message);
            assert_eq!(verdict(client, &bare.token), "valid", "it needs no key");
            assert_eq!(verdict(client, "key_junk"), "malformed");
        }
    }
    use_file(&server, "");
    assert_key_refused(&mut client, &issued.token, missing);

    // No new token is made under a key that others could not verify.
    keys(&server, &[("pepper", "one", TWO)]);
    let sql = "SELECT tokenauth.issue('key', $1)";
    assert_eq!(refusal(&mut client, sql, "user:1"), (STATE, wrong.to_owned()));

    keys(&server, &[("pepper", "one", ONE)]);
    assert_eq!(verdict(&mut client, &issued.token), "valid");
}

#[test]
fn a_key_whose_first_use_is_rolled_back_was_never_used() {
    let (server, mut client) = prepared();
    keys(&server, &[("pepper", "one", ONE)]);
    client.batch_execute("BEGIN").unwrap();
    let lost = issue(&mut client, "user:1");
    assert_eq!(verdict(&mut client, &lost.token), "valid");
    client.batch_execute("ROLLBACK").unwrap();
    assert_eq!(verdict(&mut client, &lost.token), "unknown");

    keys(&server, &[("pepper", "one", TWO)]);
    let issued = issue(&mut client, "user:1");
    assert_eq!(verdict(&mut client, &issued.token), "valid");
}

#[test]
fn a_file_that_others_could_have_read_or_written_is_not_used() {
    let (server, mut client) = prepared();
    keys(&server, &[("pepper", "one", ONE)]);
    let issued = issue(&mut client, "user:1");
    let good = format!("pepper one {ONE}\n");
    server.write_file("readable", &good, 0o640);
    server.write_file("data/inside", &good, 0o600);
    server.write_file("malformed", &format!("{good}pepper two {}\n", &ONE[1..]), 0o600);
    server.write_file("foreign", &good, 0o600);
    server.write_file("read-only", &good, 0o400);
    let path = |name: &str| server.file(name).to_str().unwrap().to_owned();

    let mut faults = vec![
        (path("readable"), "Its mode must be 0600 or 0400."),
        (path("data/inside"), "It must lie outside the data directory."),
        (path("data/../data/inside"), "It must lie outside the data directory."),
        (path("absent"), "It could not be read: entity not found."),
        (path("data"), "It must lie outside the data directory."),
        (path("."), "It must be a regular file."),
        ("keys".to_owned(), "Its path must be absolute."),
        (path("malformed"), "Line 2 must be"),
    ];
    if geteuid().is_root() {
        chown(server.file("foreign"), Some(0), Some(0)).unwrap();
        faults.push((path("foreign"), "It must belong to the user that the server runs as."));
    }
    for (path, detail) in faults {
        let logged = server.log_text().len();
        use_file(&server, &path);
        for client in [&mut client, &mut server.connect("postgres")] {
            assert_key_refused(client, &issued.token, "key file cannot be used");
            let error = client
                .query("SELECT tokenauth.issue('key', 'user:1')", &[])
                .unwrap_err();
            let error = error.as_db_error().unwrap();
            assert_eq!(error.code(), &STATE);
            assert!(
                error.detail().unwrap().starts_with(detail),
                "{path}: {}",
                error.detail().unwrap()
            );
        }
        let log = server.log_text()[logged..].to_owned();
        assert!(
            log.contains("WARNING:  key file cannot be used") && log.contains(detail),
            "{path}: {log}"
        );
    }
    assert!(!server.log_text().contains(&ONE[1..]), "no key is ever logged");

    use_file(&server, &path("read-only"));
    assert_eq!(verdict(&mut client, &issued.token), "valid");
}

#[test]
fn a_server_that_has_loaded_the_library_warns_when_it_starts() {
    let mut server = Server::start(&["fsync = off", "shared_preload_libraries = 'tokenauth'"]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    keys(&server, &[("pepper", "one", ONE)]);
    let issued = issue(&mut client, "user:1");
    let warnings = |server: &Server| server.log_text().matches("WARNING:  key file cannot be used").count();
    assert_eq!(warnings(&server), 0);

    server.write_file("keys", &format!("pepper one {ONE}\n"), 0o644);
    server.restart();
    let mut client = server.connect("postgres");
    assert_key_refused(&mut client, &issued.token, "key file cannot be used");
    assert_eq!(warnings(&server), 1, "once, by the server, and not in each session");

    server.write_file("keys", &format!("pepper one {ONE}\n"), 0o600);
    assert_eq!(
        verdict(&mut client, &issued.token),
        "valid",
        "a call that needs it looks again"
    );
    server.reconfigure(&[]);
    assert_eq!(warnings(&server), 1);
    assert_eq!(verdict(&mut client, &issued.token), "valid");
}

#[test]
fn a_standby_needs_the_keys_as_well() {
    let (server, mut client) = prepared();
    let bare = issue(&mut client, "user:1");
    keys(&server, &[("pepper", "one", ONE)]);
    let issued = issue(&mut client, "user:1");
    let standby = server.standby();
    standby.catch_up_with(&server);
    let mut reader = standby.connect("postgres");
    assert_eq!(
        verdict(&mut reader, &issued.token),
        "valid",
        "its configuration came along"
    );

    standby.reconfigure(&["tokenauth.key_file = ''"]);
    let verify = "SELECT tokenauth.verify($1)";
    let missing = (STATE, "key \"one\" is not in the key file".to_owned());
    assert_eq!(refusal(&mut reader, verify, &issued.token), missing);
    assert_eq!(verdict(&mut reader, &bare.token), "valid");
}

#[test]
fn a_dump_has_no_key_and_without_the_key_it_verifies_nothing() {
    let (server, mut client) = prepared();
    keys(&server, &[("pepper", "one", ONE)]);
    let issued = issue(&mut client, "user:1");
    let dump = String::from_utf8(server.dump("postgres", &[])).unwrap();
    assert!(dump.contains(&issued.id), "the token is in the dump");
    assert!(!dump.contains(&ONE[1..]), "the key is not");

    let elsewhere = Server::start(FAST);
    elsewhere.create_database("restored", "TEMPLATE template0");
    elsewhere.restore("restored", &server.dump("postgres", &["--format=custom"]));
    let mut restored = elsewhere.connect("restored");
    assert_key_refused(&mut restored, &issued.token, "key \"one\" is not in the key file");
    keys(&elsewhere, &[("pepper", "one", ONE)]);
    assert_eq!(verdict(&mut restored, &issued.token), "valid");
}
