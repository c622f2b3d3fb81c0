//! Whose access a call has, wherever PostgreSQL runs it: exactly that of the effective user of the moment.
//!
//! Every function of the extension is called in every place where code of one role runs in the session of another. What
//! `current_user` says there is the oracle: the call must be refused (42501) or not as the same call is when that role
//! makes it in a session of its own, never more and never less.

mod calls;
mod places;
mod settings;

use std::collections::HashMap;

use postgres::Client;
use tokenauth_cluster::calls::changes_identity;
use tokenauth_cluster::{FAST, Server, wait_until};

use calls::Calls;
use places::{PLACES, Place};

/// Every access, and the role that has it.
const ROLES: [&str; 8] = ["nobody", "identity", "verify", "self", "manage", "observe", "admin", "postgres"];
/// Who writes the code, and who runs it.
const AUTHORS: [&str; 3] = ["self", "manage", "postgres"];
const SESSIONS: [&str; 4] = ["nobody", "self", "manage", "postgres"];

/// Whether each function refuses each role in a session of its own.
type Refusals = HashMap<(String, String), bool>;

struct World {
    server: Server,
    superuser: Client,
    calls: Calls,
    refusals: Refusals,
}

impl World {
    fn prepare() -> Self {
        let server = Server::start(&[FAST, &["autovacuum_naptime = 1"]].concat());
        let mut superuser = server.connect("postgres");
        superuser.batch_execute(include_str!("prepare.sql")).unwrap();
        for role in ROLES.iter().filter(|role| **role != "postgres") {
            superuser.batch_execute(&format!("CREATE ROLE \"{role}\" IN ROLE owners")).unwrap();
            if *role != "nobody" {
                superuser.execute("SELECT tokenauth.grant_access($1::text::regrole, $1)", &[role]).unwrap();
            }
        }
        let calls = Calls::of_every_function(&mut superuser);
        let mut world = World { server, superuser, calls, refusals: Refusals::new() };
        for role in ROLES {
            world.session(role).batch_execute("SELECT who.probe('direct')").unwrap();
        }
        for (function, ran_as, state) in world.outcomes("direct") {
            world.refusals.insert((function, ran_as), state == "42501");
        }
        world
    }

    /// A session of this role.
    fn session(&self, role: &str) -> Client {
        let mut client = self.server.connect("postgres");
        client.batch_execute(&format!("SET SESSION AUTHORIZATION \"{role}\"")).unwrap();
        client
    }

    /// Function, effective user and SQLSTATE of each call made in a place.
    fn outcomes(&mut self, place: &str) -> Vec<(String, String, String)> {
        let rows = self.superuser.query("SELECT function, ran_as, state FROM who.outcome WHERE place = $1", &[&place]);
        rows.unwrap().iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
    }

    fn forget(&mut self, place: &str) {
        self.superuser.execute("DELETE FROM who.outcome WHERE place = $1", &[&place]).unwrap();
    }

    /// Checks what was recorded of a place, and returns as whom its code ran.
    fn check(&mut self, place: &Place, tag: &str, context: &str) -> String {
        let outcomes = self.outcomes(tag);
        assert_eq!(outcomes.len(), self.calls.names().len(), "{context}: every function is called once");
        for (function, ran_as, state) in &outcomes {
            let expected =
                place.restricted && changes_identity(function) || self.refusals[&(function.clone(), ran_as.clone())];
            let is_refused = state == "42501";
            assert_eq!(is_refused, expected, "{context}: {function} as {ran_as} ended with {state}");
        }
        outcomes[0].1.clone()
    }
}

#[test]
fn a_role_may_in_its_own_session_what_it_was_granted() {
    let mut world = World::prepare();
    for function in world.calls.names() {
        let refused = |role: &str| world.refusals[&(function.clone(), role.to_owned())];
        assert!(refused("nobody"), "{function} by a role without any access");
        assert!(!refused("postgres"), "{function} by a superuser");
        let granted: bool = world
            .superuser
            .query_one(
                "SELECT has_function_privilege('manage', oid, 'EXECUTE') FROM pg_proc
                  WHERE pronamespace = 'tokenauth'::regnamespace AND proname = $1",
                &[&function],
            )
            .unwrap()
            .get(0);
        assert_eq!(refused("manage"), !granted, "{function} by a role with manage");
    }
    // What is granted to self is granted under an identity, which there is none of here.
    assert!(world.refusals[&("issue".to_owned(), "self".to_owned())]);
}

#[test]
fn code_has_the_access_of_whom_it_runs_as() {
    let mut world = World::prepare();
    let mut pairs = HashMap::<&str, usize>::new();
    for place in &PLACES {
        for author in AUTHORS {
            let tag = format!("{}_{author}", place.name);
            let fill = |sql: &str| sql.replace("{t}", &tag).replace("{author}", author);
            world.session(author).batch_execute(&fill(place.make)).unwrap();
            world.superuser.batch_execute(&fill(place.arm)).unwrap();
            for session in SESSIONS.into_iter().filter(|session| place.sessions.include(session)) {
                let context = format!("{}, written by {author}, run by {session}", place.name);
                world.forget(&tag);
                let mut client = world.session(session);
                client.batch_execute(&fill(place.run)).unwrap_or_else(|error| panic!("{context}: {error:?}"));
                let ran_as = world.check(place, &tag, &context);
                assert!(ran_as == author || ran_as == session, "{context}: ran as {ran_as}");
                *pairs.entry(if ran_as == author { "author" } else { "session" }).or_default() += 1;
                // A caller that was who it was before is still the application.
                if session == "postgres" {
                    client.batch_execute("SELECT tokenauth.put_principal('user:1')").unwrap();
                }
                if place.restricted {
                    keeps_identity(&mut world, place, &tag, &fill(place.run));
                }
            }
            world.superuser.batch_execute(&fill(place.disarm)).unwrap();
        }
    }
    assert!(pairs["author"] > 10 && pairs["session"] > 10, "{pairs:?}");
}

