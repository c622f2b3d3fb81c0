//! A reader verifies children of tokens, of which it has no row either, and hears of each of their deaths.

use postgres::Client;
use tokenauth_cluster::contract::{issue, revoke, verdict};

use super::{primary, reader};

/// A child with this label, for a scope that its parent has and one that it has not.
fn derive(client: &mut Client, parent: &str, label: &str) -> String {
    let sql = "SELECT tokenauth.derive($1, scopes => '{devices:read,devices:write}', label => $2)";
    client.query_one(sql, &[&parent, &label]).unwrap().get(0)
}

/// What introspection says: whether it is active, with scopes, and how long it works beyond its child's five minutes.
fn introspected(client: &mut Client, token: &str) -> String {
    let sql = "SELECT concat_ws(' ', i ->> 'active', i ->> 'scope', (i ->> 'exp')::bigint - (i ->> 'iat')::bigint)
                 FROM tokenauth.introspect($1) i";
    client.query_one(sql, &[&token]).unwrap().get(0)
}

fn verdicts<const N: usize>(client: &mut Client, tokens: [&String; N]) -> [String; N] {
    tokens.map(|token| verdict(client, token))
}

#[test]
fn a_reader_verifies_children_and_hears_of_their_deaths() {
    let (primary, mut on_primary) = primary(&[]);
    on_primary.batch_execute("UPDATE tokenauth.kind SET derivable = true").unwrap();
    let parent = issue(&mut on_primary, "user:1");
    let (_reader, mut on_reader) = reader(&primary, "reader");
    let [one, other] = ["one", "other"].map(|label| derive(&mut on_primary, &parent.token, label));

    // In a transaction that was open before, with the children in its cache.
    on_reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM tokenauth.kind").unwrap();
    for _ in 0..3 {
        assert_eq!(verdicts(&mut on_reader, [&one, &other, &parent.token]), ["valid"; 3]);
    }
    assert_eq!(introspected(&mut on_reader, &one), "true devices:read 300");

    // A reader kills none; what the primary kills, it hears of: the first one, of which there were none before, …
    assert!(on_primary.query_one("SELECT tokenauth.revoke_presented($1)", &[&one]).unwrap().get::<_, bool>(0));
    primary.wait_for_subscribers();
    assert_eq!(verdicts(&mut on_reader, [&one, &other, &parent.token]), ["revoked", "valid", "valid"]);
    assert_eq!(introspected(&mut on_reader, &one), "false");
    // … a policy that ends all, and is taken back …
    on_primary.batch_execute("UPDATE tokenauth.kind SET derivable = false").unwrap();
    primary.wait_for_subscribers();
    assert_eq!(verdicts(&mut on_reader, [&one, &other, &parent.token]), ["unknown", "unknown", "valid"]);
    on_primary.batch_execute("UPDATE tokenauth.kind SET derivable = true").unwrap();
    primary.wait_for_subscribers();
    assert_eq!(verdicts(&mut on_reader, [&one, &other, &parent.token]), ["revoked", "valid", "valid"]);
    // … and their parent's.
    assert!(revoke(&mut on_primary, &parent));
    primary.wait_for_subscribers();
    assert_eq!(verdicts(&mut on_reader, [&one, &other, &parent.token]), ["revoked"; 3]);
    assert_eq!(introspected(&mut on_reader, &other), "false");
    on_reader.batch_execute("COMMIT").unwrap();

    let refused = on_reader.query_one("SELECT tokenauth.revoke_presented($1)", &[&other]).unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "25006");
    // By usage alone it would know of the parent, as an export shows.
    let of_parent: bool = on_reader
        .query_one("SELECT tokenauth.usage_export()::text LIKE '%' || $1 || '%'", &[&parent.id])
        .unwrap()
        .get(0);
    assert!(of_parent, "uses of children count for their parent");
}
