//! `pg_upgrade` to another major version carries everything, and ends where a new installation begins.

use tokenauth_cluster::contract::{issue, prepare, privileges, revoke, verdict};
use tokenauth_cluster::{FAST, Server, older, wait_until};

const GRANTS: &str = "SELECT tokenauth.grant_access('service', 'manage');
                      SELECT tokenauth.grant_access('monitoring', 'observe')";

#[test]
fn an_upgraded_server_has_the_tokens_and_privileges_of_before_and_no_others() {
    let Some(older) = older("pg_upgrade") else { return };
    let server = Server::start_by(&older, FAST);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    client.batch_execute("CREATE ROLE service; CREATE ROLE monitoring").unwrap();
    client.batch_execute(GRANTS).unwrap();
    let tokens = [(); 3].map(|()| issue(&mut client, "user:1"));
    assert!(revoke(&mut client, &tokens[1]));
    drop(client);

    let mut server = server.upgrade(FAST);
    let mut client = server.connect("postgres");
    let verdicts = tokens.each_ref().map(|issued| verdict(&mut client, &issued.token));
    assert_eq!(verdicts, ["valid", "revoked", "valid"]);

    // What pg_upgrade does not carry is found, and mended by a worker where there is one.
    let hint = "SELECT hint FROM tokenauth.doctor() WHERE finding LIKE '%after pg_upgrade'";
    assert_eq!(client.query(hint, &[]).unwrap().len(), 1);
    drop(client);
    server.configure_and_restart(&["shared_preload_libraries = tokenauth", "tokenauth.usage_flush_interval = 1s"]);
    let mut client = server.connect("postgres");
    verdict(&mut client, &tokens[0].token);
    wait_until("a worker to take from PUBLIC what it was not given", || client.query(hint, &[]).unwrap().is_empty());

    server.create_database("new", "TEMPLATE template0");
    let mut new = server.connect("new");
    prepare(&mut new);
    new.batch_execute(GRANTS).unwrap();
    assert_eq!(privileges(&mut client), privileges(&mut new));
    assert!(!server.dump("postgres", &[]).is_empty());
}
