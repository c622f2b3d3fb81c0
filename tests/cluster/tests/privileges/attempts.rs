//! What the catalog denies is denied: each way to reach a relation is tried by each role.

use postgres::Client;

use super::{ACCESSES, STRANGERS, serve};

/// Ways to read, change or use a relation without owning it; `{t}` is the relation, `{c}` a column of it. Each with the
/// privilege that it takes, and `OWNER` for what only the owner may.
const WAYS: [(&str, &str); 21] = [
    ("SELECT", "SELECT * FROM {t}"),
    ("SELECT", "SELECT count(*) FROM {t}"),
    ("SELECT", "SELECT {c} FROM {t}"),
    ("SELECT", "CREATE TEMPORARY TABLE taken AS TABLE {t}"),
    ("SELECT", "DECLARE c CURSOR FOR SELECT * FROM {t}"),
    ("SELECT", "EXPLAIN ANALYZE SELECT * FROM {t}"),
    ("SELECT", "DO 'BEGIN PERFORM * FROM {t}; END'"),
    ("ROW LOCK", "SELECT * FROM {t} FOR KEY SHARE"),
    ("INSERT", "INSERT INTO {t} DEFAULT VALUES"),
    ("INSERT", "INSERT INTO {t} ({c}) SELECT NULL WHERE false"),
    ("UPDATE", "UPDATE {t} SET {c} = NULL WHERE false"),
    ("DELETE", "DELETE FROM {t} WHERE false"),
    ("TRUNCATE", "TRUNCATE {t} CASCADE"),
    ("LOCK", "LOCK TABLE {t} IN ACCESS EXCLUSIVE MODE"),
    (
        "TRIGGER",
        "CREATE TRIGGER t AFTER INSERT ON {t} EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()",
    ),
    ("OWNER", "CREATE RULE r AS ON INSERT TO {t} DO ALSO NOTHING"),
    ("OWNER", "CREATE POLICY p ON {t}"),
    ("OWNER", "ALTER TABLE {t} ADD COLUMN added integer"),
    ("OWNER", "ALTER TABLE {t} DISABLE ROW LEVEL SECURITY"),
    ("OWNER", "COMMENT ON TABLE {t} IS 'mine'"),
    ("OWNER", "DROP TABLE {t}"),
];

/// Whether the contract lets a role do that.
fn is_promised(role: &str, relation: &str, privilege: &str) -> bool {
    let readable = ["tokens", "events", "usage_hourly", "metrics", "kind"].contains(&relation);
    match privilege {
        "SELECT" => readable && ["observe", "admin"].contains(&role),
        "ROW LOCK" | "INSERT" | "UPDATE" | "DELETE" | "LOCK" => relation == "kind" && role == "admin",
        _ => false,
    }
}

/// The SQLSTATE that a statement ends with; `00000` for one that succeeds.
fn state(client: &mut Client, statement: &str) -> String {
    let error = client.batch_execute(statement).err();
    error.map_or_else(|| "00000".to_owned(), |error| error.code().expect("the server refuses").code().to_owned())
}

/// As [`state`], in a transaction that is rolled back.
fn state_of_attempt(client: &mut Client, statement: &str) -> String {
    client.batch_execute("BEGIN").unwrap();
    let state = state(client, statement);
    client.batch_execute("ROLLBACK").unwrap();
    state
}

