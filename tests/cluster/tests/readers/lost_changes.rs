//! A change that a reader never applies is told by the next beat of its primary, in whatever way it was committed there
//! and whatever happens before that beat; and what a reader has found to be missing it does not forget.

use postgres::Client;
use tokenauth_cluster::contract::{Issued, issue, revoke};
use tokenauth_cluster::{Server, rounds, wait_until};

use super::gaps::{LACKS, MANY, answer, followed, hold_beats, wait_for, wait_for_beats};
use super::{one, subscription};

/// A transaction that takes something away, and can be prepared.
const NARROW: &str =
    "BEGIN; SELECT tokenauth.put_principal('user:1', permissions => '{}'); PREPARE TRANSACTION 'narrowed'";

/// What the reader's last beat says that is missing.
fn gap(reader: &Server) -> Option<String> {
    let query = "SELECT gap FROM tokenauth.heartbeat";
    reader.connect("postgres").query_opt(query, &[]).unwrap().and_then(|row| row.get(0))
}

fn wait_for_gap(reader: &Server, why: &str) {
    wait_until("the reader to notice", || gap(reader).is_some_and(|gap| gap.contains(why)));
}

/// As if everything had been copied anew.
fn begin_anew(reader: &Server) {
    let mut client = reader.connect("postgres");
    client
        .batch_execute(
            "SET tokenauth.reader = off;
             UPDATE tokenauth.heartbeat SET gap = NULL, beat = NULL;
             DELETE FROM tokenauth.change",
        )
        .unwrap();
    let follows = "SELECT beat IS NOT NULL FROM tokenauth.heartbeat";
    wait_until("the reader to follow", || one::<bool>(&mut client, follows));
    assert_eq!(gap(reader), None);
}

fn disable(on_reader: &mut Client) {
    on_reader.batch_execute("ALTER SUBSCRIPTION reader DISABLE").unwrap();
    let working = "SELECT count(*) FROM pg_stat_subscription WHERE pid IS NOT NULL AND subname = 'reader'";
    wait_until("the subscription to stop", || one::<i64>(on_reader, working) == 0);
}

/// Has the primary do something of which the reader never hears, as if it had lost it, and then something else before
/// the next beat.
fn lose(primary: &mut Server, reader: &Server, lost: &[&str], next: impl FnOnce(&mut Server)) {
    let mut on_reader = reader.connect("postgres");
    let held = hold_beats(primary);
    let mut on_primary = primary.connect("postgres");
    // Otherwise it may lose a beat as well.
    let beat = "SELECT beat::text FROM tokenauth.heartbeat";
    let before: String = one(&mut on_primary, beat);
    wait_until("the last beat to arrive", || one::<String>(&mut on_reader, beat) == before);
    disable(&mut on_reader);
    for statements in lost {
        on_primary.batch_execute(statements).unwrap();
    }
    let end: String = one(&mut on_primary, "SELECT pg_current_wal_lsn()::text");
    let advance = format!(
        "SELECT pg_replication_origin_advance('pg_' || oid, '{end}') FROM pg_subscription WHERE subname = 'reader'"
    );
    on_reader.batch_execute(&advance).unwrap();
    drop(on_primary);
    next(primary);
    drop(held);
    on_reader.batch_execute("ALTER SUBSCRIPTION reader ENABLE").unwrap();
}

#[test]
fn a_loss_is_noticed_however_it_was_committed_and_whatever_comes_before_the_next_beat() {
    let (mut primary, mut on_primary, reader, _witness) = followed();
    let killed = [(); 4].map(|()| issue(&mut on_primary, "user:1"));
    drop(on_primary);
    let revoke = |issued: &Issued| format!("SELECT tokenauth.revoke('{}')", issued.id);
    let prepared = [NARROW, "COMMIT PREPARED 'narrowed'"];
    let noticed = |told: &str| {
        wait_for_gap(&reader, told);
        begin_anew(&reader);
    };
    let of_one = "Of 1 transactions that have changed what is verified, 0 were applied";

    lose(&mut primary, &reader, &[&revoke(&killed[0])], |_| {});
    noticed(of_one);
    lose(&mut primary, &reader, &prepared, |_| {});
    noticed(of_one);
    lose(&mut primary, &reader, &[&revoke(&killed[1])], Server::restart);
    noticed(of_one);
    lose(&mut primary, &reader, &[&revoke(&killed[2])], Server::crash);
    noticed(of_one);
    lose(&mut primary, &reader, &[&revoke(&killed[3])], |primary| {
        primary.connect("postgres").batch_execute(MANY).unwrap();
    });
    // How many of them the next beat tells depends on when it begins. Nothing begins anew while more of them arrive.
    wait_for_gap(&reader, "transactions that have changed what is verified");
}

