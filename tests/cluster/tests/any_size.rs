//! Arguments, documents and settings of any size: whatever a caller passes to whichever function, the statement is
//! refused or answered, and the server continues. Functions and types are read from the catalog, so that no new one is
//! forgotten.
//!
//! The values are of 300 MB, because it takes that to see an allocation fail beside all that succeed.

use postgres::{Client, Error};
use tokenauth_cluster::contract::serve;
use tokenauth_cluster::{FAST, Server};

/// The size of a large value.
const LARGE: u64 = 300 << 20;

/// What a backend may take beyond what it has: there is room for the value alone, or for a copy of it as well.
const ROOMS: [u64; 2] = [LARGE + LARGE / 2, 3 * LARGE];

/// Values of each type that is of no fixed size, made once, compressed.
const VALUES: &[(&str, &str)] = &[
    ("text", "'user:' || repeat('x', large)"),
    ("text[]", "array_fill('a'::text, ARRAY[16000000])"),
    ("text[]", "ARRAY[repeat('x', large)]"),
    ("text[]", "array_fill(NULL::text, ARRAY[100000000])"),
    ("jsonb", "jsonb_build_object('X-API-Key', repeat('x', 250000000))"),
    ("jsonb", "jsonb_build_object('site', array_fill(0, ARRAY[5000000]))"),
    ("jsonb", "to_jsonb(array_fill('{}'::jsonb, ARRAY[5000000]))"),
    (
        "jsonb",
        "jsonb_build_object('version', 1, 'tokens',
                            array_fill('{\"id\": \"\", \"at\": \"\", \"by\": \"\"}'::jsonb, ARRAY[2000000]))",
    ),
    (
        "jsonb",
        "jsonb_build_object('version', 1, 'expiries',
                            jsonb_build_array(jsonb_build_object('id', 'x', 'at', repeat('1', 250000000))))",
    ),
    (
        "jsonb",
        "jsonb_build_object('node', gen_random_uuid(), 'batch', 1, 'tokens',
                            array_fill('{\"id\": \"\"}'::jsonb, ARRAY[3000000]))",
    ),
    ("bytea", "convert_to(repeat('x', large), 'SQL_ASCII')"),
    ("tokenauth.verification", "ROW(repeat('x', large))"),
    ("tokenauth.verification", "ROW('revoked', false, 401, NULL, repeat('x', large))"),
    (
        "tokenauth.verification",
        "ROW('revoked', false, 401, NULL, 'key', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
             repeat('x', large))",
    ),
    (
        "tokenauth.verification",
        "ROW('owner_inactive', false, 403, NULL, 'key', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
             jsonb_build_object('state_reason', repeat('x', 250000000)))",
    ),
    (
        "tokenauth.verification",
        "ROW('insufficient_scope', false, 403, NULL, 'key', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
             jsonb_build_object('missing', array_fill(0, ARRAY[5000000])))",
    ),
];

/// Values of each type that are good, for the other arguments of a call.
const GOOD: &[(&str, &str)] = &[
    ("boolean", "true"),
    ("bytea", "'\\x00'"),
    ("integer", "1"),
    ("bigint", "1"),
    ("interval", "'1 day'"),
    ("jsonb", "'{}'"),
    ("name", "'name'"),
    ("regclass", "'users'"),
    ("regrole", "'somebody'"),
    ("text", "'user'"),
    ("text[]", "'{}'"),
    ("timestamp with time zone", "now() + '1 day'"),
    ("tokenauth.verification", "tokenauth.verify('nothing')"),
    ("uuid", "(SELECT id FROM tokenauth.tokens)"),
];

/// Values for arguments of these names, with which a call comes further.
const NAMED: &[(&str, &str)] = &[
    ("access", "'verify'"),
    ("actor", "'session'"),
    ("algorithm", "'sha256'"),
    ("digest text", "repeat('0', 64)"),
    ("id text", "'id::text'"),
    ("kind", "'key'"),
    ("member", "'user:1'"),
    ("org", "'user:2'"),
    ("owner", "'user:1'"),
    ("principal", "'user:1'"),
    ("status", "'active'"),
    ("token", "'nothing'"),
];

