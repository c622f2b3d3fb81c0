//! ParseSphere: keys managed with keys, as Bearer tokens; accounts that are deactivated for a while.

use std::thread;

use serde_json::{Value, json};
use tokenauth_cluster::wait_until;

use crate::product::{Answer, Product};

/// "POST /v1/api-keys: Create a new API key"
const CREATE: &str = r#"curl -X POST https://api.parsesphere.com/v1/api-keys \
-H "Authorization: Bearer sk_your_api_key" \
-H "Content-Type: application/json" \
-d '{
  "name": "Production API Key"
}'"#;

/// "GET /v1/api-keys: List all your API keys"
const LIST: &str = r#"curl https://api.parsesphere.com/v1/api-keys \
-H "Authorization: Bearer sk_your_api_key""#;

/// "DELETE /v1/api-keys/{api_key_id}: Revoke an API key"
const REVOKE: &str = r#"curl -X DELETE https://api.parsesphere.com/v1/api-keys/550e8400-e29b-41d4-a716-446655440000 \
-H "Authorization: Bearer sk_your_api_key""#;

/// "Never hardcode API keys. Store them in environment variables"
const REQUEST: &str = r#"export PARSESPHERE_API_KEY="sk_your_api_key"

# Use in requests
curl -H "Authorization: Bearer $PARSESPHERE_API_KEY" \
https://api.parsesphere.com/v1/parses"#;

const TOKEN: &str = "sk_your_api_key";
const ID: &str = "550e8400-e29b-41d4-a716-446655440000";

fn parsesphere() -> Product {
    let parsesphere = Product::start("parsesphere");
    parsesphere.sql(
        r#"SELECT tokenauth.put_principal('account:ann', '{parses:*}', '{"workspace": ["ann-notes", "acme-shared"]}');
           SELECT tokenauth.put_principal('account:ben', '{parses:*}', '{"workspace": ["ben-notes", "acme-shared"]}');
           SELECT tokenauth.put_principal('org:acme', '{parses:*}', '{"workspace": ["acme-shared"]}');
           SELECT tokenauth.add_member('org:acme', 'account:ann', '{keys:manage}');
           SELECT tokenauth.add_member('org:acme', 'account:ben');
           INSERT INTO parse (workspace, document) VALUES
               ('ann-notes', 'ann.pdf'), ('ben-notes', 'ben.pdf'), ('acme-shared', 'acme.pdf')"#,
    );
    parsesphere
}

fn revoke(parsesphere: &Product, id: &str, token: &str) -> Answer {
    parsesphere.sh(&REVOKE.replace(ID, id), TOKEN, token)
}

fn documents(parsesphere: &Product, token: &str) -> Vec<Value> {
    let parses = parsesphere.sh(REQUEST, TOKEN, token).json(200);
    parses.as_array().unwrap().iter().map(|parse| parse["document"].clone()).collect()
}

fn unauthorized() -> Value {
    json!({"error_code": "unauthorized", "message": "Invalid or expired authentication token"})
}

