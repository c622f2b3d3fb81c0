//! Permission Assist: system-wide tokens; every refusal gets the same 401, and each call is attributed.

use serde_json::json;

use crate::product::Product;

/// "Authorization: Bearer <your-token>"
const USERS: &str = r#"curl -H "Authorization: Bearer <your-token>" https://permission-assist.example/api/v1/users"#;

const APPROVE: &str = concat!(
    r#"curl -X POST -H "Authorization: Bearer <your-token>" "#,
    "https://permission-assist.example/api/v1/reviews/7/approve"
);

const TOKEN: &str = "<your-token>";

#[test]
fn a_token_is_good_for_every_endpoint_or_gets_the_one_answer() {
    let mut assist = Product::start("permission_assist");
    assist.sql(
        "SELECT tokenauth.put_principal('user:admin', '{system:configuration}');
         SELECT tokenauth.put_principal('integration:hr');
         SELECT tokenauth.put_principal('integration:siem');
         INSERT INTO person VALUES (1, 'Ada', 'Audit');
         INSERT INTO review VALUES (7, 1)",
    );
    let issue = |assist: &mut Product, owner: &str, more: &str| {
        assist.issue(&format!("'api', 'integration:{owner}', '{owner}'{more}, actor => 'user:admin'"))
    };
    // "A valid token grants access to all API endpoints"
    let hr = issue(&mut assist, "hr", "");
    assert_eq!(assist.sh(USERS, TOKEN, &hr.token).json(200), json!([{"id": 1, "name": "Ada", "department": "Audit"}]));
    let approved = json!({"id": 7, "person_id": 1, "state": "approved"});
    assert_eq!(assist.sh(APPROVE, TOKEN, &hr.token).json(200), approved);
    assert_eq!(assist.sh(&APPROVE.replace('7', "8"), TOKEN, &hr.token).refusal(404)["error"], "not_found");

    // "Permission Assist updates a last-used timestamp on the token each time it is used to authenticate a request."
    let used = "SELECT last_used_at > created_at AND request_count = 3 FROM tokenauth.tokens WHERE id = $1::text::uuid";
    assert!(assist.admin().query_one(used, &[&hr.id]).unwrap().get::<_, bool>(0));
    // "This makes it easier to identify the source of API calls in audit logs"
    let logged =
        assist.admin().query("SELECT call, review_id, token_id::text, integration FROM audit_log", &[]).unwrap();
    assert_eq!(logged.len(), 1);
    let call: (String, i32, String, String) = (logged[0].get(0), logged[0].get(1), logged[0].get(2), logged[0].get(3));
    assert_eq!(call, ("approve".into(), 7, hr.id.clone(), "integration:hr".into()));

    // "rejects calls with missing, invalid, or expired tokens": "the API returns 401 Unauthorized with a JSON error
    // body"
    let expired = issue(&mut assist, "siem", ", expires_in => '1 millisecond'");
    let deleted = issue(&mut assist, "siem", "");
    assert_eq!(assist.sh(USERS, TOKEN, &deleted.token).status, 200);
    assist.sql(&format!("SELECT tokenauth.delete('{}', actor => 'user:admin')", deleted.id));
    let mut cipher = hr.token.clone();
    cipher.replace_range(20..21, if &hr.token[20..21] == "a" { "b" } else { "a" });
    let body = json!({"error": "unauthorized", "message": "Invalid or expired authentication token"});
    for wrong in ["", "nonsense", &cipher, &expired.token, &deleted.token] {
        assert_eq!(assist.sh(USERS, TOKEN, wrong).refusal(401), body, "{wrong}");
        assert_eq!(assist.sh(APPROVE, TOKEN, wrong).refusal(401), body, "{wrong}");
    }
    let basic = USERS.replace("Bearer", "Basic");
    assert_eq!(assist.sh(&basic, TOKEN, &hr.token).refusal(401), body);
    // "revoke access for a single integration without affecting others"
    assist.sql("SELECT tokenauth.revoke_all('integration:hr', reason => 'integration retired')");
    let siem = issue(&mut assist, "siem", "");
    assert_eq!(assist.sh(USERS, TOKEN, &hr.token).refusal(401), body);
    assert_eq!(assist.sh(USERS, TOKEN, &siem.token).status, 200);
    assist.stop();
}
