//! scoutPRIME: tokens with a timeout, which are edited and deleted. Its document shows screens, but no requests.

use serde_json::json;

use crate::product::Product;

const REQUEST: &str = r#"curl -H "Authorization: Bearer TOKEN" https://scoutprime.example/api/workspaces"#;

#[test]
fn a_token_works_until_its_timeout_and_reads_its_owners_workspaces() {
    let mut scoutprime = Product::start("scoutprime");
    scoutprime.write_keys("seal example 1111111111111111111111111111111111111111111111111111111111111111");
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

/// The screen API Tokens, and its button Show.
const TOKENS: &str = r#"curl -H "Authorization: Bearer TOKEN" https://scoutprime.example/api/tokens"#;

#[test]
fn the_text_of_an_own_token_is_shown_again_while_the_server_has_its_key() {
    let mut scoutprime = Product::start("scoutprime");
    scoutprime.write_keys("seal example 1111111111111111111111111111111111111111111111111111111111111111");
    scoutprime.sql(
        "SELECT tokenauth.put_principal('user:dana', '{group:api-tokens,workspaces:*}');
         SELECT tokenauth.put_principal('user:eli', '{group:api-tokens,workspaces:*}')",
    );
    let mut issue = |user: &str, days: u32| {
        let arguments = format!("'api', 'user:{user}', description => 'of {user}', expires_in => '{days} days'");
        scoutprime.issue(&arguments)
    };
    let [shown, used, elis] = [issue("dana", 15), issue("dana", 30), issue("eli", 15)];
    let listed = scoutprime.sh(TOKENS, "TOKEN", &used.token).json(200);
    let listed: Vec<_> = listed.as_array().unwrap().iter().map(|token| token["id"].as_str().unwrap()).collect();
    assert_eq!(listed, [used.id.as_str(), shown.id.as_str()]);

    let show = |id: &str| TOKENS.replace("tokens", &format!("tokens/{id}/text"));
    let answer = scoutprime.sh(&show(&shown.id), "TOKEN", &used.token);
    assert_eq!(answer.json(200), json!({"text": shown.token}));
    assert_eq!(answer.header("cache-control"), "no-store");
    let count = "SELECT count(*) FROM tokenauth.events WHERE event = 'token.revealed' AND token_id::text = $1";
    let revealed: i64 = scoutprime.admin().query_one(count, &[&shown.id]).unwrap().get(0);
    assert_eq!(revealed, 1);
    // For Dana, a token of Eli's does not exist.
    assert_eq!(scoutprime.sh(&show(&elis.id), "TOKEN", &used.token).refusal(404)["error"], "not_found");

    // A lost key is the operator's concern: clients are told to try again, and nothing about files.
    scoutprime.write_keys("# nothing");
    let refused = scoutprime.sh(&show(&shown.id), "TOKEN", &used.token);
    assert_eq!(refused.refusal(503), json!({"error": "unavailable", "message": "Please try again"}));
    assert_eq!(scoutprime.sh(TOKENS, "TOKEN", &used.token).status, 200);
    scoutprime.stop();
}
