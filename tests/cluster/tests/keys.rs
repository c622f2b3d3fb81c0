//! Keys are in a file outside the database. Without it, peppered digests and sealed texts are worthless, and a missing
//! or wrong key is an error of its own, never an unknown token.

use std::os::unix::fs::chown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::unistd::geteuid;
use postgres::Client;
use postgres::error::SqlState;
use tokenauth_cluster::contract::{Issued, issue, prepare, verdict};
use tokenauth_cluster::{FAST, Server};

const ONE: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const TWO: &str = "2222222222222222222222222222222222222222222222222222222222222222";

/// Writes these lines to the key file, and has the server read it.
fn keys(server: &Server, lines: &[(&str, &str, &str)]) {
    let lines: Vec<String> = lines.iter().map(|(purpose, id, key)| format!("{purpose} {id} {key}")).collect();
    server.write_file("keys", &lines.join("\n"), 0o600);
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

/// The error of a statement with one text argument.
fn refusal(client: &mut Client, sql: &str, argument: &str) -> (SqlState, String) {
    let error = client.query(sql, &[&argument]).expect_err(sql);
    let error = error.as_db_error().expect("the server refuses");
    (error.code().clone(), error.message().to_owned())
}

const STATE: SqlState = SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE;

/// Checks that everything that needs the key of this token fails with this message.
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
    assert_eq!(stored(&mut client, &bare.id, &bare.token), ("sha256".to_owned(), None, true));

    // An open session loads the new file, too.
    keys(&server, &[("pepper", "one", ONE)]);
    let under_one = issue(&mut client, "user:1");
    keys(&server, &[("pepper", "one", ONE), ("seal", "s", ONE), ("pepper", "two", TWO)]);
    let under_two = issue(&mut client, "user:1");
    for (issued, pepper) in [(&under_one, "one"), (&under_two, "two")] {
        assert_eq!(
            stored(&mut client, &issued.id, &issued.token),
            ("hmac-sha256".to_owned(), Some(pepper.to_owned()), false)
        );
    }

    for client in [&mut client, &mut server.connect("postgres")] {
        for issued in [&bare, &under_one, &under_two] {
            // From the third time on, the answer comes from memory.
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
        assert_eq!(stolen.get::<_, String>(0), "unknown", "who has read the table has nothing to present");
    }

    client.query_one("SELECT tokenauth.revoke_presented($1)", &[&under_one.token]).unwrap();
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

    // In an open session that remembers the token, and in a new one.
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
            for compare in [true, false] {
                let told = findings(client, compare);
                assert!(told.len() == 1 && told[0].starts_with(message), "doctor() tells of it too: {told:?}");
            }
        }
    }
    use_file(&server, "");
    assert_key_refused(&mut client, &issued.token, missing);

    // No new token is made under a key with which others could not verify it.
    keys(&server, &[("pepper", "one", TWO)]);
    let sql = "SELECT tokenauth.issue('key', $1)";
    assert_eq!(refusal(&mut client, sql, "user:1"), (STATE, wrong.to_owned()));

    keys(&server, &[("pepper", "one", ONE)]);
    assert_eq!(verdict(&mut client, &issued.token), "valid");
    assert!(findings(&mut client, true).is_empty());
}

#[test]
fn doctor_misses_each_key_as_long_as_a_token_needs_it() {
    let (server, mut client) = prepared();
    client.batch_execute("INSERT INTO tokenauth.kind (name, prefix, reveal) VALUES ('shown', 'shown_', true)").unwrap();
    keys(&server, &[("pepper", "one", ONE), ("seal", "first", TWO)]);
    let under_one: Vec<_> = (0..3).map(|_| issue(&mut client, "user:1")).collect();
    let shown = |client: &mut Client| -> String {
        client.query_one("SELECT id::text FROM tokenauth.issue('shown', 'user:1')", &[]).unwrap().get(0)
    };
    let sealed = shown(&mut client);
    keys(&server, &[("pepper", "two", TWO), ("seal", "second", ONE)]);
    issue(&mut client, "user:1");
    shown(&mut client);
    keys(&server, &[]);
    let mut missing = |expected: &[&str]| {
        for compare in [true, false] {
            let expected: Vec<_> = expected.iter().map(|id| format!("key \"{id}\" is not in the key file")).collect();
            let told = findings(&mut client, compare);
            assert!(told.iter().zip(&expected).all(|(told, expected)| told.starts_with(expected)), "{told:?}");
            assert_eq!(told.len(), expected.len(), "{told:?}");
        }
    };
    let mut other = server.connect("postgres");
    let mut revoke = |id: &str| other.query("SELECT tokenauth.revoke($1::text::uuid)", &[&id]).unwrap();
    missing(&["first", "one", "second", "two"]);
    // The seal goes with the text; the pepper is needed by the others still.
    revoke(&sealed);
    revoke(&under_one[2].id);
    missing(&["one", "second", "two"]);
    revoke(&under_one[1].id);
    revoke(&under_one[0].id);
    missing(&["second", "two"]);
}

