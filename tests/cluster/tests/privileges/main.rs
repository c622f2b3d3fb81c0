//! What each access is, to the letter and both ways: who may, may, and who may not, may not. However the extension came
//! into the database, and whoever had prepared something for it there.

mod attempts;
mod capture;
mod lists;
mod secrets;

use postgres::Client;
use tokenauth_cluster::{FAST, Server};

/// The accesses.
const ACCESSES: [&str; 6] = ["identity", "verify", "self", "manage", "observe", "admin"];

/// Two roles that have none: the second owns a table that is bound.
const STRANGERS: [&str; 2] = ["nobody", "tables"];

/// Makes a role for each access, of its name, and the two others.
fn make_roles(server: &Server) {
    let mut client = server.connect("postgres");
    for role in ACCESSES.iter().chain(&STRANGERS) {
        client.batch_execute(&format!("CREATE ROLE \"{role}\"")).unwrap();
    }
}

/// Grants each role its access.
fn grant(client: &mut Client) {
    for access in ACCESSES {
        client.execute("SELECT tokenauth.grant_access($1::text::regrole, $1)", &[&access]).unwrap();
    }
}

/// A server with these roles, and the extension with a token, a table that is bound to it, and an import.
fn serve() -> (Server, Client) {
    let server = Server::start(&[FAST, &["shared_preload_libraries = 'tokenauth'"]].concat());
    make_roles(&server);
    let mut client = server.connect("postgres");
    client
        .batch_execute(
            "CREATE EXTENSION tokenauth;
             INSERT INTO tokenauth.kind (name, prefix, derivable) VALUES ('key', 'key_', true);
             SELECT tokenauth.put_principal('user:1', permissions => '{devices:read}');
             SELECT tokenauth.put_principal('org:acme');
             SELECT tokenauth.add_member('org:acme', 'user:1');
             SELECT tokenauth.import('key', 'user:1', encode(sha256('of another system'), 'hex'), 'sha256');
             CREATE TABLE person (id integer PRIMARY KEY, active boolean);
             INSERT INTO person VALUES (1, true);
             ALTER TABLE person OWNER TO tables;
             SELECT tokenauth.bind_principals('person', 'person', 'id::text', active => 'active');",
        )
        .unwrap();
    grant(&mut client);
    (server, client)
}
