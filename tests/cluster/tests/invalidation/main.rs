//! Whatever changes a token, its owner or its kind reaches every session that answers from memory, at the commit and
//! not before; what is rolled back, entirely or in part, reaches none. `changes.rs` lists the changes.
//!
//! Each verifying session has verified the token four times before it changes, the last two times from memory. A
//! session that remembers nothing gives the right answer.

mod changes;
mod rows;

use std::time::SystemTime;

use changes::{CHANGES, Change};
use postgres::Client;
use postgres::error::SqlState;
use tokenauth_cluster::{By, FAST, Server, Verifier};

fn start() -> Server {
    // Nothing in this test may have to wait.
    let mut settings = FAST.to_vec();
    settings.extend(["statement_timeout = 180s", "max_prepared_transactions = 2"]);
    let server = Server::start(&settings);
    server.connect("postgres").batch_execute(changes::PREPARE).unwrap();
    server
}

/// The sessions of the test, and the token that they verify.
struct Scene {
    writer: Verifier,
    verifiers: [Verifier; 3],
    authenticator: Verifier,
    tables: Verifier,
    token: String,
    /// For messages.
    change: &'static str,
}

impl Scene {
    /// The answer of all sessions, which must be the same.
    fn heat(&mut self, when: &str) -> String {
        let right = self.tables.ask(&self.token);
        for verifier in self.verifiers.iter_mut().chain([&mut self.writer]) {
            assert_eq!(verifier.heat(&self.token), right, "{}: {when}: session {:?}", self.change, verifier.name);
        }
        self.authenticate(&right, when);
        right
    }

    /// Four times, so that the last two are from memory.
    fn authenticate(&mut self, right: &str, when: &str) {
        let accepted: Vec<_> =
            right.lines().filter(|line| line.starts_with("owner ") || line.starts_with("scopes ")).collect();
        let accepted = if accepted.is_empty() { "28000".to_owned() } else { accepted.join("\n") };
        for _ in 0..4 {
            assert_eq!(self.authenticator.authenticate(&self.token), accepted, "{}: {when}", self.change);
        }
    }

    /// As `heat`, with the expected answer.
    fn expect(&mut self, answer: &str, when: &str) {
        // First the sessions that have something to forget.
        self.authenticate(answer, when);
        for verifier in self.verifiers.iter_mut().chain([&mut self.writer]) {
            assert_eq!(verifier.ask(&self.token), answer, "{}: {when}: session {:?}", self.change, verifier.name);
        }
        assert_eq!(self.heat(when), answer, "{}: {when}", self.change);
    }

    /// Checks that the other sessions answer this while the writer's transaction is open or prepared.
    fn expect_of_others(&mut self, answer: &str, when: &str) {
        self.authenticate(answer, when);
        for verifier in &mut self.verifiers {
            assert_eq!(verifier.ask(&self.token), answer, "{}: {when}: session {:?}", self.change, verifier.name);
        }
    }

    fn execute(&mut self, sql: &str) {
        self.writer.client.batch_execute(sql).unwrap_or_else(|error| panic!("{}: {sql}: {error:?}", self.change));
    }

    /// Checks that the writer answers this within the transaction that changed the token, and the others as before.
    fn expect_uncommitted(&mut self, change: &Change, before: &str, when: &str) {
        for _ in 0..4 {
            let own = self.writer.ask(&self.token);
            assert!(change.is_in(&own), "{}: {when}: the writer is told {own:?}", self.change);
        }
        if !change.locks {
            self.expect_of_others(before, when);
        }
    }
}

#[test]
fn every_change_is_seen_at_its_commit_by_sessions_that_answer_from_memory() {
    let server = start();
    let mut scene = Scene {
        writer: Verifier::connect(&server, "SET client_min_messages = error", By::Text),
        verifiers: Verifier::each(&server),
        authenticator: Verifier::connect(&server, "", By::Text),
        tables: Verifier::without_memory(&server),
        token: String::new(),
        change: "",
    };
    for (number, change) in CHANGES.iter().enumerate() {
        let id;
        (scene.token, id) = change.prepare(&mut scene.writer.client, number);
        scene.change = change.sql;
        let named = |sql: &str| changes::named(sql, number, &id, &scene.token);
        let sql = named(change.sql);
        let before = scene.heat("before");
        assert!(!change.is_in(&before), "{}: nothing changes: {before:?}", change.sql);

        scene.execute(&format!("BEGIN; {sql}"));
        scene.expect_uncommitted(change, &before, "not committed");
        scene.execute("ROLLBACK");
        scene.expect(&before, "rolled back");

        scene.execute(&format!("BEGIN; SAVEPOINT s; {sql}"));
        scene.expect_uncommitted(change, &before, "after a savepoint");
        scene.execute("ROLLBACK TO s");
        scene.expect(&before, "rolled back to the savepoint");
        scene.execute(&format!("SELECT taken_back($sql$ {sql} $sql$)"));
        scene.expect(&before, "taken back by an exception handler");
        scene.execute("COMMIT");
        scene.expect(&before, "committed without it");

        prepare_transaction(&mut scene, change, &sql, &before);
        if !change.is_in(&scene.tables.ask(&scene.token)) {
            scene.execute(&format!("BEGIN; {sql}; COMMIT"));
        }
        let after = scene.tables.ask(&scene.token);
        scene.expect(&after, "committed");
        assert!(change.is_in(&after), "{}: {after:?}", change.sql);
    }
}

