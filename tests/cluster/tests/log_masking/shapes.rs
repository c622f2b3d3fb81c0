//! Tokens in every shape that PostgreSQL gives a message, logged by many sessions at once, by parallel workers and by a
//! background worker: each is masked and counted, once.

use std::fmt::Write as _;
use std::io::Write as _;
use std::{fs, thread};

use postgres::{Client, Error};
use tokenauth_cluster::{Server, has_library, wait_until};

use super::{LOGS, PRELOADED, counted, logs, masked, started};

/// How many tokens are logged in each shape.
const EACH: u64 = 1_000;

/// A way in which tokens come into the log.
struct Shape {
    what: &'static str,
    settings: &'static [&'static str],
    /// Logs the token, by a session with these settings.
    log: fn(&mut Client, &str),
    /// How many tokens the log then shows, masked.
    shown: u64,
    /// How many are in a statement that is kept off the log.
    hidden: u64,
}

static SHAPES: [Shape; 11] = [
    Shape {
        what: "a statement",
        settings: &["log_statement = 'all'"],
        log: |client, token| client.batch_execute(&format!("SELECT 1 /* {token} */")).unwrap(),
        shown: 1,
        hidden: 0,
    },
    Shape {
        what: "a duration and its statement",
        settings: &["log_min_duration_statement = 0"],
        log: |client, token| client.batch_execute(&format!("SELECT 1 /* {token} */")).unwrap(),
        shown: 1,
        hidden: 0,
    },
    Shape {
        what: "the parameters of a statement",
        settings: &["log_statement = 'all'"],
        log: |client, token| assert_eq!(client.execute("SELECT $1::text", &[&token]).unwrap(), 1),
        shown: 1,
        hidden: 0,
    },
    Shape {
        what: "a value and the parameters of an error",
        settings: &["log_parameter_max_length_on_error = -1"],
        log: |client, token| failed(client.execute("SELECT $1::text::integer", &[&token])),
        shown: 2,
        hidden: 0,
    },
    Shape {
        what: "the statement of an error",
        settings: &[],
        log: |client, token| failed(client.batch_execute(&format!("SELECT 1 / 0 /* {token} {token} */"))),
        shown: 0,
        hidden: 2,
    },
    Shape {
        what: "a value and the statement of an error",
        settings: &[],
        log: |client, token| failed(client.batch_execute(&format!("SELECT '{token}'::integer"))),
        shown: 1,
        hidden: 1,
    },
    Shape {
        what: "the detail of a constraint",
        settings: &[],
        log: |client, token| failed(client.execute("INSERT INTO kept VALUES ($1)", &[&token])),
        shown: 1,
        hidden: 0,
    },
    Shape {
        what: "the query of a function",
        settings: &[],
        log: |client, token| {
            client.execute("SELECT set_config('app.query', 'SELEC /* ' || $1 || ' */', false)", &[&token]).unwrap();
            failed(client.batch_execute("DO $$ BEGIN EXECUTE current_setting('app.query'); END $$"));
        },
        shown: 1,
        hidden: 0,
    },
    Shape {
        what: "a line that is copied",
        settings: &[],
        log: |client, token| {
            let mut lines = client.copy_in("COPY numbers FROM STDIN").unwrap();
            writeln!(lines, "{token}").unwrap();
            failed(lines.finish());
        },
        shown: 2,
        hidden: 0,
    },
    Shape {
        what: "a plan",
        settings: &["auto_explain.log_min_duration = 0"],
        log: |client, token| client.batch_execute(&format!("SELECT 1 /* {token} */")).unwrap(),
        shown: 1,
        hidden: 0,
    },
    Shape {
        what: "a parallel worker",
        settings: &[],
        log: |client, _| client.batch_execute("SELECT count(tell(token)) FROM kept, generate_series(1, 100)").unwrap(),
        shown: 100,
        hidden: 0,
    },
];

