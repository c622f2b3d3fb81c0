//! A copy that has not heard from its primary for longer than `tokenauth.max_staleness` verifies nothing, and one of an
//! idle primary goes on.

use std::thread::sleep;
use std::time::Duration;

use postgres::Client;
use tokenauth_cluster::contract::{issue, prepare, revoke, verdict};
use tokenauth_cluster::wait_until;

use super::{
    findings, one, primary, publisher, reader, server, subscription, unsubscribed, verdict_or_error, wait_for_copies,
};

/// Long enough for beats that come every two seconds, on a busy machine.
const BOUND: &str = "SET tokenauth.max_staleness = '6s'";

fn beat_at(client: &mut Client) -> Option<std::time::SystemTime> {
    client.query_opt("SELECT at FROM tokenauth.heartbeat", &[]).unwrap().map(|row| row.get(0))
}

fn wait_for_another_beat(client: &mut Client) {
    let before = beat_at(client);
    wait_until("another beat", || beat_at(client) > before);
}

#[test]
fn a_reader_verifies_while_its_primary_beats_and_refuses_when_it_does_not() {
    let (mut primary, mut on_primary) = primary(&[]);
    let issued = issue(&mut on_primary, "user:1");
    let (_reader, mut on_reader) = reader(&primary, "reader");
    on_reader.batch_execute(BOUND).unwrap();
    wait_until("the first beat", || verdict_or_error(&mut on_reader, &issued.token) == "valid");
    wait_until("doctor to find nothing", || findings(&mut on_reader).is_empty());
    assert_eq!(findings(&mut on_primary), "");

    // An idle primary is no lost one: its beats outlast what is allowed.
    for _ in 0..4 {
        wait_for_another_beat(&mut on_reader);
        wait_until("the reader to verify", || verdict_or_error(&mut on_reader, &issued.token) == "valid");
    }

    // A subscription that is disabled brings nothing.
    on_reader.batch_execute("ALTER SUBSCRIPTION reader DISABLE").unwrap();
    assert!(revoke(&mut on_primary, &issued));
    wait_until("the reader to refuse", || verdict_or_error(&mut on_reader, &issued.token) == "55000");
    let said = findings(&mut on_reader);
    assert!(said.contains("subscription reader: is disabled"), "{said}");
    on_reader.batch_execute("ALTER SUBSCRIPTION reader ENABLE").unwrap();
    wait_until("the reader to verify again", || verdict_or_error(&mut on_reader, &issued.token) == "revoked");

    // A primary that is gone.
    let issued = issue(&mut on_primary, "user:1");
    wait_until("the token to arrive", || verdict_or_error(&mut on_reader, &issued.token) == "valid");
    primary.stop();
    wait_until("the reader to refuse", || verdict_or_error(&mut on_reader, &issued.token) == "55000");
    wait_until("doctor to miss the beats", || {
        findings(&mut on_reader).contains("no beat of the primary has arrived for")
    });
    primary.start_again();
    wait_until("the reader to verify again", || verdict_or_error(&mut on_reader, &issued.token) == "valid");

    // A slot that somebody has dropped: nothing will ever come.
    let mut on_primary = primary.connect("postgres");
    on_primary
        .batch_execute(
            "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots;
             DO $$ BEGIN
                 LOOP
                     BEGIN PERFORM pg_drop_replication_slot('reader'); EXIT;
                     EXCEPTION WHEN object_in_use THEN
                         PERFORM pg_terminate_backend(active_pid) FROM pg_replication_slots;
                     END;
                 END LOOP;
             END $$",
        )
        .unwrap();
    wait_until("the reader to refuse", || verdict_or_error(&mut on_reader, &issued.token) == "55000");
    wait_until("doctor to miss the beats", || {
        findings(&mut on_reader).contains("no beat of the primary has arrived for")
    });
}

