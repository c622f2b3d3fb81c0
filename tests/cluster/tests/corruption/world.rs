//! A database with tokens in every state, and damaged copies of it.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use postgres::Client;
use postgres::error::SqlState;
use tokenauth_cluster::contract::{Issued, prepare};
use tokenauth_cluster::{FAST, Server};

use super::damage::Damage;

/// A relation with a file.
#[derive(Clone)]
pub struct Relation {
    /// Its own name, without the schema.
    pub name: String,
    /// The table whose it is, likewise.
    pub table: String,
    /// Its file in the directory of a database.
    file: String,
}

/// How many answers about tokens were what they are without damage, and how many refusals.
#[derive(Default)]
pub struct Answers {
    pub right: u32,
    pub refused: u32,
}

/// Verdict and scopes.
type Answer = (String, Option<Vec<String>>);

/// A server with the sound database, and what is known of it.
pub struct World {
    pub server: Server,
    admin: Client,
    relations: Vec<Relation>,
    /// The content of each file before the deaths.
    earlier: HashMap<String, Vec<u8>>,
    /// The texts that are presented, and the right answer for each way to present them.
    presented: Vec<(String, Vec<Answer>)>,
    /// Alive, and the parent of a child that is.
    live: Issued,
}

/// The ways to present a text.
const VERIFICATIONS: [&str; 4] = [
    "verify($1::text)",
    "verify_digest(CASE WHEN $1::text ~ '^key_[^.]*$' THEN left($1, 15) END, sha256(convert_to($1, 'UTF8')))",
    "verify_request(jsonb_build_object('X-API-Key', $1::text))",
    "verify($1::text, '{devices:read}')",
];

/// Tokens by their names, and what an older system has issued; `wide` has scopes that are kept out of line.
const FILL: &str = "
    UPDATE tokenauth.kind SET derivable = true;
    SELECT tokenauth.put_principal('user:' || n, '{devices:read}') FROM generate_series(2, 3) n;
    SELECT tokenauth.put_principal('user:4', array_agg('wide:' || md5(n::text) || md5((-n)::text)))
      FROM generate_series(1, 200) n;
    SELECT tokenauth.put_principal('org:acme'), tokenauth.add_member('org:acme', 'user:1', '{devices:read}');
    CREATE TABLE people (id integer PRIMARY KEY);
    SELECT tokenauth.bind_principals('people', 'person', 'id::text');
    INSERT INTO people VALUES (1);
    CREATE TABLE presented AS
    SELECT i.name, i.token
      FROM (VALUES ('live', 'user:1'), ('revoked', 'user:1'), ('deleted', 'user:1'), ('disabled', 'user:1'),
                   ('of a mass death', 'user:2'), ('of a deactivated owner', 'user:3'), ('wide', 'user:4'))
           AS t (name, owner), LATERAL tokenauth.issue('key', owner, name) i;
    INSERT INTO presented
    SELECT 'child ' || n, tokenauth.derive(token, '1 hour', label => 'child ' || n)
      FROM presented, generate_series(1, 2) n WHERE name = 'live';
    INSERT INTO presented VALUES ('imported', 'a secret of the older system'), ('dead import', 'another secret of it');
    SELECT tokenauth.import('key', 'user:1', encode(sha256(token::bytea), 'hex'), 'sha256', name)
      FROM presented WHERE name LIKE '%import%'";

const DEATHS: &str = "
    SELECT tokenauth.edit(id, description => 'x') FROM tokenauth.tokens WHERE name = 'live';
    SELECT tokenauth.revoke(id) FROM tokenauth.tokens WHERE name IN ('revoked', 'dead import');
    SELECT tokenauth.delete(id) FROM tokenauth.tokens WHERE name = 'deleted';
    SELECT tokenauth.disable(id) FROM tokenauth.tokens WHERE name = 'disabled';
    SELECT tokenauth.revoke_all('user:2'), tokenauth.deactivate('user:3');
    SELECT tokenauth.revoke_presented(token) FROM presented WHERE name = 'child 2'";

/// Every table of ours with its indexes and what it keeps out of line.
const RELATIONS: &str = "
    WITH ours AS (
        SELECT oid, relname AS of, reltoastrelid FROM pg_class
         WHERE relkind = 'r' AND relnamespace = 'tokenauth'::regnamespace),
    tables AS (
        SELECT oid, of FROM ours UNION ALL SELECT reltoastrelid, of FROM ours WHERE reltoastrelid <> 0),
    relations AS (
        SELECT oid, of FROM tables UNION ALL SELECT indexrelid, of FROM tables JOIN pg_index ON indrelid = tables.oid)
    SELECT c.relname::text, of::text, pg_relation_filenode(c.oid)::text
      FROM relations JOIN pg_class c USING (oid) ORDER BY of, c.relname";

