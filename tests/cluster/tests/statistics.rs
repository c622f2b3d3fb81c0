//! Statements over many rows in memory go from each of them to our tables by an index, and never look through them for
//! each row of a table: whatever the planner believes of a table, whatever indexes somebody has added, and whatever a
//! session has set. Counted are look-ups, not times: they are as many as those of a session that believes nothing.
//!
//! With `TOKENAUTH_SOAK`, the rows are twenty thousand.

use std::collections::HashMap;
use std::fmt::Write as _;

use postgres::Client;
use tokenauth_cluster::{FAST, Server};

/// Tables of ours, all of which somebody has given indexes of his own and statistics that were never true.
const TABLES: &[&str] = &["token", "principal", "member", "mass_death", "usage", "as_issued", "event"];

/// What a planner may go by that is not so.
struct Belief {
    name: &'static str,
    /// Before anything is stored.
    empty: &'static str,
    /// Once all is stored.
    filled: &'static str,
    /// In the session.
    session: &'static str,
}

/// An index of each condition that rows are about to fulfil, of which there are none yet.
const INDEXES: &str = "
    CREATE INDEX ON tokenauth.principal (principal) WHERE NOT active;
    CREATE INDEX ON tokenauth.principal (principal) WHERE dropped_at IS NOT NULL;
    CREATE INDEX ON tokenauth.principal (active, dropped_at);
    CREATE INDEX ON tokenauth.member (org) WHERE permissions <> '{}';
    CREATE INDEX ON tokenauth.token (owner) WHERE revoked_at IS NOT NULL;
    CREATE INDEX ON tokenauth.token (created_at) WHERE revoked_at IS NULL;
    CREATE INDEX ON tokenauth.token (kind);
    CREATE INDEX ON tokenauth.mass_death (at);
    CREATE INDEX ON tokenauth.token USING brin (id);
    CREATE INDEX ON tokenauth.token USING brin (created_at);
    CREATE INDEX ON tokenauth.event USING brin (at);
    CREATE INDEX ON tokenauth.usage_hourly USING brin (hour);";

const BELIEFS: &[Belief] = &[
    Belief { name: "nothing, in a session that has planned for empty tables", empty: "", filled: "", session: "" },
    Belief { name: "that tables are empty", empty: "VACUUM ANALYZE", filled: "", session: "" },
    Belief {
        name: "that conditions are fulfilled by none, with an index of those",
        empty: INDEXES,
        filled: "VACUUM ANALYZE",
        session: "",
    },
    Belief {
        name: "that there is one row on a thousand pages, in a session that has switched off what it can",
        empty: INDEXES,
        filled: "SET allow_system_table_mods = on;
                 UPDATE pg_class SET reltuples = 1, relpages = 100000
                  WHERE relnamespace = 'tokenauth'::regnamespace AND relkind IN ('r', 'i');
                 RESET allow_system_table_mods",
        session: "SET enable_nestloop = off; SET enable_indexscan = off; SET plan_cache_mode = force_custom_plan;
                  SET random_page_cost = 1000; SET work_mem = '64kB'",
    },
];

/// A statement and the tables in which it looks up each of the rows.
struct Case {
    statement: &'static str,
    looks_into: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case { statement: "UPDATE users SET active = false", looks_into: &["principal", "token"] },
    Case { statement: "UPDATE users SET id = -id", looks_into: &["principal", "token", "member"] },
    Case { statement: "DELETE FROM users", looks_into: &["principal", "token", "member"] },
    Case { statement: "TRUNCATE users", looks_into: &["principal", "token", "member"] },
    Case { statement: "UPDATE memberships SET permissions = '{a}'", looks_into: &["member"] },
    Case { statement: "DELETE FROM memberships", looks_into: &["member"] },
    Case {
        statement: "DELETE FROM memberships; INSERT INTO memberships SELECT id, '{}' FROM users",
        looks_into: &["member", "principal"],
    },
    Case {
        statement: "ALTER TABLE users DISABLE TRIGGER USER; UPDATE users SET active = false;
                    ALTER TABLE users ENABLE TRIGGER USER; SELECT tokenauth.sync_principals('users')",
        looks_into: &["principal", "token"],
    },
    Case { statement: "SELECT tokenauth.revoke_all(kind => 'key')", looks_into: &["token"] },
    Case { statement: "SELECT tokenauth.import_revocations(document) FROM deaths", looks_into: &["token"] },
    Case { statement: "SELECT tokenauth.import_revocations(document) FROM mass_deaths", looks_into: &["token"] },
    Case {
        statement: "UPDATE tokenauth.kind SET max_lifetime = '1 day' WHERE name = 'key';
                    SELECT tokenauth.enforce('key', '{no_expiry}', dry_run => false)",
        looks_into: &["token", "event"],
    },
    Case {
        statement: "UPDATE tokenauth.kind SET ceiling = '{b}' WHERE name = 'key';
                    SELECT tokenauth.enforce('key', '{ceiling}', dry_run => false)",
        looks_into: &["token", "event"],
    },
    Case {
        statement: "SELECT tokenauth.revoke_all(kind => 'key'); SELECT tokenauth.purge('0')",
        looks_into: &["token", "usage", "as_issued"],
    },
];