#[test]
fn a_key_makes_lists_and_revokes_keys() {
    let mut parsesphere = parsesphere();
    // "The easiest way to create an API key is through the dashboard."
    let first = parsesphere.issue("'api-key', 'account:ann', 'First key', actor => 'account:ann'");

    let created = parsesphere.sh(CREATE, TOKEN, &first.token);
    let key = created.json(201);
    let (id, secret) = (key["id"].as_str().unwrap(), key["secret"].as_str().unwrap());
    parsesphere.keep_out_of_logs(secret);
    assert_eq!((&key["name"], &key["is_active"]), (&json!("Production API Key"), &json!(true)));
    assert_eq!(key["prefix"], format!("{}…{}", &secret[..11], &secret[secret.len() - 4..]));
    assert_eq!(created.header("cache-control"), "no-store");
    // With the id in the response, the DBA finds what happened.
    let event = "SELECT event, owner, actor, token_id::text FROM tokenauth.events WHERE correlation_id = $1";
    let event = parsesphere.admin().query_one(event, &[&created.header("x-correlation-id")]).unwrap();
    let event = [0, 1, 2, 3].map(|field| event.get::<_, String>(field));
    assert_eq!(event, ["token.issued", "account:ann", "account:ann", id]);
    assert_eq!(documents(&parsesphere, secret), ["ann.pdf", "acme.pdf"]);

    // "Full keys are never returned after creation." "See when each key was last used. Track request counts."
    let list = parsesphere.sh(LIST, TOKEN, secret);
    assert!(!list.body.contains(secret));
    let listed = |list: &Answer, name: &str| {
        list.json(200).as_array().unwrap().iter().find(|key| key["name"] == name).expect("the key is listed").clone()
    };
    let production = listed(&list, "Production API Key");
    assert_eq!((&production["prefix"], &production["is_active"]), (&key["prefix"], &json!(true)));
    assert!(production["last_used_at"].is_string());
    assert_eq!((&production["request_count"], &listed(&list, "First key")["request_count"]), (&json!(2), &json!(1)));

    // "Revoking a key is immediate." "Requests return 401 Unauthorized"
    let revoked = revoke(&parsesphere, id, &first.token);
    assert_eq!((revoked.status, &*revoked.body), (204, ""));
    assert_eq!(parsesphere.sh(REQUEST, TOKEN, secret).refusal(401), unauthorized());
    assert_eq!(parsesphere.sh(CREATE, TOKEN, secret).refusal(401), unauthorized());
    assert_eq!(listed(&parsesphere.sh(LIST, TOKEN, &first.token), "Production API Key")["is_active"], false);
    // Revoking a key twice succeeds, too.
    assert_eq!(revoke(&parsesphere, id, &first.token).status, 204);
    // The last thing a key can do is to revoke itself.
    assert_eq!(revoke(&parsesphere, &first.id, &first.token).status, 204);
    assert_eq!(revoke(&parsesphere, &first.id, &first.token).refusal(401), unauthorized());
    parsesphere.stop();
}

