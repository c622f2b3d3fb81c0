//! A bug of ours at any step of a call, and whoever stops it there: at each place where our code has just taken
//! something from the server or given something to it.
//!
//! `scripts/assertions` runs these tests, on a server that checks itself, with a library that has the feature `faults`.

use std::thread;

use postgres::error::{DbError, SqlState};
use postgres::{Client, Error};
use tokenauth_cluster::calls::Call;
use tokenauth_cluster::contract::{issue, verdict};
use tokenauth_cluster::{Server, wait_until};

use super::{World, attempt, call, expect_untouched, process, session};

/// What a panic of `tokenauth.fault` says.
const FAULT: &str = "a fault was asked for";

/// What a server says of something that was not given back, and of an assertion that has failed.
const COMPLAINTS: [&str; 6] = [
    "TRAP:",
    "PANIC:",
    "was terminated by signal",
    " leak: ",
    "resource was not closed",
    "detected write past chunk end",
];

/// Plans a fault at a step of what this session does next.
fn plan(client: &mut Client, fault: &str, step: u64) {
    client.batch_execute(&format!("SET tokenauth.fault = '{fault} {step}'")).unwrap();
}

fn plan_nothing(client: &mut Client) {
    client.batch_execute("RESET tokenauth.fault").unwrap();
}

/// How many steps there were since a fault was planned.
fn passed(client: &mut Client) -> u64 {
    let shown: String = client.query_one("SHOW tokenauth.fault", &[]).unwrap().get(0);
    shown.parse().expect("it is a number")
}

fn code(error: Option<&Error>) -> Option<SqlState> {
    error.and_then(Error::code).cloned()
}

/// Whether this is the panic, told as an internal error and nothing more.
fn is_fault(error: &Error) -> bool {
    let told = error.as_db_error().filter(|told| told.message() == FAULT);
    told.is_some_and(|told| {
        assert_eq!(told.code(), &SqlState::INTERNAL_ERROR, "{told:?}");
        assert_eq!((told.detail(), told.hint()), (None, None), "{told:?}");
        let context = DbError::where_(told).unwrap_or_default();
        assert!(!context.contains(".rs") && !context.contains(".so"), "{told:?}");
        true
    })
}

/// Statements in which triggers of ours run, as calls.
fn writing(world: &mut World) -> Vec<Call> {
    world
        .holder
        .batch_execute(
            "CREATE TABLE who.people (id integer PRIMARY KEY, active boolean);
             INSERT INTO who.people SELECT id, true FROM generate_series(1, 3) id;
             SELECT tokenauth.bind_principals('who.people', 'person', 'id::text', active => 'active');
             ALTER TABLE who.people OWNER TO app",
        )
        .unwrap();
    [
        "INSERT INTO who.people VALUES (4, true), (5, false)",
        "UPDATE who.people SET active = NOT active",
        "DELETE FROM who.people WHERE id > 1",
        "TRUNCATE who.people",
        "INSERT INTO tokenauth.kind (name, prefix) VALUES ('more', 'more_')",
        "UPDATE tokenauth.kind SET max_age = '1 day'",
    ]
    .map(|statement| Call { function: statement.to_owned(), expression: format!("1; {statement}"), is_evaluated: true })
    .into()
}

