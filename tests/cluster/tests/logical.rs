//! Sessions of a logical replication subscriber learn of every applied change, whatever made it.

use postgres::Client;
use tokenauth_cluster::contract::{Issued, issue, prepare};
use tokenauth_cluster::{FAST, Server, Verifier, wait_until};

/// Publications of the tables that verification reads, and of all tables.
const PUBLICATIONS: [&str; 2] = [
    "FOR TABLE tokenauth.kind, tokenauth.principal, tokenauth.token, tokenauth.import, tokenauth.usage",
    "FOR ALL TABLES",
];

/// What the publisher does to a token `$id` of `user:1`, one change after the other, and how a line of the subscriber's
/// answer begins once the change is applied.
const CHANGES: &[(&str, &str)] = &[
    ("SELECT tokenauth.edit('$id', name => 'phone')", "name phone"),
    ("SELECT tokenauth.edit('$id', metadata => '{\"team\": \"a\"}')", "metadata {\"team\": \"a\"}"),
    ("UPDATE tokenauth.kind SET ceiling = '{sites:read}'", "scopes {}"),
    ("UPDATE tokenauth.kind SET ceiling = NULL", "scopes {devices:read}"),
    ("SELECT tokenauth.put_principal('user:1', permissions => '{}')", "scopes {}"),
    ("SELECT tokenauth.put_principal('user:1', permissions => '{devices:*}')", "scopes {devices:read}"),
    ("SELECT tokenauth.disable('$id')", "verdict disabled"),
    ("SELECT tokenauth.enable('$id')", "verdict valid"),
    ("SELECT tokenauth.revoke('$id')", "verdict revoked"),
    ("UPDATE tokenauth.token SET revoked_at = NULL", "verdict valid"),
    ("SELECT tokenauth.revoke_all(owner => 'user:1')", "verdict revoked"),
    // Whatever is written to its owner, what has died stays dead; a token can be made one that was issued later.
    ("UPDATE tokenauth.token SET owner_epoch = 1", "verdict valid"),
    ("BEGIN; SELECT tokenauth.deactivate('user:1'); COMMIT", "verdict revoked"),
    ("UPDATE tokenauth.token SET owner_epoch = 2; UPDATE tokenauth.principal SET active = true", "verdict valid"),
    ("DELETE FROM tokenauth.token", "verdict unknown"),
];

fn start(settings: &[&str]) -> (Server, Client) {
    let mut all = FAST.to_vec();
    all.extend(settings);
    let server = Server::start(&all);
    let client = server.connect("postgres");
    (server, client)
}

fn count(client: &mut Client, table: &str) -> i64 {
    client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).unwrap().get(0)
}

struct Publisher {
    server: Server,
    client: Client,
}

impl Publisher {
    /// Starts a server with a principal and a kind, and publishes these tables.
    fn start(publication: &str) -> Self {
        let (server, mut client) = start(&["wal_level = logical"]);
        prepare(&mut client);
        client.batch_execute(&format!("CREATE PUBLICATION p {publication}")).unwrap();
        Publisher { server, client }
    }

    /// Starts a server that has copied everything, and follows.
    fn subscriber(&self) -> (Server, Client) {
        let (subscriber, mut client) = start(&["wal_retrieve_retry_interval = 100ms"]);
        let connection = format!("host={} user=postgres dbname=postgres", self.server.file("").display());
        client.batch_execute("CREATE EXTENSION tokenauth").unwrap();
        client.batch_execute(&format!("CREATE SUBSCRIPTION s CONNECTION '{connection}' PUBLICATION p")).unwrap();
        wait_until("the copies", || count(&mut client, "pg_subscription_rel WHERE srsubstate <> 'r'") == 0);
        self.server.wait_for_subscribers();
        (subscriber, client)
    }

    /// Makes a change, and checks that verifiers which answered differently before, from memory, know of it.
    fn change(&mut self, verifiers: &mut [Verifier; 3], issued: &Issued, sql: &str, then: &str) {
        let told = |answer: &str| answer.lines().any(|line| line.starts_with(then));
        for verifier in &mut *verifiers {
            let before = verifier.heat(&issued.token);
            assert!(!told(&before), "{sql}: {:?} says so before: {before:?}", verifier.name);
        }
        for sql in sql.replace("$id", &issued.id).split("; ") {
            self.client.batch_execute(sql).unwrap();
        }
        self.server.wait_for_subscribers();
        for verifier in verifiers {
            let answer = verifier.ask(&issued.token);
            assert!(told(&answer), "{sql}: {:?}: {answer:?}", verifier.name);
        }
    }
}

#[test]
fn sessions_of_a_subscriber_that_answer_from_memory_hear_of_every_applied_change() {
    for publication in PUBLICATIONS {
        let mut publisher = Publisher::start(publication);
        let first = issue(&mut publisher.client, "user:1");
        let (subscriber, mut on_subscriber) = publisher.subscriber();

        let mut verifiers = Verifier::each(&subscriber);
        for (sql, then) in CHANGES {
            publisher.change(&mut verifiers, &first, sql, then);
        }
        // Also for a token that arrives while they remember its owner and kind.
        let second = issue(&mut publisher.client, "user:1");
        publisher.server.wait_for_subscribers();
        for verifier in &mut verifiers {
            assert!(verifier.heat(&second.token).starts_with("verdict valid"), "{:?}", verifier.name);
        }
        publisher.change(&mut verifiers, &second, "TRUNCATE tokenauth.token", "verdict unknown");

        // An applied change is recorded where it was made, and not again where it is applied.
        let events = "tokenauth.event";
        let expected = if publication == PUBLICATIONS[1] { count(&mut publisher.client, events) } else { 0 };
        assert_eq!(count(&mut on_subscriber, events), expected, "{publication}");
    }
}

