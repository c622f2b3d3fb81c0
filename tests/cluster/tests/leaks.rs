//! Where the text of a token can be seen on the server, and where it cannot: the table in docs/security, cell by cell.
//!
//! Each channel is tried with tokens of its own, so that whatever is found tells which channel it came from. Any eight
//! consecutive characters of the secret count as found.

use std::fmt::Write as _;
use std::path::Path;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};
use std::{fs, iter};

use postgres::Client;
use postgres::types::ToSql;
use tokenauth_cluster::contract::{issue, prepare};
use tokenauth_cluster::{FAST, Needles, Server, has_library, published_channels};

/// Extensions of others that show statements in ways of their own; each is tested where it is installed.
const AUDITORS: [&str; 2] = ["pgaudit", "pg_qualstats"];

/// Every module that logs is loaded but logs nothing; each channel switches on its own.
const QUIET: &[&str] = &[
    "pg_qualstats.enabled = off",
    "log_destination = 'stderr,csvlog,jsonlog'",
    "logging_collector = on",
    "log_directory = '../logs'",
    "log_filename = 'server.log'",
    "log_rotation_size = 0",
    "log_rotation_age = 0",
    "log_error_verbosity = verbose",
    "log_min_error_statement = panic",
    "pg_stat_statements.track = all",
    "log_statement = none",
    "wal_level = logical",
    "deadlock_timeout = 50ms",
];

const LOGS: [&str; 3] = ["logs/server.log", "logs/server.csv", "logs/server.json"];

/// How a token is presented.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Literal,
    Bind,
    Digest,
}

/// A token that is presented in one cell, in one form.
struct Shown {
    token: String,
    form: Form,
    /// The call that verifies it.
    call: String,
    /// The token as an SQL text; for a digest, the value that the application has instead.
    text: String,
}

impl Shown {
    /// Issues a token as `client`. What an application would compute, `application` computes.
    fn new(client: &mut Client, application: &mut Client, form: Form) -> Self {
        // The token that `issue` returns must be nowhere either, however much is logged.
        client
            .batch_execute("SET log_statement = 'all'; SET log_duration = on; SET auto_explain.log_min_duration = 0")
            .unwrap();
        let token = issue(client, "user:1").token;
        client.batch_execute("RESET ALL").unwrap();
        let (call, text) = match form {
            Form::Literal => (format!("tokenauth.verify('{token}')"), format!("'{token}'::text")),
            Form::Bind => ("tokenauth.verify($1)".to_owned(), "$1::text".to_owned()),
            Form::Digest => {
                let sha256 = "SELECT encode(sha256(convert_to($1, 'UTF8')), 'hex')";
                let digest: String = application.query_one(sha256, &[&token]).unwrap().get(0);
                let lookup = &token[..4 + 11];
                (format!("tokenauth.verify_digest('{lookup}', '\\x{digest}')"), format!("'{digest}'::text"))
            }
        };
        Shown { token, form, call, text }
    }

    /// The statement with call and text filled in.
    fn fill(&self, sql: &str) -> String {
        sql.replace("{call}", &self.call).replace("{text}", &self.text)
    }

    fn parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        if self.form == Form::Bind { vec![&self.token] } else { vec![] }
    }

    fn run(&self, client: &mut Client, sql: &str) -> Result<(), postgres::Error> {
        client.query(&self.fill(sql), &self.parameters()).map(drop)
    }

    fn secret(&self) -> &str {
        let checksum = self.token.len() - 6;
        &self.token[checksum - 32..checksum]
    }
}

/// A way in which the text of a token may become visible.
struct Channel {
    /// Its name in the table.
    name: &'static str,
    /// The settings that switch it on.
    settings: &'static [&'static str],
    /// Presents the token and returns whether it was seen; `None` if only the logs will tell.
    present: fn(&Server, &mut Client, &Shown) -> Option<bool>,
}