fn expect_no_complaint(server: &Server) {
    let log = server.log_text();
    let complaint = |line: &&str| COMPLAINTS.iter().any(|complaint| line.contains(complaint));
    let found: Vec<&str> = log.lines().filter(|line| !line.contains("tokenauth.fault")).filter(complaint).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
#[ignore = "needs a library with the feature faults: scripts/assertions"]
fn a_call_that_panics_at_any_step_leaves_nothing_behind() {
    // What a session remembers, and what shared memory counts, has steps of its own.
    for settings in [&["tokenauth.cache_size = 0"][..], &["shared_preload_libraries = tokenauth"][..]] {
        let mut world = World::prepare(settings);
        let mut calls = std::mem::take(&mut world.calls);
        calls.extend(writing(&mut world));
        let mut client = session(&world.server);
        let (mut panics, mut functions, mut caught) = (0, 0, 0);
        for made in &calls {
            let before = attempt(&mut client, made);
            let mut steps = 0;
            for step in 1.. {
                plan(&mut client, "panic", step);
                let what = format!("{} that panics at step {step}", made.function);
                match call(&mut client, "", made) {
                    Some(error) if is_fault(&error) => {
                        expect_untouched(&mut client, &what);
                        steps = step;
                    }
                    other => {
                        client.batch_execute("ROLLBACK").unwrap();
                        if passed(&mut client) < step {
                            assert_eq!(code(other.as_ref()), code(before.as_ref()), "{what}: {other:?}");
                            break;
                        }
                        // Told as a finding, or as the error of a row.
                        caught += 1;
                        println!("{what}: {other:?}");
                    }
                }
            }
            plan_nothing(&mut client);
            let after = attempt(&mut client, made);
            assert_eq!(code(after.as_ref()), code(before.as_ref()), "{}: {after:?}", made.function);
            assert_eq!(verdict(&mut client, &world.issued.token), "valid", "{}", made.function);
            panics += steps;
            functions += u64::from(steps > 0);
        }
        println!("{settings:?}: {functions} of {} calls panic at {panics} steps, {caught} are caught", calls.len());
        assert!(functions > 60 && panics > 500, "{functions} calls, {panics} steps");
        drop(client);
        expect_no_complaint(&world.server);
    }
}

#[test]
#[ignore = "needs a library with the feature faults: scripts/assertions"]
fn a_call_that_is_stopped_at_any_step_leaves_nothing_behind() {
    let mut world = World::prepare(&[]);
    let mut calls = std::mem::take(&mut world.calls);
    calls.extend(writing(&mut world));
    let mut client = session(&world.server);
    let mut cancelled = 0;
    for made in &calls {
        let before = attempt(&mut client, made);
        let mut steps = 0;
        for step in 1.. {
            plan(&mut client, "cancel", step);
            let what = format!("{} that is stopped at step {step}", made.function);
            let error = call(&mut client, "", made);
            if code(error.as_ref()) == Some(SqlState::QUERY_CANCELED) {
                expect_untouched(&mut client, &what);
                steps = step;
                continue;
            }
            client.batch_execute("ROLLBACK").unwrap();
            assert_eq!(code(error.as_ref()), code(before.as_ref()), "{what}: {error:?}");
            assert!(passed(&mut client) < step, "{what} goes on");
            break;
        }
        plan_nothing(&mut client);
        cancelled += steps;
        if steps > 0 {
            terminate(&mut world, made, steps.div_ceil(2));
        }
        let after = attempt(&mut client, made);
        assert_eq!(code(after.as_ref()), code(before.as_ref()), "{}: {after:?}", made.function);
    }
    println!("{} calls stopped at {cancelled} steps", calls.len());
    assert!(cancelled > 500, "{cancelled} steps");
    drop(client);
    expect_no_complaint(&world.server);
}

/// Ends the session that makes a call while it is at this step.
fn terminate(world: &mut World, made: &Call, step: u64) {
    let mut client = session(&world.server);
    let what = format!("{} that is ended at step {step}", made.function);
    // A session that has not made the call before has more steps.
    plan(&mut client, "wait", step);
    let backend = process(&mut client);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| call(&mut client, "", made));
        let waits = "SELECT wait_event = 'Extension' FROM pg_stat_activity WHERE pid = $1";
        wait_until(&what, || {
            world.holder.query_one(waits, &[&backend]).unwrap().get::<_, Option<bool>>(0) == Some(true)
        });
        world.holder.execute("SELECT pg_terminate_backend($1)", &[&backend]).unwrap();
        let error = waiting.join().unwrap().expect("its session has ended");
        assert!(error.code().map_or(error.is_closed(), |code| *code == SqlState::ADMIN_SHUTDOWN), "{what}: {error:?}");
    });
    let gone = "SELECT NOT EXISTS (SELECT FROM pg_locks WHERE pid = $1)";
    wait_until(&what, || world.holder.query_one(gone, &[&backend]).unwrap().get(0));
}

