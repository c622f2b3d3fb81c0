//! scoutPRIME: tokens with a timeout, which are edited and deleted. Its document shows screens, but no requests.

use serde_json::json;

use crate::product::Product;

const REQUEST: &str = r#"curl -H "Authorization: Bearer TOKEN" https://scoutprime.example/api/workspaces"#;

#[test]
fn a_token_works_until_its_timeout_and_reads_its_owners_workspaces() {
    let mut scoutprime = Product::start("scoutprime");
    scoutprime.sql(
        "SELECT tokenauth.put_principal('user:dana', '{group:api-tokens,workspaces:*}');
         SELECT tokenauth.put_principal('user:eli', '{group:api-tokens,workspaces:*}');
         INSERT INTO workspace (owner_id, name, findings) VALUES ('dana', 'subsidiaries', 3), ('eli', 'vendors', 5)",
    );
    let issue = |scoutprime: &mut Product, timeout: &str| {
        scoutprime.issue(&format!("'api', 'user:dana', expires_in => '{timeout}', actor => 'user:dana'"))
    };
    let dana = issue(&mut scoutprime, "15 days");
    let own = json!([{"id": 1, "name": "subsidiaries"}]);
    assert_eq!(scoutprime.sh(REQUEST, "TOKEN", &dana.token).json(200), own);
    let one = |id: &str| REQUEST.replace("workspaces", &format!("workspaces/{id}"));
    assert_eq!(
        scoutprime.sh(&one("1"), "TOKEN", &dana.token).json(200),
        json!({"id": 1, "name": "subsidiaries", "findings": 3})
    );
    // For Dana, Eli's workspace does not exist, just like one that does not, or an id that is no number.
    for id in ["2", "3", "two", "99999999999"] {
        assert_eq!(scoutprime.sh(&one(id), "TOKEN", &dana.token).refusal(404)["error"], "not_found");
    }

    // "specify the length of time that the API token will be active"
    let brief = issue(&mut scoutprime, "1 millisecond");
    let refused = scoutprime.sh(REQUEST, "TOKEN", &brief.token);
    assert_eq!(
        refused.refusal(401),
        json!({"error": "unauthorized", "message": "Invalid or expired authentication token"})
    );
    assert_eq!(refused.header("www-authenticate"), r#"Bearer error="invalid_token""#);
    // "you can edit the duration of the token"
    scoutprime.sql(&format!("SELECT tokenauth.edit('{}', expires_in => '30 days', actor => 'user:dana')", dana.id));
    assert_eq!(scoutprime.sh(REQUEST, "TOKEN", &dana.token).status, 200);

    // A user who may no longer see workspaces does not see them with a token either.
    scoutprime.sql("SELECT tokenauth.put_principal('user:dana', '{group:api-tokens}')");
    let refused = scoutprime.sh(REQUEST, "TOKEN", &dana.token);
    assert_eq!(refused.refusal(403)["error"], "forbidden");
    assert_eq!(refused.header("www-authenticate"), r#"Bearer error="insufficient_scope", scope="workspaces:read""#);
    scoutprime.sql("SELECT tokenauth.put_principal('user:dana', '{group:api-tokens,workspaces:*}')");
    assert_eq!(scoutprime.sh(REQUEST, "TOKEN", &dana.token).status, 200);
    // "Click Yes to delete the token"
    scoutprime.sql(&format!("SELECT tokenauth.delete('{}', actor => 'user:dana')", dana.id));
    assert_eq!(scoutprime.sh(REQUEST, "TOKEN", &dana.token).status, 401);
    scoutprime.stop();
}
