//! What merely has our names: the worker runs unasked, so whoever could make it write a table of theirs would have its
//! rights.

use postgres::Client;
use tokenauth_cluster::contract::{issue, prepare};
use tokenauth_cluster::{Server, wait_until};

use super::{lazy_server, one, verify_often, written};

/// A role that may create schemas, and a place where its triggers tell as whom they ran.
fn intrude(client: &mut Client) {
    client
        .batch_execute(
            "CREATE ROLE intruder;
             DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO intruder', current_database()); END $$;
             SET ROLE intruder;
             CREATE SCHEMA lair;
             CREATE TABLE lair.loot (ran_as text);
             CREATE FUNCTION lair.rob() RETURNS trigger LANGUAGE plpgsql AS $$
                 BEGIN INSERT INTO lair.loot VALUES (current_user); RETURN NEW; END $$;
             RESET ROLE",
        )
        .unwrap();
}

/// Returns when every worker had something to do twice: that of this other database has written twice.
fn wait_for_two_rounds(server: &Server) {
    server.create_database("other", "");
    let mut other = server.connect("other");
    prepare(&mut other);
    let issued = issue(&mut other, "user:1");
    for round in 1..=2 {
        verify_often(&mut other, &issued, 10);
        wait_until("the other database's usage", || written(&mut other, &issued) == round * 10);
    }
}

#[test]
fn a_schema_that_merely_has_the_name_of_ours_is_not_written() {
    let server = lazy_server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    verify_often(&mut client, &issued, 10);
    intrude(&mut client);
    client
        .batch_execute(
            "DROP EXTENSION tokenauth;
             SET ROLE intruder;
             CREATE SCHEMA tokenauth;
             CREATE TABLE tokenauth.usage_batch (node uuid PRIMARY KEY, batch bigint, at timestamptz);
             CREATE TABLE tokenauth.usage (token_id uuid, first_used_at timestamptz, last_used_at timestamptz,
                 last_denied_at timestamptz, request_count bigint, denied_count bigint, last_client text);
             CREATE TABLE tokenauth.usage_hourly (token_id uuid, hour timestamptz, request_count bigint,
                 denied_count bigint, networks text[], PRIMARY KEY (token_id, hour));
             CREATE TRIGGER rob AFTER INSERT OR UPDATE OR DELETE ON tokenauth.usage_batch
                 FOR EACH STATEMENT EXECUTE FUNCTION lair.rob();
             CREATE TRIGGER rob AFTER INSERT OR UPDATE OR DELETE ON tokenauth.usage
                 FOR EACH STATEMENT EXECUTE FUNCTION lair.rob();
             CREATE TRIGGER rob AFTER INSERT OR UPDATE OR DELETE ON tokenauth.usage_hourly
                 FOR EACH STATEMENT EXECUTE FUNCTION lair.rob();
             RESET ROLE",
        )
        .unwrap();
    server.reconfigure(&["tokenauth.usage_flush_interval = 1"]);
    wait_for_two_rounds(&server);
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM lair.loot"), 0);
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM tokenauth.usage_batch"), 0);
}

#[test]
fn a_table_of_ours_that_somebody_else_owns_is_not_written() {
    let server = lazy_server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    verify_often(&mut client, &issued, 10);
    intrude(&mut client);
    client
        .batch_execute(
            "GRANT ALL ON SCHEMA tokenauth TO intruder;
             ALTER TABLE tokenauth.usage_hourly OWNER TO intruder;
             SET ROLE intruder;
             CREATE TRIGGER rob AFTER INSERT ON tokenauth.usage_hourly FOR EACH STATEMENT EXECUTE FUNCTION lair.rob();
             RESET ROLE",
        )
        .unwrap();
    server.reconfigure(&["tokenauth.usage_flush_interval = 1"]);
    wait_for_two_rounds(&server);
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM lair.loot"), 0);

    // Nothing is lost by that.
    client
        .batch_execute(
            "DROP TRIGGER rob ON tokenauth.usage_hourly; ALTER TABLE tokenauth.usage_hourly OWNER TO postgres",
        )
        .unwrap();
    wait_until("the flush", || written(&mut client, &issued) == 10);
}

#[test]
fn the_worker_acts_as_the_owner_of_the_extension_in_a_restricted_operation() {
    let server = lazy_server(&[]);
    let mut client = server.connect("postgres");
    client.batch_execute("CREATE ROLE dba SUPERUSER; SET SESSION AUTHORIZATION dba").unwrap();
    prepare(&mut client);
    client.batch_execute("RESET SESSION AUTHORIZATION").unwrap();
    let issued = issue(&mut client, "user:1");
    verify_often(&mut client, &issued, 10);
    client
        .batch_execute(
            "CREATE TABLE seen (ran_as text, restricted text);
             CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
                 DECLARE raised text;
                 BEGIN
                     BEGIN
                         CREATE TEMPORARY TABLE mine ();
                     EXCEPTION WHEN insufficient_privilege THEN
                         raised := SQLERRM;
                     END;
                     INSERT INTO public.seen VALUES (current_user, raised);
                     RETURN NEW;
                 END $$;
             CREATE TRIGGER see AFTER INSERT ON tokenauth.usage_hourly FOR EACH STATEMENT EXECUTE FUNCTION see()",
        )
        .unwrap();
    server.reconfigure(&["tokenauth.usage_flush_interval = 1"]);
    wait_until("the flush", || written(&mut client, &issued) == 10);
    let seen = client.query_one("SELECT DISTINCT ran_as, restricted FROM seen", &[]).unwrap();
    assert_eq!(seen.get::<_, &str>(0), "dba");
    assert!(seen.get::<_, &str>(1).contains("security-restricted operation"));
}
