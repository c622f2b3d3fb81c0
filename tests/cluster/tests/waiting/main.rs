//! Whoever stops a call while it waits gets its session back as it was: by a limit on locks or on the statement, by a
//! cancelled query, by a terminated session; and so does whoever meets a bug of ours in it. No lock is left, the user
//! and the search path are the caller's, nobody is authenticated, and the same call works once nothing is in its way.

mod faults;
mod locks;

use postgres::error::SqlState;
use postgres::{Client, Error};
use tokenauth_cluster::calls::{self, Call};
use tokenauth_cluster::contract::{Issued, issue, prepare};
use tokenauth_cluster::{FAST, Server};

/// How a session is now: whose it is, and what it still holds of the extension.
const LEFT: &str = "
    SELECT concat_ws(' ', current_user, current_setting('search_path'), tokenauth.current_owner(),
                     (SELECT string_agg(concat_ws(' ', locktype, mode, relation::regclass), ', ')
                        FROM pg_locks
                       WHERE pid = pg_backend_pid()
                         AND (locktype NOT IN ('virtualxid', 'relation')
                              OR relation IN (SELECT oid FROM pg_class
                                               WHERE relnamespace IN ('tokenauth'::regnamespace, 'who'::regnamespace)))
                         AND (locktype <> 'transactionid' OR mode <> 'ExclusiveLock')))";

/// What a session is that nothing has happened to.
const UNTOUCHED: &str = "app public";

struct World {
    server: Server,
    holder: Client,
    calls: Vec<Call>,
    issued: Issued,
}

impl World {
    fn prepare(settings: &[&str]) -> Self {
        let server = Server::start(&[FAST, settings].concat());
        let mut holder = server.connect("postgres");
        prepare(&mut holder);
        holder.batch_execute(calls::OBJECTS).unwrap();
        let issued = issue(&mut holder, "user:1");
        calls::request_headers(&mut holder, &issued);
        let mut calls = calls::of_every_function(&mut holder, &issued);
        // What is only the extension's owner's, which `app` is not, is refused before anything is looked at.
        let mut app = session(&server);
        calls.retain(|call| {
            attempt(&mut app, call).as_ref().and_then(Error::code) != Some(&SqlState::INSUFFICIENT_PRIVILEGE)
        });
        World { server, holder, calls, issued }
    }

    /// The tables of the extension, and the one that is bound.
    fn tables(&mut self) -> Vec<String> {
        let sql = "SELECT oid::regclass::text FROM pg_class
                    WHERE relkind = 'r' AND relnamespace IN ('tokenauth'::regnamespace, 'who'::regnamespace)
                    ORDER BY 1";
        self.holder.query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
    }

    fn hold(&mut self, what: &str) {
        self.holder.batch_execute(&format!("BEGIN; {what}")).unwrap();
    }

    fn let_go(&mut self) {
        self.holder.batch_execute("ROLLBACK").unwrap();
    }
}

/// A session of a role that may do everything but what is the owner's alone.
fn session(server: &Server) -> Client {
    let mut client = server.connect("postgres");
    client.batch_execute("SET SESSION AUTHORIZATION app; SET search_path = public").unwrap();
    client
}

fn process(client: &mut Client) -> i32 {
    client.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0)
}

/// Makes the call under this limit, after a savepoint of a new transaction, which stays open unless the session ends.
fn call(client: &mut Client, limit: &str, call: &Call) -> Option<Error> {
    client.batch_execute(&format!("BEGIN; SAVEPOINT before; {limit}; SELECT {}", call.expression)).err()
}

/// Makes the call and takes back what it did.
fn attempt(client: &mut Client, made: &Call) -> Option<Error> {
    let error = call(client, "", made);
    client.batch_execute("ROLLBACK").unwrap();
    error
}

/// Checks that nothing is left of a call that was stopped, neither after its savepoint nor after its transaction.
fn expect_untouched(client: &mut Client, what: &str) {
    for back in ["ROLLBACK TO before", "ROLLBACK"] {
        client.batch_execute(back).unwrap();
        let left: String = client.query_one(LEFT, &[]).unwrap().get(0);
        assert_eq!(left, UNTOUCHED, "{what}, after {back}");
    }
}