#[test]
fn rows_in_memory_are_looked_up_from_whatever_the_planner_believes() {
    let server = Server::start(&[FAST, &["autovacuum = off"]].concat());
    let rows: i64 = if std::env::var_os("TOKENAUTH_SOAK").is_some() { 20_000 } else { 300 };
    let mut wrong = String::new();
    let mut expected: HashMap<(&str, String), LookUps> = HashMap::new();
    for (number, belief) in BELIEFS.iter().enumerate() {
        let database = format!("believing_{number}");
        server.create_database(&database, "");
        let mut client = server.connect(&database);
        set_up(&mut client, belief, rows);
        for case in CASES {
            for (table, found) in look_ups(&mut client, case) {
                // Where a statement chooses among all rows of a table, it may read them in whatever order is best.
                if !case.looks_into.contains(&table.as_str()) {
                    continue;
                }
                let expected = expected.entry((case.statement, table.clone())).or_insert(found);
                // One of its passes may take the other way: each row once, or its index once for each.
                let is_like_expected = (found.scans - expected.scans).abs() <= rows + rows / 10;
                if found.scans < rows || !is_like_expected || found.rows > expected.rows + 2 * rows {
                    let Belief { name, .. } = belief;
                    writeln!(wrong, "believing {name}: {}: {table}: {found:?}, not {expected:?}", case.statement)
                        .unwrap();
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Stores so many users with a membership and a token each, as a planner with these beliefs finds them.
fn set_up(client: &mut Client, belief: &Belief, rows: i64) {
    client
        .batch_execute(
            "CREATE EXTENSION tokenauth;
             INSERT INTO tokenauth.kind (name, prefix) VALUES ('key', 'key_');
             SELECT tokenauth.put_principal('org:1');
             CREATE TABLE users (id integer PRIMARY KEY, active boolean NOT NULL DEFAULT true);
             CREATE TABLE memberships (id integer PRIMARY KEY, permissions text[] NOT NULL DEFAULT '{}');
             SELECT tokenauth.bind_principals('users', 'user', 'id::text', active => 'active',
                                              permissions => '''{a}''');
             SELECT tokenauth.bind_members('memberships', '''org:1''', '''user:'' || id', permissions => 'permissions');
             CREATE TABLE deaths (document jsonb);
             CREATE TABLE mass_deaths (document jsonb);",
        )
        .unwrap();
    client.batch_execute(belief.empty).unwrap();
    client.batch_execute(belief.session).unwrap();
    if belief.filled.is_empty() {
        // Plans that are kept are made here. Two rows: of one alone, more is known.
        fill(client, 2);
        for case in CASES {
            look_ups(client, case);
        }
        client.batch_execute("TRUNCATE users, memberships, deaths, mass_deaths").unwrap();
    }
    fill(client, rows);
    client.batch_execute(belief.filled).unwrap();
}

fn fill(client: &mut Client, rows: i64) {
    client
        .batch_execute(&format!(
            "INSERT INTO users SELECT n FROM generate_series(1, {rows}) n;
             INSERT INTO memberships SELECT id FROM users;
             SELECT count(tokenauth.issue('key', 'user:' || id, scopes => '{{a}}')) FROM users;
             INSERT INTO deaths
                SELECT jsonb_build_object('version', 1, 'tokens', jsonb_agg(jsonb_build_object(
                           'id', id, 'at', clock_timestamp(), 'by', 'user:1')))
                  FROM tokenauth.tokens;
             INSERT INTO mass_deaths
                SELECT jsonb_build_object('version', 1, 'owners', jsonb_agg(jsonb_build_object(
                           'owner', owner, 'at', clock_timestamp(), 'by', 'user:1', 'covers', 'all')))
                  FROM tokenauth.tokens;"
        ))
        .unwrap();
}

/// What a statement has done with a table, by its indexes.
#[derive(Clone, Copy, Debug)]
struct LookUps {
    scans: i64,
    rows: i64,
}

/// Runs the statement in a transaction that is rolled back, and returns what it has done with our tables.
fn look_ups(client: &mut Client, case: &Case) -> Vec<(String, LookUps)> {
    client.batch_execute("BEGIN").unwrap();
    let before = counted(client);
    client.batch_execute(case.statement).unwrap_or_else(|error| panic!("{}: {error:?}", case.statement));
    let after = counted(client);
    client.batch_execute("ROLLBACK").unwrap();
    let of_it = |((table, before), (_, after)): ((String, LookUps), (String, LookUps))| {
        (table, LookUps { scans: after.scans - before.scans, rows: after.rows - before.rows })
    };
    before.into_iter().zip(after).map(of_it).collect()
}

/// What this session has done with each of the tables, as far as it was not reported yet; within a transaction, nothing
/// is.
fn counted(client: &mut Client) -> Vec<(String, LookUps)> {
    let counted = "SELECT name, coalesce(s.idx_scan, 0), coalesce(s.idx_tup_fetch, 0)
                     FROM unnest($1::text[]) name
                     LEFT JOIN pg_stat_xact_user_tables s ON s.schemaname = 'tokenauth' AND s.relname = name
                    ORDER BY name";
    let rows = client.query(counted, &[&TABLES]).unwrap();
    rows.iter().map(|row| (row.get(0), LookUps { scans: row.get(1), rows: row.get(2) })).collect()
}
