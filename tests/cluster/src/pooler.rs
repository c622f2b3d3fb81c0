//! A pgbouncer in front of a server, as Debian packages it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use postgres::{Client, NoTls};

use crate::Server;
use crate::installation::as_server;
use crate::processes::signal;
use crate::server::wait_until;

/// The port, which names its socket in the directory of the server's socket.
const PORT: u16 = 6432;

/// A pgbouncer in transaction mode, stopped when the value is dropped.
pub struct Pooler {
    directory: PathBuf,
    process: Child,
}

impl Pooler {
    /// Lets up to a hundred clients share this many connections to the server's database `postgres`.
    #[must_use]
    pub fn start(server: &Server, servers: u32) -> Self {
        let directory = server.file("");
        let place = directory.display();
        server.write_file(
            "pgbouncer.ini",
            &format!(
                "[databases]
                 postgres = host={place} user=postgres dbname=postgres
                 [pgbouncer]
                 unix_socket_dir = {place}
                 listen_port = {PORT}
                 auth_type = any
                 pool_mode = transaction
                 default_pool_size = {servers}
                 max_client_conn = 100
                 logfile = {place}/pgbouncer.log
                 "
            )
            .replace("                 ", ""),
            0o600,
        );
        let process = as_server(&installed())
            .arg(directory.join("pgbouncer.ini"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pgbouncer can be run");
        let pooler = Self { directory, process };
        wait_until("pgbouncer to start", || pooler.try_connect().is_ok());
        pooler
    }

    /// A connection of a client to the pooler.
    #[must_use]
    pub fn connect(&self) -> Client {
        self.try_connect().unwrap_or_else(|error| panic!("could not connect to pgbouncer: {error}\n{}", self.log()))
    }

    fn try_connect(&self) -> Result<Client, postgres::Error> {
        let mut config = postgres::Config::new();
        config.host_path(&self.directory).port(PORT).user("client").dbname("postgres").connect(NoTls)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.join("pgbouncer.log")).unwrap_or_default()
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        signal(Pid::from_raw(self.process.id().try_into().expect("process numbers are small")), Signal::SIGTERM);
        let _ = self.process.wait();
    }
}

/// Debian installs it in a directory that only root has in its `PATH`.
fn installed() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([Path::new("/usr/sbin").to_owned()])
        .map(|directory| directory.join("pgbouncer"))
        .find(|program| program.is_file())
        .expect("pgbouncer is not installed: 'make setup-tests' does it on Debian and Ubuntu")
}
