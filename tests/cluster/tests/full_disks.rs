//! When a file system is full, be it that of the WAL, of the data, of temporary files or of the log, verification
//! answers right or fails, a revocation holds once it was acknowledged and raises otherwise, and all works again when
//! there is room.
//!
//! Each test has a small file system in memory, and leaves itself out where none can be mounted.

use std::thread::sleep;
use std::time::Duration;

use postgres::error::SqlState;
use postgres::{Client, Error, NoTls};
use tokenauth_cluster::contract::{Issued, issue, prepare};
use tokenauth_cluster::{Server, Volume, wait_until};

/// A token, and what was acknowledged of its death.
struct Known {
    issued: Issued,
    /// `None`: the call ended without an answer.
    dead: Option<bool>,
}

/// Tokens that are killed one by one.
struct Killed<'a> {
    server: &'a str,
    known: Vec<Known>,
}

impl<'a> Killed<'a> {
    fn issue(server: &'a str, client: &mut Client, number: usize) -> Self {
        let known = (0..number).map(|_| Known { issued: issue(client, "user:1"), dead: Some(false) }).collect();
        Killed { server, known }
    }

    fn connect(&self) -> Option<Client> {
        Client::connect(self.server, NoTls).ok()
    }

    /// Revokes the next token that is alive, and says how that ended.
    fn revoke(&mut self, client: &mut Client) -> Result<(), Error> {
        let known = self.known.iter_mut().find(|known| known.dead == Some(false)).expect("enough were issued");
        let revoked = client.query_one("SELECT tokenauth.revoke($1::text::uuid)", &[&known.issued.id]);
        known.dead = match &revoked {
            Ok(row) => Some(row.get(0)),
            // An error is an answer, a connection that breaks is none.
            Err(error) if is_end(error) => None,
            Err(_) => Some(false),
        };
        revoked.map(|_| ())
    }

    /// Every answer is right; those of a server that cannot answer are missing. Returns how many there are.
    fn check(&self, client: &mut Client) -> usize {
        let mut answers = 0;
        for Known { issued, dead } in &self.known {
            match client.query_one("SELECT verdict FROM tokenauth.verify($1)", &[&issued.token]) {
                Ok(row) => {
                    let verdict: &str = row.get(0);
                    let allowed: &[&str] = match dead {
                        Some(true) => &["revoked"],
                        Some(false) => &["valid"],
                        None => &["revoked", "valid"],
                    };
                    assert!(allowed.contains(&verdict), "{verdict} of one whose death was acknowledged: {dead:?}");
                    answers += 1;
                }
                Err(error) if is_end(&error) => break,
                Err(error) => assert_eq!(error.code(), Some(&SqlState::DISK_FULL), "{error:?}"),
            }
        }
        answers
    }

    /// When there is room again, all is as it was acknowledged, and goes on.
    fn goes_on(&mut self, server: &mut Server) {
        wait_until("the server to recover", || {
            if !server.is_running() {
                server.start_again();
            }
            self.connect().is_some()
        });
        let mut client = self.connect().expect("it was waited for");
        assert_eq!(self.check(&mut client), self.known.len());
        self.revoke(&mut client).unwrap();
        issue(&mut client, "user:1");
        assert_eq!(self.check(&mut client), self.known.len());
    }

    fn acknowledged(&self) -> usize {
        self.known.iter().filter(|known| known.dead == Some(true)).count()
    }
}

/// Whether there is no server any more, or none yet, to answer.
fn is_end(error: &Error) -> bool {
    error.is_closed()
        || error.code().is_none_or(|code| {
            [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW].contains(code)
        })
}

/// A server with the extension; its settings are for what survives a crash of the server, not of the machine.
fn start(settings: &[&str]) -> (Server, String) {
    let server = Server::start(&[&["fsync = off", "shared_preload_libraries = tokenauth"], settings].concat());
    prepare(&mut server.connect("postgres"));
    let connection = server.connection_string("postgres");
    (server, connection)
}

