//! Every form of dump brings back what it says it holds, once and whole, or says at the beginning that it cannot.

use postgres::Client;
use tokenauth_cluster::catalogs::{assert_same_catalogs, catalogs};
use tokenauth_cluster::contract::{Issued, issue, prepare, revoke, verdict};
use tokenauth_cluster::{FAST, Server};

/// What an application has of its own; `users` is bound.
const TABLES: &str = "CREATE TABLE users (id integer PRIMARY KEY, is_active boolean NOT NULL DEFAULT true)";
const BIND: &str = "SELECT tokenauth.bind_principals('users', 'member', 'id', active => 'is_active')";

/// Before it, the target has the extension, and nothing of the application.
const INSTALLED: &str = "CREATE EXTENSION tokenauth";

/// A way from the database `source` to `target`.
struct Form {
    name: &'static str,
    /// What the target is before.
    target: String,
    /// What is run.
    run: &'static str,
    brings: Brings,
}

/// What the target has of the source afterwards.
#[derive(PartialEq, Eq)]
enum Brings {
    /// Everything.
    All,
    /// The rows of the extension's tables.
    Rows,
    /// Definitions, and no rows.
    Definitions,
    /// Neither.
    Nothing,
}

fn forms() -> Vec<Form> {
    let form = |name, target: &str, run, brings| Form { name, target: target.to_owned(), run, brings };
    let installed_and_tables = format!("{INSTALLED}; {TABLES}");
    let other = format!(
        "{INSTALLED}; INSERT INTO tokenauth.kind (name, prefix) VALUES ('other', 'other_');
         SELECT tokenauth.put_principal('user:7'), tokenauth.issue('other', 'user:7')"
    );
    vec![
        form("custom", "", "pg_dump -Fc -f c source; pg_restore --exit-on-error -d target c", Brings::All),
        form("directory", "", "pg_dump -Fd -j2 -f d source; pg_restore -j2 --exit-on-error -d target d", Brings::All),
        form("tar", "", "pg_dump -Ft -f t source; pg_restore --single-transaction -d target t", Brings::All),
        form("plain", "", "pg_dump source | psql -Xqo out -v ON_ERROR_STOP=1 target", Brings::All),
        form("inserts", "", "pg_dump --inserts source | psql -Xqo out -v ON_ERROR_STOP=1 target", Brings::All),
        form(
            "clean, over another content",
            &other,
            "pg_dump --clean --if-exists source | psql -Xqo out -v ON_ERROR_STOP=1 target",
            Brings::All,
        ),
        form(
            "clean, by pg_restore",
            &other,
            "pg_dump -Fc -f e source; pg_restore --clean --if-exists --exit-on-error -d target e",
            Brings::All,
        ),
        form(
            "data only",
            &installed_and_tables,
            "pg_dump --data-only source | psql -Xqo out -v ON_ERROR_STOP=1 target",
            Brings::Rows,
        ),
        form(
            "the extension alone",
            "",
            "pg_dump -e tokenauth -n tokenauth source | psql -Xqo out -v ON_ERROR_STOP=1 target",
            Brings::Rows,
        ),
        // PostgreSQL takes the schema for a part of the extension, which was not asked for, and says nothing.
        form(
            "the schema alone",
            INSTALLED,
            "pg_dump -n tokenauth source | psql -Xqo out -v ON_ERROR_STOP=1 target",
            Brings::Nothing,
        ),
        form(
            "its tables alone",
            INSTALLED,
            "pg_dump -t 'tokenauth.*' source | psql -Xqo out -v ON_ERROR_STOP=1 target",
            Brings::Rows,
        ),
        form(
            "definitions alone",
            "",
            "pg_dump --schema-only source | psql -Xqo out -v ON_ERROR_STOP=1 target",
            Brings::Definitions,
        ),
    ]
}

/// A database in use, and tokens of it: valid, revoked, and of a bound user.
fn used(server: &Server, version: &str) -> [Issued; 3] {
    server.create_database("source", "TEMPLATE template0");
    let mut client = server.connect("source");
    if version.is_empty() {
        prepare(&mut client);
    } else {
        client
            .batch_execute(&format!(
                "CREATE EXTENSION tokenauth VERSION '{version}';
                 INSERT INTO tokenauth.kind (name, prefix) VALUES ('key', 'key_');
                 SELECT tokenauth.put_principal('user:1', permissions => '{{devices:read}}')"
            ))
            .unwrap();
    }
    client
        .batch_execute(&format!(
            "{TABLES}; {BIND}; INSERT INTO users VALUES (1), (2);
             UPDATE tokenauth.kind SET owner_types = '{{user,member}}', reveal = false;
             SELECT tokenauth.put_principal('org:1'), tokenauth.add_member('org:1', 'user:1', '{{}}');
             SELECT tokenauth.import('key', 'user:1', encode(sha256('an old secret'), 'hex'), 'sha256')"
        ))
        .unwrap();
    let tokens = ["user:1", "user:1", "member:1"].map(|owner| issue(&mut client, owner));
    assert!(revoke(&mut client, &tokens[1]));
    client.batch_execute("UPDATE users SET is_active = false WHERE id = 2").unwrap();
    tokens
}

