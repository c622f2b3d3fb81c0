//! What holds whatever the framework.

use std::thread;

use serde_json::{Value, json};
use tokenauth_cluster::contract::revoke;
use tokenauth_cluster::http::Answer;
use tokenauth_cluster::wait_until;

use crate::application::{Application, json};

/// More callers than the applications have connections, which is two.
const CALLERS: usize = 6;

/// How often each calls.
const ROUNDS: usize = 30;

pub fn prove(application: &mut Application) {
    a_holder_sees_what_is_its_own_and_what_its_scopes_cover(application);
    a_refused_request_gets_what_the_database_says(application);
    the_address_is_that_of_the_connection(application);
    changes_are_committed_before_the_answer_or_not_at_all(application);
    a_revoked_token_is_refused_at_once(application);
    no_identity_is_left_to_the_next_request(application);
    a_request_that_is_given_up_leaves_no_identity(application);
    application.has_asked_once_for_each_request_and_told_no_token();
    nobody_is_let_in_while_the_database_is_away(application);
}

fn a_holder_sees_what_is_its_own_and_what_its_scopes_cover(application: &mut Application) {
    let narrow = application.issue("'api', 'user:1', scopes => '{devices:read}'");
    let wide = application.issue("'api', 'user:1', scopes => '{devices:*,addresses:read}'");
    let other = application.issue("'api', 'user:2', scopes => '{devices:read}'");
    let device = |name: &str, address: Value| json!([{"name": name, "address": address}]);
    assert_eq!(devices(&application.devices(&narrow.token)), device("core-1", Value::Null));
    assert_eq!(devices(&application.devices(&wide.token)), device("core-1", json!("192.0.2.1")));
    assert_eq!(devices(&application.devices(&other.token)), device("edge-7", Value::Null));
    let by_key = application.get("/devices", &[("X-API-Key", &other.token)]);
    assert_eq!(devices(&by_key), device("edge-7", Value::Null));
}

fn a_refused_request_gets_what_the_database_says(application: &mut Application) {
    let kim = application.issue("'api', 'user:1', scopes => '{devices:read}'").token;
    let lee = application.issue("'api', 'user:2', scopes => '{devices:read}'").token;
    let bearer = format!("Bearer {kim}");
    for (headers, status, error, challenge) in [
        (vec![], 401, "unauthorized", r#"Bearer realm="api""#),
        (vec![("Authorization", "Bearer acme_typo")], 401, "unauthorized", r#"Bearer error="invalid_token""#),
        (
            vec![("Authorization", &*bearer), ("X-API-Key", &*lee)],
            400,
            "invalid_request",
            r#"Bearer error="invalid_request""#,
        ),
    ] {
        let answer = application.get("/devices", &headers);
        assert_refused(application, &answer, status, error);
        assert_eq!(answer.header("www-authenticate"), challenge, "{answer:?}");
    }
    let answer = application.add("/devices/new", &["never"], &kim);
    assert_refused(application, &answer, 403, "forbidden");
    assert_eq!(answer.header("www-authenticate"), r#"Bearer error="insufficient_scope", scope="devices:write""#);
    assert_eq!(application.names(), ["core-1", "edge-7"]);

    let trial = "INSERT INTO tokenauth.kind (name, prefix, rate_limit, rate_interval)
                 VALUES ('trial', 'acme_try_', 2, '1 hour')";
    application.admin().batch_execute(trial).unwrap();
    let trial = application.issue("'trial', 'user:1'").token;
    for _ in 0..2 {
        assert_eq!(application.devices(&trial).status, 200);
    }
    let answer = application.devices(&trial);
    assert_refused(application, &answer, 429, "too_many_requests");
    assert!((1..=1800).contains(&answer.header("retry-after").parse().unwrap()), "{answer:?}");
}

fn the_address_is_that_of_the_connection(application: &mut Application) {
    let here = application.issue("'api', 'user:1', networks => '{127.0.0.1/32}'").token;
    let elsewhere = application.issue("'api', 'user:1', networks => '{192.0.2.0/24}'").token;
    assert_eq!(application.devices(&here).status, 200);
    assert_refused(application, &application.devices(&elsewhere), 403, "forbidden");
    for header in ["X-Forwarded-For", "X-Real-IP", "Forwarded"] {
        let headers = [("X-API-Key", &*elsewhere), (header, "192.0.2.7")];
        assert_refused(application, &application.get("/devices", &headers), 403, "forbidden");
    }
}

fn changes_are_committed_before_the_answer_or_not_at_all(application: &mut Application) {
    let kim = application.issue("'api', 'user:1', scopes => '{devices:*}'").token;
    let mut admin = application.admin();
    for number in 0..20 {
        let name = format!("new-{number}");
        assert_eq!(application.add("/devices/new", &[&name], &kim).status, 201);
        let deleted = admin.execute("DELETE FROM device WHERE name = $1", &[&name]).unwrap();
        assert_eq!(deleted, 1, "{name} is there when its request is answered");
    }
    assert_eq!(application.add("/devices/new", &["other", "core-1"], &kim).status, 409);
    let careless = application.add("/careless", &["other", "core-1"], &kim);
    assert_eq!(careless.status, 500, "nobody may be told that it is done");
    assert_eq!(application.names(), ["core-1", "edge-7"]);
}

fn a_revoked_token_is_refused_at_once(application: &mut Application) {
    for _ in 0..5 {
        let kim = application.issue("'api', 'user:1', scopes => '{devices:read}'");
        for _ in 0..3 {
            assert_eq!(application.devices(&kim.token).status, 200);
        }
        assert!(revoke(&mut application.admin(), &kim));
        for _ in 0..3 {
            assert_refused(application, &application.devices(&kim.token), 401, "unauthorized");
        }
    }
}

fn no_identity_is_left_to_the_next_request(application: &mut Application) {
    let kim = application.issue("'api', 'user:1', scopes => '{devices:read}'").token;
    let lee = application.issue("'api', 'user:2', scopes => '{devices:read}'").token;
    let application = &*application;
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (token, name) = if caller % 2 == 0 { (&kim, "core-1") } else { (&lee, "edge-7") };
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let seen = devices(&application.devices(token));
                    assert_eq!(seen, json!([{"name": name, "address": null}]));
                    match round % 3 {
                        0 => assert_eq!(application.owner_without_token(), Value::Null),
                        1 => assert_eq!(application.get("/devices", &[]).status, 401),
                        _ => assert_eq!(application.add("/devices/new", &["never"], token).status, 403),
                    }
                }
            });
        }
    });
    assert_eq!(application.connections("idle in transaction"), 0);
    assert!(application.connections("idle") <= 2, "all take turns on two connections");
}