/// What the shapes need.
const OBJECTS: &str = "
    CREATE TABLE kept (token text PRIMARY KEY);
    CREATE TABLE numbers (n integer);
    CREATE FUNCTION tell(text) RETURNS text LANGUAGE plpgsql PARALLEL SAFE AS
    $$ BEGIN RAISE LOG 'a worker says %', $1; RETURN $1; END $$;
    -- As whoever uses tokens may have on a table of ours; a worker writes that.
    CREATE FUNCTION tell_use() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE LOG 'used: %', (SELECT token FROM public.kept); RETURN NEW; END $$;
    CREATE TRIGGER tell_use BEFORE INSERT OR UPDATE ON tokenauth.usage FOR EACH ROW EXECUTE FUNCTION tell_use()";

#[expect(clippy::needless_pass_by_value, reason = "what calls return")]
fn failed<T>(result: Result<T, Error>) {
    assert!(result.is_err(), "it should fail");
}

/// A session with what a shape needs switched on.
fn session(server: &Server, shape: &Shape) -> Client {
    let mut client = server.connect("postgres");
    let mut settings = shape.settings.iter().fold(String::new(), |mut settings, setting| {
        write!(settings, "SET {setting};").unwrap();
        settings
    });
    if shape.what == "a plan" {
        settings.insert_str(0, "LOAD 'auto_explain';");
    }
    // Once they are on, they log what comes after.
    client.batch_execute(&settings).unwrap();
    client
}

#[test]
fn tokens_in_every_shape_from_many_processes_are_each_counted_once() {
    let settings = [PRELOADED, "tokenauth.mask_logs = on", "tokenauth.usage_flush_interval = 1s"];
    let (server, mut client, token) = started(&settings);
    client.batch_execute(OBJECTS).unwrap();
    client.execute("INSERT INTO kept VALUES ($1)", &[&token]).unwrap();
    // Makes workers take every query that they may; its name depends on the version.
    let parallel = "SELECT set_config(name, 'on', false) FROM pg_settings
                     WHERE name IN ('force_parallel_mode', 'debug_parallel_query')";

    let shapes: Vec<&Shape> =
        SHAPES.iter().filter(|shape| shape.what != "a plan" || has_library("auto_explain")).collect();
    let (mut shown, mut hidden) = (0, 0);
    thread::scope(|scope| {
        for shape in shapes {
            let rounds = EACH.div_ceil(shape.shown + shape.hidden);
            shown += rounds * shape.shown;
            hidden += rounds * shape.hidden;
            let mut client = session(&server, shape);
            if shape.what == "a parallel worker" {
                assert_eq!(client.query(parallel, &[]).unwrap().len(), 1);
            }
            let token = &token;
            scope.spawn(move || (0..rounds).for_each(|_| (shape.log)(&mut client, token)));
        }
    });
    assert!(shown + hidden >= 10_000, "{shown} and {hidden}");

    // And the worker that writes uses, until it has logged something.
    client.execute("SELECT ok FROM tokenauth.verify($1)", &[&token]).unwrap();
    let used = format!("used: {}", masked(&token));
    wait_until("a use to be written", || {
        fs::read(server.file(LOGS[1])).is_ok_and(|log| String::from_utf8_lossy(&log).contains(&used))
    });
    client.batch_execute("DROP TRIGGER tell_use ON tokenauth.usage").unwrap();

    let [text, csv, json] = logs(&server, &mut client, "the shapes");
    let by_worker = csv.matches(&used).count() as u64;
    for log in [&text, &csv, &json] {
        assert!(!log.contains(&token));
        assert_eq!(log.matches(&masked(&token)).count() as u64, shown + by_worker);
    }
    assert_eq!(counted(&server), (shown + by_worker + hidden).cast_signed());
    for process in ["parallel worker", "tokenauth usage"] {
        let name = format!("\"backend_type\":\"{process}\"");
        assert!(json.lines().any(|line| line.contains(&name) && line.contains(&masked(&token))), "{process}");
    }
}
