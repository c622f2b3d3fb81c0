//! What holds for every answer: no cache keeps it, no other site sends forms, and nobody acts for nobody.

use postgres::{Config, NoTls};

use tokenauth_cluster::{cargo, finish, http};

use crate::demo::Demo;

#[test]
fn what_the_program_tests_by_itself_holds() {
    finish(&mut cargo("test", "settings_page", "cluster"));
}

#[test]
fn no_cache_keeps_a_page_and_no_other_site_sends_a_form() {
    let demo = Demo::start();
    let dana = demo.visitor("dana");
    for path in ["/sign-in", "/settings/api-tokens", "/settings/api-tokens/new?kind=pat", "/nowhere", "/api/whoami"] {
        let page = dana.get(path);
        assert_eq!(page.header("cache-control"), "no-store", "{path}");
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!((page.header("x-content-type-options"), page.header("x-frame-options")), ("nosniff", "DENY"));
        assert!(!page.body.contains("<script>") && !page.body.contains("style="), "{path}");
    }
    let id = demo.value("SELECT id FROM tokenauth.tokens WHERE owner = 'user:dana' AND status = 'active' LIMIT 1");
    let elsewhere = [("Origin", "http://evil.test")];
    let other_port = [("Origin", "http://127.0.0.1:1")];
    for headers in [&elsewhere[..], &other_port, &[("Origin", "null")], &[]] {
        let answer = dana.post_with("/settings/api-tokens/revoke", &[("id", &id)], headers);
        assert_eq!(answer.status, 403, "{headers:?}");
    }
    assert_eq!(demo.value(&format!("SELECT status FROM tokenauth.tokens WHERE id = '{id}'")), "active");

    // Who is not signed in, or not any more, is sent to sign in.
    let stranger = |method: &str, cookie: &str| {
        let address = demo.origin.trim_start_matches("http://");
        let form = ("Content-Type", "application/x-www-form-urlencoded");
        let headers = [("Cookie", cookie), ("Origin", &*demo.origin), form];
        http::send(address, method, "/settings/api-tokens/revoke", &headers, &format!("id={id}"))
    };
    for cookie in ["", "session=", "session=00000000-0000-4000-8000-000000000000"] {
        for method in ["GET", "POST"] {
            assert_eq!(stranger(method, cookie).header("location"), "/sign-in", "{method} {cookie}");
        }
    }
    assert_eq!(dana.post("/sign-out", &[]).status, 303);
    assert_eq!(dana.get("/settings/api-tokens").header("location"), "/sign-in");
    let dana = demo.visitor("dana");
    let token = dana.create("personal", "user:dana", &[("name", "CI"), ("expires", "7")]);
    assert_eq!(demo.status_of(&token), 200);
    // The application's own table decides, for the page and for tokens alike.
    demo.sql("UPDATE person SET is_active = false WHERE id = 'dana'");
    assert_eq!(dana.get("/settings/api-tokens").header("location"), "/sign-in");
    assert_eq!(demo.status_of(&token), 401);
    demo.stop(&[token]);
}

#[test]
fn a_server_that_is_away_is_told_and_found_again() {
    let mut demo = Demo::start();
    let dana = demo.visitor("dana");
    let token = dana.create("personal", "user:dana", &[("name", "CI"), ("expires", "7")]);
    demo.server.stop();
    let page = dana.get("/settings/api-tokens");
    assert!(page.status == 503 && page.body.contains("Please try again"), "{page:?}");
    assert_eq!(demo.status_of(&token), 503);
    demo.server.start_again();
    assert_eq!((dana.get("/settings/api-tokens").status, demo.status_of(&token)), (200, 200));
    demo.stop(&[token]);
}

#[test]
fn the_role_of_the_page_cannot_act_without_saying_for_whom() {
    let demo = Demo::start();
    let connect = |role: &str| {
        let mut config: Config = demo.server.connection_string("postgres").parse().unwrap();
        config.user(role).connect(NoTls).unwrap()
    };
    let code = |role: &str, call: &str| {
        let error = connect(role).query(&format!("SELECT * FROM tokenauth.{call}"), &[]).unwrap_err();
        error.code().unwrap().code().to_owned()
    };
    for call in ["list()", "issue('personal', 'user:dana', 'x')", "revoke_all('user:dana')"] {
        assert_eq!(code("settings_page", call), "42501", "{call}");
    }
    // The observer sees all and changes nothing; the API does not even see.
    assert!(!connect("settings_observer").query("SELECT * FROM tokenauth.list()", &[]).unwrap().is_empty());
    let id = demo.value("SELECT id FROM tokenauth.tokens LIMIT 1");
    for role in ["settings_observer", "settings_api"] {
        assert_eq!(code(role, &format!("revoke('{id}')")), "42501", "{role}");
    }
    assert_eq!(code("settings_api", "tokens"), "42501");
}
