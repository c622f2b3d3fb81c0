//! Copies of a used database: a dump, a base backup, a logical publication and its subscriber. None contains the text
//! of a token, a key of the key file or, where there is a pepper, the SHA-256 of a token, which is as good as its text.

use std::path::Path;

use postgres::Client;
use tokenauth_cluster::contract::{prepare, verdict};
use tokenauth_cluster::{FAST, Needles, Server, wait_until};

const PEPPER: &str = "8f3b5c17e2a94d60b1c8f0a3d7265e9441bb02c96a7df85e13907ac4d2e6f851";
const SEAL: &str = "27d1e9480bc653fa9e04d8b7316fa25cc87013eb94df5a26f0b8417e63ca9d25";

const PUBLICATION: &str = "everything";
const SLOT: &str = "watcher";

/// A token, and its SHA-256, which its holder could present as well.
struct Holder {
    token: String,
    sha256: Vec<u8>,
}

/// Looks for the two keys as text and as bytes, and for each token's secret and its SHA-256 as bytes, hex and Base64.
fn needles(holders: &[Holder], application: &mut Client) -> Needles {
    let mut secrets: Vec<Vec<u8>> = Vec::new();
    let mut text_of = |sql: &str, bytes: &[u8]| -> Vec<u8> {
        application.query_one(sql, &[&bytes]).unwrap().get::<_, String>(0).into_bytes()
    };
    for Holder { token, sha256 } in holders {
        secrets.push(token.as_bytes()[token.len() - 38..token.len() - 6].to_vec());
        secrets.push(text_of("SELECT encode($1::bytea, 'hex')", sha256));
        secrets.push(text_of("SELECT encode($1::bytea, 'base64')", sha256));
        secrets.push(sha256.clone());
    }
    for key in [PEPPER, SEAL] {
        secrets.push(key.as_bytes().to_vec());
        secrets.push(application.query_one("SELECT decode($1, 'hex')", &[&key]).unwrap().get(0));
    }
    Needles::of(secrets.iter().map(Vec::as_slice))
}

/// Puts two tokens through a token's life, so that every function that takes a text, a digest or an id has seen them.
fn used(client: &mut Client, application: &mut Client, kind: &str) -> [Holder; 2] {
    let issue = "SELECT token, id::text FROM tokenauth.issue($1, 'user:1', 'laptop')";
    let row = client.query_one(issue, &[&kind]).unwrap();
    let (first, id): (String, String) = (row.get(0), row.get(1));
    let row = client
        .query_one("SELECT token, id::text FROM tokenauth.rotate($1::text::uuid, grace => '1 hour')", &[&id])
        .unwrap();
    let (second, successor): (String, String) = (row.get(0), row.get(1));
    let holders = [first, second].map(|token| {
        let sha256 = application.query_one("SELECT sha256($1::text::bytea)", &[&token]).unwrap().get(0);
        Holder { token, sha256 }
    });
    for Holder { token, sha256 } in &holders {
        assert_eq!(verdict(client, token), "valid");
        client.batch_execute(&format!("SELECT tokenauth.verify('{token}'), tokenauth.explain('{token}')")).unwrap();
        let lookup = &token[..token.len() - 38];
        let answer =
            client.query_one("SELECT verdict FROM tokenauth.verify_digest($1, $2)", &[&lookup, sha256]).unwrap();
        assert_eq!(answer.get::<_, &str>(0), "valid");
        client.query_one("SELECT tokenauth.authenticate($1)", &[token]).unwrap();
        client
            .query_one("SELECT tokenauth.verify_request(jsonb_build_object('X-API-Key', $1::text))", &[token])
            .unwrap();
        client.query_one("SELECT tokenauth.verify($1, '{devices:write}')", &[token]).unwrap();
    }
    let shown = client.query_one("SELECT tokenauth.reveal($1::text::uuid)", &[&successor]);
    assert_eq!(shown.is_ok_and(|row| row.get::<_, String>(0) == holders[1].token), kind == "shown");
    client
        .batch_execute(&format!(
            "SELECT tokenauth.edit('{successor}', name => 'desk'), tokenauth.disable('{successor}'),
                    tokenauth.enable('{successor}'), tokenauth.revoke('{id}', 'lost')"
        ))
        .unwrap();
    client.query_one("SELECT tokenauth.revoke_presented($1)", &[&holders[0].token]).unwrap();
    holders
}