impl World {
    pub fn prepare(checksums: bool) -> Self {
        let mut server = Server::start(&[FAST, &["autovacuum = off", "log_checkpoints = off"]].concat());
        server.write_file("keys", &format!("pepper one {}", "1".repeat(64)), 0o600);
        let keys = format!("tokenauth.key_file = '{}'", server.file("keys").display());
        server.stop();
        server.switch_checksums(checksums);
        server.configure_while_stopped(&[&keys]);
        server.start_again();
        server.create_database("sound", "");
        let (mut client, mut admin) = (server.connect("sound"), server.connect("postgres"));
        prepare(&mut client);
        client.batch_execute(FILL).unwrap();
        let relations: Vec<_> = client
            .query(RELATIONS, &[])
            .unwrap()
            .iter()
            .map(|row| Relation { name: row.get(0), table: row.get(1), file: row.get(2) })
            .collect();
        admin.batch_execute("CHECKPOINT").unwrap();
        let sound = directory(&server, &mut admin, "sound");
        let earlier =
            relations.iter().map(|relation| (relation.file.clone(), read(&sound.join(&relation.file)))).collect();
        client.batch_execute(DEATHS).unwrap();
        let live = client
            .query_one(
                "SELECT token, id::text FROM presented JOIN tokenauth.tokens USING (name) WHERE name = 'live'",
                &[],
            )
            .unwrap();
        let live = Issued { token: live.get(0), id: live.get(1) };
        let presented = client.query("SELECT token FROM presented ORDER BY name", &[]).unwrap();
        let presented = presented
            .iter()
            .map(|row| {
                let token: String = row.get(0);
                let right = VERIFICATIONS.iter().map(|way| ask(&mut client, way, &token).unwrap()).collect();
                (token, right)
            })
            .collect();
        World { server, admin, relations, earlier, presented, live }
    }

    /// Every relation.
    pub fn relations(&self) -> Vec<Relation> {
        self.relations.clone()
    }

    /// Copies the database and damages this relation there. Returns false when there is nothing to damage.
    pub fn damage(&mut self, relation: &Relation, damage: &Damage) -> bool {
        for sql in [
            "DROP DATABASE IF EXISTS damaged WITH (FORCE)",
            "CREATE DATABASE damaged TEMPLATE sound STRATEGY file_copy",
        ] {
            self.admin.batch_execute(sql).unwrap();
        }
        let file = directory(&self.server, &mut self.admin, "damaged").join(&relation.file);
        let sound = read(&file);
        if sound.is_empty() {
            return false;
        }
        let mut damaged = sound.clone();
        (damage.apply)(&mut damaged, &self.earlier[&relation.file]);
        fs::write(&file, &damaged).unwrap();
        damaged != sound
    }

    /// Presents each token in each way, often enough to be answered from memory, and then kills one.
    pub fn expect_closed(&self, what: &str) -> Answers {
        let mut answers = Answers::default();
        for (cache_size, times) in [("0", 1), ("4MB", 2)] {
            let mut client = self.connect(cache_size);
            for (token, right) in &self.presented {
                let ways = (0..times).flat_map(|_| VERIFICATIONS.iter().zip(right));
                for (way, right) in ways {
                    match ask(&mut client, way, token) {
                        Ok(answer) if answer == *right => answers.right += 1,
                        Ok((verdict, scopes)) => {
                            // What is refused is named by what can still be read.
                            assert_ne!(verdict, "valid", "{what}: {way}: {scopes:?} instead of {right:?}");
                            answers.refused += 1;
                        }
                        Err(code) => {
                            assert!(is_told(&code), "{what}: {way}: {code:?} instead of {right:?}");
                            answers.refused += 1;
                        }
                    }
                }
            }
        }
        self.expect_death(what);
        answers
    }

    /// A revocation of the live token is true or raises; its child goes with it.
    fn expect_death(&self, what: &str) {
        let revoked = self.connect("0").query_one("SELECT tokenauth.revoke($1::text::uuid)", &[&self.live.id]);
        if let Err(error) = revoked {
            let code = error.code().unwrap_or_else(|| panic!("{what}: {error:?}"));
            assert!(is_told(code) || *code == SqlState::UNDEFINED_OBJECT, "{what}: {error:?}");
            return;
        }
        let lookup = &self.live.token[..15];
        let mut client = self.connect("4MB");
        for (token, _) in self.presented.iter().filter(|(token, _)| token.starts_with(lookup)) {
            for way in VERIFICATIONS {
                if let Ok((verdict, _)) = ask(&mut client, way, token) {
                    assert_ne!(verdict, "valid", "{what}: {way}, after a revocation that was acknowledged");
                }
            }
        }
    }

    fn connect(&self, cache_size: &str) -> Client {
        let mut client = self.server.connect("damaged");
        client.batch_execute(&format!("LOAD 'tokenauth'; SET tokenauth.cache_size = '{cache_size}'")).unwrap();
        client
    }
}

fn ask(client: &mut Client, way: &str, token: &str) -> Result<Answer, SqlState> {
    match client.query_one(&format!("SELECT verdict, scopes FROM tokenauth.{way}"), &[&token]) {
        Ok(row) => Ok((row.get(0), row.get(1))),
        Err(error) => Err(error.code().unwrap_or_else(|| panic!("{way}: {error:?}")).clone()),
    }
}

/// Whether a code says that a file is damaged, or that a key is missing.
fn is_told(code: &SqlState) -> bool {
    [SqlState::DATA_CORRUPTED, SqlState::INDEX_CORRUPTED, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE].contains(code)
}

fn directory(server: &Server, admin: &mut Client, database: &str) -> PathBuf {
    let row = admin.query_one("SELECT oid::text FROM pg_database WHERE datname = $1", &[&database]).unwrap();
    server.file(&format!("data/base/{}", row.get::<_, &str>(0)))
}

fn read(file: &PathBuf) -> Vec<u8> {
    fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
