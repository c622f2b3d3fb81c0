//! Where a token is used on a reader alone, only what is fetched from there tells that it is not idle: while a reader
//! is unread, nobody dies for want of use.

use postgres::Client;
use tokenauth_cluster::Server;
use tokenauth_cluster::contract::{Issued, age_beyond_max_idle, await_round, count_for_longer, issue, verdict};

use super::{one, primary, reader};
use crate::usage::{fetch, verify_often};

fn status(client: &mut Client, issued: &Issued) -> String {
    client.query_one("SELECT status FROM tokenauth.tokens WHERE id = $1::text::uuid", &[&issued.id]).unwrap().get(0)
}

/// Restarts the server, whose round is at once, and returns what holds the revocation of idle tokens back.
fn round(server: &mut Server) -> (Client, String) {
    server.restart();
    let mut client = server.connect("postgres");
    await_round(&mut client, "the one after the restart");
    let found: Option<String> =
        one(&mut client, "SELECT string_agg(finding, '; ') FROM tokenauth.doctor() WHERE object = 'kind key'");
    (client, found.unwrap_or_default())
}

#[test]
fn nobody_dies_as_idle_while_a_reader_is_unread() {
    let (mut primary, mut on_primary) = primary(&[]);
    let [here, there, idle] = [(); 3].map(|()| issue(&mut on_primary, "user:1"));
    let (_reader, mut on_reader) = reader(&primary, "reader");
    assert_eq!(verdict(&mut on_primary, &here.token), "valid");
    age_beyond_max_idle(&mut on_primary);
    count_for_longer(&mut on_primary);
    verify_often(&mut on_reader, &there, 3);

    // Of a subscription nothing was ever brought in.
    let (mut on_primary, because) = round(&mut primary);
    assert!(because.contains("the usage of 1 subscriptions was never brought in"), "{because}");
    assert_eq!([&here, &there, &idle].map(|issued| status(&mut on_primary, issued)), ["active"; 3]);

    // It is, long ago; and then not for two days, in which one is used there.
    while fetch(&mut on_reader, &mut on_primary).is_some() {
        primary.wait_for_subscribers();
    }
    on_primary
        .batch_execute(
            "UPDATE tokenauth.usage SET last_used_at = last_used_at - interval '95 days' WHERE request_count = 3;
             UPDATE tokenauth.usage_copy SET until = until - interval '2 days'",
        )
        .unwrap();
    verify_often(&mut on_reader, &there, 5);
    let (mut on_primary, because) = round(&mut primary);
    assert!(because.contains("the usage of 1 copies was not brought in for a day"), "{because}");
    assert_eq!(one::<i64>(&mut on_primary, "SELECT tokenauth.enforce('key', '{idle}', dry_run => false)"), 0);
    assert_eq!([&here, &there, &idle].map(|issued| status(&mut on_primary, issued)), ["active"; 3]);

    // Once it is read, the one that nobody has used anywhere is idle.
    primary.wait_for_subscribers();
    while fetch(&mut on_reader, &mut on_primary).is_some() {
        primary.wait_for_subscribers();
    }
    assert_eq!(one::<i64>(&mut on_primary, "SELECT tokenauth.enforce('key', '{idle}', dry_run => false)"), 1);
    assert_eq!([&here, &there, &idle].map(|issued| status(&mut on_primary, issued)), ["active", "active", "revoked"]);
    primary.wait_for_subscribers();
    assert_eq!([&there, &idle].map(|issued| verdict(&mut on_reader, &issued.token)), ["valid", "revoked"]);
}