#[test]
fn where_the_wal_has_no_room_no_death_is_acknowledged_and_lost() {
    let Some(wal) = Volume::mount(80, "a full file system of the WAL") else { return };
    let (mut server, connection) = start(&["min_wal_size = 32MB", "max_wal_size = 32MB"]);
    let mut killed = Killed::issue(&connection, &mut server.connect("postgres"), 200);
    server.stop();
    let to = wal.path().display();
    let _ = server.shell("", &format!("cp -r data/pg_wal/. {to} && rm -r data/pg_wal && ln -s {to} data/pg_wal"));
    server.start_again();
    let mut client = server.connect("postgres");
    wal.fill();
    // Segments that are there already are filled; the next one finds no room, which ends the server.
    let mut other = server.connect("postgres");
    let more = "SELECT pg_logical_emit_message(false, 'x', repeat('x', 512 * 1024))";
    while killed.revoke(&mut client).is_ok() && killed.check(&mut other) == killed.known.len() {
        if client.query_one(more, &[]).is_err() {
            break;
        }
    }
    assert!(killed.acknowledged() > 0, "there was some room");
    // It tries to recover, and may end or try again.
    let mut answers = 0;
    for _ in 0..20 {
        if let Some(mut client) = killed.connect() {
            answers += killed.check(&mut client);
            let _ = killed.revoke(&mut client);
        } else if !server.is_running() {
            break;
        }
        sleep(Duration::from_millis(50));
    }
    println!("{} deaths were acknowledged, {answers} answers given while the WAL was full", killed.acknowledged());
    assert!(server.log_text().contains("No space left on device"), "the WAL was full");
    wal.empty();
    killed.goes_on(&mut server);
}

#[test]
fn where_tables_have_no_room_verification_answers_and_what_cannot_be_written_raises() {
    let Some(data) = Volume::mount(120, "a full file system of the data") else { return };
    let (mut server, connection) = start(&["tokenauth.usage_flush_interval = 1h"]);
    let mut client = server.connect("postgres");
    let mut killed = Killed::issue(&connection, &mut client, 300);
    server.stop();
    // All of it but the WAL.
    let to = data.path().display();
    let moving = format!(
        "mv data/pg_wal wal && cp -r data {to}/data && chmod 0700 {to}/data && rm -r data && ln -s {to}/data data &&
         ln -s $PWD/wal data/pg_wal"
    );
    let _ = server.shell("", &moving);
    server.start_again();
    let mut client = server.connect("postgres");
    // So that the first row that needs a page does not find one in what is there.
    client.batch_execute("VACUUM").unwrap();
    data.fill();
    let full = loop {
        let sql = "SELECT count(*) FROM generate_series(1, 100) n, LATERAL tokenauth.issue('key', 'user:1', n::text)";
        if let Err(error) = client.query_one(sql, &[]) {
            break error;
        }
    };
    assert_eq!(full.code(), Some(&SqlState::DISK_FULL), "{full:?}");
    let mut refused = 0;
    for _ in 0..100 {
        if let Err(error) = killed.revoke(&mut client) {
            assert_eq!(error.code(), Some(&SqlState::DISK_FULL), "{error:?}");
            refused += 1;
        }
    }
    assert_eq!(killed.check(&mut client), killed.known.len(), "verification writes nothing");
    println!("{} deaths were acknowledged and {refused} refused while the data had no room", killed.acknowledged());

    // PostgreSQL cannot write its last checkpoint.
    server.stop();
    data.empty();
    killed.goes_on(&mut server);
}