const CHANNELS: &[Channel] = &[
    Channel {
        name: "statements and durations in the log",
        settings: &["log_statement = 'all'", "log_min_duration_statement = 0"],
        present: |_, client, shown| done(shown.run(client, "SELECT verdict FROM {call}")),
    },
    Channel {
        name: "the same, `log_parameter_max_length = 0`",
        settings: &["log_statement = 'all'", "log_min_duration_statement = 0", "log_parameter_max_length = 0"],
        present: |_, client, shown| done(shown.run(client, "SELECT verdict FROM {call}")),
    },
    Channel {
        name: "`STATEMENT` of an error",
        settings: &["log_min_error_statement = error"],
        present: |_, client, shown| failed(&shown.run(client, "SELECT verdict, 1 / (0 * length(verdict)) FROM {call}")),
    },
    Channel {
        name: "`CONTEXT` of an error, `log_parameter_max_length_on_error = -1`",
        settings: &["log_parameter_max_length_on_error = -1"],
        present: |_, client, shown| failed(&shown.run(client, "SELECT verdict, 1 / (0 * length(verdict)) FROM {call}")),
    },
    Channel {
        name: "message of an error about the value",
        settings: &[],
        present: |_, client, shown| failed(&shown.run(client, "SELECT ({text})::integer FROM {call}")),
    },
    Channel {
        name: "`DETAIL` of a constraint",
        settings: &[],
        present: |_, client, shown| {
            let insert = "INSERT INTO stored SELECT {text} FROM {call}";
            shown.run(client, insert).unwrap();
            failed(&shown.run(client, insert))
        },
    },
    Channel {
        name: "`auto_explain`",
        settings: &["auto_explain.log_min_duration = 0", "auto_explain.log_verbose = on"],
        present: |_, client, shown| done(shown.run(client, "SELECT verdict FROM {call}")),
    },
    Channel {
        name: "`pgaudit`",
        settings: &["pgaudit.log = 'all'"],
        present: |_, client, shown| done(shown.run(client, "SELECT verdict FROM {call}")),
    },
    Channel {
        name: "`pgaudit`, `pgaudit.log_parameter = on`",
        settings: &["pgaudit.log = 'all'", "pgaudit.log_parameter = on"],
        present: |_, client, shown| done(shown.run(client, "SELECT verdict FROM {call}")),
    },
    Channel {
        name: "`debug_print_plan`, as numbers",
        // A pretty-printed plan is broken into lines in the middle of numbers.
        settings: &["debug_print_plan = on", "debug_pretty_print = off"],
        present: |_, client, shown| done(shown.run(client, "SELECT verdict FROM {call}")),
    },
    Channel { name: "`DETAIL` of a deadlock", settings: &[], present: deadlock },
    Channel { name: "crash: \"process was running\"", settings: &[], present: crash },
    Channel {
        name: "`pg_stat_activity`",
        settings: &[],
        present: |server, client, shown| {
            shown.run(client, "SELECT verdict FROM {call}").unwrap();
            Some(seen(server, shown, "SELECT string_agg(query, ' ') FROM pg_stat_activity"))
        },
    },
    Channel {
        name: "`pg_prepared_statements`, in the session",
        settings: &[],
        present: |_, client, shown| {
            client.prepare(&shown.fill("SELECT verdict FROM {call}")).map(std::mem::forget).unwrap();
            Some(seen_by(client, shown, "SELECT string_agg(statement, ' ') FROM pg_prepared_statements"))
        },
    },
    Channel {
        name: "`pg_stat_statements` and its file",
        settings: &[],
        present: |server, client, shown| {
            shown.run(client, "SELECT verdict FROM {call}").unwrap();
            Some(seen(server, shown, "SELECT string_agg(query, ' ') FROM pg_stat_statements"))
        },
    },
    Channel {
        name: "the same, of utility statements such as `DO`",
        settings: &[],
        present: |server, client, shown| {
            // A utility statement takes no parameters, and an application that binds does not write the token into one.
            let call = if shown.form == Form::Bind { "tokenauth.verify(NULL)" } else { &shown.call };
            client.batch_execute(&format!("DO $do$ BEGIN PERFORM {call}; END $do$")).unwrap();
            Some(seen(server, shown, "SELECT string_agg(query, ' ') FROM pg_stat_statements"))
        },
    },
    Channel {
        name: "`pg_qualstats`, its example queries",
        settings: &["pg_qualstats.enabled = on", "pg_qualstats.sample_rate = 1"],
        present: |server, client, shown| {
            // Of similar statements it keeps the first, even after a reset: so each of these reads a table of its own,
            // with a name of its own, since 18 tells tables apart by their names.
            let table: String = client.query_one("SELECT 'mine_' || pg_backend_pid()", &[]).unwrap().get(0);
            client.batch_execute(&format!("CREATE TEMPORARY TABLE {table} AS SELECT 1 AS n")).unwrap();
            shown.run(client, &format!("SELECT verdict FROM {{call}}, {table} WHERE n = 1")).unwrap();
            Some(seen(server, shown, "SELECT string_agg(query, ' ') FROM pg_qualstats_example_queries()"))
        },
    },
    Channel {
        name: "`pg_qualstats`, where the token is compared with a column",
        settings: &["pg_qualstats.enabled = on", "pg_qualstats.sample_rate = 1"],
        present: |server, client, shown| {
            shown.run(client, "SELECT verdict FROM {call}, stored WHERE stored.token = {text}").unwrap();
            Some(seen(server, shown, "SELECT string_agg(constvalue, ' ') FROM pg_qualstats"))
        },
    },
    Channel {
        name: "data files, WAL, dumps and base backups",
        settings: &[],
        present: |_, client, shown| {
            for _ in 0..3 {
                shown.run(client, "SELECT verdict FROM {call}").unwrap();
            }
            Some(false)
        },
    },
];

