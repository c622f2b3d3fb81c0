//! Sessions that answer from memory while what they remember, or where they read it, goes through more than changes of
//! rows: lost messages, rebuilt indexes and tables, reset sessions.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use postgres::Client;
use postgres::error::SqlState;
use tokenauth_cluster::contract::{Issued, issue, prepare, revoke, serve};
use tokenauth_cluster::{By, End, FAST, Server, Verifier, rounds, wait_until};

fn start() -> (Server, Client, Issued) {
    serve(&[FAST, &["statement_timeout = 180s"]].concat())
}

fn rename(client: &mut Client, issued: &Issued, name: &str) {
    client.execute("SELECT tokenauth.edit($1::text::uuid, name => $2)", &[&issued.id, &name]).unwrap();
}

/// Makes far more than the 4096 messages that the server keeps for sessions that have not read them.
const FLOOD: &str = "DO $$ BEGIN
    FOR number IN 1..1000 LOOP
        EXECUTE format('CREATE TABLE flood_%1$s (); DROP TABLE flood_%1$s', number);
    END LOOP;
END $$";

/// Has a session wait for lock 7 in this statement, where it reads no messages, while others do `meanwhile` and
/// messages are lost; returns the result of the statement.
fn lose_messages<const N: usize>(
    (server, admin): (&Server, &mut Client),
    verifier: &mut Verifier,
    (sql, token): (&str, &str),
    meanwhile: impl FnOnce(&mut Client),
) -> [String; N] {
    let lost = || server.log_text().matches("cache state reset").count();
    verifier.client.batch_execute("SET log_min_messages = debug4").unwrap();
    admin.batch_execute("SELECT pg_advisory_lock(7)").unwrap();
    let before = lost();
    let row = thread::scope(|scope| {
        let waiting = scope.spawn(|| verifier.client.query_one(sql, &[&token]).unwrap());
        let waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)";
        wait_until("the statement to wait", || admin.query_one(waits, &[]).unwrap().get(0));
        meanwhile(admin);
        admin.batch_execute("SELECT pg_advisory_unlock(7)").unwrap();
        waiting.join().unwrap()
    });
    verifier.client.batch_execute("RESET log_min_messages").unwrap();
    assert!(lost() > before, "no message was lost, so this proves nothing");
    std::array::from_fn(|column| row.get(column))
}

