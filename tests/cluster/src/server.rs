//! A private server with its own directory and Unix socket, removed when the value is dropped.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{panicking, sleep};
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::Signal;
use postgres::error::SqlState;
use postgres::{Client, NoTls};

use crate::installation::{as_server, bin_directory, finish, major, program, temporary_directory};

/// Settings for tests in which nothing has to survive a crash.
pub const FAST: &[&str] = &["fsync = off", "full_page_writes = off"];

/// The limit for things that should take a moment.
const PATIENCE: Duration = Duration::from_secs(180);

/// A server of the installation under test. Its socket is in its directory, whose mode 0700 controls access.
///
/// Its postmaster is a child of the test, not of `pg_ctl`: where nobody collects orphans, as in a container, a killed
/// orphan stays a zombie, and a server refuses to start while a process has the id in its lock file.
pub struct Server {
    programs: PathBuf,
    pub(crate) directory: PathBuf,
    pub(crate) postmaster: Option<Child>,
}

impl Server {
    /// Makes a cluster in UTF-8 with these lines in `postgresql.conf`, and starts its server.
    #[must_use]
    pub fn start(settings: &[&str]) -> Self {
        Self::start_by(bin_directory(), settings)
    }

    /// As [`start`](Self::start), with the programs in this directory.
    #[must_use]
    pub fn start_by(programs: &Path, settings: &[&str]) -> Self {
        let mut server = Self::stopped();
        programs.clone_into(&mut server.programs);
        server.initialise(&[]);
        server.configure(settings);
        server.start_again();
        server
    }

    /// Stops this server, of an older major version, and upgrades it with `pg_upgrade` to the version under test, with
    /// these settings.
    #[must_use]
    pub fn upgrade(mut self, settings: &[&str]) -> Self {
        self.stop();
        let mut upgraded = Self::stopped();
        // Both clusters must agree about checksums, which 18 turns on by itself.
        upgraded.initialise(if major(&upgraded.programs) < 18 { &[] } else { &["--no-data-checksums"] });
        finish(
            program("pg_upgrade")
                .current_dir(&upgraded.directory)
                .args(["--username=postgres", "--socketdir"])
                .arg(&upgraded.directory)
                .arg("--old-bindir")
                .arg(&self.programs)
                .arg("--old-datadir")
                .arg(self.data())
                .arg("--new-bindir")
                .arg(&upgraded.programs)
                .arg("--new-datadir")
                .arg(upgraded.data()),
        );
        upgraded.configure(settings);
        upgraded.start_again();
        upgraded
    }

