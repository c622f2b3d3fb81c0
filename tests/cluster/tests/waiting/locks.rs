//! Every function is made to wait for every table of the extension and for its rows, as the catalog lists them: so at
//! each step at which it opens a table or locks a row. In each of these waits it is stopped.

use std::collections::BTreeMap;
use std::thread;

use postgres::Error;
use postgres::error::SqlState;
use tokenauth_cluster::contract::{issue, prepare, verdict};
use tokenauth_cluster::{FAST, Server, wait_until};

use super::{World, attempt, call, expect_untouched, process, session};

/// What waits for a table, and what for its rows.
const HOLDS: [&str; 2] = ["LOCK TABLE $table IN ACCESS EXCLUSIVE MODE", "SELECT FROM $table FOR UPDATE"];

#[test]
fn a_call_that_is_stopped_while_it_waits_leaves_nothing_behind() {
    // What a session remembers takes no lock.
    let mut world = World::prepare(&["tokenauth.cache_size = 0"]);
    // Of each function the holds for which it waits.
    let mut waits = BTreeMap::<usize, Vec<String>>::new();
    let mut client = session(&world.server);
    for table in world.tables() {
        for hold in HOLDS.map(|hold| hold.replace("$table", &table)) {
            world.hold(&hold);
            for (number, made) in world.calls.iter().enumerate() {
                let what = format!("{} after {hold}", made.function);
                if let Some(error) = call(&mut client, "SET LOCAL lock_timeout = 1", made)
                    && error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE)
                {
                    expect_untouched(&mut client, &what);
                    waits.entry(number).or_default().push(hold.clone());
                } else {
                    client.batch_execute("ROLLBACK").unwrap();
                }
            }
            world.let_go();
        }
    }
    let steps: usize = waits.values().map(Vec::len).sum();
    println!("{} of {} functions wait, at {steps} steps", waits.len(), world.calls.len());
    assert!(waits.len() > 40 && steps > 150, "{} functions, {steps} steps", waits.len());

    for (number, holds) in waits {
        // The last step is the one with most behind it.
        stop(&mut world, number, holds.last().expect("it has waited"));
    }
    let mut client = session(&world.server);
    assert_eq!(verdict(&mut client, &world.issued.token), "valid", "all was taken back");
}

/// Stops a call in each way while it waits for what is held.
fn stop(world: &mut World, number: usize, hold: &str) {
    let mut client = session(&world.server);
    let before = attempt(&mut client, &world.calls[number]);
    world.hold(hold);
    let made = &world.calls[number];
    for (way, expected) in [
        ("SET LOCAL statement_timeout = 20", SqlState::QUERY_CANCELED),
        ("SELECT pg_cancel_backend($1)", SqlState::QUERY_CANCELED),
        ("SELECT pg_terminate_backend($1)", SqlState::ADMIN_SHUTDOWN),
    ] {
        let what = format!("{} after {hold}, stopped by {way}", made.function);
        let backend = process(&mut client);
        let error = if way.starts_with("SET") {
            call(&mut client, way, made)
        } else {
            thread::scope(|scope| {
                let waiting = scope.spawn(|| call(&mut client, "", made));
                let waits = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1";
                wait_until(&what, || {
                    let row = world.holder.query_one(waits, &[&backend]).unwrap();
                    row.get::<_, Option<bool>>(0) == Some(true)
                });
                world.holder.execute(way, &[&backend]).unwrap();
                waiting.join().unwrap()
            })
        };
        // The last words of a session that was terminated may not arrive.
        let told = error.as_ref().is_some_and(|error| error.code().map_or(error.is_closed(), |code| *code == expected));
        assert!(told, "{what}: {error:?}");
        if expected == SqlState::ADMIN_SHUTDOWN {
            let gone = "SELECT NOT EXISTS (SELECT FROM pg_locks WHERE pid = $1)";
            wait_until(&what, || world.holder.query_one(gone, &[&backend]).unwrap().get(0));
        } else {
            expect_untouched(&mut client, &what);
        }
    }
    world.let_go();
    let mut client = session(&world.server);
    let after = attempt(&mut client, &world.calls[number]);
    let code = |error: &Option<Error>| error.as_ref().and_then(Error::code).cloned();
    assert_eq!(code(&after), code(&before), "{} after {hold}", world.calls[number].function);
}

/// What waits there has committed already; that it is dead here, nobody takes back.
#[test]
fn a_death_that_waits_for_a_standby_when_it_is_stopped_has_happened_here() {
    let server = Server::start(FAST);
    let mut admin = server.connect("postgres");
    prepare(&mut admin);
    for way in ["SELECT pg_cancel_backend($1)", "SELECT pg_terminate_backend($1)"] {
        let issued = issue(&mut admin, "user:1");
        let mut client = server.connect("postgres");
        let backend = process(&mut client);
        server.reconfigure(&["synchronous_standby_names = 'nobody'"]);
        let answer = thread::scope(|scope| {
            let waiting = scope.spawn(|| client.query_one("SELECT tokenauth.revoke($1::text::uuid)", &[&issued.id]));
            let waits = "SELECT wait_event = 'SyncRep' FROM pg_stat_activity WHERE pid = $1";
            wait_until("it to wait", || {
                admin.query_one(waits, &[&backend]).unwrap().get::<_, Option<bool>>(0) == Some(true)
            });
            assert_eq!(verdict(&mut admin, &issued.token), "valid", "nobody was told anything yet");
            admin.execute(way, &[&backend]).unwrap();
            waiting.join().unwrap()
        });
        // With a WARNING that it may not have reached the standby.
        assert_eq!(answer.is_ok(), way.contains("cancel"), "{way}: {answer:?}");
        wait_until("it to be over", || verdict(&mut admin, &issued.token) == "revoked");
        let left = "SELECT count(*) FROM pg_locks WHERE pid = $1 AND locktype <> 'virtualxid'";
        wait_until("its locks to go", || admin.query_one(left, &[&backend]).unwrap().get::<_, i64>(0) == 0);
        server.reconfigure(&["synchronous_standby_names = ''"]);
    }
}
