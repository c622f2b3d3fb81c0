//! Sealed texts: of kinds whose tokens can be shown again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use postgres::Client;
use postgres::error::SqlState;
use tokenauth_cluster::contract::{Issued, verdict};
use tokenauth_cluster::{End, wait_until};

use super::{ONE, REVEAL, STATE, TWO, issue_shown, keys, prepared, prepared_to_reveal, refusal, revealed};

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
        let end = End(&done);
        let older = [("pepper", "p-one", ONE), ("seal", "one", ONE)];
        let newer = [("pepper", "p-two", TWO), ("seal", "two", TWO)];
        keys(&server, &[older, newer].concat());
        // A statement that began with the former file still seals under its key.
        let begun_before = "SELECT EXISTS (SELECT FROM pg_stat_activity
                                            WHERE state = 'active' AND query_start < pg_conf_load_time())";
        wait_until("statements to end that had the former file", || {
            !client.query_one(begun_before, &[]).unwrap().get::<_, bool>(0)
        });
        while client.query_one("SELECT tokenauth.reseal(7)", &[]).unwrap().get::<_, i64>(0) > 0 {}
        // Digests keep the older pepper, since another one would need the texts. The older seal is no longer needed.
        keys(&server, &[&older[..1], &newer].concat());
        drop(end);
    });
    for issued in &issued {
        assert_eq!(revealed(&mut client, issued), issued.token);
    }
}
