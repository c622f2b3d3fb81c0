//! Beside Citus nothing is silently wrong: from every node, what asks for a token or the identity of the transaction is
//! answered right or is an error, and so is what touches a bound table, or a table of ours, that Citus has taken.
//!
//! A coordinator, which issues, and two workers, which are its readers. Left out where the PostgreSQL under test has no
//! Citus, of which Debian has no package; `regress citus` has a stand-in that shows the same errors.

use std::fs;
use std::path::Path;

use postgres::error::SqlState;
use postgres::{Client, SimpleQueryMessage};
use tokenauth_cluster::contract::{Issued, issue, prepare, revoke, verdict};
use tokenauth_cluster::{FAST, Server, may_have_library, wait_until};

/// A coordinator and two workers.
struct Nodes {
    /// The coordinator first.
    servers: Vec<Server>,
    issued: Issued,
}

impl Nodes {
    /// Starts them, and issues a token; `None` without Citus.
    fn start() -> Option<Self> {
        if !may_have_library("citus") {
            return None;
        }
        let servers: Vec<Server> = (0..3).map(|_| node()).collect();
        let mut coordinator = servers[0].connect("postgres");
        coordinator.execute("SELECT citus_set_coordinator_host($1, 5432)", &[&servers[0].host()]).unwrap();
        prepare(&mut coordinator);
        for worker in &servers[1..] {
            coordinator.execute("SELECT citus_add_node($1, 5432)", &[&worker.host()]).unwrap();
        }
        let issued = issue(&mut coordinator, "user:1");
        Some(Nodes { servers, issued })
    }

    /// A session on each node, the coordinator's first.
    fn sessions(&self) -> impl Iterator<Item = Client> {
        self.servers.iter().map(|server| server.connect("postgres"))
    }

    fn coordinator(&self) -> Client {
        self.servers[0].connect("postgres")
    }

    fn workers(&self) -> &[Server] {
        &self.servers[1..]
    }

    /// Has the workers follow the tokens of the coordinator.
    fn make_readers(&self) {
        self.coordinator().batch_execute("SELECT tokenauth.make_publication()").unwrap();
        let primary = self.servers[0].connection_string("postgres");
        for (number, worker) in self.workers().iter().enumerate() {
            let mut session = worker.connect("postgres");
            session.batch_execute(READER).unwrap();
            session
                .batch_execute(&format!(
                    "CREATE SUBSCRIPTION reader_{number} CONNECTION '{primary}'
                         PUBLICATION tokenauth WITH (synchronous_commit = on)"
                ))
                .unwrap();
            let mut session = worker.connect("postgres");
            wait_until("the first copy", || verdict(&mut session, &self.issued.token) == "valid");
        }
    }
}

/// A text that is looked for among imported tokens.
const FOREIGN: &str = "hunter2hunter2";

/// A server with Citus, which logs in to the others by their sockets.
fn node() -> Server {
    let mut settings = FAST.to_vec();
    settings.extend([
        "shared_preload_libraries = 'citus,tokenauth'",
        "wal_level = logical",
        "max_prepared_transactions = 100",
        "citus.node_conninfo = 'sslmode=disable'",
        "citus.shard_count = 4",
    ]);
    let server = Server::start(&settings);
    server.reconfigure(&[&format!("citus.local_hostname = '{}'", server.host())]);
    server.connect("postgres").batch_execute("CREATE EXTENSION citus").unwrap();
    server
}

/// Makes the database of a worker a reader, as the page about topologies says.
const READER: &str = "SET citus.enable_ddl_propagation = off; ALTER DATABASE postgres SET tokenauth.reader = on";

/// Tables of sixteen rows over four shards, two on each worker, which are those of the identity's owner.
const DISTRIBUTED: [&str; 7] = [
    "CREATE ROLE app LOGIN",
    "CREATE TABLE device (id int, owner text); CREATE TABLE seen (LIKE device)",
    "SELECT create_distributed_table(name, 'id') FROM unnest('{device,seen}'::text[]) name",
    "INSERT INTO device SELECT n, 'user:1' FROM generate_series(1, 16) n",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON device, seen TO app",
    "CREATE POLICY own ON device USING (owner = tokenauth.current_owner())",
    "ALTER TABLE device ENABLE ROW LEVEL SECURITY",
];

