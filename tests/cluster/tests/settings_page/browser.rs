//! The page in a browser: with a mouse, with the keyboard alone, without scripts, on a small screen, by axe-core.

use std::env;
use std::path::Path;
use std::process::Command;

use crate::accessibility::{assert_accessible, assert_fits};
use crate::demo::Demo;
use crate::webdriver::{Browser, DOWN, ENTER, SPACE};

/// The status that a curl command from the page gets.
fn status_of(command: &str) -> String {
    assert!(command.starts_with("curl "), "{command}");
    let quietly = "curl() {
        command curl --disable --noproxy '*' --silent --output /dev/null --write-out '%{http_code}' \"$@\"
    }";
    let output = Command::new("bash").arg("-c").arg(format!("{quietly}\n{command}")).output().expect("bash can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn sign_in(browser: &Browser, demo: &Demo, person: &str) {
    browser.open(&format!("{}/sign-in", demo.origin));
    browser.click(&format!("input[value={person}]"));
    browser.click("form[action='/sign-in'] button");
    browser.wait_for("return location.pathname === '/settings/api-tokens' && document.readyState === 'complete'");
}

/// What was copied.
fn clipboard(browser: &Browser) -> String {
    let read =
        "const done = arguments[arguments.length - 1]; navigator.clipboard.readText().then(done, e => done(String(e)))";
    browser.run_to_end(read).as_str().unwrap().to_owned()
}

/// Presses the button at this field of the page that shows a token.
fn copy(browser: &Browser, field: &str) -> String {
    browser.click(&format!("button[data-copies={field}]"));
    browser.wait_for("return document.getElementById('copied').textContent.startsWith('Copied')");
    clipboard(browser)
}

/// The token that the page shows.
fn shown(browser: &Browser) -> String {
    browser.wait_for("return document.getElementById('curl') !== null && document.readyState === 'complete'");
    browser.run("return document.getElementById('text').value").as_str().unwrap().to_owned()
}

#[test]
fn a_token_is_created_copied_used_and_revoked() {
    let Some(browser) = Browser::start("the settings page in a browser") else { return };
    let demo = Demo::start();
    browser.allow_clipboard(&demo.origin);
    sign_in(&browser, &demo, "dana");
    browser.click("a[href='/settings/api-tokens/new']");
    browser.click("a[href*='kind=pat']");
    browser.fill("#name", "Release pipeline");
    browser.click("input[name=scope][value='devices:read']");
    browser.click("form[action='/settings/api-tokens/new'] button");
    let token = shown(&browser);
    assert_eq!(copy(&browser, "text"), token);
    assert_eq!(copy(&browser, "header"), format!("Authorization: Bearer {token}"));
    let command = copy(&browser, "curl");
    assert!(command.contains(&token));
    assert_eq!(status_of(&command), "200");

    // "Clicking on Show […] removes the dots that mask the token code." "The Show button is renamed to Hide".
    browser.open(&format!("{}/settings/api-tokens/new?kind=scout", demo.origin));
    browser.fill("#description", "nightly export");
    browser.click("form[action='/settings/api-tokens/new'] button");
    let scout = shown(&browser);
    browser.open(&format!("{}/settings/api-tokens", demo.origin));
    browser.click("form[action$='/show'] button");
    browser.wait_for("return document.getElementById('text') !== null && document.readyState === 'complete'");
    assert_eq!(browser.run("return document.getElementById('text').value"), scout.as_str());
    browser.click("a.button[href^='/settings/api-tokens/']");
    browser.wait_for("return document.getElementById('text') === null && document.body.innerText.includes('••••')");

    browser.open(&format!("{}/settings/api-tokens", demo.origin));
    let row = "input[aria-label^='Select Release pipeline']";
    browser.click(row);
    browser.click("#several button");
    browser.click("button.danger");
    browser.wait_for("return document.body.innerText.includes('gets 401 from now on')");
    assert_eq!(browser.run(&format!("return document.querySelector(\"{row}\")")), serde_json::Value::Null);
    assert_eq!(status_of(&command), "401");
    drop(browser);
    demo.stop(&[token, scout]);
}

#[test]
fn everything_can_be_done_with_the_keyboard_alone() {
    let Some(browser) = Browser::start("the settings page by keyboard") else { return };
    let demo = Demo::start();
    browser.allow_clipboard(&demo.origin);
    browser.open(&format!("{}/sign-in", demo.origin));
    browser.tab_to("input[name=person]");
    browser.press(DOWN);
    assert_eq!(browser.run("return document.querySelector('input[value=dana]').checked"), true);
    browser.tab_to("form[action='/sign-in'] button");
    browser.press(ENTER);
    browser.wait_for("return location.pathname === '/settings/api-tokens' && document.readyState === 'complete'");
    // The first stop leads past the head of the page.
    browser.tab_to(".skip");
    browser.press(ENTER);
    browser.tab_to("a[href='/settings/api-tokens/new']");
    browser.press(ENTER);
    browser.wait_for("return document.querySelector(\"a[href*='kind=pat']\") !== null");
    browser.tab_to("a[href*='kind=pat']");
    browser.press(ENTER);
    browser.wait_for("return document.getElementById('scopes') !== null");
    browser.tab_to("#name");
    browser.press("Keyboard");
    browser.tab_to("input[name=scope][value='devices:read']");
    browser.press(SPACE);
    browser.tab_to("form[action='/settings/api-tokens/new'] button");
    browser.press(ENTER);
    let token = shown(&browser);
    browser.tab_to("button[data-copies=text]");
    browser.press(ENTER);
    browser.wait_for("return document.getElementById('copied').textContent === 'Copied: token'");
    assert_eq!(clipboard(&browser), token);
    assert_eq!(demo.status_of(&token), 200);
    browser.tab_to("a.button[href='/settings/api-tokens']");
    browser.press(ENTER);
    browser.wait_for("return document.querySelector(\"input[aria-label^='Select Keyboard']\") !== null");
    browser.tab_to("input[aria-label^='Select Keyboard']");
    browser.press(SPACE);
    browser.tab_to("#several button");
    browser.press(ENTER);
    browser.wait_for("return document.querySelector('button.danger') !== null");
    browser.tab_to("button.danger");
    browser.press(ENTER);
    browser.wait_for("return document.body.innerText.includes('gets 401 from now on')");
    assert_eq!(demo.status_of(&token), 401);
}

