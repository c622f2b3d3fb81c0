//! Usage on standbys, which cannot write it, and how the primary gets it.

use postgres::Client;
use postgres::error::SqlState;
use tokenauth_cluster::contract::{issue, prepare};
use tokenauth_cluster::{has_library, wait_until};

use super::{counts, lazy_server, one, server, verify_often, written};

/// What docs/operations tells the primary's DBA to run regularly.
const PULL: &str = "SELECT tokenauth.usage_import(batch)
  FROM dblink('$standby', 'SELECT tokenauth.usage_export()') AS pulled (batch jsonb)
 WHERE batch IS NOT NULL";

#[test]
fn a_standby_counts_and_writes_when_it_is_promoted() {
    let primary = lazy_server(&[]);
    let mut on_primary = primary.connect("postgres");
    prepare(&mut on_primary);
    let issued = issue(&mut on_primary, "user:1");
    let standby = primary.standby();
    standby.catch_up_with(&primary);
    let mut on_standby = standby.connect("postgres");
    verify_often(&mut on_standby, &issued, 6);
    assert_eq!(counts(&mut on_standby, &issued), (6, 0));
    assert_eq!(one::<i64>(&mut on_standby, "SELECT count FROM tokenauth.stats() WHERE verdict = 'valid'"), 6);
    assert_eq!(counts(&mut on_primary, &issued), (0, 0));

    on_standby.batch_execute("SELECT pg_promote()").unwrap();
    standby.reconfigure(&["tokenauth.usage_flush_interval = 1"]);
    wait_until("the promoted server to write", || written(&mut on_standby, &issued) == 6);
    assert_eq!(counts(&mut on_standby, &issued), (6, 0));
}

#[test]
fn usage_of_a_standby_is_pulled_once_however_often_it_is_asked_for() {
    if !has_library("dblink") {
        return;
    }
    let primary = server(&[]);
    let mut on_primary = primary.connect("postgres");
    prepare(&mut on_primary);
    on_primary.batch_execute("CREATE EXTENSION dblink").unwrap();
    let issued = issue(&mut on_primary, "user:1");
    let mut standby = primary.standby();
    standby.catch_up_with(&primary);
    let pull = PULL.replace("$standby", &standby.connection_string("postgres"));
    let pull = |client: &mut Client| -> Option<i64> { client.query_opt(&pull, &[]).unwrap().map(|row| row.get(0)) };

    let mut on_standby = standby.connect("postgres");
    assert_eq!(pull(&mut on_primary), None, "nothing was used");
    verify_often(&mut on_standby, &issued, 6);
    verify_often(&mut on_primary, &issued, 4);
    // The batch is lost on its way, and later uses go into the next batch.
    on_standby.batch_execute("SELECT tokenauth.usage_export()").unwrap();
    verify_often(&mut on_standby, &issued, 1);
    let in_memory = "SELECT t.request_count - u.request_count
                       FROM tokenauth.tokens t JOIN tokenauth.usage u ON u.token_id = t.id";
    assert_eq!(one::<i64>(&mut on_standby, in_memory), 7);
    assert_eq!(pull(&mut on_primary), Some(1));
    // Until the standby has replayed the import, it hands out the same batch.
    on_standby.batch_execute("SELECT pg_wal_replay_pause()").unwrap();
    let again = pull(&mut on_primary);
    assert!(matches!(again, Some(0 | 1)), "the same, or the next if the standby was fast: {again:?}");
    on_standby.batch_execute("SELECT pg_wal_replay_resume()").unwrap();
    standby.catch_up_with(&primary);
    pull(&mut on_primary);
    wait_until("all of both", || counts(&mut on_primary, &issued) == (11, 0));
    standby.catch_up_with(&primary);
    wait_until("the standby to see the same", || counts(&mut on_standby, &issued) == (11, 0));

    // A batch that was handed out survives a restart of the standby, which then hands out the same one.
    verify_often(&mut on_standby, &issued, 5);
    let batch = "SELECT tokenauth.usage_export()::text";
    let out: String = one(&mut on_standby, batch);
    standby.restart();
    let mut on_standby = standby.connect("postgres");
    assert_eq!(one::<String>(&mut on_standby, batch), out);
    assert_eq!(counts(&mut on_standby, &issued), (16, 0));
    assert_eq!(pull(&mut on_primary), Some(1));
    let import = "SELECT tokenauth.usage_import($1::text::jsonb)";
    assert_eq!(on_primary.query_one(import, &[&out]).unwrap().get::<_, i64>(0), 0);
    assert_eq!(counts(&mut on_primary, &issued), (16, 0));

    // A batch that was handed out before the standby is promoted is written by the standby itself, and can no longer be
    // imported.
    standby.catch_up_with(&primary);
    verify_often(&mut on_standby, &issued, 2);
    let out: String = one(&mut on_standby, batch);
    on_standby.batch_execute("SELECT pg_promote()").unwrap();
    wait_until("the promoted server to write", || written(&mut on_standby, &issued) == 18);
    assert_eq!(counts(&mut on_standby, &issued), (18, 0));
    assert_eq!(on_standby.query_one(import, &[&out]).unwrap().get::<_, i64>(0), 0);
}

#[test]
fn usage_that_is_not_as_it_was_handed_out_is_refused() {
    let server = server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let error = client.batch_execute("SELECT tokenauth.usage_export()").unwrap_err();
    assert_eq!(error.code().map(SqlState::code), Some("55000"));
    for batch in [
        "NULL",
        "'[]'",
        "'{}'",
        r#"'{"node": "x", "batch": 1, "tokens": []}'"#,
        r#"'{"node": "0198f0a0-0000-7000-8000-000000000000", "batch": 0, "tokens": []}'"#,
        r#"'{"node": "0198f0a0-0000-7000-8000-000000000000", "batch": 1, "tokens": [{}]}'"#,
    ] {
        let error = client.batch_execute(&format!("SELECT tokenauth.usage_import({batch})")).unwrap_err();
        let expected = if batch == "NULL" { "22004" } else { "22023" };
        assert_eq!(error.code().map(SqlState::code), Some(expected), "{batch}");
    }
}