#[test]
fn no_role_reaches_a_relation_that_its_access_does_not_name() {
    let (server, mut client) = serve();
    let relations = client
        .query(
            "SELECT c.relname::text, min(a.attname::text), c.relkind = 'v'
               FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
              WHERE c.relnamespace = 'tokenauth'::regnamespace AND c.relkind IN ('r', 'v') AND a.attnum > 0
                AND a.attname <> 'created_at'
              GROUP BY c.relname, c.relkind",
            &[],
        )
        .unwrap();
    assert!(relations.len() > 12, "{} relations", relations.len());
    client.batch_execute("GRANT CREATE ON SCHEMA public TO PUBLIC; ANALYZE").unwrap();
    for role in ACCESSES.iter().chain(&STRANGERS) {
        let mut session = server.connect("postgres");
        session.batch_execute(&format!("SET SESSION AUTHORIZATION \"{role}\"")).unwrap();
        for relation in &relations {
            let (relation, column, is_view): (&str, &str, bool) = (relation.get(0), relation.get(1), relation.get(2));
            for (privilege, way) in WAYS {
                let statement = way.replace("{t}", &format!("tokenauth.{relation}")).replace("{c}", column);
                let state = state_of_attempt(&mut session, &statement);
                let is_refused = state == "42501";
                // What is allowed may still be wrong, such as a view that cannot be written.
                let is_expected = if is_promised(role, relation, privilege) { !is_refused } else { state != "00000" };
                assert!(is_expected, "{statement} by {role} ended with {state}");
                // For want of the privilege, that is, but for what a view cannot do for anybody.
                let is_told = is_refused || is_view && privilege != "SELECT" || is_promised(role, relation, privilege);
                assert!(is_told, "{statement} by {role} ended with {state}");
            }
            let references = format!("CREATE TABLE public.r (c text REFERENCES tokenauth.{relation})");
            assert_ne!(state_of_attempt(&mut session, &references), "00000", "{references} by {role}");
        }
        // What ANALYZE has sampled is seen by whoever may read the column.
        let seen: Vec<String> = session
            .query("SELECT DISTINCT tablename::text FROM pg_stats WHERE schemaname = 'tokenauth'", &[])
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        assert!(seen.iter().all(|table| is_promised(role, table, "SELECT")), "{role} sees statistics of {seen:?}");
        // The catalogs that hold them, and the extension itself.
        for statement in [
            "SELECT stavalues1 FROM pg_statistic",
            "CREATE FUNCTION tokenauth.verify(varchar) RETURNS text LANGUAGE sql AS $$SELECT 'valid'$$",
            "CREATE TABLE tokenauth.mine ()",
            "ALTER EXTENSION tokenauth UPDATE",
            "ALTER EXTENSION tokenauth DROP FUNCTION tokenauth.doctor(boolean)",
            "ALTER EXTENSION tokenauth ADD TABLE public.person",
            "DROP EXTENSION tokenauth",
            "ALTER SCHEMA tokenauth RENAME TO mine",
            "ALTER FUNCTION tokenauth.verify(text, text[], text) RESET search_path",
            "ALTER FUNCTION tokenauth.verify(text, text[], text) SET search_path = public",
            "ALTER FUNCTION tokenauth.verify(text, text[], text) SECURITY DEFINER",
            "ALTER FUNCTION tokenauth.verify(text, text[], text) OWNER TO CURRENT_USER",
            "CREATE OR REPLACE FUNCTION tokenauth.mask(text text) RETURNS text LANGUAGE sql AS 'SELECT text'",
            "CREATE FUNCTION public.mine() RETURNS void LANGUAGE c AS '$libdir/tokenauth', 'purge_wrapper'",
            "GRANT EXECUTE ON FUNCTION tokenauth.purge TO PUBLIC",
            "SELECT tokenauth.grant_access(current_user::regrole, 'admin')",
            "SET tokenauth.usage_tracking = off",
            "SET tokenauth.death_commit = remote_apply",
            "ALTER DATABASE postgres SET tokenauth.reader = on",
            "ALTER SYSTEM SET tokenauth.key_file = '/tmp/keys'",
        ] {
            let state = state(&mut session, statement);
            // A grant by nobody who could is a warning.
            let warned = statement.starts_with("GRANT") && state == "00000";
            assert!(state == "42501" || warned, "{statement} by {role} ended with {state}");
        }
    }
    let purges = "SELECT count(*) FROM pg_proc, aclexplode(proacl) a WHERE proname = 'purge' AND a.grantee = 0";
    assert_eq!(client.query_one(purges, &[]).unwrap().get::<_, i64>(0), 0);
}
