//! Every release that is in `sql/` works with the library as it is now, before its database is updated and after that,
//! and then is what a new installation is. Where nothing is released yet, the version to come stands for it.

use std::fs;
use std::path::Path;
use std::thread;

use postgres::Client;
use postgres::error::SqlState;
use tokenauth_cluster::catalogs::{assert_same_catalogs, catalogs};
use tokenauth_cluster::contract::{issue, privileges, verdict};
use tokenauth_cluster::filled::Filled;
use tokenauth_cluster::{FAST, Server, wait_until};

/// The versions with a script of their own, and that of the installed files.
fn versions(client: &mut Client) -> (Vec<String>, String) {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sql");
    let names = fs::read_dir(scripts).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let of = |name: &str| Some(name.strip_prefix("tokenauth--")?.strip_suffix(".sql")?.to_owned());
    let mut versions: Vec<String> =
        names.filter_map(|name| of(&name)).filter(|version| !version.contains("--")).collect();
    let current: String = client
        .query_one("SELECT default_version::text FROM pg_available_extensions WHERE name = 'tokenauth'", &[])
        .unwrap()
        .get(0);
    if !versions.contains(&current) {
        versions.push(current.clone());
    }
    (versions, current)
}

#[test]
fn a_release_works_with_the_library_of_today_and_an_update_makes_it_a_new_installation() {
    let mut server = Server::start(FAST);
    let settings = Filled::settings(&server);
    server.configure_and_restart(&settings.each_ref().map(String::as_str));
    let (versions, current) = versions(&mut server.connect("postgres"));
    server.create_database("new", "TEMPLATE template0");
    let mut new = server.connect("new");
    new.batch_execute("CREATE EXTENSION tokenauth").unwrap();
    let expected = catalogs(&mut new);

    for version in versions {
        let database = format!("\"from {version}\"");
        server.create_database(&database, "TEMPLATE template0");
        let database = database.trim_matches('"');
        let mut client = server.connect(database);
        client.batch_execute(&format!("CREATE EXTENSION tokenauth VERSION '{version}'")).unwrap();
        let filled = Filled::fill(&server, &mut client);
        let mut witness = server.connect(database);
        filled.check(&server, &mut witness, &format!("{version}, in a session that goes on during the update"));

        client.batch_execute("ALTER EXTENSION tokenauth UPDATE").unwrap();
        let installed: String =
            client.query_one("SELECT extversion FROM pg_extension WHERE extname = 'tokenauth'", &[]).unwrap().get(0);
        assert_eq!(installed, current);
        filled.check(&server, &mut witness, &format!("{version}, updated, in the session of before"));
        filled.check(&server, &mut client, &format!("{version}, updated"));
        derives(&mut client);
        assert_same_catalogs(&catalogs(&mut client), &expected, &format!("{version}, updated to {current},"));
        assert!(!server.dump(database, &[]).is_empty());
    }
}

/// Checks that derived tokens, which came with 0.2.0, work in a database that was updated to it.
fn derives(client: &mut Client) {
    client.batch_execute("BEGIN; UPDATE tokenauth.kind SET derivable = true").unwrap();
    let issued = issue(client, "user:1");
    let child: String = client.query_one("SELECT tokenauth.derive($1)", &[&issued.token]).unwrap().get(0);
    assert_eq!(verdict(client, &child), "valid");
    client.execute("SELECT tokenauth.revoke_presented($1)", &[&child]).unwrap();
    assert_eq!(verdict(client, &child), "revoked");
    client.batch_execute("ROLLBACK").unwrap();
}

