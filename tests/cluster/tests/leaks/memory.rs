//! What stays of a token in the memory of a process that has handled it and does something else now.
//!
//! Nobody promises that it is overwritten when it is freed: a text that was sent or returned lies about until other
//! data takes its place. Of a digest alone nothing can. What else stays is printed; on a server that was built with
//! assertions (`scripts/assertions`), which overwrites what it frees, that is what is ours.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

use postgres::Client;
use tokenauth_cluster::contract::prepare;
use tokenauth_cluster::{FAST, Needles, Server};

/// What a session does with a token, which it is given as `$1`.
const HANDLED: [&str; 13] = [
    "SELECT verdict FROM tokenauth.verify($1)",
    "SELECT verdict FROM tokenauth.verify($1, '{devices:read}', '10.0.0.1')",
    "SELECT tokenauth.authenticate($1)",
    "SELECT tokenauth.explain($1)::text",
    "SELECT tokenauth.introspect($1)::text",
    "SELECT tokenauth.verify_request(jsonb_build_object('x-api-key', $1::text))::text",
    "SELECT tokenauth.verify_request(jsonb_build_object('authorization', 'Bearer ' || $1::text))::text",
    "SELECT tokenauth.derive($1)",
    "SELECT tokenauth.contains_token('see ' || $1::text)",
    "SELECT tokenauth.mask('see ' || $1::text)",
    "SELECT tokenauth.issue('key', 'user:1', $1)::text",
    "SELECT tokenauth.report_leak(jsonb_build_array(jsonb_build_object('token', $1::text, 'url', $1::text)))::text",
    "SELECT tokenauth.revoke_presented($1)::text",
];

/// Whether any part of these secrets is in memory that the process has written, its own or shared.
fn is_in_memory(process: i32, needles: &Needles) -> bool {
    let memory = File::open(format!("/proc/{process}/mem")).unwrap();
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|mode| mode.starts_with("rw"))).any(|line| {
        let (start, end) = line.split_once(' ').and_then(|(range, _)| range.split_once('-')).expect("a range");
        let [start, end] = [start, end].map(|digits| u64::from_str_radix(digits, 16).expect("an address"));
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        // What the kernel keeps to itself cannot be read.
        memory.read_exact_at(&mut bytes, start).is_ok() && needles.found(&bytes).contains(&true)
    })
}

/// The secret of a token.
fn secret(token: &str) -> &[u8] {
    &token.as_bytes()[token.len() - 38..token.len() - 6]
}

/// Fills with other data what the session receives and sends by.
fn do_something_else(client: &mut Client) {
    let long = "x".repeat(100_000);
    for _ in 0..3 {
        let answer: String = client.query_one("SELECT $1::text || repeat('y', 100000)", &[&long]).unwrap().get(0);
        assert_eq!(answer.len(), 200_000);
    }
}

fn is_left(client: &mut Client, token: &str) -> bool {
    do_something_else(client);
    let process = client.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    is_in_memory(process, &Needles::of([secret(token)]))
}

#[test]
fn a_process_that_was_given_a_digest_has_nothing_of_the_text() {
    let server = Server::start(&[FAST, &["shared_preload_libraries = tokenauth", "shared_buffers = 4MB"]].concat());
    server.write_file("keys", &format!("seal s {}\npepper p {}\n", "5e".repeat(32), "7b".repeat(32)), 0o600);
    server.reconfigure(&[&format!("tokenauth.key_file = '{}'", server.file("keys").display())]);
    let mut admin = server.connect("postgres");
    prepare(&mut admin);
    let kind = "INSERT INTO tokenauth.kind (name, prefix, reveal, derivable) VALUES ('shown', 'shown_', true, true)";
    admin.batch_execute(kind).unwrap();
    let wipes: bool = admin.query_one("SELECT current_setting('debug_assertions')::boolean", &[]).unwrap().get(0);
    let issue = "SELECT token FROM tokenauth.issue('shown', 'user:1')";
    let issued = |admin: &mut Client| -> String { admin.query_one(issue, &[]).unwrap().get(0) };

    // The digest alone: the text has never been there.
    let token = issued(&mut admin);
    let mut client = server.connect("postgres");
    let digest: Vec<u8> =
        server.connect("postgres").query_one("SELECT sha256($1::text::bytea)", &[&token]).unwrap().get(0);
    let sql = "SELECT verdict FROM tokenauth.verify_digest($1, $2)";
    let answer = client.query_one(sql, &[&&token[..token.len() - 38], &digest]).unwrap();
    assert_eq!(answer.get::<_, &str>(0), "valid");
    assert!(!is_left(&mut client, &token), "verify_digest");

    let mut left = Vec::new();
    for sql in HANDLED {
        let token = issued(&mut admin);
        let mut client = server.connect("postgres");
        // Some are refused.
        let _ = client.query(sql, &[&token]);
        if is_left(&mut client, &token) {
            left.push(sql.to_owned());
        }
    }
    // What makes a text: here the session that did so has thrown it away, and another one reveals which it was.
    let made =
        |which: &str| format!("(SELECT id FROM tokenauth.tokens WHERE name = 'made' AND rotated_from IS {which})");
    for (sql, id) in [
        ("PERFORM tokenauth.issue('shown', 'user:1', 'made')".to_owned(), made("NULL")),
        (format!("PERFORM tokenauth.reveal({})", made("NULL")), made("NULL")),
        (format!("PERFORM tokenauth.rotate({})", made("NULL")), made("NOT NULL")),
    ] {
        let mut client = server.connect("postgres");
        client.batch_execute(&format!("DO $$ BEGIN {sql}; END $$")).unwrap();
        let row = admin.query_one(&format!("SELECT tokenauth.reveal({id})"), &[]).unwrap();
        if is_left(&mut client, row.get(0)) {
            left.push(sql);
        }
    }
    let ways = HANDLED.len() + 3;
    println!("the server overwrites what it frees: {wipes}; left after {} of {ways}: {left:#?}", left.len());
    // The search finds what is there.
    let token = issued(&mut admin);
    let mut client = server.connect("postgres");
    client.batch_execute(&format!("SET application.note = '{token}'")).unwrap();
    assert!(is_left(&mut client, &token));
}
