//! Where secrets are looked for, and where the README says that they are found.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// Eight bytes in a row of any of several secrets.
pub struct Needles {
    windows: HashMap<[u8; 8], usize>,
    /// Whether one begins with these two bytes.
    starts: Vec<bool>,
    count: usize,
}

impl Needles {
    /// Of these secrets.
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

    /// Which of the secrets are in there.
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

    /// Which of the secrets are in any file below the directory, but for what is skipped.
    pub fn found_below(&self, directory: &Path, skip: &dyn Fn(&Path) -> bool) -> Vec<bool> {
        let mut found = vec![false; self.count];
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let also = if skip(&path) {
                continue;
            } else if path.is_dir() {
                self.found_below(&path, skip)
            } else {
                // A file may go while the directory is read; a socket is no file.
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

/// The table that the README has of where a token's text is seen.
#[must_use]
pub fn published_channels() -> String {
    let readme = include_str!("../../../README.md");
    let (_, section) = readme.split_once("### Where a token's text is seen\n").expect("the README has the section");
    section
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .fold(String::new(), |table, line| table + line + "\n")
}