    /// Returns when this standby has replayed everything that the primary has written so far.
    pub fn catch_up_with(&self, primary: &Self) {
        let written: String =
            primary.connect("postgres").query_one("SELECT pg_current_wal_lsn()::text", &[]).unwrap().get(0);
        let mut client = self.connect("postgres");
        wait_until("the standby to catch up", || {
            match client.query_one("SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", &[&written]) {
                Ok(row) => row.get(0),
                // The replay that is waited for may cancel this query.
                Err(error) => {
                    assert_eq!(error.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE), "{error:?}");
                    false
                }
            }
        });
    }

    /// Returns when every subscriber has applied everything that this publisher has written so far.
    pub fn wait_for_subscribers(&self) {
        let mut client = self.connect("postgres");
        let written: String = client.query_one("SELECT pg_current_wal_lsn()::text", &[]).unwrap().get(0);
        // While a subscriber makes its first copy, further walsenders come and go.
        let sql = "SELECT count(*) = (SELECT count(*) FROM pg_replication_slots)
                     FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn >= $1::text::pg_lsn";
        wait_until("the subscribers to apply", || client.query_one(sql, &[&written]).unwrap().get(0));
    }

    /// Connects as superuser.
    #[must_use]
    pub fn connect(&self, database: &str) -> Client {
        connect(&self.directory, database)
            .unwrap_or_else(|error| panic!("could not connect to database {database}: {error}"))
    }

    /// How programs on the same machine connect as superuser.
    #[must_use]
    pub fn connection_string(&self, database: &str) -> String {
        format!("host={} user=postgres dbname={database}", self.directory.display())
    }

    /// The host that clients on the same machine connect to: the directory of its socket.
    #[must_use]
    pub fn host(&self) -> String {
        self.directory.display().to_string()
    }

    /// Creates a database; the options are those of `CREATE DATABASE`, such as `TEMPLATE template0 ENCODING 'LATIN1'`.
    pub fn create_database(&self, name: &str, options: &str) {
        self.connect("postgres").batch_execute(&format!("CREATE DATABASE {name} {options}")).unwrap();
    }

    /// Starts the server after it was ended in any way; when this returns, recovery is over and it accepts connections.
    pub fn start_again(&mut self) {
        self.start_in(&[]);
    }

    /// As [`start_again`](Self::start_again), with these variables in the environment of the server.
    pub fn start_in(&mut self, environment: &[(&str, &str)]) {
        let log = OpenOptions::new().create(true).append(true).open(self.log()).unwrap();
        let postmaster = self
            .postgres()
            .envs(environment.iter().copied())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("the server's program can be run");
        let postmaster = self.postmaster.insert(postmaster);
        wait_until("the server to start", || {
            let ended = postmaster.try_wait().unwrap();
            assert!(ended.is_none(), "the server did not start: {}", ended.unwrap());
            connect(&self.directory, "postgres").is_ok()
        });
    }

    /// Starts the server and returns when it has ended by itself, since it cannot start.
    pub fn fail_to_start(&self) {
        let output = self.postgres().output().expect("the server's program can be run");
        assert!(!output.status.success(), "the server has started and ended");
    }

    /// Stops the server cleanly and starts it again.
    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// Stops the server cleanly; [`start_again`](Self::start_again) starts it.
    pub fn stop(&mut self) {
        self.end_by(Signal::SIGINT);
    }

    /// Whether the server runs; one that has ended by itself can then be started again.
    pub fn is_running(&mut self) -> bool {
        let is_running = self.postmaster.as_mut().is_some_and(|postmaster| postmaster.try_wait().unwrap().is_none());
        if !is_running {
            self.postmaster = None;
        }
        is_running
    }

    /// Turns checksums of pages on or off in this server, which must be stopped. From 18 on, they are on by themselves.
    pub fn switch_checksums(&self, on: bool) {
        let control = finish(program("pg_controldata").arg(self.data())).stdout;
        let control = String::from_utf8(control).expect("pg_controldata prints text");
        let version = control.lines().find_map(|line| line.strip_prefix("Data page checksum version:"));
        if on != (version.expect("a cluster has checksums or none").trim() != "0") {
            let switch = if on { "--enable" } else { "--disable" };
            finish(program("pg_checksums").args([switch, "--no-sync", "--pgdata"]).arg(self.data()));
        }
    }

    /// Adds settings, for a server that is stopped.
    pub fn configure_while_stopped(&mut self, settings: &[&str]) {
        assert!(self.postmaster.is_none(), "the server is stopped");
        self.configure(settings);
    }

    /// Restarts the server cleanly with additional settings.
    pub fn configure_and_restart(&mut self, settings: &[&str]) {
        self.stop();
        self.configure(settings);
        self.start_again();
    }

    /// Runs `pgbench` with a script that [`write_file`](Self::write_file) wrote; none of its statements may fail.
    pub fn pgbench(&self, script: &str, options: &[&str]) {
        let output = finish(
            program("pgbench")
                .args(options)
                .arg("--file")
                .arg(self.file(script))
                .arg("--host")
                .arg(&self.directory)
                .args(["--username=postgres", "postgres"]),
        );
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("number of failed transactions: 0 "), "{said}");
    }

    /// Runs a script in psql, which reads its variables and backslash commands; it must not fail.
    pub fn psql(&self, database: &str, script: &str) {
        self.write_file("script.sql", script, 0o600);
        finish(
            program("psql")
                .args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--username=postgres", "--dbname", database])
                .arg("--host")
                .arg(&self.directory)
                .arg("--file")
                .arg(self.file("script.sql")),
        );
    }

    /// What a script of bash prints that runs as the server's user, in whose environment `psql`, `pg_dump` and the like
    /// find this server and this database; programs are those of PostgreSQL and of the server's directory. It must not
    /// fail.
    #[must_use]
    pub fn shell(&self, database: &str, script: &str) -> String {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut bash = as_server(Path::new("bash"));
        bash.args(["-euo", "pipefail", "-c", script])
            .current_dir(&self.directory)
            .env("PATH", format!("{}:{}:{path}", self.directory.display(), self.programs.display()))
            .env("PGHOST", &self.directory)
            .envs([("PGUSER", "postgres"), ("PGDATABASE", database)]);
        String::from_utf8(finish(&mut bash).stdout).expect("it prints text")
    }

    /// The path of a file of this name: beside the data directory or, if the name begins with `data/`, inside it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Writes a file that belongs to the server's user, replacing any file of this name by a new one: at once, since
    /// the server may be about to read it.
    pub fn write_file(&self, name: &str, content: &(impl AsRef<[u8]> + ?Sized), mode: u32) {
        let path = self.file(&format!("{name}.new"));
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let owner = fs::metadata(self.data()).unwrap();
        std::os::unix::fs::chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
        fs::rename(&path, self.file(name)).unwrap();
    }

    /// Appends settings to the configuration file and reloads it; every session has the new settings before its next
    /// command.
    pub fn reconfigure(&self, settings: &[&str]) {
        let loaded =
            |client: &mut Client| -> SystemTime { client.query_one("SELECT pg_conf_load_time()", &[]).unwrap().get(0) };
        let mut client = self.connect("postgres");
        let before = loaded(&mut client);
        self.configure(settings);
        client.batch_execute("SELECT pg_reload_conf()").unwrap();
        // The server signals its children after it has itself loaded the file, and new children start with the new
        // settings.
        wait_until("the configuration to be loaded", || {
            loaded(&mut client) > before && loaded(&mut self.connect("postgres")) > before
        });
    }

    /// Everything that the server has logged since its first start.
    #[must_use]
    pub fn log_text(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log()).unwrap()).into_owned()
    }

    fn postgres(&self) -> Command {
        let mut command = as_server(&self.programs.join("postgres"));
        command.arg("-D").arg(self.data()).stdin(Stdio::null());
        command
    }

    pub(crate) fn configure(&self, settings: &[&str]) {
        let mut file = OpenOptions::new().append(true).open(self.data().join("postgresql.conf")).unwrap();
        writeln!(file, "listen_addresses = ''\nunix_socket_directories = '{}'", self.directory.display()).unwrap();
        for line in settings {
            writeln!(file, "{line}").unwrap();
        }
    }

    pub(crate) fn stopped() -> Self {
        Self { programs: bin_directory().clone(), directory: temporary_directory(), postmaster: None }
    }

    fn initialise(&self, options: &[&str]) {
        let initdb = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"];
        finish(as_server(&self.programs.join("initdb")).args(initdb).args(options).arg("--pgdata").arg(self.data()));
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn log(&self) -> PathBuf {
        self.directory.join("log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if panicking() {
            eprintln!("the end of the server's log:\n{}", tail(&self.log()));
        }
        if self.postmaster.is_some() {
            self.stop_immediately();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

pub(crate) fn connect(directory: &Path, database: &str) -> Result<Client, postgres::Error> {
    postgres::Config::new().host_path(directory).user("postgres").dbname(database).connect(NoTls)
}

/// Waits for something that should take a moment, and panics after three minutes.
pub fn wait_until(what: &str, done: impl FnMut() -> bool) {
    wait_within(PATIENCE, what, done);
}

/// Waits for something that takes its time, and panics after this.
pub fn wait_within(patience: Duration, what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < patience, "waited {patience:?} for {what}");
        sleep(Duration::from_millis(20));
    }
}

fn tail(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
