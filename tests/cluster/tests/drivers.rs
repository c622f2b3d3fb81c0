//! How drivers send a token: as a literal, or as a parameter of the type that they use for strings. Either it is
//! understood, or the statement fails and nobody is authenticated.
//!
//! JDBC uses `varchar`; node-postgres and programs on libpq leave the type open; psycopg uses `text` or writes a
//! literal, as pgx does in its simple protocol; bytes of Python and Node become `bytea`.

use bytes::BytesMut;
use postgres::error::SqlState;
use postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, SimpleQueryMessage};
use tokenauth_cluster::contract::serve;
use tokenauth_cluster::{FAST, Server};

/// Bytes that are sent as they are, whatever the type of the parameter.
#[derive(Debug)]
struct Sent<'a>(&'a [u8]);

impl ToSql for Sent<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        // The version number that precedes the text of a jsonb.
        if *kind == Type::JSONB {
            out.extend_from_slice(&[1]);
        }
        out.extend_from_slice(self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// The first column of the only row.
fn answer<T: for<'a> FromSql<'a>>(client: &mut Client, sql: &str, sent: &[(&[u8], Type)]) -> Result<T, SqlState> {
    let sent: Vec<_> = sent.iter().map(|(bytes, kind)| (Sent(bytes), kind.clone())).collect();
    let parameters: Vec<(&(dyn ToSql + Sync), Type)> =
        sent.iter().map(|(bytes, kind)| (bytes as &(dyn ToSql + Sync), kind.clone())).collect();
    match client.query_typed(sql, &parameters) {
        Ok(rows) => Ok(rows[0].get(0)),
        Err(error) => Err(error.code().unwrap_or_else(|| panic!("{error:?}")).clone()),
    }
}

const STRINGS: [Type; 3] = [Type::TEXT, Type::VARCHAR, Type::BPCHAR];

#[test]
fn a_token_is_understood_in_every_type_that_drivers_have_for_strings() {
    let (_server, mut client, issued) = serve(FAST);
    let token = issued.token.as_bytes();
    let headers = format!("{{\"X-API-Key\": \"{}\"}}", issued.token).into_bytes();
    let lookup = &token[..4 + 11];
    let digest: Vec<u8> = client.query_one("SELECT sha256($1)", &[&token]).unwrap().get(0);
    for kind in STRINGS {
        let mut ask =
            |sql: &str, sent: &[(&[u8], Type)]| -> Result<String, SqlState> { answer(&mut client, sql, sent) };
        let string = |bytes| (bytes, kind.clone());
        for (sql, sent) in [
            ("SELECT verdict FROM tokenauth.verify($1)", vec![string(token)]),
            ("SELECT verdict FROM tokenauth.verify($1, client => $2)", vec![string(token), string(b"192.0.2.7")]),
            ("SELECT verdict FROM tokenauth.sign_in($1)", vec![string(token)]),
            ("SELECT verdict FROM tokenauth.verify_digest($1, $2)", vec![string(lookup), (&digest, Type::BYTEA)]),
            ("SELECT verdict FROM tokenauth.verify_digest($1, $2)", vec![string(lookup), (&digest, Type::UNKNOWN)]),
            ("SELECT verdict FROM tokenauth.verify_request($1::jsonb)", vec![string(&headers)]),
            ("SELECT verdict FROM tokenauth.verify_request($1)", vec![(&headers, Type::JSONB)]),
        ] {
            assert_eq!(ask(sql, &sent).as_deref(), Ok("valid"), "{sql} as {kind}");
        }
        assert_eq!(ask("SELECT tokenauth.authenticate($1)", &[string(token)]).as_deref(), Ok("user:1"), "{kind}");
        assert_eq!(
            ask("SELECT verdict FROM tokenauth.verify($1)", &[string(b"key_")]).as_deref(),
            Ok("malformed"),
            "{kind}"
        );
    }
}

#[test]
fn what_is_of_another_type_or_no_text_fails_and_leaves_nobody_authenticated() {
    let (_server, mut client, issued) = serve(FAST);
    let token = issued.token.as_bytes();
    let headers = format!("{{\"X-API-Key\": \"{}\"}}", issued.token).into_bytes();
    let with_nul = [token, b"\0"].concat();
    let not_utf8 = [token, b"\xff"].concat();
    for (sql, sent, code) in [
        ("tokenauth.authenticate($1)", (token, Type::BYTEA), SqlState::UNDEFINED_FUNCTION),
        ("tokenauth.sign_in($1)", (token, Type::BYTEA), SqlState::UNDEFINED_FUNCTION),
        ("tokenauth.authenticate_request($1)", (&headers, Type::VARCHAR), SqlState::UNDEFINED_FUNCTION),
        ("tokenauth.sign_in_request($1)", (&headers, Type::JSON), SqlState::UNDEFINED_FUNCTION),
        ("tokenauth.authenticate_digest(NULL, $1)", (token, Type::TEXT), SqlState::UNDEFINED_FUNCTION),
        ("tokenauth.authenticate($1)", (&with_nul, Type::TEXT), SqlState::CHARACTER_NOT_IN_REPERTOIRE),
        ("tokenauth.sign_in($1)", (&not_utf8, Type::VARCHAR), SqlState::CHARACTER_NOT_IN_REPERTOIRE),
    ] {
        client.batch_execute("BEGIN; SAVEPOINT s").unwrap();
        let failed = answer::<String>(&mut client, &format!("SELECT ({sql})::text"), std::slice::from_ref(&sent));
        assert_eq!(failed, Err(code), "{sql} as {}", sent.1);
        client.batch_execute("ROLLBACK TO s").unwrap();
        let owner: Option<String> = client.query_one("SELECT tokenauth.current_owner()", &[]).unwrap().get(0);
        assert_eq!(owner, None, "{sql} as {}", sent.1);
        client.batch_execute("ROLLBACK").unwrap();
    }
}

#[test]
fn a_token_is_understood_in_every_form_of_literal() {
    let (_server, mut client, issued) = serve(FAST);
    let token = &issued.token;
    let escaped: String =
        token.bytes().flat_map(|byte| format!("\\x{byte:02x}").into_bytes()).map(char::from).collect();
    let unicode: String = token.bytes().flat_map(|byte| format!("\\{byte:04x}").into_bytes()).map(char::from).collect();
    for literal in [
        format!("'{token}'"),
        format!("E'{token}'"),
        format!("E'{escaped}'"),
        format!("U&'{unicode}'"),
        format!("$${token}$$"),
        format!("('{token}')::varchar"),
        format!("'{token}'::char({})", token.len() + 3),
    ] {
        let messages = client.simple_query(&format!("SELECT tokenauth.authenticate({literal})")).unwrap();
        let owner = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        assert_eq!(owner, Some("user:1"), "{literal}");
    }
    client.batch_execute("SET standard_conforming_strings = off; SET escape_string_warning = off").unwrap();
    client.batch_execute(&format!("SELECT 1 / (ok::int) FROM tokenauth.verify('{escaped}')")).unwrap();
}

#[test]
fn a_token_is_understood_as_text_of_an_open_type() {
    // libpq sends text and leaves the type to the server; here pgbench does so.
    let (server, _client, issued): (Server, _, _) = serve(FAST);
    server.write_file(
        "untyped.pgbench",
        "SELECT 1 / (ok::int) FROM tokenauth.verify(:token);
         SELECT 1 / (ok::int) FROM tokenauth.verify_request(:headers);
         BEGIN;
         SELECT tokenauth.authenticate(:token);
         SELECT 1 / (tokenauth.current_owner() = :owner)::int;
         COMMIT;
         ",
        0o644,
    );
    let definitions = [
        format!("--define=token={}", issued.token),
        format!("--define=headers={{\"Authorization\": \"Bearer {}\"}}", issued.token),
        "--define=owner=user:1".to_owned(),
    ];
    for protocol in ["--protocol=extended", "--protocol=prepared"] {
        let mut options = vec!["--no-vacuum", "--transactions=10", protocol];
        options.extend(definitions.iter().map(String::as_str));
        server.pgbench("untyped.pgbench", &options);
    }
}
