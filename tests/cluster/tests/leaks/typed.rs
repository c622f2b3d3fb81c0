//! A token typed where something else is asked for: into every text argument of every function, as the catalog has
//! them, and into every text of a kind. Whatever is answered, no table, no message and no log has its text afterwards.

use std::sync::{Arc, Mutex};

use postgres::error::DbError;
use postgres::{Client, Config, NoTls};
use tokenauth_cluster::calls::{self, OBJECTS};
use tokenauth_cluster::contract::{issue, prepare};
use tokenauth_cluster::{FAST, Needles, Server, wait_until};

use super::QUIET;

/// What is typed into an argument of a type, with the token as `$1` and a token that exists as `{id}`.
const TYPED: [(&str, &str); 14] = [
    ("text", "$1::text"),
    ("text", "'my key: ' || $1 || '.'"),
    ("text", "'user:' || $1"),
    ("text", "'hmac-sha256:' || $1"),
    ("text", "quote_literal($1::text)"),
    ("name", "$1::name"),
    ("text[]", "ARRAY[$1::text]"),
    ("text[]", "ARRAY['devices:' || $1]"),
    ("jsonb", "to_jsonb($1::text)"),
    ("jsonb", "jsonb_build_object($1::text, true)"),
    ("jsonb", "jsonb_build_object('site', ARRAY[$1::text])"),
    ("jsonb", "jsonb_build_array(jsonb_build_object('token', $1::text, 'type', $1, 'url', $1, 'source', $1))"),
    (
        "jsonb",
        "jsonb_build_object('version', 1,
             'reasons', jsonb_build_array($1::text),
             'tokens', jsonb_build_array(jsonb_build_object('id', '{id}', 'at', '2020-01-01', 'by', $1, 'reason', $1)),
             'owners', jsonb_build_array(jsonb_build_object('owner', 'user:1', 'at', '2020-01-01', 'by', $1,
                                                            'reason', $1, 'covers', 'all')),
             'inactive', jsonb_build_array(jsonb_build_object('principal', 'user:1', 'reason', $1)))",
    ),
    (
        "tokenauth.verification",
        "jsonb_populate_record(NULL::tokenauth.verification,
             jsonb_build_object('verdict', 'valid', 'kind', $1::text, 'owner', $1, 'name', $1, 'scopes', ARRAY[$1]))",
    ),
];

/// Where parts of a secret stand, in what the transaction sees.
const PLACES: &str = "
    CREATE FUNCTION public.places(secret text) RETURNS SETOF text LANGUAGE plpgsql AS $$
    DECLARE place text;
    BEGIN
        FOR place IN SELECT oid::regclass::text FROM pg_class
                      WHERE relnamespace = 'tokenauth'::regnamespace AND relkind = 'r'
               UNION ALL SELECT 'pg_publication'
               UNION ALL SELECT '(SELECT pg_get_triggerdef(oid) FROM pg_trigger)' LOOP
            RETURN QUERY EXECUTE format(
                'SELECT %L FROM %s t WHERE t::text LIKE ANY (ARRAY[$1, $2, $3]) LIMIT 1', place, place)
                USING '%' || substr(secret, 1, 8) || '%', '%' || substr(secret, 13, 8) || '%',
                      '%' || substr(secret, 25, 8) || '%';
        END LOOP;
    END $$";

/// All that the server has said, with the number of the token that it was about.
type Said = Arc<Mutex<Vec<(usize, String)>>>;

fn parts(error: &DbError) -> String {
    [Some(error.message()), error.detail(), error.hint(), error.where_()]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ")
}

/// The secret of a token of the kind `key`.
fn secret(token: &str) -> &str {
    &token["key_".len() + 11..][..32]
}

