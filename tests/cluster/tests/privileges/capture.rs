//! Whoever may create objects in the database before the extension comes, or between a release and the next, gets
//! nothing of it into his hands: not by a schema of its name, not by names that its scripts use.

use postgres::Client;
use tokenauth_cluster::catalogs::{assert_same_catalogs, catalogs};
use tokenauth_cluster::{FAST, Server};

/// Every operator and function of PostgreSQL under its name in a schema of somebody's.
const SHADOWS: &str = include_str!("../who_may/hostile.sql");

/// What the scripts make or use, in the schemas that a careless search would look into first.
const SQUATTED: &str = "
    CREATE TYPE public.verification AS (captured text);
    CREATE TYPE public.issued AS (captured text);
    CREATE TABLE public.kind (captured text);
    CREATE TABLE public.token (captured text);
    CREATE VIEW public.tokens AS SELECT 'captured' AS id;
    CREATE DOMAIN public.uuid AS text;
    CREATE DOMAIN hostile.text AS pg_catalog.text CHECK (VALUE <> '');
    CREATE DOMAIN hostile.bool AS pg_catalog.bool;
    CREATE FUNCTION public.strip_grants() RETURNS void LANGUAGE plpgsql AS 'BEGIN RAISE ''captured''; END';
    CREATE FUNCTION public.revoke(pg_catalog.uuid, pg_catalog.text, pg_catalog.text) RETURNS boolean LANGUAGE sql
        AS 'SELECT true';
    CREATE TEMPORARY TABLE token (captured text);
    CREATE TEMPORARY TABLE event (captured text);
    CREATE TEMPORARY TABLE kind (captured text);
    SET search_path = hostile, public, pg_temp, pg_catalog;";

fn database(server: &Server, name: &str) -> Client {
    server.create_database(name, "TEMPLATE template0");
    server.connect(name)
}

#[test]
fn names_that_were_there_before_are_in_no_object_of_the_extension() {
    let server = Server::start(FAST);
    let mut clean = database(&server, "clean");
    clean.batch_execute("CREATE EXTENSION tokenauth").unwrap();
    let expected = catalogs(&mut clean);
    for (name, install) in [
        ("installed", "CREATE EXTENSION tokenauth"),
        ("updated", "CREATE EXTENSION tokenauth VERSION '0.1.0'; ALTER EXTENSION tokenauth UPDATE"),
    ] {
        let mut client = database(&server, name);
        client.batch_execute(SHADOWS).unwrap();
        client.batch_execute(SQUATTED).unwrap();
        client.batch_execute(install).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        client.batch_execute("RESET search_path; DISCARD TEMP").unwrap();
        assert_same_catalogs(&catalogs(&mut client), &expected, name);
        // Nor does anything of it depend on them, by whatever path it was found. What is on the path is told without
        // its schema.
        client.batch_execute("SET search_path = pg_catalog").unwrap();
        let depends = "
            SELECT pg_describe_object(d.classid, d.objid, d.objsubid) || ' on '
                   || pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid)
              FROM pg_depend d
             WHERE pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid) ~ '\\m(hostile|public|pg_temp)\\.'
               AND pg_describe_object(d.classid, d.objid, d.objsubid) ~ '\\mtokenauth\\.'";
        let depends: Vec<String> = client.query(depends, &[]).unwrap().iter().map(|row| row.get(0)).collect();
        assert_eq!(depends, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_schema_of_its_name_that_a_role_owns_stops_the_installation() {
    let server = Server::start(FAST);
    let mut client = database(&server, "squatted");
    client
        .batch_execute(
            "CREATE ROLE squatter;
             GRANT CREATE ON DATABASE squatted TO squatter;
             SET ROLE squatter;
             CREATE SCHEMA tokenauth;
             CREATE FUNCTION tokenauth.verify(text) RETURNS text LANGUAGE sql AS $$SELECT 'valid'$$;
             RESET ROLE",
        )
        .unwrap();
    for install in ["CREATE EXTENSION tokenauth", "CREATE EXTENSION tokenauth VERSION '0.1.0'"] {
        let error = client.batch_execute(install).expect_err("the schema is somebody else's");
        assert_eq!(error.code().map(postgres::error::SqlState::code), Some("42P06"), "{error:?}");
    }
    // Nor is it moved into a schema that somebody prepared.
    let error = client.batch_execute("CREATE EXTENSION tokenauth SCHEMA public").expect_err("it has a schema");
    assert!(["0A000", "42P06"].contains(&error.code().expect("the server refuses").code()), "{error:?}");
    let installed = "SELECT count(*) FROM pg_extension WHERE extname = 'tokenauth'";
    assert_eq!(client.query_one(installed, &[]).unwrap().get::<_, i64>(0), 0);
}
