//! Keys of other systems: their tokens are verified under them, and no new ones are made.

use tokenauth_cluster::contract::{issue, verdict};

use super::{STATE, TWO, findings, keys, prepared, refusal, stored};

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

    assert_eq!(findings(&mut client, true), Vec::<String>::new());
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
        for compare in [true, false] {
            let told = findings(&mut client, compare);
            assert!(told.len() == 1 && told[0].starts_with(message), "{told:?}");
        }
    }
    keys(&server, &[("import", "old", JEFE)]);
    assert_eq!(verdict(&mut client, SAID), "valid");
}

#[test]
fn doctor_looks_for_these_keys_without_reading_all_tokens() {
    let (server, mut client) = prepared();
    keys(&server, &[("import", "old", JEFE), ("import", "older", TWO)]);
    client
        .batch_execute(&format!(
            "SELECT count(i.id) FROM generate_series(1, 3000) n, LATERAL tokenauth.issue('key', 'user:1') i;
             SELECT tokenauth.revoke(tokenauth.import('key', 'user:1', '{HMAC}', 'hmac-sha256:old'));
             SELECT tokenauth.import('key', 'user:1', '{HMAC}', 'hmac-sha256:older');
             ANALYZE tokenauth.token"
        ))
        .unwrap();
    keys(&server, &[]);
    client.batch_execute("BEGIN").unwrap();
    let told = findings(&mut client, false);
    let read = "SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::bigint FROM pg_stat_xact_all_tables
                 WHERE schemaname = 'tokenauth' AND relname = 'token'";
    let read: i64 = client.query_one(read, &[]).unwrap().get(0);
    assert!(read < 100, "{read} of 3,002 tokens");
    assert!(told.len() == 1 && told[0].starts_with("key \"older\" is not in the key file"), "{told:?}");
}