#[test]
fn an_update_takes_no_access_and_grants_none() {
    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    let (versions, current) = versions(&mut client);
    client.batch_execute("CREATE ROLE operator; CREATE ROLE stranger").unwrap();
    for version in versions.iter().filter(|version| **version != current) {
        let database = format!("\"from {version}\"");
        server.create_database(&database, "TEMPLATE template0");
        let mut client = server.connect(database.trim_matches('"'));
        client
            .batch_execute(&format!(
                "CREATE EXTENSION tokenauth VERSION '{version}';
                 -- By a library that knows more than this version has.
                 SELECT tokenauth.grant_access('operator', 'admin');
                 SELECT tokenauth.revoke_access('operator', 'observe');
                 SELECT tokenauth.grant_access('operator', 'observe')"
            ))
            .unwrap();
        let before = privileges(&mut client);
        client
            .batch_execute(
                "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC, stranger;
                 ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO PUBLIC, stranger;
                 ALTER DEFAULT PRIVILEGES GRANT ALL ON TYPES TO PUBLIC, stranger;
                 BEGIN;
                 SAVEPOINT made;
                 ALTER EXTENSION tokenauth UPDATE;
                 COMMIT",
            )
            .unwrap();
        let after = privileges(&mut client);
        let taken: Vec<&String> = before.iter().filter(|line| !after.contains(line)).collect();
        assert_eq!(taken, Vec::<&String>::new(), "{version}");
        let is_open = |line: &&String| line.split(' ').any(|word| ["PUBLIC", "stranger"].contains(&word));
        assert_eq!(after.iter().filter(is_open).collect::<Vec<_>>(), Vec::<&String>::new(), "{version}");

        // What is new comes with an access that is granted once more.
        client.batch_execute("SELECT tokenauth.grant_access('operator', 'observe')").unwrap();
        let may = "SELECT has_table_privilege('operator', 'tokenauth.metrics', 'SELECT')";
        assert!(client.query_one(may, &[]).unwrap().get::<_, bool>(0));
    }
}

#[test]
fn a_database_that_is_not_updated_takes_over_no_digest_that_its_tables_do_not_know() {
    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    client
        .batch_execute(
            "CREATE EXTENSION tokenauth VERSION '0.1.0';
             INSERT INTO tokenauth.kind (name, prefix) VALUES ('key', 'key_');
             SELECT tokenauth.put_principal('user:1')",
        )
        .unwrap();
    let import = "SELECT tokenauth.import('key', 'user:1', encode(sha256('a secret'), 'hex'), 'sha256-after-bar')";
    let refused = client.batch_execute(import).expect_err("the tables are of 0.1.0");
    let refused = refused.as_db_error().expect("the server refuses");
    assert_eq!(refused.code().code(), "55000", "{refused:?}");
    assert!(refused.hint().is_some_and(|hint| hint.contains("ALTER EXTENSION tokenauth UPDATE")), "{refused:?}");
    let verdict = |client: &mut Client, text: &str| -> String {
        client.query_one("SELECT verdict FROM tokenauth.verify($1)", &[&text]).unwrap().get(0)
    };
    assert_eq!(verdict(&mut client, "12|a secret"), "malformed", "there are no imports");

    client.batch_execute("ALTER EXTENSION tokenauth UPDATE").unwrap();
    client.batch_execute(import).unwrap();
    assert_eq!(verdict(&mut client, "12|a secret"), "valid");
    assert_eq!(verdict(&mut client, "a secret"), "unknown");
}

