//! The page of settings says what the server says of each: its default, and who may set it.

use tokenauth_cluster::{FAST, Server};

use super::pages::page;

/// What PostgreSQL's word for who sets a setting is on the page.
fn set_by(context: &str) -> &'static str {
    match context {
        "user" => "anybody",
        "superuser" => "superusers",
        "sighup" => "postgresql.conf",
        "postmaster" => "postgresql.conf, at start",
        other => panic!("{other}"),
    }
}

/// Name, default and who sets it, from a heading and the line below it: "Default: `on`. Set by: superusers."
fn told(section: &str) -> (String, String, String) {
    let mut lines = section.lines();
    let name = lines.next().expect("a heading").trim_matches('`').to_owned();
    let line = lines.find(|line| !line.is_empty()).expect("a line below the heading");
    let (default, by) = line
        .strip_prefix("Default: ")
        .and_then(|rest| rest.strip_suffix('.'))
        .and_then(|rest| rest.split_once(". Set by: "))
        .unwrap_or_else(|| panic!("{name}: {line}"));
    (name, if default == "none" { String::new() } else { default.trim_matches('`').to_owned() }, by.to_owned())
}

#[test]
fn the_page_of_settings_has_each_with_its_default_and_who_sets_it() {
    let server = Server::start(&[FAST, &["shared_preload_libraries = tokenauth"]].concat());
    let settings = "SELECT name, current_setting(name), context FROM pg_settings WHERE name LIKE 'tokenauth.%'";
    let defined = server.connect("postgres").query(settings, &[]).unwrap();
    let mut expected: Vec<(String, String, String)> =
        defined.iter().map(|row| (row.get(0), row.get(1), set_by(row.get(2)).to_owned())).collect();
    expected.sort();
    let page = page("docs/reference/settings.md").text;
    let mut told: Vec<_> =
        page.split("\n### ").skip(1).filter(|section| section.starts_with("`tokenauth.")).map(told).collect();
    told.sort();
    assert_eq!(told, expected);
}
