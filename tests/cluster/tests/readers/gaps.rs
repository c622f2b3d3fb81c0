//! A reader that was put back to an earlier state, or whose primary was, lacks what its primary will never send again.
//! It must notice, however fresh the beats are, and stay as it is until it has copied everything anew.

use std::fs;

use postgres::Client;
use tokenauth_cluster::contract::{Issued, issue, revoke};
use tokenauth_cluster::{Server, example, wait_until};

use super::{findings, one, primary, reader, subscription, unsubscribed, verdict_or_error, wait_for_copies};

/// What a reader says that has noticed.
pub const LACKS: &str = "reader lacks changes of its primary";

/// More transactions than fit in anybody's memory.
pub const MANY: &str = "DO $$ BEGIN
    FOR number IN 1..5000 LOOP
        UPDATE tokenauth.token SET name = number::text WHERE id = (SELECT id FROM tokenauth.token LIMIT 1);
        COMMIT;
    END LOOP;
END $$";

/// A bound that holds for every session of a reader.
const BOUND: &str = "ALTER DATABASE postgres SET tokenauth.max_staleness = '6s'";

/// A primary, a reader with a bound, and a token that is valid there.
pub fn followed() -> (Server, Client, Server, Issued) {
    let (primary, mut on_primary) = primary(&["max_prepared_transactions = 2"]);
    let issued = issue(&mut on_primary, "user:1");
    let (reader, mut on_reader) = reader(&primary, "reader");
    on_reader.batch_execute(BOUND).unwrap();
    drop(on_reader);
    wait_for(&reader, &issued, "valid");
    (primary, on_primary, reader, issued)
}

pub fn answer(reader: &Server, issued: &Issued) -> String {
    verdict_or_error(&mut reader.connect("postgres"), &issued.token)
}

pub fn wait_for(reader: &Server, issued: &Issued, verdict: &str) {
    wait_until(verdict, || answer(reader, issued) == verdict);
}

/// Until the token's death has arrived. To ask for its verdict would not do while beats are held.
fn wait_until_dead(reader: &Server, issued: &Issued) {
    let dead = format!("SELECT count(*) FROM tokenauth.token WHERE id = '{}' AND revoked_at IS NOT NULL", issued.id);
    let mut client = reader.connect("postgres");
    wait_until("the death to arrive", || one::<i64>(&mut client, &dead) == 1);
}

/// As many beats, as the primary counts them.
pub fn wait_for_beats(primary: &Server, count: usize) {
    let mut client = primary.connect("postgres");
    for _ in 0..count {
        let beat = "SELECT beat::text FROM tokenauth.heartbeat";
        let last: String = one(&mut client, beat);
        wait_until("another beat", || one::<String>(&mut client, beat) != last);
    }
}

/// Keeps the primary from writing beats while the session lasts.
pub fn hold_beats(primary: &Server) -> Client {
    let mut session = primary.connect("postgres");
    session.batch_execute("BEGIN; LOCK TABLE tokenauth.heartbeat IN SHARE ROW EXCLUSIVE MODE").unwrap();
    session
}

/// Checks that the reader refuses, says why, goes on refusing while beats come, and verifies once it has copied anew.
fn assert_lacks_until_copied(reader: &Server, primary: &Server, killed: &Issued, why: &str) {
    wait_until("the server to say so", || reader.log_text().contains(LACKS));
    assert!(reader.log_text().contains(why), "{}", reader.log_text());
    wait_for(reader, killed, "55000");
    let mut client = reader.connect("postgres");
    let said = findings(&mut client);
    assert!(said.contains("tokenauth.heartbeat: lacks changes of its primary") && said.contains(why), "{said}");
    let explain =
        format!("SELECT reason FROM tokenauth.explain('{}') WHERE step = 'copy' AND NOT passed", killed.token);
    let said: String = one(&mut client, &explain);
    assert!(said.contains(LACKS) && said.contains(why), "{said}");
    wait_for_beats(primary, 3);
    assert_eq!(answer(reader, killed), "55000");

    let script = fs::read_to_string(example("reader").join("copy_anew.sql")).unwrap();
    let connection = primary.connection_string("postgres");
    reader.psql("postgres", &format!("\\set primary '{connection}'\n{script}"));
    wait_for_copies(&mut reader.connect("postgres"));
    wait_for(reader, killed, "revoked");
    wait_for_beats(primary, 3);
    assert_eq!(answer(reader, killed), "revoked");
}

