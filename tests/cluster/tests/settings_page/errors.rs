//! What somebody did wrong is told in plain words at the field, and what they had put in is still there.

use tokenauth_cluster::http::Answer;

use crate::demo::Demo;
use crate::visitor::{Visitor, between, shown_text};

/// What a page says is wrong with a field.
#[track_caller]
fn problem<'a>(answer: &'a Answer, field: &str) -> &'a str {
    between(&answer.body, &format!("id=\"{field}-problem\">"), "<")
}

/// Sends the form of an access token with these fields in place of the usual ones.
fn access_token(visitor: &Visitor, fields: &[(&str, &str)]) -> Answer {
    let usual = [("name", "Collector"), ("scope", "devices:read"), ("expires", "30"), ("networks", "")];
    let usual = usual.into_iter().filter(|(name, _)| !fields.iter().any(|(given, _)| given == name));
    let fields: Vec<_> = usual.chain(fields.iter().copied()).filter(|(_, value)| *value != "-").collect();
    visitor.try_create("pat", "user:dana", &fields)
}

#[test]
fn what_is_wrong_with_a_new_token_is_told_at_its_field() {
    let demo = Demo::start();
    let dana = demo.visitor("dana");
    let before = demo.value("SELECT count(*) FROM tokenauth.tokens");

    let nameless = dana.try_create("personal", "user:dana", &[("name", " "), ("expires", "30")]);
    assert_eq!((nameless.status, problem(&nameless, "name")), (422, "Give the token a name."));
    for (fields, field, status, says) in [
        (&[("networks", "somewhere")][..], "networks", 422, "Write networks such as 203.0.113.0/24"),
        (&[("networks", "10.0.0.1/8")], "networks", 422, "Write networks such as 203.0.113.0/24"),
        (&[("expires", "other"), ("days", "400")], "expires", 422, "The token cannot expire then. It may be 20"),
        (&[("expires", "other"), ("days", "many")], "expires", 422, "Give a number of days"),
        (&[("expires", "never")], "expires", 422, "The token cannot expire then."),
        (&[("scope", "-")], "scopes", 422, "Choose at least one scope"),
        (&[("further_scopes", "admin:all")], "scopes", 403, "You can grant only what is held now."),
        (&[("further_scopes", "no!scope")], "scopes", 422, "These scopes cannot be granted."),
    ] {
        let answer = access_token(&dana, fields);
        assert_eq!(answer.status, status, "{fields:?}");
        assert!(problem(&answer, field).starts_with(says), "{fields:?}: {}", problem(&answer, field));
        assert!(answer.body.contains(&format!("href=\"#{field}\"")), "no link to the field: {fields:?}");
        assert!(answer.body.contains("value=\"Collector\""), "what was put in is lost: {fields:?}");
        assert!(answer.body.contains("aria-invalid=\"true\"") || field == "scopes", "{fields:?}");
    }
    assert_eq!(demo.value("SELECT count(*) FROM tokenauth.tokens"), before);

    // A form works once, so a reload creates no second token.
    let form = dana.form("/settings/api-tokens/new?kind=personal");
    let fields = [("form", &*form), ("kind", "personal"), ("name", "Once"), ("expires", "30")];
    let token = shown_text(&dana.post("/settings/api-tokens/new", &fields));
    let again = dana.post("/settings/api-tokens/new", &fields);
    assert_eq!((again.status, again.header("location")), (303, "/settings/api-tokens?done=sent"));
    assert_eq!(demo.value("SELECT count(*) FROM tokenauth.tokens WHERE name = 'Once'"), "1");

    // What is not offered any more by the time that the form is sent.
    for (change, says) in [
        ("max_active_per_owner = 1", "There are as many of these tokens as there may be."),
        ("closed = true", "No new tokens of this kind are made."),
    ] {
        let form = dana.form("/settings/api-tokens/new?kind=personal");
        demo.sql(&format!("UPDATE tokenauth.kind SET {change} WHERE name = 'personal'"));
        let late = dana.post("/settings/api-tokens/new", &[&[("form", &*form)], &fields[1..]].concat());
        assert!(late.status == 409 && late.body.contains(says), "{late:?}");
        assert!(!dana.get("/settings/api-tokens/new").body.contains("kind=personal"));
        demo.sql("UPDATE tokenauth.kind SET max_active_per_owner = NULL, closed = false WHERE name = 'personal'");
    }
    demo.stop(&[token]);
}

