//! Parascope: personal tokens, service keys, administrators' and read-only keys, in `X-API-Key`.

use serde_json::json;

use crate::product::Product;

/// "Include the token in the X-API-Key header of your API requests"
const REQUEST: &str = r#"curl -H "X-API-Key: ps_usr_your_token_here" \
  https://your-company.parascope.io/api/v1/configuration-items"#;

/// "Or for scripts"
const SCRIPT: &str = r#"# Store token in environment variable
export PARASCOPE_API_KEY="ps_usr_your_token_here"

# Use in requests
curl -H "X-API-Key: $PARASCOPE_API_KEY" \
  https://your-company.parascope.io/api/v1/configuration-items?filter=ci_type:eq:kubernetes.pod"#;

const ADD: &str = r#"curl -X POST https://your-company.parascope.io/api/v1/configuration-items \
  -H "X-API-Key: ps_usr_your_token_here" \
  -H "Content-Type: application/json" \
  -d '{"ci_type": "kubernetes.node", "name": "node-9", "site": "SITE"}'"#;

const TOKEN: &str = "ps_usr_your_token_here";

fn parascope() -> Product {
    let parascope = Product::start("parascope");
    parascope.sql(
        "INSERT INTO users (id, name, permissions, sites) VALUES
             (1, 'Ada', '{*}', NULL), (2, 'Bo', '{ci:read,ci:write}', '{nyc}'), (3, 'Cy', '{ci:read}', '{}');
         INSERT INTO configuration_item (ci_type, name, site) VALUES
             ('kubernetes.pod', 'web-1', 'nyc'),
             ('kubernetes.node', 'node-1', 'nyc'),
             ('kubernetes.pod', 'web-2', 'lon')",
    );
    parascope
}

#[test]
fn a_personal_token_reads_what_its_user_may_see() {
    let mut parascope = parascope();
    let bo = parascope.issue("'personal', 'user:2', 'Monitoring Script', actor => 'user:2'");
    assert_eq!(
        parascope.sh(REQUEST, TOKEN, &bo.token).json(200),
        json!([
            {"id": 1, "ci_type": "kubernetes.pod", "name": "web-1", "site": "nyc"},
            {"id": 2, "ci_type": "kubernetes.node", "name": "node-1", "site": "nyc"},
        ])
    );
    let filtered = parascope.sh(SCRIPT, TOKEN, &bo.token).json(200);
    assert_eq!(filtered, json!([{"id": 1, "ci_type": "kubernetes.pod", "name": "web-1", "site": "nyc"}]));
    let other = SCRIPT.replace("ci_type:eq:", "colour:is:");
    assert_eq!(parascope.sh(&other, TOKEN, &bo.token).refusal(400)["error"], "invalid_request");

    // An empty list of sites allows none; NULL allows all.
    let cy = parascope.issue("'personal', 'user:3', 'script', actor => 'user:3'");
    assert_eq!(parascope.sh(REQUEST, TOKEN, &cy.token).json(200), json!([]));
    let ada = parascope.issue("'personal', 'user:1', 'script', actor => 'user:1'");
    assert_eq!(parascope.sh(REQUEST, TOKEN, &ada.token).json(200).as_array().unwrap().len(), 3);

    // "If your permissions change, the token's effective access changes too."
    parascope.sql("UPDATE users SET sites = '{lon}' WHERE id = 2");
    assert_eq!(parascope.sh(REQUEST, TOKEN, &bo.token).json(200)[0]["name"], "web-2");
    parascope.stop();
}

