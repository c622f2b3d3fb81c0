//! `tokenauth.mask_logs`: a log message of any form and length contains no token, but shows where one was.

mod hook;
mod shapes;

use std::fs;

use postgres::Client;
use tokenauth_cluster::contract::serve;
use tokenauth_cluster::{FAST, Server, wait_until};

/// All three forms of log, in `logs/server.*`.
const LOGGING: &[&str] = &[
    "log_destination = 'stderr,csvlog,jsonlog'",
    "logging_collector = on",
    "log_directory = '../logs'",
    "log_filename = 'server.log'",
    "log_rotation_size = 0",
    "log_min_error_statement = error",
];

const LOGS: [&str; 3] = ["logs/server.log", "logs/server.csv", "logs/server.json"];

const PRELOADED: &str = "shared_preload_libraries = 'tokenauth'";

fn started(settings: &[&str]) -> (Server, Client, String) {
    let (server, client, issued) = serve(&[FAST, LOGGING, settings].concat());
    (server, client, issued.token)
}

/// The token as the log may show it.
fn masked(token: &str) -> String {
    let (head, tail) = (token.len() - 41, token.len() - 4);
    format!("{}{}{}", &token[..head], "*".repeat(tail - head), &token[tail..])
}

/// How many tokens the server says to have kept out of its log.
fn counted(server: &Server) -> i64 {
    let sql = "SELECT count FROM tokenauth.stats() WHERE verdict = 'masked_in_log'";
    server.connect("postgres").query_one(sql, &[]).unwrap().get(0)
}

/// The contents of all three logs, once they contain this mark.
fn logs(server: &Server, client: &mut Client, mark: &str) -> [String; 3] {
    client.batch_execute(&format!("DO $$ BEGIN RAISE LOG 'end of {mark}.'; END $$")).unwrap();
    let end = format!("end of {mark}.");
    LOGS.map(|log| {
        let mut text = String::new();
        wait_until("the log to be written", || {
            let written = fs::read(server.file(log)).unwrap_or_default();
            text = String::from_utf8_lossy(&written).into_owned();
            text.contains(&end)
        });
        text
    })
}

#[test]
fn ten_thousand_messages_are_masked_in_every_field_and_lose_nothing_else() {
    let (server, mut client, token) = started(&[PRELOADED, "tokenauth.mask_logs = on"]);
    // In message, detail and hint, and as often in the context, which quotes the statement that raises. The outermost
    // statement, which would be logged with every message, contains the token as well.
    let sql = format!(
        "DO $outer$ BEGIN
             FOR number IN 1..10000 LOOP
                 EXECUTE format('DO $inner$ BEGIN
                                     RAISE LOG ''number {{%s}} of {token}''
                                         USING DETAIL = ''a {token} b'', HINT = ''c {token} d'';
                                 END $inner$',
                                number);
             END LOOP;
         END $outer$"
    );
    client.batch_execute(&sql).unwrap();
    for log in logs(&server, &mut client, "ten thousand") {
        assert!(!log.contains(&token));
        assert_eq!(log.matches(&masked(&token)).count(), 60_000);
        assert_eq!(log.matches(&format!("{{10000}} of {}", masked(&token))).count(), 2, "the message and its context");
        assert!(!log.contains("$outer$"), "no statement that holds a token is logged");
    }
    // Six in each message, and three in the statement that is hidden with it.
    assert_eq!(counted(&server), 90_000);
}

#[test]
fn a_message_of_any_length_is_masked_and_stays_whole() {
    let (server, mut client, token) = started(&[PRELOADED, "tokenauth.mask_logs = on"]);
    let sql = "SELECT $1 || repeat(' before', 20000) || ' ' || $2 || repeat(' after', 20000)";
    let message: String = client.query_one(sql, &[&"long", &token]).unwrap().get(0);
    client
        .batch_execute("CREATE FUNCTION tell(text) RETURNS void LANGUAGE plpgsql AS 'BEGIN RAISE LOG ''%'', $1; END'")
        .unwrap();
    client.execute("SELECT tell($1)", &[&message]).unwrap();
    for log in logs(&server, &mut client, "length") {
        assert!(log.contains(&message.replace(&token, &masked(&token))));
        assert!(!log.contains(&token));
    }
}

