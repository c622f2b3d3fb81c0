//! The example programs of the repository, and what runs them.

use std::env;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::installation::finish;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate is in tests/cluster")
}

/// A file of `examples`.
#[must_use]
pub fn example(name: &str) -> PathBuf {
    repository().join("examples").join(name)
}

/// A program that `scripts/setup tests` has chosen.
#[must_use]
pub fn prepared(name: &str) -> PathBuf {
    let path = repository().join("target/clients").join(name);
    assert!(path.exists(), "{} is missing; 'make setup-tests' makes it", path.display());
    path
}

/// Whether `scripts/setup tests` has installed the packages of a framework in this folder of the repository. Where they
/// could not be had, a message says that it is not tested.
#[must_use]
pub fn installed(framework: &str, folder: &str) -> bool {
    let is_there = repository().join(folder).join("installed").exists();
    if !is_there {
        // Not with `eprintln!`, whose output is shown for failed tests only.
        let _ = writeln!(std::io::stderr(), "NOT TESTED: {framework}, whose packages are not in {folder}");
    }
    is_there
}

/// Builds the Rust package in this folder of `examples`, into this directory below `target`, and returns where its
/// programs are.
#[must_use]
pub fn built(package: &str, directory: &str) -> PathBuf {
    finish(&mut cargo("build", package, directory));
    repository().join("target").join(directory).join("debug")
}

/// Starts a program that serves HTTP and prints where, at a port that it chooses; its log goes to this file. Returns it
/// with its address, such as `http://127.0.0.1:8080`.
pub fn serve(program: &mut Command, log: &Path) -> (Child, String) {
    let mut running = program
        .env("LISTEN", "127.0.0.1:0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(log).unwrap())
        .spawn()
        .expect("the program can be run");
    let mut address = String::new();
    BufReader::new(running.stdout.take().expect("a pipe")).read_line(&mut address).unwrap();
    assert!(address.starts_with("http://127.0.0.1:"), "the program did not start: {address}");
    (running, address.trim_end().to_owned())
}

/// A command of cargo for the Rust package in this folder of `examples`, which builds below `target` in this directory.
#[must_use]
pub fn cargo(command: &str, package: &str, directory: &str) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").expect("cargo runs the tests"));
    cargo.args([command, "--quiet", "--locked", "--manifest-path"]);
    cargo.arg(example(package).join("Cargo.toml"));
    cargo.arg("--target-dir").arg(repository().join("target").join(directory));
    cargo
}
