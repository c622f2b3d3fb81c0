//! Behind a pooler in transaction mode, many clients take turns on a few sessions, and none ever sees another client's
//! identity or rows.
//!
//! A hundred thousand requests; with `TOKENAUTH_SOAK`, a million.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use postgres::types::Type;
use postgres::{Client, SimpleQueryMessage};
use tokenauth_cluster::contract::{Issued, issue, prepare, revoke};
use tokenauth_cluster::{FAST, Pooler, Server, rounds};

const CLIENTS: u32 = 50;
const SERVERS: u32 = 5;

/// A client of the pooler, and the owner it authenticates as, which has as many rows as its number; one token that
/// works, and one that no longer does.
struct Holder {
    number: u32,
    owner: String,
    alive: Issued,
    dead: Issued,
}

/// What one request saw: the session that served it, and everything that depends on the identity.
struct Seen {
    backend: i32,
    owner: Option<String>,
    rows: i64,
}

const LOOK: &str =
    "SET LOCAL ROLE reader; SELECT pg_backend_pid(), tokenauth.current_owner(), count(*) FROM device; RESET ROLE";

/// The result of `LOOK`, wherever it is in the message.
fn look(client: &mut Client, before: &str) -> Result<Seen, postgres::Error> {
    let messages = client.simple_query(&format!("{before}{LOOK}"))?;
    let row = messages
        .iter()
        .filter_map(|message| if let SimpleQueryMessage::Row(row) = message { Some(row) } else { None })
        .find(|row| row.len() == 3)
        .expect("LOOK answers a row");
    Ok(Seen {
        backend: row.get(0).unwrap().parse().unwrap(),
        owner: row.get(1).map(str::to_owned),
        rows: row.get(2).unwrap().parse().unwrap(),
    })
}

/// Makes a request of the kind of this number. Each owner has another number of rows, so both would reveal a crossing.
fn request(client: &mut Client, holder: &Holder, kind: u32) -> (Seen, bool) {
    let Holder { alive, dead, .. } = holder;
    let authenticate = format!("SELECT tokenauth.authenticate('{}');", alive.token);
    match kind % 8 {
        // Everything in one message, which is one transaction.
        0 => (look(client, &authenticate).unwrap(), true),
        // A transaction of several messages; meanwhile other requests run on the other sessions.
        1 | 2 => {
            client.batch_execute("BEGIN").unwrap();
            client.batch_execute(&authenticate).unwrap();
            client.batch_execute("SAVEPOINT s; SELECT pg_sleep(0.0001); RELEASE s").unwrap();
            let seen = look(client, "").unwrap();
            client.batch_execute("COMMIT").unwrap();
            (seen, true)
        }
        // With bind parameters, as most drivers do.
        3 => {
            client.batch_execute("BEGIN").unwrap();
            let row = client.query_typed("SELECT tokenauth.authenticate($1)", &[(&alive.token, Type::TEXT)]).unwrap();
            assert_eq!(row[0].get::<_, String>(0), holder.owner);
            let seen = look(client, "").unwrap();
            client.batch_execute("ROLLBACK").unwrap();
            (seen, true)
        }
        // A request that does not authenticate is nobody's, no matter who had the session before.
        4 => (look(client, "").unwrap(), false),
        // An identity ends with its statement if the statement is the whole transaction.
        5 => {
            client.batch_execute(&authenticate).unwrap();
            (look(client, "").unwrap(), false)
        }
        // A refused token leaves nobody authenticated in its transaction …
        6 => {
            client.batch_execute("BEGIN").unwrap();
            client.batch_execute(&format!("SELECT tokenauth.sign_in('{}')", dead.token)).unwrap();
            let seen = look(client, "").unwrap();
            client.batch_execute("COMMIT").unwrap();
            (seen, false)
        }
        // … and neither does a failed transaction for the next client.
        _ => {
            client.batch_execute(&format!("BEGIN; {authenticate}")).unwrap();
            client.batch_execute("SELECT 1 / 0").unwrap_err();
            client.batch_execute("ROLLBACK").unwrap();
            (look(client, "").unwrap(), false)
        }
    }
}

