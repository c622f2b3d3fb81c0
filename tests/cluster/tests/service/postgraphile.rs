//! Palpabl's GraphQL API, which PostGraphile makes from its tables.

use std::process::Command;

use serde_json::{Value, json};
use tokenauth_cluster::{example, prepared, wait_until};

use crate::palpabl::populate;
use crate::product::{Answer, Product};

/// "For example, calling the GraphQL API with curl"
const REQUEST: &str = r#"curl https://api.palpabl.com/netbox/graphql/ \
  -H "Authorization: Bearer pnms_pat_a1b2c3d4e5f6..." \
  -H "Content-Type: application/json" \
  -d '{"query": "{ __typename }"}'"#;

const TOKEN: &str = "pnms_pat_a1b2c3d4e5f6...";

const DEVICES: &str = "{ allDevices { nodes { id name status } } }";
const TAKE_OFFLINE: &str =
    "mutation { updateDeviceById(input: {id: 1, devicePatch: {status: \\\"offline\\\"}}) { device { name status } } }";

fn palpabl() -> Product {
    populate(Product::behind("palpabl", |server| {
        let mut service = Command::new(prepared("node"));
        let database = format!("postgres://palpabl_api@/postgres?host={}", server.file("").display());
        service.arg(example("postgraphile/server.js")).env("DATABASE_URL", database);
        service
    }))
}

/// The document's request, with another query.
fn ask(palpabl: &Product, query: &str, token: &str) -> Answer {
    palpabl.sh(&REQUEST.replace("{ __typename }", query), TOKEN, token)
}

fn unauthorized() -> Value {
    json!({"error": "unauthorized", "message": "Invalid or expired authentication token"})
}