/// Every row of the extension's tables that a dump carries, one a line.
fn rows(client: &mut Client) -> Vec<String> {
    let tables = "SELECT config::regclass::text, condition
                    FROM pg_extension, unnest(extconfig, extcondition) AS t (config, condition)
                   WHERE extname = 'tokenauth' ORDER BY 1";
    let mut rows = Vec::new();
    for table in client.query(tables, &[]).unwrap() {
        let (name, condition): (String, String) = (table.get(0), table.get(1));
        let sql = format!("SELECT format('%s %s', '{name}', to_jsonb(t)) FROM {name} t {condition} ORDER BY 1");
        rows.extend(client.query(&sql, &[]).unwrap().iter().map(|row| row.get::<_, String>(0)));
    }
    rows
}

/// Shows of other rows only those that differ.
fn assert_same(rows: &[String], expected: &[String], name: &str) {
    let beyond =
        |some: &[String], others: &[String]| some.iter().filter(|row| !others.contains(row)).cloned().collect();
    let (more, missing): (Vec<String>, Vec<String>) = (beyond(rows, expected), beyond(expected, rows));
    assert!(more.is_empty() && missing.is_empty() && rows.len() == expected.len(), "{name}: {more:#?}\n{missing:#?}");
}

#[test]
fn every_form_of_a_dump_brings_back_what_it_holds() {
    let server = Server::start(FAST);
    let tokens = used(&server, "");
    let mut source = server.connect("source");
    let (expected_rows, expected_catalogs) = (rows(&mut source), catalogs(&mut source));
    assert!(expected_rows.len() > 15, "{expected_rows:?}");
    for Form { name, target, run, brings } in forms() {
        server.create_database("target", "TEMPLATE template0");
        let mut client = server.connect("target");
        client.batch_execute(&target).unwrap();
        drop(client);
        let said = server.shell("postgres", &format!("{{ {run}; }} 2>&1"));
        assert_eq!(said, "", "{name}");
        let mut client = server.connect("target");
        match brings {
            Brings::Definitions | Brings::Nothing => assert_same(&rows(&mut client), &[], name),
            Brings::All | Brings::Rows => assert_same(&rows(&mut client), &expected_rows, name),
        }
        assert_same_catalogs(&catalogs(&mut client), &expected_catalogs, name);
        // After the rows were compared: to verify is a use.
        let verdicts = tokens.each_ref().map(|issued| verdict(&mut client, &issued.token));
        let has_rows = matches!(brings, Brings::All | Brings::Rows);
        let expected = if has_rows { ["valid", "revoked", "valid"] } else { ["unknown"; 3] };
        assert_eq!(verdicts, expected, "{name}");
        goes_on(&mut client, name, &brings);
        drop(client);
        server.connect("postgres").batch_execute("DROP DATABASE target WITH (FORCE)").unwrap();
        let _ = server.shell("postgres", "rm -rf c d e t");
    }
}

/// Checks that tokens are issued and killed in it, by its bound table too.
fn goes_on(client: &mut Client, name: &str, brings: &Brings) {
    let is_empty = matches!(brings, Brings::Definitions | Brings::Nothing);
    if is_empty {
        let again = "INSERT INTO tokenauth.kind (name, prefix) VALUES ('key', 'key_');
                     SELECT tokenauth.put_principal('user:1')";
        client.batch_execute(again).unwrap();
    }
    if *brings == Brings::Definitions {
        client.batch_execute("SELECT tokenauth.unbind_principals('users')").unwrap();
    }
    if *brings != Brings::All {
        // Its triggers are the table's, which these do not bring.
        client.batch_execute(&TABLES.replace("TABLE", "TABLE IF NOT EXISTS")).unwrap();
        client.batch_execute("INSERT INTO users VALUES (1), (2) ON CONFLICT DO NOTHING").unwrap();
        client.batch_execute("UPDATE users SET is_active = false WHERE id = 2").unwrap();
        client.batch_execute(BIND).unwrap_or_else(|error| panic!("{name}: {error:?}"));
    }
    if is_empty {
        client.batch_execute("UPDATE tokenauth.kind SET owner_types = '{user,member}'").unwrap();
    }
    let [own, bound] = ["user:1", "member:1"].map(|owner| issue(client, owner));
    assert_eq!([&own, &bound].map(|issued| verdict(client, &issued.token)), ["valid", "valid"], "{name}");
    assert!(revoke(client, &own));
    client.batch_execute("UPDATE users SET is_active = false").unwrap();
    assert_eq!([&own, &bound].map(|issued| verdict(client, &issued.token)), ["revoked", "revoked"], "{name}");
    let found = "SELECT count(*) FROM tokenauth.doctor() WHERE area IN ('binding', 'schema', 'keys')";
    assert_eq!(client.query_one(found, &[]).unwrap().get::<_, i64>(0), 0, "{name}");
}

