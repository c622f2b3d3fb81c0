//! Runs the programs of `examples/clients` as they are: each prints what its `expected.txt` says, in whatever
//! form it presents the token, and the log shows of tokens what the table in docs/security says, and nothing else.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use postgres::Client;
use tokenauth_cluster::{FAST, Needles, Server, built, example, finish, has_library, prepared, published_channels};

/// Every module that logs is loaded but logs nothing; each channel switches on its own, for the programs' role.
const QUIET: &[&str] = &[
    "shared_preload_libraries = 'pg_stat_statements,auto_explain,tokenauth'",
    "timezone = 'UTC'",
    "log_error_verbosity = verbose",
    "log_min_error_statement = panic",
    "log_statement = none",
    "pg_stat_statements.track = all",
];

/// The channels by their names in that table, and what is switched on for each.
const CHANNELS: &[(&str, &[&str])] = &[
    ("statements and durations in the log", &["log_statement = 'all'", "log_min_duration_statement = 0"]),
    (
        "the same, `log_parameter_max_length = 0`",
        &["log_statement = 'all'", "log_min_duration_statement = 0", "log_parameter_max_length = 0"],
    ),
    ("`STATEMENT` of an error", &["log_min_error_statement = error"]),
    ("`CONTEXT` of an error, `log_parameter_max_length_on_error = -1`", &["log_parameter_max_length_on_error = -1"]),
    ("`auto_explain`", &["auto_explain.log_min_duration = 0", "auto_explain.log_verbose = on"]),
];

const FORMS: [&str; 3] = ["LITERAL", "BIND", "DIGEST"];

#[test]
fn psycopg() {
    prove("psycopg", &[&prepared("python/bin/python"), &example("clients/psycopg/client.py")]);
}

#[test]
fn node_postgres() {
    prove("node-postgres", &[&prepared("node"), &example("clients/node-postgres/client.js")]);
}

#[test]
fn tokio_postgres() {
    prove(
        "tokio-postgres",
        &[&built("clients/tokio-postgres", "clients/tokio-postgres").join("tokenauth-tokio-postgres")],
    );
}

/// A connection that breaks tells the program so in an event of its own, which ends a program that does not listen.
#[test]
fn node_postgres_outlives_a_backend_that_is_terminated_under_a_request() {
    if !has_library("pg_stat_statements") {
        return;
    }
    let server = Server::start(&[FAST, QUIET].concat());
    let mut admin = server.connect("postgres");
    admin.batch_execute(include_str!("../../../examples/clients/schema.sql")).unwrap();
    admin
        .batch_execute(
            "CREATE FUNCTION end_backend() RETURNS boolean LANGUAGE sql
             AS 'SELECT pg_terminate_backend(pg_backend_pid())';
             DROP POLICY own ON device;
             CREATE POLICY own ON device USING (tokenauth.current_owner() IS NOT NULL AND end_backend())",
        )
        .unwrap();
    let tokens = FORMS.map(|_| issue(&mut admin));
    let mut program = program(&server, &[&prepared("node"), &example("clients/node-postgres/client.js")], &tokens);
    let output = program.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    // The request has failed, and nothing in this program catches that.
    assert!(told.contains("57P01") && !told.contains("Unhandled 'error' event"), "{told}");
}

