//! `pg_upgrade` to another major version carries everything, and ends where a new installation begins.

use tokenauth_cluster::catalogs::{assert_same_catalogs, catalogs};
use tokenauth_cluster::filled::Filled;
use tokenauth_cluster::{FAST, Server, older, wait_until};

const GRANTS: &str = "SELECT tokenauth.grant_access('service', 'manage');
                      SELECT tokenauth.grant_access('monitoring', 'observe')";

#[test]
fn an_upgraded_server_has_what_was_there_before_and_nothing_else() {
    let Some(older) = older("pg_upgrade") else { return };
    let mut server = Server::start_by(&older, FAST);
    let settings = Filled::settings(&server);
    server.configure_and_restart(&settings.each_ref().map(String::as_str));
    let mut client = server.connect("postgres");
    client.batch_execute("CREATE EXTENSION tokenauth; CREATE ROLE service; CREATE ROLE monitoring").unwrap();
    client.batch_execute(GRANTS).unwrap();
    let filled = Filled::fill(&server, &mut client);
    // Written at a flush, as a clean stop and start bring about; what is used after it is not.
    drop(client);
    server.configure_and_restart(&["tokenauth.usage_flush_interval = 1s"]);
    let mut client = server.connect("postgres");
    filled.use_it(&mut client, 5);
    wait_until("the flush", || filled.written(&mut client) == filled.uses(&mut client));
    let written = filled.written(&mut client);
    drop(client);
    server.configure_and_restart(&["tokenauth.usage_flush_interval = 1h"]);
    let mut client = server.connect("postgres");
    filled.use_it(&mut client, 3);
    // Some builds note in options of columns what versions of the next major do not know.
    client.batch_execute("UPDATE pg_attribute SET attoptions = NULL WHERE attoptions::text LIKE '%pg\\_att%'").unwrap();
    drop(client);

    let mut server = server.upgrade(FAST);
    // What pg_upgrade does not carry is found.
    let hint = "SELECT hint FROM tokenauth.doctor() WHERE finding LIKE '%after pg_upgrade'";
    assert_eq!(server.connect("postgres").query(hint, &[]).unwrap().len(), 1);
    let settings = Filled::settings(&server);
    server.configure_and_restart(&settings.each_ref().map(String::as_str));
    let mut client = server.connect("postgres");
    assert_eq!(filled.uses(&mut client), written, "what was not written yet is forgotten, and nothing else");
    filled.check(&server, &mut client, "after pg_upgrade");

    // A worker mends it.
    drop(client);
    server.configure_and_restart(&["tokenauth.usage_flush_interval = 1s"]);
    let mut client = server.connect("postgres");
    filled.use_it(&mut client, 1);
    wait_until("a worker to take from PUBLIC what it was not given", || client.query(hint, &[]).unwrap().is_empty());

    server.create_database("new", "TEMPLATE template0");
    let mut new = server.connect("new");
    new.batch_execute("CREATE EXTENSION tokenauth").unwrap();
    new.batch_execute(GRANTS).unwrap();
    assert_same_catalogs(&catalogs(&mut client), &catalogs(&mut new), "after pg_upgrade, it");
    assert!(!server.dump("postgres", &[]).is_empty());
}
