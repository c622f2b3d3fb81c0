//! What goes wrong around a service: too large, too often, abandoned, database gone, and everybody at once.

use std::io::Write as _;
use std::net::TcpStream;
use std::thread;

use serde_json::json;
use tokenauth_cluster::contract::{issue, prepare};
use tokenauth_cluster::{FAST, Server, cargo, finish, wait_until};

use crate::palpabl::{names, palpabl};

const CHANGE: &str = r#"curl -X PATCH https://palpabl.example/netbox/api/dcim/devices/1/ -H "X-API-Key: TOKEN" \
    -H "Content-Type: application/json" -d '{"status": "offline"}'"#;
const LIST: &str = r#"curl https://palpabl.example/netbox/api/dcim/devices/ -H "X-API-Key: TOKEN""#;

#[test]
fn too_much_and_too_often_is_told_what_to_do() {
    let mut palpabl = palpabl();
    let kim = palpabl.issue("'pat', 'user:kim'");
    let large = CHANGE.replace("-d '{\"status\": \"offline\"}'", "-d @<(head -c 70000 /dev/zero | tr '\\0' x)");
    let refused = palpabl.sh(&large, "TOKEN", &kim.token).json(413);
    assert_eq!(refused["error"], "invalid_request");
    assert_eq!(
        palpabl.sh("curl https://palpabl.example/elsewhere # TOKEN", "TOKEN", "").json(404)["error"],
        "not_found"
    );

    // A token that is bound to networks is judged by the address from which the request came.
    let bound = palpabl.issue("'pat', 'user:kim', networks => '{127.0.0.1/32}'");
    let elsewhere = palpabl.issue("'pat', 'user:kim', networks => '{10.0.0.0/8}'");
    assert_eq!(names(&palpabl, &bound.token), ["core-1"]);
    assert_eq!(palpabl.sh(LIST, "TOKEN", &elsewhere.token).refusal(403)["error"], "forbidden");

    palpabl.sql("UPDATE tokenauth.kind SET rate_limit = 3, rate_interval = '1 hour' WHERE name = 'pat'");
    let lee = palpabl.issue("'pat', 'user:lee'");
    for _ in 0..3 {
        assert_eq!(names(&palpabl, &lee.token), ["edge-7"]);
    }
    let refused = palpabl.sh(LIST, "TOKEN", &lee.token);
    let told = json!({"error": "too_many_requests", "message": "Too many requests with this token"});
    assert_eq!(refused.refusal(429), told);
    assert!((1..=1200).contains(&refused.header("retry-after").parse().unwrap()), "{refused:?}");
    palpabl.stop();
}

#[test]
fn a_request_that_was_given_up_leaves_neither_a_change_nor_an_identity() {
    let mut palpabl = palpabl();
    // With this timeout, the server itself would end the transaction after a while.
    palpabl.sql("ALTER ROLE palpabl_api RESET idle_in_transaction_session_timeout");
    let kim = palpabl.issue("'pat', 'user:kim'");
    let mut other = palpabl.server.connect("postgres");
    let mut transaction = other.transaction().unwrap();
    transaction.execute("SELECT FROM device WHERE id = 1 FOR UPDATE", &[]).unwrap();
    let mut curl = palpabl.begin(CHANGE, "TOKEN", &kim.token);
    let mut admin = palpabl.admin();
    let mut count = |condition: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE usename = 'palpabl_api' AND {condition}");
        admin.query_one(&sql, &[]).unwrap().get(0)
    };
    wait_until("the change to wait for the row", || count("wait_event_type = 'Lock'") == 1);
    curl.kill().unwrap();
    curl.wait().unwrap();
    wait_until("the transaction that was given up to end", || count("xact_start IS NOT NULL") == 0);
    transaction.rollback().unwrap();
    let status: String = palpabl.admin().query_one("SELECT status FROM device WHERE id = 1", &[]).unwrap().get(0);
    assert_eq!(status, "active");
    assert_eq!(palpabl.sh(CHANGE, "TOKEN", &kim.token).json(200)["status"], "offline");
    palpabl.stop();
}

#[test]
fn nobody_is_let_in_while_the_database_is_away_and_everybody_again_afterwards() {
    let mut palpabl = palpabl();
    let kim = palpabl.issue("'pat', 'user:kim'");
    assert_eq!(names(&palpabl, &kim.token), ["core-1"]);
    palpabl.server.stop_immediately();
    for _ in 0..2 {
        let refused = palpabl.sh(LIST, "TOKEN", &kim.token);
        assert_eq!(refused.refusal(503), json!({"error": "unavailable", "message": "Please try again"}));
        assert_eq!(refused.header("retry-after"), "1");
    }
    palpabl.server.start_again();
    wait_until("the service to have its database back", || palpabl.sh(LIST, "TOKEN", &kim.token).status == 200);
    palpabl.stop();
}

