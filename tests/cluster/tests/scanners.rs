//! Scanners of texts: what `scan_pattern` returns means the same to every engine that they are made of. Each finds all
//! tokens and children of a kind in a text, whole, and nothing else.

use std::io::Write as _;
use std::iter;
use std::path::Path;
use std::process::{Command, Stdio};

use postgres::Client;
use regex::Regex;
use serde_json::{Value, json};
use tokenauth_cluster::contract::{issue, prepare};
use tokenauth_cluster::{FAST, Random, Server, installed, rounds};

/// Where `scripts/setup tests` puts RE2 for Python.
const RE2: &str = "target/scanners/re2";

/// A piece of a text, and what of it is to be found.
struct Piece {
    text: String,
    found: Option<String>,
}

impl Piece {
    /// One that is found as it is.
    fn found(text: impl Into<String>) -> Self {
        let text = text.into();
        Piece { found: Some(text.clone()), text }
    }

    /// One of which this part is found.
    fn around(before: &str, found: &str, after: &str) -> Self {
        Piece { text: format!("{before}{found}{after}"), found: Some(found.to_owned()) }
    }

    /// One in which nothing is found.
    fn other(text: impl Into<String>) -> Self {
        Piece { text: text.into(), found: None }
    }
}

/// What may stand between two words, in code, addresses, documents and logs.
const BETWEEN: [&str; 12] = [" ", "\n", "\"", "/", "=", "&key=", ";", "\r\n", "(", "„", "\t", "\\"];

/// A text of these pieces.
fn joined(pieces: &[Piece]) -> String {
    pieces.iter().zip(BETWEEN.iter().cycle()).flat_map(|(piece, between)| [*between, &piece.text]).collect()
}

fn derive(client: &mut Client, token: &str, arguments: &str) -> Option<String> {
    let sql = format!("SELECT tokenauth.derive($1, {arguments})");
    client.query_one(&sql, &[&token]).ok().map(|row| row.get(0))
}

/// The longest child of a token that is restricted to so many sites.
fn longest_child(client: &mut Client, token: &str) -> String {
    let mut child = |sites: u32| {
        let list = format!("(SELECT jsonb_agg('site-' || n) FROM generate_series(1, {sites}) n)");
        derive(client, token, &format!("data_scopes => jsonb_build_object('site', {list})"))
    };
    (1..).map_while(&mut child).last().expect("there are children")
}

/// Tokens and children of the kind, and what looks like them.
fn pieces(client: &mut Client, random: &mut Random) -> Vec<Piece> {
    let token = issue(client, "user:1").token;
    let mut pieces: Vec<Piece> = iter::repeat_with(|| Piece::found(issue(client, "user:1").token)).take(20).collect();
    let plain = derive(client, &token, "'1 minute'").unwrap();
    for arguments in ["scopes => '{}'", "scopes => '{devices:read,*:list}'", "label => 'job 7'", "networks => '{::1}'"]
    {
        pieces.push(Piece::found(derive(client, &token, arguments).unwrap()));
    }
    let longest = longest_child(client, &token);
    assert!((2000..=2048).contains(&longest.len()), "{}", longest.len());
    pieces.push(Piece::found(longest));
    // Near-tokens: by their form alone they are tokens, of which the checksum tells.
    let near = format!("{}{}", &token[..token.len() - 1], if token.ends_with('a') { 'b' } else { 'a' });
    pieces.push(Piece::found(near));
    // What stands around them without a gap.
    pieces.extend([
        Piece::around("prefix_", &token, ""),
        Piece::around("", &token, "abc"),
        Piece::around("", &token, "-x"),
        Piece::around("", &token, &format!(".{}", &token[4..])),
        Piece::around("x.", &plain, ""),
        Piece::around("", &plain, "0"),
        Piece::around("", &plain, ".x"),
    ]);
    // What lacks a part of a token, or has another.
    let (signed, signature) = plain.rsplit_once('.').unwrap();
    let (public, caveats) = signed.split_once('.').unwrap();
    let others = [
        token[..token.len() - 1].to_owned(),
        token[4..].to_owned(),
        token.replacen("key_", "KEY_", 1),
        token.replacen("key_", "key-", 1),
        format!("{}.{}", &token[..20], &token[20..]),
        format!("{}é{}", &token[..20], &token[21..]),
        signed.to_owned(),
        format!("{public}..{signature}"),
        format!("{public}.{}.{signature}", caveats.replacen('e', "+", 1)),
        format!("{public}.{caveats}.{}", &signature[1..]),
        format!("{public}.{caveats}.{}-", &signature[1..]),
        format!("{public}.{}.{signature}", "e".repeat(1961)),
        format!("{public}\n.{caveats}.{signature}"),
        client.query_one("SELECT token FROM tokenauth.issue('other', 'user:1')", &[]).unwrap().get(0),
    ];
    pieces.extend(others.map(Piece::other));
    let hashes = "SELECT md5(t), encode(sha256(t::bytea), 'hex'), encode(sha512(t::bytea), 'hex'),
                         replace(encode(sha512(t::bytea), 'base64'), E'\n', ''), gen_random_uuid()::text
                    FROM (SELECT $1::text AS t) tokens";
    let hashes = client.query_one(hashes, &[&token]).unwrap();
    pieces.extend((0..5).map(|column| Piece::other(hashes.get::<_, String>(column))));
    // In any order.
    for place in (1..pieces.len()).rev() {
        pieces.swap(place, random.index(place + 1));
    }
    pieces
}