#[test]
fn a_key_whose_account_is_deactivated_while_its_request_is_under_way_makes_no_key() {
    let mut parsesphere = parsesphere();
    let ann = parsesphere.issue("'api-key', 'account:ann', 'Ann''s'");
    let mut dashboard = parsesphere.admin();
    let mut transaction = dashboard.transaction().unwrap();
    transaction.execute("SELECT tokenauth.deactivate('account:ann')", &[]).unwrap();
    thread::scope(|scope| {
        // The request is let in, since nothing is committed yet; then it waits.
        let request = scope.spawn(|| parsesphere.sh(CREATE, TOKEN, &ann.token));
        let mut admin = parsesphere.admin();
        wait_until("the request to wait for the account", || {
            let waits = "SELECT FROM pg_stat_activity WHERE usename = 'parsesphere_api' AND wait_event_type = 'Lock'";
            !admin.query(waits, &[]).unwrap().is_empty()
        });
        transaction.commit().unwrap();
        let refused = request.join().expect("curl is answered");
        assert_eq!(refused.refusal(401), unauthorized());
        assert_eq!(refused.header("www-authenticate"), r#"Bearer error="invalid_token""#);
    });
    let keys: i64 = parsesphere.admin().query_one("SELECT count(*) FROM tokenauth.tokens", &[]).unwrap().get(0);
    assert_eq!(keys, 1);
    parsesphere.stop();
}

#[test]
fn a_key_manages_no_key_of_somebody_else() {
    let mut parsesphere = parsesphere();
    let ann = parsesphere.issue("'api-key', 'account:ann', 'Ann''s'");
    let ben = parsesphere.issue("'api-key', 'account:ben', 'Ben''s'");
    let unknown = revoke(&parsesphere, ID, &ben.token);
    assert_eq!(unknown.refusal(404), json!({"error_code": "not_found", "message": "There is no such thing"}));
    // For Ben, Ann's key does not exist either, nor does anything that is no id, such as a key pasted in its place.
    for id in [&ann.id, "nonsense", &ann.token] {
        assert_eq!(revoke(&parsesphere, id, &ben.token).refusal(404), unknown.refusal(404));
    }
    assert_eq!(documents(&parsesphere, &ann.token), ["ann.pdf", "acme.pdf"]);
    assert_eq!(parsesphere.sh(LIST, TOKEN, &ben.token).json(200).as_array().unwrap().len(), 1);

    // "Keys created while in an org context are tied to that organization", if the member may create them.
    let in_context = CREATE.replace(r#""Production API Key""#, r#""Acme ingest", "organization": "acme""#);
    assert_eq!(parsesphere.sh(&in_context, TOKEN, &ben.token).refusal(403)["error_code"], "forbidden");
    let org = parsesphere.sh(&in_context, TOKEN, &ann.token).json(201);
    assert_eq!(org["owner"], "org:acme");
    let secret = org["secret"].as_str().unwrap();
    parsesphere.keep_out_of_logs(secret);
    // "They can access workspaces shared within the organization"
    assert_eq!(documents(&parsesphere, secret), ["acme.pdf"]);
    // "All org members with appropriate permissions can see and manage org keys"
    assert_eq!(parsesphere.sh(LIST, TOKEN, &ben.token).json(200).as_array().unwrap().len(), 1);
    parsesphere.sql("SELECT tokenauth.add_member('org:acme', 'account:ben', '{keys:manage}')");
    assert_eq!(parsesphere.sh(LIST, TOKEN, &ben.token).json(200).as_array().unwrap().len(), 2);
    assert_eq!(revoke(&parsesphere, org["id"].as_str().unwrap(), &ben.token).status, 204);
    assert_eq!(parsesphere.sh(REQUEST, TOKEN, secret).refusal(401), unauthorized());

    // Faults in the body are reported in the same form.
    let nameless = CREATE.replace(r#""name": "Production API Key""#, r#""nom": "clef""#);
    assert_eq!(parsesphere.sh(&nameless, TOKEN, &ann.token).refusal(422)["error_code"], "invalid_request");
    let long = CREATE.replace("Production API Key", &"x".repeat(300));
    assert_eq!(parsesphere.sh(&long, TOKEN, &ann.token).refusal(400)["error_code"], "invalid_request");
    assert_eq!(
        parsesphere.sh(&CREATE.replace("json", "xml"), TOKEN, &ann.token).refusal(415)["error_code"],
        "invalid_request"
    );
    parsesphere.stop();
}

#[test]
fn a_deactivated_account_is_told_so_until_it_is_in_good_standing_again() {
    let mut parsesphere = parsesphere();
    let ann = parsesphere.issue("'api-key', 'account:ann', 'Ann''s'");
    let dead = parsesphere.issue("'api-key', 'account:ann', 'revoked before'");
    parsesphere.sql(&format!("SELECT tokenauth.revoke('{}')", dead.id));
    parsesphere.sql("SELECT tokenauth.deactivate('account:ann', 'subscription unpaid')");
    // "Requests return 403 Forbidden with error_code: "account_deactivated""
    let told = json!({
        "error_code": "account_deactivated",
        "message": "The account owning this token has been deactivated",
        "reason": "subscription unpaid",
    });
    for command in [REQUEST, LIST, CREATE] {
        let refused = parsesphere.sh(command, TOKEN, &ann.token);
        assert_eq!(refused.refusal(403), told);
        // No other token would help.
        assert_eq!(refused.header("www-authenticate"), "");
    }
    assert_eq!(parsesphere.sh(REQUEST, TOKEN, &dead.token).refusal(401), unauthorized());
    parsesphere.sql("SELECT tokenauth.activate('account:ann')");
    assert_eq!(documents(&parsesphere, &ann.token), ["ann.pdf", "acme.pdf"]);
    assert_eq!(parsesphere.sh(REQUEST, TOKEN, &dead.token).refusal(401), unauthorized());

    // "All ParseSphere API requests require authentication using an API key."
    let nobody = parsesphere.sh(REQUEST, TOKEN, "");
    assert_eq!(nobody.refusal(401), unauthorized());
    assert_eq!(nobody.header("www-authenticate"), r#"Bearer realm="api""#);
    // When a request has two keys, neither is chosen.
    let both = format!("{LIST} -H \"X-API-Key: {}\"", dead.token);
    let refused = parsesphere.sh(&both, TOKEN, &ann.token);
    assert_eq!(refused.refusal(400)["error_code"], "invalid_request");
    assert_eq!(refused.header("www-authenticate"), r#"Bearer error="invalid_request""#);
    parsesphere.stop();
}