#[test]
fn no_identity_crosses_from_one_client_of_a_pooler_to_another() {
    let mut settings = FAST.to_vec();
    settings.push("max_connections = 20");
    let server = Server::start(&settings);
    let mut admin = server.connect("postgres");
    prepare(&mut admin);
    admin
        .batch_execute(
            "CREATE TABLE device (owner text);
             CREATE INDEX ON device (owner);
             ALTER TABLE device ENABLE ROW LEVEL SECURITY;
             CREATE POLICY own ON device USING (owner = (SELECT tokenauth.current_owner()));
             CREATE ROLE reader;
             SELECT tokenauth.grant_access('reader', 'identity');
             GRANT SELECT ON device TO reader",
        )
        .unwrap();
    let holders: Vec<Holder> = (1..=CLIENTS)
        .map(|number| {
            let owner = format!("user:{number}");
            admin.execute("SELECT tokenauth.put_principal($1)", &[&owner]).unwrap();
            admin
                .execute(
                    "INSERT INTO device SELECT $1 FROM generate_series(1, $2::bigint)",
                    &[&owner, &i64::from(number)],
                )
                .unwrap();
            let holder = Holder { number, alive: issue(&mut admin, &owner), dead: issue(&mut admin, &owner), owner };
            assert!(revoke(&mut admin, &holder.dead));
            holder
        })
        .collect();

    let pooler = Pooler::start(&server, SERVERS);
    // For each session, the clients that it served.
    let mut turns: BTreeMap<i32, BTreeSet<u32>> = BTreeMap::new();
    thread::scope(|scope| {
        let pooler = &pooler;
        let clients: Vec<_> = holders
            .iter()
            .map(|holder| {
                let client = scope.spawn(move || {
                    let mut client = pooler.connect();
                    let mut backends = BTreeSet::new();
                    for round in 0..rounds(2_000, 20_000) {
                        // Each client makes every kind of request equally often, in an order of its own.
                        let kind = round * 5 + round / 8 + holder.number;
                        let (seen, is_authenticated) = request(&mut client, holder, kind);
                        let owner = is_authenticated.then(|| holder.owner.clone());
                        let rows = if is_authenticated { holder.number.into() } else { 0 };
                        assert_eq!((seen.owner, seen.rows), (owner, rows), "{}, request {round}", holder.owner);
                        backends.insert(seen.backend);
                    }
                    backends
                });
                (holder.number, client)
            })
            .collect();
        for (number, client) in clients {
            for backend in client.join().expect("no identity crosses") {
                turns.entry(backend).or_default().insert(number);
            }
        }
    });
    // The clients did take turns: otherwise nothing was tested.
    assert_eq!(turns.len(), usize::try_from(SERVERS).unwrap(), "{turns:?}");
    assert!(turns.values().all(|clients| clients.len() > 10), "{turns:?}");
}

#[test]
fn a_pipeline_is_a_transaction_and_the_identity_ends_with_it() {
    let server = Server::start(FAST);
    let mut admin = server.connect("postgres");
    prepare(&mut admin);
    let issued = issue(&mut admin, "user:1");
    // Each statement fails unless its assertion is true.
    let is = |condition: &str| format!("SELECT 1 / ({condition})::int;\n");
    let authenticate = format!("SELECT tokenauth.authenticate('{}');\n", issued.token);
    let (known, nobody) = (is("tokenauth.current_owner() = 'user:1'"), is("tokenauth.current_owner() IS NULL"));
    let script = format!(
        "{nobody}
         \\startpipeline\n{authenticate}{known}{known}\\endpipeline\n{nobody}
         \\startpipeline\nBEGIN;\n{authenticate}{known}COMMIT;\n{nobody}\\endpipeline\n{nobody}
         \\startpipeline\nBEGIN;\n{authenticate}\\endpipeline\n{known}ROLLBACK;\n{nobody}"
    );
    server.write_file("pipeline.pgbench", &script, 0o644);
    for mode in ["extended", "prepared"] {
        server.pgbench("pipeline.pgbench", &["--no-vacuum", "--protocol", mode, "--transactions=20"]);
    }
}
