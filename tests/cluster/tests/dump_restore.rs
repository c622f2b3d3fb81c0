//! A dump and a restore bring everything back except the plaintexts, which were never in the database.

use postgres::Client;
use tokenauth_cluster::blocks::blocks;
use tokenauth_cluster::contract::{Issued, issue, prepare, privileges, revoke, serve, verdict};
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
fn whoever_may_read_all_data_may_dump_and_the_dump_restores() {
    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    client.batch_execute("CREATE ROLE dumper; GRANT pg_read_all_data TO dumper").unwrap();
    let issued = issue(&mut client, "user:1");
    let dump = server.dump("postgres", &["--format=custom", "--role=dumper"]);
    server.create_database("restored", "TEMPLATE template0");
    server.restore("restored", &dump);
    assert_eq!(verdict(&mut server.connect("restored"), &issued.token), "valid");
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

/// A prepared transaction is open too, even after a restart.
#[test]
fn an_export_goes_back_to_before_a_prepared_narrowing() {
    let mut server = Server::start(&["max_prepared_transactions = 2"]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    let shorten = format!("BEGIN; SELECT tokenauth.edit('{}', expires_in => '1 hour')", issued.id);
    client.batch_execute(&shorten).unwrap();
    client.batch_execute("PREPARE TRANSACTION 'shortened'").unwrap();
    drop(client);
    server.restart();

    let mut client = server.connect("postgres");
    let (_, until) = export(&mut client, "-infinity");
    client.batch_execute("COMMIT PREPARED 'shortened'").unwrap();
    let (told, _) = export(&mut client, &until);
    assert!(told.contains(&issued.id), "{told}");
}

/// What a standby has replayed is not all that happened before the moment of its export.
#[test]
fn exports_of_a_standby_miss_no_death() {
    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    let standby = server.standby();
    standby.catch_up_with(&server);
    let mut reader = standby.connect("postgres");
    reader.batch_execute("SELECT pg_wal_replay_pause()").unwrap();
    assert!(revoke(&mut client, &issued));

    let since: String = client.query_one("SELECT (now() - interval '1 day')::text", &[]).unwrap().get(0);
    let (told, until) = export(&mut reader, &since);
    assert!(!told.contains(&issued.id));
    reader.batch_execute("SELECT pg_wal_replay_resume()").unwrap();
    standby.catch_up_with(&server);
    let (told, _) = export(&mut reader, &until);
    assert!(told.contains(&issued.id));
}

#[test]
fn deaths_of_any_number_and_length_are_exported() {
    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issue = "SELECT count(tokenauth.issue(kind => 'key', owner => 'user:1')) FROM generate_series(1, 34000)";
    client.batch_execute(issue).unwrap();

    // One reason for all of them: 8,000 bytes 34,000 times is more than an array in jsonb can hold.
    let since = revive(&mut client);
    client.batch_execute("SELECT tokenauth.revoke_all(kind => 'key', reason => repeat('x', 8000))").unwrap();
    let documents = export_all(&mut client, &since);
    assert_eq!(documents.len(), 1);
    assert_eq!(documents[0].matches("\"id\"").count(), 34_000);

    // One for each: as many documents as it takes.
    let since = revive(&mut client);
    let revoke = "SELECT count(tokenauth.revoke(id, rpad(id::text, 8000, 'x')))
                    FROM (SELECT id FROM tokenauth.token LIMIT 5000) t";
    client.batch_execute(revoke).unwrap();
    let documents = export_all(&mut client, &since);
    assert_eq!(documents.len(), 2);
    revive(&mut client);
    assert_eq!(import_all(&mut client, &documents), 5_000);
    let whole = "SELECT count(*) FROM tokenauth.token WHERE revoke_reason = rpad(id::text, 8000, 'x')";
    assert_eq!(client.query_one(whole, &[]).unwrap().get::<_, i64>(0), 5_000);
    assert_eq!(import_all(&mut client, &documents), 0);
}

/// Makes all tokens alive, as a restore would, and returns the moment after.
fn revive(client: &mut Client) -> String {
    let revive =
        "UPDATE tokenauth.token SET revoked_at = NULL, revoked_by = NULL, revoke_reason = NULL, learned_at = NULL";
    client.batch_execute(revive).unwrap();
    client.query_one("SELECT clock_timestamp()::text", &[]).unwrap().get(0)
}

/// What has died since a moment, and the moment from which to go on.
fn export(client: &mut Client, since: &str) -> (String, String) {
    let sql = "SELECT e::text, coalesce(e ->> 'until', '-infinity')
                 FROM tokenauth.export_revocations($1::text::timestamptz) e";
    let row = client.query_one(sql, &[&since]).unwrap();
    (row.get(0), row.get(1))
}

/// All documents since a moment, each going on where the one before ended.
fn export_all(client: &mut Client, since: &str) -> Vec<String> {
    let mut documents = Vec::new();
    let mut since = since.to_owned();
    loop {
        let (document, until) = export(client, &since);
        let is_last = !document.contains("\"more\": true");
        documents.push(document);
        if is_last {
            return documents;
        }
        since = until;
    }
}

fn import_all(client: &mut Client, documents: &[String]) -> i64 {
    let sql = "SELECT tokenauth.import_revocations($1::text::jsonb)";
    documents.iter().map(|document| client.query_one(sql, &[document]).unwrap().get::<_, i64>(0)).sum()
}

/// Tables that are bound, one of them partitioned.
const TABLES: &str = "
    CREATE TABLE users (id integer PRIMARY KEY, is_active boolean NOT NULL DEFAULT true);
    CREATE TABLE memberships (org_id integer, user_id integer, PRIMARY KEY (org_id, user_id))
        PARTITION BY LIST (org_id);
    CREATE TABLE memberships_1 PARTITION OF memberships FOR VALUES IN (1);";
const BIND: &str = "
    SELECT tokenauth.bind_principals('users', 'user', 'id', active => 'is_active');
    SELECT tokenauth.bind_members('memberships', $$'org:' || org_id$$, $$'user:' || user_id$$);";
const FINDINGS: &str = "SELECT format('%s %s', object, finding) FROM tokenauth.doctor() WHERE area = 'binding'";

fn texts(client: &mut Client, query: &str) -> Vec<String> {
    client.query(query, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

#[test]
fn a_restored_database_is_bound_as_it_was() {
    let (server, mut client, _) = bound();
    let triggers = "SELECT format('%s %s %s %s', tgrelid::regclass, tgname, tgenabled, pg_get_triggerdef(oid))
                      FROM pg_trigger
                     WHERE NOT tgisinternal AND tgfoid = 'tokenauth.sync_principal'::regproc
                     ORDER BY 1";
    let remembered = "SELECT format('%s %s %s', type, source, what) FROM tokenauth.binding ORDER BY 1";
    let before = (texts(&mut client, triggers), texts(&mut client, remembered));
    assert_eq!((before.0.len(), before.1.len()), (5 + 2 + 2, 2));

    server.create_database("restored", "TEMPLATE template0");
    server.restore("restored", &server.dump("postgres", &["--format=custom"]));

    let mut restored = server.connect("restored");
    assert_eq!((texts(&mut restored, triggers), texts(&mut restored, remembered)), before);
    assert_eq!(texts(&mut restored, FINDINGS), [""; 0]);
    let issued = issue(&mut restored, "user:1");
    restored.batch_execute("UPDATE users SET is_active = false WHERE id = 1").unwrap();
    assert_eq!(verdict(&mut restored, &issued.token), "revoked");
    restored.batch_execute("SELECT tokenauth.unbind_principals('users')").unwrap();
    assert_eq!(texts(&mut restored, remembered), [" public.memberships memberships"]);
}

#[test]
fn a_restore_of_data_alone_tells_that_its_tables_are_to_be_bound() {
    let (server, _, issued) = bound();
    server.create_database("copy", "TEMPLATE template0");
    let mut copy = server.connect("copy");
    copy.batch_execute("CREATE EXTENSION tokenauth").unwrap();
    copy.batch_execute(TABLES).unwrap();
    server.restore_with("copy", &server.dump("postgres", &["--format=custom"]), &["--data-only"]);

    assert_eq!(
        texts(&mut copy, FINDINGS),
        [
            "public.memberships was bound to memberships and has none of the triggers any more",
            "public.users was bound to principals of type \"user\" and has none of the triggers any more",
        ]
    );
    assert_eq!(verdict(&mut copy, &issued.token), "valid");
    copy.batch_execute(BIND).unwrap();
    assert_eq!(texts(&mut copy, FINDINGS), [""; 0]);
    copy.batch_execute("DELETE FROM users WHERE id = 1").unwrap();
    assert_eq!(verdict(&mut copy, &issued.token), "revoked");
}

/// What died after the dump is alive again, and what was issued after it is gone, without a trace that it ever was.
#[test]
fn data_are_restored_over_tables_that_were_emptied_as_the_page_says() {
    // Beats come at any moment.
    let (server, mut client, issued) =
        serve(&[FAST, &["shared_preload_libraries = tokenauth", "tokenauth.heartbeat = on"]].concat());
    let events = "SELECT count(*)::text FROM tokenauth.events";
    let before = texts(&mut client, events);
    let dump = server.dump("postgres", &["--format=custom", "--extension=tokenauth", "--schema=tokenauth"]);
    let later = issue(&mut client, "user:1");
    assert!(revoke(&mut client, &issued));
    let page = blocks(include_str!("../../../docs/operations/restore.md"));
    let empties = page.iter().find(|block| block.code.contains("TRUNCATE")).expect("the page says how");
    server.write_file("empty.sql", &empties.code, 0o600);
    server.write_file("app.dump", &dump, 0o600);
    let said = server.shell(
        "postgres",
        "pg_restore --data-only --file=data.sql app.dump
         psql --single-transaction --file=empty.sql --file=data.sql --set=ON_ERROR_STOP=on",
    );
    assert!(said.contains("COPY"), "{said}");
    assert_eq!(verdict(&mut client, &issued.token), "valid");
    assert_eq!(verdict(&mut client, &later.token), "unknown");
    assert_eq!(texts(&mut client, events), before);
    assert!(client.execute("TRUNCATE tokenauth.event", &[]).is_err(), "history is kept again");
}

/// A server whose tables are bound, and a token of a user.
fn bound() -> (Server, Client, Issued) {
    let (server, mut client, issued) = serve(FAST);
    client.batch_execute(TABLES).unwrap();
    client.batch_execute("INSERT INTO users VALUES (1), (2); SELECT tokenauth.put_principal('org:1')").unwrap();
    client.batch_execute(BIND).unwrap();
    client.batch_execute("INSERT INTO memberships VALUES (1, 1), (1, 2)").unwrap();
    (server, client, issued)
}
