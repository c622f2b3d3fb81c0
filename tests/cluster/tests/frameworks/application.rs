//! An application with its database, and who calls it.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use postgres::Client;
use serde_json::{Value, json};
use tokenauth_cluster::contract::Issued;
use tokenauth_cluster::http::{self, Answer};
use tokenauth_cluster::{FAST, Server, serve};

/// Tokens are looked for in a log of all statements: their texts, that is, since a log of parameters is asked for them.
const SETTINGS: &[&str] =
    &["shared_preload_libraries = 'tokenauth'", "log_statement = all", "log_parameter_max_length = 0"];

/// What appears in the server's log each time that a request is let in or refused.
const SIGN_IN: &str = "FROM tokenauth.sign_in_request(";

pub struct Application {
    pub server: Server,
    process: Child,
    address: String,
    tokens: Vec<String>,
    /// How many requests were sent to routes that need a token.
    guarded: AtomicUsize,
}

impl Application {
    /// Starts it in front of a database of its own.
    pub fn start(mut program: Command) -> Self {
        let server = Server::start(&[FAST, SETTINGS].concat());
        let schema = include_str!("../../../../examples/frameworks/schema.sql");
        server.connect("postgres").batch_execute(schema).unwrap();
        program.env("PGHOST", server.file("")).env("PGUSER", "app").env("PGDATABASE", "postgres");
        let (process, address) = serve(&mut program, &server.file("application.log"));
        let address = address.trim_start_matches("http://").to_owned();
        Self { server, process, address, tokens: Vec::new(), guarded: AtomicUsize::new(0) }
    }

    /// Connects as superuser.
    pub fn admin(&self) -> Client {
        self.server.connect("postgres")
    }

    /// Issues a token with these arguments for `issue`.
    pub fn issue(&mut self, arguments: &str) -> Issued {
        let row = self.admin().query_one(&format!("SELECT token, id::text FROM tokenauth.issue({arguments})"), &[]);
        let row = row.unwrap_or_else(|error| panic!("{arguments}: {error:?}"));
        let issued = Issued { token: row.get(0), id: row.get(1) };
        self.tokens.push(issued.token.clone());
        issued
    }

    /// The devices that the holder of this token gets.
    pub fn devices(&self, token: &str) -> Answer {
        self.get("/devices", &[("Authorization", &format!("Bearer {token}"))])
    }

    /// The answer to a request with these headers.
    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.count(path);
        http::send(&self.address, "GET", path, headers, "")
    }

    /// The answer to a request to add devices.
    pub fn add(&self, path: &str, names: &[&str], token: &str) -> Answer {
        self.count(path);
        http::send(&self.address, "POST", path, &[JSON, ("X-API-Key", token)], &body(names))
    }

    /// As `add`, without waiting for the answer; dropping the connection gives the request up.
    pub fn begin_to_add(&self, names: &[&str], token: &str) -> TcpStream {
        self.count("/devices/new");
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let (body, host) = (body(names), &self.address);
        let (length, kind) = (body.len(), JSON.1);
        write!(
            stream,
            "POST /devices/new HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nContent-Type: {kind}\r\n\
             X-API-Key: {token}\r\n\r\n{body}"
        )
        .unwrap();
        stream
    }

    /// Who is authenticated where a request presents nothing.
    pub fn owner_without_token(&self) -> Value {
        let answer = self.get("/health", &[]);
        assert_eq!(answer.status, 200, "{answer:?}");
        json(&answer)["owner"].clone()
    }

    /// The names of all devices, whoever owns them.
    pub fn names(&self) -> Vec<String> {
        let rows = self.admin().query("SELECT name FROM device ORDER BY name", &[]).unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// How many connections of the application are in this state.
    pub fn connections(&self, state: &str) -> i64 {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state = $1";
        self.admin().query_one(sql, &[&state]).unwrap().get(0)
    }

    /// What the application has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.server.file("application.log")).unwrap()
    }

    /// Each request to a route that needs a token was one statement, and no log shows a token.
    pub fn has_asked_once_for_each_request_and_told_no_token(&self) {
        let statements = self.server.log_text();
        let (asked, sent) = (statements.matches(SIGN_IN).count(), self.guarded.load(Ordering::Relaxed));
        assert_eq!(asked, sent, "statements that sign in, and requests");
        let told = self.log();
        assert!(told.contains("valid") && told.contains("user:1"), "{told}");
        for token in &self.tokens {
            let secret = &token[token.len() - 38..];
            assert!(!statements.contains(secret), "{statements}");
            assert!(!told.contains(secret), "{told}");
        }
    }

    fn count(&self, path: &str) {
        if path != "/health" {
            self.guarded.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the application's log:\n{}", self.log());
        }
        let pid = Pid::from_raw(self.process.id().try_into().expect("process numbers are small"));
        let _ = kill(pid, Signal::SIGTERM);
        let _ = self.process.wait();
    }
}

const JSON: (&str, &str) = ("Content-Type", "application/json");

fn body(names: &[&str]) -> String {
    json!({"names": names}).to_string()
}

/// The body of an answer, which must be JSON.
#[track_caller]
pub fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}
