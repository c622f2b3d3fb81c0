//! Pages of the reference that list things list all of them, as the server has them: columns of a kind, verdicts,
//! events, SQLSTATEs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tokenauth_cluster::{FAST, Server};

use super::pages::{page, pages, repository};

#[test]
fn the_page_of_kinds_has_every_column_with_its_type_and_default() {
    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    client.batch_execute("CREATE EXTENSION tokenauth").unwrap();
    let columns = "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod),
                          coalesce(regexp_replace(pg_get_expr(d.adbin, d.adrelid), '::[a-z]+(\\[\\])?', ''), '')
                     FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
                    WHERE a.attrelid = 'tokenauth.kind'::regclass AND a.attnum > 0 AND NOT a.attisdropped";
    let defined = client.query(columns, &[]).unwrap();
    let expected: BTreeSet<String> = defined
        .iter()
        .map(|row| match row.get::<_, String>(2) {
            default if default.is_empty() => format!("- `{}` (`{}`)", row.get::<_, String>(0), row.get::<_, String>(1)),
            default => format!("- `{}` (`{}`, `{default}`)", row.get::<_, String>(0), row.get::<_, String>(1)),
        })
        .collect();
    let text = page("docs/reference/kinds.md").text;
    let told: BTreeSet<String> = text
        .lines()
        .filter(|line| line.starts_with("- `") && line.contains("` (`"))
        .map(|line| line.split_once("):").map_or(line.to_owned(), |(head, _)| head.to_owned() + ")"))
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn the_page_of_verdicts_has_each_in_the_order_of_the_checks_with_its_status_and_code() {
    let server = Server::start(&[FAST, &["shared_preload_libraries = tokenauth"]].concat());
    let mut client = server.connect("postgres");
    client.batch_execute("CREATE EXTENSION tokenauth; SET tokenauth.default_error_style = coded").unwrap();
    let verdicts = "SELECT format('| `%s` | %s | %s |', verdict, coalesce(r ->> 'status', '200'),
                                  coalesce('`' || (r #>> '{body,error_code}') || '`', ''))
                      FROM tokenauth.stats() WITH ORDINALITY AS s (verdict, count, since, place)
                     CROSS JOIN LATERAL (SELECT CASE WHEN verdict <> 'valid' THEN tokenauth.error_response(
                         jsonb_populate_record(NULL::tokenauth.verification, jsonb_build_object('verdict', verdict)))
                         END AS r) e
                     WHERE verdict <> 'masked_in_log'
                     ORDER BY place";
    let expected: Vec<String> = client.query(verdicts, &[]).unwrap().iter().map(|row| row.get(0)).collect();
    let text = page("docs/reference/verdicts.md").text;
    let told: Vec<String> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.split('|').take(4).map(|cell| cell.to_owned() + "|").collect())
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn the_page_of_events_has_every_event_that_the_code_writes() {
    let mut written = BTreeSet::new();
    collect_events(&repository().join("src"), &mut written);
    let text = page("docs/reference/events.md").text;
    let told: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("- `"))
        .filter_map(|rest| rest.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .filter(|name| is_event(name))
        .collect();
    assert_eq!(told, written);
}

/// Whether it is written like one: what it happened to, and what happened, of which no other name has the form.
fn is_event(name: &str) -> bool {
    name.split_once('.').is_some_and(|(subject, what)| {
        let are_letters = [subject, what].iter().all(|word| word.chars().all(|c| c.is_ascii_lowercase()));
        are_letters && subject != "tokenauth" && (what.ends_with("ed") || what.ends_with("bound"))
    })
}

fn collect_events(folder: &Path, events: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_events(&path, events);
        } else {
            let code = fs::read_to_string(&path).unwrap();
            let quoted = code.split(['"', '\'']).filter(|text| is_event(text));
            events.extend(quoted.map(str::to_owned));
        }
    }
}

#[test]
fn the_page_of_errors_has_every_sqlstate_of_the_functions() {
    let functions = page("docs/reference/functions.md").text;
    let raised: BTreeSet<String> = codes(functions.lines()).collect();
    let errors = page("docs/reference/errors.md").text;
    let told: BTreeSet<String> = codes(errors.lines().filter(|line| line.starts_with("### "))).collect();
    assert_eq!(told, raised);
}

/// The SQLSTATEs in code.
fn codes<'a>(lines: impl Iterator<Item = &'a str>) -> impl Iterator<Item = String> {
    let is_code = |text: &&str| {
        text.len() == 5
            && text.chars().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase())
            && text.chars().any(|c| c.is_ascii_digit() || *text == "PGRST")
    };
    let quoted = lines.flat_map(|line| line.split('`').skip(1).step_by(2));
    quoted.filter(is_code).map(str::to_owned)
}