fn a_request_that_is_given_up_leaves_no_identity(application: &mut Application) {
    let kim = application.issue("'api', 'user:1', scopes => '{devices:*}'").token;
    let lee = application.issue("'api', 'user:2', scopes => '{devices:read}'").token;
    let mut other = application.admin();
    let mut transaction = other.transaction().unwrap();
    transaction.execute("INSERT INTO device VALUES ('given up', '2')", &[]).unwrap();
    let given_up = application.begin_to_add(&["given up"], &kim);
    wait_until("the request to wait for the other transaction", || application.connections("active") == 1);
    drop(given_up);
    for _ in 0..3 {
        assert_eq!(application.owner_without_token(), Value::Null);
        assert_eq!(devices(&application.devices(&lee))[0]["name"], "edge-7");
    }
    transaction.commit().unwrap();
    wait_until("the request to end", || {
        application.connections("active") + application.connections("idle in transaction") == 0
    });
    for _ in 0..3 {
        assert_eq!(application.owner_without_token(), Value::Null);
    }
    application.admin().batch_execute("DELETE FROM device WHERE name = 'given up'").unwrap();
}

fn nobody_is_let_in_while_the_database_is_away(application: &mut Application) {
    let kim = application.issue("'api', 'user:1', scopes => '{devices:read}'").token;
    assert_eq!(application.devices(&kim).status, 200);
    application.server.stop_immediately();
    for _ in 0..2 {
        let answer = application.devices(&kim);
        assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "{answer:?}");
    }
    application.server.start_again();
    wait_until("the application to have its database back", || application.devices(&kim).status == 200);
}

/// What a stream asks for after its handler would be asked on a connection that may be another request's by then.
pub fn a_handler_that_has_ended_works_for_nobody(application: &mut Application) {
    let kim = application.issue("'api', 'user:1', scopes => '{devices:read}'").token;
    let answer = application.get("/late", &[("X-API-Key", &kim)]);
    assert_eq!(answer.status, 200, "the status is on its way before the stream: {answer:?}");
    wait_until("the stream to fail", || application.log().contains("the handler of this request has ended"));
}

/// The devices of an answer, which must be a good one.
#[track_caller]
fn devices(answer: &Answer) -> Value {
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"), "{answer:?}");
    json(answer)
}

/// The answer is the response of `error_response`, and the application's log has its correlation id.
#[track_caller]
fn assert_refused(application: &Application, answer: &Answer, status: u16, error: &str) {
    assert_eq!((answer.status, answer.header("content-type")), (status, "application/json"), "{answer:?}");
    let body = json(answer);
    assert_eq!(body["error"], error, "{answer:?}");
    let id = body["correlationId"].as_str().unwrap_or_else(|| panic!("{answer:?}"));
    assert!(id.len() == 32 && application.log().contains(id), "{answer:?} is not in the log");
}