/// In one transaction PREPARE, in a later beat's time COMMIT PREPARED.
#[test]
fn a_prepared_transaction_is_told_when_it_is_committed() {
    let (mut primary, mut on_primary, reader, witness) = followed();
    on_primary.batch_execute(NARROW).unwrap();
    drop(on_primary);
    wait_for_beats(&primary, 3);
    primary.restart();
    wait_for_beats(&primary, 2);
    wait_for(&reader, &witness, "valid");
    lose(&mut primary, &reader, &["COMMIT PREPARED 'narrowed'"], |_| {});
    wait_for_gap(&reader, "Of 1 transactions");
}

#[test]
fn what_a_reader_lacks_stays_known_whatever_becomes_of_the_beats() {
    let (mut primary, mut on_primary, reader, killed) = followed();
    let lost = format!("SELECT tokenauth.revoke('{}')", killed.id);
    lose(&mut primary, &reader, &[&lost], |_| {});
    wait_for_gap(&reader, "0 were applied");
    let beats = "SELECT count(*) FROM tokenauth.heartbeat WHERE after IS NOT NULL";
    let mut begin_beats_anew = |by: &str| {
        on_primary.batch_execute(by).unwrap();
        wait_until("beats that follow another", || one::<i64>(&mut on_primary, beats) == 1);
        // What has arrived later came behind them.
        let other = issue(&mut on_primary, "user:1");
        let arrived = format!("SELECT count(*) FROM tokenauth.token WHERE id = '{}'", other.id);
        wait_until("a token to arrive", || one::<i64>(&mut reader.connect("postgres"), &arrived) == 1);
    };
    begin_beats_anew("DELETE FROM tokenauth.heartbeat");
    assert!(gap(&reader).is_some_and(|gap| gap.contains("0 were applied")));
    begin_beats_anew("TRUNCATE tokenauth.heartbeat");
    assert!(gap(&reader).is_some());
    assert_eq!(answer(&reader, &killed), "55000");

    // Nobody knows what came before beats that begin anew, so a reader that lacked nothing is not believed either.
    begin_anew(&reader);
    begin_beats_anew("DELETE FROM tokenauth.heartbeat");
    wait_for_gap(&reader, "Beats of the primary are missing");
    begin_anew(&reader);
    begin_beats_anew("TRUNCATE tokenauth.heartbeat");
    wait_for_gap(&reader, "Beats of the primary are missing");
}

/// Whoever makes it whole again does not bring what died meanwhile.
#[test]
fn what_a_publication_did_not_bring_is_known_to_be_lost_once_it_is_made_whole() {
    let (_primary, mut on_primary, reader, killed) = followed();
    on_primary.batch_execute("ALTER PUBLICATION tokenauth DROP TABLE tokenauth.token").unwrap();
    assert!(revoke(&mut on_primary, &killed));
    on_primary.batch_execute("SELECT tokenauth.make_publication()").unwrap();
    wait_for_gap(&reader, "Beats of the primary are missing");
    wait_for(&reader, &killed, "55000");
}

/// While another subscription brings a table as well, nothing is verified; afterwards it is known what was missed.
#[test]
fn a_loss_while_tables_do_not_follow_by_one_subscription_is_noticed() {
    let (mut primary, mut on_primary, reader, killed) = followed();
    on_primary.batch_execute("CREATE PUBLICATION two FOR TABLE tokenauth.member").unwrap();
    drop(on_primary);
    let mut on_reader = reader.connect("postgres");
    let other = subscription(&primary, "other")
        .replace("PUBLICATION tokenauth", "PUBLICATION two")
        .replace("synchronous_commit = on", "synchronous_commit = on, copy_data = off");
    on_reader.batch_execute(&other).unwrap();
    lose(&mut primary, &reader, &[&format!("SELECT tokenauth.revoke('{}')", killed.id)], |_| {});
    wait_for_gap(&reader, "0 were applied");
    on_reader.batch_execute("DROP SUBSCRIPTION other").unwrap();
    wait_for(&reader, &killed, "55000");
}

