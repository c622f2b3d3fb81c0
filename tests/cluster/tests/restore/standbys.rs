//! A standby of a fenced server is fenced with it, and no longer than that.

use std::fs;

use tokenauth_cluster::contract::{issue, revoke, verdict};
use tokenauth_cluster::{Server, wait_until};

use super::{FENCE, guarded, is_fenced, refused};

/// A server that was put back to a backup and is fenced, a token that died after that, and the server before.
fn put_back() -> (Server, String, Server) {
    let (mut server, mut client) = guarded(&[]);
    let issued = issue(&mut client, "user:1");
    let backup = server.base_backup();
    assert!(revoke(&mut client, &issued));
    let fence = server.file(FENCE);
    let before = fs::read_to_string(&fence).unwrap();
    server.reconfigure(&[]);
    wait_until("the file to be written", || fs::read_to_string(&fence).unwrap() != before);
    drop(client);
    server.stop();
    (backup, issued.token, server)
}

fn answer(server: &Server, token: &str) -> String {
    let verify = format!("SELECT tokenauth.verify('{token}')");
    let mut client = server.connect("postgres");
    if is_fenced(&mut client, &verify) { "fenced".to_owned() } else { verdict(&mut client, token) }
}

fn accept(server: &Server) {
    let mut client = server.connect("postgres");
    assert!(client.query_one("SELECT tokenauth.accept_restore()", &[]).unwrap().get::<_, bool>(0));
}

fn is_told(server: &Server) -> bool {
    let told = "SELECT count(*) > 0 FROM pg_replication_origin WHERE roname LIKE 'tokenauth: restored%'";
    server.connect("postgres").query_one(told, &[]).unwrap().get(0)
}

#[test]
fn a_standby_is_fenced_with_its_primary_and_opened_with_it() {
    let (mut restored, token, _before) = put_back();
    // One that was made before anybody has found out, and one that was made after that, with the mark.
    let mut early = restored.cold_copy();
    restored.start_again();
    wait_until("the launcher to look", || is_told(&restored));
    assert_eq!(answer(&restored, &token), "fenced");
    let conninfo = format!("primary_conninfo = 'host={} user=postgres'", restored.file("").display());
    early.configure_while_stopped(&[&conninfo]);
    early.write_file("data/standby.signal", "", 0o600);
    early.start_again();
    let late = restored.standby();
    for standby in [&early, &late] {
        wait_until("the standby to hear of it", || answer(standby, &token) == "fenced");
        let mut client = standby.connect("postgres");
        let explain = format!("SELECT step || ': ' || reason FROM tokenauth.explain('{token}') LIMIT 1");
        let first: String = client.query_one(&explain, &[]).unwrap().get(0);
        assert!(first.starts_with("fence: ") && first.contains("Its primary was found so"), "{first}");
        let found = "SELECT finding FROM tokenauth.doctor(false) WHERE area = 'fence'";
        let found: String = client.query_one(found, &[]).unwrap().get(0);
        assert!(found.contains("Its primary was found so"), "{found}");
    }

    // What is rolled back has told nobody anything.
    restored.connect("postgres").batch_execute("BEGIN; SELECT tokenauth.accept_restore(); ROLLBACK").unwrap();
    assert_eq!(answer(&restored, &token), "fenced");
    assert!(is_told(&restored));
    // One session, in whose caches the primary is fenced.
    let mut open = late.connect("postgres");
    assert!(is_fenced(&mut open, "SELECT tokenauth.verify('x')"));
    accept(&restored);
    for standby in [&early, &late] {
        standby.catch_up_with(&restored);
        assert_eq!(answer(standby, &token), "valid");
    }
    assert_eq!(refused(&mut open, "SELECT tokenauth.verify('x')"), "it was not");
    // Each goes on by itself; the mark that one of them has was accepted since.
    fs::remove_file(restored.file(FENCE)).ok();
    restored.stop();
    for standby in [&early, &late] {
        assert!(standby.connect("postgres").query_one("SELECT pg_promote()", &[]).unwrap().get::<_, bool>(0));
        assert_eq!(answer(standby, &token), "valid");
    }
}

/// Without the setting the primary opens by itself; its standbys are told by whoever accepts it then.
#[test]
fn standbys_of_a_primary_that_has_no_fence_any_more_are_opened_by_accepting_it() {
    let (mut restored, token, before) = put_back();
    restored.start_again();
    wait_until("the launcher to look", || is_told(&restored));
    let standby = restored.standby();
    restored.reconfigure(&["tokenauth.fence_file = ''"]);
    wait_until("the primary to open", || answer(&restored, &token) == "valid");
    standby.catch_up_with(&restored);
    assert_eq!(answer(&standby, &token), "fenced");
    let found = "SELECT coalesce(string_agg(finding, ''), '') FROM tokenauth.doctor(false) WHERE area = 'fence'";
    let found = || restored.connect("postgres").query_one(found, &[]).unwrap().get::<_, String>(0);
    assert_eq!(found(), "was removed from a fenced server: its standbys still are");
    accept(&restored);
    assert_eq!(found(), "");
    standby.catch_up_with(&restored);
    assert_eq!(answer(&standby, &token), "valid");
    let again = "SELECT tokenauth.accept_restore()";
    assert!(!restored.connect("postgres").query_one(again, &[]).unwrap().get::<_, bool>(0));
    // One with the mark, one that was made after it was removed; whatever the file of the former primary says of that.
    let late = restored.standby();
    fs::remove_file(before.file(FENCE)).unwrap();
    restored.stop();
    for standby in [standby, late] {
        assert!(standby.connect("postgres").query_one("SELECT pg_promote()", &[]).unwrap().get::<_, bool>(0));
        assert_eq!(answer(&standby, &token), "valid");
    }
}

#[test]
fn a_standby_that_is_promoted_beside_a_fenced_primary_stays_fenced() {
    let (mut restored, token, before) = put_back();
    restored.start_again();
    wait_until("the launcher to look", || is_told(&restored));
    let mut standby = restored.standby();
    standby.catch_up_with(&restored);
    // Nor does it help that the file is gone.
    fs::remove_file(before.file(FENCE)).unwrap();
    restored.stop();
    assert!(standby.connect("postgres").query_one("SELECT pg_promote()", &[]).unwrap().get::<_, bool>(0));
    assert_eq!(answer(&standby, &token), "fenced");
    standby.restart();
    assert_eq!(answer(&standby, &token), "fenced");
    accept(&standby);
    assert_eq!(answer(&standby, &token), "valid");
    standby.restart();
    assert_eq!(answer(&standby, &token), "valid");
    assert!(!is_told(&standby));
}
