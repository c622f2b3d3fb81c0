//! When the extension, its functions or its library are replaced, sessions that have verified continue with the new
//! ones, or get a clean error.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use postgres::Client;
use postgres::error::SqlState;
use tokenauth_cluster::contract::{Issued, issue, prepare, revoke, serve, verdict};
use tokenauth_cluster::{By, End, FAST, Server, Verifier, rounds};

fn start() -> (Server, Client, Issued) {
    serve(&[FAST, &["statement_timeout = 180s"]].concat())
}

#[test]
fn an_extension_that_is_dropped_and_made_again_is_another_one_for_old_sessions_too() {
    let (server, mut admin, old) = start();
    let mut verifiers = Verifier::each(&server);
    for verifier in &mut verifiers {
        assert!(verifier.heat(&old.token).starts_with("verdict valid"));
    }
    verifiers[1].client.batch_execute("COMMIT").unwrap();
    admin.batch_execute("BEGIN; DROP EXTENSION tokenauth; ROLLBACK").unwrap();
    for verifier in &mut verifiers {
        assert!(verifier.heat(&old.token).starts_with("verdict valid"), "a DROP that is rolled back is none");
    }

    admin.batch_execute("DROP EXTENSION tokenauth").unwrap();
    for verifier in &mut verifiers[..2] {
        let error = verifier.client.query("SELECT tokenauth.verify($1)", &[&old.token]).unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::INVALID_SCHEMA_NAME), "{error:?}");
    }
    prepare(&mut admin);
    let new = issue(&mut admin, "user:1");
    for verifier in &mut verifiers {
        assert_eq!(verifier.heat(&old.token), "verdict unknown", "{:?}", verifier.name);
        assert!(verifier.heat(&new.token).contains("scopes {devices:read}"), "{:?}", verifier.name);
    }
    // The signal is a new table now, as all tables are.
    admin.batch_execute("UPDATE tokenauth.kind SET ceiling = '{*:write}'").unwrap();
    for verifier in &mut verifiers {
        assert!(verifier.ask(&new.token).contains("scopes {}"), "{:?}", verifier.name);
        verifier.heat(&new.token);
    }
    assert!(revoke(&mut admin, &new));
    for verifier in &mut verifiers {
        assert!(verifier.ask(&new.token).starts_with("verdict revoked"), "{:?}", verifier.name);
    }
}

#[test]
fn a_verification_meets_an_extension_being_dropped_made_or_altered_with_a_clean_error() {
    // Function or schema is missing, or one of our tables.
    let expected =
        [SqlState::UNDEFINED_FUNCTION, SqlState::INVALID_SCHEMA_NAME, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE];
    let (server, mut admin, mut issued) = start();
    let done = AtomicBool::new(false);
    let backend = "SELECT pg_backend_pid()";
    thread::scope(|scope| {
        let verifiers = [0, 4].map(|cache_size| {
            let (server, done, expected) = (&server, &done, &expected);
            let token = issued.token.clone();
            scope.spawn(move || {
                let mut client = server.connect("postgres");
                client.batch_execute(&format!("SET tokenauth.cache_size = '{cache_size}MB'")).unwrap();
                let started: i32 = client.query_one(backend, &[]).unwrap().get(0);
                let (mut answers, mut errors) = (0, 0);
                while !done.load(Ordering::SeqCst) {
                    let sql = "SELECT v.verdict FROM generate_series(1, 20), tokenauth.verify($1) v";
                    match client.query(sql, &[&token]) {
                        Ok(_) => answers += 1,
                        Err(error) => {
                            let code = error.code().cloned().unwrap_or_else(|| panic!("{error:?}"));
                            // PostgreSQL's own error when a function or type disappears while it is planned or called.
                            // An isolation test shows that our tables are looked up with more care.
                            let message = error.as_db_error().map_or("", |error| error.message());
                            let of_core = ["cache lookup failed for ", "could not open relation with OID "];
                            let of_core = of_core.iter().any(|beginning| message.starts_with(beginning));
                            assert!(expected.contains(&code) || of_core, "{error:?}");
                            errors += 1;
                        }
                    }
                }
                assert_eq!(client.query_one(backend, &[]).unwrap().get::<_, i32>(0), started);
                (answers, errors)
            })
        });
        let end = End(&done);
        for _ in 0..rounds(10, 200) {
            admin.batch_execute("DROP EXTENSION tokenauth").unwrap();
            prepare(&mut admin);
            issued = issue(&mut admin, "user:1");
            admin
                .batch_execute(
                    "ALTER EXTENSION tokenauth DROP FUNCTION tokenauth.verify(text, text[], text);
                     ALTER FUNCTION tokenauth.verify(text, text[], text) COST 200;
                     ALTER EXTENSION tokenauth ADD FUNCTION tokenauth.verify(text, text[], text);
                     ALTER EXTENSION tokenauth UPDATE;
                     ALTER TABLE tokenauth.token ADD COLUMN more int;
                     ALTER TABLE tokenauth.token DROP COLUMN more",
                )
                .unwrap();
        }
        drop(end);
        for verifier in verifiers {
            let (answers, errors) = verifier.join().unwrap();
            assert!(answers > 0 && errors > 0, "{answers} answers, {errors} errors: they never met");
        }
    });
    assert_eq!(verdict(&mut admin, &issued.token), "valid");
    assert!(!server.log_text().contains("terminated by signal"), "a process crashed");
}

#[test]
fn a_session_goes_on_with_its_library_when_the_file_is_replaced() {
    let (mut server, admin, issued) = start();
    drop(admin);
    // This server looks for the library in a directory of its own first.
    let mut admin = server.connect("postgres");
    let installed: String = admin
        .query_one("SELECT setting || '/tokenauth.so' FROM pg_config WHERE name = 'PKGLIBDIR'", &[])
        .unwrap()
        .get(0);
    drop(admin);
    let library = std::fs::read(installed).unwrap();
    server.write_file("tokenauth.so", &library, 0o755);
    let directory = server.file("");
    server.reconfigure(&[&format!("dynamic_library_path = '{}:$libdir'", directory.display())]);
    server.restart();

    let mut old = Verifier::connect(&server, "BEGIN", By::Text);
    assert!(old.heat(&issued.token).starts_with("verdict valid"));
    // As an installation does: a new file with the same name.
    server.write_file("tokenauth.so", &library, 0o755);
    let mut new = server.connect("postgres");
    assert_eq!(verdict(&mut new, &issued.token), "valid");
    assert!(old.heat(&issued.token).starts_with("verdict valid"));
    assert!(revoke(&mut new, &issued));
    assert!(old.ask(&issued.token).starts_with("verdict revoked"));
}