#[test]
fn what_pages_name_in_their_sentences_is_there() {
    let server = Server::start(&[FAST, &["shared_preload_libraries = tokenauth"]].concat());
    let mut client = server.connect("postgres");
    client.batch_execute("CREATE EXTENSION tokenauth").unwrap();
    let mut names =
        |sql: &str| -> BTreeSet<String> { client.query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect() };
    let ours = names(
        "SELECT proname::text FROM pg_proc WHERE pronamespace = 'tokenauth'::regnamespace
         UNION SELECT relname::text FROM pg_class WHERE relnamespace = 'tokenauth'::regnamespace
         UNION SELECT replace(name, 'tokenauth.', '') FROM pg_settings WHERE name LIKE 'tokenauth.%'",
    );
    // What a sentence calls may be PostgreSQL's as well.
    let functions = names("SELECT proname::text FROM pg_proc");
    let mut strange = BTreeSet::new();
    for page in pages() {
        for code in code_in_sentences(&page.text) {
            let unknown = after(&code, "tokenauth.").into_iter().filter(|name| !ours.contains(*name));
            let strangers = calls(&code).into_iter().filter(|name| !functions.contains(*name));
            let place = page.path.display();
            strange.extend(unknown.chain(strangers).map(|name| format!("{place}: {name} in `{code}`")));
            if is_path(&code) && !repository().join(&code).exists() {
                strange.insert(format!("{place}: {code} does not exist"));
            }
        }
    }
    assert_eq!(strange, BTreeSet::new());
}

/// Whether it names a file or folder of the repository.
fn is_path(code: &str) -> bool {
    let folder = code.split_once('/').map(|(folder, _)| folder);
    folder
        .is_some_and(|folder| ["bench", "demo", "docs", "examples", "scripts", "sql", "src", "tests"].contains(&folder))
        && !code.contains(' ')
}

/// What stands between single backticks.
fn code_in_sentences(text: &str) -> Vec<String> {
    let blocks_left_out = text.split("```").step_by(2);
    let paragraphs = blocks_left_out.flat_map(|part| part.split("\n\n"));
    let code = paragraphs.flat_map(|paragraph| paragraph.split('`').skip(1).step_by(2));
    code.map(|code| code.replace('\n', " ")).collect()
}

const fn is_in_name(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'
}

/// The names that follow this prefix.
fn after<'a>(code: &'a str, prefix: &str) -> Vec<&'a str> {
    let names = code.split(prefix).skip(1).map(|rest| rest.split(|c| !is_in_name(c)).next().unwrap_or_default());
    names.filter(|name| !name.is_empty()).collect()
}

/// The names that precede a parenthesis, but for those of what is written in capitals or in other languages.
fn calls(code: &str) -> Vec<&str> {
    let is_sql = !code.contains(['$', '{']) || code.contains("=>");
    let before = code.match_indices('(').filter(|_| is_sql).map(|(at, _)| &code[..at]);
    let names = before.map(|before| before.rsplit(|c| !is_in_name(c)).next().unwrap_or_default());
    names.filter(|name| name.chars().next().is_some_and(|c| c.is_ascii_lowercase())).collect()
}