/// What `doctor` finds about keys.
fn findings(client: &mut Client, compare: bool) -> Vec<String> {
    let told = client.query("SELECT finding FROM tokenauth.doctor($1) WHERE area = 'keys'", &[&compare]).unwrap();
    told.iter().map(|row| row.get(0)).collect()
}

/// Test case 2 of RFC 4231: the key "Jefe", what is said under it, and its HMAC.
const JEFE: &str = "4a656665";
const SAID: &str = "what do ya want for nothing?";
const HMAC: &str = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";

#[test]
fn tokens_of_another_system_are_verified_under_its_key_and_no_new_ones_are_made_under_it() {
    let (server, mut client) = prepared();
    let import = "SELECT tokenauth.import('key', 'user:1', $1, 'hmac-sha256:old')";
    let missing = (STATE, "key \"old\" is not in the key file".to_owned());
    assert_eq!(refusal(&mut client, import, HMAC), missing);
    keys(&server, &[("import", "old", JEFE)]);
    client.query(import, &[&HMAC]).unwrap();
    assert_eq!(verdict(&mut client, SAID), "valid");
    assert_eq!(verdict(&mut client, "what do ya want for something?"), "unknown");

    // What is said after a dot is another token.
    let after_dot = format!("nbt_key.{SAID}");
    assert_eq!(verdict(&mut client, &after_dot), "unknown");
    client.query("SELECT tokenauth.import('key', 'user:1', $1, 'hmac-sha256-after-dot:old')", &[&HMAC]).unwrap();
    assert_eq!(verdict(&mut client, &after_dot), "valid");
    assert_eq!(verdict(&mut client, SAID), "valid");

    let new = issue(&mut client, "user:1");
    assert_eq!(stored(&mut client, &new.id, &new.token), ("sha256".to_owned(), None, true));
    let text = "a plain old secret";
    client
        .execute("SELECT tokenauth.import('key', 'user:1', encode(sha256($1::text::bytea), 'hex'), 'sha256')", &[&text])
        .unwrap();

    let faults = |client: &mut Client| -> Vec<String> {
        let sql = "SELECT finding FROM tokenauth.doctor() WHERE area = 'keys'";
        client.query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
    };
    assert_eq!(faults(&mut client), Vec::<String>::new());
    for (key, message) in [(None, &*missing.1), (Some(TWO), "key \"old\" in the key file is not the key of that name")]
    {
        keys(&server, &key.map(|key| ("import", "old", key)).into_iter().collect::<Vec<_>>());
        for text in [SAID, &after_dot, "something else"] {
            assert_eq!(
                refusal(&mut client, "SELECT tokenauth.verify($1)", text),
                (STATE, message.to_owned()),
                "{text}"
            );
        }
        // What needs no such key is found without one.
        for text in [&*new.token, text] {
            assert_eq!(verdict(&mut client, text), "valid");
        }
        assert!(faults(&mut client)[0].starts_with(message), "{:?}", faults(&mut client));
    }
    keys(&server, &[("import", "old", JEFE)]);
    assert_eq!(verdict(&mut client, SAID), "valid");
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
            let error = client.query("SELECT tokenauth.issue('key', 'user:1')", &[]).unwrap_err();
            let error = error.as_db_error().unwrap();
            assert_eq!(error.code(), &STATE);
            assert!(error.detail().unwrap().starts_with(detail), "{path}: {}", error.detail().unwrap());
        }
        let log = server.log_text()[logged..].to_owned();
        assert!(log.contains("WARNING:  key file cannot be used") && log.contains(detail), "{path}: {log}");
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
    assert_eq!(verdict(&mut client, &issued.token), "valid", "a call that needs it looks again");
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
    assert_eq!(verdict(&mut reader, &issued.token), "valid", "its configuration came along");

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

/// Makes a kind that keeps texts, and two tokens of it.
fn prepared_to_reveal(server: &Server, client: &mut Client) -> [Issued; 2] {
    keys(server, &[("seal", "one", ONE)]);
    client.batch_execute("INSERT INTO tokenauth.kind (name, prefix, reveal) VALUES ('shown', 'shown_', true)").unwrap();
    [(); 2].map(|()| issue_shown(client))
}

