//! What the README shows is so: its SQL runs, and its table of settings says what the server says of each, its default,
//! and who may set it.

use tokenauth_cluster::{FAST, Server};

const README: &str = include_str!("../../../README.md");

/// What PostgreSQL's word for who sets a setting is in the table.
fn set_by(context: &str) -> &'static str {
    match context {
        "user" => "",
        "superuser" => "superusers only",
        "sighup" => "in postgresql.conf",
        "postmaster" => "needs a restart",
        other => panic!("{other}"),
    }
}

/// A row of the table: name, default and description, without the marks of Markdown around code.
fn cells(row: &str) -> [String; 3] {
    let cells: Vec<String> = row.trim_matches('|').splitn(3, '|').map(|cell| cell.replace('`', "")).collect();
    let cells: [String; 3] = cells.try_into().unwrap_or_else(|_| panic!("{row}"));
    cells.map(|cell| cell.trim().to_owned())
}

#[test]
fn the_readme_names_every_setting_with_its_default_and_who_sets_it() {
    let server = Server::start(&[FAST, &["shared_preload_libraries = tokenauth"]].concat());
    let settings = "SELECT name, current_setting(name), context FROM pg_settings WHERE name LIKE 'tokenauth.%'";
    let defined = server.connect("postgres").query(settings, &[]).unwrap();
    let mut expected: Vec<(String, String, &str)> =
        defined.iter().map(|row| (row.get(0), row.get(1), set_by(row.get(2)))).collect();
    expected.sort();
    let words = ["superusers only", "in postgresql.conf", "needs a restart"];
    let section = README.split("\n## ").find(|section| section.starts_with("Settings\n")).unwrap();
    let mut told: Vec<(String, String, &str)> = section
        .lines()
        .filter(|line| line.starts_with("| `tokenauth."))
        .map(cells)
        .map(|[name, default, about]| {
            let by: Vec<&str> = words.into_iter().filter(|words| about.contains(words)).collect();
            (name, default, *by.first().unwrap_or(&""))
        })
        .collect();
    told.sort();
    assert_eq!(told, expected);
}

#[test]
fn the_sql_of_the_readme_runs() {
    let server = Server::start(&[FAST, &["shared_preload_libraries = tokenauth"]].concat());
    let blocks = README.split("```sql\n").skip(1).filter_map(|block| block.split_once("```")).map(|(sql, _)| sql);
    // What an application sends, with parameters, is tried by the programs of the examples.
    let script: String = blocks.filter(|sql| !sql.contains("$1")).collect();
    assert!(script.starts_with("CREATE EXTENSION tokenauth;"), "{script}");
    server.psql("postgres", &script);
}
