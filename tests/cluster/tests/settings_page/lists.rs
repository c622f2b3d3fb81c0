//! Lists show what was asked for, a page at a time.

use crate::demo::Demo;
use crate::visitor::{Visitor, between};

/// The ids of the tokens in a list.
fn ids(page: &str) -> Vec<String> {
    page.split("name=\"id\" value=\"").skip(1).map(|rest| rest[..36].to_owned()).collect()
}

/// All ids from this page on, and how many each page has.
fn walk(visitor: &Visitor, first: &str) -> (Vec<String>, Vec<usize>) {
    let (mut all, mut sizes, mut path) = (Vec::new(), Vec::new(), first.to_owned());
    loop {
        let page = visitor.get(&path).body;
        let ids = ids(&page);
        sizes.push(ids.len());
        all.extend(ids);
        if !page.contains("rel=\"next\"") {
            return (all, sizes);
        }
        path = between(&page, "rel=\"next\" href=\"", "\"").replace("&amp;", "&").replace("&#38;", "&");
    }
}

#[test]
fn every_token_is_on_one_page_and_inactive_ones_only_on_request() {
    let demo = Demo::start();
    demo.sql(
        "SELECT tokenauth.issue('personal', 'user:eli', 'script ' || i, actor => 'user:eli')
           FROM generate_series(1, 60) i;
         SELECT tokenauth.revoke(id) FROM tokenauth.tokens WHERE name LIKE 'script %5'",
    );
    let listed = |condition: &str| {
        demo.value(&format!(
            "SELECT string_agg(id::text, ',' ORDER BY id DESC) FROM tokenauth.tokens WHERE {condition}"
        ))
    };
    let eli = demo.visitor("eli");
    let (active, sizes) = walk(&eli, "/settings/api-tokens");
    assert_eq!(active.join(","), listed("owner = 'user:eli' AND status = 'active'"));
    assert_eq!(sizes, [25, 25, 5]);
    let (revoked, _) = walk(&eli, "/settings/api-tokens?status=revoked");
    assert_eq!(revoked.join(","), listed("owner = 'user:eli' AND status = 'revoked'"));
    let (any, _) = walk(&eli, "/settings/api-tokens?status=*");
    assert_eq!(any.join(","), listed("owner = 'user:eli'"));
    // A status that does not exist shows no more than usual.
    assert_eq!(walk(&eli, "/settings/api-tokens?status=anything").0, active);

    let ada = demo.visitor("ada");
    let (all, _) = walk(&ada, "/system-configuration/api-tokens?status=*");
    assert_eq!(all.join(","), listed("true"));

    // Several at once, after a confirmation that names each.
    let chosen = [("id", &*active[0]), ("id", &*active[1])];
    let confirmation = eli.get(&format!("/settings/api-tokens/revoke?id={}&id={}", active[0], active[1]));
    assert_eq!(ids(&confirmation.body).len(), 2);
    assert_eq!(eli.get("/settings/api-tokens/revoke").status, 422);
    assert_eq!(eli.post("/settings/api-tokens/revoke", &chosen).status, 303);
    assert_eq!(walk(&eli, "/settings/api-tokens").0, active[2..]);
}