#[test]
fn where_usage_cannot_be_kept_at_a_stop_that_is_said_and_no_part_of_it_takes_room() {
    let Some(kept) = Volume::mount(1, "a full file system at a stop") else { return };
    let (mut server, connection) = start(&["tokenauth.usage_flush_interval = 1h"]);
    let mut client = server.connect("postgres");
    let mut killed = Killed::issue(&connection, &mut client, 300);
    let to = kept.path().display();
    let _ = server.shell("", &format!("rm -rf data/pg_stat && ln -s {to} data/pg_stat"));
    kept.fill();
    assert_eq!(killed.check(&mut client), killed.known.len());
    server.stop();
    assert!(server.log_text().contains("could not keep usage of tokens"), "{}", server.log_text());
    assert!(!server.file("data/pg_stat/tokenauth.tmp").exists(), "a part of it takes room");
    kept.empty();
    killed.goes_on(&mut server);
    let used = "SELECT max(request_count) FROM tokenauth.tokens";
    let used: i64 = server.connect("postgres").query_one(used, &[]).unwrap().get(0);
    assert_eq!(used, 2, "what was lost is not made up");
}

#[test]
fn where_the_log_has_no_room_all_goes_on() {
    let Some(log) = Volume::mount(1, "a full file system of the log") else { return };
    let directory = format!("log_directory = '{}'", log.path().display());
    let (mut server, connection) =
        start(&["logging_collector = on", &directory, "log_statement = all", "log_error_verbosity = verbose"]);
    let mut client = server.connect("postgres");
    let mut killed = Killed::issue(&connection, &mut client, 100);
    log.fill();
    for _ in 0..50 {
        killed.revoke(&mut client).unwrap();
    }
    assert_eq!(killed.check(&mut client), killed.known.len());
    log.empty();
    killed.goes_on(&mut server);
}

#[test]
fn where_temporary_files_have_no_room_large_calls_raise_and_take_nothing_back() {
    const ROWS: i32 = 30_000;
    let Some(temporary) = Volume::mount(1, "a full file system of temporary files") else { return };
    let (mut server, connection) = start(&["work_mem = 64kB", "maintenance_work_mem = 1MB"]);
    let mut client = server.connect("postgres");
    let mut killed = Killed::issue(&connection, &mut client, 10);
    client
        .batch_execute(&format!(
            "CREATE TABLE users (id integer PRIMARY KEY);
             INSERT INTO users SELECT n FROM generate_series(1, {ROWS}) n;
             SELECT tokenauth.put_principal('user:2');
             SELECT count(*) FROM generate_series(1, {ROWS}) n, LATERAL tokenauth.issue('key', 'user:2', n::text);
             ANALYZE"
        ))
        .unwrap();
    client.batch_execute(&format!("CREATE TABLESPACE small LOCATION '{}'", temporary.path().display())).unwrap();
    temporary.fill();
    for limit in ["SET temp_tablespaces = 'small'", "RESET temp_tablespaces; SET temp_file_limit = 64"] {
        client.batch_execute(limit).unwrap();
        let mut refused = 0;
        for call in [
            "SELECT tokenauth.list()",
            "SELECT count(*) FROM tokenauth.list()",
            "SELECT tokenauth.export_revocations('2020-01-01')",
            "SELECT tokenauth.bind_principals('users', 'customer', 'id::text')",
            "SELECT count(*) FROM tokenauth.noncompliant()",
            "SELECT tokenauth.report()",
            "SELECT tokenauth.doctor()",
            "SELECT tokenauth.revoke_all(kind => 'key')",
            "SELECT tokenauth.purge('1 day')",
        ] {
            client.batch_execute("BEGIN").unwrap();
            if let Err(error) = client.batch_execute(call) {
                let full = [SqlState::DISK_FULL, SqlState::CONFIGURATION_LIMIT_EXCEEDED];
                assert!(error.code().is_some_and(|code| full.contains(code)), "{limit}: {call}: {error:?}");
                refused += 1;
            }
            client.batch_execute("ROLLBACK").unwrap();
        }
        println!("{limit}: {refused} of 9 calls were refused");
        assert!(refused > 0, "{limit}: nothing needed a temporary file");
        killed.revoke(&mut client).unwrap();
        assert_eq!(killed.check(&mut client), killed.known.len());
    }
    temporary.empty();
    killed.goes_on(&mut server);
}
