//! Palpabl NMS: tokens with some of their owner's permissions, for collectors. For its GraphQL API see
//! `postgraphile.rs`.

use serde_json::{Value, json};

use crate::product::Product;

/// "Send the token in the Authorization header of your request to the NMS API as a bearer token"
const LIST: &str = r#"curl https://api.palpabl.com/netbox/api/dcim/devices/ \
  -H "Authorization: Bearer pnms_pat_a1b2c3d4e5f6...""#;

const CHANGE: &str = r#"curl -X PATCH https://api.palpabl.com/netbox/api/dcim/devices/1/ \
  -H "Authorization: Bearer pnms_pat_a1b2c3d4e5f6..." \
  -H "Content-Type: application/json" \
  -d '{"status": "offline"}'"#;

const TOKEN: &str = "pnms_pat_a1b2c3d4e5f6...";

pub fn palpabl() -> Product {
    populate(Product::start("palpabl"))
}

/// Its users and their devices.
pub fn populate(palpabl: Product) -> Product {
    palpabl.sql(
        "SELECT tokenauth.put_principal('user:kim', '{dcim.view_device,dcim.change_device}');
         SELECT tokenauth.put_principal('user:lee', '{*}');
         INSERT INTO device (owner_id, name) VALUES ('kim', 'core-1'), ('lee', 'edge-7')",
    );
    palpabl
}

pub fn names(palpabl: &Product, token: &str) -> Vec<Value> {
    let devices = palpabl.sh(LIST, TOKEN, token).json(200);
    devices.as_array().unwrap().iter().map(|device| device["name"].clone()).collect()
}

#[test]
fn a_token_does_what_its_scopes_and_its_owner_may() {
    let mut palpabl = palpabl();
    let kim = palpabl.issue("'pat', 'user:kim', 'collector', scopes => '{dcim.view_device}', actor => 'user:kim'");
    let lee = palpabl.issue("'pat', 'user:lee', 'everything', actor => 'user:lee'");
    assert_eq!(
        (names(&palpabl, &kim.token), names(&palpabl, &lee.token)),
        (vec![json!("core-1")], vec![json!("edge-7")])
    );

    // "If the token is missing a required permission, the request is rejected"
    let refused = palpabl.sh(CHANGE, TOKEN, &kim.token);
    assert_eq!(
        refused.refusal(403),
        json!({"error": "forbidden", "message": "This token does not permit the request"})
    );
    assert_eq!(refused.header("www-authenticate"), r#"Bearer error="insufficient_scope", scope="dcim.change_device""#);
    // "or edit the token to add it": "the token value stays the same"
    palpabl.sql(&format!(
        "SELECT tokenauth.edit('{}', scopes => '{{dcim.view_device,dcim.change_device}}', actor => 'user:kim')",
        kim.id
    ));
    let changed = palpabl.sh(CHANGE, TOKEN, &kim.token).json(200);
    assert_eq!(changed, json!({"id": 1, "name": "core-1", "status": "offline"}));
    assert_eq!(palpabl.sh(&CHANGE.replace("offline", "melted"), TOKEN, &kim.token).refusal(409)["error"], "conflict");
    // Whatever else Lee may do, that device belongs to somebody else.
    assert_eq!(palpabl.sh(CHANGE, TOKEN, &lee.token).refusal(404)["error"], "not_found");
    assert_eq!(palpabl.sh(&CHANGE.replace("PATCH", "PUT"), TOKEN, &kim.token).status, 405);

    // "it can never do more than you can"
    palpabl.sql("SELECT tokenauth.put_principal('user:kim', '{dcim.view_device}')");
    assert_eq!(palpabl.sh(CHANGE, TOKEN, &kim.token).refusal(403), refused.refusal(403));
    // "Any collector, script, or service still using the token will stop working immediately."
    assert_eq!(names(&palpabl, &kim.token), ["core-1"]);
    palpabl.sql(&format!("SELECT tokenauth.delete('{}', actor => 'user:kim')", kim.id));
    assert_eq!(palpabl.sh(LIST, TOKEN, &kim.token).refusal(401)["error"], "unauthorized");
    assert_eq!(palpabl.sh(LIST, TOKEN, TOKEN).refusal(401), palpabl.sh(LIST, TOKEN, &kim.token).refusal(401));
    palpabl.stop();
}