/// An argument of a function.
struct Argument {
    function: String,
    name: String,
    of_type: String,
    has_default: bool,
}

impl Argument {
    /// A good value for it.
    fn good(&self) -> &'static str {
        let typed = format!("{} {}", self.name, self.of_type);
        let named = NAMED.iter().find(|(name, _)| self.of_type == "text" && *name == self.name || *name == typed);
        let of_type = GOOD.iter().find(|(of_type, _)| *of_type == self.of_type);
        named.or(of_type).unwrap_or_else(|| panic!("there is no value of type {} in this test", self.of_type)).1
    }
}

/// The arguments of all functions of the extension, in order.
fn arguments(client: &mut Client) -> Vec<Argument> {
    let sql = "SELECT p.oid::regproc::text, coalesce(p.proargnames[a.position], ''), format_type(a.of_type, NULL),
                      a.position > p.pronargs - p.pronargdefaults
                 FROM pg_proc p, unnest(p.proargtypes::oid[]) WITH ORDINALITY a (of_type, position)
                WHERE p.pronamespace = 'tokenauth'::regnamespace AND p.prorettype <> 'trigger'::regtype
                ORDER BY p.proname, a.position";
    let rows = client.query(sql, &[]).unwrap();
    let read = |row: &postgres::Row| Argument {
        function: row.get(0),
        name: row.get(1),
        of_type: row.get(2),
        has_default: row.get(3),
    };
    rows.iter().map(read).collect()
}

/// A call of the function of one argument, with this value for it, and good ones for all that have no default.
fn call(all: &[Argument], at: usize, value: &str) -> String {
    let function = &all[at].function;
    let given: Vec<String> = all
        .iter()
        .enumerate()
        .filter(|(index, argument)| argument.function == *function && (*index == at || !argument.has_default))
        .map(|(index, argument)| {
            format!("\"{}\" => {}", argument.name, if index == at { value } else { argument.good() })
        })
        .collect();
    format!("SELECT count(*) FROM {function}({})", given.join(", "))
}

fn start() -> (Server, Client) {
    let (server, mut client, _) = serve(FAST);
    client
        .batch_execute(
            "CREATE TABLE users (id integer PRIMARY KEY, name text);
             INSERT INTO users VALUES (7, 'x');
             CREATE ROLE somebody;
             CREATE TABLE large (number integer PRIMARY KEY, of_type text, t text, a text[], j jsonb, b bytea,
                                 v tokenauth.verification)",
        )
        .unwrap();
    for (number, (of_type, value)) in (0_i32..).zip(VALUES) {
        let column = column(of_type);
        let value = value.replace("large", &LARGE.to_string());
        // What is left out of a composite is NULL.
        let value = if *of_type == "tokenauth.verification" { filled(&value) } else { value };
        let sql = format!("INSERT INTO large (number, of_type, {column}) SELECT $1, $2, {value}");
        client.execute(&sql, &[&number, of_type]).unwrap_or_else(|error| panic!("{value}: {error:?}"));
    }
    (server, client)
}

fn column(of_type: &str) -> &'static str {
    match of_type {
        "text" => "t",
        "text[]" => "a",
        "jsonb" => "j",
        "bytea" => "b",
        _ => "v",
    }
}

/// A row of sixteen fields that begins with these.
fn filled(row: &str) -> String {
    let depth_one_commas = row.chars().fold((0, 0), |(depth, commas), character| match character {
        '(' | '[' => (depth + 1, commas),
        ')' | ']' => (depth - 1, commas),
        ',' if depth == 1 => (depth, commas + 1),
        _ => (depth, commas),
    });
    let row = row.strip_suffix(')').unwrap();
    format!("{row}{})::tokenauth.verification", ", NULL".repeat(15 - depth_one_commas.1))
}

