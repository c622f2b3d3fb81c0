//! Settings that the owner of a database may change, none of which may keep usage from being written.

use postgres::Client;
use tokenauth_cluster::contract::{issue, prepare};
use tokenauth_cluster::wait_until;

use super::{one, server, verify_often, written};

/// Every setting that ALTER DATABASE takes from its owner, with values far from the usual: the one numbered `$1` of
/// each list, the last of shorter ones.
const SETTINGS: &str = "
    SELECT name, CASE WHEN cardinality(unusual) >= $1 THEN unusual[$1] ELSE unusual[cardinality(unusual)] END
      FROM pg_settings,
           LATERAL (SELECT CASE vartype
                WHEN 'bool' THEN ARRAY[CASE setting WHEN 'on' THEN 'off' ELSE 'on' END]
                WHEN 'enum' THEN array_remove(enumvals, setting)
                WHEN 'integer' THEN ARRAY[min_val, greatest(min_val::bigint, 1)::text, max_val]
                WHEN 'real' THEN ARRAY[min_val, max_val]
                END) choice (unusual)
     WHERE context = 'user' AND name NOT LIKE 'tokenauth.%' AND cardinality(unusual) > 0
       -- They belong to a transaction, or to a connection that the worker does not have.
       AND name NOT LIKE 'transaction\\_%'
     ORDER BY name";

/// Settings whose values are texts, by hand: what could change who the worker is, what it finds and where it writes.
const TEXTS: &[&str] = &[
    "role = nobody",
    "session_authorization = owner",
    "search_path = elsewhere, pg_temp",
    "temp_tablespaces = ''",
    "default_tablespace = ''",
    "default_table_access_method = heap",
    "client_encoding = 'SQL_ASCII'",
    "\"DateStyle\" = 'German, DMY'",
    "\"TimeZone\" = 'Asia/Kathmandu'",
    "timezone_abbreviations = 'India'",
    "application_name = 'elsewhere'",
    "lc_messages = 'C'",
    "transaction_read_only = on",
    "own.setting = 'x'",
];

/// Sets it for the database, as its owner, and returns whether that is possible.
fn set(client: &mut Client, setting: &str) -> bool {
    client.batch_execute(&format!("ALTER DATABASE postgres SET {setting}")).is_ok()
}

#[test]
fn no_setting_of_a_database_keeps_usage_from_being_written() {
    let server = server(&["log_min_messages = warning"]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    client
        .batch_execute(
            "CREATE ROLE nobody; CREATE ROLE owner; GRANT nobody TO owner; ALTER DATABASE postgres OWNER TO owner",
        )
        .unwrap();
    let issued = issue(&mut client, "user:1");
    // Connected before anything is set.
    let mut owner = server.connect("postgres");
    owner.batch_execute("SET SESSION AUTHORIZATION owner").unwrap();
    let rounds = client.query_one("SELECT max(cardinality(enumvals)) FROM pg_settings WHERE context = 'user'", &[]);
    let rounds = rounds.unwrap().get::<_, i32>(0).max(3);
    let mut expected = 0;
    for round in 1..rounds {
        let mut tried = 0;
        for row in client.query(SETTINGS, &[&round]).unwrap() {
            let (name, value): (&str, &str) = (row.get(0), row.get(1));
            tried += i32::from(set(&mut owner, &format!("\"{name}\" = '{value}'")));
        }
        assert!(tried > 100, "{tried} settings");
        assert!(TEXTS.iter().filter(|setting| set(&mut owner, setting)).count() > 8);
        verify_often(&mut client, &issued, 1);
        expected += 1;
        wait_until(&format!("the flush of round {round}"), || written(&mut client, &issued) == expected);
        // Whatever was refused as a whole is not worth much: each alone must have been taken.
        let set: i64 = one(&mut client, "SELECT sum(cardinality(setconfig))::bigint FROM pg_db_role_setting");
        assert!(set > 100, "{set} settings");
    }
    // Those by hand also each alone: one may hide what another does.
    for setting in TEXTS {
        client.batch_execute("ALTER DATABASE postgres RESET ALL").unwrap();
        if set(&mut owner, setting) {
            verify_often(&mut client, &issued, 1);
            expected += 1;
            wait_until(&format!("the flush with {setting}"), || written(&mut client, &issued) == expected);
        }
    }
    client.batch_execute("ALTER DATABASE postgres RESET ALL").unwrap();
    // Those of a role that is never used for the worker, and of all roles.
    client.batch_execute("ALTER ROLE ALL SET statement_timeout = 1; ALTER ROLE postgres SET role = nobody").unwrap();
    verify_often(&mut client, &issued, 1);
    wait_until("the flush under settings of roles", || written(&mut client, &issued) == expected + 1);
    assert!(!server.log_text().contains("could not start a worker"));
}
