//! What happens when a part of a topology fails, as docs/topologies.md says it.

use std::thread;
use std::time::Duration;

use postgres::Client;
use tokenauth_cluster::contract::{issue, prepare, revoke, verdict};
use tokenauth_cluster::{Distance, Server, wait_until};

use super::{one, primary, publisher, reader, server, subscription, verdict_within_bound, wait_for_copies};

/// Runs a statement that waits for synchronous copies, and returns when it does.
fn waits<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    primary: &Server,
    sql: String,
) -> thread::ScopedJoinHandle<'scope, ()> {
    let (mut client, mut witness) = (primary.connect("postgres"), primary.connect("postgres"));
    let pid: i32 = one(&mut client, "SELECT pg_backend_pid()");
    let waiting = scope.spawn(move || client.batch_execute(&sql).unwrap());
    wait_until("a commit to wait", || {
        assert!(!waiting.is_finished(), "it has waited for nobody");
        let waits = "SELECT coalesce(wait_event = 'SyncRep', false) FROM pg_stat_activity WHERE pid = $1";
        witness.query_one(waits, &[&pid]).unwrap().get(0)
    });
    waiting
}

#[test]
fn a_copy_that_is_named_and_gone_holds_commits_up_until_it_is_named_no_more() {
    let (primary, mut on_primary) = primary(&[]);
    let (mut copy, mut on_reader) = reader(&primary, "reader");
    let issued = issue(&mut on_primary, "user:1");
    primary.wait_for_subscribers();
    on_reader.batch_execute("ALTER DATABASE postgres SET tokenauth.max_staleness = '5s'").unwrap();
    assert_eq!(verdict(&mut on_reader, &issued.token), "valid");
    primary.reconfigure(&["synchronous_standby_names = 'FIRST 1 (reader)'"]);
    copy.stop();
    thread::scope(|scope| {
        let death = waits(scope, &primary, format!("SELECT tokenauth.revoke('{}')", issued.id));
        let narrowing = waits(
            scope,
            &primary,
            "SET synchronous_commit = local; SELECT tokenauth.put_principal('user:2')".to_owned(),
        );
        let other = waits(scope, &primary, "CREATE TABLE other ()".to_owned());
        // What takes nothing away need not wait.
        on_primary.batch_execute("SET synchronous_commit = local").unwrap();
        issue(&mut on_primary, "user:1");
        primary.reconfigure(&["synchronous_standby_names = ''"]);
        for waiting in [death, narrowing, other] {
            waiting.join().unwrap();
        }
    });
    // Back again, it has not heard of the death, and says nothing that is older than its bound.
    copy.start_again();
    let mut on_reader = copy.connect("postgres");
    wait_until("the reader to catch up", || verdict_within_bound(&mut on_reader, &issued.token) == "revoked");
}

/// A copy that was away, and cannot reach its primary when it comes back, knows how old it is.
#[test]
fn a_copy_that_comes_back_alone_refuses() {
    let (mut primary, mut on_primary) = primary(&[]);
    let (mut copy, mut on_reader) = reader(&primary, "reader");
    let issued = issue(&mut on_primary, "user:1");
    primary.wait_for_subscribers();
    on_reader.batch_execute("ALTER DATABASE postgres SET tokenauth.max_staleness = '5s'").unwrap();
    drop(on_reader);
    copy.kill();
    assert!(revoke(&mut on_primary, &issued));
    drop(on_primary);
    primary.stop();
    copy.start_again();
    let mut on_reader = copy.connect("postgres");
    wait_until("the reader to refuse", || verdict_within_bound(&mut on_reader, &issued.token) == "55000");
    primary.start_again();
    wait_until("the reader to catch up", || verdict_within_bound(&mut on_reader, &issued.token) == "revoked");
}

/// A database of users without the extension, and a server beside it that is bound to them.
struct Beside {
    users: Server,
    there: Client,
    line: Distance,
    server: Server,
    here: Client,
}

