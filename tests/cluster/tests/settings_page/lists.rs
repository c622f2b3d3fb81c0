//! Lists show what was asked for, a page at a time.

use tokenauth_cluster::wait_until;

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

#[test]
fn use_is_seen_by_the_owner_and_what_is_unusual_by_administrators() {
    let demo = Demo::start();
    let dana = demo.visitor("dana");
    let token = dana.create("personal", "user:dana", &[("name", "Busy"), ("expires", "7")]);
    let id = demo.value("SELECT id FROM tokenauth.tokens WHERE name = 'Busy'");
    (0..3).for_each(|_| assert_eq!(demo.status_of(&token), 200));
    let page = |visitor: &Visitor| visitor.get(&format!("/settings/api-tokens/{id}")).body;
    assert!(page(&dana).contains("<dd>3 accepted, 0 denied</dd>"), "{}", page(&dana));
    wait_until("the chart to show it", || page(&dana).contains("3 requests accepted, 0 denied; at most 3 on one day."));

    let ada = demo.visitor("ada");
    let unusual = || ada.get("/system-configuration/api-tokens?view=unusual").body;
    assert!(unusual().contains("There is nothing unusual."));
    assert_eq!(dana.post("/settings/api-tokens/revoke", &[("id", &id), ("reason", "leaked")]).status, 303);
    assert_eq!(demo.status_of(&token), 401);
    wait_until("the use after death to be told", || {
        unusual().contains("Presented after it was revoked or had expired")
    });
    assert!(ids(&unusual()) == [id.as_str()] && page(&ada).contains("by user:dana: leaked"), "{}", page(&ada));
    demo.stop(&[token]);
}

#[test]
fn tokens_that_break_a_rule_made_since_are_shown_to_administrators() {
    let demo = Demo::start();
    let dana = demo.visitor("dana");
    let token = dana.create("personal", "user:dana", &[("name", "Long"), ("expires", "7")]);
    let id = demo.value("SELECT id FROM tokenauth.tokens WHERE name = 'Long'");
    let ada = demo.visitor("ada");
    let shown = || ada.get("/system-configuration/api-tokens?view=noncompliant").body;
    assert!(shown().contains("Every token keeps the rules of its kind."), "{}", shown());
    demo.sql("UPDATE tokenauth.kind SET default_lifetime = '1 day', max_lifetime = '1 day' WHERE name = 'personal'");
    assert!(shown().contains("Ends later than a new one may"), "{}", shown());
    assert!(ids(&shown()).contains(&id), "{}", shown());
    demo.stop(&[token]);
}
