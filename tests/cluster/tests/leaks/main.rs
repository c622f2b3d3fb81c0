//! Where the text of a token can be seen on the server, and where it cannot: the table in docs/security, cell by cell.
//!
//! Each channel is tried with tokens of its own, so that whatever is found tells which channel it came from. Any eight
//! consecutive characters of the secret count as found.

mod channels;
mod memory;
mod shown;
mod table;
mod typed;

use std::fs;
use std::path::Path;

use channels::{CHANNELS, CRASH, Channel, FILES, NUMBERS, STATEMENTS, STORED};
use shown::{Form, Shown};
use table::{published, table};
use tokenauth_cluster::contract::prepare;
use tokenauth_cluster::{FAST, Needles, Server, has_library, wait_until};

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

/// The extension that the channel belongs to, if it is one of the auditors.
fn auditor(channel: &Channel) -> Option<&'static str> {
    AUDITORS.into_iter().find(|auditor| channel.name.starts_with(&format!("`{auditor}`")))
}

/// A part of the secret as the numbers of its bytes.
fn numbers(secret: &str) -> String {
    secret[8..24].bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(" ")
}

/// Returns when everything logged so far is in all three files.
fn logs_written(server: &Server) {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static MARKS: AtomicUsize = AtomicUsize::new(0);
    let mark = format!("end of part {}.", MARKS.fetch_add(1, Ordering::Relaxed));
    let raise = format!("DO $$ BEGIN RAISE LOG '{mark}'; END $$");
    server.connect("postgres").batch_execute(&raise).unwrap();
    for log in LOGS {
        wait_until("the log to be written", || {
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
