//! The settings page with the people of its demonstration.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::OnceLock;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use postgres::Client;
use tokenauth_cluster::{FAST, Server, built, example, http, serve};

use crate::visitor::Visitor;

/// A server with the tables, kinds and roles of the example, and the program in front of it.
pub struct Demo {
    pub server: Server,
    program: Child,
    /// Such as `http://127.0.0.1:8080`.
    pub origin: String,
}

impl Demo {
    pub fn start() -> Self {
        let server = Server::start(
            &[FAST, &["shared_preload_libraries = tokenauth", "tokenauth.usage_flush_interval = 1"]].concat(),
        );
        server.write_file(
            "keys",
            "seal example 1111111111111111111111111111111111111111111111111111111111111111",
            0o600,
        );
        server.reconfigure(&[&format!("tokenauth.key_file = '{}'", server.file("keys").display())]);
        for script in ["setup.sql", "demo.sql"] {
            let script = fs::read_to_string(example("settings_page/sql").join(script)).unwrap();
            server.psql("postgres", &script);
        }
        let (program, origin) = start_program(&server);
        Self { server, program, origin }
    }

    /// Somebody with a browser, signed in as this person.
    pub fn visitor(&self, person: &str) -> Visitor {
        Visitor::sign_in(&self.origin, person)
    }

    /// Connects as superuser.
    pub fn admin(&self) -> Client {
        self.server.connect("postgres")
    }

    /// Runs statements as superuser.
    pub fn sql(&self, statements: &str) {
        self.admin().batch_execute(statements).unwrap_or_else(|error| panic!("{statements}: {error:?}"));
    }

    /// The only value of a query, as text.
    pub fn value(&self, query: &str) -> String {
        let row = self.admin().query_one(&format!("SELECT ({query})::text"), &[]);
        row.unwrap_or_else(|error| panic!("{query}: {error:?}")).get(0)
    }

    /// The status of `/api/whoami` for a token.
    pub fn status_of(&self, token: &str) -> u16 {
        let header = format!("Bearer {token}");
        let address = self.origin.trim_start_matches("http://");
        http::send(address, "GET", "/api/whoami", &[("Authorization", &header)], "").status
    }

    /// Stops the program, which must exit successfully; no log may contain one of these tokens.
    pub fn stop(mut self, tokens: &[String]) {
        kill(Pid::from_raw(self.program.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
        assert!(self.program.wait().unwrap().success());
        let (program, server) = (fs::read_to_string(log_of(&self.server)).unwrap(), self.server.log_text());
        assert!(program.contains("POST /settings/api-tokens/new 200"), "{program}");
        assert!(!tokens.is_empty());
        for token in tokens {
            let secret = &token[token.len() - 38..];
            assert!(!program.contains(secret), "{program}");
            assert!(!server.contains(secret), "{server}");
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the program's log:\n{}", fs::read_to_string(log_of(&self.server)).unwrap_or_default());
        }
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

fn start_program(server: &Server) -> (Child, String) {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    // Into the target directory of the tests themselves and of the service, since they share crates.
    let path = PROGRAM.get_or_init(|| built("settings_page", "cluster").join("tokenauth-settings-page"));
    let database = |role: &str| format!("{} user={role}", server.connection_string("postgres"));
    let mut program = Command::new(path);
    program
        .env("PAGE_DATABASE_URL", database("settings_page"))
        .env("OBSERVER_DATABASE_URL", database("settings_observer"))
        .env("API_DATABASE_URL", database("settings_api"));
    serve(&mut program, &log_of(server))
}

fn log_of(server: &Server) -> PathBuf {
    server.file("page.log")
}
