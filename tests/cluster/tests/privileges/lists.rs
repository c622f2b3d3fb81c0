//! The catalog says what the contract says, whichever way the extension was installed.

use postgres::Client;
use tokenauth_cluster::contract::privileges;
use tokenauth_cluster::{FAST, Server};

use super::{ACCESSES, grant, make_roles};

/// The contract's lists of functions by access, as the regression test has them.
fn contract() -> String {
    let sql = include_str!("../../../pg_regress/sql/grants.sql");
    let begin = sql.find("CREATE TEMPORARY TABLE promised").expect("the test has the lists");
    let end = begin + sql[begin..].find("-- … the whole matrix").expect("and then uses them");
    sql[begin..end].to_owned()
}

/// What differs from the contract of every function, relation, column and type, and of the schema, for every access, a
/// role without any, the owner of a bound table, and PUBLIC. It is a line for each difference, in either direction.
const DIFFERENCES: &str = "
    WITH role (role, included, oid) AS (
             SELECT access, included,
                    to_regrole(CASE access WHEN 'none' THEN 'nobody' ELSE format('%I', access) END)::oid
               FROM includes
             UNION ALL SELECT 'tables', '{}', to_regrole('tables')::oid
             UNION ALL SELECT 'PUBLIC', '{}', 0),
         -- Of views and of kind; nobody else has anything on any relation.
         readable (relation) AS (VALUES ('tokens'), ('events'), ('usage_hourly'), ('metrics'), ('kind')),
         privilege (privilege) AS (
             SELECT unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[])
             UNION ALL SELECT 'MAINTAIN' WHERE current_setting('server_version_num')::int >= 170000),
         held (what, given, promised) AS (
             SELECT format('%s: EXECUTE on %s', r.role, p.proname),
                    CASE r.oid WHEN 0
                               THEN EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner)))
                                             WHERE grantee = 0)
                               ELSE has_function_privilege(r.oid, p.oid, 'EXECUTE') END,
                    EXISTS (SELECT FROM promised WHERE promised.access = ANY (r.included)
                                                   AND p.proname = ANY (functions))
               FROM role r, pg_proc p WHERE p.pronamespace = 'tokenauth'::regnamespace
             UNION ALL
             SELECT format('%s: %s on %s', r.role, privilege, c.relname),
                    CASE r.oid WHEN 0 THEN EXISTS (SELECT FROM aclexplode(c.relacl)
                                                    WHERE grantee = 0 AND privilege_type = privilege)
                               ELSE has_table_privilege(r.oid, c.oid, privilege) END,
                    CASE privilege WHEN 'SELECT' THEN 'observe' = ANY (r.included)
                                                      AND c.relname IN (SELECT relation FROM readable)
                                   WHEN 'DELETE' THEN 'admin' = ANY (r.included) AND c.relname = 'kind'
                                   ELSE false END
               FROM role r, privilege, pg_class c
              WHERE c.relnamespace = 'tokenauth'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S')
             UNION ALL
             SELECT format('%s: %s on column %s.%s', r.role, privilege, c.relname, a.attname),
                    has_column_privilege(r.oid, c.oid, a.attnum, privilege),
                    CASE WHEN privilege = 'SELECT' THEN 'observe' = ANY (r.included)
                                                        AND c.relname IN (SELECT relation FROM readable)
                         WHEN privilege IN ('INSERT', 'UPDATE')
                         THEN 'admin' = ANY (r.included) AND c.relname = 'kind' AND a.attname <> 'created_at'
                         ELSE false END
               FROM role r, unnest('{SELECT,INSERT,UPDATE,REFERENCES}'::text[]) AS privilege, pg_class c
               JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
              WHERE c.relnamespace = 'tokenauth'::regnamespace AND c.relkind IN ('r', 'v') AND a.attnum > 0
                AND r.oid <> 0
             UNION ALL
             SELECT format('%s: USAGE on type %s', r.role, y.typname), has_type_privilege(r.oid, y.oid, 'USAGE'), false
               FROM role r, pg_type y
              WHERE y.typnamespace = 'tokenauth'::regnamespace AND y.typelem = 0 AND r.oid <> 0
             UNION ALL
             SELECT format('%s: %s on the schema', r.role, privilege),
                    has_schema_privilege(r.oid, 'tokenauth', privilege),
                    privilege = 'USAGE' AND r.included <> '{}'
               FROM role r, unnest('{USAGE,CREATE}'::text[]) AS privilege WHERE r.oid <> 0)
    SELECT count(*) OVER (), what || CASE WHEN given THEN ', which is not promised' ELSE ' is missing' END
      FROM held WHERE given IS DISTINCT FROM promised";

/// Checks that a database has what the contract says, no more and no less.
fn is_as_promised(client: &mut Client, context: &str) {
    client.batch_execute(&contract()).unwrap();
    // For so many combinations, a mistake in the query would be an answer without rows: some must be there.
    let held: i64 = client
        .query_one(
            "SELECT count(*) FROM pg_proc p, includes i WHERE p.pronamespace = 'tokenauth'::regnamespace
                AND i.access <> 'none' AND has_function_privilege(i.access, p.oid, 'EXECUTE')",
            &[],
        )
        .unwrap()
        .get(0);
    assert!(held > 200, "{context}: only {held} grants");
    assert_eq!(differences(client), Vec::<String>::new(), "{context}");
    client.batch_execute("DROP TABLE promised, includes").unwrap();
}

