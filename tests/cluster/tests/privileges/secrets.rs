//! The strongest access reads no digest and no text: neither in what it may read, nor in what the server tells of it.

use postgres::{Client, SimpleQueryMessage};
use tokenauth_cluster::Needles;
use tokenauth_cluster::contract::issue;

use super::serve;

/// All that a statement answers, as text; and what its errors say.
fn told(client: &mut Client, statement: &str) -> String {
    match client.simple_query(statement) {
        Ok(messages) => {
            let mut text = String::new();
            for message in messages {
                if let SimpleQueryMessage::Row(row) = message {
                    (0..row.len()).filter_map(|column| row.get(column)).for_each(|value| text += value);
                    text.push('\n');
                }
            }
            text
        }
        Err(error) => format!("{error:?}"),
    }
}

#[test]
fn the_strongest_access_reads_no_digest() {
    let (server, mut client) = serve();
    let issued = issue(&mut client, "user:1");
    let digests: Vec<String> = client
        .query(
            "SELECT encode(digest, f) FROM tokenauth.token, unnest('{hex,base64,escape}'::text[]) f
             UNION ALL SELECT encode(derive_key, 'hex') FROM tokenauth.token WHERE derive_key IS NOT NULL",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert!(digests.len() >= 7, "{} needles", digests.len());
    client.batch_execute("ANALYZE").unwrap();
    // Of the text, the secret: prefix and lookup are 15 characters.
    let secret = issued.token[15..47].to_owned();
    let needles = Needles::of(digests.iter().chain([&secret]));

    let mut admin = server.connect("postgres");
    admin.batch_execute("SET SESSION AUTHORIZATION admin").unwrap();
    let views = ["tokens", "events", "usage_hourly", "metrics", "kind"];
    let mut statements: Vec<String> = views
        .iter()
        .flat_map(|view| {
            [
                format!("SELECT * FROM tokenauth.{view}"),
                format!("SELECT v::text, to_jsonb(v) FROM tokenauth.{view} v"),
                format!("EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM tokenauth.{view} WHERE {view}::text LIKE '%00%'"),
                format!("SELECT {view}::text::integer FROM tokenauth.{view}"),
            ]
        })
        .collect();
    let id = &issued.id;
    statements.extend(
        [
            "SELECT tokenauth.list(), tokenauth.describe('{id}')",
            "SELECT * FROM tokenauth.explain('{id}'), tokenauth.report(), tokenauth.doctor()",
            "SELECT tokenauth.export_revocations('2020-01-01'), tokenauth.stats(), tokenauth.idle('0 days')",
            "SELECT tokenauth.edit('{id}', name => 'x'), tokenauth.disable('{id}'), tokenauth.enable('{id}')",
            "SELECT tokenauth.import('key', 'user:1', encode(sha256('of another system'), 'hex'), 'sha256')",
            "SELECT tokenauth.revoke('{id}'), tokenauth.noncompliant(), tokenauth.unusual_activity()",
            "UPDATE tokenauth.kind SET description = 'x' RETURNING *",
            "DELETE FROM tokenauth.kind RETURNING *",
            "SELECT * FROM pg_stats WHERE schemaname = 'tokenauth'",
            "SELECT * FROM pg_stat_activity",
        ]
        .map(|statement| statement.replace("{id}", id)),
    );
    for statement in statements {
        let told = told(&mut admin, &statement);
        let found = needles.found(told.as_bytes());
        // What the caller has given is his own: the server quotes it in no error of ours.
        assert!(!found.contains(&true), "{statement} tells a secret:\n{told}");
    }
    // So that the search above means something.
    assert!(needles.found(told(&mut client, "SELECT * FROM tokenauth.token").as_bytes()).contains(&true));
}
