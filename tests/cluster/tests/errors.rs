//! Errors of the server that pass through the extension arrive whole, at the client and in the log.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use postgres::error::DbError;
use postgres::{Client, Error};
use tokenauth_cluster::contract::serve;
use tokenauth_cluster::{FAST, Server};

fn db_error(error: &Error) -> &DbError {
    error.as_db_error().unwrap_or_else(|| panic!("{error:?}"))
}

fn raise(client: &mut Client, sql: &str) -> Error {
    client.batch_execute(sql).unwrap_err()
}

#[test]
fn the_log_tells_over_what_a_deadlock_was() {
    let (server, mut client, _) = serve(&[FAST, &["deadlock_timeout = 100ms"]].concat());
    client.batch_execute("SELECT tokenauth.put_principal('user:a'), tokenauth.put_principal('user:b')").unwrap();
    let put = |name: &str| format!("SELECT tokenauth.put_principal('{name}', display_name => 'x')");
    let mut other = server.connect("postgres");
    client.batch_execute(&format!("BEGIN; {}", put("user:a"))).unwrap();
    other.batch_execute(&format!("BEGIN; {}", put("user:b"))).unwrap();
    let (send, receive) = channel();
    let waits = put("user:b");
    let thread = thread::spawn(move || send.send(client.batch_execute(&waits)).unwrap());
    let mine = other.batch_execute(&put("user:a"));
    drop(other);
    let theirs = receive.recv_timeout(Duration::from_secs(180)).unwrap();
    thread.join().unwrap();
    let error = mine.err().or(theirs.err()).expect("one of them was refused");
    let error = db_error(&error);
    assert_eq!(error.code().code(), "40P01");
    assert!(error.detail().is_some_and(|detail| detail.contains("waits for ShareLock on transaction")), "{error:?}");
    assert!(error.hint().is_some_and(|hint| hint.contains("server log")), "{error:?}");
    assert!(error.where_().is_some_and(|context| context.contains("in relation \"principal\"")), "{error:?}");
    let log = server.log_text();
    for name in ["user:a", "user:b"] {
        let told = log.lines().any(|line| line.trim_start().starts_with("Process ") && line.contains(&put(name)));
        assert!(told, "the statement that waits for {name} is in the log:\n{log}");
    }
}

#[test]
fn an_error_keeps_its_names_its_code_and_its_context_once() {
    let (server, mut client, _) = serve(FAST);
    client
        .batch_execute(
            "ALTER TABLE tokenauth.token ADD CONSTRAINT no_x CHECK (name <> 'x');
             CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 RAISE EXCEPTION 'no'
                       USING ERRCODE = 'UE001', DETAIL = 'd', HINT = 'h', COLUMN = 'c', DATATYPE = 't';
             END $$;
             CREATE TRIGGER fail BEFORE INSERT ON tokenauth.token FOR EACH ROW WHEN (NEW.name = 'y')
                 EXECUTE FUNCTION fail();
             CREATE FUNCTION outside(name text) RETURNS void LANGUAGE plpgsql AS $$
             BEGIN PERFORM tokenauth.issue('key', 'user:1', name); END $$",
        )
        .unwrap();
    let error = raise(&mut client, "SELECT outside('x')");
    let error = db_error(&error);
    assert_eq!(error.code().code(), "23514");
    assert_eq!((error.schema(), error.table(), error.constraint()), (Some("tokenauth"), Some("token"), Some("no_x")));
    assert!(error.detail().is_some_and(|detail| detail.starts_with("Rows are not shown")), "{error:?}");
    let log = server.log_text();
    assert!(log.contains("Rows are not shown") && !log.contains("Failing row"), "{log}");

    let error = raise(&mut client, "SELECT outside('y')");
    let error = db_error(&error);
    assert_eq!((error.code().code(), error.message()), ("UE001", "no"));
    assert_eq!((error.detail(), error.hint()), (Some("d"), Some("h")));
    assert_eq!((error.column(), error.datatype()), (Some("c"), Some("t")));
    let context = error.where_().unwrap();
    for place in ["PL/pgSQL function public.fail()", "SELECT tokenauth.issue(", "PL/pgSQL function outside(text)"] {
        assert_eq!(context.matches(place).count(), 1, "{place} in {context}");
    }

    // Errors of our own have nothing of those before them.
    let error = raise(&mut client, "SELECT outside(repeat('x', 300))");
    let error = db_error(&error);
    assert_eq!((error.code().code(), error.constraint(), error.column()), ("22023", None, None));
    let context = error.where_().unwrap();
    assert!(!context.contains("fail()"), "{context}");
}

#[test]
fn an_error_that_was_caught_leaves_nothing_behind() {
    let (_server, mut client, _) = serve(FAST);
    client
        .batch_execute(
            "ALTER TABLE tokenauth.token ADD CONSTRAINT no_x CHECK (name <> 'x');
             DO $$ BEGIN
                 FOR n IN 1..1000 LOOP
                     BEGIN PERFORM tokenauth.issue('key', 'user:1', 'x');
                     EXCEPTION WHEN check_violation THEN NULL; END;
                     BEGIN PERFORM tokenauth.issue('none', 'user:1');
                     EXCEPTION WHEN undefined_object THEN NULL; END;
                 END LOOP;
             END $$",
        )
        .unwrap();
    let error = raise(&mut client, "SELECT 1 / 0");
    assert_eq!(db_error(&error).where_(), None);
    let used: i64 = client
        .query_one(
            "SELECT sum(total_bytes)::bigint FROM pg_backend_memory_contexts WHERE name = 'tokenauth error'",
            &[],
        )
        .unwrap()
        .get(0);
    assert!(used < 100_000, "{used} bytes are kept of errors");
}

#[test]
fn no_client_sees_a_stack_frame_whatever_the_environment_says() {
    let mut server = Server::start(FAST);
    let mut client = server.connect("postgres");
    tokenauth_cluster::contract::prepare(&mut client);
    client.batch_execute("ALTER TABLE tokenauth.token ADD CONSTRAINT no_x CHECK (name <> 'x')").unwrap();
    for settings in [&[][..], &["shared_preload_libraries = 'tokenauth'"][..]] {
        server.stop();
        server.configure_while_stopped(settings);
        server.start_in(&[("RUST_BACKTRACE", "full"), ("RUST_LIB_BACKTRACE", "1")]);
        let mut client = server.connect("postgres");
        for sql in [
            "SELECT tokenauth.issue('none', 'user:1')",
            "SELECT tokenauth.issue('key', 'user:1', 'x')",
            "SELECT tokenauth.pre_request()",
            "SELECT tokenauth.verify('x', NULL)",
        ] {
            let error = raise(&mut client, sql);
            let told = format!("{:?}", db_error(&error));
            for trace in ["pgrx", "rust_begin_unwind", "stack backtrace", "at /", ".so"] {
                assert!(!told.contains(trace), "{sql}: {told}");
            }
        }
    }
    assert!(!server.log_text().contains("rust_begin_unwind"));
}
