//! The documents for readers, and how long their lines are.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The longest line, in characters: what a terminal beside an editor has room for.
const LONGEST_LINE: usize = 100;

/// The most bytes of the README: what somebody reads who does not know yet whether to.
const MOST_OF_README: usize = 12_000;

/// A document: its path in the repository, and its text.
pub struct Page {
    pub path: PathBuf,
    pub text: String,
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate is in tests/cluster")
}

/// README.md, then every page below docs/.
pub fn pages() -> Vec<Page> {
    let mut paths = Vec::new();
    below("docs", &mut paths);
    paths.sort();
    paths.insert(0, "README.md".into());
    paths.into_iter().map(page).collect()
}

/// The document at this path in the repository.
pub fn page(path: impl Into<PathBuf>) -> Page {
    let path = path.into();
    let text = fs::read_to_string(repository().join(&path));
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Page { path, text }
}

fn below(folder: impl AsRef<Path>, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(repository().join(folder.as_ref())).unwrap() {
        let entry = entry.unwrap();
        let path = folder.as_ref().join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            // What makes the reference is a program, not a page.
            if path != Path::new("docs/generator") {
                below(&path, paths);
            }
        } else if path.extension().is_some_and(|extension| extension == "md") {
            paths.push(path);
        }
    }
}

#[test]
fn the_readme_is_short() {
    let size = page("README.md").text.len();
    assert!(size <= MOST_OF_README, "it has {size} bytes: what is for one sort of reader goes to a page of its own");
}

#[test]
fn no_line_is_too_long() {
    let mut long = String::new();
    for Page { path, text } in pages() {
        let lines = text.lines().enumerate();
        for (number, line) in lines.filter(|(_, line)| line.chars().count() > LONGEST_LINE && can_be_broken(line)) {
            let _ = writeln!(long, "{}:{}: {} characters", path.display(), number + 1, line.chars().count());
        }
    }
    assert_eq!(long, "");
}

/// An address cannot, nor what the server says.
fn can_be_broken(line: &str) -> bool {
    line.contains(' ') && !["ERROR:  ", "DETAIL:  ", "HINT:  ", "WARNING:  "].iter().any(|said| line.starts_with(said))
}