/// What an application asks of them, each of all rows.
const ASKED: [&str; 6] = [
    "SELECT FROM device",
    "SELECT FROM device d JOIN device e USING (id)",
    "UPDATE device SET owner = owner",
    "DELETE FROM device",
    "INSERT INTO seen SELECT * FROM device",
    "INSERT INTO seen SELECT id, tokenauth.current_owner() FROM device",
];

#[test]
fn from_every_node_a_query_is_answered_whole_or_is_an_error() {
    let Some(nodes) = Nodes::start() else { return };
    nodes.make_readers();
    let mut coordinator = nodes.coordinator();
    // One by one: Citus passes on the text that it was sent.
    for sql in DISTRIBUTED {
        coordinator.batch_execute(sql).unwrap();
    }
    for mut session in nodes.sessions() {
        session.batch_execute("SELECT tokenauth.grant_access('app', 'verify')").unwrap();
    }
    let mut errors = 0;
    for server in &nodes.servers {
        let mut session = Client::connect(
            &server.connection_string("postgres").replace("user=postgres", "user=app"),
            postgres::NoTls,
        )
        .unwrap();
        assert_eq!(verdict(&mut session, &nodes.issued.token), "valid");
        for sql in ASKED {
            errors += usize::from(!is_answered_whole(&mut session, &nodes.issued.token, sql));
        }
        // A token is where the query came in, not where the rows are.
        let asked = "SELECT (tokenauth.verify('key_' || owner)).verdict FROM device";
        assert_eq!(code(&mut session, asked), Some(SqlState::INVALID_TRANSACTION_STATE));
    }
    assert_eq!(errors, nodes.servers.len() * ASKED.len(), "each has rows on a node that has not opened the session");
    // What is asked first and passed on reaches all rows.
    for mut session in nodes.sessions() {
        let owner: String =
            session.query_one("SELECT tokenauth.authenticate($1)", &[&nodes.issued.token]).unwrap().get(0);
        let count = session.query_one("SELECT count(*) FROM device WHERE owner = $1", &[&owner]).unwrap();
        assert_eq!(count.get::<_, i64>(0), 16);
    }
}

/// Asks under the identity of the token; whether there is an answer, which is one of sixteen rows, and not the error
/// that says what is wrong.
fn is_answered_whole(session: &mut Client, token: &str, sql: &str) -> bool {
    let mut transaction = session.transaction().unwrap();
    transaction.execute("SELECT tokenauth.authenticate($1)", &[&token]).unwrap();
    match transaction.execute(sql, &[]) {
        Ok(rows) => {
            assert_eq!(rows, 16, "{sql}");
            true
        }
        Err(error) => {
            assert_eq!(error.code(), Some(&SqlState::INVALID_TRANSACTION_STATE), "{sql}: {error:?}");
            false
        }
    }
}

#[test]
fn a_table_of_citus_is_not_bound_and_a_bound_one_fails_when_it_has_become_one() {
    let Some(nodes) = Nodes::start() else { return };
    let mut session = nodes.coordinator();
    session
        .batch_execute(
            "CREATE TABLE person (id int PRIMARY KEY, is_active boolean DEFAULT true);
             SELECT create_distributed_table('person', 'id');
             INSERT INTO tokenauth.kind (name, prefix, owner_types) VALUES ('card', 'card_', '{staff}');
             CREATE TABLE staff (id int PRIMARY KEY, is_active boolean DEFAULT true);
             SELECT tokenauth.bind_principals('staff', 'staff', 'id::text', active => 'is_active')",
        )
        .unwrap();
    let unsupported = Some(SqlState::FEATURE_NOT_SUPPORTED);
    assert_eq!(code(&mut session, "SELECT tokenauth.bind_principals('person', 'person', 'id::text')"), unsupported);
    // By itself, Citus takes no table with triggers.
    assert!(code(&mut session, "SELECT create_distributed_table('staff', 'id')").is_some());
    session
        .batch_execute("SET citus.enable_unsafe_triggers = on; SELECT create_distributed_table('staff', 'id')")
        .unwrap();
    for sql in
        ["INSERT INTO staff VALUES (1)", "UPDATE staff SET is_active = false", "DELETE FROM staff", "TRUNCATE staff"]
    {
        assert_eq!(code(&mut session, sql), unsupported, "{sql}");
    }
    assert_eq!(findings(&mut session), ["binding public.staff"]);
    session
        .batch_execute(
            "SELECT undistribute_table('staff'); SELECT tokenauth.sync_principals('staff');
             INSERT INTO staff VALUES (1)",
        )
        .unwrap();
    assert_eq!(findings(&mut session), [""; 0]);
    let token: String = session.query_one("SELECT token FROM tokenauth.issue('card', 'staff:1')", &[]).unwrap().get(0);
    session.batch_execute("UPDATE staff SET is_active = false").unwrap();
    assert_eq!(verdict(&mut session, &token), "revoked");
}