#[test]
fn a_reader_that_was_restored_from_its_own_backup_refuses() {
    let (primary, mut on_primary, mut reader, killed) = followed();
    let mut restored = reader.base_backup();
    assert!(revoke(&mut on_primary, &killed));
    wait_for(&reader, &killed, "revoked");
    wait_for_beats(&primary, 2);
    primary.wait_for_subscribers();
    reader.stop();
    restored.start_again();
    assert_lacks_until_copied(&restored, &primary, &killed, "Beats of the primary are missing");
}

/// No beat tells of what it lost: it had applied the last one.
#[test]
fn a_standby_of_a_reader_that_is_promoted_without_a_death_refuses() {
    let (primary, mut on_primary, mut reader, killed) = followed();
    let mut promoted = reader.standby();
    let held = hold_beats(&primary);
    primary.wait_for_subscribers();
    promoted.catch_up_with(&reader);
    promoted.stop();
    assert!(revoke(&mut on_primary, &killed));
    wait_until_dead(&reader, &killed);
    primary.wait_for_subscribers();
    reader.kill();
    promoted.start_again();
    promoted.connect("postgres").batch_execute("SELECT pg_promote()").unwrap();
    // It goes on with what comes now.
    let other = issue(&mut on_primary, "user:1");
    let arrived = format!("SELECT count(*) FROM tokenauth.token WHERE id = '{}'", other.id);
    wait_until("the next token to arrive", || one::<i64>(&mut promoted.connect("postgres"), &arrived) == 1);
    drop(held);
    assert_lacks_until_copied(&promoted, &primary, &killed, "0 were applied");
}

#[test]
fn a_primary_that_was_put_back_on_its_own_timeline_is_not_believed() {
    let (mut primary, mut on_primary, reader, killed) = followed();
    drop(on_primary);
    primary.stop();
    let mut put_back = primary.cold_copy();
    primary.start_again();
    wait_for_beats(&primary, 2);
    on_primary = primary.connect("postgres");
    for _ in 0..300 {
        issue(&mut on_primary, "user:1");
    }
    primary.wait_for_subscribers();
    let known: String = one(&mut on_primary, "SELECT pg_current_wal_lsn()::text");
    drop(on_primary);
    primary.stop_immediately();

    put_back.start_again();
    let mut on_primary = put_back.connect("postgres");
    assert!(revoke(&mut on_primary, &killed), "where the reader takes all for known");
    let connection = put_back.connection_string("postgres");
    let follow = format!("ALTER SUBSCRIPTION reader CONNECTION '{connection}'");
    reader.connect("postgres").batch_execute(&follow).unwrap();
    while !one::<bool>(&mut on_primary, &format!("SELECT pg_current_wal_lsn() > '{known}'")) {
        issue(&mut on_primary, "user:1");
    }
    assert_lacks_until_copied(&reader, &put_back, &killed, "Beats of the primary are missing");
}

#[test]
fn a_reader_whose_administrator_has_skipped_a_death_refuses() {
    let (primary, mut on_primary, reader, killed) = followed();
    let mut on_reader = reader.connect("postgres");
    on_reader
        .batch_execute(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not here'; END $$;
             CREATE TRIGGER fail BEFORE UPDATE ON tokenauth.token FOR EACH ROW EXECUTE FUNCTION fail();
             ALTER TABLE tokenauth.token ENABLE ALWAYS TRIGGER fail",
        )
        .unwrap();
    let held = hold_beats(&primary);
    assert!(revoke(&mut on_primary, &killed));
    // Workers that copy tables tell where they have finished as well.
    let failed = "for replication target relation \"tokenauth.token\"";
    wait_until("the subscription to fail", || reader.log_text().contains(failed));
    let log = reader.log_text();
    let at = log.split(failed).nth(1).and_then(|rest| rest.split("finished at ").nth(1)).unwrap();
    let at = at.split(|c: char| c != '/' && !c.is_ascii_hexdigit()).next().unwrap();
    on_reader.batch_execute(&format!("ALTER SUBSCRIPTION reader SKIP (lsn = '{at}')")).unwrap();
    on_reader.batch_execute("DROP TRIGGER fail ON tokenauth.token; DROP FUNCTION fail()").unwrap();
    wait_until("it to go on", || one::<bool>(&mut on_reader, "SELECT subskiplsn = '0/0' FROM pg_subscription"));
    drop(held);
    assert_lacks_until_copied(&reader, &primary, &killed, "0 were applied");
}