#[test]
fn a_token_that_is_typed_into_the_wrong_place_is_kept_nowhere() {
    let preload = ["shared_preload_libraries = tokenauth", "tokenauth.usage_flush_interval = 1"];
    let server = Server::start(&[FAST, QUIET, &preload].concat());
    let (said, mut client) = listening(&server);
    prepare(&mut client);
    client.batch_execute(OBJECTS).unwrap();
    client.batch_execute(PLACES).unwrap();
    let usual = issue(&mut client, "user:1");
    let mut kept = client.transaction().unwrap();
    kept.execute("UPDATE tokenauth.token SET revoke_reason = 'my key: ' || $1", &[&usual.token]).unwrap();
    let place: String = kept.query_one("SELECT public.places($1)", &[&secret(&usual.token)]).unwrap().get(0);
    assert_eq!(place, "tokenauth.token", "what is kept is found");
    kept.rollback().unwrap();

    // What to run, and what it is called in messages.
    let mut statements: Vec<(String, String)> = Vec::new();
    for call in calls::with_every_argument(&mut client, &usual) {
        for (_, typed) in TYPED.iter().filter(|(of_type, _)| *of_type == call.of_type) {
            let typed = typed.replace("{id}", &usual.id);
            statements.push((
                format!("SELECT * FROM {}", call.given(&typed)),
                format!("{} of {}: {typed}", call.argument, call.function),
            ));
        }
    }
    let functions = statements.len();
    let columns = "SELECT attname::text, format_type(atttypid, NULL) FROM pg_attribute
                    WHERE attrelid = 'tokenauth.kind'::regclass AND attnum > 0
                      AND format_type(atttypid, NULL) LIKE 'text%'";
    for column in client.query(columns, &[]).unwrap() {
        let (column, of_type): (String, String) = (column.get(0), column.get(1));
        let value = if of_type == "text" { "$1::text" } else { "ARRAY[$1::text]" };
        statements.push((
            format!("UPDATE tokenauth.kind SET {column} = {value} WHERE name = 'key'"),
            format!("column {column} of kind"),
        ));
    }
    assert!(functions > 300 && statements.len() > functions + 8, "there is much to try");

    let tokens: Vec<String> = statements.iter().map(|_| issue(&mut client, "user:1").token).collect();
    let mut done = 0;
    for (number, ((statement, what), token)) in statements.iter().zip(&tokens).enumerate() {
        said.lock().unwrap().push((number, String::new()));
        let mut transaction = client.transaction().unwrap();
        match transaction.execute(statement, &[token]) {
            Ok(_) => {
                done += 1;
                let places = transaction.query("SELECT public.places($1)", &[&secret(token)]).unwrap();
                let places: Vec<String> = places.iter().map(|row| row.get(0)).collect();
                assert!(places.is_empty(), "{what} is kept in {places:?}");
            }
            Err(error) => {
                let error = error.as_db_error().unwrap_or_else(|| panic!("{what}: {error}"));
                assert!(error.code().code() != "XX000", "{what}: {error}");
                said.lock().unwrap().push((number, parts(error)));
            }
        }
        transaction.rollback().unwrap();
    }
    assert!(done > 50 && done < functions - 50, "{done} of {functions} calls went through");

    let secrets = Needles::of(tokens.iter().map(|token| secret(token)));
    let named = |found: Vec<bool>| -> Vec<&str> {
        statements.iter().zip(found).filter(|(_, found)| *found).map(|((_, what), _)| what.as_str()).collect()
    };
    let nothing: [&str; 0] = [];
    for (number, text) in said.lock().unwrap().iter() {
        assert_eq!(named(secrets.found(text.as_bytes())), nothing, "{}: {text}", statements[*number].1);
    }
    // What was counted meanwhile in memory is written, whatever has become of the transaction.
    let written =
        "SELECT count(*) = 0 FROM tokenauth.usage u WHERE u.token_id = $1::text::uuid AND u.request_count = 0";
    client.query_one("SELECT verdict FROM tokenauth.verify($1)", &[&usual.token]).unwrap();
    wait_until("uses to be written", || client.query_one(written, &[&usual.id]).unwrap().get(0));
    assert_eq!(named(secrets.found(&server.dump("postgres", &[]))), nothing, "in a dump");
    super::logs_written(&server);
    for log in super::LOGS {
        let log = std::fs::read(server.file(log)).unwrap();
        assert_eq!(named(secrets.found(&log)), nothing, "in the log");
    }
}

/// A client that keeps what it is told, with the number of the last token that was tried.
fn listening(server: &Server) -> (Said, Client) {
    let said = Said::default();
    let told = Arc::clone(&said);
    let mut config: Config = server.connection_string("postgres").parse().unwrap();
    config.notice_callback(move |notice| {
        let mut said = told.lock().unwrap();
        let number = said.last().map_or(0, |(number, _)| *number);
        said.push((number, parts(&notice)));
    });
    (said, config.connect(NoTls).unwrap())
}
