//! A product under test: a server with its tables, the service in front of it, and curl.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use postgres::Client;
use serde_json::Value;
use tokenauth_cluster::contract::Issued;
use tokenauth_cluster::{FAST, Server, built, example, serve};

/// Runs curl whatever its configuration says, with the response's headers in the output.
const CURL: &str = "curl --disable --noproxy '*' --silent --include";

/// One of the five products, without any users yet.
pub struct Product {
    pub server: Server,
    service: Child,
    address: String,
    /// Every token that was issued; no log may contain one.
    tokens: Vec<String>,
}

/// The response that curl got.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// The headers, by their names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Product {
    /// Sets up the tables of this product, and starts its service.
    pub fn start(name: &str) -> Self {
        Self::behind(name, |server| {
            let mut service = Command::new(service_program());
            let database = format!("{} user={name}_api", server.connection_string("postgres"));
            service.arg(name).env("DATABASE_URL", database);
            service
        })
    }

    /// The same with another service, which takes its address from `LISTEN` and prints it.
    pub fn behind(name: &str, service: impl FnOnce(&Server) -> Command) -> Self {
        let mut settings = FAST.to_vec();
        settings.push("shared_preload_libraries = 'tokenauth'");
        let server = Server::start(&settings);
        let tables = fs::read_to_string(example("service/sql").join(name).with_extension("sql")).unwrap();
        server.connect("postgres").batch_execute(&tables).unwrap();
        let (service, address) = serve(&mut service(&server), &log_of(&server));
        Self { server, service, address, tokens: Vec::new() }
    }

    /// Issues a token with these arguments for `issue`, as the product's own screens would.
    pub fn issue(&mut self, arguments: &str) -> Issued {
        let issued = self.admin().query_one(&format!("SELECT token, id::text FROM tokenauth.issue({arguments})"), &[]);
        let issued = issued.unwrap_or_else(|error| panic!("{arguments}: {error:?}"));
        let issued = Issued { token: issued.get(0), id: issued.get(1) };
        self.tokens.push(issued.token.clone());
        issued
    }

    /// Connects as superuser.
    pub fn admin(&self) -> Client {
        self.server.connect("postgres")
    }

    /// Runs statements as superuser.
    pub fn sql(&self, statements: &str) {
        self.admin().batch_execute(statements).unwrap_or_else(|error| panic!("{statements}: {error:?}"));
    }

    /// Writes the server's key file, and has the server read it.
    pub fn write_keys(&self, lines: &str) {
        self.server.write_file("keys", lines, 0o600);
        self.server.reconfigure(&[&format!("tokenauth.key_file = '{}'", self.server.file("keys").display())]);
    }

    /// The service's address, such as `127.0.0.1:8080`.
    pub fn address(&self) -> &str {
        self.address.trim_start_matches("http://")
    }

    /// Runs a command from a document, with the service in place of its host, and this text in place of the document's
    /// placeholder.
    pub fn sh(&self, command: &str, placeholder: &str, text: &str) -> Answer {
        Self::sh_at(&self.address, command, placeholder, text)
    }

    /// As `sh`, with this address in place of the document's host.
    pub fn sh_at(address: &str, command: &str, placeholder: &str, text: &str) -> Answer {
        let output = Self::shell(address, command, placeholder, text).output().expect("bash can be run");
        assert!(output.status.success(), "{command} failed: {}", output.status);
        Answer::parse(&String::from_utf8(output.stdout).expect("an answer in UTF-8"))
    }

    /// As `sh`, without waiting for its end; the child is curl itself.
    pub fn begin(&self, command: &str, placeholder: &str, text: &str) -> Child {
        let command = command.replacen("curl", &format!("exec {CURL}"), 1);
        Self::shell(&self.address, &command, placeholder, text).stdout(Stdio::null()).spawn().expect("bash can be run")
    }

    fn shell(address: &str, command: &str, placeholder: &str, text: &str) -> Command {
        assert!(command.contains(placeholder), "{command} has no {placeholder}");
        let command = at_home(address, command).replace(placeholder, text);
        let mut shell = Command::new("bash");
        shell.arg("-c").arg(format!("curl() {{ command {CURL} \"$@\"; }}\n{command}")).stdin(Stdio::null());
        shell
    }

    /// What the service has logged.
    pub fn service_log(&self) -> String {
        fs::read_to_string(log_of(&self.server)).unwrap()
    }

    /// Adds a token that was not issued by [`issue`](Self::issue) to those that no log may contain.
    pub fn keep_out_of_logs(&mut self, token: &str) {
        self.tokens.push(token.to_owned());
    }

    /// Stops the product; the service must exit successfully, and no log may contain a token.
    pub fn stop(mut self) {
        kill(self.pid(), Signal::SIGTERM).unwrap();
        assert!(self.service.wait().unwrap().success());
        let (service, server) = (self.service_log(), self.server.log_text());
        assert!(service.contains("valid"), "{service}");
        for token in &self.tokens {
            let secret = &token[token.len() - 38..];
            assert!(!service.contains(secret), "{service}");
            assert!(!server.contains(secret), "{server}");
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.service.id().try_into().expect("process numbers are small"))
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the service's log:\n{}", self.service_log());
        }
        let _ = self.service.kill();
        let _ = self.service.wait();
    }
}

impl Answer {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text}"));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(": "));
        Self {
            status: status.unwrap_or_else(|| panic!("no status: {text}")),
            headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect(),
            body: body.to_owned(),
        }
    }

    /// The value of this header; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body of a response, which must have this status and be JSON.
    #[track_caller]
    pub fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/json", "{self:?}");
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body of a refusal without its correlation id, which must be the one in the header.
    #[track_caller]
    pub fn refusal(&self, status: u16) -> Value {
        let mut body = self.json(status);
        let id = body["correlationId"].take();
        let id = id.as_str().unwrap_or_else(|| panic!("{self:?}"));
        assert!(id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{id}");
        assert_eq!(self.header("x-correlation-id"), id);
        body.as_object_mut().expect("an object").remove("correlationId");
        body
    }
}

/// The command with this address in place of each host.
fn at_home(address: &str, command: &str) -> String {
    let mut parts = command.split("https://");
    let mut here = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let path = part.find('/').expect("a host ends where its path begins");
        here += address;
        here += &part[path..];
    }
    here
}

fn log_of(server: &Server) -> PathBuf {
    server.file("service.log")
}

/// Builds the service once, into the target directory of the tests themselves, since they share crates.
fn service_program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| built("service", "cluster").join("tokenauth-service"))
}