/// Days of use, so that the chart shows something.
const USED: &str = "
    INSERT INTO tokenauth.usage_hourly (token_id, hour, request_count, denied_count, networks)
    SELECT t.id, date_trunc('hour', now()) - make_interval(days => day), 40 + 37 * day % 90,
           CASE WHEN day = 4 THEN 21 ELSE 0 END, '{203.0.113.0/24}'
      FROM tokenauth.tokens t, generate_series(1, 12) AS day WHERE t.name = 'Monitoring script'";

#[test]
fn every_page_is_accessible_on_a_small_screen_and_without_scripts() {
    let Some(browser) = Browser::start("whether the settings page is accessible") else { return };
    let demo = Demo::start();
    let pictures = env::var_os("TOKENAUTH_PICTURES");
    let photograph = |name: &str| {
        if let Some(directory) = &pictures {
            browser.photograph(&Path::new(directory).join(name));
        }
    };
    demo.sql(USED);
    let dana = demo.visitor("dana");
    browser.resize(1000, 640);
    browser.open(&format!("{}/sign-in", demo.origin));
    assert_accessible(&browser);
    sign_in(&browser, &demo, "dana");
    let id = |name: &str| demo.value(&format!("SELECT id FROM tokenauth.tokens WHERE name = '{name}'"));
    let (used, limited) = (id("Monitoring script"), id("Collector in Lyon"));
    let visit = |paths: &[(&str, Option<&str>)]| {
        for (path, picture) in paths {
            browser.resize(1000, 640);
            browser.open(&format!("{}{path}", demo.origin));
            assert_accessible(&browser);
            assert_fits(&browser);
            if let Some(picture) = picture {
                // As far down as the chart.
                browser.resize(1000, if picture.ends_with("usage.png") { 730 } else { 640 });
                photograph(picture);
            }
            browser.resize(360, 640);
            assert_fits(&browser);
            if picture.is_some_and(|picture| picture.ends_with("list.png")) {
                // Here the table has become cards.
                assert_accessible(&browser);
            }
        }
    };
    visit(&[
        ("/settings/api-tokens?status=*&owner=all", Some("settings-page-list.png")),
        ("/settings/api-tokens/new", None),
        ("/settings/api-tokens/new?kind=pat", Some("settings-page-create.png")),
        (&format!("/settings/api-tokens/{used}"), Some("settings-page-usage.png")),
        (&format!("/settings/api-tokens/{limited}/edit"), None),
        (&format!("/settings/api-tokens/{limited}/rotate"), None),
        (&format!("/settings/api-tokens/revoke?id={used}&id={limited}"), None),
        ("/settings/api-tokens/nowhere", None),
    ]);

    // Nor does a long name stick out anywhere.
    let long = "W".repeat(200);
    let fields = [("name", &*long), ("description", &long), ("expires", "7")];
    dana.create("api-key", "org:acme", &fields);
    let long = id(&long);
    visit(&[
        ("/settings/api-tokens?owner=all", None),
        (&format!("/settings/api-tokens/{long}"), None),
        (&format!("/settings/api-tokens/{long}/rotate"), None),
        (&format!("/settings/api-tokens/revoke?id={long}"), None),
    ]);

    // What was wrong is told as accessibly; then the page with the token, and the progress of its rotation.
    browser.open(&format!("{}/settings/api-tokens/new?kind=personal", demo.origin));
    browser.fill("#name", " ");
    browser.fill("#networks", "somewhere");
    browser.click("form[action='/settings/api-tokens/new'] button");
    browser.wait_for("return document.querySelector('[role=alert]') !== null");
    assert_accessible(&browser);
    browser.open(&format!("{}/settings/api-tokens/{used}/rotate", demo.origin));
    browser.click("form[action$='/rotate'] button");
    shown(&browser);
    assert_accessible(&browser);
    assert_fits(&browser);
    visit(&[(&format!("/settings/api-tokens/{used}"), None)]);

    // Without scripts the buttons that copy are not there, and all else is.
    browser.allow_scripts(false);
    browser.open(&format!("{}/settings/api-tokens/new?kind=personal", demo.origin));
    browser.fill("#name", "No scripts");
    browser.click("form[action='/settings/api-tokens/new'] button");
    let token = shown(&browser);
    assert_eq!(browser.run("return [...document.querySelectorAll('button[data-copies]')].every(b => b.hidden)"), true);
    assert_eq!(demo.status_of(&token), 200);
    browser.allow_scripts(true);

    browser.run("document.querySelector(\"form[action='/sign-out']\").submit()");
    browser.wait_for("return location.pathname === '/sign-in'");
    sign_in(&browser, &demo, "ada");
    visit(&[
        ("/system-configuration/api-tokens", Some("settings-page-administrator.png")),
        ("/system-configuration/api-tokens?view=expiring", None),
        ("/system-configuration/api-tokens?view=idle", None),
        ("/system-configuration/api-tokens?view=unusual", None),
        ("/system-configuration/api-tokens?view=noncompliant", None),
    ]);
}