/// Whoever made the primary a reader by mistake, and takes it back.
#[test]
fn beats_begin_again_with_the_next_death_after_they_had_ended() {
    let (primary, mut on_primary) = primary(&[]);
    let issued = issue(&mut on_primary, "user:1");
    wait_for_another_beat(&mut on_primary);
    on_primary.batch_execute("ALTER DATABASE postgres SET tokenauth.reader = on").unwrap();
    wait_until("the beats to end", || {
        let before = beat_at(&mut on_primary);
        sleep(Duration::from_millis(2500));
        beat_at(&mut on_primary) == before
    });
    on_primary.batch_execute("ALTER DATABASE postgres RESET tokenauth.reader").unwrap();
    assert!(revoke(&mut primary.connect("postgres"), &issued));
    wait_for_another_beat(&mut on_primary);
    wait_for_another_beat(&mut on_primary);
}

#[test]
fn beats_go_on_after_a_restart_a_crash_and_a_promotion() {
    let (mut primary, mut on_primary) = primary(&[]);
    wait_for_another_beat(&mut on_primary);
    // Nobody has used the extension since: nothing in memory or in a file tells of the database.
    primary.crash();
    wait_for_another_beat(&mut primary.connect("postgres"));
    primary.restart();
    wait_for_another_beat(&mut primary.connect("postgres"));

    let standby = primary.standby();
    primary.stop();
    let mut on_standby = standby.connect("postgres");
    let before = beat_at(&mut on_standby);
    sleep(Duration::from_millis(2500));
    assert_eq!(beat_at(&mut on_standby), before, "a standby writes nothing");
    on_standby.batch_execute("SELECT pg_promote()").unwrap();
    wait_for_another_beat(&mut on_standby);
}