/// Runs the program with its arguments once for each channel, with masking and without.
fn prove(name: &str, command: &[&Path]) {
    if !has_library("pg_stat_statements") {
        return;
    }
    let expected = fs::read_to_string(example("clients").join(name).join("expected.txt")).unwrap();
    let mut server = Server::start(&[FAST, QUIET].concat());
    let mut admin = server.connect("postgres");
    admin.batch_execute("CREATE EXTENSION pg_stat_statements").unwrap();
    admin.batch_execute(include_str!("../../../examples/clients/schema.sql")).unwrap();

    let mut presented = Vec::new();
    for (channel, settings) in CHANNELS {
        let [plain, masked] = [false, true].map(|masked| {
            admin.batch_execute("ALTER ROLE app RESET ALL").unwrap();
            admin.batch_execute(&format!("ALTER ROLE app SET tokenauth.mask_logs = {masked}")).unwrap();
            for setting in *settings {
                admin.batch_execute(&format!("ALTER ROLE app SET {setting}")).unwrap();
            }
            let tokens = FORMS.map(|_| issue(&mut admin));
            let before = server.log_text().len();
            let printed = run(&server, command, &tokens);
            assert_eq!(settled(&printed), expected, "what {name} printed is not what its expected.txt says");
            // Server processes write to this log themselves, before they answer the client.
            let log = server.log_text().split_off(before);
            let seen = Needles::of(tokens.each_ref().map(|token| secret(token))).found(log.as_bytes());
            // Any tokens left are ones that were never presented: the results of issue() and rotate().
            let rest = tokens.iter().fold(log, |rest, token| rest.replace(token, ""));
            let tells: bool = admin.query_one("SELECT tokenauth.contains_token($1)", &[&rest]).unwrap().get(0);
            assert!(!tells, "{channel}: the log shows a token that was issued");
            presented.extend(tokens);
            seen
        });
        let cells = [plain[0], plain[1], plain[2], masked[0], masked[1]].map(|seen| if seen { "yes" } else { "no" });
        let row = format!("| {channel} | {} |", cells.join(" | "));
        let published = published_channels();
        assert!(
            published.lines().any(|line| line == row),
            "the table in docs/security does not have what was found:\n{row}"
        );
        assert!(!masked[2], "{channel}: a digest shows nothing of the token");
    }

    let statements = "SELECT count(*) FROM pg_stat_statements WHERE query LIKE '%tokenauth.verify%'";
    let known: i64 = admin.query_one(statements, &[]).unwrap().get(0);
    assert!(known >= 3, "pg_stat_statements has seen each form");
    drop(admin);
    server.stop();
    let secrets = Needles::of(presented.iter().map(|token| secret(token)));
    let in_data = secrets.found_below(&server.file("data"), &|_| false);
    assert!(!in_data.contains(&true), "no token is in a file of the database");
    let in_any = secrets.found_below(&server.file(""), &|_| false);
    assert!(in_any.contains(&true), "what the log has shown is found");
    assert!(!in_any.iter().skip(2).step_by(FORMS.len()).any(|&seen| seen), "what was presented by digest is nowhere");
}

/// What the program prints when it presents these tokens, one in each form.
fn run(server: &Server, command: &[&Path], tokens: &[String; 3]) -> String {
    let output = finish(&mut program(server, command, tokens));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    printed
}

/// The program, with the database and these tokens in its environment.
fn program(server: &Server, command: &[&Path], tokens: &[String; 3]) -> Command {
    let mut program = Command::new(command[0]);
    program.args(&command[1..]).env_clear().env("PATH", env::var_os("PATH").unwrap_or_default());
    program.env("PGHOST", server.file("")).env("PGUSER", "app").env("PGDATABASE", "postgres");
    program.envs(FORMS.map(|form| format!("{form}_TOKEN")).into_iter().zip(tokens));
    program
}

fn issue(admin: &mut Client) -> String {
    let sql = "SELECT token FROM tokenauth.issue('api', 'user:1', 'laptop', scopes => '{devices:read}',
                                                 expires_at => '2040-01-01 00:00+00')";
    admin.query_one(sql, &[]).unwrap().get(0)
}

fn secret(token: &str) -> &str {
    let checksum = token.len() - 6;
    &token[checksum - 32..checksum]
}

/// The text with everything that varies between runs replaced: ids and hints.
fn settled(printed: &str) -> String {
    let mut text = printed.to_owned();
    while let Some(start) = (0..text.len()).find(|&start| text.get(start..start + 36).is_some_and(is_id)) {
        text.replace_range(start..start + 36, "<id>");
    }
    // Such as acme_a1b2c3d4…f9g0.
    let hints = text.split_whitespace().filter(|word| word.contains('…')).map(str::to_owned).collect::<Vec<_>>();
    hints.iter().fold(text, |text, hint| text.replace(hint, "<hint>"))
}

fn is_id(text: &str) -> bool {
    text.bytes().enumerate().all(|(index, byte)| match index {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}