#[test]
fn an_error_is_masked_for_the_client_too_and_the_statement_goes_on_with_the_token() {
    let (server, mut client, token) = started(&[PRELOADED, "tokenauth.mask_logs = on"]);
    let error = client.batch_execute(&format!("SELECT 'x {token}'::integer")).unwrap_err();
    let message = error.as_db_error().unwrap().message().to_owned();
    assert_eq!(message, format!("invalid input syntax for type integer: \"x {}\"", masked(&token)));
    // A message in the middle of the statement hides the statement's text, the rest of which has yet to be executed.
    let sql = format!(
        "DO $$ BEGIN RAISE LOG 'before'; END $$ /* {token} */; CREATE TABLE kept AS SELECT '{token}'::text AS token"
    );
    client.batch_execute(&sql).unwrap();
    let kept: String = client.query_one("SELECT token FROM kept", &[]).unwrap().get(0);
    assert_eq!(kept, token);
    for log in logs(&server, &mut client, "errors") {
        assert!(!log.contains(&token));
    }
}

#[test]
fn what_a_message_cuts_off_or_runs_into_other_text_is_masked_too() {
    let (server, mut client, token) = started(&[PRELOADED, "tokenauth.mask_logs = on"]);
    client.batch_execute("CREATE TABLE checked (value text CHECK (value IS NULL))").unwrap();
    let secret = &token[token.len() - 38..token.len() - 6];
    for number in 0..60 {
        let before = " ".repeat(number);
        let calls = [
            format!("SELECT '{{\"key\": \"{token}{before}\" x}}'::json"),
            format!("SELECT '{{\"key\": \"{before}{token}'::json"),
            format!("SELECT '{before}{token}zzz'::uuid"),
            format!("SELECT '{token}{number}'::integer"),
            format!("INSERT INTO checked VALUES ('{before}{token}')"),
            format!("SET ROLE \"{before}{token}\""),
        ];
        for call in calls {
            client.batch_execute(&call).unwrap_err();
        }
    }
    for log in logs(&server, &mut client, "cut") {
        let shown = (0..=secret.len() - 24).find(|&start| log.contains(&secret[start..start + 24]));
        assert_eq!(shown, None, "a piece of the secret is in the log");
    }
}

/// Whether the logs show the token of an error in this session, whose message and statement both contain it.
fn shows(server: &Server, client: &mut Client, token: &str, mark: &str) -> bool {
    client.batch_execute(&format!("SELECT '{mark} {token}'::integer")).unwrap_err();
    let shown = logs(server, client, mark).map(|log| log.contains(&format!("{mark} {token}")));
    assert!(shown == [true; 3] || shown == [false; 3], "the three logs agree");
    shown[0]
}

#[test]
fn masking_is_there_exactly_while_it_is_on() {
    let (server, mut client, token) = started(&[PRELOADED]);
    assert!(shows(&server, &mut client, &token, "default"));
    client.batch_execute("SET tokenauth.mask_logs = on").unwrap();
    assert!(!shows(&server, &mut client, &token, "on"));
    assert!(shows(&server, &mut server.connect("postgres"), &token, "another session"));
    client.batch_execute("SET tokenauth.mask_logs = off").unwrap();
    assert!(shows(&server, &mut client, &token, "off"));
    client.batch_execute("BEGIN; SET LOCAL tokenauth.mask_logs = on; ROLLBACK").unwrap();
    assert!(shows(&server, &mut client, &token, "rolled back"));
    client.batch_execute("RESET tokenauth.mask_logs").unwrap();
    server.reconfigure(&["tokenauth.mask_logs = on"]);
    assert!(!shows(&server, &mut client, &token, "reloaded"));
    assert!(!shows(&server, &mut server.connect("postgres"), &token, "a new session"));
    server.reconfigure(&["tokenauth.mask_logs = off"]);
    assert!(shows(&server, &mut client, &token, "off again"));
}

#[test]
fn a_session_that_has_not_loaded_the_library_masks_nothing() {
    let (server, client, token) = started(&["tokenauth.mask_logs = on"]);
    drop(client);
    let mut client = server.connect("postgres");
    assert!(shows(&server, &mut client, &token, "nothing loaded it"));
    client.batch_execute("LOAD 'tokenauth'").unwrap();
    assert!(!shows(&server, &mut client, &token, "after LOAD"));
    server.reconfigure(&["session_preload_libraries = 'tokenauth'"]);
    assert!(!shows(&server, &mut server.connect("postgres"), &token, "by each session"));
}