#[test]
fn never_is_offered_only_where_it_is_allowed() {
    let demo = Demo::start();
    let dana = demo.visitor("dana");
    for (kind, offered) in [("personal", true), ("api-key", true), ("scout", false), ("pat", false)] {
        let page = dana.get(&format!("/settings/api-tokens/new?kind={kind}")).body;
        assert_eq!(page.contains("<option value=\"never\">"), offered, "{kind}");
        let begins = between(&page, " selected>", "<");
        assert_eq!(begins, if kind == "pat" { "90 days, as usual" } else { "90 days" }, "{kind}");
        // Scopes are boxes where they can be chosen, and only those that are held.
        assert_eq!(page.contains("name=\"scope\" value=\"reports:read\""), kind == "pat", "{kind}");
    }
    // Nor by leaving the choice out.
    for nothing in ["", "default", "unchanged"] {
        let answer = dana.try_create("personal", "user:dana", &[("name", "For ever"), ("expires", nothing)]);
        assert_eq!((answer.status, problem(&answer, "expires").is_empty()), (422, false), "{nothing}");
    }
    let token = dana.create("personal", "user:dana", &[("name", "For ever"), ("expires", "never")]);
    let of = |name: &str, what: &str| demo.value(&format!("SELECT {what} FROM tokenauth.tokens WHERE name = '{name}'"));
    assert_eq!(of("For ever", "expires_at IS NULL"), "true");
    // "Tokens default to 90 days"
    let usual = shown_text(&access_token(&dana, &[("name", "Usual"), ("expires", "default")]));
    assert_eq!(of("Usual", "expires_at - created_at = interval '90 days'"), "true");
    assert!(!dana.get("/settings/api-tokens/new").body.contains("kind=integration"));
    assert!(!demo.visitor("eli").get("/settings/api-tokens/new").body.contains("kind=scout"));
    demo.stop(&[token, usual]);
}

#[test]
fn editing_and_rotating_say_what_cannot_be_done_any_more() {
    let demo = Demo::start();
    let dana = demo.visitor("dana");
    let token = shown_text(&access_token(&dana, &[]));
    let id = demo.value("SELECT id FROM tokenauth.tokens WHERE name = 'Collector'");
    let edit = format!("/settings/api-tokens/{id}/edit");
    // "you can only grant permissions you currently hold"
    let fields = [("name", "Collector"), ("scope", "devices:read"), ("expires", "unchanged"), ("networks", "")];
    let wider = dana.post(&edit, &[&fields[..], &[("further_scopes", "admin:all")]].concat());
    assert_eq!((wider.status, problem(&wider, "scopes").starts_with("You can grant only")), (403, true));
    // "You can change a token's permissions or expiry date without re-issuing it"
    let narrower = [("name", ""), ("scope", "reports:read"), ("expires", "7"), ("networks", "127.0.0.0/8\r\n::1/128")];
    assert_eq!(dana.post(&edit, &narrower).status, 303);
    let now = "SELECT concat_ws(' ', name, scopes, networks, expires_at < now() + interval '8 days')
                 FROM tokenauth.tokens WHERE id = ";
    assert_eq!(demo.value(&format!("{now}'{id}'")), "{reports:read} {127.0.0.0/8,::1/128} t");
    assert_eq!(demo.status_of(&token), 200);
    // Permissions that are lost are there to be unticked, and saving the rest does not trip over them.
    demo.sql("UPDATE person SET permissions = '{devices:read}' WHERE id = 'dana'");
    assert!(dana.get(&edit).body.contains("value=\"reports:read\" checked"));
    let kept =
        [("name", "x"), ("scope", "reports:read"), ("expires", "unchanged"), ("networks", "127.0.0.0/8\n::1/128")];
    assert_eq!(dana.post(&edit, &kept).status, 303);
    demo.sql("UPDATE person SET permissions = '{devices:read,reports:read,group:api-tokens}' WHERE id = 'dana'");

    let rotate = format!("/settings/api-tokens/{id}/rotate");
    let send = |grace: &str| dana.post(&rotate, &[("form", &dana.form(&rotate)), ("grace", grace)]);
    let long = send("100000");
    assert_eq!((long.status, problem(&long, "grace").starts_with("The old token may not")), (422, true));
    assert_eq!(send("").status, 422);
    let successor = shown_text(&send("24"));
    assert_eq!((demo.status_of(&token), demo.status_of(&successor)), (200, 200));
    let again = send("24");
    assert!(again.status == 409 && again.body.contains("This token was rotated already."), "{}", again.body);
    // The progress, from either end.
    let page = dana.get(&format!("/settings/api-tokens/{id}")).body;
    assert!(page.contains("Your application uses it") && page.contains("something still uses the old one"), "{page}");

    // "You cannot modify expired tokens."
    let brief = dana.create("scout", "user:dana", &[("description", "brief"), ("expires", "7")]);
    let brief_id = demo.value("SELECT id FROM tokenauth.tokens WHERE description = 'brief'");
    demo.sql(&format!(
        "UPDATE tokenauth.token SET created_at = now() - interval '2 days', expires_at = now() - interval '1 day'
          WHERE id = '{brief_id}'"
    ));
    let expired = dana.post(
        &format!("/settings/api-tokens/{brief_id}/edit"),
        &[("description", "longer"), ("expires", "30"), ("networks", "")],
    );
    assert!(expired.status == 409 && expired.body.contains("This token has expired. Delete it"), "{}", expired.body);
    assert_eq!(dana.post("/settings/api-tokens/revoke", &[("id", &brief_id), ("remove", "on")]).status, 303);
    assert!(!dana.get("/settings/api-tokens?status=*").body.contains(&brief_id));
    demo.stop(&[token, successor, brief]);
}