/// Whatever ends an update, the database is a whole one of the release before.
#[test]
fn an_update_that_is_interrupted_leaves_the_release_that_it_began_with() {
    const VERSION: &str = "SELECT extversion FROM pg_extension WHERE extname = 'tokenauth'";
    let server = Server::start(FAST);
    let (versions, current) = versions(&mut server.connect("postgres"));
    let Some(version) = versions.iter().rfind(|version| **version != current) else { return };
    let mut client = server.connect("postgres");
    client.batch_execute(&format!("CREATE EXTENSION tokenauth VERSION '{version}'")).unwrap();
    client
        .batch_execute(
            "INSERT INTO tokenauth.kind (name, prefix) VALUES ('key', 'key_');
             SELECT tokenauth.put_principal('user:1')",
        )
        .unwrap();
    let issued = issue(&mut client, "user:1");
    let before = catalogs(&mut client);
    let check = |client: &mut Client, what: &str| {
        assert_eq!(client.query_one(VERSION, &[]).unwrap().get::<_, &str>(0), version, "{what}");
        assert_same_catalogs(&catalogs(client), &before, what);
        assert_eq!(verdict(client, &issued.token), "valid", "{what}");
    };
    let hold = |client: &mut Client, table: &str| {
        client.batch_execute(&format!("BEGIN; LOCK TABLE {table} IN ACCESS SHARE MODE")).unwrap();
    };
    let tables = "SELECT oid::regclass::text FROM pg_class
                   WHERE relkind = 'r' AND relnamespace = 'tokenauth'::regnamespace ORDER BY oid";
    let tables: Vec<String> = client.query(tables, &[]).unwrap().iter().map(|row| row.get(0)).collect();
    let mut waits = Vec::new();
    for table in tables {
        let mut holder = server.connect("postgres");
        hold(&mut holder, &table);
        let update = "BEGIN; SET LOCAL lock_timeout = '20ms'; ALTER EXTENSION tokenauth UPDATE";
        if let Err(error) = client.batch_execute(update) {
            assert_eq!(error.code(), Some(&SqlState::LOCK_NOT_AVAILABLE), "{table}: {error:?}");
            waits.push(table);
        }
        client.batch_execute("ROLLBACK").unwrap();
    }
    check(&mut client, "an update that had to wait");
    let table = waits.last().expect("an update changes tables");
    for way in ["SELECT pg_cancel_backend($1)", "SELECT pg_terminate_backend($1)", "kill -9"] {
        let mut holder = server.connect("postgres");
        hold(&mut holder, table);
        let mut updating = server.connect("postgres");
        let backend: i32 = updating.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
        let outcome = thread::scope(|scope| {
            let updating = scope.spawn(|| updating.batch_execute("ALTER EXTENSION tokenauth UPDATE"));
            let waits = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1";
            wait_until(way, || holder.query_one(waits, &[&backend]).unwrap().get::<_, Option<bool>>(0) == Some(true));
            if way.starts_with("kill") {
                server.crash_at(backend);
            } else {
                holder.execute(way, &[&backend]).unwrap();
            }
            updating.join().unwrap()
        });
        assert!(outcome.is_err(), "{way}");
        drop(holder);
        check(&mut server.connect("postgres"), way);
    }
    let mut client = server.connect("postgres");
    client.batch_execute("ALTER EXTENSION tokenauth UPDATE").unwrap();
    assert_eq!(client.query_one(VERSION, &[]).unwrap().get::<_, &str>(0), current);
}

#[test]
fn what_an_update_forgets_is_found() {
    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    client.batch_execute("CREATE EXTENSION tokenauth").unwrap();
    let whole = catalogs(&mut client);
    for forgotten in [
        "COMMENT ON FUNCTION tokenauth.revoke(uuid, text, text) IS NULL",
        "COMMENT ON COLUMN tokenauth.kind.name IS 'another'",
        "COMMENT ON TRIGGER guard ON tokenauth.kind IS NULL",
        "GRANT SELECT ON tokenauth.token TO PUBLIC",
        "GRANT EXECUTE ON FUNCTION tokenauth.purge(interval) TO PUBLIC",
        "ALTER TABLE tokenauth.token ALTER COLUMN metadata SET STORAGE EXTERNAL",
        "ALTER TABLE tokenauth.token SET (fillfactor = 55)",
        "ALTER TABLE tokenauth.token ALTER COLUMN name SET DEFAULT 'x'",
        "ALTER TABLE tokenauth.kind DISABLE TRIGGER record",
        "ALTER FUNCTION tokenauth.revoke(uuid, text, text) COST 5",
        "ALTER FUNCTION tokenauth.verify(text, text[], text) STABLE",
        "CREATE INDEX more ON tokenauth.token (name)",
        "ALTER TABLE tokenauth.token ADD CONSTRAINT more CHECK (name <> '') NOT VALID",
        "ALTER TABLE tokenauth.token REPLICA IDENTITY FULL",
        "ALTER TABLE tokenauth.token ADD COLUMN more int",
        "ALTER EXTENSION tokenauth DROP TABLE tokenauth.signal",
    ] {
        client.batch_execute(&format!("BEGIN; {forgotten}")).unwrap();
        assert_ne!(catalogs(&mut client), whole, "{forgotten}");
        client.batch_execute("ROLLBACK").unwrap();
    }
    assert_same_catalogs(&catalogs(&mut client), &whole, "after all were rolled back, it");
}
