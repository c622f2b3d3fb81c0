//! The ways in which the text of a token may become visible, each with the statement that tries it.

use std::thread;

use postgres::Client;
use tokenauth_cluster::{Needles, Server, wait_until};

use super::shown::{Form, Shown};

/// A way in which the text of a token may become visible.
pub struct Channel {
    /// Its name in the table.
    pub name: &'static str,
    /// The settings that switch it on.
    pub settings: &'static [&'static str],
    /// Presents the token and returns whether it was seen; `None` if only the logs will tell.
    pub present: fn(&Server, &mut Client, &Shown) -> Option<bool>,
}

/// The channels that are also, or only, searched elsewhere than in the logs.
pub const STATEMENTS: [&str; 2] = ["`pg_stat_statements` and its file", "the same, of utility statements such as `DO`"];
pub const STORED: &str = "`DETAIL` of a constraint";
pub const FILES: &str = "data files, WAL, dumps and base backups";
pub const NUMBERS: &str = "`debug_print_plan`, as numbers";
pub const CRASH: &str = "crash: \"process was running\"";

/// Every one that is tried, in the order of the table.
pub const CHANNELS: &[Channel] = &[
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
        wait_until("the statement to run", || witness.query_one(sleeps, &[&backend]).unwrap().get(0));
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
