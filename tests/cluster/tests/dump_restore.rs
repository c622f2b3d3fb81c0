//! A dump and a restore bring everything back except the plaintexts, which were never in the database.

use tokenauth_cluster::contract::{issue, prepare, privileges, revoke, verdict};
use tokenauth_cluster::{FAST, Server};

#[test]
fn tokens_issued_before_a_dump_have_the_same_verdicts_after_the_restore() {
    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let tokens = [issue(&mut client, "user:1"), issue(&mut client, "user:1"), issue(&mut client, "user:1")];
    assert!(revoke(&mut client, &tokens[1]));
    let events = "SELECT count(*) FROM tokenauth.events";
    let events_before: i64 = client.query_one(events, &[]).unwrap().get(0);

    server.create_database("restored", "TEMPLATE template0");
    server.restore("restored", &server.dump("postgres", &["--format=custom"]));

    let mut restored = server.connect("restored");
    let events_after: i64 = restored.query_one(events, &[]).unwrap().get(0);
    assert_eq!(events_after, events_before, "a restore adds no events and loses none");
    let verdicts = tokens.each_ref().map(|issued| verdict(&mut restored, &issued.token));
    assert_eq!(verdicts, ["valid", "revoked", "valid"]);

    let newer = issue(&mut restored, "user:1");
    assert_eq!(verdict(&mut restored, &newer.token), "valid");
    assert!(revoke(&mut restored, &tokens[0]));
    assert_eq!(verdict(&mut restored, &tokens[0].token), "revoked");
    assert_eq!(verdict(&mut client, &tokens[0].token), "valid", "the database that was dumped is another one");
}

#[test]
fn a_restore_brings_back_every_privilege_and_gives_nothing_away() {
    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    client
        .batch_execute(
            "CREATE ROLE service; CREATE ROLE monitoring;
             SELECT tokenauth.grant_access('service', 'manage');
             SELECT tokenauth.grant_access('monitoring', 'observe');",
        )
        .unwrap();
    let granted = privileges(&mut client);

    server.create_database("restored", "TEMPLATE template0");
    server.restore("restored", &server.dump("postgres", &["--format=custom"]));
    assert_eq!(privileges(&mut server.connect("restored")), granted);
}

#[test]
fn a_dump_contains_no_secret() {
    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    verdict(&mut client, &issued.token);

    let dump = String::from_utf8(server.dump("postgres", &[])).unwrap();
    assert!(dump.contains(&issued.id), "the token is in the dump");
    // The 32 characters of the secret come before the 6 of the checksum.
    let checksum = issued.token.len() - 6;
    let secret = &issued.token[checksum - 32..checksum];
    assert!(!dump.contains(secret));
}

#[test]
fn what_died_after_the_dump_dies_again_in_the_restored_copy() {
    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    client.batch_execute("SELECT tokenauth.put_principal('user:2', permissions => '{devices:read}')").unwrap();
    let [alive, revoked] = [(); 2].map(|()| issue(&mut client, "user:1"));
    let of_the_gone = issue(&mut client, "user:2");
    let dump = server.dump("postgres", &["--format=custom"]);
    let made: String = client.query_one("SELECT clock_timestamp()::text", &[]).unwrap().get(0);
    assert!(revoke(&mut client, &revoked));
    client.batch_execute("SELECT tokenauth.deactivate('user:2')").unwrap();
    let newer = issue(&mut client, "user:1");
    assert!(revoke(&mut client, &newer));
    let exported: String =
        client.query_one("SELECT tokenauth.export_revocations($1::text::timestamptz)::text", &[&made]).unwrap().get(0);

    server.create_database("restored", "TEMPLATE template0");
    server.restore("restored", &dump);
    let mut restored = server.connect("restored");
    let verdicts =
        |client: &mut _| [&alive, &revoked, &of_the_gone, &newer].map(|issued| verdict(client, &issued.token));
    assert_eq!(
        verdicts(&mut restored),
        ["valid", "valid", "valid", "unknown"],
        "a restore brings back what was revoked"
    );

    let import = || -> i64 {
        let changed = "SELECT tokenauth.import_revocations($1::text::jsonb)";
        server.connect("restored").query_one(changed, &[&exported]).unwrap().get(0)
    };
    assert_eq!(import(), 3, "two tokens and the owner of one of them");
    assert_eq!(verdicts(&mut restored), ["valid", "revoked", "revoked", "unknown"]);
    assert_eq!(import(), 0);
    assert_eq!(verdicts(&mut client), ["valid", "revoked", "revoked", "revoked"]);
}
