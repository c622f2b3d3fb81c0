//! Somebody signs in and sends every form there is with the tokens of somebody else.

use tokenauth_cluster::http::Answer;

use crate::demo::Demo;
use crate::visitor::{Visitor, shown_text};

/// Where the program says which addresses it has.
const ROUTES: &str = include_str!("../../../../examples/settings_page/src/pages.rs");

/// Everything about tokens that can change, and how much history there is.
const STATE: &str = "SELECT (SELECT string_agg(concat_ws(' ', id, status, owner, name, description, scopes, expires_at,
                                                         networks, rotated_from, revoked_at), E'\\n' ORDER BY id)
                               FROM tokenauth.tokens)
                            || (SELECT count(*) FROM tokenauth.events)";

/// A form that concerns a token.
struct Form {
    route: &'static str,
    path: String,
    fields: Vec<(&'static str, String)>,
}

impl Form {
    fn new(route: &'static str, id: &str, fields: &[(&'static str, &str)]) -> Self {
        let fields = fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { route, path: route.replace("{id}", id), fields }
    }

    fn send(&self, visitor: &Visitor) -> Answer {
        let fields: Vec<_> = self.fields.iter().map(|(name, value)| (*name, &**value)).collect();
        visitor.post(&self.path, &fields)
    }
}

/// Each form, for the token with this id, as a browser would send it. The first three are to edit, show and rotate.
fn forms(visitor: &Visitor, own: &str, id: &str) -> [Form; 6] {
    let rotation = visitor.form(&format!("/settings/api-tokens/{own}/rotate"));
    let edited = [("name", "mine"), ("scope", "devices:read"), ("expires", "7"), ("networks", "")];
    let revoke = |fields| Form::new("/settings/api-tokens/revoke", id, fields);
    [
        Form::new("/settings/api-tokens/{id}/edit", id, &edited),
        Form::new("/settings/api-tokens/{id}/show", id, &[]),
        Form::new("/settings/api-tokens/{id}/rotate", id, &[("form", &rotation), ("grace", "0")]),
        revoke(&[("id", id), ("reason", "mine")]),
        revoke(&[("id", id), ("remove", "on")]),
        // One's own beside it dies no more than the other.
        revoke(&[("id", own), ("id", id)]),
    ]
}

fn id_of(demo: &Demo, owner: &str) -> String {
    demo.value(&format!(
        "SELECT id FROM tokenauth.tokens WHERE owner = '{owner}' AND status = 'active' ORDER BY id LIMIT 1"
    ))
}

#[test]
fn nobody_reads_or_changes_somebody_elses_tokens() {
    let demo = Demo::start();
    let dana = demo.visitor("dana");
    let scout = dana.create("scout", "user:dana", &[("description", "export"), ("expires", "15")]);
    let elis = demo.visitor("eli").create("personal", "user:eli", &[("name", "CI"), ("expires", "7")]);
    let own = id_of(&demo, "user:dana");
    let before = demo.value(STATE);

    for owner in ["user:eli", "integration:hr-sync"] {
        let other = id_of(&demo, owner);
        for rest in ["", "/edit", "/rotate"] {
            assert_eq!(dana.get(&format!("/settings/api-tokens/{other}{rest}")).status, 404, "{owner} {rest}");
        }
        assert_eq!(dana.get(&format!("/settings/api-tokens/revoke?id={own}&id={other}")).status, 404);
        for form in forms(&dana, &own, &other) {
            let answer = form.send(&dana);
            assert!(matches!(answer.status, 403 | 404), "{}: {answer:?}", form.path);
        }
    }
    // Nor does she create one for somebody else, or of a kind that is not hers.
    for (kind, owner) in
        [("personal", "user:eli"), ("integration", "integration:hr-sync"), ("integration", "user:dana")]
    {
        let form = dana.form("/settings/api-tokens/new?kind=personal");
        let answer = dana.post(
            "/settings/api-tokens/new",
            &[("form", &form), ("kind", kind), ("owner", owner), ("name", "mine"), ("expires", "7")],
        );
        assert!(matches!(answer.status, 403 | 404), "{kind} for {owner}: {answer:?}");
    }
    for view in ["all", "expiring", "idle", "unusual", "noncompliant"] {
        assert_eq!(dana.get(&format!("/system-configuration/api-tokens?view={view}")).status, 403);
    }
    let list = dana.get("/settings/api-tokens?owner=all&status=*");
    assert!(list.body.contains("Production API key") && !list.body.contains("user:eli"), "{}", list.body);
    assert_eq!(demo.value(STATE), before);
    assert_eq!((demo.status_of(&elis), demo.status_of(&scout)), (200, 200));

    // The same forms do all of this with one's own token, so it was not the forms that were wrong.
    let scout_id = demo.value("SELECT id FROM tokenauth.tokens WHERE kind = 'scout'");
    let [edit, _, rotate, ..] = forms(&dana, &own, &own);
    let [_, show, ..] = forms(&dana, &own, &scout_id);
    assert_eq!(edit.send(&dana).status, 303);
    assert_eq!(shown_text(&show.send(&dana)), scout);
    let successor = shown_text(&rotate.send(&dana));
    assert_eq!(dana.post("/settings/api-tokens/revoke", &[("id", &scout_id)]).status, 303);
    assert_eq!(demo.status_of(&scout), 401);

    // No form is missing above.
    let successor_id = id_of(&demo, "user:dana");
    let mut sent: Vec<&str> = forms(&dana, &successor_id, &own).iter().map(|form| form.route).collect();
    sent.extend(["/settings/api-tokens/new", "/sign-in", "/sign-out"]);
    for line in ROUTES.lines().filter(|line| line.contains(".route(\"") && line.contains("post(")) {
        let route = line.split('"').nth(1).unwrap();
        assert!(sent.contains(&route), "{route} is not tried");
    }
    demo.stop(&[scout, elis, successor]);
}

#[test]
fn a_member_manages_the_keys_of_an_organisation_and_an_administrator_all() {
    let demo = Demo::start();
    let key = id_of(&demo, "org:acme");
    let revoke = |visitor: &Visitor, id: &str| visitor.post("/settings/api-tokens/revoke", &[("id", id)]).status;
    assert_eq!(revoke(&demo.visitor("eli"), &key), 404);
    let dana = demo.visitor("dana");
    let new = dana.create("api-key", "org:acme", &[("name", "Staging"), ("expires", "never")]);
    assert_eq!(demo.status_of(&new), 200);
    assert_eq!(revoke(&dana, &key), 303);

    let ada = demo.visitor("ada");
    let all = ada.get("/system-configuration/api-tokens").body;
    assert!(all.contains("user:eli") && all.contains("Staging") && !all.contains("Old laptop"), "{all}");
    let eli = id_of(&demo, "user:eli");
    let answer = ada.post("/settings/api-tokens/revoke", &[("id", &eli), ("from", "system"), ("reason", "left")]);
    assert_eq!(answer.header("location"), "/system-configuration/api-tokens?done=revoked");
    let died = "SELECT concat_ws(' ', status, revoked_by, revoke_reason) FROM tokenauth.tokens WHERE id = ";
    assert_eq!(demo.value(&format!("{died}'{eli}'")), "revoked user:ada left");
    let soon = ada.get("/system-configuration/api-tokens?view=expiring").body;
    assert!(soon.contains("Collector in Lyon") && !soon.contains("Staging"), "{soon}");
    assert!(ada.get("/system-configuration/api-tokens?view=idle").body.contains("There are none."));
    demo.stop(&[new]);
}