fn issue_shown(client: &mut Client) -> Issued {
    let row = client.query_one("SELECT token, id::text FROM tokenauth.issue('shown', 'user:1')", &[]).unwrap();
    Issued { token: row.get(0), id: row.get(1) }
}

const REVEAL: &str = "SELECT tokenauth.reveal($1::text::uuid)";

fn revealed(client: &mut Client, issued: &Issued) -> String {
    client.query_one(REVEAL, &[&issued.id]).unwrap().get(0)
}

/// The id of the seal of a token, and the number of sealed bytes.
fn kept(client: &mut Client, issued: &Issued) -> (Option<String>, Option<i32>) {
    let row = client
        .query_one("SELECT seal, octet_length(sealed) FROM tokenauth.token WHERE id = $1::text::uuid", &[&issued.id])
        .unwrap();
    (row.get(0), row.get(1))
}

#[test]
fn a_sealed_text_is_shown_as_long_as_its_token_works() {
    let (server, mut client) = prepared();
    let [first, second] = prepared_to_reveal(&server, &mut client);
    for client in [&mut client, &mut server.connect("postgres")] {
        assert_eq!(revealed(client, &first), first.token);
        assert_eq!(revealed(client, &second), second.token);
        assert_eq!(verdict(client, &first.token), "valid");
    }
    let events: i64 = client
        .query_one(
            "SELECT count(*) FROM tokenauth.events WHERE event = 'token.revealed' AND token_id = $1::text::uuid",
            &[&first.id],
        )
        .unwrap()
        .get(0);
    assert_eq!(events, 2, "each time is recorded");

    // Editing keeps the sealed text; a revocation or deletion of the token itself removes it at once.
    for change in [
        "SELECT tokenauth.edit(id, name => 'laptop') FROM tokenauth.tokens",
        "SELECT tokenauth.disable(id) FROM tokenauth.tokens",
    ] {
        client.batch_execute(change).unwrap();
        assert_eq!(kept(&mut client, &first).0.as_deref(), Some("one"), "{change}");
    }
    client.batch_execute("SELECT tokenauth.enable(id) FROM tokenauth.tokens").unwrap();
    assert_eq!(revealed(&mut client, &first), first.token);
    for death in [
        "SELECT tokenauth.revoke($1::text::uuid)",
        "SELECT tokenauth.delete($1::text::uuid)",
        "SELECT tokenauth.revoke_all(kind => 'shown') WHERE $1 <> ''",
    ] {
        let issued = issue_shown(&mut client);
        assert_eq!(kept(&mut client, &issued).1, Some(1 + 24 + i32::try_from(issued.token.len()).unwrap() + 16));
        client.query(death, &[&issued.id]).unwrap();
        assert_eq!(kept(&mut client, &issued), (None, None), "{death}");
        assert!(client.query(REVEAL, &[&issued.id]).is_err());
    }
}

#[test]
fn a_sealed_text_opens_only_whole_in_its_own_row_and_with_its_key() {
    let (server, mut client) = prepared();
    let [first, second] = prepared_to_reveal(&server, &mut client);
    client
        .batch_execute(
            "CREATE TABLE saved AS SELECT id, sealed FROM tokenauth.token;
             UPDATE tokenauth.token t SET sealed = s.sealed FROM saved s WHERE s.id <> t.id;",
        )
        .unwrap();
    for issued in [&first, &second] {
        let (state, message) = refusal(&mut client, REVEAL, &issued.id);
        assert_eq!(state, SqlState::DATA_CORRUPTED);
        assert_eq!(message, format!("sealed text of token \"{}\" does not open", issued.id));
        assert_eq!(verdict(&mut client, &issued.token), "valid", "the token itself works on");
    }
    client
        .batch_execute(
            "UPDATE tokenauth.token t SET sealed = set_byte(s.sealed, 40, 255 - get_byte(s.sealed, 40))
               FROM saved s WHERE s.id = t.id",
        )
        .unwrap();
    assert_eq!(refusal(&mut client, REVEAL, &first.id).0, SqlState::DATA_CORRUPTED);
    client.batch_execute("UPDATE tokenauth.token t SET sealed = s.sealed FROM saved s WHERE s.id = t.id").unwrap();
    assert_eq!(revealed(&mut client, &first), first.token);

    for (lines, message) in [
        (&[("seal", "two", TWO)][..], "key \"one\" is not in the key file"),
        (&[("seal", "one", TWO)], "key \"one\" in the key file is not the key of that name"),
        (&[("pepper", "one", ONE)], "key \"one\" is not in the key file"),
    ] {
        keys(&server, lines);
        assert_eq!(refusal(&mut client, REVEAL, &first.id), (STATE, message.to_owned()));
        assert_eq!(verdict(&mut client, &first.token), "valid", "verification needs no seal");
    }
}

