//! Keys are not in the database: a standby or a restored dump needs the file as well.

use postgres::error::SqlState;
use tokenauth_cluster::contract::{issue, verdict};
use tokenauth_cluster::{FAST, Server};

use super::{ONE, REVEAL, STATE, assert_key_refused, keys, prepared, prepared_to_reveal, refusal, revealed};

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