#[test]
fn a_session_that_has_lost_messages_forgets_everything() {
    // The statement verifies once before the loss and once after it.
    const VERIFY: &str = "SELECT v.verdict, w.verdict
        FROM tokenauth.verify($1) v,
             tokenauth.verify(CASE WHEN v.ok AND pg_advisory_xact_lock_shared(7) IS NOT NULL THEN $1 END) w";
    let (server, mut admin, _) = start();
    for killed_first in [true, false] {
        let issued = issue(&mut admin, "user:1");
        let mut verifier = Verifier::connect(&server, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1", By::Text);
        verifier.heat(&issued.token);
        let verdicts = lose_messages((&server, &mut admin), &mut verifier, (VERIFY, &issued.token), |killer| {
            if killed_first {
                assert!(revoke(killer, &issued));
            }
            killer.batch_execute(FLOOD).unwrap();
            if !killed_first {
                assert!(revoke(killer, &issued));
            }
        });
        assert_eq!(verdicts, ["valid", "revoked"], "killed before the flood: {killed_first}");
    }
}

#[test]
fn a_session_that_has_lost_the_news_of_another_extension_hears_of_its_changes() {
    const WAIT: &str = "SELECT pg_advisory_xact_lock_shared(7)::text || $1::text";
    let (server, mut admin, old) = start();
    let mut verifier = Verifier::connect(&server, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1", By::Text);
    verifier.heat(&old.token);
    let mut new = None;
    let _: [String; 1] = lose_messages((&server, &mut admin), &mut verifier, (WAIT, ""), |admin| {
        admin.batch_execute("DROP EXTENSION tokenauth").unwrap();
        prepare(admin);
        new = Some(issue(admin, "user:1"));
        admin.batch_execute(FLOOD).unwrap();
    });
    let new = new.unwrap();
    assert_eq!(verifier.heat(&old.token), "verdict unknown");
    assert!(verifier.heat(&new.token).contains("scopes {devices:read}"));
    admin.batch_execute("UPDATE tokenauth.kind SET ceiling = '{*:write}'").unwrap();
    assert!(verifier.heat(&new.token).contains("scopes {}"));
    assert!(revoke(&mut admin, &new));
    assert!(verifier.ask(&new.token).starts_with("verdict revoked"));
}

/// Issues, lists, imports and kills, each as it goes where nobody rebuilds anything: whatever an index is told to hold,
/// and a digest that is known, is found in it.
fn call(client: &mut Client) {
    let issued = issue(client, "user:1");
    let newest = "SELECT id::text FROM tokenauth.list(owner => 'user:1', page_size => 1)";
    assert_eq!(client.query_one(newest, &[]).unwrap().get::<_, String>(0), issued.id);
    let import = "SELECT tokenauth.import('key', 'user:1', encode(sha256('old secret'), 'hex'), 'sha256')";
    if let Err(refused) = client.batch_execute(import) {
        assert_eq!(refused.code().map(SqlState::code), Some("42710"), "{refused:?}");
    }
    client.batch_execute("SELECT tokenauth.put_principal('user:2', permissions => '{devices:read}')").unwrap();
    client.batch_execute("SELECT tokenauth.deactivate('user:2'), tokenauth.activate('user:2')").unwrap();
    assert!(revoke(client, &issued));
}

#[test]
fn tokens_are_verified_at_every_moment_while_indexes_and_tables_are_rebuilt() {
    let (server, mut admin, issued) = start();
    let indexes = admin
        .query("SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid::regclass::text LIKE 'tokenauth.%'", &[])
        .unwrap();
    let mut rebuilds: Vec<String> =
        indexes.iter().map(|row| format!("REINDEX INDEX CONCURRENTLY {}", row.get::<_, String>(0))).collect();
    assert!(rebuilds.len() > 8, "{rebuilds:?}");
    for table in ["token", "principal", "kind", "import", "usage", "signal"] {
        rebuilds.push(format!("VACUUM FULL tokenauth.{table}"));
        rebuilds.push(format!("REINDEX TABLE tokenauth.{table}"));
    }
    rebuilds.extend(
        [
            "REINDEX SCHEMA CONCURRENTLY tokenauth",
            "CLUSTER tokenauth.token USING token_lookup_key",
            "CLUSTER tokenauth.principal USING principal_pkey",
            "ANALYZE tokenauth.token, tokenauth.principal, tokenauth.kind",
            "VACUUM (FREEZE) tokenauth.token, tokenauth.principal, tokenauth.kind",
            "ALTER TABLE tokenauth.token SET (fillfactor = 90)",
            "ALTER TABLE tokenauth.token SET UNLOGGED",
            "ALTER TABLE tokenauth.token SET LOGGED",
        ]
        .map(str::to_owned),
    );
    // The last committed name: no verification that begins later may return an earlier one.
    let (committed, done) = (AtomicU32::new(0), AtomicBool::new(false));
    rename(&mut admin, &issued, "0");

    thread::scope(|scope| {
        let verifiers = [
            Verifier::connect(&server, "", By::Text),
            Verifier::connect(&server, "BEGIN READ ONLY", By::Digest),
            Verifier::without_memory(&server),
        ];
        let caller = scope.spawn(|| {
            let mut client = server.connect("postgres");
            while !done.load(Ordering::SeqCst) {
                call(&mut client);
            }
        });
        let verifiers = verifiers.map(|mut verifier| {
            let (issued, committed, done) = (&issued, &committed, &done);
            scope.spawn(move || {
                for round in 1.. {
                    if done.load(Ordering::SeqCst) {
                        break;
                    }
                    // REINDEX CONCURRENTLY waits for transactions that had a snapshot when it began, and so for this
                    // one.
                    if round % 32 == 0 && verifier.name.starts_with("BEGIN") {
                        verifier.client.batch_execute(&format!("COMMIT; {}", verifier.name)).unwrap();
                    }
                    let earliest = committed.load(Ordering::SeqCst);
                    let answer = verifier.ask(&issued.token);
                    let name = answer
                        .lines()
                        .find_map(|line| line.strip_prefix("name "))
                        .unwrap_or_else(|| panic!("{:?}: {answer:?}", verifier.name));
                    let name: u32 = name.parse().unwrap();
                    assert!(name >= earliest, "{:?} tells {name} after {earliest}", verifier.name);
                }
            })
        });
        let end = End(&done);
        for (rebuild, number) in (0..rounds(1, 10)).flat_map(|_| &rebuilds).zip(1..) {
            if caller.is_finished() || verifiers.iter().any(thread::ScopedJoinHandle::is_finished) {
                break;
            }
            admin.batch_execute(rebuild).unwrap_or_else(|error| panic!("{rebuild}: {error:?}"));
            rename(&mut admin, &issued, &number.to_string());
            committed.store(number, Ordering::SeqCst);
        }
        drop(end);
        caller.join().unwrap();
        for verifier in verifiers {
            verifier.join().unwrap();
        }
    });
}

#[test]
fn a_session_that_is_reset_or_remembers_nothing_for_a_while_misses_no_change() {
    let (server, mut admin, issued) = start();
    let mut verifier = Verifier::connect(&server, "", By::Text);
    // What the session does while the name changes.
    for (number, meanwhile) in (0..).zip([
        &["DISCARD ALL"][..],
        &["DISCARD PLANS", "DISCARD SEQUENCES", "DISCARD TEMP", "RESET ALL", "DEALLOCATE ALL"],
        &["SET tokenauth.cache_size = 0"],
        &["SET tokenauth.cache_size = 0", "SET tokenauth.cache_size = '4MB'"],
        &["SET tokenauth.cache_size = '4MB'"],
        &["SET ROLE pg_monitor", "SET SESSION AUTHORIZATION DEFAULT", "RESET ROLE"],
        &["LOAD 'tokenauth'"],
        &["CREATE TEMP TABLE t ()", "DISCARD TEMP"],
    ]) {
        for when in ["before", "between", "after"] {
            verifier.heat(&issued.token);
            let name = format!("{number} {when}");
            let position = match when {
                "before" => 0,
                "between" => 1,
                _ => meanwhile.len(),
            };
            for (at, sql) in (0..).zip(meanwhile.iter().chain([&"SELECT"])) {
                if at == position {
                    rename(&mut admin, &issued, &name);
                }
                verifier.client.batch_execute(sql).unwrap();
            }
            assert!(verifier.ask(&issued.token).contains(&format!("name {name}")), "{meanwhile:?}: {when}");
            verifier.heat(&issued.token);
        }
    }
}
