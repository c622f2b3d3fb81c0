//! Databases in encodings other than UTF-8, and bytes that are invalid in every encoding.

use postgres::Client;
use tokenauth_cluster::contract::{issue, prepare, revoke, verdict};
use tokenauth_cluster::{FAST, Server};

/// An encoding, and a token's name as bytes in it.
const ENCODINGS: [(&str, &[u8]); 3] =
    [("UTF8", "Zo\u{eb} \u{2713}".as_bytes()), ("LATIN1", b"caf\xe9 \xff"), ("SQL_ASCII", b"\xff\xfe \xc3")];

fn in_each_encoding(test: impl Fn(&mut Client, &str, &[u8])) {
    let server = Server::start(FAST);
    for (encoding, name) in ENCODINGS {
        let database = encoding.to_lowercase();
        server.create_database(&database, &format!("TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'"));
        let mut client = server.connect(&database);
        prepare(&mut client);
        test(&mut client, encoding, name);
    }
}

#[test]
fn a_token_lives_and_dies_in_every_encoding() {
    in_each_encoding(|client, encoding, _| {
        let issued = issue(client, "user:1");
        assert_eq!(verdict(client, &issued.token), "valid", "in {encoding}");
        assert!(revoke(client, &issued));
        assert_eq!(verdict(client, &issued.token), "revoked", "in {encoding}");
    });
}

#[test]
fn a_name_keeps_its_bytes() {
    in_each_encoding(|client, encoding, name| {
        // Bytes go in and out, so that no conversion between client and server hides anything.
        client
            .execute(
                "SELECT id FROM tokenauth.issue('key', 'user:1', name => convert_from($1, $2::text::name))",
                &[&name, &encoding],
            )
            .unwrap();
        let stored: Vec<u8> = client
            .query_one("SELECT convert_to(name, $1::text::name) FROM tokenauth.tokens", &[&encoding])
            .unwrap()
            .get(0);
        assert_eq!(stored, name, "in {encoding}");
    });
}

#[test]
fn a_pasted_token_is_found_among_bytes_of_any_encoding() {
    in_each_encoding(|client, encoding, bytes| {
        let token = issue(client, "user:1").token;
        let text = [bytes, b": ", token.as_bytes(), b" ", bytes].concat();
        client.batch_execute("CREATE TABLE ticket (body text)").unwrap();
        client.execute("INSERT INTO ticket VALUES (convert_from($1, $2::text::name))", &[&text, &encoding]).unwrap();
        let found = client
            .query_one(
                "SELECT owner, position = length(convert_from($1, $2::text::name)) + 1
                   FROM tokenauth.scan_column('ticket', 'body')",
                &[&[bytes, b": "].concat(), &encoding],
            )
            .unwrap_or_else(|error| panic!("in {encoding}: {error}"));
        assert_eq!((found.get(0), found.get(1)), ("user:1", true), "in {encoding}");
    });
}

#[test]
fn a_hint_can_be_read_where_its_ellipsis_does_not_exist() {
    in_each_encoding(|client, encoding, _| {
        let issued = issue(client, "user:1");
        let hint: String = client.query_one("SELECT hint FROM tokenauth.tokens", &[]).unwrap().get(0);
        let body = issued.token.strip_prefix("key_").unwrap();
        let ellipsis = hint
            .strip_prefix("key_")
            .and_then(|hint| hint.strip_prefix(&body[..8]))
            .and_then(|hint| hint.strip_suffix(&body[body.len() - 4..]));
        assert!(matches!(ellipsis, Some("\u{2026}" | "...")), "in {encoding} the hint is {hint}");
    });
}

#[test]
fn bytes_that_are_no_token_are_malformed() {
    in_each_encoding(|client, encoding, _| {
        let token = issue(client, "user:1").token.into_bytes();
        for byte in 0x80..=0xff_u8 {
            let alone = vec![byte];
            let appended = [&token[..], &[byte]].concat();
            let mut replaced = token.clone();
            replaced[token.len() / 2] = byte;
            for presented in [alone, appended, replaced] {
                // In UTF-8, the server itself refuses these before they reach a function.
                if encoding == "UTF8" && std::str::from_utf8(&presented).is_err() {
                    continue;
                }
                let verdict: String = client
                    .query_one(
                        "SELECT verdict FROM tokenauth.verify(convert_from($1, $2::text::name))",
                        &[&presented, &encoding],
                    )
                    .unwrap_or_else(|error| panic!("{presented:x?} in {encoding}: {error}"))
                    .get(0);
                assert_eq!(verdict, "malformed", "{presented:x?} in {encoding}");
            }
        }
    });
}
