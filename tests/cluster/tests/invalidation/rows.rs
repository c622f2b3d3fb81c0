//! A change makes sessions read again what has changed, and nothing else; a transaction that changes many rows makes
//! them read everything again. How often a session reads is told by the server's own count of index scans.

use postgres::Client;
use tokenauth_cluster::Server;

use super::start;

/// Tokens of so many owners, each of its own, the last ten of another kind.
const TOKENS: i64 = 100;

/// A server with these tokens, whose texts and ids a table keeps.
fn prepared() -> (Server, Client) {
    let server = start();
    let mut admin = server.connect("postgres");
    admin
        .batch_execute(&format!(
            "INSERT INTO tokenauth.kind (name, prefix) VALUES ('key', 'key_'), ('other', 'other_');
             SELECT count(tokenauth.put_principal('user:' || n, '{{devices:read}}'))
               FROM generate_series(1, {TOKENS}) n;
             CREATE TABLE issued AS
                 SELECT n, i.id, i.token FROM generate_series(1, {TOKENS}) n,
                        LATERAL tokenauth.issue(CASE WHEN n > 90 THEN 'other' ELSE 'key' END, 'user:' || n) i"
        ))
        .unwrap();
    (server, admin)
}

/// A session that has all tokens in its cache.
fn reader(server: &Server) -> Client {
    let mut reader = server.connect("postgres");
    for _ in 0..4 {
        verify_all(&mut reader);
    }
    assert_eq!(verify_all(&mut reader), (TOKENS, 0), "a session that has verified all answers from its cache");
    reader
}

/// Verifies all tokens once, and returns how many are valid, and how many had to be read.
fn verify_all(reader: &mut Client) -> (i64, i64) {
    const READ: &str = "SELECT pg_stat_get_xact_numscans('tokenauth.token_lookup_key'::regclass)";
    let mut transaction = reader.transaction().unwrap();
    let mut read = || -> i64 { transaction.query_one(READ, &[]).unwrap().get(0) };
    let before = read();
    let valid =
        "SELECT count(*) FROM (SELECT token FROM issued OFFSET 0) t, LATERAL tokenauth.verify(t.token) v WHERE v.ok";
    let valid = transaction.query_one(valid, &[]).unwrap().get(0);
    let read: i64 = transaction.query_one(READ, &[]).unwrap().get::<_, i64>(0) - before;
    transaction.commit().unwrap();
    (valid, read)
}

#[test]
fn what_changed_is_read_again_and_nothing_else() {
    // What is done, how many tokens are valid then, how many are read again, and how many each time from then on.
    const CHANGES: &[(&str, i64, i64, i64)] = &[
        ("SELECT tokenauth.revoke(id) FROM issued WHERE n = 1", 99, 1, 1),
        ("SELECT tokenauth.edit(id, name => 'laptop') FROM issued WHERE n = 2", 99, 2, 1),
        ("SELECT tokenauth.put_principal('user:3', '{devices:read,devices:write}')", 99, 2, 1),
        ("SELECT tokenauth.deactivate('user:4')", 98, 2, 2),
        ("SELECT tokenauth.revoke_all('user:5')", 97, 3, 3),
        ("SELECT tokenauth.disable(id) FROM issued WHERE n = 6", 96, 4, 4),
        ("SELECT tokenauth.enable(id) FROM issued WHERE n = 6", 97, 4, 3),
        ("UPDATE tokenauth.kind SET ceiling = '{devices:read}' WHERE name = 'other'", 97, 13, 3),
        ("SELECT tokenauth.put_principal('user:' || n, display_name => 'x') FROM generate_series(11, 70) n", 97, 63, 3),
        // More rows than are told one by one.
        (
            "SELECT tokenauth.put_principal('user:' || n, display_name => 'y') FROM generate_series(11, 80) n",
            97,
            100,
            3,
        ),
        // New rows are no change of what is cached.
        ("SELECT tokenauth.issue('key', 'user:7')", 97, 3, 3),
        ("SELECT tokenauth.put_principal('user:new')", 97, 3, 3),
    ];
    let (server, mut admin) = prepared();
    let mut reader = reader(&server);
    for (change, valid, again, rest) in CHANGES {
        admin.batch_execute(change).unwrap();
        assert_eq!(verify_all(&mut reader), (*valid, *again), "{change}");
        // What was dropped together with all else is stored when it comes a second time.
        verify_all(&mut reader);
        assert_eq!(verify_all(&mut reader), (*valid, *rest), "after {change}");
    }
}

#[test]
fn a_change_that_is_rolled_back_and_made_again_is_told() {
    // What the transaction does before the same change once more, which is the only one to stay.
    const BEFORE: &[&str] = &[
        "SAVEPOINT s; SELECT tokenauth.revoke(id) FROM issued WHERE n = 50; ROLLBACK TO s",
        "SAVEPOINT s; SELECT tokenauth.edit(id, name => 'other') FROM issued WHERE n > 54; ROLLBACK TO s",
        "SAVEPOINT s; SELECT tokenauth.edit(id, name => 'other') FROM issued WHERE n > 54; ROLLBACK TO s; RELEASE s;
         SAVEPOINT s; SELECT tokenauth.edit(id, name => 'again') FROM issued WHERE n > 54; ROLLBACK TO s; SAVEPOINT t",
        "SAVEPOINT s; SELECT tokenauth.edit(id, name => 'other') FROM issued WHERE n < 50 OR n > 60; RELEASE s",
        "DO $$ BEGIN
             PERFORM tokenauth.edit(id, name => 'other') FROM issued WHERE n > 54;
             RAISE EXCEPTION 'not so';
         EXCEPTION WHEN OTHERS THEN NULL; END $$",
    ];
    let (server, mut admin) = prepared();
    let mut reader = reader(&server);
    for (before, number) in BEFORE.iter().zip(50..) {
        for _ in 0..4 {
            verify_all(&mut reader);
        }
        let (valid, _) = verify_all(&mut reader);
        let revoke = format!("SELECT tokenauth.revoke(id) FROM issued WHERE n = {number}");
        admin.batch_execute(&format!("BEGIN; {before}; {revoke}; COMMIT")).unwrap();
        let (left, _) = verify_all(&mut reader);
        assert_eq!(left, valid - 1, "{before}");
    }
}