/// A prepared transaction takes effect with COMMIT PREPARED, and one that kills cannot be prepared.
fn prepare_transaction(scene: &mut Scene, change: &Change, sql: &str, before: &str) {
    scene.execute(&format!("BEGIN; {sql}"));
    let prepared = scene.writer.client.batch_execute("PREPARE TRANSACTION 'change'");
    if change.kills {
        let code = prepared.expect_err(change.sql).code().cloned();
        assert_eq!(code, Some(SqlState::FEATURE_NOT_SUPPORTED), "{}", change.sql);
        return scene.expect(before, "not prepared");
    }
    prepared.unwrap_or_else(|error| panic!("{}: {error:?}", change.sql));
    if !change.locks {
        scene.expect(before, "prepared");
    }
    scene.execute("ROLLBACK PREPARED 'change'");
    scene.expect(before, "prepared and rolled back");
    scene.execute(&format!("BEGIN; {sql}; PREPARE TRANSACTION 'change'"));
    if !change.locks {
        scene.expect(before, "prepared again");
    }
    scene.execute("COMMIT PREPARED 'change'");
}

#[test]
fn sessions_of_these_tests_answer_from_memory() {
    let server = start();
    let mut admin = server.connect("postgres");
    let (token, id) = Change::default().prepare(&mut admin, 0);
    let mut verifiers = Verifier::each(&server);
    // A superuser can disable the triggers that signal, as doctor() reports; only then does a change go unnoticed.
    admin
        .batch_execute("ALTER TABLE tokenauth.token DISABLE TRIGGER signal_update, DISABLE TRIGGER signal_delete")
        .unwrap();
    for verifier in &mut verifiers {
        assert!(verifier.heat(&token).contains("name laptop"));
    }
    admin.batch_execute(&format!("UPDATE tokenauth.token SET name = 'other' WHERE id = '{id}'")).unwrap();
    assert!(Verifier::without_memory(&server).ask(&token).contains("name other"));
    for verifier in &mut verifiers {
        assert!(verifier.ask(&token).contains("name laptop"), "{:?} does not answer from memory", verifier.name);
    }
}

#[test]
fn a_token_whose_issue_was_rolled_back_is_unknown_to_the_session_that_verified_it() {
    let server = start();
    let mut writer = Verifier::connect(&server, "", By::Text);
    let mut other = Verifier::connect(&server, "BEGIN", By::Text);
    Change::default().prepare(&mut writer.client, 0);
    let issue = |client: &mut Client| -> String {
        client.query_one("SELECT token FROM tokenauth.issue('k0', 'user:0')", &[]).unwrap().get(0)
    };
    for taken_back in ["ROLLBACK", "ROLLBACK TO s; COMMIT", "PREPARE TRANSACTION 'issue'; ROLLBACK PREPARED 'issue'"] {
        writer.client.batch_execute("BEGIN; SAVEPOINT s").unwrap();
        let token = issue(&mut writer.client);
        // A rollback to a later savepoint takes back nothing of the issue.
        writer.client.batch_execute("SAVEPOINT t; ROLLBACK TO t").unwrap();
        assert!(writer.heat(&token).contains("verdict valid"));
        assert_eq!(other.heat(&token), "verdict unknown");
        for sql in taken_back.split("; ") {
            writer.client.batch_execute(sql).unwrap();
        }
        assert_eq!(writer.heat(&token), "verdict unknown", "{taken_back}");
        assert_eq!(other.heat(&token), "verdict unknown", "{taken_back}");
    }
    // Once prepared, the token is unknown to the session that issued it; COMMIT PREPARED makes it valid.
    writer.client.batch_execute("BEGIN").unwrap();
    let token = issue(&mut writer.client);
    assert!(writer.heat(&token).contains("verdict valid"));
    writer.client.batch_execute("PREPARE TRANSACTION 'issue'").unwrap();
    assert_eq!(writer.heat(&token), "verdict unknown");
    writer.client.batch_execute("COMMIT PREPARED 'issue'").unwrap();
    assert!(writer.heat(&token).contains("verdict valid"));
    assert!(other.heat(&token).contains("verdict valid"));
}

