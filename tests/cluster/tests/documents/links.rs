//! Links lead somewhere: to a file of the repository, and to a heading in it. Addresses elsewhere are judged by their
//! form alone, since a test must not depend on the network.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

use tokenauth_cluster::blocks::prose;

use super::pages::{Page, page, pages, repository};

/// Documents for those who work on the extension, and beside its examples.
const OTHERS: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "RELEASING.md",
    "SECURITY.md",
    "bench/README.md",
    "examples/README.md",
    "examples/frameworks/README.md",
    "examples/monitoring/README.md",
    "examples/service/README.md",
    "examples/settings_page/README.md",
];

#[test]
fn every_link_leads_somewhere() {
    let mut broken = String::new();
    for Page { path, text } in pages().into_iter().chain(OTHERS.iter().map(page)) {
        for link in links(&text) {
            if let Err(why) = followed(&path, &link) {
                let _ = writeln!(broken, "{}: ({link}) {why}", path.display());
            }
        }
    }
    assert_eq!(broken, "");
}

#[test]
fn every_page_is_linked_from_another() {
    let pages = pages();
    let linked: Vec<PathBuf> = pages
        .iter()
        .flat_map(|page| {
            links(&page.text).into_iter().map(|link| target(&page.path, &link)).filter(|to| *to != page.path)
        })
        .collect();
    let lost: Vec<&PathBuf> = pages.iter().map(|page| &page.path).filter(|path| !linked.contains(path)).collect();
    assert_eq!(lost, Vec::<&PathBuf>::new());
}

/// What stands in the parentheses of `[text](…)`.
fn links(text: &str) -> Vec<String> {
    // A text may be code, which is no part of the prose.
    let prose = prose(text);
    prose.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link.to_owned()).collect()
}

fn followed(from: &Path, link: &str) -> Result<(), String> {
    if link.contains("://") {
        let is_well_formed = link.starts_with("https://") && link.len() > 12 && !link.contains(char::is_whitespace);
        return if is_well_formed { Ok(()) } else { Err("is no address by https".to_owned()) };
    }
    let path = target(from, link);
    if !repository().join(&path).exists() {
        return Err(format!("{} does not exist", path.display()));
    }
    match link.split_once('#') {
        Some((_, anchor)) if !anchors(&page(&path).text).iter().any(|there| there == anchor) => {
            Err(format!("{} has no heading of this name", path.display()))
        }
        _ => Ok(()),
    }
}

/// The path in the repository that a link in this document leads to.
fn target(from: &Path, link: &str) -> PathBuf {
    let file = link.split('#').next().expect("there is a first part");
    if file.is_empty() {
        return from.to_owned();
    }
    let mut path = from.parent().expect("a file is in a folder").to_owned();
    for component in Path::new(file).components() {
        match component {
            Component::ParentDir => assert!(path.pop(), "{} leads out of the repository", from.display()),
            other => path.push(other),
        }
    }
    path
}

/// The names that forges give to headings.
fn anchors(text: &str) -> Vec<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut inside = false;
    let mut anchors = Vec::new();
    for line in text.lines() {
        inside ^= line.starts_with("```");
        let heading = line.trim_start_matches('#');
        if inside || heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        let anchor = kept.collect::<String>().to_lowercase().replace(' ', "-");
        let before = *seen.entry(anchor.clone()).and_modify(|count| *count += 1).or_default();
        anchors.push(if before == 0 { anchor } else { format!("{anchor}-{before}") });
    }
    anchors
}