#[test]
fn an_import_that_is_applied_is_found_by_sessions_that_knew_of_none() {
    const TEXT: &str = "the secret of an older system";
    let mut publisher = Publisher::start("FOR ALL TABLES");
    let (subscriber, _) = publisher.subscriber();
    // All but the one that verifies by lookup and digest: the text is not of our form.
    let [mut text, _, mut request] = Verifier::each(&subscriber);
    for verifier in [&mut text, &mut request] {
        assert_eq!(verifier.heat(TEXT), "verdict malformed");
    }
    let import = "SELECT tokenauth.import('key', 'user:1', encode(sha256($1::text::bytea), 'hex'), 'sha256')";
    publisher.client.execute(import, &[&TEXT]).unwrap();
    publisher.server.wait_for_subscribers();
    for verifier in [&mut text, &mut request] {
        assert!(verifier.ask(TEXT).starts_with("verdict valid"), "{:?}", verifier.name);
    }
}

#[test]
fn an_apply_worker_has_the_identity_that_its_transaction_was_given_and_no_other() {
    let mut publisher = Publisher::start("FOR ALL TABLES");
    let issued = issue(&mut publisher.client, "user:1");
    let (subscriber, mut on_subscriber) = publisher.subscriber();
    publisher.client.batch_execute("CREATE TABLE job (n integer PRIMARY KEY, token text)").unwrap();
    on_subscriber
        .batch_execute(
            "CREATE TABLE job (n integer PRIMARY KEY, token text);
             CREATE TABLE noted (n integer, owner_before text, owner_after text);
             CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
             DECLARE owner_before text := tokenauth.current_owner();
             BEGIN
                 PERFORM tokenauth.authenticate(NEW.token) WHERE NEW.token IS NOT NULL;
                 INSERT INTO public.noted VALUES (NEW.n, owner_before, tokenauth.current_owner());
                 RETURN NULL;
             END $$;
             CREATE TRIGGER note AFTER INSERT ON job FOR EACH ROW EXECUTE FUNCTION note();
             ALTER TABLE job ENABLE ALWAYS TRIGGER note",
        )
        .unwrap();
    on_subscriber.batch_execute("ALTER SUBSCRIPTION s REFRESH PUBLICATION").unwrap();
    wait_until("the table to be followed", || {
        count(&mut on_subscriber, "pg_subscription_rel WHERE srsubstate <> 'r'") == 0
    });
    publisher.server.wait_for_subscribers();

    let authenticate = format!("SELECT tokenauth.authenticate('{}')", issued.token);
    for transaction in [
        // The identity of the session that writes is not replicated.
        format!("BEGIN; {authenticate}; INSERT INTO job VALUES (1); COMMIT"),
        // An identity that a trigger sets lasts for the transaction that is applied …
        format!("BEGIN; INSERT INTO job VALUES (2, NULL), (3, '{}'), (4, NULL); COMMIT", issued.token),
        // … and ends with it.
        "INSERT INTO job VALUES (5)".to_owned(),
    ] {
        publisher.client.batch_execute(&transaction).unwrap();
    }
    publisher.server.wait_for_subscribers();
    let rows = subscriber.connect("postgres").query("SELECT * FROM noted ORDER BY n", &[]).unwrap();
    let noted: Vec<(i32, Option<String>, Option<String>)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let owner = || Some("user:1".to_owned());
    assert_eq!(noted, [(1, None, None), (2, None, None), (3, None, owner()), (4, owner(), owner()), (5, None, None)]);
}

#[test]
fn a_bound_row_that_a_trigger_writes_once_more_while_it_is_applied_counts_as_it_is_in_the_end() {
    const TABLE: &str = "CREATE TABLE users (id integer PRIMARY KEY, name text, is_active boolean DEFAULT true)";
    let (publisher, mut on_publisher) = start(&["wal_level = logical"]);
    on_publisher
        .batch_execute(&format!(
            "{TABLE};
             INSERT INTO users VALUES (1, 'bad Alice'), (2, 'Bob');
             CREATE PUBLICATION p FOR TABLE users"
        ))
        .unwrap();
    let (_subscriber, mut on_subscriber) = start(&["wal_retrieve_retry_interval = 100ms"]);
    on_subscriber
        .batch_execute(&format!(
            "CREATE EXTENSION tokenauth;
             {TABLE};
             SELECT tokenauth.bind_principals('users', 'user', 'id', active => 'is_active');
             CREATE FUNCTION ban() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 UPDATE public.users SET is_active = false WHERE id = NEW.id AND is_active AND NEW.name LIKE 'bad%';
                 RETURN NULL;
             END $$;
             CREATE TRIGGER ban AFTER INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION ban();
             ALTER TABLE users ENABLE ALWAYS TRIGGER ban"
        ))
        .unwrap();
    let connection = format!("host={} user=postgres dbname=postgres", publisher.file("").display());
    on_subscriber.batch_execute(&format!("CREATE SUBSCRIPTION s CONNECTION '{connection}' PUBLICATION p")).unwrap();
    wait_until("the copies", || count(&mut on_subscriber, "pg_subscription_rel WHERE srsubstate <> 'r'") == 0);
    on_publisher
        .batch_execute(
            "UPDATE users SET name = 'bad Bob' WHERE id = 2; INSERT INTO users VALUES (3, 'bad Carol'), (4, 'Dave')",
        )
        .unwrap();
    publisher.wait_for_subscribers();
    let active: String = on_subscriber
        .query_one("SELECT string_agg(principal, ' ') FROM tokenauth.principal WHERE active", &[])
        .unwrap()
        .get(0);
    assert_eq!(active, "user:4");
    assert_eq!(count(&mut on_subscriber, "tokenauth.doctor() WHERE area = 'binding'"), 0);
}
