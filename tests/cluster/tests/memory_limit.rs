//! When memory runs out, the statement fails, as everywhere in PostgreSQL, and the server continues.
//!
//! With `TOKENAUTH_SOAK`, ten million bound rows are copied, repaired and truncated (about ten minutes, and 15 GB of
//! disk).

use std::time::Instant;

use postgres::Client;
use postgres::error::SqlState;
use tokenauth_cluster::contract::serve;
use tokenauth_cluster::{FAST, Server};

const MIB: u64 = 1 << 20;

#[test]
fn a_statement_that_finds_no_memory_is_refused_and_the_session_goes_on() {
    let (server, mut client, issued) = serve(FAST);
    // Every copy of it takes a step of eight megabytes, and the room that is left is never close to such a step: so it
    // is always a large allocation that is refused.
    let large = "repeat('x', 8 * 1024 * 1024 - 4096)";
    let mut refused = 0;
    for call in [
        format!("length(tokenauth.mask({large})) > 0"),
        format!("tokenauth.contains_token({large})"),
        format!("(tokenauth.verify({large})).ok"),
        format!("(tokenauth.verify('x', '{{}}', {large})).ok"),
        format!("(tokenauth.verify_request(jsonb_build_object('X-API-Key', {large}))).ok"),
        format!("tokenauth.put_principal('user:2', display_name => {large}) IS NULL"),
        format!(
            "tokenauth.put_principal('user:2', data_scopes => jsonb_build_object('site', jsonb_build_array({large})))
                 IS NULL"
        ),
    ] {
        for room in (0..12).map(|step| (8 * step + 4) * MIB) {
            let mut limited = server.connect("postgres");
            // Everything is loaded and remembered before the limit is set.
            limited.query_one("SELECT tokenauth.verify($1), tokenauth.mask('x')", &[&issued.token]).unwrap();
            let backend: i32 = limited.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
            server.limit_memory(backend, room);
            if let Err(error) = limited.query_one(&format!("SELECT {call}"), &[]) {
                let code = error.code().unwrap_or_else(|| panic!("{call}, with {room} bytes: {error:?}"));
                match *code {
                    SqlState::OUT_OF_MEMORY => refused += 1,
                    // Where there was enough room to look at it, it is too long for its argument.
                    SqlState::INVALID_PARAMETER_VALUE => {}
                    _ => panic!("{call}, with {room} bytes: {error:?}"),
                }
            }
            limited.batch_execute("SELECT 1").unwrap();
        }
    }
    assert!(refused > 0, "memory did run out");
    client.batch_execute("SELECT 1").unwrap();
}

/// The number of bound rows, whose names alone would take more than the room that is left.
const ROWS: i32 = 300_000;

#[test]
fn all_rows_of_a_bound_table_may_go_at_once_whatever_memory_is_left() {
    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    client
        .batch_execute(&format!(
            "CREATE EXTENSION tokenauth;
             CREATE TABLE users (id text PRIMARY KEY);
             INSERT INTO users SELECT repeat('u', 100) || n FROM generate_series(1, {ROWS}) n;
             SELECT tokenauth.bind_principals('users', 'user', 'id');
             ANALYZE tokenauth.principal;"
        ))
        .unwrap();
    for all_go in [
        "ALTER TABLE users DISABLE TRIGGER USER;
         DELETE FROM users;
         ALTER TABLE users ENABLE TRIGGER USER;
         SELECT tokenauth.sync_principals('users')",
        "TRUNCATE users",
    ] {
        let (mut limited, _) = connect_limited(&server, 64 * MIB);
        limited.batch_execute(&format!("BEGIN; {all_go};")).unwrap();
        let left: i64 =
            limited.query_one("SELECT count(*) FROM tokenauth.principal WHERE dropped_at IS NULL", &[]).unwrap().get(0);
        assert_eq!(left, 0, "{all_go}");
        limited.batch_execute("ROLLBACK").unwrap();
    }
}

/// A session that may take this much memory beyond what it needs to have everything loaded, and its process.
fn connect_limited(server: &Server, room: u64) -> (Client, i32) {
    let mut limited = server.connect("postgres");
    limited.batch_execute("SELECT tokenauth.put_principal('user:0'), tokenauth.drop_principal('user:0')").unwrap();
    let backend = limited.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    server.limit_memory(backend, room);
    (limited, backend)
}

#[test]
fn ten_million_bound_rows_take_no_more_memory_than_some() {
    /// `work_mem` and what a statement takes besides.
    const SOME: u64 = 128 * MIB;
    if std::env::var_os("TOKENAUTH_SOAK").is_none() {
        return;
    }
    // The compiler for queries would be loaded into the room that is left.
    let server = Server::start(&[FAST, &["jit = off", "max_wal_size = 4GB"]].concat());
    server
        .connect("postgres")
        .batch_execute(
            "CREATE EXTENSION tokenauth;
             CREATE TABLE users (id integer PRIMARY KEY, active boolean NOT NULL DEFAULT true);
             INSERT INTO users SELECT n FROM generate_series(1, 10000000) n;",
        )
        .unwrap();
    let left = |client: &mut Client| -> (i64, i64) {
        let counted =
            "SELECT count(*) FILTER (WHERE active), count(*) FROM tokenauth.principal WHERE dropped_at IS NULL";
        let row = client.query_one(counted, &[]).unwrap();
        (row.get(0), row.get(1))
    };
    for (what, prepare, statement, expected, room) in [
        (
            "bind_principals",
            "",
            "SELECT tokenauth.bind_principals('users', 'user', 'id::text', active => 'active')",
            (10_000_000, 10_000_000),
            SOME,
        ),
        (
            "sync_principals, a million to repair",
            "ALTER TABLE users DISABLE TRIGGER USER;
             DELETE FROM users WHERE id % 20 = 0;
             UPDATE users SET active = false WHERE id % 20 = 1;
             ALTER TABLE users ENABLE TRIGGER USER;",
            "SELECT tokenauth.sync_principals('users')",
            (9_000_000, 9_500_000),
            SOME,
        ),
        ("TRUNCATE", "", "TRUNCATE users", (0, 0), SOME),
    ] {
        server.connect("postgres").batch_execute(prepare).unwrap();
        let (mut limited, backend) = connect_limited(&server, room);
        let before = server.peak_memory(backend);
        let begun = Instant::now();
        limited.batch_execute(statement).unwrap_or_else(|error| panic!("{what}: {error:?}"));
        let taken = (server.peak_memory(backend) - before) / MIB;
        println!("{what}: at most {taken} of {} MiB, {} s", room / MIB, begun.elapsed().as_secs());
        assert_eq!(left(&mut limited), expected, "{what}");
    }
}
