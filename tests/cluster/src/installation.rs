//! The PostgreSQL under test: where its programs are, and which user runs them.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use nix::unistd::{User, geteuid};

/// A program of the installation under test, run as a user that may run a server.
///
/// PostgreSQL refuses to run as root, so for root this is the user that PostgreSQL's package creates. The environment
/// is empty, because `PG*` variables redirect programs and `RUST_BACKTRACE` makes pgrx add stack frames to error
/// messages.
pub fn program(name: &str) -> Command {
    as_server(&bin_directory().join(name))
}

/// The directory of the programs under test.
pub fn bin_directory() -> &'static PathBuf {
    static BIN_DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    BIN_DIRECTORY.get_or_init(|| configured("--bindir"))
}

/// The major version of the programs in this directory.
#[must_use]
pub fn major(bin_directory: &Path) -> u32 {
    let output = finish(as_server(&bin_directory.join("pg_config")).arg("--version"));
    let version = String::from_utf8(output.stdout).expect("pg_config prints a version");
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
    version.split_whitespace().find_map(|word| digits(word).parse().ok()).expect("a version has a number")
}

/// The programs of an older major version that has the extension too: the one whose `pg_config` is
/// `TOKENAUTH_OLDER_PG_CONFIG`, or one of Debian's. If there is none, a message says that `what` is not tested.
#[must_use]
pub fn older(what: &str) -> Option<PathBuf> {
    let named = std::env::var_os("TOKENAUTH_OLDER_PG_CONFIG")
        .map(|pg_config| Path::new(&pg_config).parent().expect("a program is in a directory").to_owned());
    let here = major(bin_directory());
    let found =
        named.into_iter().chain((15..here).rev().map(|major| format!("/usr/lib/postgresql/{major}/bin").into()));
    let older = found.into_iter().find(|bin| {
        bin.join("postgres").is_file() && major(bin) < here && {
            let mut pg_config = as_server(&bin.join("pg_config"));
            let library = String::from_utf8(finish(pg_config.arg("--pkglibdir")).stdout).expect("a path");
            Path::new(library.trim_end()).join("tokenauth.so").is_file()
        }
    });
    // Of the oldest supported version there is none.
    if older.is_none() && here > 15 {
        let _ = writeln!(std::io::stderr(), "NOT TESTED: {what}, without an older PostgreSQL that has the extension");
    }
    older
}

/// Makes a directory that belongs to the server's user, and that only this user and root can enter.
#[must_use]
pub fn temporary_directory() -> PathBuf {
    // In /tmp, whatever TMPDIR says: the path of a socket is limited to 107 bytes.
    let output = finish(as_server(Path::new("mktemp")).args(["-d", "/tmp/tokenauth.XXXXXX"]));
    PathBuf::from(String::from_utf8(output.stdout).expect("mktemp prints a path").trim_end())
}

/// Runs the command and panics unless it succeeds.
pub fn finish(command: &mut Command) -> Output {
    let output =
        command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("could not run {command:?}: {error}"));
    assert_success(command, &output);
    output
}

/// Panics with the command's output unless it succeeded.
pub fn assert_success(command: &Command, output: &Output) {
    assert!(
        output.status.success(),
        "{command:?} failed: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Any program, run as the server's user in an empty environment.
#[must_use]
pub fn as_server(program: &Path) -> Command {
    let mut command = Command::new(program);
    if geteuid().is_root() {
        let user =
            User::from_name("postgres").ok().flatten().expect("as root, there is a user postgres to run servers as");
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    // The server's user may not be able to enter the current directory.
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("LC_ALL", "C").current_dir("/");
    command
}

/// Whether the installation has a library of this name, such as that of an extension which is not PostgreSQL's own.
///
/// Debian's PostgreSQL must have it, since there is a package for each. Another may lack it; then a message says that
/// it is not tested.
#[must_use]
pub fn has_library(name: &str) -> bool {
    let is_there = may_have_library(name);
    assert!(
        is_there || !is_of_debian(),
        "{name} is not installed: 'make setup-tests' installs it on Debian and Ubuntu"
    );
    is_there
}

/// As [`has_library`], for one that Debian has no package of.
#[must_use]
pub fn may_have_library(name: &str) -> bool {
    let directory = configured("--pkglibdir");
    let is_there = directory.join(name).with_extension("so").is_file();
    if !is_there {
        // Not with `eprintln!`, whose output is shown for failed tests only.
        let _ = writeln!(std::io::stderr(), "NOT TESTED: {name}, which is not in {}", directory.display());
    }
    is_there
}

/// Whether Debian's packages have brought the PostgreSQL under test.
#[must_use]
pub fn is_of_debian() -> bool {
    bin_directory().starts_with("/usr/lib/postgresql")
}

/// Whether the machine has a program; if not, a message says that what it is for is not tested.
#[must_use]
pub fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = std::env::split_paths(&path).any(|directory| directory.join(name).is_file());
    if !is_there {
        // Not with `eprintln!`, whose output is shown for failed tests only.
        let _ = writeln!(std::io::stderr(), "NOT TESTED: {name}, which this machine does not have");
    }
    is_there
}

/// A directory of the installation, by an option of `pg_config`.
fn configured(option: &str) -> PathBuf {
    let pg_config = std::env::var_os("PG_CONFIG").unwrap_or_else(|| "pg_config".into());
    let output = finish(Command::new(pg_config).arg(option));
    PathBuf::from(String::from_utf8(output.stdout).expect("pg_config prints a path").trim_end())
}