#[test]
fn requests_that_take_turns_on_few_connections_see_their_own_only() {
    let mut palpabl = palpabl();
    let [kim, lee] = ["kim", "lee"].map(|user| palpabl.issue(&format!("'pat', 'user:{user}'")));
    let palpabl = &palpabl;
    thread::scope(|scope| {
        for number in 0..8 {
            let (token, name) = if number % 2 == 0 { (&kim.token, "core-1") } else { (&lee.token, "edge-7") };
            scope.spawn(move || {
                for _ in 0..25 {
                    assert_eq!(names(palpabl, token), [name]);
                    assert_eq!(palpabl.sh(LIST, "TOKEN", "").status, 401);
                }
            });
        }
    });
}

#[test]
fn every_answer_is_found_in_the_log_and_kept_by_no_cache() {
    let mut palpabl = palpabl();
    let kim = palpabl.issue("'pat', 'user:kim'");
    let pasted = palpabl.issue("'pat', 'user:lee'");
    // A token in a name is refused, but may be older than that.
    let named = palpabl.issue("'pat', 'user:kim'");
    palpabl.sql(&format!(
        "ALTER TABLE tokenauth.token DISABLE TRIGGER signal_update;
         UPDATE tokenauth.token SET name = 'key {}' WHERE id = '{}';
         ALTER TABLE tokenauth.token ENABLE ALWAYS TRIGGER signal_update",
        pasted.token, named.id
    ));
    let large = CHANGE.replace("-d '{\"status\": \"offline\"}'", "-d @<(head -c 70000 /dev/zero | tr '\\0' x)");
    let elsewhere = "curl https://palpabl.example/elsewhere/TOKEN";
    let answers = [
        (palpabl.sh(LIST, "TOKEN", &kim.token), 200),
        (palpabl.sh(LIST, "TOKEN", &named.token), 200),
        (palpabl.sh(LIST, "TOKEN", "acme_nonsense"), 401),
        (palpabl.sh(elsewhere, "TOKEN", &kim.token), 404),
        (palpabl.sh(&CHANGE.replace("PATCH", "PUT"), "TOKEN", &kim.token), 405),
        (palpabl.sh(&large, "TOKEN", &kim.token), 413),
    ];
    let log = palpabl.service_log();
    for (answer, status) in &answers {
        assert_eq!(answer.status, *status, "{answer:?}");
        let id = answer.header("x-correlation-id");
        assert!(id.len() == 32 && log.contains(id), "{answer:?} is not in the log:\n{log}");
    }
    for (answer, _) in &answers[..3] {
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    palpabl.stop();
}

#[test]
fn what_the_database_cannot_do_now_is_no_fault_of_the_client() {
    let mut palpabl = palpabl();
    let kim = palpabl.issue("'pat', 'user:kim'");
    // The connections of the pool begin anew, with these settings.
    let set = |setting: &str| {
        palpabl.sql(&format!(
            "ALTER ROLE palpabl_api SET {setting};
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'palpabl_api'"
        ));
        wait_until("the pool to have let go", || palpabl.sh(LIST, "TOKEN", &kim.token).status == 200);
    };
    set("statement_timeout = '300ms'");
    let mut other = palpabl.server.connect("postgres");
    let mut transaction = other.transaction().unwrap();
    transaction.execute("SELECT FROM device WHERE id = 1 FOR UPDATE", &[]).unwrap();
    let slow = palpabl.sh(CHANGE, "TOKEN", &kim.token);
    assert_eq!(slow.refusal(504)["error"], "timeout");
    assert_eq!(slow.header("retry-after"), "1");
    transaction.rollback().unwrap();

    palpabl.sql("ALTER ROLE palpabl_api RESET statement_timeout");
    set("default_transaction_read_only = on");
    let refused = palpabl.sh(CHANGE, "TOKEN", &kim.token);
    assert_eq!(refused.refusal(503), json!({"error": "unavailable", "message": "Please try again"}));
    set("default_transaction_read_only = off");
    assert_eq!(palpabl.sh(CHANGE, "TOKEN", &kim.token).json(200)["status"], "offline");
    palpabl.stop();
}

#[test]
fn half_a_request_does_not_keep_the_service_from_stopping() {
    let mut palpabl = palpabl();
    let kim = palpabl.issue("'pat', 'user:kim'");
    assert_eq!(names(&palpabl, &kim.token), ["core-1"]);
    let mut half = TcpStream::connect(palpabl.address()).unwrap();
    half.write_all(b"GET /netbox/api/dcim/devices/ HTTP/1.1\r\nHost: palp").unwrap();
    palpabl.stop();
}

#[test]
fn a_handler_that_overlooks_an_error_is_found_out_and_one_that_redirects_keeps_its_change() {
    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    client.batch_execute("CREATE TABLE note (text text)").unwrap();
    let issued = issue(&mut client, "user:1");
    let mut tests = cargo("test", "service", "cluster");
    finish(tests.env("DATABASE_URL", server.connection_string("postgres")).env("TOKEN", issued.token));
}