fn beside() -> Beside {
    const TABLE: &str = "CREATE TABLE customer (id bigint PRIMARY KEY, is_active boolean NOT NULL)";
    let users = publisher(&[]);
    let mut there = users.connect("postgres");
    there
        .batch_execute(&format!(
            "{TABLE}; INSERT INTO customer SELECT n, true FROM generate_series(1, 9) n;
                                 CREATE PUBLICATION users FOR TABLE customer"
        ))
        .unwrap();
    let line = Distance::to(&users, 6433, Duration::ZERO);
    let server = server(&["wal_retrieve_retry_interval = 100ms"]);
    let mut here = server.connect("postgres");
    prepare(&mut here);
    let connection = users.connection_string("postgres");
    let subscribe = subscription(&users, "users")
        .replace(&connection, &line.connection_string(&connection))
        .replace("PUBLICATION tokenauth", "PUBLICATION users");
    here.batch_execute(&format!("{TABLE}; UPDATE tokenauth.kind SET owner_types = '{{user,customer}}'")).unwrap();
    here.batch_execute("SELECT tokenauth.bind_principals('customer', 'customer', 'id::text', active => 'is_active')")
        .unwrap();
    here.batch_execute(&subscribe).unwrap();
    wait_for_copies(&mut here);
    Beside { users, there, line, server, here }
}

#[test]
fn a_server_beside_its_users_goes_on_without_them_and_hears_of_all_that_it_has_missed() {
    let Beside { mut users, mut there, line, mut server, mut here } = beside();
    let [first, second, third, fourth] = [1, 2, 3, 4].map(|id| issue(&mut here, &format!("customer:{id}")));
    let deactivate = |client: &mut Client, id: i32| {
        client.execute(&format!("UPDATE customer SET is_active = false WHERE id = {id}"), &[]).unwrap();
    };

    // The line: a deactivation is acknowledged over there, and not known here; what is here dies at once.
    line.cut();
    deactivate(&mut there, 1);
    assert_eq!(verdict(&mut here, &first.token), "valid");
    let own = issue(&mut here, "customer:1");
    assert!(revoke(&mut here, &own));
    assert_eq!(verdict(&mut here, &own.token), "revoked");
    line.mend();
    wait_until("the deactivation to be known", || verdict(&mut here, &first.token) == "revoked");

    // The server: what happens over there meanwhile waits for it.
    drop(here);
    server.kill();
    deactivate(&mut there, 2);
    server.start_again();
    let mut here = server.connect("postgres");
    wait_until("the deactivation to be known", || verdict(&mut here, &second.token) == "revoked");

    // The users' database.
    drop(there);
    users.kill();
    assert_eq!(verdict(&mut here, &third.token), "valid");
    assert!(revoke(&mut here, &fourth));
    users.start_again();
    deactivate(&mut users.connect("postgres"), 3);
    wait_until("the deactivation to be known", || verdict(&mut here, &third.token) == "revoked");
    assert_eq!(verdict(&mut here, &fourth.token), "revoked");

    // Its slot, which somebody drops: subscribed again, without a copy of what is there.
    let mut there = users.connect("postgres");
    here.batch_execute("ALTER SUBSCRIPTION users DISABLE").unwrap();
    wait_until("the slot to be dropped", || there.batch_execute("SELECT pg_drop_replication_slot('users')").is_ok());
    deactivate(&mut there, 5);
    let fifth = issue(&mut here, "customer:5");
    here.batch_execute("ALTER SUBSCRIPTION users SET (slot_name = NONE)").unwrap();
    here.batch_execute("DROP SUBSCRIPTION users").unwrap();
    let again = "CREATE SUBSCRIPTION users CONNECTION '$c' PUBLICATION users WITH (copy_data = false)";
    here.batch_execute(&again.replace("$c", &users.connection_string("postgres"))).unwrap();
    here.batch_execute("UPDATE customer SET is_active = false WHERE id = 5").unwrap();
    assert_eq!(verdict(&mut here, &fifth.token), "revoked");
    let sixth = issue(&mut here, "customer:6");
    deactivate(&mut there, 6);
    wait_until("the deactivation to be known", || verdict(&mut here, &sixth.token) == "revoked");
}
