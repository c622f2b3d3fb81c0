//! Derived tokens: programs make them without the database, by the known answers, and every server accepts what they
//! have made, and refuses it when it must.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use postgres::Client;
use serde_json::Value;
use tokenauth_cluster::contract::{Issued, issue, prepare, revoke, verdict};
use tokenauth_cluster::{FAST, Server, built, example, prepared};

/// A program of `examples/derive`.
struct Deriver(Vec<PathBuf>);

impl Deriver {
    fn python() -> Self {
        Deriver(vec![prepared("python/bin/python"), example("derive/derive.py")])
    }

    fn all() -> [Self; 3] {
        [
            Deriver::python(),
            Deriver(vec![prepared("node"), example("derive/derive.mjs")]),
            Deriver(vec![built("derive/rust", "clients/derive").join("tokenauth-derive")]),
        ]
    }

    /// The child of a token with these caveats: the members of a JSON object, `start` and `seconds` among them.
    fn derive(&self, token: &str, caveats: &str) -> String {
        let mut program = Command::new(&self.0[0])
            .args(&self.0[1..])
            .arg(format!("{{{caveats}}}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program can be run");
        writeln!(program.stdin.take().expect("a pipe"), "{token}").unwrap();
        let output = program.wait_with_output().unwrap();
        assert!(output.status.success(), "{:?}", self.0);
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// A child that begins so many seconds from now and works for so many, with further caveats.
    fn beginning(&self, token: &str, offset: i64, seconds: i64, more: &str) -> String {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs().cast_signed();
        self.derive(token, &format!("\"start\":{},\"seconds\":{seconds}{more}", now + offset))
    }
}

fn vectors() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/derived.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// A server whose kind `key` has children, with the settings that keep the library loaded and a pepper.
fn serve() -> (Server, Client, Issued) {
    let mut server = Server::start(FAST);
    server.write_file("keys", &format!("pepper one {}", "1".repeat(64)), 0o600);
    let keys = format!("tokenauth.key_file = '{}'", server.file("keys").display());
    server.configure_and_restart(&[&keys, "shared_preload_libraries = tokenauth"]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    client.batch_execute("UPDATE tokenauth.kind SET derivable = true").unwrap();
    let issued = issue(&mut client, "user:1");
    (server, client, issued)
}

#[test]
fn programs_give_the_known_answers() {
    let vectors = vectors();
    for deriver in Deriver::all() {
        for case in vectors["derived"].as_array().unwrap() {
            let [parent, caveats, child] = ["parent", "caveats", "child"].map(|field| case[field].as_str().unwrap());
            // `{"n":…,"x":…` and the others, as they stand there.
            let read: Value = serde_json::from_str(caveats).unwrap();
            let [start, end] = ["n", "x"].map(|key| read[key].as_i64().unwrap());
            let rest = caveats.strip_prefix(&format!("{{\"n\":{start},\"x\":{end}")).unwrap();
            let given = format!("\"start\":{start},\"seconds\":{}{}", end - start, rest.strip_suffix('}').unwrap());
            assert_eq!(deriver.derive(parent, &given), child);
        }
    }
}

#[test]
fn a_server_accepts_what_programs_derive_and_no_more_than_that() {
    let (_server, mut client, issued) = serve();
    client.execute("SELECT tokenauth.put_principal('user:1', '{devices:*,sites:read}')", &[]).unwrap();
    let sql = "SELECT token, id::text FROM tokenauth.issue('key', 'user:1', data_scopes => '{}')";
    let wide = client.query_one(sql, &[]).unwrap();
    let wide: String = wide.get(0);
    for deriver in Deriver::all() {
        let caveats = r#""s":["devices:read","users:read"],"d":{"größe":["łódź"]},"w":["10.0.0.0/8"],"l":"job 7""#;
        let child = deriver.derive(&wide, caveats);
        let sql = "SELECT verdict || ' ' || scopes::text || ' ' || data_scopes::text || ' ' || (derived ->> 'label')
                     FROM tokenauth.verify($1, client => '10.1.2.3')";
        let answer: String = client.query_one(sql, &[&child]).unwrap().get(0);
        assert_eq!(answer, "valid {devices:read} {\"größe\": [\"łódź\"]} job 7");
        assert_eq!(verdict(&mut client, &child), "network_denied");
        for (offset, seconds, expected) in [
            (0, 300, "valid"),
            // The clock of whoever makes it may be ahead by a minute.
            (50, 300, "valid"),
            (90, 300, "not_yet_valid"),
            (-300, 299, "expired"),
            (-300, 400, "valid"),
            (0, 3600, "valid"),
            (0, 3601, "expired"),
            // Made for later, for longer than it may work: the first of the two tells.
            (7200, 7200, "not_yet_valid"),
        ] {
            let child = deriver.beginning(&issued.token, offset, seconds, "");
            assert_eq!(verdict(&mut client, &child), expected, "from {offset} for {seconds}");
        }
        // What the order of caveats, and their values, must not be.
        for malformed in ["\"l\":\"a\",\"s\":[]", "\"s\":[\"a b\"]", "\"w\":[\"10.0.0.1/8\"]", "\"z\":1", "\"l\":\"é\""]
        {
            assert_eq!(verdict(&mut client, &deriver.derive(&issued.token, malformed)), "malformed", "{malformed}");
        }
    }
}

#[test]
fn the_known_forgeries_are_unknown_and_cost_their_parent_nothing() {
    let (_server, mut client, _) = serve();
    let vectors = vectors();
    let parent = vectors["parent"][0].as_str().unwrap();
    client
        .batch_execute(
            "INSERT INTO tokenauth.kind (name, prefix, derivable, rate_limit, rate_interval)
                          VALUES ('usr', 'ps_usr_', true, 1, '1 hour'), ('adm', 'ps_adm_', true, NULL, NULL)",
        )
        .unwrap();
    // The row that this parent would have without a pepper.
    let public_key = vectors["derived"].as_array().unwrap().iter().find(|case| case["parent"] == parent).unwrap();
    let sql = "INSERT INTO tokenauth.token (lookup, id, created_at, owner_epoch, dies_with_owner, digest, algorithm,
                                            kind, owner, scopes, data_scopes, created_by, derive_key)
               SELECT 1, '00000000-0000-7000-8000-000000000001', now(), epoch, true, sha256($1::text::bytea), 'sha256',
                      'usr', principal, 'devices:read', '{}', 'role:x', decode($2, 'hex')
                 FROM tokenauth.principal WHERE principal = 'user:1'";
    client.execute(sql, &[&parent, &public_key["public_key"].as_str().unwrap()]).unwrap();
    for _ in 0..3 {
        for forged in vectors["forged"].as_array().unwrap() {
            let sql = "SELECT verdict, token_id IS NULL AND kind IS NULL AND name IS NULL AND derived IS NULL
                         FROM tokenauth.verify($1)";
            let row = client.query_one(sql, &[&forged["text"].as_str().unwrap()]).unwrap();
            assert_eq!((row.get(0), row.get(1)), ("unknown", true), "{}", forged["what"]);
        }
        for malformed in vectors["malformed"].as_array().unwrap() {
            let text = malformed["text"].as_str().unwrap();
            assert_eq!(verdict(&mut client, text), "malformed", "{}", malformed["what"]);
        }
    }
    let sql = "SELECT request_count + denied_count FROM tokenauth.tokens WHERE kind = 'usr'";
    let counted: i64 = client.query_one(sql, &[]).unwrap().get(0);
    assert_eq!(counted, 0);
    // Its one use in an hour is still there; a child takes it, and the parent has none left.
    let child = Deriver::python().derive(parent, "\"l\":\"job\"");
    assert_eq!(verdict(&mut client, &child), "valid");
    assert_eq!(verdict(&mut client, parent), "rate_limited");
    let counted: i64 = client.query_one(sql, &[]).unwrap().get(0);
    assert_eq!(counted, 2);
}

#[test]
fn neither_a_dump_nor_a_key_without_its_code_nor_another_pepper_makes_a_child() {
    let (server, mut client, issued) = serve();
    let child = Deriver::python().derive(&issued.token, "");
    assert_eq!(verdict(&mut client, &child), "valid");
    // A token of somebody who can write the table, and its key, which is no secret.
    let theirs = issue(&mut client, "user:1");
    let their_child = |lookup: &str| {
        let own = Deriver::python().derive(&theirs.token, "");
        format!("{lookup}{}", &own[lookup.len()..])
    };
    let sql = "UPDATE tokenauth.token t SET derive_key = o.derive_key FROM tokenauth.token o
                WHERE t.id = $1::text::uuid AND o.id = $2::text::uuid";
    client.execute(sql, &[&issued.id, &theirs.id]).unwrap();
    assert_eq!(verdict(&mut client, &child), "unknown");
    assert_eq!(verdict(&mut client, &their_child(&issued.token[..15])), "unknown");
    // Without the code behind the key it is none: the row has a pepper.
    let sql = "UPDATE tokenauth.token SET derive_key = substr(derive_key, 1, 32)";
    client.execute(sql, &[]).unwrap();
    assert_eq!(verdict(&mut client, &Deriver::python().derive(&theirs.token, "")), "unknown");
    // A token without a pepper has none, nor a code; nothing of its row is the seed of its children.
    drop(client);
    server.write_file("keys", "# none", 0o600);
    server.reconfigure(&[]);
    let mut client = server.connect("postgres");
    let plain = issue(&mut client, "user:1");
    let sql = "SELECT encode(digest, 'hex'), octet_length(derive_key), pepper IS NULL
                 FROM tokenauth.token WHERE id = $1::text::uuid";
    let row = client.query_one(sql, &[&plain.id]).unwrap();
    assert_eq!((row.get(1), row.get(2)), (32, true));
    let digest: String = row.get(0);
    for guess in [digest.clone(), format!("{digest}{}", "0".repeat(38))] {
        let child = Deriver::python().derive(&format!("{guess}{}", "0".repeat(49)), "");
        let (_, rest) = child.split_once('.').unwrap();
        assert_eq!(verdict(&mut client, &format!("{}.{rest}", &plain.token[..15])), "unknown");
    }
    assert_eq!(verdict(&mut client, &Deriver::python().derive(&plain.token, "")), "valid");
    // Those with a pepper that is missing raise, as their parents do.
    let failed = client.query_one("SELECT tokenauth.verify($1)", &[&child]).unwrap_err();
    assert_eq!(failed.code().unwrap().code(), "55000");
}

#[test]
fn a_parent_that_comes_again_under_its_lookup_has_other_children() {
    let (_server, mut client, issued) = serve();
    let child = Deriver::python().derive(&issued.token, "");
    assert_eq!(verdict(&mut client, &child), "valid");
    // Another row with the same lookup, as after years of purges and a draw of the same 64 bits.
    let other = issue(&mut client, "user:1");
    client
        .batch_execute(&format!(
            "CREATE TABLE lookups AS SELECT lookup FROM tokenauth.token WHERE id = '{}';
             DELETE FROM tokenauth.token WHERE id = '{0}';
             UPDATE tokenauth.token SET lookup = (SELECT lookup FROM lookups) WHERE id = '{}'",
            issued.id, other.id
        ))
        .unwrap();
    assert_eq!(verdict(&mut client, &child), "unknown");
    // The code is of the lookup too: the other's own children are none under it.
    let its = Deriver::python().derive(&other.token, "");
    assert_eq!(verdict(&mut client, &format!("{}{}", &issued.token[..15], &its[15..])), "unknown");
}

#[test]
fn a_standby_verifies_children_and_refuses_what_died() {
    let (primary, mut on_primary, issued) = serve();
    let [child, other] = ["\"l\":\"a\"", "\"l\":\"b\""].map(|caveats| Deriver::python().derive(&issued.token, caveats));
    let standby = primary.standby();
    standby.catch_up_with(&primary);
    let mut on_standby = standby.connect("postgres");
    for _ in 0..3 {
        assert_eq!([&child, &other].map(|text| verdict(&mut on_standby, text)), ["valid", "valid"]);
    }
    let introspected = |client: &mut Client, text: &str| -> bool {
        client.query_one("SELECT (tokenauth.introspect($1) ->> 'active')::boolean", &[&text]).unwrap().get(0)
    };
    assert!(introspected(&mut on_standby, &child));
    // The first death of a child: that there are none is cached too.
    let killed: bool = on_primary.query_one("SELECT tokenauth.revoke_presented($1)", &[&child]).unwrap().get(0);
    assert!(killed);
    standby.catch_up_with(&primary);
    assert_eq!([&child, &other].map(|text| verdict(&mut on_standby, text)), ["revoked", "valid"]);
    assert_eq!([&child, &other].map(|text| introspected(&mut on_standby, text)), [false, true]);
    assert!(revoke(&mut on_primary, &issued));
    standby.catch_up_with(&primary);
    assert_eq!([&child, &other].map(|text| verdict(&mut on_standby, text)), ["revoked", "revoked"]);
}

#[test]
fn a_dump_carries_keys_and_deaths() {
    let (server, mut client, issued) = serve();
    let [child, killed] =
        ["\"l\":\"a\"", "\"l\":\"b\""].map(|caveats| Deriver::python().derive(&issued.token, caveats));
    client.execute("SELECT tokenauth.revoke_presented($1)", &[&killed]).unwrap();
    let dump = server.dump("postgres", &["--format=custom"]);
    server.create_database("copy", "TEMPLATE template0");
    server.restore("copy", &dump);
    let mut copy = server.connect("copy");
    assert_eq!([&child, &killed].map(|text| verdict(&mut copy, text)), ["valid", "revoked"]);
}

#[test]
fn values_that_an_encoding_does_not_have_are_nobodys_there() {
    let (server, _, _) = serve();
    server.create_database("latin", "TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
    let mut client = server.connect("latin");
    prepare(&mut client);
    client.batch_execute("UPDATE tokenauth.kind SET derivable = true").unwrap();
    let issued = issue(&mut client, "user:1");
    let child = Deriver::python().derive(&issued.token, r#""d":{"größe":["é","łódź"],"山":["x"]}"#);
    let sql = "SELECT verdict || ' ' || data_scopes::text FROM tokenauth.verify($1)";
    let answer: String = client.query_one(sql, &[&child]).unwrap().get(0);
    assert_eq!(answer, "valid {\"größe\": [\"é\"]}");
}

#[test]
fn a_flood_of_forged_children_evicts_nothing() {
    let (_server, mut client, issued) = serve();
    client
        .batch_execute(
            "CREATE TABLE hot AS
             SELECT token FROM generate_series(1, 2000) n, LATERAL tokenauth.issue('key', 'user:1', n::text)",
        )
        .unwrap();
    let child = Deriver::python().derive(&issued.token, "");
    // How many of the hot tokens are read from tables, rather than from the cache.
    let read = |client: &mut Client| -> i64 {
        const SCANS: &str = "SELECT pg_stat_get_xact_numscans('tokenauth.token_lookup_key'::regclass)";
        let mut transaction = client.transaction().unwrap();
        let before: i64 = transaction.query_one(SCANS, &[]).unwrap().get(0);
        let sql = "SELECT count(*) FILTER (WHERE NOT v.ok)
                     FROM (SELECT token FROM hot UNION ALL SELECT $1 OFFSET 0) t, LATERAL tokenauth.verify(t.token) v";
        let refused: i64 = transaction.query_one(sql, &[&child]).unwrap().get(0);
        assert_eq!(refused, 0);
        let after: i64 = transaction.query_one(SCANS, &[]).unwrap().get(0);
        transaction.commit().unwrap();
        after - before
    };
    for _ in 0..4 {
        read(&mut client);
    }
    assert_eq!(read(&mut client), 0, "tokens and the child are answered from the cache");
    // Forged ones of one parent: each is another text, of the right form.
    let (signed, signature) = child.rsplit_once('.').unwrap();
    let sql = "SELECT count(*) FILTER (WHERE v.verdict = 'unknown')
                 FROM (SELECT $1 || '.' || lpad(n::text, 6, '0') || substr($2, 7) AS text
                         FROM generate_series(1, 5000) n OFFSET 0) f, LATERAL tokenauth.verify(f.text) v";
    let unknown: i64 = client.query_one(sql, &[&signed, &signature]).unwrap().get(0);
    assert_eq!(unknown, 5000);
    assert_eq!(read(&mut client), 0, "nothing was evicted");
}