#[test]
fn a_query_sees_what_the_scopes_and_the_owner_of_its_token_may() {
    let mut palpabl = palpabl();
    let kim = palpabl.issue("'pat', 'user:kim', 'collector', scopes => '{dcim.view_device}', actor => 'user:kim'");
    let lee = palpabl.issue("'pat', 'user:lee', 'everything', actor => 'user:lee'");
    let first = palpabl.sh(REQUEST, TOKEN, &kim.token);
    assert_eq!(first.json(200), json!({"data": {"__typename": "Query"}}));
    assert_eq!(first.header("x-correlation-id").len(), 32);

    let devices = |answer: &Answer| answer.json(200)["data"]["allDevices"]["nodes"].clone();
    let own = json!([{"id": 1, "name": "core-1", "status": "active"}]);
    assert_eq!(devices(&ask(&palpabl, DEVICES, &kim.token)), own);
    let others = json!([{"id": 2, "name": "edge-7", "status": "active"}]);
    assert_eq!(devices(&ask(&palpabl, DEVICES, &lee.token)), others);
    let anothers = ask(&palpabl, "{ deviceById(id: 2) { name } }", &kim.token);
    assert_eq!(anothers.json(200), json!({"data": {"deviceById": null}}));

    // "If the token is missing a required permission, the request is rejected"
    let refused = ask(&palpabl, TAKE_OFFLINE, &kim.token);
    assert_eq!(
        refused.refusal(403),
        json!({"error": "forbidden", "message": "This token does not permit the request"})
    );
    assert_eq!(refused.header("www-authenticate"), r#"Bearer error="insufficient_scope", scope="dcim.change_device""#);
    // "or edit the token to add it"
    palpabl.sql(&format!("SELECT tokenauth.edit('{}', scopes => '{{dcim.view_device,dcim.change_device}}')", kim.id));
    let changed = ask(&palpabl, TAKE_OFFLINE, &kim.token).json(200);
    assert_eq!(changed["data"]["updateDeviceById"]["device"], json!({"name": "core-1", "status": "offline"}));
    // Lee may do everything, but not with Kim's devices.
    let missed = ask(&palpabl, TAKE_OFFLINE, &lee.token).json(200);
    assert_eq!(missed["data"]["updateDeviceById"], Value::Null);
    // A field that nobody has listed is only for tokens that grant everything.
    for unlisted in ["{ nodeId }", "{ __typename, other: nodeId }", "{ ...F } fragment F on Query { query { nodeId } }"]
    {
        assert_eq!(ask(&palpabl, unlisted, &kim.token).refusal(403), refused.refusal(403));
        assert_eq!(ask(&palpabl, unlisted, &lee.token).status, 200);
    }
    palpabl.stop();
}

#[test]
fn a_request_whose_token_is_not_accepted_learns_nothing_of_the_schema() {
    let mut palpabl = palpabl();
    let kim = palpabl.issue("'pat', 'user:kim'");
    let expired = palpabl.issue("'pat', 'user:kim', expires_in => '1 millisecond'");
    assert_eq!(palpabl.sh(REQUEST, TOKEN, &kim.token).status, 200);
    for token in [TOKEN, "", &expired.token] {
        for query in ["{ __typename }", DEVICES, "{ allDevises { nodes { name } } }", "{ __schema { types { name } } }"]
        {
            let refused = ask(&palpabl, query, token);
            assert_eq!(refused.refusal(401), unauthorized());
            let challenge = if token.is_empty() { r#"Bearer realm="api""# } else { r#"Bearer error="invalid_token""# };
            assert_eq!(refused.header("www-authenticate"), challenge);
        }
    }
    // A caller with a valid token is told what is wrong with the query.
    let told = ask(&palpabl, "{ allDevises { nodes { name } } }", &kim.token).json(400);
    assert!(told["errors"][0]["message"].as_str().unwrap().contains("allDevises"));
    assert_eq!(ask(&palpabl, "{ allDevices", &kim.token).json(400)["error"], "invalid_request");
    // What PostgreSQL refuses is rolled back, and reported with its code.
    let melted = ask(&palpabl, &TAKE_OFFLINE.replace("offline", "melted"), &kim.token).json(200);
    assert_eq!(melted["errors"][0]["extensions"]["sqlstate"], "23514");
    let large = REQUEST.replace("{ __typename }", &format!("{{ __typename }} # {}", "x".repeat(70_000)));
    assert_eq!(palpabl.sh(&large, TOKEN, &kim.token).json(413)["error"], "invalid_request");

    // "Deleting a token immediately and permanently revokes it."
    palpabl.sql(&format!("SELECT tokenauth.delete('{}', actor => 'user:kim')", kim.id));
    assert_eq!(palpabl.sh(REQUEST, TOKEN, &kim.token).refusal(401), unauthorized());

    palpabl.server.stop_immediately();
    assert_eq!(palpabl.sh(REQUEST, TOKEN, &kim.token).json(503)["error"], "unavailable");
    palpabl.server.start_again();
    wait_until("the service to have its database back", || palpabl.sh(REQUEST, TOKEN, &kim.token).status == 401);
    palpabl.stop();
}

#[test]
fn a_mutation_that_was_rolled_back_is_not_told_as_done() {
    let mut palpabl = palpabl();
    let kim = palpabl.issue("'pat', 'user:kim'");
    let both = "mutation { \
        done: updateDeviceById(input: {id: 1, devicePatch: {status: \\\"offline\\\"}}) { device { status } } \
        refused: updateDeviceById(input: {id: 1, devicePatch: {status: \\\"melted\\\"}}) { device { status } } }";
    let told = ask(&palpabl, both, &kim.token).json(200);
    assert_eq!(told["errors"][0]["extensions"]["sqlstate"], "23514");
    assert_eq!(told["data"], Value::Null);
    let status: String = palpabl.admin().query_one("SELECT status FROM device WHERE id = 1", &[]).unwrap().get(0);
    assert_eq!(status, "active");
    palpabl.stop();
}

#[test]
fn a_connection_that_breaks_under_a_request_breaks_only_the_request() {
    let mut palpabl = palpabl();
    let kim = palpabl.issue("'pat', 'user:kim'");
    let mut other = palpabl.server.connect("postgres");
    let mut transaction = other.transaction().unwrap();
    transaction.execute("SELECT FROM device WHERE id = 1 FOR UPDATE", &[]).unwrap();
    let request = REQUEST.replace("{ __typename }", TAKE_OFFLINE);
    let mut curl = palpabl.begin(&request, TOKEN, &kim.token);
    let mut admin = palpabl.admin();
    wait_until("the mutation to wait for the row, and to be terminated", || {
        let waiting = "FROM pg_stat_activity WHERE usename = 'palpabl_api' AND wait_event_type = 'Lock'";
        admin.query_opt(&format!("SELECT pg_terminate_backend(pid) {waiting} LIMIT 1"), &[]).unwrap().is_some()
    });
    curl.wait().unwrap();
    transaction.rollback().unwrap();
    assert_eq!(ask(&palpabl, DEVICES, &kim.token).status, 200);
    palpabl.stop();
}