/// The channels that are also, or only, searched elsewhere than in the logs.
const STATEMENTS: [&str; 2] = ["`pg_stat_statements` and its file", "the same, of utility statements such as `DO`"];
const STORED: &str = "`DETAIL` of a constraint";
const FILES: &str = "data files, WAL, dumps and base backups";
const NUMBERS: &str = "`debug_print_plan`, as numbers";
const CRASH: &str = "crash: \"process was running\"";

/// The extension that the channel belongs to, if it is one of the auditors.
fn auditor(channel: &Channel) -> Option<&'static str> {
    AUDITORS.into_iter().find(|auditor| channel.name.starts_with(&format!("`{auditor}`")))
}

fn done(outcome: Result<(), postgres::Error>) -> Option<bool> {
    outcome.unwrap();
    None
}

fn failed(outcome: &Result<(), postgres::Error>) -> Option<bool> {
    assert!(outcome.as_ref().is_err_and(|error| error.as_db_error().is_some()), "the server refuses");
    None
}

/// Makes two sessions wait for each other; the report of the deadlock has the statements of both.
fn deadlock(server: &Server, client: &mut Client, shown: &Shown) -> Option<bool> {
    let sql = "UPDATE lockable SET n = n FROM {call} AS v WHERE id = 2 OR v.verdict IS NULL";
    let mut other = server.connect("postgres");
    client.batch_execute("BEGIN; UPDATE lockable SET n = n WHERE id = 1").unwrap();
    other.batch_execute("BEGIN; UPDATE lockable SET n = n WHERE id = 2").unwrap();
    let outcomes = thread::scope(|scope| {
        let waiting = scope.spawn(move || {
            let outcome = other.batch_execute("UPDATE lockable SET n = n WHERE id = 1").is_ok();
            let _ = other.batch_execute("ROLLBACK");
            outcome
        });
        let outcome = shown.run(client, sql).is_ok();
        let _ = client.batch_execute("ROLLBACK");
        [outcome, waiting.join().unwrap()]
    });
    assert_eq!(outcomes.iter().filter(|is_ok| !**is_ok).count(), 1, "one of two in a deadlock is ended");
    None
}

