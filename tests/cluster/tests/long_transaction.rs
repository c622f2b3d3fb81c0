//! A transaction that stays open keeps every former version of a row, and verification finds the newest at once.

use postgres::{Client, SimpleQueryMessage};
use tokenauth_cluster::contract::{issue, prepare};
use tokenauth_cluster::{FAST, Server};

/// How many blocks a query reads.
fn blocks(client: &mut Client, query: &str) -> i64 {
    let explained = client.simple_query(&format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}")).unwrap();
    let row = explained.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    let plan: serde_json::Value = serde_json::from_str(row.unwrap()).unwrap();
    let count = |key: &str| plan[0]["Plan"][key].as_i64().unwrap();
    count("Shared Hit Blocks") + count("Shared Read Blocks")
}

#[test]
fn a_token_is_verified_by_a_few_blocks_however_many_former_versions_of_it_and_its_owner_there_are() {
    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    let mut reader = server.connect("postgres");
    reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM tokenauth.kind").unwrap();

    client.batch_execute("LOAD 'tokenauth'; SET tokenauth.cache_size = 0").unwrap();
    let verify = format!("SELECT * FROM tokenauth.verify('{}')", issued.token);
    blocks(&mut client, &verify);
    let before = blocks(&mut client, &verify);
    for change in ["principal SET display_name = n::text", "token SET description = n::text"] {
        let churn = format!("DO $$ BEGIN FOR n IN 1 .. 3000 LOOP UPDATE tokenauth.{change}; COMMIT; END LOOP; END $$");
        client.batch_execute(&churn).unwrap();
    }
    client.batch_execute("VACUUM tokenauth.principal").unwrap();
    client.batch_execute("VACUUM tokenauth.token").unwrap();
    blocks(&mut client, &verify);
    let after = blocks(&mut client, &verify);
    // An index that has grown may have a level more.
    assert!(after <= before + 8, "{after} blocks, {before} before");

    // What is found is the newest version, and what locks the row finds it too.
    let row = client.query_one("SELECT description FROM tokenauth.token", &[]).unwrap();
    assert_eq!(row.get::<_, &str>(0), "3000");
    let revoking = blocks(&mut client, &format!("SELECT tokenauth.revoke('{}')", issued.id));
    assert!(revoking < 600, "{revoking} blocks to revoke");
    let row = client.query_one(&verify, &[]).unwrap();
    assert_eq!(row.get::<_, &str>("verdict"), "revoked");
    drop(reader);
}
