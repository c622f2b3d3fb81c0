//! Databases in encodings other than UTF-8, and bytes that are invalid in every encoding.

use postgres::Client;
use postgres::error::SqlState;
use tokenauth_cluster::contract::{issue, prepare, revoke, verdict};
use tokenauth_cluster::{FAST, Server};

/// An encoding, and a token's name as bytes in it.
const ENCODINGS: [(&str, &[u8]); 4] = [
    ("UTF8", "Zo\u{eb} \u{2713}".as_bytes()),
    ("LATIN1", b"caf\xe9 \xff"),
    ("EUC_JP", b"\xc6\xfc\xcb\xdc"),
    ("SQL_ASCII", b"\xff\xfe \xc3"),
];

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
fn errors_name_what_they_are_about_in_every_encoding() {
    in_each_encoding(|client, encoding, _| {
        let mut raise = |sql: &str| client.batch_execute(sql).unwrap_err().as_db_error().unwrap().message().to_owned();
        for (sql, message) in [
            ("SELECT tokenauth.issue('clé', 'user:1')", "token kind \"clé\" does not exist"),
            ("SELECT tokenauth.deactivate('user:zoë')", "principal \"user:zoë\" does not exist"),
            ("SELECT tokenauth.unbind_principals('größe')", "table \"größe\" is not bound"),
        ] {
            if sql.contains("unbind") {
                raise("CREATE TABLE größe (id text PRIMARY KEY); SELECT 1 / 0");
            }
            let told = raise(&format!("CREATE TABLE IF NOT EXISTS größe (id text); {sql}"));
            assert!(told == message || told.contains("größe"), "in {encoding}: {told}");
        }
    });
}

#[test]
fn an_expression_is_quoted_as_it_raised_in_every_encoding() {
    in_each_encoding(|client, encoding, _| {
        client
            .batch_execute(
                "CREATE TABLE users (id text PRIMARY KEY, active text); INSERT INTO users VALUES ('zoë', 'peut-être')",
            )
            .unwrap();
        let bind = "SELECT tokenauth.bind_principals('users', 'user', 'id', active => 'active')";
        let error = client.batch_execute(bind).unwrap_err();
        let error = error.as_db_error().unwrap();
        assert_eq!(error.message(), "invalid input syntax for type boolean: \"peut-être\"", "in {encoding}");
    });
}

#[test]
fn bytes_that_are_no_text_match_nothing_and_are_no_error() {
    let server = Server::start(FAST);
    server.create_database("ascii", "TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'");
    let mut client = server.connect("ascii");
    prepare(&mut client);
    client
        .batch_execute(
            "SELECT tokenauth.put_principal('user:2', '{devices:read}', '{\"site\": [\"nyc\"]}');
             SELECT tokenauth.put_principal('user:3', '{devices:read}', '{\"site\": [\"nyc\"], \"*\": [\"a\"]}')",
        )
        .unwrap();
    for (owner, unnamed) in [("user:2", true), ("user:3", false)] {
        let token = issue(&mut client, owner).token;
        let mut transaction = client.transaction().unwrap();
        transaction.execute("SELECT tokenauth.authenticate($1)", &[&token]).unwrap();
        let sql = "SELECT tokenauth.in_data_scope('site', 'nyc'), tokenauth.in_data_scope('site', E'\\xff'),
                          tokenauth.in_data_scope(E'\\xff', 'b'), tokenauth.in_data_scope(E'\\xff', E'\\xfe'),
                          tokenauth.data_scope(E'\\xff') IS NULL";
        let row = transaction.query_one(sql, &[]).unwrap();
        let answers: [bool; 5] = std::array::from_fn(|index| row.get(index));
        assert_eq!(answers, [true, false, unnamed, unnamed, unnamed], "of {owner}");
        let refused = transaction.query_one("SELECT tokenauth.has_scope(E'devices:\\xff')", &[]).unwrap_err();
        assert_eq!(refused.code().unwrap().code(), "22023");
    }
    let import =
        "SELECT tokenauth.import('key', 'user:1', repeat('0', 64), 'sha256', name => E'caf\\xe9', hint => E'\\xff...',
                                          metadata => jsonb_build_object('from', E'\\xff')) IS NOT NULL";
    assert!(client.query_one(import, &[]).unwrap().get::<_, bool>(0));
    let token = issue(&mut client, "user:1").token;
    client
        .batch_execute(
            "UPDATE tokenauth.token SET dies_with_owner = false;
             SELECT tokenauth.deactivate('user:1', E'gek\\xfcndigt')",
        )
        .unwrap();
    let row = client.query_one("SELECT detail ->> 'state_reason' FROM tokenauth.verify($1)", &[&token]).unwrap();
    assert_eq!(row.get::<_, &str>(0), "gek?ndigt");
    let refused = client.batch_execute("SELECT tokenauth.issue(E'cl\\xe9', 'user:1')").unwrap_err();
    assert_eq!(refused.as_db_error().unwrap().message(), "token kind \"cl?\" does not exist");
}