/// At its commit as well: what was not acknowledged has not happened, and what was has.
#[test]
#[ignore = "needs a library with the feature faults: scripts/assertions"]
fn a_death_that_panics_at_any_step_is_neither_acknowledged_nor_done() {
    let mut world = World::prepare(&["shared_preload_libraries = tokenauth", "tokenauth.notify = on"]);
    let mut witness = session(&world.server);
    for death in ["revoke('{id}')", "revoke_all('{owner}')", "deactivate('{owner}')", "revoke_presented('{token}')"] {
        let owner = format!("user:{}", death.len());
        world.holder.execute("SELECT tokenauth.put_principal($1)", &[&owner]).unwrap();
        let issued = issue(&mut world.holder, &owner);
        let sql = death.replace("{id}", &issued.id).replace("{owner}", &owner).replace("{token}", &issued.token);
        let mut client = session(&world.server);
        for step in 1.. {
            plan(&mut client, "panic", step);
            let what = format!("{death} that panics at step {step}");
            if let Err(error) = client.batch_execute(&format!("SELECT tokenauth.{sql}")) {
                assert!(is_fault(&error), "{what}: {error:?}");
                for session in [&mut client, &mut witness] {
                    assert_eq!(verdict(session, &issued.token), "valid", "{what}");
                }
            } else {
                assert!(passed(&mut client) < step, "{what} is acknowledged");
                plan_nothing(&mut client);
                for session in [&mut client, &mut witness] {
                    assert_ne!(verdict(session, &issued.token), "valid", "{what}");
                }
                assert!(step > 10, "{what}");
                break;
            }
        }
    }
    expect_no_complaint(&world.server);
}

/// The worker that writes usage begins anew, and writes each use once.
#[test]
#[ignore = "needs a library with the feature faults: scripts/assertions"]
fn a_worker_that_panics_at_any_step_loses_and_doubles_nothing() {
    let mut world = World::prepare(&["shared_preload_libraries = tokenauth", "tokenauth.usage_flush_interval = 1"]);
    let issued = issue(&mut world.holder, "user:1");
    let written = |world: &mut World| -> i64 {
        let sql = "SELECT coalesce(sum(request_count), 0)::bigint FROM tokenauth.usage WHERE token_id::text = $1";
        world.holder.query_one(sql, &[&issued.id]).unwrap().get(0)
    };
    let faults = |world: &World| world.server.log_text().matches(&format!("ERROR:  {FAULT}")).count();
    let (mut uses, mut steps) = (0, 0);
    // Sessions that are there already do not have the setting.
    for step in (1..).step_by(2) {
        world.holder.batch_execute(&format!("ALTER DATABASE postgres SET tokenauth.fault = 'panic {step}'")).unwrap();
        let gone = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'tokenauth usage')";
        wait_until("the worker of before to end", || world.holder.query_one(gone, &[]).unwrap().get(0));
        let before = faults(&world);
        assert_eq!(verdict(&mut world.holder, &issued.token), "valid");
        uses += 1;
        wait_until("the worker to panic or to write", || faults(&world) > before || written(&mut world) == uses);
        if faults(&world) == before {
            break;
        }
        steps += 1;
    }
    println!("the worker has begun anew {steps} times");
    assert!(steps > 5, "{steps} steps");
    world.holder.batch_execute("ALTER DATABASE postgres RESET tokenauth.fault").unwrap();
    wait_until("all to be written", || written(&mut world) >= uses);
    assert_eq!(written(&mut world), uses);
    expect_no_complaint(&world.server);
}
