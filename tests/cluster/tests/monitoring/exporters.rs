//! Exporters as Debian has them, which `scripts/setup tests` unpacks: each reads its file of `examples/monitoring`,
//! asks a server, and is asked over HTTP. Where one cannot be had, a message says that it is not tested.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tokenauth_cluster::{Server, example, finish, wait_until};

use super::exposition::Exposition;
use super::listed;
use super::metrics::{busy_server, shown};

/// A program that is unpacked or installed.
fn program(name: &str, what: &str) -> Option<PathBuf> {
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/exporters/usr/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).chain([unpacked]).map(|bin| bin.join(name)).find(|file| file.is_file());
    if found.is_none() {
        let _ = writeln!(std::io::stderr(), "NOT TESTED: {what}, without {name}");
    }
    found
}

/// An exporter that runs, until the value is dropped.
struct Exporter {
    process: Child,
    address: String,
    log: PathBuf,
}

impl Exporter {
    fn start(command: &mut Command, server: &Server) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let log = server.file("exporter.log");
        let process = command
            .arg(format!("--web.listen-address={free}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .expect("the exporter can be run");
        Self { process, address: free.to_string(), log }
    }

    /// What it exposes, once it exposes everything that the page lists; `prefix` is what it puts before each name.
    fn exposes(&self, prefix: &str) -> Exposition {
        let mut exposed = Exposition::default();
        let listed = listed::metrics();
        let expected: BTreeSet<String> = listed.iter().map(|metric| format!("{prefix}{}", metric.name)).collect();
        let is_complete = |exposed: &Exposition| {
            let names: BTreeSet<&String> = exposed.samples.keys().map(|(name, _)| name).collect();
            expected.iter().all(|name| names.contains(name))
        };
        let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_until("the exporter to expose all metrics", || {
                exposed = Exposition::scrape(&self.address).unwrap_or_default();
                is_complete(&exposed)
            });
        }));
        assert!(asked.is_ok(), "{}", fs::read_to_string(&self.log).unwrap_or_default());
        exposed
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Compares the samples of our metrics with what the view shows, but for the labels that are the exporter's own.
fn compare(server: &Server, exposed: &Exposition, prefix: &str, own: &[&str]) {
    let mut client = server.connect("postgres");
    let expected: BTreeSet<(String, BTreeSet<String>)> = shown(&mut client)
        .into_keys()
        .map(|(name, labels)| {
            let labels: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&labels).unwrap();
            let labels = labels.iter().map(|(label, value)| format!("{label}={}", value.as_str().expect("a text")));
            (name, labels.collect())
        })
        .collect();
    let is_own = |label: &&String| own.iter().any(|own| label.starts_with(&format!("{own}=")));
    let ours: BTreeSet<(String, BTreeSet<String>)> = exposed
        .samples
        .keys()
        .filter_map(|(name, labels)| {
            let name = name.strip_prefix(prefix).filter(|name| name.starts_with("tokenauth_"))?;
            Some((name.to_owned(), labels.iter().filter(|label| !is_own(label)).cloned().collect()))
        })
        .collect();
    assert_eq!(ours, expected);
    let valid = exposed.samples.iter().find(|((name, labels), _)| {
        name.ends_with("tokenauth_verifications_total") && labels.contains("verdict=valid")
    });
    assert_eq!(valid.map(|(_, value)| *value), Some(1.0));
    for metric in listed::metrics() {
        assert_eq!(exposed.help[&format!("{prefix}{}", metric.name)], metric.help);
    }
}

#[test]
fn debians_postgres_exporter_exposes_every_metric() {
    let name = "prometheus-postgres-exporter";
    let Some(program) = program(name, "scraping by Debian's postgres_exporter") else { return };
    let (server, _client) = busy_server();
    let place = server.file("").display().to_string();
    let exporter = Exporter::start(
        Command::new(program)
            .env_clear()
            .env("DATA_SOURCE_NAME", format!("host={place} user=monitoring dbname=postgres"))
            .arg(format!("--extend.query-path={}", example("monitoring/postgres_exporter.yaml").display())),
        &server,
    );
    let exposed = exporter.exposes("");
    compare(&server, &exposed, "", &["server"]);
    for metric in listed::metrics() {
        assert_eq!(exposed.kinds[&metric.name], metric.kind);
    }
}

#[test]
fn debians_sql_exporter_exposes_every_metric() {
    let name = "prometheus-sql-exporter";
    let Some(program) = program(name, "scraping by Debian's sql_exporter") else { return };
    let (server, _client) = busy_server();
    let place = server.file("").display().to_string();
    let file = fs::read_to_string(example("monitoring/prometheus-sql-exporter.yaml")).unwrap();
    let here = file.replace("/app?host=/var/run/postgresql", &format!("/postgres?host={place}"));
    assert_ne!(here, file);
    server.write_file("sql-exporter.yaml", &here, 0o644);
    let exporter = Exporter::start(
        Command::new(program).env_clear().arg(format!("-config.file={}", server.file("sql-exporter.yaml").display())),
        &server,
    );
    // As the file for Prometheus takes it away.
    compare(&server, &exporter.exposes("sql_"), "sql_", &["driver", "host", "database", "user", "sql_job", "col"]);
}

#[test]
fn promtool_accepts_the_files_for_prometheus() {
    let Some(promtool) = program("promtool", "the files for Prometheus, by its own check") else { return };
    finish(Command::new(&promtool).args(["check", "rules"]).arg(example("monitoring/alerts.yaml")));
    finish(Command::new(&promtool).args(["check", "config"]).arg(example("monitoring/prometheus.yaml")));
}