#[test]
fn each_kind_of_key_does_what_it_is_for() {
    let mut parascope = parascope();
    let add = |site| ADD.replace("SITE", site);
    let bo = parascope.issue("'personal', 'user:2', 'CI/CD Pipeline', actor => 'user:2'");
    let added = parascope.sh(&add("nyc"), TOKEN, &bo.token).json(201);
    assert_eq!(added, json!({"id": 4, "ci_type": "kubernetes.node", "name": "node-9", "site": "nyc"}));
    assert_eq!(parascope.sh(&add("nyc"), TOKEN, &bo.token).refusal(409)["error"], "conflict");
    // Bo may write, but not there.
    let elsewhere = parascope.sh(&add("lon"), TOKEN, &bo.token);
    assert_eq!(elsewhere.refusal(403)["error"], "forbidden");

    // "Read-only keys", here of somebody who may do everything.
    let readonly = parascope.issue("'read-only', 'user:1', 'auditor', actor => 'user:1'");
    assert_eq!(parascope.sh(REQUEST, TOKEN, &readonly.token).json(200).as_array().unwrap().len(), 4);
    let refused = parascope.sh(&add("nyc"), TOKEN, &readonly.token);
    assert_eq!(
        refused.refusal(403),
        json!({"error": "forbidden", "message": "This token does not permit the request"})
    );
    assert_eq!(refused.header("www-authenticate"), r#"Bearer error="insufficient_scope", scope="ci:write""#);

    // "Admin keys", and "Service keys" that "don't expire and aren't tied to a user account".
    let admin = parascope.issue("'admin', 'user:1', 'break glass', actor => 'user:1'");
    assert_eq!(parascope.sh(&add("fra"), TOKEN, &admin.token).status, 201);
    parascope.sql("SELECT tokenauth.put_principal('service:discovery', '{ci:*}')");
    let service = parascope.issue("'service', 'service:discovery', 'nightly discovery'");
    parascope.sql("UPDATE users SET is_active = false");
    assert_eq!(parascope.sh(&add("ams"), TOKEN, &service.token).status, 201);
    assert_eq!(parascope.sh(REQUEST, TOKEN, &admin.token).status, 401);
    // "Until rotated"
    let rotated: String = parascope
        .admin()
        .query_one("SELECT token FROM tokenauth.rotate($1::text::uuid)", &[&service.id])
        .unwrap()
        .get(0);
    parascope.keep_out_of_logs(&rotated);
    assert_eq!(parascope.sh(REQUEST, TOKEN, &service.token).status, 401);
    assert_eq!(parascope.sh(REQUEST, TOKEN, &rotated).status, 200);
    parascope.stop();
}

#[test]
fn a_token_that_was_revoked_or_whose_user_was_deactivated_is_refused_from_the_commit_on() {
    let mut parascope = parascope();
    let [first, second] =
        ["first", "second"].map(|name| parascope.issue(&format!("'personal', 'user:2', '{name}', actor => 'user:2'")));
    let status = |parascope: &Product, token: &str| parascope.sh(REQUEST, TOKEN, token).status;
    assert_eq!((status(&parascope, &first.token), status(&parascope, &second.token)), (200, 200));

    // "Revoked tokens are immediately invalidated — any requests using them will receive a 401 Unauthorized response."
    let mut screen = parascope.server.connect("postgres");
    let mut transaction = screen.transaction().unwrap();
    transaction.execute("SELECT tokenauth.revoke($1::text::uuid, actor => 'user:2')", &[&first.id]).unwrap();
    assert_eq!(status(&parascope, &first.token), 200);
    transaction.commit().unwrap();
    let refused = parascope.sh(REQUEST, TOKEN, &first.token);
    assert_eq!(
        refused.refusal(401),
        json!({"error": "unauthorized", "message": "Invalid or expired authentication token"})
    );
    assert_eq!(refused.header("www-authenticate"), r#"Bearer error="invalid_token""#);
    assert_eq!(status(&parascope, &second.token), 200);

    // "If the user is deactivated, all their tokens are immediately revoked."
    parascope.sql("UPDATE users SET is_active = false WHERE id = 2");
    assert_eq!(parascope.sh(REQUEST, TOKEN, &second.token).refusal(401), refused.refusal(401));
    parascope.sql("UPDATE users SET is_active = true WHERE id = 2");
    assert_eq!(status(&parascope, &second.token), 401);
    // The log has the reason, under the correlation id that the client got.
    let id = refused.header("x-correlation-id");
    let log = parascope.service_log();
    let line = log.lines().find(|line| line.contains(id)).expect("the log has the id");
    assert!(line.contains(r#"verdict="revoked" token="first""#), "{line}");
    assert!(line.contains("GET /api/v1/configuration-items 401"), "{line}");

    // No token at all, and texts that never were tokens.
    let nobody = parascope.sh(REQUEST, &format!(r#"-H "X-API-Key: {TOKEN}""#), "");
    assert_eq!(nobody.refusal(401), refused.refusal(401));
    assert_eq!(nobody.header("www-authenticate"), r#"Bearer realm="api""#);
    let wrong = parascope.sh(REQUEST, TOKEN, TOKEN);
    assert_eq!(wrong.refusal(401), refused.refusal(401));
    parascope.stop();
}