/// Kills a backend while it runs the statement, which the postmaster then logs.
fn crash(server: &Server, client: &mut Client, shown: &Shown) -> Option<bool> {
    let backend: i32 = client.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    thread::scope(|scope| {
        scope.spawn(move || shown.run(client, "SELECT verdict, pg_sleep(60) FROM {call}").unwrap_err());
        let mut witness = server.connect("postgres");
        let sleeps = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep')";
        until("the statement to run", || witness.query_one(sleeps, &[&backend]).unwrap().get(0));
        server.crash_at(backend);
    });
    None
}

fn seen(server: &Server, shown: &Shown, sql: &str) -> bool {
    seen_by(&mut server.connect("postgres"), shown, sql)
}

fn seen_by(client: &mut Client, shown: &Shown, sql: &str) -> bool {
    let text: String = client.query_one(sql, &[]).unwrap().get(0);
    Needles::of([shown.secret()]).found(text.as_bytes())[0]
}

/// A part of the secret as the numbers of its bytes.
fn numbers(secret: &str) -> String {
    secret[8..24].bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(" ")
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited a minute for {what}");
        sleep(Duration::from_millis(10));
    }
}

/// Returns when everything logged so far is in all three files.
fn logs_written(server: &Server) {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static MARKS: AtomicUsize = AtomicUsize::new(0);
    let mark = format!("end of part {}.", MARKS.fetch_add(1, Ordering::Relaxed));
    let raise = format!("DO $$ BEGIN RAISE LOG '{mark}'; END $$");
    server.connect("postgres").batch_execute(&raise).unwrap();
    for log in LOGS {
        until("the log to be written", || {
            fs::read(server.file(log)).is_ok_and(|text| String::from_utf8_lossy(&text).contains(&mark))
        });
    }
}

/// One channel and one form, with or without masking, and whether the token was seen.
struct Cell {
    channel: usize,
    masked: bool,
    shown: Shown,
    is_seen: bool,
}

