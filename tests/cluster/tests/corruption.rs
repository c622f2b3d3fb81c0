//! When files that verification reads are damaged, the token is refused or the call fails with a coded error. It is
//! never valid with wrong data, and the server stays up.

use std::fs;

use postgres::Client;
use postgres::error::SqlState;
use tokenauth_cluster::contract::{Issued, serve, verdict};
use tokenauth_cluster::{FAST, Server};

const PAGE: usize = 8192;

/// Damages a file.
type Damage = fn(&mut [u8]);

/// Damages that PostgreSQL can detect without checksums, or that leave no rows.
const PAGES: &[(&str, Damage)] = &[
    ("all zeros", |file| file.fill(0)),
    ("no page headers", |file| file.chunks_mut(PAGE).for_each(|page| page[..24].fill(0xAA))),
    ("no rows", |file| file.chunks_mut(PAGE).for_each(|page| page[24..].fill(0))),
];

/// Damages that only checksums detect. Without them rows may contain anything: PostgreSQL itself cannot take such a row
/// apart.
const BYTES: &[(&str, Damage)] = &[
    ("one bit", |file| file[PAGE - 20] ^= 1),
    ("zeros at the end", |file| file[PAGE - 200..].fill(0)),
    ("ones at the end", |file| file[PAGE - 200..].fill(0xFF)),
    ("bytes from elsewhere", |file| file.copy_within(PAGE - 150..PAGE - 50, PAGE - 100)),
];

/// The relations that verification reads.
const TABLES: [&str; 3] = ["token", "principal", "kind"];
const INDEXES: [&str; 3] = ["token_lookup_key", "principal_pkey", "kind_pkey"];

fn file(client: &mut Client, relation: &str) -> String {
    client
        .query_one("SELECT pg_relation_filepath($1::text::regclass)", &[&format!("tokenauth.{relation}")])
        .unwrap()
        .get(0)
}

/// Verifies with each function, often enough to be answered from memory, and reads what a DBA would read.
fn expect_closed(server: &Server, issued: &Issued, what: &str) {
    let corrupted = [SqlState::DATA_CORRUPTED, SqlState::INDEX_CORRUPTED];
    for cache_size in ["0", "4MB"] {
        let mut client = server.connect("postgres");
        client.batch_execute(&format!("SET tokenauth.cache_size = '{cache_size}'")).unwrap();
        for call in [
            "tokenauth.verify($1)",
            "tokenauth.verify_digest(left($1, -38), sha256(convert_to($1, 'UTF8')))",
            "tokenauth.verify($1)",
            "tokenauth.verify($1, '{devices:read}')",
            "tokenauth.verify($1)",
        ] {
            match client.query_one(&format!("SELECT verdict, scopes FROM {call}"), &[&issued.token]) {
                Ok(row) => {
                    let (verdict, scopes): (String, Option<Vec<String>>) = (row.get(0), row.get(1));
                    let granted = scopes.unwrap_or_default();
                    assert!(granted.iter().all(|scope| scope == "devices:read"), "{what}: {call}: {granted:?}");
                    assert_ne!(verdict, "valid", "{what}: {call}");
                }
                Err(error) => {
                    assert!(error.code().is_some_and(|code| corrupted.contains(code)), "{what}: {call}: {error:?}");
                }
            }
        }
    }
}

#[test]
fn a_damaged_page_never_makes_a_token_valid_and_never_a_server_crash() {
    for checksums in [false, true] {
        let (mut server, mut client, issued) = serve(FAST);
        let files: Vec<_> =
            TABLES.iter().chain(&INDEXES).map(|relation| (relation, file(&mut client, relation))).collect();
        drop(client);
        server.stop();
        server.switch_checksums(checksums);
        // A scan that finds a row gone marks its entry in the index: so after each damage, all files are restored.
        let sound: Vec<_> =
            files.iter().map(|(_, file)| fs::read(server.file(&format!("data/{file}"))).unwrap()).collect();
        for (damaged, (relation, _)) in files.iter().enumerate() {
            for (damage, apply) in PAGES.iter().chain(if checksums { BYTES } else { &[] }) {
                for (index, (_, file)) in files.iter().enumerate() {
                    let mut content = sound[index].clone();
                    if index == damaged {
                        apply(&mut content);
                    }
                    fs::write(server.file(&format!("data/{file}")), content).unwrap();
                }
                server.start_again();
                let what = format!("{relation}, {damage}, checksums {checksums}");
                expect_closed(&server, &issued, &what);
                assert!(!server.log_text().contains("terminated by signal"), "{what}: a process crashed");
                server.stop();
            }
        }
        for ((_, file), sound) in files.iter().zip(sound) {
            fs::write(server.file(&format!("data/{file}")), sound).unwrap();
        }
        server.start_again();
        assert_eq!(verdict(&mut server.connect("postgres"), &issued.token), "valid", "what is mended");
    }
}
