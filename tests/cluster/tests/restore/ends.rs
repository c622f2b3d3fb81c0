//! Who opens a fenced server, and when: the owner of the extension, at the commit.

use postgres::Client;
use tokenauth_cluster::Server;
use tokenauth_cluster::contract::{Issued, issue, revoke};

use super::{FENCE, guarded, is_fenced, refused};

/// A server that was restored from before a death, and the token that died.
fn restored(settings: &[&str]) -> (Server, Client, Issued) {
    let (mut server, mut client) = guarded(settings);
    let issued = issue(&mut client, "user:1");
    drop(client);
    server.stop();
    let mut restored = server.cold_copy();
    server.start_again();
    assert!(revoke(&mut server.connect("postgres"), &issued));
    server.stop();
    restored.take_file(&server, FENCE);
    restored.configure_while_stopped(&[&super::fence_file(&restored)]);
    restored.start_again();
    let client = restored.connect("postgres");
    (restored, client, issued)
}

#[test]
fn a_fenced_server_is_opened_by_its_owner_at_the_commit_and_not_by_a_rollback() {
    let (mut server, mut client, issued) = restored(&["max_prepared_transactions = 2"]);
    let verify = format!("SELECT tokenauth.verify('{}')", issued.token);
    let accept = "SELECT tokenauth.accept_restore()";
    assert!(is_fenced(&mut client, &verify));

    client.batch_execute("CREATE ROLE operator; SELECT tokenauth.grant_access('operator', 'admin')").unwrap();
    client.batch_execute("SET ROLE operator").unwrap();
    assert!(refused(&mut client, accept).starts_with("42501 "));
    client.batch_execute("RESET ROLE").unwrap();
    // Even who may execute it must have the owner's rights.
    client.batch_execute("GRANT EXECUTE ON FUNCTION tokenauth.accept_restore TO operator; SET ROLE operator").unwrap();
    assert!(refused(&mut client, accept).starts_with("42501 "));
    client.batch_execute("RESET ROLE; REVOKE EXECUTE ON FUNCTION tokenauth.accept_restore FROM operator").unwrap();
    assert!(refused(&mut client, &format!("BEGIN READ ONLY; {accept}")).starts_with("25006 "));
    client.batch_execute("ROLLBACK").unwrap();

    let mut other = server.connect("postgres");
    client.batch_execute(&format!("BEGIN; {accept}; {verify}")).unwrap();
    assert!(is_fenced(&mut other, &verify), "nobody else is let in before the commit");
    client.batch_execute("ROLLBACK").unwrap();
    assert!(is_fenced(&mut client, &verify));
    client.batch_execute(&format!("BEGIN; SAVEPOINT s; {accept}; {verify}; ROLLBACK TO s")).unwrap();
    assert!(is_fenced(&mut client, &verify));
    client.batch_execute("ROLLBACK").unwrap();
    client.batch_execute(&format!("BEGIN; SAVEPOINT s; {accept}; ROLLBACK TO s; COMMIT")).unwrap();
    assert!(is_fenced(&mut client, &verify), "what was rolled back is not done at the commit");
    assert!(refused(&mut client, &format!("BEGIN; {accept}; PREPARE TRANSACTION 'p'")).starts_with("0A000 "));
    client.batch_execute("ROLLBACK").unwrap();
    server.restart();
    let mut client = server.connect("postgres");
    assert!(is_fenced(&mut client, &verify));
    let events = "SELECT count(*) FROM tokenauth.events WHERE event = 'restore.accepted'";
    assert_eq!(client.query_one(events, &[]).unwrap().get::<_, i64>(0), 0);

    let mut other = server.connect("postgres");
    assert!(is_fenced(&mut other, &verify));
    client.batch_execute(&format!("BEGIN; SAVEPOINT s; {accept}; RELEASE s; COMMIT")).unwrap();
    assert_eq!(refused(&mut other, &verify), "it was not");
    assert_eq!(client.query_one(events, &[]).unwrap().get::<_, i64>(0), 1);
    assert!(!client.query_one(accept, &[]).unwrap().get::<_, bool>(0), "there is nothing more to accept");
    assert_eq!(client.query_one(events, &[]).unwrap().get::<_, i64>(0), 1);
    server.kill();
    server.start_again();
    assert_eq!(refused(&mut server.connect("postgres"), &verify), "it was not");
}

/// The position in the file is soon behind what a fenced server writes itself.
#[test]
fn a_fenced_server_stays_fenced_however_much_it_writes() {
    let (mut server, mut client, issued) = restored(&[]);
    let verify = format!("SELECT tokenauth.verify('{}')", issued.token);
    assert!(is_fenced(&mut client, &verify));
    client.batch_execute("CREATE TABLE more AS SELECT repeat('x', 1000) FROM generate_series(1, 3000)").unwrap();
    client.batch_execute("SELECT pg_switch_wal(); CREATE TABLE another (x int)").unwrap();
    assert!(is_fenced(&mut client, &verify));
    drop(client);
    server.kill();
    server.start_again();
    let text = std::fs::read_to_string(server.file(FENCE)).unwrap();
    let written = text.lines().find_map(|line| line.strip_prefix("position ")).unwrap();
    let mut client = server.connect("postgres");
    let is_beyond = "SELECT pg_current_wal_lsn() > $1::text::pg_lsn";
    assert!(client.query_one(is_beyond, &[&written]).unwrap().get::<_, bool>(0));
    assert!(is_fenced(&mut client, &verify));

    // A standby of it is fenced as it is, when it is promoted too.
    let standby = server.standby();
    standby.catch_up_with(&server);
    assert!(standby.connect("postgres").query_one("SELECT pg_promote()", &[]).unwrap().get::<_, bool>(0));
    assert!(is_fenced(&mut standby.connect("postgres"), &verify));
}

/// Without shared memory each session finds it out for itself.
#[test]
fn a_server_that_does_not_preload_the_library_is_fenced_too() {
    let (mut server, _, issued) = restored(&[]);
    server.configure_and_restart(&["shared_preload_libraries = ''"]);
    let verify = format!("SELECT tokenauth.verify('{}')", issued.token);
    let [mut one, mut other] = [(); 2].map(|()| server.connect("postgres"));
    assert!(is_fenced(&mut one, &verify));
    assert!(is_fenced(&mut other, &verify));
    one.batch_execute("SELECT tokenauth.accept_restore()").unwrap();
    assert_eq!(refused(&mut one, &verify), "it was not");
    assert_eq!(refused(&mut other, &verify), "it was not");
    let finding = "SELECT finding FROM tokenauth.doctor(false) WHERE area = 'fence'";
    let finding: String = one.query_one(finding, &[]).unwrap().get(0);
    assert!(finding.starts_with("is set, and nobody writes the file"), "{finding}");
}