/// In a security-restricted operation somebody else's code neither logs in nor out.
fn keeps_identity(world: &mut World, place: &Place, tag: &str, run: &str) {
    let Some(alone) = place.in_transaction.then_some(run) else { return };
    let token = world.calls.token().to_owned();
    let mut client = world.session("postgres");
    client.batch_execute(&format!("BEGIN; {alone}")).unwrap();
    let owner = |client: &mut Client| -> Option<String> {
        client.query_one("SELECT tokenauth.current_owner()", &[]).unwrap().get(0)
    };
    assert_eq!(owner(&mut client), None, "{tag}");
    client.execute("SELECT tokenauth.put_principal('user:1')", &[]).unwrap();
    client.batch_execute("COMMIT; BEGIN").unwrap();
    client.execute("SELECT tokenauth.authenticate($1)", &[&token]).unwrap();
    client.batch_execute(alone).unwrap();
    assert_eq!(owner(&mut client).as_deref(), Some("user:1"), "{tag}");
}

#[test]
fn autovacuum_runs_an_index_expression_as_the_owner_of_its_table() {
    let mut world = World::prepare();
    let place = PLACES.iter().find(|place| place.name == "analyze").unwrap();
    for author in AUTHORS {
        let tag = format!("autovacuum_{author}");
        let fill = |sql: &str| sql.replace("{t}", &tag);
        let mut client = world.session(author);
        client.batch_execute(&fill(place.make)).unwrap();
        world.forget(&tag);
        client
            .batch_execute(&fill(
                "ALTER TABLE who.\"{t}\" SET (autovacuum_analyze_threshold = 0, autovacuum_analyze_scale_factor = 0);
                 UPDATE who.\"{t}\" SET other = 1",
            ))
            .unwrap();
        wait_until("autovacuum", || !world.outcomes(&tag).is_empty());
        let ran_as = world.check(place, &tag, &tag);
        assert_eq!(ran_as, author);
    }
}

#[test]
fn no_name_in_front_of_the_search_path_is_ever_called() {
    let mut world = World::prepare();
    world.superuser.batch_execute(include_str!("hostile.sql")).unwrap();
    let captured: i64 = world
        .superuser
        .query_one(
            "SELECT least((SELECT count(*) FROM pg_proc WHERE pronamespace = 'hostile'::regnamespace),
                          (SELECT count(*) FROM pg_operator WHERE oprnamespace = 'hostile'::regnamespace))",
            &[],
        )
        .unwrap()
        .get(0);
    assert!(captured > 500, "only {captured} functions and operators are shadowed");
    let calls = world.superuser.query("SELECT name, call FROM who.call ORDER BY position", &[]).unwrap();
    for role in ROLES {
        // In a backend that has planned nothing yet.
        let mut client = world.session(role);
        client.batch_execute("SET search_path = hostile, pg_catalog, pg_temp").unwrap();
        for call in &calls {
            let (name, call): (String, String) = (call.get(0), call.get(1));
            client.batch_execute("BEGIN").unwrap();
            if let Err(error) = client.batch_execute(&call) {
                let message = error.as_db_error().map(postgres::error::DbError::message).unwrap_or_default();
                assert!(!message.contains("captured"), "{name} as {role}: {error:?}");
            }
            client.batch_execute("ROLLBACK").unwrap();
        }
    }
    // What triggers do, on kinds and on a bound table; here nothing may fail.
    let mut client = world.session("postgres");
    client.batch_execute("SET search_path = hostile, pg_catalog, pg_temp").unwrap();
    for statement in [
        "INSERT INTO tokenauth.kind (name, prefix, ceiling) VALUES ('shadowed', 'shadowed_', '{devices:read}')",
        "UPDATE tokenauth.kind SET description = 'x'",
        "DELETE FROM tokenauth.kind WHERE prefix OPERATOR(pg_catalog.=) 'shadowed_'",
        "SELECT tokenauth.bind_principals('who.bound', 'bound', 'id::text', display_name => 'text')",
        "INSERT INTO who.bound VALUES (1, 'one'), (2, 'two')",
        "UPDATE who.bound SET text = 'three'",
        "SELECT tokenauth.sync_principals('who.bound')",
        "SELECT tokenauth.doctor()",
        "DELETE FROM who.bound WHERE id OPERATOR(pg_catalog.=) 1",
        "TRUNCATE who.bound",
        "SELECT tokenauth.unbind_principals('who.bound')",
    ] {
        client.batch_execute(statement).unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }
}

#[test]
fn an_expression_that_outlives_a_set_role_is_asked_again() {
    let world = World::prepare();
    let mut client = world.server.connect("postgres");
    for function in world.calls.kept() {
        client.batch_execute(&format!("BEGIN; SELECT who.keep('{function}')")).unwrap();
        for role in ROLES {
            client.batch_execute(&format!("SET LOCAL ROLE \"{role}\"")).unwrap();
            let state: String = client.query_one(&format!("SELECT who.keep('{function}')"), &[]).unwrap().get(0);
            let refused = world.refusals[&(function.clone(), role.to_owned())];
            // The superuser's first call has changed what the transaction is authenticated as.
            if !changes_identity(function) {
                assert_eq!(state == "42501", refused, "{function} as {role} ended with {state}");
            } else if refused {
                assert_eq!(state, "42501", "{function} as {role}");
            }
        }
        client.batch_execute("ROLLBACK").unwrap();
    }
}
