//! Looks for secrets, and reads from the documents where they are to be found.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// Finds any eight consecutive bytes of several secrets.
pub struct Needles {
    windows: HashMap<[u8; 8], usize>,
    /// For each pair of bytes, whether a stretch of a secret begins with it.
    starts: Vec<bool>,
    count: usize,
}

impl Needles {
    /// Looks for these secrets.
    pub fn of<'a, S: AsRef<[u8]> + ?Sized + 'a>(secrets: impl IntoIterator<Item = &'a S>) -> Self {
        let mut needles = Needles { windows: HashMap::new(), starts: vec![false; 1 << 16], count: 0 };
        for (index, secret) in secrets.into_iter().enumerate() {
            for window in secret.as_ref().windows(8) {
                needles.windows.insert(window.try_into().unwrap(), index);
                needles.starts[start(window)] = true;
            }
            needles.count = index + 1;
        }
        needles
    }

    /// For each secret, whether these bytes contain a part of it.
    #[must_use]
    pub fn found(&self, bytes: &[u8]) -> Vec<bool> {
        let mut found = vec![false; self.count];
        for window in bytes.windows(8).filter(|window| self.starts[start(window)]) {
            if let Some(&index) = self.windows.get(window) {
                found[index] = true;
            }
        }
        found
    }

    /// For each secret, whether any file below the directory contains a part of it, except for skipped files.
    pub fn found_below(&self, directory: &Path, skip: &dyn Fn(&Path) -> bool) -> Vec<bool> {
        let mut found = vec![false; self.count];
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let also = if skip(&path) {
                continue;
            } else if path.is_dir() {
                self.found_below(&path, skip)
            } else {
                // Files may disappear while the directory is read, and sockets cannot be read.
                fs::read(&path).map(|bytes| self.found(&bytes)).unwrap_or_default()
            };
            for (found, also) in found.iter_mut().zip(also) {
                *found |= also;
            }
        }
        found
    }
}

fn start(window: &[u8]) -> usize {
    usize::from(window[0]) << 8 | usize::from(window[1])
}

/// The table of docs/security of where a token's text is seen.
#[must_use]
pub fn published_channels() -> String {
    let page = include_str!("../../../docs/security/where-tokens-are-seen.md");
    let (_, section) = page.split_once("\n## The table\n").expect("the page has the section");
    section
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .fold(String::new(), |table, line| table + line + "\n")
}
