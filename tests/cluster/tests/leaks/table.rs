//! What was found as the table in docs/security, and that table as it is published.

use std::fmt::Write as _;
use std::iter;

use tokenauth_cluster::published_channels;

use super::Cell;
use super::channels::CHANNELS;
use super::shown::Form;

/// The table with what was found.
pub fn table(cells: &[Cell]) -> String {
    let mut table = String::from(
        "| seen in | literal | bind | digest | literal, masked | bind, masked |\n|---|---|---|---|---|---|\n",
    );
    for (index, channel) in CHANNELS.iter().enumerate() {
        if !cells.iter().any(|cell| cell.channel == index) {
            continue;
        }
        let cell = |form, masked| {
            let cell = cells
                .iter()
                .find(|cell| cell.channel == index && cell.shown.form == form && cell.masked == masked)
                .expect("every cell was tried");
            if cell.is_seen { "yes" } else { "no" }
        };
        let columns = [
            cell(Form::Literal, false),
            cell(Form::Bind, false),
            cell(Form::Digest, false),
            cell(Form::Literal, true),
            cell(Form::Bind, true),
        ];
        let row: Vec<_> = iter::once(channel.name).chain(columns).collect();
        writeln!(table, "| {} |", row.join(" | ")).unwrap();
    }
    table
}

/// The table without the rows of these extensions.
pub fn published(missing: &[&str]) -> String {
    let is_tried = |line: &&str| !missing.iter().any(|extension| line.starts_with(&format!("| `{extension}`")));
    published_channels().lines().filter(is_tried).fold(String::new(), |table, line| table + line + "\n")
}
