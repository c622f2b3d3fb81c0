//! Copies of a server: standbys, backups, dumps, and what has died, kept outside of it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::examples::example;
use crate::installation::{as_server, assert_success, finish, program};
use crate::server::Server;

/// Where the documents say that what has died is kept.
pub const REVOCATION_LOG: &str = "/var/lib/revocation-log";

impl Server {
    /// Starts an asynchronous streaming hot standby of this server, with the same settings.
    #[must_use]
    pub fn standby(&self) -> Self {
        let mut standby = self.backup_with(&["--write-recovery-conf"]);
        standby.start_again();
        standby
    }

    /// A base backup of this server, with the same settings. It is not started.
    #[must_use]
    pub fn base_backup(&self) -> Self {
        self.backup_with(&[])
    }

    fn backup_with(&self, options: &[&str]) -> Self {
        self.copy(|data| {
            let mut backup = program("pg_basebackup");
            backup.arg("--pgdata").arg(data).arg("--host").arg(&self.directory).args(options);
            finish(backup.args(["--username=postgres", "--checkpoint=fast", "--no-sync"]));
        })
    }

    /// A copy of the data directory of this server, which is stopped, with the same settings. It is not started.
    #[must_use]
    pub fn cold_copy(&self) -> Self {
        self.copy(|data| {
            finish(as_server(Path::new("cp")).arg("-a").arg(self.data()).arg(data));
        })
    }

    /// A copy of this server that `copy` makes in a data directory which is not there yet. It is not started.
    #[must_use]
    pub fn copy(&self, copy: impl FnOnce(&Path)) -> Self {
        let copied = Self::stopped();
        copy(&copied.data());
        copied.configure(&[]);
        copied
    }

    /// Has this server, which is stopped, recover with these settings at its next start.
    pub fn recover_at_start(&mut self, settings: &[&str]) {
        self.configure_while_stopped(settings);
        self.write_file("data/recovery.signal", "", 0o600);
    }

    /// The output of `pg_dump` with these options for the database. It must not warn of anything.
    #[must_use]
    pub fn dump(&self, database: &str, options: &[&str]) -> Vec<u8> {
        let output = finish(
            program("pg_dump").args(options).arg("--host").arg(&self.directory).args(["--username=postgres", database]),
        );
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "pg_dump has something to say");
        output.stdout
    }

    /// Restores a dump in custom format with `pg_restore` into an existing empty database.
    pub fn restore(&self, database: &str, dump: &[u8]) {
        self.restore_with(database, dump, &[]);
    }

    /// Restores what these options of `pg_restore` select from a dump in custom format.
    pub fn restore_with(&self, database: &str, dump: &[u8], options: &[&str]) {
        let mut command = program("pg_restore");
        command
            .args(options)
            .args(["--exit-on-error", "--username=postgres", "--dbname", database])
            .arg("--host")
            .arg(&self.directory);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("pg_restore starts");
        // A pg_restore that gives up closes the pipe; its own message tells more than the error of writing to it.
        let _ = child.stdin.take().expect("its input is a pipe").write_all(dump);
        let output = child.wait_with_output().expect("pg_restore ends");
        assert_success(&command, &output);
    }

    /// Copies a file of another server, which belongs to the same user, beside this one's data directory.
    pub fn take_file(&self, of: &Self, name: &str) {
        self.write_file(name, &fs::read(of.file(name)).unwrap(), 0o600);
    }

    /// Has scripts in [`shell`](Self::shell) find the example that keeps what has died.
    pub fn install_revocation_log(&self) {
        let script = fs::read(example("revocation_log/revocation-log")).unwrap();
        self.write_file("revocation-log", &script, 0o755);
    }

    /// Keeps what has died until now, and returns where.
    #[must_use]
    pub fn keep_deaths(&self, database: &str) -> PathBuf {
        self.install_revocation_log();
        let kept = self.file("deaths");
        assert_eq!(self.shell(database, &format!("revocation-log append {}", kept.display())), "");
        kept
    }
}