#[test]
fn a_token_is_seen_where_the_readme_says_and_nowhere_else() {
    if !has_library("pg_stat_statements") {
        return;
    }
    // A second server, which is not searched, computes what an application would compute.
    let outside = Server::start(FAST);
    let mut application = outside.connect("postgres");
    let (installed, missing): (Vec<&str>, Vec<&str>) = AUDITORS.into_iter().partition(|auditor| has_library(auditor));
    let preload = [&["pg_stat_statements", "auto_explain"], &installed[..], &["tokenauth"]].concat().join(",");
    let preload = format!("shared_preload_libraries = '{preload}'");
    let mut server = Server::start(&[FAST, QUIET, &[&preload]].concat());
    let mut client = server.connect("postgres");
    prepare(&mut client);
    for extension in installed {
        client.batch_execute(&format!("CREATE EXTENSION {extension}")).unwrap();
    }
    client
        .batch_execute(
            "CREATE EXTENSION pg_stat_statements;
             CREATE TABLE stored (token text UNIQUE);
             CREATE TABLE lockable (id integer PRIMARY KEY, n integer);
             INSERT INTO lockable VALUES (1, 0), (2, 0)",
        )
        .unwrap();

    let mut cells = Vec::new();
    let tried = |channel: &Channel| auditor(channel).is_none_or(|auditor| !missing.contains(&auditor));
    let order = |crashes: bool| {
        (0..CHANNELS.len()).filter(move |&index| tried(&CHANNELS[index]) && (CHANNELS[index].name == CRASH) == crashes)
    };
    // A crash discards the statistics of statements, so the channels that are searched at the end come after all
    // crashes.
    for (masked, channel) in [false, true]
        .into_iter()
        .flat_map(|masked| order(true).map(move |channel| (masked, channel)))
        .chain([false, true].into_iter().flat_map(|masked| order(false).map(move |channel| (masked, channel))))
    {
        server.reconfigure(&[&format!("tokenauth.mask_logs = {masked}")]);
        for form in [Form::Literal, Form::Bind, Form::Digest] {
            let shown = Shown::new(&mut server.connect("postgres"), &mut application, form);
            let mut client = server.connect("postgres");
            for setting in CHANNELS[channel].settings {
                client.batch_execute(&format!("SET {setting}")).unwrap();
            }
            let is_seen = (CHANNELS[channel].present)(&server, &mut client, &shown).unwrap_or(false);
            cells.push(Cell { channel, masked, shown, is_seen });
        }
    }
    logs_written(&server);

    let secrets = Needles::of(cells.iter().map(|cell| cell.shown.secret()));
    let logs = LOGS.map(|log| fs::read(server.file(log)).unwrap());
    let in_logs = logs.each_ref().map(|log| secrets.found(log));
    assert_eq!(in_logs[0], in_logs[1], "what is in the text log is in the CSV log");
    assert_eq!(in_logs[0], in_logs[2], "what is in the text log is in the JSON log");
    // A plan may be broken into lines between any two numbers.
    let as_numbers = String::from_utf8_lossy(&logs[0]).split_whitespace().collect::<Vec<_>>().join(" ");
    let dumped = secrets.found(&server.dump("postgres", &["--exclude-table=stored"]));
    let standby = server.standby();
    standby.catch_up_with(&server);
    let is_of_statements = |path: &Path| path.to_string_lossy().contains("/pg_stat");
    let backed_up = secrets.found_below(&standby.file("data"), &is_of_statements);
    drop(standby);
    drop(client);
    server.stop();
    let elsewhere = secrets.found(&fs::read(server.file("log")).unwrap());
    let in_files = secrets.found_below(&server.file("data"), &is_of_statements);
    let of_statements = secrets.found_below(&server.file("data/pg_stat"), &|_| false);

    for (index, cell) in cells.iter_mut().enumerate() {
        let name = CHANNELS[cell.channel].name;
        cell.is_seen |= in_logs[0][index];
        cell.is_seen |= name == NUMBERS && as_numbers.contains(&numbers(cell.shown.secret()));
        cell.is_seen |= STATEMENTS.contains(&name) && of_statements[index];
        if name == STORED {
            // The application itself has stored the token.
            let expected = cell.shown.form != Form::Digest;
            assert_eq!((in_files[index], backed_up[index]), (expected, expected), "what is stored is found");
        } else {
            let files = [in_files[index], backed_up[index], dumped[index], elsewhere[index]];
            cell.is_seen |= name == FILES && files != [false; 4];
            assert_eq!(files, [false; 4], "{name}: in no file but the log");
            assert!(!of_statements[index] || STATEMENTS.contains(&name) || cell.shown.form == Form::Literal);
        }
        assert!(cell.shown.form != Form::Digest || !cell.is_seen, "{name}: a digest shows nothing of the token");
    }
    let found = table(&cells);
    assert_eq!(found, published(&missing), "the table is not what was found, which is:\n{found}");
}

/// The table with what was found.
fn table(cells: &[Cell]) -> String {
    let mut table = String::from(
        "| seen in | literal | bind | digest | literal, masked | bind, masked |\n|---|---|---|---|---|---|\n",
    );
    for (index, channel) in CHANNELS.iter().enumerate() {
        if !cells.iter().any(|cell| cell.channel == index) {
            continue;
        }
        let cell = |form, masked| {
            let cell = cells
                .iter()
                .find(|cell| cell.channel == index && cell.shown.form == form && cell.masked == masked)
                .expect("every cell was tried");
            if cell.is_seen { "yes" } else { "no" }
        };
        let columns = [
            cell(Form::Literal, false),
            cell(Form::Bind, false),
            cell(Form::Digest, false),
            cell(Form::Literal, true),
            cell(Form::Bind, true),
        ];
        let row: Vec<_> = iter::once(channel.name).chain(columns).collect();
        writeln!(table, "| {} |", row.join(" | ")).unwrap();
    }
    table
}

/// The table without the rows of these extensions.
fn published(missing: &[&str]) -> String {
    let is_tried = |line: &&str| !missing.iter().any(|extension| line.starts_with(&format!("| `{extension}`")));
    published_channels().lines().filter(is_tried).fold(String::new(), |table, line| table + line + "\n")
}
