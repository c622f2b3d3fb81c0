//! What comes back from a backup, a copy or a dump: dead tokens stay dead, by the fence and by what was exported, and
//! what was issued works on.

mod dumps;
mod ends;
mod fence;
mod keys;
mod log;
mod refusals;
mod standbys;
mod ways;

use std::fs;
use std::path::Path;

use postgres::Client;
use tokenauth_cluster::blocks::blocks;
use tokenauth_cluster::contract::{prepare, verdict};
use tokenauth_cluster::{FAST, Psql, REVOCATION_LOG, Server, wait_until};

/// How the refusals of a fenced server begin.
const FENCED: &str = "server has come back older than it was";

/// The name of the fence file, beside the data directory.
const FENCE: &str = "fence";

/// The setting that names it.
fn fence_file(server: &Server) -> String {
    format!("tokenauth.fence_file = '{}'", server.file(FENCE).display())
}

/// A server with a fence file, which is there, and more settings.
fn guarded(settings: &[&str]) -> (Server, Client) {
    let server = Server::start(&[FAST, &["shared_preload_libraries = tokenauth"], settings].concat());
    server.reconfigure(&[&fence_file(&server)]);
    wait_until("the fence file to be written", || server.file(FENCE).exists());
    let mut client = server.connect("postgres");
    prepare(&mut client);
    (server, client)
}

/// How a statement was refused.
fn refused(client: &mut Client, sql: &str) -> String {
    match client.batch_execute(sql) {
        Ok(()) => "it was not".to_owned(),
        Err(error) => match error.as_db_error() {
            Some(told) => format!("{} {}", told.code().code(), told.message()),
            None => panic!("{sql}: {error:?}"),
        },
    }
}

fn is_fenced(client: &mut Client, sql: &str) -> bool {
    refused(client, sql).starts_with(&format!("55000 {FENCED}"))
}

/// Checks that this token is valid, and that nothing is fenced.
fn assert_open(server: &Server, token: &str, when: &str) {
    let mut client = server.connect("postgres");
    let asked = "SELECT verdict FROM tokenauth.verify($1)";
    let answer = client.query_one(asked, &[&token]).unwrap_or_else(|error| panic!("{when}: {error:?}"));
    assert_eq!(answer.get::<_, String>(0), "valid", "{when}");
    assert!(!server.log_text().contains(FENCED), "{when}");
}

/// Does what the page about restores says under "After a restore", in its order, and returns what was answered.
fn follow_the_runbook(server: &Server, kept: &Path) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations/restore.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, section) = page.split_once("\n## After a restore\n").expect("the page has this section");
    let (section, _) = section.split_once("\n### If nothing was exported\n").expect("and this one in it");
    let mut answers = String::new();
    for block in blocks(section) {
        answers += &match block.language.as_str() {
            "sql" => Psql::start(server, "postgres").answer(&block.code).unwrap_or_else(|said| panic!("{said}")),
            "sh" => {
                server.install_revocation_log();
                server.shell("postgres", &block.code.replace(REVOCATION_LOG, &kept.display().to_string()))
            }
            other => panic!("a block of {other}"),
        };
    }
    answers
}

fn verdicts<const N: usize>(server: &Server, tokens: [&str; N]) -> [String; N] {
    let mut client = server.connect("postgres");
    tokens.map(|token| verdict(&mut client, token))
}