#[test]
fn no_copy_of_a_database_has_a_text_or_what_is_as_good_or_a_key() {
    let outside = Server::start(FAST);
    let mut application = outside.connect("postgres");
    let publisher = Server::start(
        &[
            FAST,
            &["shared_preload_libraries = 'tokenauth'", "wal_level = logical", "tokenauth.usage_flush_interval = '1s'"],
        ]
        .concat(),
    );
    publisher.write_file("keys", &format!("pepper p {PEPPER}\nseal s {SEAL}\n"), 0o600);
    publisher.reconfigure(&[&format!("tokenauth.key_file = '{}'", publisher.file("keys").display())]);
    let mut client = publisher.connect("postgres");
    prepare(&mut client);
    client.batch_execute("INSERT INTO tokenauth.kind (name, prefix, reveal) VALUES ('shown', 'shown_', true)").unwrap();
    client.batch_execute(&format!("CREATE PUBLICATION {PUBLICATION} FOR ALL TABLES")).unwrap();
    client.execute("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", &[&SLOT]).unwrap();
    let subscriber = Server::start(&[FAST, &["wal_retrieve_retry_interval = 100ms"]].concat());
    let mut on_subscriber = subscriber.connect("postgres");
    on_subscriber.batch_execute("CREATE EXTENSION tokenauth").unwrap();
    // Half of the tokens are in the subscriber's first copy, the others arrive later.
    let mut holders = Vec::from(used(&mut client, &mut application, "key"));
    on_subscriber
        .batch_execute(&format!(
            "CREATE SUBSCRIPTION s CONNECTION '{}' PUBLICATION {PUBLICATION}",
            publisher.connection_string("postgres")
        ))
        .unwrap();
    let rows = |client: &mut Client| -> i64 {
        let sql = "SELECT (SELECT count(*) FROM tokenauth.event) + (SELECT count(*) FROM tokenauth.token)";
        client.query_one(sql, &[]).unwrap().get(0)
    };
    wait_until("the first copy", || rows(&mut on_subscriber) == rows(&mut client));
    holders.extend(used(&mut client, &mut application, "shown"));
    wait_until("what follows", || rows(&mut on_subscriber) == rows(&mut client));

    let needles = needles(&holders, &mut application);
    let nothing = |place: &str, found: Vec<bool>| assert!(!found.contains(&true), "{place}: {found:?}");
    for options in [&["--format=plain", "--inserts"][..], &["--format=custom", "--compress=0"]] {
        nothing("dump", needles.found(&publisher.dump("postgres", options)));
    }
    let stream = "SELECT coalesce(string_agg(data, ''), '') FROM pg_logical_slot_get_binary_changes($1, NULL, NULL,
                      'proto_version', '1', 'publication_names', $2)";
    let stream: Vec<u8> = client.query_one(stream, &[&SLOT, &PUBLICATION]).unwrap().get(0);
    assert!(String::from_utf8_lossy(&stream).matches("token.rotated").count() == 2, "the stream has been read");
    nothing("stream", needles.found(&stream));
    client.batch_execute("CHECKPOINT").unwrap();
    on_subscriber.batch_execute("CHECKPOINT").unwrap();
    let everything = |_: &Path| false;
    nothing("subscriber", needles.found_below(&subscriber.file("data"), &everything));
    nothing("subscriber's log", needles.found(subscriber.log_text().as_bytes()));
    let backup = publisher.standby();
    nothing("base backup", needles.found_below(&backup.file("data"), &everything));
    nothing("log", needles.found(publisher.log_text().as_bytes()));
    // The search does find these secrets where they are, so finding nothing above means something.
    let keys = needles.found_below(&publisher.file(""), &|path| !path.ends_with("keys"));
    assert_eq!(keys.iter().filter(|&&is_found| is_found).count(), 2, "both keys are in their file");
    client
        .execute(
            "CREATE TABLE noted AS SELECT $1::text AS token, $2::bytea AS digest",
            &[&holders[0].token, &holders[0].sha256],
        )
        .unwrap();
    let noted = needles.found(&publisher.dump("postgres", &["--table=noted"]));
    assert_eq!(noted[..2], [true, true], "a text and a digest are found where they are");
}
