//! What takes long tells the client meanwhile how far it has come, as psql shows it.

use tokenauth_cluster::{FAST, Psql, Server};

/// The lines that are NOTICEs.
fn notices(answer: Result<String, String>) -> Vec<String> {
    let answer = answer.unwrap_or_else(|said| panic!("{said}"));
    answer.lines().filter_map(|line| line.strip_prefix("NOTICE:  ")).map(str::to_owned).collect()
}

#[test]
fn a_million_rows_that_are_bound_repaired_scanned_or_compared_are_told() {
    let server = Server::start(FAST);
    let mut psql = Psql::start(&server, "postgres");
    psql.answer(
        "CREATE EXTENSION tokenauth;
         CREATE TABLE users (id int PRIMARY KEY);
         INSERT INTO users SELECT * FROM generate_series(1, 1000001);",
    )
    .unwrap();
    let read = "read 1000000 rows of public.users";
    let writing = "writing 1000001 rows as principals of type \"user\"";
    let bound = psql.answer("SELECT tokenauth.bind_principals('users', 'user', 'id::text');");
    assert_eq!(notices(bound), [read, writing]);
    assert_eq!(notices(psql.answer("SELECT tokenauth.sync_principals('users');")), [read, writing]);
    let compared = psql.answer("SELECT area FROM tokenauth.doctor() WHERE area = 'binding';");
    assert_eq!(notices(compared), ["comparing public.users with principals of type \"user\"", read]);
    // Without the row that makes it a million, nothing is said.
    let scan = "SELECT * FROM tokenauth.scan_column('words', 'word');";
    let scanned = psql.answer(&format!(
        "CREATE VIEW words AS SELECT id::text AS word FROM users LIMIT 1000000; {scan}
         CREATE OR REPLACE VIEW words AS SELECT id::text AS word FROM users LIMIT 999999; {scan}"
    ));
    assert_eq!(notices(scanned), ["read 1000000 rows of public.words"]);
}

#[test]
fn a_purge_that_has_come_to_its_bound_says_so() {
    let server = Server::start(FAST);
    let mut psql = Psql::start(&server, "postgres");
    psql.answer(
        "CREATE EXTENSION tokenauth;
         INSERT INTO tokenauth.event (id, at, event, role)
         SELECT format('00000000-0000-7000-8000-%s', lpad(to_hex(n), 12, '0'))::uuid, '2001-02-03', 'token.denied', 'x'
           FROM generate_series(1, 100001) n;",
    )
    .unwrap();
    let purge = "SELECT tokenauth.purge('1 year');";
    assert_eq!(
        notices(psql.answer(purge)),
        ["there may be more to remove: call purge() again, in another transaction"]
    );
    assert_eq!(notices(psql.answer(purge)), Vec::<String>::new());
}

#[test]
fn a_hundred_thousand_texts_that_are_sealed_anew_are_told() {
    let mut server = Server::start(FAST);
    server.write_file("keys", &format!("seal one {}", "1".repeat(64)), 0o600);
    let key_file = format!("tokenauth.key_file = '{}'", server.file("keys").display());
    server.configure_and_restart(&["shared_preload_libraries = tokenauth", &key_file]);
    let mut psql = Psql::start(&server, "postgres");
    psql.answer(
        "CREATE EXTENSION tokenauth;
         INSERT INTO tokenauth.kind (name, prefix, reveal) VALUES ('shown', 'shown_', true);
         SELECT tokenauth.put_principal('user:1');
         SELECT count(i.id) FROM generate_series(1, 100010) n, LATERAL tokenauth.issue('shown', 'user:1', n::text) i;",
    )
    .unwrap();
    server.write_file("keys", &format!("seal one {}\nseal two {}", "1".repeat(64), "2".repeat(64)), 0o600);
    server.reconfigure(&[]);
    assert_eq!(notices(psql.answer("SELECT tokenauth.reseal(at_most => 10);")), Vec::<String>::new());
    assert_eq!(notices(psql.answer("SELECT tokenauth.reseal(at_most => 200000);")), ["sealed 100000 of 100000"]);
}
