//! A database in use: a little of everything that an upgrade must carry.

use postgres::Client;

use crate::contract::{Issued, issue, revoke, verdict};
use crate::server::Server;

/// What was put into the database, by what every release has.
pub struct Filled {
    /// Valid, revoked, disabled, and of a bound user.
    tokens: [Issued; 4],
    /// Sealed, so that it can be shown again.
    shown: Issued,
    events: i64,
}

/// What the holder of a token of an older system presents.
const IMPORTED: &str = "a secret from before";

/// The verdicts of the first four.
const VERDICTS: [&str; 4] = ["valid", "revoked", "disabled", "valid"];

impl Filled {
    /// Fills a database that has the extension; the server needs [`Filled::settings`].
    pub fn fill(server: &Server, client: &mut Client) -> Self {
        client
            .batch_execute(
                "INSERT INTO tokenauth.kind (name, prefix) VALUES ('key', 'key_');
                 INSERT INTO tokenauth.kind (name, prefix, reveal) VALUES ('shown', 'shown_', true);
                 SELECT tokenauth.put_principal('user:1', permissions => '{devices:read}');
                 SELECT tokenauth.put_principal('org:1');
                 SELECT tokenauth.add_member('org:1', 'user:1', '{devices:read}');
                 CREATE TABLE customer (id bigint PRIMARY KEY, is_active boolean NOT NULL);
                 SELECT tokenauth.bind_principals('customer', 'customer', 'id::text', active => 'is_active');
                 INSERT INTO customer VALUES (7, true);
                 UPDATE tokenauth.kind SET owner_types = '{user,customer}'",
            )
            .unwrap();
        let import = "SELECT tokenauth.import('key', 'user:1', encode(sha256($1::text::bytea), 'hex'), 'sha256')";
        client.execute(import, &[&IMPORTED]).unwrap();
        let tokens = ["user:1", "user:1", "user:1", "customer:7"].map(|owner| issue(client, owner));
        assert!(revoke(client, &tokens[1]));
        client.execute("SELECT tokenauth.disable($1::text::uuid)", &[&tokens[2].id]).unwrap();
        let row = client.query_one("SELECT token, id::text FROM tokenauth.issue('shown', 'user:1')", &[]).unwrap();
        let shown = Issued { token: row.get(0), id: row.get(1) };
        let mut filled = Filled { tokens, shown, events: 0 };
        filled.events = events(client);
        filled.check(server, client, "before the upgrade");
        filled
    }

    /// Settings of a server whose databases are filled, after its key file was written.
    #[must_use]
    pub fn settings(server: &Server) -> [String; 3] {
        server.write_file("keys", &format!("seal one {}", "1".repeat(64)), 0o600);
        [
            format!("tokenauth.key_file = '{}'", server.file("keys").display()),
            "shared_preload_libraries = tokenauth".to_owned(),
            // Long enough for what is used to wait in memory.
            "tokenauth.usage_flush_interval = 1h".to_owned(),
        ]
    }

    /// Checks that everything is there and works.
    ///
    /// # Panics
    /// If it is not.
    pub fn check(&self, server: &Server, client: &mut Client, when: &str) {
        assert_eq!(self.tokens.each_ref().map(|issued| verdict(client, &issued.token)), VERDICTS, "{when}");
        assert_eq!(verdict(client, IMPORTED), "valid", "{when}");
        let revealed: String =
            client.query_one("SELECT tokenauth.reveal($1::text::uuid)", &[&self.shown.id]).unwrap().get(0);
        assert_eq!(revealed, self.shown.token, "{when}");
        assert!(events(client) > self.events, "{when}: what was revealed is an event");

        // A session that has verified before notices what dies, by a binding too.
        let mut other = server.connect(&database(client));
        let new = "INSERT INTO customer SELECT max(id) + 1, true FROM customer RETURNING id::text";
        let new: String = client.query_one(new, &[]).unwrap().get(0);
        let [bound, own] = [format!("customer:{new}"), "user:1".to_owned()].map(|owner| issue(client, &owner));
        assert_eq!([&bound, &own].map(|issued| verdict(&mut other, &issued.token)), ["valid", "valid"], "{when}");
        client.execute("UPDATE customer SET is_active = false WHERE id::text = $1", &[&new]).unwrap();
        assert!(revoke(client, &own));
        assert_eq!([&bound, &own].map(|issued| verdict(&mut other, &issued.token)), ["revoked", "revoked"], "{when}");
        // One has died with its owner, the other by itself.
        let listed = "SELECT ARRAY(SELECT id FROM tokenauth.list(status => 'revoked'))
                             = ARRAY(SELECT id FROM tokenauth.tokens WHERE status = 'revoked' ORDER BY id DESC)";
        assert!(client.query_one(listed, &[]).unwrap().get::<_, bool>(0), "{when}");
        let faults = "SELECT string_agg(concat_ws(' ', area, object, finding), '; ') FROM tokenauth.doctor()
                       WHERE area IN ('binding', 'keys') OR area = 'version' AND object = 'installed files'";
        let faults: Option<String> = client.query_one(faults, &[]).unwrap().get(0);
        assert_eq!(faults, None, "{when}");
    }

    /// How often the first token was used, as lists show it.
    pub fn uses(&self, client: &mut Client) -> i64 {
        let uses = "SELECT request_count FROM tokenauth.tokens WHERE id = $1::text::uuid";
        client.query_one(uses, &[&self.tokens[0].id]).unwrap().get(0)
    }

    /// How many of these uses are in tables.
    pub fn written(&self, client: &mut Client) -> i64 {
        let written = "SELECT request_count FROM tokenauth.usage WHERE token_id = $1::text::uuid";
        client.query_opt(written, &[&self.tokens[0].id]).unwrap().map_or(0, |row| row.get(0))
    }

    /// Uses the first token so many times.
    pub fn use_it(&self, client: &mut Client, times: i32) {
        let sql = "SELECT count(v.ok) FROM generate_series(1, $2), tokenauth.verify($1) v";
        client.execute(sql, &[&self.tokens[0].token, &times]).unwrap();
    }
}

fn events(client: &mut Client) -> i64 {
    client.query_one("SELECT count(*) FROM tokenauth.events", &[]).unwrap().get(0)
}

fn database(client: &mut Client) -> String {
    client.query_one("SELECT current_database()::text", &[]).unwrap().get(0)
}
