//! The calls of the contract that the tests share, as an application writes them.

use postgres::Client;

use crate::Server;

/// The parts of a token that its holder and the application keep.
pub struct Issued {
    /// The text, which exists here and nowhere else.
    pub token: String,
    /// Its id, as text.
    pub id: String,
}

/// Creates the extension, a kind `key` whose tokens begin with `key_`, and the principal `user:1`.
pub fn prepare(client: &mut Client) {
    client
        .batch_execute(
            "CREATE EXTENSION tokenauth;
             INSERT INTO tokenauth.kind (name, prefix) VALUES ('key', 'key_');
             SELECT tokenauth.put_principal('user:1', permissions => '{devices:read}');",
        )
        .unwrap();
}

/// Starts a server with these settings, prepares it, and issues a token to `user:1`.
#[must_use]
pub fn serve(settings: &[&str]) -> (Server, Client, Issued) {
    let server = Server::start(settings);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    (server, client, issued)
}

/// Issues a token of kind `key`.
pub fn issue(client: &mut Client, owner: &str) -> Issued {
    let row =
        client.query_one("SELECT token, id::text FROM tokenauth.issue(kind => 'key', owner => $1)", &[&owner]).unwrap();
    Issued { token: row.get(0), id: row.get(1) }
}

/// Revokes the token and returns whether it was alive.
pub fn revoke(client: &mut Client, issued: &Issued) -> bool {
    client.query_one("SELECT tokenauth.revoke($1::text::uuid)", &[&issued.id]).unwrap().get(0)
}

/// The verdict of a verification of the token.
pub fn verdict(client: &mut Client, token: &str) -> String {
    client.query_one("SELECT verdict FROM tokenauth.verify($1)", &[&token]).unwrap().get(0)
}