#[test]
fn texts_are_sealed_anew_until_an_older_key_can_go() {
    let (server, mut client) = prepared();
    let before = prepared_to_reveal(&server, &mut client);
    keys(&server, &[("seal", "one", ONE), ("seal", "two", TWO)]);
    let after = issue_shown(&mut client);
    assert_eq!(kept(&mut client, &after).0.as_deref(), Some("two"));
    for issued in before.iter().chain([&after]) {
        assert_eq!(revealed(&mut client, issued), issued.token, "every line opens");
    }

    // A row that another session has locked is skipped, and left for the next call.
    let mut holder = server.connect("postgres");
    let mut transaction = holder.transaction().unwrap();
    transaction
        .execute("SELECT FROM tokenauth.token WHERE id = $1::text::uuid FOR NO KEY UPDATE", &[&before[0].id])
        .unwrap();
    let left = |client: &mut Client, most: i64| -> i64 {
        client.query_one("SELECT tokenauth.reseal($1)", &[&most]).unwrap().get(0)
    };
    assert_eq!(left(&mut client, 1), 1);
    assert_eq!(left(&mut client, 1000), 1);
    transaction.rollback().unwrap();
    assert_eq!(left(&mut client, 1000), 0);
    assert_eq!(left(&mut client, 1000), 0);

    keys(&server, &[("seal", "two", TWO)]);
    for issued in before.iter().chain([&after]) {
        assert_eq!(revealed(&mut client, issued), issued.token, "the older key is gone");
    }
    let events: Vec<String> = client
        .query("SELECT after::text FROM tokenauth.events WHERE event = 'tokens.resealed' ORDER BY id", &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(events, [r#"{"seal": "two", "resealed": 1}"#; 2]);
}

#[test]
fn tokens_are_revealed_and_verified_at_every_moment_while_keys_change() {
    let (server, mut client) = prepared();
    keys(&server, &[("pepper", "p-one", ONE), ("seal", "one", ONE)]);
    client.batch_execute("INSERT INTO tokenauth.kind (name, prefix, reveal) VALUES ('shown', 'shown_', true)").unwrap();
    let issued: Vec<Issued> = (0..50).map(|_| issue_shown(&mut client)).collect();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = server.connect("postgres");
                while !done.load(Ordering::Relaxed) {
                    for issued in &issued {
                        assert_eq!(verdict(&mut client, &issued.token), "valid");
                        assert_eq!(revealed(&mut client, issued), issued.token);
                    }
                    let newer = issue_shown(&mut client);
                    assert_eq!(revealed(&mut client, &newer), newer.token);
                }
            });
        }
        let older = [("pepper", "p-one", ONE), ("seal", "one", ONE)];
        let newer = [("pepper", "p-two", TWO), ("seal", "two", TWO)];
        keys(&server, &[older, newer].concat());
        while client.query_one("SELECT tokenauth.reseal(7)", &[]).unwrap().get::<_, i64>(0) > 0 {}
        // Digests keep the older pepper, since another one would need the texts. The older seal is no longer needed.
        keys(&server, &[&older[..1], &newer].concat());
        done.store(true, Ordering::Relaxed);
    });
    for issued in &issued {
        assert_eq!(revealed(&mut client, issued), issued.token);
    }
}

#[test]
fn a_dump_has_sealed_texts_only() {
    let (server, mut client) = prepared();
    let [first, second] = prepared_to_reveal(&server, &mut client);
    revealed(&mut client, &first);
    let dump = String::from_utf8(server.dump("postgres", &[])).unwrap();
    for issued in [&first, &second] {
        assert!(dump.contains(&issued.id));
        assert!(!dump.contains(&issued.token[17..49]), "the secret is not in the dump");
    }
    assert!(!dump.contains(&ONE[1..]), "nor is the key");

    server.create_database("restored", "TEMPLATE template0");
    server.restore("restored", &server.dump("postgres", &["--format=custom"]));
    let mut restored = server.connect("restored");
    assert_eq!(revealed(&mut restored, &first), first.token);
}

#[test]
fn a_standby_reveals_nothing() {
    let (server, mut client) = prepared();
    let [first, _] = prepared_to_reveal(&server, &mut client);
    let standby = server.standby();
    standby.catch_up_with(&server);
    let mut reader = standby.connect("postgres");
    // A standby cannot record the event.
    assert_eq!(refusal(&mut reader, REVEAL, &first.id).0, SqlState::READ_ONLY_SQL_TRANSACTION);
    assert_eq!(verdict(&mut reader, &first.token), "valid");
}
