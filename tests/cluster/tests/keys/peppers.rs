//! Peppers: what they are over, and what happens without the one that a token needs.

use postgres::Client;
use tokenauth_cluster::contract::{issue, verdict};

use super::{ONE, STATE, TWO, assert_key_refused, findings, keys, prepared, refusal, stored, use_file};

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
