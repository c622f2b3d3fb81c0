//! No setting that a caller can make changes what a function does: neither whether it is refused, nor what it answers.

use std::collections::BTreeMap;

use postgres::Client;
use tokenauth_cluster::rounds;

use super::World;

/// Settings that change how statements are read, planned, shown and committed, at values that a careful function would
/// not expect.
const HOSTILE: [(&str, &str); 17] = [
    ("array_nulls", "off"),
    ("bytea_output", "escape"),
    ("DateStyle", "SQL, DMY"),
    ("default_transaction_isolation", "serializable"),
    ("default_transaction_isolation", "repeatable read"),
    ("enable_seqscan", "off"),
    ("extra_float_digits", "-15"),
    ("IntervalStyle", "sql_standard"),
    ("plan_cache_mode", "force_generic_plan"),
    ("quote_all_identifiers", "on"),
    ("row_security", "off"),
    ("search_path", ""),
    ("standard_conforming_strings", "off"),
    ("synchronous_commit", "off"),
    ("TimeZone", "Asia/Kathmandu"),
    ("transform_null_equals", "on"),
    ("work_mem", "64kB"),
];

/// What ends or delays any statement, or changes who it is: not ours to withstand.
const NOT_OURS: [&str; 15] = [
    "authentication_timeout",
    "client_encoding",
    "default_transaction_read_only",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "jit_above_cost",
    "lock_timeout",
    "post_auth_delay",
    "role",
    "session_authorization",
    "statement_timeout",
    "temp_tablespaces",
    "default_tablespace",
    "transaction_read_only",
    "transaction_timeout",
];

/// Every value of every setting that a caller can make, the least and the greatest of numbers.
fn all_settings(client: &mut Client) -> Vec<(String, String)> {
    let sql = "
        SELECT s.name, v.value
          FROM pg_settings s,
               LATERAL (SELECT unnest(CASE s.vartype WHEN 'bool' THEN '{on,off}'::text[]
                                                     WHEN 'enum' THEN s.enumvals
                                                     WHEN 'string' THEN ARRAY['', s.boot_val]
                                                     ELSE ARRAY[s.min_val, s.max_val] END)) AS v (value)
         WHERE s.context = 'user' AND v.value IS NOT NULL AND s.name <> ALL ($1)
           AND s.name NOT LIKE 'tokenauth.%'
         ORDER BY s.name, v.value";
    let rows = client.query(sql, &[&NOT_OURS.map(str::to_owned).to_vec()]).unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// What reads and judges, without what differs from call to call.
const ANSWERS: &str = "
    SELECT jsonb_build_object(
               'verified', (SELECT to_jsonb(v) - 'correlation_id' FROM tokenauth.verify($1, '{devices:read}') v),
               'refused', (SELECT to_jsonb(v) - 'correlation_id' FROM tokenauth.verify($1, '{devices:write}') v),
               'by digest', (SELECT v.verdict FROM tokenauth.verify_digest(pg_catalog.left($1, 15),
                                pg_catalog.sha256(pg_catalog.convert_to($1, 'UTF8'))) v),
               'response', (SELECT tokenauth.error_response(v) #- '{body,correlationId}' FROM tokenauth.verify('x') v),
               'introspected', tokenauth.introspect($1),
               'listed', (SELECT jsonb_agg(to_jsonb(l) - 'last_used_at' - 'request_count' - 'denied_count')
                            FROM tokenauth.list(owner => 'user:1') l),
               'masked', tokenauth.mask($1 || ' and more'),
               'covered', tokenauth.covers('{devices:*}', 'devices:read'),
               'pattern', tokenauth.scan_pattern('key'),
               'grantable', tokenauth.grantable('key', 'user:1'))::text";

/// The SQLSTATE of each function's call.
fn outcomes(world: &mut World, client: &mut Client) -> BTreeMap<String, String> {
    world.forget("settings");
    client.batch_execute("SELECT who.probe('settings')").unwrap();
    world.outcomes("settings").into_iter().map(|(function, _, state)| (function, state)).collect()
}

#[test]
fn no_setting_of_the_caller_changes_what_a_function_does() {
    let mut world = World::prepare();
    let token = world.calls.token().to_owned();
    let mut client = world.session("admin");
    let answers = |client: &mut Client| -> String { client.query_one(ANSWERS, &[&token]).unwrap().get(0) };
    let (expected, told) = (outcomes(&mut world, &mut client), answers(&mut client));
    assert!(expected.values().filter(|state| *state == "OK000").count() > 60, "{expected:?}");
    let settings = if rounds(0, 1) == 1 {
        all_settings(&mut client)
    } else {
        HOSTILE.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    };
    assert!(settings.len() >= HOSTILE.len());
    for (name, value) in settings {
        // A session of its own: whatever it has prepared and planned was under the setting.
        let mut client = world.session("admin");
        if client.execute("SELECT set_config($1, $2, false)", &[&name, &value]).is_err() {
            continue;
        }
        let found = outcomes(&mut world, &mut client);
        let differ: Vec<_> = found.iter().filter(|(function, state)| expected[*function] != **state).collect();
        assert!(differ.is_empty(), "with {name} = {value:?}: {differ:?}");
        // Moments are shown in the zone of the session, in JSON too.
        if name != "TimeZone" {
            assert_eq!(answers(&mut client), told, "with {name} = {value:?}");
        }
    }
}
