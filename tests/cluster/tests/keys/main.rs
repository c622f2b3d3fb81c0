//! Keys are in a file outside the database. Without it, peppered digests and sealed texts are worthless, and a missing
//! or wrong key is an error of its own, never an unknown token.

mod copies;
mod file;
mod imports;
mod peppers;
mod seals;

use postgres::Client;
use postgres::error::SqlState;
use tokenauth_cluster::contract::{Issued, prepare};
use tokenauth_cluster::{FAST, Server};

const ONE: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const TWO: &str = "2222222222222222222222222222222222222222222222222222222222222222";

/// Writes these lines to the key file, and has the server read it.
fn keys(server: &Server, lines: &[(&str, &str, &str)]) {
    let lines: Vec<String> = lines.iter().map(|(purpose, id, key)| format!("{purpose} {id} {key}")).collect();
    server.write_file("keys", &lines.join("\n"), 0o600);
    use_file(server, server.file("keys").to_str().unwrap());
}

fn use_file(server: &Server, path: &str) {
    server.reconfigure(&[&format!("tokenauth.key_file = '{path}'")]);
}

fn prepared() -> (Server, Client) {
    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    (server, client)
}

/// Algorithm and pepper of the token with this id, and whether its digest is SHA-256 of its text.
fn stored(client: &mut Client, id: &str, token: &str) -> (String, Option<String>, bool) {
    let row = client
        .query_one(
            "SELECT algorithm, pepper, digest = sha256($2::text::bytea) FROM tokenauth.token WHERE id = $1::text::uuid",
            &[&id, &token],
        )
        .unwrap();
    (row.get(0), row.get(1), row.get(2))
}

/// The error of a statement with one text argument.
fn refusal(client: &mut Client, sql: &str, argument: &str) -> (SqlState, String) {
    let error = client.query(sql, &[&argument]).expect_err(sql);
    let error = error.as_db_error().expect("the server refuses");
    (error.code().clone(), error.message().to_owned())
}

const STATE: SqlState = SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE;

/// Checks that everything that needs the key of this token fails with this message.
fn assert_key_refused(client: &mut Client, token: &str, message: &str) {
    for sql in [
        "SELECT tokenauth.verify($1)",
        "SELECT tokenauth.verify_digest(left($1, 4 + 11), sha256($1::bytea))",
        "SELECT tokenauth.revoke_presented($1)",
    ] {
        assert_eq!(refusal(client, sql, token), (STATE, message.to_owned()), "{sql}");
    }
}

/// What `doctor` finds about keys.
fn findings(client: &mut Client, compare: bool) -> Vec<String> {
    let told = client.query("SELECT finding FROM tokenauth.doctor($1) WHERE area = 'keys'", &[&compare]).unwrap();
    told.iter().map(|row| row.get(0)).collect()
}

/// Makes a kind that keeps texts, and two tokens of it.
fn prepared_to_reveal(server: &Server, client: &mut Client) -> [Issued; 2] {
    keys(server, &[("seal", "one", ONE)]);
    client.batch_execute("INSERT INTO tokenauth.kind (name, prefix, reveal) VALUES ('shown', 'shown_', true)").unwrap();
    [(); 2].map(|()| issue_shown(client))
}

fn issue_shown(client: &mut Client) -> Issued {
    let row = client.query_one("SELECT token, id::text FROM tokenauth.issue('shown', 'user:1')", &[]).unwrap();
    Issued { token: row.get(0), id: row.get(1) }
}

const REVEAL: &str = "SELECT tokenauth.reveal($1::text::uuid)";

fn revealed(client: &mut Client, issued: &Issued) -> String {
    client.query_one(REVEAL, &[&issued.id]).unwrap().get(0)
}