#[test]
fn a_dump_restored_over_tokens_is_a_conflict_and_leaves_no_mixture() {
    let server = Server::start(FAST);
    let tokens = used(&server, "");
    let _ = server.shell("postgres", "pg_dump -Fc -f c source; pg_dump -f p source");
    let mut client = server.connect("source");
    assert!(revoke(&mut client, &tokens[0]));
    let newer = issue(&mut client, "user:1");
    for run in [
        "pg_restore --single-transaction -d source c",
        "pg_restore --exit-on-error -d source c",
        "pg_restore -d source c",
        "pg_restore --data-only --single-transaction -d source c",
        "pg_restore --data-only -d source c",
        "psql -Xq --single-transaction -v ON_ERROR_STOP=1 -f p source",
    ] {
        let before = rows(&mut client);
        let said = server.shell("postgres", &format!("{run} >out 2>&1 && echo it did not fail; cat out"));
        assert!(said.contains("already exists") || said.contains("duplicate key"), "{run}: {said}");
        assert!(!said.contains("it did not fail"), "{run}");
        assert_same(&rows(&mut client), &before, run);
        let verdicts = [&tokens[0], &tokens[1], &newer].map(|issued| verdict(&mut client, &issued.token));
        assert_eq!(verdicts, ["revoked", "revoked", "valid"], "{run}");
    }
}

#[test]
fn the_owner_of_a_database_who_is_no_superuser_restores_nothing() {
    let server = Server::start(FAST);
    let _ = used(&server, "");
    server.connect("postgres").batch_execute("CREATE ROLE owner LOGIN").unwrap();
    for target in ["", INSTALLED] {
        server.create_database("target", "TEMPLATE template0 OWNER owner");
        server.connect("target").batch_execute(target).unwrap();
        let run = "pg_dump -Fc --no-comments source | PGUSER=owner pg_restore --no-owner --exit-on-error -d target";
        let said = server.shell("postgres", &format!("{{ {run}; }} 2>&1 && echo it did not fail || true"));
        let expected =
            if target.is_empty() { "permission denied to create extension" } else { "permission denied for" };
        assert!(said.contains(expected) && !said.contains("it did not fail"), "{target}: {said}");
        let mut client = server.connect("target");
        if !target.is_empty() {
            assert_eq!(rows(&mut client), [""; 0]);
        }
        let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
        assert!(client.query_one(tables, &[]).unwrap().get::<_, i64>(0) <= 1);
        drop(client);
        server.connect("postgres").batch_execute("DROP DATABASE target WITH (FORCE)").unwrap();
    }
}

#[test]
fn a_dump_of_an_older_release_restores_and_one_of_a_newer_release_is_refused_by_an_older() {
    let server = Server::start(FAST);
    let tokens = used(&server, "0.1.0");
    server.create_database("target", "TEMPLATE template0");
    server.restore("target", &server.dump("source", &["--format=custom"]));
    let mut target = server.connect("target");
    let version = "SELECT extversion FROM pg_extension WHERE extname = 'tokenauth'";
    assert_ne!(target.query_one(version, &[]).unwrap().get::<_, String>(0), "0.1.0");
    let verdicts = tokens.each_ref().map(|issued| verdict(&mut target, &issued.token));
    assert_eq!(verdicts, ["valid", "revoked", "valid"]);
    goes_on(&mut target, "of 0.1.0", &Brings::All);

    server.create_database("older", "TEMPLATE template0");
    server.connect("older").batch_execute("CREATE EXTENSION tokenauth VERSION '0.1.0'").unwrap();
    let run = "pg_dump -Fc target | pg_restore --single-transaction -d older";
    let said = server.shell("postgres", &format!("{{ {run}; }} 2>&1 && echo it did not fail || true"));
    assert!(said.contains("does not exist") && !said.contains("it did not fail"), "{said}");
    assert_eq!(rows(&mut server.connect("older")), [""; 0]);
}