#[test]
fn that_a_text_is_of_no_older_system_is_forgotten_when_the_first_import_commits() {
    const TEXT: &str = "the secret of an older system";
    // What changes the table of imports, and the verdict on a text not of our form that is not imported.
    const IMPORTS: &[(&str, &str)] = &[
        ("INSERT INTO tokenauth.import VALUES ('sha256')", "verdict unknown"),
        ("DELETE FROM tokenauth.import", "verdict malformed"),
        ("COPY tokenauth.import FROM PROGRAM 'echo sha512'", "verdict unknown"),
        ("TRUNCATE tokenauth.import", "verdict malformed"),
        (
            "SELECT set_config('session_replication_role', 'replica', true);
             INSERT INTO tokenauth.import VALUES ('sha256')",
            "verdict unknown",
        ),
        (
            "SELECT set_config('session_replication_role', 'replica', true); DELETE FROM tokenauth.import",
            "verdict malformed",
        ),
    ];
    let server = start();
    let mut writer = Verifier::connect(&server, "SET client_min_messages = error", By::Text);
    let mut verifiers = [
        Verifier::connect(&server, "BEGIN", By::Request),
        Verifier::connect(&server, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1", By::Text),
    ];
    Change::default().prepare(&mut writer.client, 0);
    let mut before = "verdict malformed";
    for (sql, after) in IMPORTS {
        for (end, expected) in [("ROLLBACK", before), ("COMMIT", *after)] {
            assert!(verifiers.iter_mut().all(|verifier| verifier.heat(TEXT) == before), "{sql}");
            writer.client.batch_execute(&format!("BEGIN; {sql}")).unwrap();
            assert_eq!(writer.heat(TEXT), *after, "{sql}");
            writer.client.batch_execute(end).unwrap();
            for verifier in verifiers.iter_mut().chain([&mut writer]) {
                assert_eq!(verifier.heat(TEXT), expected, "{sql}: {end}: {:?}", verifier.name);
            }
        }
        before = after;
    }
    let import = format!("SELECT tokenauth.import('k0', 'user:0', encode(sha256('{TEXT}'), 'hex'), 'sha256')");
    writer.client.batch_execute(&import).unwrap();
    for verifier in verifiers.iter_mut().chain([&mut writer]) {
        assert!(verifier.heat(TEXT).starts_with("verdict valid"), "{:?}", verifier.name);
    }
}

#[test]
fn a_token_begins_and_ends_by_the_clock_in_sessions_that_answer_from_memory() {
    let server = start();
    let mut admin = server.connect("postgres");
    Change::default().prepare(&mut admin, 0);
    let issue = "SELECT token FROM tokenauth.issue('k0', 'user:0', $1, not_before => $2, expires_at => $3)";
    for (name, mut verifier) in ["text", "digest", "request"].into_iter().zip(Verifier::each(&server)) {
        let times = "SELECT clock_timestamp() + '0.5 s', clock_timestamp() + '1 s'";
        // It is refused where the machine took so long that the end is over.
        let (begin, end, token) = (0..20)
            .find_map(|_| {
                let times = admin.query_one(times, &[]).unwrap();
                let (begin, end): (SystemTime, SystemTime) = (times.get(0), times.get(1));
                let issued = admin.query_one(issue, &[&name, &begin, &end]).ok()?;
                Some((begin, end, issued.get::<_, String>(0)))
            })
            .expect("the token can be issued");
        let mut now = || -> SystemTime { admin.query_one("SELECT clock_timestamp()", &[]).unwrap().get(0) };
        loop {
            let before = now();
            let answer = verifier.ask(&token);
            let after = now();
            match answer.lines().next() {
                Some("verdict not_yet_valid") => assert!(before < begin, "{name}: {answer}"),
                Some("verdict valid") => assert!(after >= begin && before < end, "{name}: {answer}"),
                Some("verdict expired") => break assert!(after >= end, "{name}: {answer}"),
                _ => panic!("{name}: {answer}"),
            }
        }
    }
}
