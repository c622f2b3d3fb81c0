//! An acknowledged death is known to synchronous copies, in every session, whatever they are in the middle of.

use std::thread;

use postgres::Client;
use tokenauth_cluster::contract::{issue, verdict};
use tokenauth_cluster::{Random, Server, Verifier, rounds, wait_until};

use super::{findings, one, primary, reader, verdict_or_error};

/// The ways to kill a token `$id` of `$owner`, and what becomes of it.
const DEATHS: &[(&str, &str)] = &[
    ("SELECT tokenauth.revoke('$id')", "verdict revoked"),
    ("SELECT tokenauth.disable('$id')", "verdict disabled"),
    ("SELECT tokenauth.deactivate('$owner')", "verdict revoked"),
    ("SELECT tokenauth.revoke_all(owner => '$owner')", "verdict revoked"),
    ("SELECT tokenauth.drop_principal('$owner')", "verdict revoked"),
    ("SELECT tokenauth.delete('$id')", "verdict revoked"),
    ("SET synchronous_commit = off; SELECT tokenauth.revoke('$id'); RESET synchronous_commit", "verdict revoked"),
];

/// Kills tokens on the primary, and asks each time at once whether the copy knows.
fn kill_and_ask(on_primary: &mut Client, copy: &Server, rounds: u32, arrived: &mut dyn FnMut(&mut Client, &str)) {
    let mut verifiers = Verifier::each(copy);
    let mut watcher = copy.connect("postgres");
    for (round, (death, then)) in (0..rounds).zip(DEATHS.iter().cycle()) {
        let owner = format!("user:round-{round}");
        on_primary.execute("SELECT tokenauth.put_principal($1, '{devices:read}')", &[&owner]).unwrap();
        let issued = issue(on_primary, &owner);
        arrived(&mut watcher, &issued.token);
        for verifier in &mut verifiers {
            assert!(verifier.heat(&issued.token).starts_with("verdict valid"), "round {round}: {:?}", verifier.name);
        }
        for sql in death.replace("$id", &issued.id).replace("$owner", &owner).split("; ") {
            on_primary.batch_execute(sql).unwrap();
        }
        for verifier in &mut verifiers {
            let answer = verifier.ask(&issued.token);
            assert!(answer.starts_with(then), "round {round}, after {death}: {:?}: {answer}", verifier.name);
        }
    }
}

fn arrival(watcher: &mut Client, token: &str) {
    wait_until("the token to arrive", || verdict(watcher, token) == "valid");
}