/// Beats are held, so that the next tells of all that came before and after the worker began anew.
#[test]
fn a_reader_that_had_everything_goes_on_however_it_or_its_primary_began_anew() {
    let (mut primary, mut on_primary, mut reader, witness) = followed();
    for round in 0..3 {
        let held = hold_beats(&primary);
        let killed = [(); 4].map(|()| issue(&mut on_primary, "user:1"));
        assert!(revoke(&mut on_primary, &killed[0]));
        wait_until_dead(&reader, &killed[0]);
        match round {
            0 => reader.restart(),
            1 => reader.crash(),
            _ => {
                let mut client = reader.connect("postgres");
                client.batch_execute("ALTER SUBSCRIPTION reader DISABLE").unwrap();
                assert!(revoke(&mut on_primary, &killed[1]));
                client.batch_execute("ALTER SUBSCRIPTION reader ENABLE").unwrap();
            }
        }
        // What changes no row, or is taken back, is not sent: nobody may miss it.
        on_primary
            .batch_execute(&format!(
                "CREATE TABLE IF NOT EXISTS other (x int);
                 BEGIN; INSERT INTO other VALUES (1); UPDATE tokenauth.token SET name = 'x' WHERE false; COMMIT;
                 BEGIN; INSERT INTO other VALUES (1); DELETE FROM tokenauth.import WHERE false; COMMIT;
                 BEGIN; INSERT INTO other VALUES (1); SAVEPOINT s; SELECT tokenauth.revoke('{}'); ROLLBACK TO s; COMMIT;
                 BEGIN; SELECT tokenauth.revoke('{}'); ROLLBACK;
                 SELECT tokenauth.revoke('{}'); SELECT tokenauth.purge('1 day')",
                killed[3].id, killed[3].id, killed[0].id
            ))
            .unwrap();
        let prepare = "BEGIN; UPDATE tokenauth.token SET name = 'x'; PREPARE TRANSACTION 'mine'";
        primary.connect("postgres").batch_execute(prepare).unwrap();
        drop(held);
        wait_for_beats(&primary, 1);
        let held = hold_beats(&primary);
        on_primary.batch_execute("COMMIT PREPARED 'mine'").unwrap();
        assert!(revoke(&mut on_primary, &killed[2]));
        wait_until_dead(&reader, &killed[2]);
        drop(held);
        wait_for_beats(&primary, 4);
        wait_for(&reader, &witness, "valid");
        assert_eq!(answer(&reader, &killed[3]), "valid");
    }
    on_primary.batch_execute(MANY).unwrap();
    drop(on_primary);
    primary.restart();
    wait_for_beats(&primary, 4);
    wait_for(&reader, &witness, "valid");
    primary.connect("postgres").batch_execute(MANY).unwrap();
    primary.crash();
    wait_for_beats(&primary, 4);
    wait_for(&reader, &witness, "valid");
    assert!(!reader.log_text().contains(LACKS), "{}", reader.log_text());
}

/// A reader of a reader knows no more than that, and places in the WAL of the first tell it nothing.
#[test]
fn who_follows_a_reader_lacks_what_that_lacks() {
    let (primary, mut on_primary, reader, killed) = followed();
    reader.connect("postgres").batch_execute("ALTER SYSTEM SET wal_level = logical").unwrap();
    let mut reader = reader;
    reader.restart();
    let mut on_reader = reader.connect("postgres");
    let tables =
        "change, tokenauth.derived_death, tokenauth.heartbeat, tokenauth.import, tokenauth.key, tokenauth.kind,
                  tokenauth.mass_death, tokenauth.member, tokenauth.principal, tokenauth.token, tokenauth.usage_batch";
    on_reader.batch_execute(&format!("CREATE PUBLICATION tokenauth FOR TABLE tokenauth.{tables}")).unwrap();
    let (second, mut on_second) = unsubscribed();
    on_second.batch_execute(BOUND).unwrap();
    on_second.batch_execute(&subscription(&reader, "second")).unwrap();
    wait_for_copies(&mut on_second);
    wait_for(&second, &killed, "valid");
    let other = issue(&mut on_primary, "user:1");
    assert!(revoke(&mut on_primary, &other));
    wait_for(&second, &other, "revoked");
    wait_for_beats(&primary, 4);
    wait_for(&second, &killed, "valid");

    // As if something was missing on the first.
    on_reader.batch_execute("ALTER SUBSCRIPTION reader DISABLE").unwrap();
    on_primary.batch_execute("UPDATE tokenauth.heartbeat SET beat = gen_random_uuid()").unwrap();
    wait_for_beats(&primary, 1);
    on_reader.batch_execute("ALTER SUBSCRIPTION reader ENABLE").unwrap();
    wait_for(&reader, &killed, "55000");
    wait_for(&second, &killed, "55000");
    assert!(second.log_text().contains("Beats of the primary are missing"), "{}", second.log_text());
}