fn differences(client: &mut Client) -> Vec<String> {
    client.query(DIFFERENCES, &[]).unwrap().iter().map(|row| row.get(1)).collect()
}

/// What gives everything to everybody, before and while something is installed.
const GENEROUS: &str = "
    ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC, nobody, tables;
    ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO PUBLIC, nobody, tables;
    ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO PUBLIC, nobody, tables;
    ALTER DEFAULT PRIVILEGES GRANT ALL ON TYPES TO PUBLIC, nobody, tables;
    ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO PUBLIC, nobody, tables;";

#[test]
fn every_access_is_what_was_promised_after_an_installation_and_after_an_update() {
    let server = Server::start(FAST);
    make_roles(&server);
    let database = |name: &str| {
        server.create_database(name, "TEMPLATE template0");
        server.connect(name)
    };

    let mut client = database("installed");
    client.batch_execute("CREATE EXTENSION tokenauth").unwrap();
    grant(&mut client);
    is_as_promised(&mut client, "installed");
    // Twice is once, and taking an access that includes another leaves what it includes.
    grant(&mut client);
    is_as_promised(&mut client, "granted twice");

    let mut client = database("generous");
    client.batch_execute(&format!("{GENEROUS} CREATE EXTENSION tokenauth")).unwrap();
    grant(&mut client);
    is_as_promised(&mut client, "installed where default privileges give everything away");

    // What is new comes with an access that is granted once more, and not before.
    let mut client = database("updated");
    client.batch_execute("CREATE EXTENSION tokenauth VERSION '0.1.0'").unwrap();
    grant(&mut client);
    client.batch_execute(&format!("{GENEROUS} ALTER EXTENSION tokenauth UPDATE")).unwrap();
    grant(&mut client);
    is_as_promised(&mut client, "granted, updated where default privileges give everything away, and granted again");

    let mut client = database("updated_before");
    client.batch_execute("CREATE EXTENSION tokenauth VERSION '0.1.0'; ALTER EXTENSION tokenauth UPDATE").unwrap();
    grant(&mut client);
    is_as_promised(&mut client, "updated, and granted");
}

#[test]
fn what_is_more_or_less_than_promised_is_told() {
    let server = Server::start(FAST);
    make_roles(&server);
    let mut client = server.connect("postgres");
    client.batch_execute("CREATE EXTENSION tokenauth").unwrap();
    grant(&mut client);
    client.batch_execute(&contract()).unwrap();
    for (change, told) in [
        ("GRANT SELECT (digest) ON tokenauth.token TO admin", 1),
        ("GRANT TRUNCATE ON tokenauth.derived_death TO PUBLIC", 9),
        ("GRANT EXECUTE ON FUNCTION tokenauth.issue TO verify", 1),
        ("GRANT EXECUTE ON FUNCTION tokenauth.strip_grants TO PUBLIC", 9),
        ("GRANT CREATE ON SCHEMA tokenauth TO tables", 1),
        ("GRANT USAGE ON TYPE tokenauth.issued TO nobody", 1),
        ("REVOKE EXECUTE ON FUNCTION tokenauth.verify FROM identity, verify", 1),
        ("REVOKE DELETE ON tokenauth.kind FROM admin", 1),
        ("REVOKE UPDATE (prefix) ON tokenauth.kind FROM admin", 1),
    ] {
        client.batch_execute(&format!("BEGIN; {change}")).unwrap();
        let differences = differences(&mut client);
        assert_eq!(differences.len(), told, "{change}: {differences:#?}");
        client.batch_execute("ROLLBACK").unwrap();
    }
}

#[test]
fn an_access_that_is_taken_leaves_nothing_that_it_added() {
    let server = Server::start(FAST);
    make_roles(&server);
    let mut client = server.connect("postgres");
    client.batch_execute("CREATE EXTENSION tokenauth").unwrap();
    grant(&mut client);
    let before = privileges(&mut client);
    // All that a role has comes by accesses, and goes with them, but for USAGE of the schema, which gives nothing by
    // itself.
    for (role, access) in ACCESSES.iter().flat_map(|role| ACCESSES.iter().rev().map(move |access| (role, access))) {
        client.execute("SELECT tokenauth.revoke_access($1::text::regrole, $2)", &[role, access]).unwrap();
    }
    let is_theirs = |line: &String| {
        line.split(' ').rev().nth(1).is_some_and(|grantee| ACCESSES.contains(&grantee)) && !line.starts_with("schema ")
    };
    let left: Vec<String> = privileges(&mut client).into_iter().filter(is_theirs).collect();
    assert_eq!(left, Vec::<String>::new());
    grant(&mut client);
    assert_eq!(privileges(&mut client), before);
}