#[test]
fn a_synchronous_reader_refuses_at_once_what_was_killed() {
    let (primary, mut on_primary) = primary(&[]);
    let (reader, _) = reader(&primary, "reader");
    primary.reconfigure(&["synchronous_standby_names = 'FIRST 1 (reader)'"]);
    wait_until("the reader to be synchronous", || {
        one::<i64>(&mut on_primary, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == 1
    });
    kill_and_ask(&mut on_primary, &reader, rounds(21, 100), &mut arrival);
    primary.reconfigure(&["synchronous_standby_names = ''"]);
}

#[test]
fn a_synchronous_standby_refuses_at_once_what_was_killed_where_deaths_wait_until_they_are_applied() {
    let (primary, mut on_primary) = primary(&["tokenauth.death_commit = remote_apply", "hot_standby_feedback = on"]);
    on_primary
        .batch_execute(
            "CREATE FUNCTION by_definer(statement text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
                 AS 'BEGIN EXECUTE statement; END'",
        )
        .unwrap();
    let standby = primary.standby();
    primary.reconfigure(&["synchronous_standby_names = 'FIRST 1 (walreceiver)'"]);
    wait_until("the standby to be synchronous", || {
        one::<i64>(&mut on_primary, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == 1
    });
    kill_and_ask(&mut on_primary, &standby, rounds(21, 100), &mut arrival);

    // What does not wait for replay is acknowledged while there is none; a death is not, nor what somebody does by
    // hand.
    for death in [
        "SELECT tokenauth.revoke('$id')",
        "UPDATE tokenauth.token SET revoked_at = clock_timestamp() WHERE id = '$id'",
        "UPDATE tokenauth.principal SET all_dead_before_epoch = epoch + 1, epoch = epoch + 1
          WHERE principal = 'user:1'",
        "SELECT by_definer('DELETE FROM tokenauth.token WHERE id = ''$id''')",
    ] {
        let issued = issue(&mut on_primary, "user:1");
        waits_for_replay(&primary, &standby, &death.replace("$id", &issued.id));
        assert_ne!(verdict(&mut standby.connect("postgres"), &issued.token), "valid", "{death}");
    }
    primary.reconfigure(&["synchronous_standby_names = ''"]);
}

/// Checks that this is acknowledged only when the standby has replayed it.
fn waits_for_replay(primary: &Server, standby: &Server, death: &str) {
    standby.connect("postgres").batch_execute("SELECT pg_wal_replay_pause()").unwrap();
    let (mut client, mut witness) = (primary.connect("postgres"), primary.connect("postgres"));
    let pid: i32 = one(&mut client, "SELECT pg_backend_pid()");
    thread::scope(|scope| {
        let acknowledged = scope.spawn(move || client.batch_execute(death));
        wait_until("the death to wait", || {
            assert!(!acknowledged.is_finished(), "{death}: acknowledged before it was applied");
            let waits = "SELECT coalesce(wait_event = 'SyncRep', false) FROM pg_stat_activity WHERE pid = $1";
            witness.query_one(waits, &[&pid]).unwrap().get(0)
        });
        standby.connect("postgres").batch_execute("SELECT pg_wal_replay_resume()").unwrap();
        acknowledged.join().unwrap().unwrap();
    });
}

/// Whoever was not told that a death has arrived asks for it again, and is told when it has.
#[test]
fn a_death_that_was_not_acknowledged_is_waited_for_when_it_is_asked_for_again() {
    let (primary, mut on_primary) = primary(&["tokenauth.death_commit = remote_apply"]);
    on_primary.batch_execute("UPDATE tokenauth.kind SET derivable = true").unwrap();
    let standby = primary.standby();
    primary.reconfigure(&["synchronous_standby_names = 'FIRST 1 (walreceiver)'"]);
    for death in [
        "SELECT tokenauth.revoke('$id')",
        "SELECT tokenauth.delete('$id')",
        "SELECT tokenauth.disable('$id')",
        "SELECT tokenauth.revoke_presented('$token')",
        "SELECT tokenauth.revoke_presented('$child')",
        "SELECT tokenauth.deactivate('user:1')",
    ] {
        let issued = issue(&mut on_primary, "user:1");
        let child: String = one(&mut on_primary, &format!("SELECT tokenauth.derive('{}')", issued.token));
        let death = death.replace("$id", &issued.id).replace("$token", &issued.token).replace("$child", &child);
        standby.catch_up_with(&primary);
        standby.connect("postgres").batch_execute("SELECT pg_wal_replay_pause()").unwrap();
        cancel_wait(&primary, &death);
        waits_for_replay(&primary, &standby, &death);
        assert_ne!(verdict(&mut standby.connect("postgres"), &child), "valid", "{death}");
    }
    primary.reconfigure(&["synchronous_standby_names = ''"]);
}

/// Runs this, and cancels its wait for a standby.
fn cancel_wait(primary: &Server, death: &str) {
    let (mut client, mut witness) = (primary.connect("postgres"), primary.connect("postgres"));
    let pid: i32 = one(&mut client, "SELECT pg_backend_pid()");
    thread::scope(|scope| {
        let death = scope.spawn(move || client.batch_execute(death));
        wait_until("the wait to be cancelled", || {
            let cancel =
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'SyncRep'";
            witness.query(cancel, &[&pid]).unwrap();
            death.is_finished()
        });
        death.join().unwrap().unwrap();
    });
}

#[test]
fn doctor_names_those_whom_a_death_that_is_to_be_applied_does_not_wait_for() {
    let (primary, mut on_primary) = primary(&["tokenauth.death_commit = remote_apply"]);
    assert!(findings(&mut on_primary).contains("synchronous_standby_names: is empty"), "{}", findings(&mut on_primary));
    primary.reconfigure(&["synchronous_standby_names = 'ANY 1 (\"one\", two)'", "synchronous_commit = local"]);
    let said = findings(&mut primary.connect("postgres"));
    assert!(said.contains("synchronous_standby_names: is a list by ANY"), "{said}");
    primary.reconfigure(&["synchronous_standby_names = 'FIRST 1 (one)'"]);
    let (_reader, mut on_reader) = reader(&primary, "asynchronous");
    let mut on_primary = primary.connect("postgres");
    assert!(!findings(&mut on_primary).contains("asynchronous"), "nobody knows yet that it verifies");

    // A death would wait for ever.
    primary.reconfigure(&["synchronous_standby_names = ''"]);
    let issued = issue(&mut on_primary, "user:1");
    primary.wait_for_subscribers();
    assert_eq!(verdict(&mut on_reader, &issued.token), "valid");
    let batch: String = one(&mut on_reader, "SELECT tokenauth.usage_export()::text");
    on_primary.execute("SELECT tokenauth.usage_import($1::text::jsonb)", &[&batch]).unwrap();
    let said = findings(&mut on_primary);
    assert!(said.contains("standby asynchronous: is async"), "{said}");
}

/// `kill -9` of the reader's server, or of its apply worker alone, between a revocation and its acknowledgment.
#[test]
fn no_crash_of_a_synchronous_reader_makes_it_accept_an_acknowledged_death() {
    let (primary, mut on_primary) = primary(&[]);
    let (mut reader, _) = reader(&primary, "reader");
    primary.reconfigure(&["synchronous_standby_names = 'FIRST 1 (reader)'"]);
    let mut random = Random::new(7);
    for round in 0..rounds(6, 200) {
        let issued = issue(&mut on_primary, "user:1");
        let mut on_reader = reader.connect("postgres");
        wait_until("the token to arrive", || verdict(&mut on_reader, &issued.token) == "valid");
        let worker: Option<i32> =
            one(&mut on_reader, "SELECT min(pid) FROM pg_stat_subscription WHERE subname = 'reader'");
        let revoke = format!("SELECT tokenauth.revoke('{}')", issued.id);
        let acknowledged = thread::scope(|scope| {
            let death = scope.spawn(|| on_primary.batch_execute(&revoke));
            random.jitter(3000);
            if let Some(worker) = worker.filter(|_| round % 2 == 0) {
                reader.crash_at(worker);
            } else {
                reader.kill();
                reader.start_again();
            }
            // Asked as soon as it was acknowledged, and as soon as anybody is let in again.
            if !death.is_finished() {
                let _ = verdict_or_error(&mut reader.connect("postgres"), &issued.token);
            }
            death.join().unwrap()
        });
        acknowledged.unwrap();
        assert_eq!(verdict(&mut reader.connect("postgres"), &issued.token), "revoked", "round {round}");
    }
    primary.reconfigure(&["synchronous_standby_names = ''"]);
}
