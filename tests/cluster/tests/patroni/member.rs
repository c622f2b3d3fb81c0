//! A member of the cluster: a Patroni with its PostgreSQL, as `examples/patroni/patroni.yaml` has it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use postgres::config::TargetSessionAttrs;
use postgres::{Client, Config, NoTls};
use tokenauth_cluster::{as_server, bin_directory, example, kill_family, major, signal};

use super::etcd::LogsTo as _;
use super::partner::{Programs, free_addresses};

/// The database of the application.
pub const DATABASE: &str = "app";

/// It ends, with its server, when the value is dropped.
pub struct Member {
    pub name: &'static str,
    directory: PathBuf,
    /// Where its Patroni answers.
    pub rest: String,
    port: u16,
    process: Option<Child>,
}

impl Member {
    /// Writes its configuration below this directory, as one of these names; it is not started yet.
    pub fn new(name: &'static str, names: [&str; 3], directory: &Path, etcd: &str, password: &str) -> Self {
        let [rest, postgres] = free_addresses();
        let port = postgres.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("an address has a port");
        let member = Self { name, directory: directory.join(name), rest, port, process: None };
        make_directory(&member.directory, directory);
        let others: Vec<&str> = names.into_iter().filter(|other| *other != name).collect();
        let own = |what: &str| member.directory.join(what).display().to_string();
        let mut text = fs::read_to_string(example("patroni/patroni.yaml")).unwrap();
        let mut put = |instead_of: &str, what: &str| {
            assert!(text.contains(instead_of), "{instead_of}");
            text = text.replace(instead_of, what);
        };
        put("name: one\n", &format!("name: {name}\n"));
        put("10.0.0.1:8008", &member.rest);
        put("10.0.0.1:5432", &postgres);
        put("10.0.0.11:2379,10.0.0.12:2379,10.0.0.13:2379", etcd);
        // The least that Patroni takes.
        put("ttl: 30", "ttl: 20");
        put("loop_wait: 10", "loop_wait: 1");
        put("retry_timeout: 10", "retry_timeout: 3");
        put("/var/lib/postgresql/tokens", &own("data"));
        put("/usr/lib/postgresql/15/bin", &bin_directory().display().to_string());
        put("/var/lib/postgresql/patroni.pgpass", &own("pgpass"));
        put("that-of-the-superuser", password);
        put("that-of-the-replicator", password);
        let mut settings = vec![
            format!("unix_socket_directories: {}", member.directory.display()),
            "tokenauth.usage_flush_interval: 1s".to_owned(),
            // Each has its own, on its own disk. Whatever happens to the members, none of them is ever fenced.
            format!("tokenauth.fence_file: '{}'", own("fence")),
            "wal_retrieve_retry_interval: 500ms".to_owned(),
            // Processes are killed, not machines.
            "fsync: \"off\"".to_owned(),
        ];
        if major(bin_directory()) >= 17 {
            settings.push(format!("synchronized_standby_slots: '{}'", others.join(",")));
        }
        put("unix_socket_directories: /var/run/postgresql", &settings.join("\n    "));
        // Nobody else can enter the directory of the socket.
        put("local all all peer", "local all all trust");
        put("10.0.0.0/24", "127.0.0.1/32");
        put("mode: required", "mode: \"off\"");
        write_private(&member.configuration(), &text);
        member
    }

    /// The file that Patroni and `patronictl` read.
    pub fn configuration(&self) -> PathBuf {
        self.directory.join("patroni.yaml")
    }

    pub fn start(&mut self, programs: &Programs) {
        let process = as_server(&programs.patroni)
            .arg(self.configuration())
            .stdin(Stdio::null())
            .logs_to(&self.directory.join("log"))
            .spawn()
            .expect("Patroni can be run");
        self.process = Some(process);
    }

    pub const fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Sends SIGKILL to Patroni, and to the postmaster; its other processes notice.
    pub fn kill(&mut self) {
        let postmaster = self.postmaster().expect("its server runs");
        let mut patroni = self.process.take().expect("it runs");
        patroni.kill().unwrap();
        signal(postmaster, Signal::SIGKILL);
        patroni.wait().unwrap();
    }

    /// Where applications find its server, whatever it is at the moment.
    pub fn config(&self) -> Config {
        let mut config = Config::new();
        config.host_path(&self.directory).port(self.port).user("postgres").dbname(DATABASE);
        config
    }

    /// Adds it to those among which applications look for the primary.
    pub fn add_to(&self, config: &mut Config) {
        config.host_path(&self.directory).port(self.port).target_session_attrs(TargetSessionAttrs::ReadWrite);
    }

    /// The directory of its socket, and its port, as libpq takes them.
    pub fn place(&self) -> (String, String) {
        (self.directory.display().to_string(), self.port.to_string())
    }

    /// Connects as superuser.
    pub fn connect(&self, database: &str) -> Client {
        self.config().dbname(database).connect(NoTls).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// The end of what Patroni has said.
    fn said(&self) -> String {
        let text = fs::read(self.directory.join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    fn postmaster(&self) -> Option<Pid> {
        let file = fs::read_to_string(self.directory.join("data/postmaster.pid")).ok()?;
        file.lines().next()?.parse().ok().map(Pid::from_raw)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what {} said last:\n{}", self.name, self.said());
        }
        if let Some(mut patroni) = self.process.take() {
            let _ = patroni.kill();
            let _ = patroni.wait();
            if let Some(postmaster) = self.postmaster() {
                kill_family(postmaster);
            }
        }
    }
}

/// Makes a directory that belongs to whom another one belongs, and that nobody else can enter.
fn make_directory(path: &Path, like: &Path) {
    fs::create_dir(path).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
    give(path, like);
}

fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    give(path, path.parent().expect("it is in a directory"));
}

fn give(path: &Path, like: &Path) {
    use std::os::unix::fs::MetadataExt as _;
    let owner = fs::metadata(like).unwrap();
    std::os::unix::fs::chown(path, Some(owner.uid()), Some(owner.gid())).unwrap();
}