/// Runs a statement in a session that may take so much more memory, and rolls it back.
fn run_within(server: &Server, room: u64, statement: &str) -> Result<(), Error> {
    let mut session = server.connect("postgres");
    // Loads the library, and what it remembers, before the limit is set.
    session.batch_execute("SELECT tokenauth.verify('nothing'), tokenauth.mask('x'); BEGIN").unwrap();
    let backend: i32 = session.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    server.limit_memory(backend, room);
    let outcome = session.batch_execute(statement);
    session.batch_execute("ROLLBACK").unwrap_or_else(|error| panic!("after {statement}: {error:?}"));
    outcome
}

/// Checks that a statement is answered or refused with a SQLSTATE that tells the caller something.
fn survives(server: &Server, statement: &str) {
    for room in ROOMS {
        if let Err(error) = run_within(server, room, statement) {
            let code = error.code().unwrap_or_else(|| panic!("{statement}, with {room} bytes: {error:?}")).code();
            assert!(!code.starts_with("XX"), "{statement}, with {room} bytes: {error:?}");
        }
    }
}

#[test]
#[ignore = "takes many minutes: run it with --ignored where arguments, documents or settings changed"]
fn no_argument_of_any_function_ends_the_server() {
    let (server, mut witness) = start();
    let all = arguments(&mut witness);
    assert!(all.len() > 150, "there are functions");
    let mut calls = 0;
    for (at, argument) in all.iter().enumerate() {
        // Also checks that there is a value for each type.
        argument.good();
        for (number, _) in VALUES.iter().enumerate().filter(|(_, (of_type, _))| *of_type == argument.of_type) {
            let value = format!("(SELECT {} FROM large WHERE number = {number})", column(&argument.of_type));
            survives(&server, &call(&all, at, &value));
            calls += 1;
        }
    }
    assert!(calls > 200, "{calls} calls were made");
    witness.batch_execute("SELECT 1").unwrap();
}

#[test]
#[ignore = "takes many minutes: run it with --ignored where arguments, documents or settings changed"]
fn no_setting_ends_the_server() {
    let (server, mut witness) = start();
    let names = witness.query("SELECT name FROM pg_settings WHERE name LIKE 'tokenauth.%' ORDER BY name", &[]).unwrap();
    assert!(names.len() > 10);
    for name in names {
        let name: String = name.get(0);
        for value in ["repeat('x', large)", "repeat('1 ', large / 2)"] {
            let value = value.replace("large", &(LARGE / 4).to_string());
            survives(
                &server,
                &format!("SELECT length(set_config('{name}', {value}, true)); SELECT tokenauth.pre_request()"),
            );
        }
    }
    let documents = VALUES.iter().enumerate().filter(|(_, (of_type, _))| *of_type == "jsonb");
    for (number, _) in documents {
        let set =
            format!("SELECT length(set_config('request.headers', j::text, true)) FROM large WHERE number = {number}");
        survives(&server, &format!("{set}; SET LOCAL tokenauth.client_header = 'x'; SELECT tokenauth.pre_request()"));
    }
    witness.batch_execute("SELECT 1").unwrap();
}

#[test]
fn no_trigger_and_no_error_of_an_expression_ends_the_server() {
    let (server, mut witness) = start();
    witness
        .batch_execute(&format!(
            "CREATE FUNCTION loud(id integer) RETURNS boolean LANGUAGE plpgsql AS $$
             BEGIN
                 RAISE EXCEPTION '%', repeat('x', {LARGE})
                       USING DETAIL = repeat('y', {LARGE}), HINT = repeat('z', {LARGE});
             END $$"
        ))
        .unwrap();
    survives(&server, "SELECT tokenauth.bind_principals('users', 'user', 'id', active => 'public.loud(id)')");
    for argument in ["repeat('x', large)", "repeat('id + ', large / 5) || 'id'", "'id -- ' || repeat('x', large)"] {
        let argument = argument.replace("large", &(LARGE / 4).to_string());
        survives(
            &server,
            &format!(
                "DO $$ BEGIN
                     EXECUTE format('CREATE TRIGGER t AFTER INSERT ON users FOR EACH ROW
                                     EXECUTE FUNCTION tokenauth.sync_principal(''user'', %L)', {argument});
                 END $$;
                 INSERT INTO users VALUES (8, 'y')"
            ),
        );
    }
    witness.batch_execute("SELECT 1").unwrap();
}
