//! Listeners learn of deaths, once for each transaction that commits, and never at the cost of a revocation.

use postgres::Client;
use postgres::fallible_iterator::FallibleIterator as _;
use tokenauth_cluster::contract::{issue, prepare, verdict};
use tokenauth_cluster::{FAST, Server};

/// Everything sent on the channel so far. A message of our own marks the end.
fn heard(listener: &mut Client) -> Vec<String> {
    listener.batch_execute("NOTIFY tokenauth, 'until now'").unwrap();
    let mut heard = Vec::new();
    let mut notifications = listener.notifications();
    let mut messages = notifications.blocking_iter();
    while let Some(message) = messages.next().unwrap() {
        if message.payload() == "until now" {
            return heard;
        }
        heard.push(message.payload().to_owned());
    }
    panic!("the connection was closed");
}

/// A server, a session whose transactions notify, and a listener.
fn start() -> (Server, Client, Client) {
    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    client.batch_execute("LOAD 'tokenauth'; SET tokenauth.notify = on").unwrap();
    let mut listener = server.connect("postgres");
    listener.batch_execute("LISTEN tokenauth").unwrap();
    (server, client, listener)
}

fn revoked(ids: &[&str]) -> String {
    format!("{{\"revoked\":[{}]}}", ids.iter().map(|id| format!("\"{id}\"")).collect::<Vec<_>>().join(","))
}

#[test]
fn whatever_kills_a_token_is_heard_when_it_commits() {
    let (_server, mut client, mut listener) = start();
    for how in [
        "SELECT tokenauth.revoke('$id')",
        "SELECT tokenauth.revoke_presented('$token')",
        "SELECT tokenauth.delete('$id')",
        "SELECT tokenauth.rotate('$id'); SELECT tokenauth.disable(id) FROM tokenauth.tokens WHERE rotated_from = '$id'",
        "SELECT tokenauth.revoke_all('user:1', kind => 'key', issued_before => now())",
        "SELECT tokenauth.deactivate('user:1')",
        "SELECT tokenauth.put_principal('user:1', active => false)",
        "SELECT tokenauth.drop_principal('user:1')",
    ] {
        // Clear away what earlier rounds have left.
        client
            .batch_execute(
                "SET tokenauth.notify = off;
                 SELECT tokenauth.put_principal('user:1', '{devices:read}', active => true);
                 SELECT tokenauth.revoke_all('user:1');
                 SET tokenauth.notify = on",
            )
            .unwrap();
        let issued = issue(&mut client, "user:1");
        client.batch_execute(&how.replace("$id", &issued.id).replace("$token", &issued.token)).unwrap();
        assert_eq!(heard(&mut listener), [revoked(&[&issued.id])], "after {how}");
    }
}

