//! The metrics as the page of monitoring lists them.

use std::fs;
use std::path::Path;

/// One of them.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug, Clone)]
pub struct Metric {
    pub name: String,
    /// The name of its label; empty if it has none.
    pub label: String,
    /// `counter` or `gauge`.
    pub kind: String,
    pub help: String,
}

/// The rows of the table, `| name | labels | type | meaning |`.
pub fn metrics() -> Vec<Metric> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations/monitoring.md");
    let text = fs::read_to_string(page).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `tokenauth_"));
    let metrics: Vec<Metric> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
            let [_, name, label, kind, help, _] = cells[..] else { panic!("{row}") };
            Metric { name: name.into(), label: label.into(), kind: kind.into(), help: help.into() }
        })
        .collect();
    assert!(!metrics.is_empty());
    metrics
}

/// All names that begin as metrics do, wherever they stand.
pub fn names_in(text: &str) -> Vec<String> {
    let is_in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_in_name(c)).map(|word| word.trim_start_matches("sql_"));
    let mut names: Vec<String> = words.filter(|word| word.starts_with("tokenauth_")).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}