/// Deaths leave no record while there is no publication.
#[test]
fn what_died_while_nothing_was_published_is_known_to_be_lost() {
    let (primary, mut on_primary, reader, killed) = followed();
    on_primary.batch_execute("DROP PUBLICATION tokenauth").unwrap();
    assert!(revoke(&mut on_primary, &killed));
    let mut on_reader = reader.connect("postgres");
    disable(&mut on_reader);
    // The former slot cannot be used: it comes by changes of a time when there was no publication.
    let slot =
        "SELECT pg_drop_replication_slot('reader'); SELECT pg_create_logical_replication_slot('reader', 'pgoutput')";
    wait_until("the slot to be free", || on_primary.batch_execute(slot).is_ok());
    on_primary.batch_execute("SELECT tokenauth.make_publication()").unwrap();
    on_reader.batch_execute("ALTER SUBSCRIPTION reader ENABLE").unwrap();
    wait_for_gap(&reader, "Beats of the primary are missing");
    wait_for(&reader, &killed, "55000");
    drop(primary);
}

/// Readers of one publication lack nothing of what another one did not bring.
#[test]
fn a_publication_that_brings_no_beats_is_made_whole_without_a_doubt_about_others() {
    let (primary, mut on_primary, reader, witness) = followed();
    on_primary.batch_execute("CREATE PUBLICATION dashboard FOR TABLE tokenauth.kind, tokenauth.usage").unwrap();
    on_primary.batch_execute("SELECT tokenauth.make_publication('dashboard')").unwrap();
    on_primary.batch_execute("SELECT tokenauth.make_publication('another')").unwrap();
    wait_for_beats(&primary, 3);
    wait_for(&reader, &witness, "valid");
    assert_eq!(gap(&reader), None);
}

/// Revocations, edits and issues of eight sessions, each a transaction of its own, while servers begin anew.
#[test]
fn no_reader_that_has_everything_is_suspected_under_load() {
    let (mut primary, mut on_primary, mut reader, witness) = followed();
    on_primary
        .batch_execute(
            "CREATE TABLE issued AS SELECT n, (tokenauth.issue('key', 'user:1')).id FROM generate_series(1, 2000) n;
             ALTER TABLE issued ADD PRIMARY KEY (n)",
        )
        .unwrap();
    drop(on_primary);
    primary.write_file(
        "load.sql",
        "\\set n random(1, 2000)
         UPDATE tokenauth.token SET name = 'x' || :n WHERE id = (SELECT id FROM issued WHERE n = :n);
         SELECT tokenauth.issue('key', 'user:1');
         \\set n random(1, 2000)
         SELECT tokenauth.revoke(id) FROM issued WHERE n = :n;",
        0o644,
    );
    let load = |primary: &Server| primary.pgbench("load.sql", &["--no-vacuum", "--client=8", "--time=3"]);
    for round in 0..rounds(1, 20) {
        load(&primary);
        match round % 4 {
            0 => reader.crash(),
            1 => primary.restart(),
            2 => reader.restart(),
            _ => primary.crash(),
        }
        load(&primary);
        wait_for(&reader, &witness, "valid");
    }
    let mut client = primary.connect("postgres");
    let last = issue(&mut client, "user:1");
    assert!(revoke(&mut client, &last));
    wait_for(&reader, &last, "revoked");
    wait_for_beats(&primary, 2);
    wait_for(&reader, &witness, "valid");
    assert!(!reader.log_text().contains(LACKS), "{}", reader.log_text());
    let left = "SELECT count(*) FROM tokenauth.change";
    wait_until("the records to be told", || one::<i64>(&mut client, left) == 0);
    wait_until("nothing to stay here", || one::<i64>(&mut reader.connect("postgres"), left) == 0);
}