#[test]
fn what_an_eight_bit_database_holds_fits_into_one_in_utf_8() {
    let server = Server::start(FAST);
    server.create_database("latin", "TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
    let mut client = server.connect("latin");
    prepare(&mut client);
    let most = |length: usize| "ë".repeat(length / 2);
    let (name, prose, id) = (most(254), most(8192), most(512));
    let mut put = |name: &str, prose: &str, id: &str| {
        client.batch_execute(&format!(
            "INSERT INTO tokenauth.kind (name, prefix, description) VALUES ('{name}', '{}_', '{prose}');
             SELECT tokenauth.put_principal('user:{id}', '{{devices:read}}', display_name => '{name}',
                                            state_reason => '{prose}');
             SELECT tokenauth.issue('{name}', 'user:{id}', '{name}', '{prose}',
                                    metadata => jsonb_build_object('a', left('{prose}', 4000)))",
            name.len()
        ))
    };
    put(&name, &prose, &id).unwrap();
    for (name, prose, id, code) in [
        (format!("{name}ë"), prose.clone(), id.clone(), "23514"),
        ("a".into(), format!("{prose}ë"), id.clone(), "23514"),
        ("b".into(), prose.clone(), format!("{id}ë"), "22023"),
    ] {
        assert_eq!(put(&name, &prose, &id).unwrap_err().code().unwrap().code(), code);
    }
    let too_long = format!("SELECT tokenauth.issue('key', 'user:1', description => '{prose}ë')");
    assert_eq!(client.batch_execute(&too_long).unwrap_err().code().unwrap().code(), "22023");
    let token: String =
        client.query_one("SELECT token FROM tokenauth.issue($1, $2)", &[&name, &format!("user:{id}")]).unwrap().get(0);

    server.create_database("utf8", "TEMPLATE template0 ENCODING 'UTF8'");
    server.restore("utf8", &server.dump("latin", &["--format=custom"]));
    let mut restored = server.connect("utf8");
    let row = restored.query_one("SELECT verdict, owner_id FROM tokenauth.verify($1)", &[&token]).unwrap();
    assert_eq!((row.get("verdict"), row.get("owner_id")), ("valid", id.as_str()));
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
    in_each_encoding(|client, encoding, name| {
        let token = issue(client, "user:1").token.into_bytes();
        let bytes = (0x80..=0xff_u8).map(|byte| vec![byte]).chain([name.to_vec()]);
        let mut judged = 0;
        for bytes in bytes {
            let middle = token.len() / 2;
            let appended = [&token[..], &bytes].concat();
            let replaced = [&token[..middle], &bytes, &token[middle + bytes.len()..]].concat();
            for presented in [bytes, appended, replaced] {
                let sql = "SELECT verdict FROM tokenauth.verify(convert_from($1, $2::text::name))";
                let verdict: String = match client.query_one(sql, &[&presented, &encoding]) {
                    Ok(row) => row.get(0),
                    // Where characters have several bytes, the server refuses most of these before they reach a
                    // function.
                    Err(error) if error.code() == Some(&SqlState::CHARACTER_NOT_IN_REPERTOIRE) => continue,
                    Err(error) => panic!("{presented:x?} in {encoding}: {error}"),
                };
                assert_eq!(verdict, "malformed", "{presented:x?} in {encoding}");
                judged += 1;
            }
        }
        assert!(judged >= 3, "{judged} in {encoding}");
    });
}