#[test]
fn beats_are_written_where_they_are_needed_and_nowhere_else() {
    let server = publisher(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    sleep(Duration::from_millis(2500));
    assert_eq!(beat_at(&mut client), None);

    // A transaction that is rolled back begins nothing.
    client.batch_execute("BEGIN; SELECT tokenauth.make_publication(); ROLLBACK").unwrap();
    sleep(Duration::from_millis(500));
    assert_eq!(beat_at(&mut client), None);
    client.batch_execute("BEGIN; SELECT tokenauth.make_publication(); SELECT pg_sleep(1); COMMIT").unwrap();
    wait_until("a beat", || beat_at(&mut client).is_some());
    client.batch_execute("DROP PUBLICATION tokenauth").unwrap();
    wait_until("beats to end, since nobody needs them any more", || {
        let last = beat_at(&mut client);
        sleep(Duration::from_secs(3));
        beat_at(&mut client) == last
    });

    // A setting of the database asks for them: found by the round that a reload begins.
    client.batch_execute("ALTER DATABASE postgres SET tokenauth.heartbeat = on").unwrap();
    client.batch_execute("SELECT pg_reload_conf()").unwrap();
    wait_for_another_beat(&mut client);
    // Nobody who wants to drop a database with beats is kept from it.
    client.batch_execute("ALTER DATABASE postgres RESET tokenauth.heartbeat").unwrap();
    server.create_database("other", "");
    let mut other = server.connect("other");
    other.batch_execute("CREATE EXTENSION tokenauth; SELECT tokenauth.make_publication()").unwrap();
    wait_for_another_beat(&mut other);
    drop(other);
    client.batch_execute("DROP DATABASE other").unwrap();
}

#[test]
fn a_standby_of_an_idle_primary_that_beats_verifies() {
    let primary = server(&["tokenauth.heartbeat = on", "autovacuum = off"]);
    let mut on_primary = primary.connect("postgres");
    prepare(&mut on_primary);
    let issued = issue(&mut on_primary, "user:1");
    wait_until("a beat", || beat_at(&mut on_primary).is_some());
    let mut standby = primary.standby();
    let mut on_standby = standby.connect("postgres");
    on_standby.batch_execute(BOUND).unwrap();
    for _ in 0..4 {
        wait_for_another_beat(&mut on_standby);
        wait_until("the standby to verify", || verdict_or_error(&mut on_standby, &issued.token) == "valid");
    }
    // A standby that has replayed nothing since its start knows by the last beat how old it is.
    on_standby.batch_execute("SELECT pg_wal_replay_pause()").unwrap();
    wait_until("the standby to refuse", || verdict_or_error(&mut on_standby, &issued.token) == "55000");
    standby.restart();
    let mut on_standby = standby.connect("postgres");
    on_standby.batch_execute(BOUND).unwrap();
    wait_until("the standby to verify again", || verdict_or_error(&mut on_standby, &issued.token) == "valid");
}

/// Clocks that differ are told, and by more than the bound nothing is verified.
#[test]
fn a_beat_from_the_future_is_not_believed() {
    let (primary, mut on_primary) = primary(&[]);
    let issued = issue(&mut on_primary, "user:1");
    let (reader, mut on_reader) = reader(&primary, "reader");
    wait_until("a beat", || beat_at(&mut on_reader).is_some());
    let mut ahead = |by: &str| {
        on_reader.batch_execute("ALTER SUBSCRIPTION reader DISABLE").unwrap();
        wait_until("the subscription to stop", || {
            one::<i64>(&mut on_reader, "SELECT count(*) FROM pg_stat_subscription WHERE pid IS NOT NULL") == 0
        });
        // As if the primary's clock had been wrong when the last one was written.
        on_reader
            .batch_execute(&format!(
                "SET tokenauth.reader = off;
                 UPDATE tokenauth.heartbeat SET at = clock_timestamp() + interval '{by}';
                 RESET tokenauth.reader"
            ))
            .unwrap();
        let mut session = reader.connect("postgres");
        session.batch_execute("SET tokenauth.max_staleness = '20s'").unwrap();
        let answer = (verdict_or_error(&mut session, &issued.token), findings(&mut session));
        on_reader.batch_execute("ALTER SUBSCRIPTION reader ENABLE").unwrap();
        answer
    };
    let (answer, said) = ahead("10 s");
    assert_eq!(answer, "valid");
    assert!(said.contains("ms ahead of this server's clock"), "{said}");
    let (answer, said) = ahead("40 s");
    assert_eq!(answer, "55000");
    assert!(said.contains("ms ahead of this server's clock"), "{said}");
}

/// While a table is copied it is as old as the beginning of its copy, however fresh the beats are.
#[test]
fn a_reader_that_is_still_copying_does_not_vouch_for_what_it_has() {
    let (primary, mut on_primary) = primary(&[]);
    let issued = issue(&mut on_primary, "user:1");
    let (reader, mut session) = unsubscribed();
    // One table cannot be copied yet.
    let mut blocker = reader.connect("postgres");
    blocker.batch_execute("BEGIN; LOCK TABLE tokenauth.principal IN SHARE MODE").unwrap();
    session.batch_execute(&subscription(&primary, "reader")).unwrap();
    wait_until("the beats to be copied", || {
        one::<i64>(
            &mut session,
            "SELECT count(*) FROM pg_subscription_rel
              WHERE srrelid = 'tokenauth.heartbeat'::regclass AND srsubstate IN ('s', 'r')",
        ) == 1
    });
    session.batch_execute("SET tokenauth.max_staleness = '1d'").unwrap();
    assert_eq!(verdict_or_error(&mut session, &issued.token), "55000");
    let said = findings(&mut session);
    assert!(said.contains("subscription reader: is still copying"), "{said}");
    blocker.batch_execute("COMMIT").unwrap();
    wait_for_copies(&mut session);
    assert_eq!(verdict(&mut session, &issued.token), "valid");
}

/// Without this, beats that arrive by one subscription would vouch for tokens that another does not bring any more.
#[test]
fn beats_vouch_only_for_what_comes_with_them() {
    let (primary, mut on_primary) = primary(&[]);
    let issued = issue(&mut on_primary, "user:1");
    let (reader, mut on_reader) = reader(&primary, "reader");
    on_reader.batch_execute("SET tokenauth.max_staleness = '1d'").unwrap();
    wait_until("a beat", || verdict_or_error(&mut on_reader, &issued.token) == "valid");
    on_primary.batch_execute("ALTER PUBLICATION tokenauth DROP TABLE tokenauth.token").unwrap();
    let said = findings(&mut on_primary);
    assert!(said.contains("publication tokenauth: does not publish token"), "{said}");
    on_reader.batch_execute("ALTER SUBSCRIPTION reader REFRESH PUBLICATION").unwrap();
    let mut session = reader.connect("postgres");
    session.batch_execute("SET tokenauth.max_staleness = '1d'").unwrap();
    assert_eq!(verdict_or_error(&mut session, &issued.token), "55000");
}
