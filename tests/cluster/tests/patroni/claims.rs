//! What must hold when everything is quiet again.

use postgres::Client;
use tokenauth_cluster::{wait_until, wait_within};

use super::cluster::{Cluster, PATIENCE};
use super::ledger::Ledger;
use super::member::DATABASE;

/// Every acknowledged death and every acknowledged issue holds on the primary, and on every standby that has replayed.
pub fn every_member_knows(cluster: &Cluster, ledger: &Ledger) {
    let known = ledger.known();
    let mut on_primary = cluster.primary().connect(DATABASE);
    knows(&mut on_primary, &known, cluster.primary().name);
    let written: String = on_primary.query_one("SELECT pg_current_wal_lsn()::text", &[]).unwrap().get(0);
    for standby in cluster.standbys() {
        let mut client = standby.connect(DATABASE);
        let replayed = "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn";
        wait_within(PATIENCE, "the standby to replay", || client.query_one(replayed, &[&written]).unwrap().get(0));
        knows(&mut client, &known, standby.name);
    }
    // A new primary writes its fence file when the launcher notices that it is one.
    let mut found = String::new();
    wait_within(PATIENCE, "doctor to find nothing", || {
        let before = std::mem::replace(&mut found, faults(&mut on_primary));
        assert!(!found.contains("older than it was"), "{before}; {found}");
        found.is_empty()
    });
}

/// Those that are alive are valid, and those that are dead are revoked.
pub fn knows(client: &mut Client, known: &[(String, bool)], whose: &str) {
    let tokens: Vec<&str> = known.iter().map(|(token, _)| token.as_str()).collect();
    let sql = "SELECT v.verdict FROM unnest($1::text[]) WITH ORDINALITY t (token, number), tokenauth.verify(token) v
                ORDER BY number";
    let verdicts = client.query(sql, &[&tokens]).unwrap_or_else(|error| panic!("{whose}: {error:?}"));
    let mut wrong = Vec::new();
    for ((_, is_alive), row) in known.iter().zip(&verdicts) {
        let (verdict, expected) = (row.get::<_, String>(0), if *is_alive { "valid" } else { "revoked" });
        if verdict != expected {
            wrong.push(format!("{verdict} instead of {expected}"));
        }
    }
    assert!(wrong.is_empty(), "on {whose}, of {} tokens: {wrong:?}", known.len());
}

/// What doctor finds of bindings, whose table and principals were replicated side by side, and of the fence, which no
/// fail over and no switch over may close.
fn faults(client: &mut Client) -> String {
    let sql = "SELECT coalesce(string_agg(concat_ws(' ', object, finding), '; '), '')
                 FROM tokenauth.doctor() WHERE area IN ('binding', 'fence')";
    client.query_one(sql, &[]).unwrap().get(0)
}

/// Uses of a token on the primary are written by it, each once; from now on, those before may be lost with the server
/// that had counted them.
pub fn uses_are_counted(cluster: &Cluster, ledger: &Ledger) {
    let place = ledger.alive();
    let (token, id) = (ledger.text(place), ledger.id(place));
    let mut client = cluster.primary().connect(DATABASE);
    let shown = "SELECT request_count FROM tokenauth.tokens WHERE id = $1::text::uuid";
    let written = "SELECT coalesce(sum(request_count), 0)::bigint FROM tokenauth.usage WHERE token_id = $1::text::uuid";
    let before: i64 = client.query_one(shown, &[&id]).unwrap().get(0);
    let use_it =
        "SELECT count(*) FROM generate_series(1, 7) n, tokenauth.verify($1, client => '10.0.0.' || n) v WHERE v.ok";
    assert_eq!(client.query_one(use_it, &[&token]).unwrap().get::<_, i64>(0), 7);
    assert_eq!(client.query_one(shown, &[&id]).unwrap().get::<_, i64>(0), before + 7);
    wait_until("the new primary to write what was counted", || {
        client.query_one(written, &[&id]).unwrap().get::<_, i64>(0) == before + 7
    });
}