fn found_by_postgres(client: &mut Client, pattern: &str, text: &str) -> Vec<String> {
    let sql = "SELECT found[1] FROM regexp_matches($2, $1, 'g') WITH ORDINALITY m (found, place) ORDER BY place";
    client.query(sql, &[&pattern, &text]).unwrap().iter().map(|row| row.get(0)).collect()
}

fn found_by_rust(pattern: &str, text: &str) -> Vec<String> {
    let pattern = Regex::new(pattern).expect("the pattern is within the limits of the crate");
    pattern.find_iter(text).map(|found| found.as_str().to_owned()).collect()
}

fn found_by_re2(pattern: &str, text: &str) -> Vec<String> {
    const FIND: &str = "import json, re2, sys
asked = json.load(sys.stdin)
json.dump([found.group() for found in re2.finditer(asked['pattern'], asked['text'])], sys.stdout)";
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(RE2).join("bin/python");
    let mut program = Command::new(python)
        .args(["-c", FIND])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python can be run");
    let asked = json!({ "pattern": pattern, "text": text }).to_string();
    program.stdin.take().expect("a pipe").write_all(asked.as_bytes()).unwrap();
    let output = program.wait_with_output().unwrap();
    assert!(output.status.success(), "RE2 does not take the pattern");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    found.as_array().unwrap().iter().map(|found| found.as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_engine_finds_all_tokens_and_children_and_nothing_else() {
    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    client.batch_execute("INSERT INTO tokenauth.kind (name, prefix) VALUES ('other', 'another_')").unwrap();
    let pattern: String = client.query_one("SELECT tokenauth.scan_pattern('key')", &[]).unwrap().get(0);
    let mut random = Random::new(16);
    let has_re2 = installed("google-re2", RE2);
    for _ in 0..rounds(2, 20) {
        let pieces = pieces(&mut client, &mut random);
        let text = joined(&pieces);
        let expected: Vec<&str> = pieces.iter().filter_map(|piece| piece.found.as_deref()).collect();
        assert_eq!(found_by_postgres(&mut client, &pattern, &text), expected, "PostgreSQL");
        assert_eq!(found_by_rust(&pattern, &text), expected, "Rust");
        if has_re2 {
            assert_eq!(found_by_re2(&pattern, &text), expected, "RE2");
        }
    }
}

#[test]
fn what_is_found_and_is_no_token_is_told_by_its_checksum() {
    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let pattern: String = client.query_one("SELECT tokenauth.scan_pattern('key')", &[]).unwrap().get(0);
    let token = issue(&mut client, "user:1").token;
    for place in 4..token.len() {
        let other = if token[place..].starts_with('a') { "b" } else { "a" };
        let near = format!("{}{other}{}", &token[..place], &token[place + 1..]);
        assert_eq!(found_by_rust(&pattern, &near), [near.as_str()]);
        let sql = "SELECT tokenauth.contains_token($1)";
        let is_token: bool = client.query_one(sql, &[&near]).unwrap().get(0);
        assert!(!is_token, "changed at {place}");
    }
    assert!(client.query_one("SELECT tokenauth.contains_token($1)", &[&token]).unwrap().get::<_, bool>(0));
}