#[test]
fn a_table_of_ours_that_citus_has_taken_is_refused_on_every_node_until_it_is_taken_back() {
    let Some(nodes) = Nodes::start() else { return };
    let mut coordinator = nodes.coordinator();
    let token = &nodes.issued.token;
    let mut has_read = nodes.coordinator();
    for table in ["import", "mass_death", "member"] {
        // By itself it takes none, since each has triggers.
        let take = format!("SELECT create_reference_table('tokenauth.{table}')");
        assert!(code(&mut coordinator, &take).is_some(), "{table}");
        assert_eq!(verdict(&mut has_read, FOREIGN), "malformed");
        coordinator.batch_execute("SET citus.enable_unsafe_triggers = on").unwrap();
        coordinator.batch_execute(&take).unwrap();
        coordinator.batch_execute("RESET citus.enable_unsafe_triggers").unwrap();
        let refused = Some(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE);
        for mut session in nodes.sessions() {
            assert_eq!(code(&mut session, &format!("SELECT tokenauth.verify('{token}')")), refused, "{table}");
            assert_eq!(code(&mut session, "SELECT tokenauth.revoke_all(owner => 'user:1')"), refused, "{table}");
            assert_eq!(findings(&mut session), [format!("citus tokenauth.{table}")]);
        }
        if table == "import" {
            assert_eq!(code(&mut has_read, &format!("SELECT tokenauth.verify('{FOREIGN}')")), refused);
        }
        take_back(&nodes, table);
        for mut session in nodes.sessions() {
            verdict(&mut session, token);
            assert_eq!(findings(&mut session), [""; 0], "{table}");
        }
        assert_eq!(verdict(&mut has_read, token), "valid");
    }
    assert!(revoke(&mut coordinator, &nodes.issued));
    assert_eq!(verdict(&mut has_read, token), "revoked");
}

#[test]
fn what_has_rows_is_not_copied_to_another_node() {
    let Some(nodes) = Nodes::start() else { return };
    let mut coordinator = nodes.coordinator();
    coordinator.batch_execute("SET citus.enable_unsafe_triggers = on").unwrap();
    for table in ["kind", "principal", "token"] {
        let take = format!("SELECT create_reference_table('tokenauth.{table}')");
        assert!(code(&mut coordinator, &take).is_some(), "{table}");
        assert_eq!(verdict(&mut coordinator, &nodes.issued.token), "valid", "{table}");
        assert_eq!(findings(&mut coordinator), [""; 0], "{table}");
    }
}

/// Does what the example says.
fn take_back(nodes: &Nodes, table: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/citus/take_back.sql");
    let script = format!("\\set table tokenauth.{table}\n{}", fs::read_to_string(script).unwrap());
    for server in &nodes.servers {
        server.psql("postgres", &script);
    }
}

/// The error of a statement, if it is one.
fn code(session: &mut Client, sql: &str) -> Option<SqlState> {
    session.simple_query(sql).err().map(|error| error.code().unwrap_or_else(|| panic!("{sql}: {error:?}")).clone())
}

/// The areas and objects of what `doctor` finds, but for usage that waits.
fn findings(session: &mut Client) -> Vec<String> {
    let asked = "SELECT area || ' ' || object FROM tokenauth.doctor(compare => false) WHERE area <> 'usage'";
    let answer = session.simple_query(asked).unwrap();
    let line = |message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(String::from),
        _ => None,
    };
    answer.into_iter().filter_map(line).collect()
}