#[test]
fn deaths_by_a_bound_table_are_heard() {
    let (_server, mut client, mut listener) = start();
    client
        .batch_execute(
            "INSERT INTO tokenauth.kind (name, prefix, owner_types) VALUES ('member', 'member_', '{member}');
             CREATE TABLE members (id int PRIMARY KEY, active boolean NOT NULL DEFAULT true);
             INSERT INTO members SELECT n FROM generate_series(1, 200) n;
             SELECT tokenauth.bind_principals('members', 'member', 'id::text', active => 'active')",
        )
        .unwrap();
    let ids: Vec<String> = client
        .query("SELECT (tokenauth.issue('member', 'member:' || id)).id::text FROM members ORDER BY id", &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    client.batch_execute("UPDATE members SET active = false WHERE id = 1").unwrap();
    client.batch_execute("DELETE FROM members WHERE id = 2").unwrap();
    client.batch_execute("UPDATE members SET active = active").unwrap();
    assert_eq!(heard(&mut listener), [revoked(&[&ids[0]]), revoked(&[&ids[1]])]);
    client.batch_execute("UPDATE members SET active = false").unwrap();
    assert_eq!(heard(&mut listener), ["{\"all\":true}"], "198 are more than a message lists");
}

#[test]
fn a_transaction_sends_one_message_of_what_it_has_not_rolled_back() {
    let (_server, mut client, mut listener) = start();
    let ids: Vec<String> = (0..6).map(|_| issue(&mut client, "user:1").id).collect();
    let revoke = |index: usize| format!("SELECT tokenauth.revoke('{}');", ids[index]);
    let [first, second, third, fourth, fifth, sixth] = [0, 1, 2, 3, 4, 5].map(revoke);
    client.batch_execute(&format!("BEGIN; {first} ROLLBACK")).unwrap();
    assert!(heard(&mut listener).is_empty());
    client
        .batch_execute(&format!(
            "BEGIN; {first}
             SAVEPOINT a; {second} SAVEPOINT b; {third} RELEASE b; ROLLBACK TO a; {fourth} RELEASE a;
             SAVEPOINT c; {fifth} ROLLBACK TO c;
             COMMIT"
        ))
        .unwrap();
    assert_eq!(heard(&mut listener), [revoked(&[&ids[0], &ids[3]])]);
    // What is dead does not die a second time.
    client.batch_execute(&format!("{first} {sixth}")).unwrap();
    assert_eq!(heard(&mut listener), [revoked(&[&ids[5]])]);
    // More tokens than a message lists, but rolled back.
    client
        .batch_execute(&format!(
            "BEGIN; {second} SAVEPOINT a;
             SELECT count((tokenauth.issue('key', 'user:1')).id) FROM generate_series(1, 150);
             SELECT tokenauth.revoke_all('user:1');
             ROLLBACK TO a; COMMIT"
        ))
        .unwrap();
    assert_eq!(heard(&mut listener), [revoked(&[&ids[1]])]);
    client
        .batch_execute(
            "SELECT count((tokenauth.issue('key', 'user:1')).id) FROM generate_series(1, 150);
             SELECT tokenauth.revoke_all('user:1')",
        )
        .unwrap();
    assert_eq!(heard(&mut listener), ["{\"all\":true}"]);
}

#[test]
fn nothing_is_heard_unless_it_is_turned_on_and_by_superusers_only() {
    let (_server, mut client, mut listener) = start();
    client.batch_execute("SET tokenauth.notify = off").unwrap();
    let issued = issue(&mut client, "user:1");
    client.batch_execute(&format!("SELECT tokenauth.revoke('{}')", issued.id)).unwrap();
    assert!(heard(&mut listener).is_empty());
    client.batch_execute("CREATE ROLE somebody; SET ROLE somebody").unwrap();
    assert!(client.batch_execute("SET tokenauth.notify = on").is_err());
}

/// Before version 17 the queue holds 8 GB: the test needs half of that on disk, and the time to write it.
#[test]
fn a_revocation_succeeds_without_a_message_once_the_queue_is_half_full() {
    if std::env::var_os("TOKENAUTH_SOAK").is_none() {
        return;
    }
    let (server, mut client, mut listener) = start();
    let issued = issue(&mut client, "user:1");
    // A session that listens inside a transaction reads no messages.
    listener.batch_execute("BEGIN").unwrap();
    let mut filler = server.connect("postgres");
    let usage =
        |client: &mut Client| -> f64 { client.query_one("SELECT pg_notification_queue_usage()", &[]).unwrap().get(0) };
    for round in 0.. {
        if usage(&mut filler) >= 0.5 {
            break;
        }
        // A message of this length fills a page.
        filler
            .batch_execute(&format!(
                "SELECT count(pg_notify('other', repeat('x', 7900) || {round} || ' ' || n))
                   FROM generate_series(1, 20000) n"
            ))
            .unwrap();
    }
    client.batch_execute(&format!("SELECT tokenauth.revoke('{}')", issued.id)).unwrap();
    assert_eq!(verdict(&mut client, &issued.token), "revoked");
    listener.batch_execute("COMMIT").unwrap();
    assert!(heard(&mut listener).is_empty(), "and what was not sent is not sent later");

    let next = issue(&mut client, "user:1");
    client.batch_execute(&format!("SELECT tokenauth.revoke('{}')", next.id)).unwrap();
    assert_eq!(heard(&mut listener), [revoked(&[&next.id])], "once there is room, deaths are heard again");
}
