//! After `erase` nothing tells who somebody was: not the dump, not the planner's statistics, not the file that is
//! written at a clean stop, and neither what is counted of the dead tokens later, here or on a standby.

use std::fs;

use postgres::Client;
use tokenauth_cluster::contract::{Issued, prepare, verdict};
use tokenauth_cluster::{Server, wait_until};

use crate::{lazy_server, one, server};

const OWNER: &str = "user:ada.lovelace@example.org";
const TRACES: [&str; 6] = ["lovelace", "Countess", "laptop-of-ada", "192.0.2.77", "192.0.2.0/24", "mother-of-code"];
const CLIENT: [u8; 4] = [192, 0, 2, 77];
/// Of somebody who is not forgotten, so that what looks for addresses is known to find them.
const OTHER_CLIENT: [u8; 4] = [198, 51, 100, 9];

fn issue(client: &mut Client, owner: &str) -> Issued {
    let sql = "SELECT token, id::text FROM tokenauth.issue('key', $1, 'laptop-of-ada', scopes => '{devices:read}',
                                                           metadata => '{\"alias\": \"mother-of-code\"}')";
    let row = client.query_one(sql, &[&owner]).unwrap();
    Issued { token: row.get(0), id: row.get(1) }
}

fn put(client: &mut Client) {
    let put = "SELECT tokenauth.put_principal($1, '{devices:read}', display_name => 'Countess of Lovelace')";
    client.execute(put, &[&OWNER]).unwrap();
}

fn use_from(client: &mut Client, issued: &Issued, address: &str) -> String {
    client
        .query_one("SELECT verdict FROM tokenauth.verify($1, client => $2)", &[&issued.token, &address])
        .unwrap()
        .get(0)
}

fn traces(text: &str) -> Vec<&'static str> {
    let text = text.to_lowercase();
    TRACES.into_iter().filter(|trace| text.contains(&trace.to_lowercase())).collect()
}

/// The file that the server has written at its stop, and whether an address is in it.
fn has_address(server: &Server, address: [u8; 4]) -> bool {
    let file = fs::read(server.file("data").join("pg_stat/tokenauth.stat")).unwrap();
    let reversed = {
        let mut bytes = address;
        bytes.reverse();
        bytes
    };
    file.windows(4).any(|bytes| bytes == address || bytes == reversed)
}

fn statistics(client: &mut Client) -> String {
    one(
        client,
        "SELECT coalesce(string_agg(to_jsonb(s)::text, ' '), '') FROM pg_stats s WHERE schemaname = 'tokenauth'",
    )
}

#[test]
fn neither_dump_nor_statistics_nor_the_file_of_a_clean_stop_has_a_trace_of_who_was_erased() {
    let mut server = lazy_server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    put(&mut client);
    let hers = issue(&mut client, OWNER);
    let other = issue(&mut client, "user:1");
    client
        .batch_execute(
            "UPDATE tokenauth.token SET name = NULL, metadata = NULL WHERE owner = 'user:1';
        DELETE FROM tokenauth.as_issued",
        )
        .unwrap();
    assert_eq!(use_from(&mut client, &hers, "192.0.2.77"), "valid");
    assert_eq!(use_from(&mut client, &other, "198.51.100.9"), "valid");
    client.batch_execute("ANALYZE").unwrap();
    let dumped = String::from_utf8(server.dump("postgres", &[])).unwrap();
    assert!(traces(&dumped).len() >= 3, "{:?}", traces(&dumped));
    assert!(!traces(&statistics(&mut client)).is_empty(), "there is something to be found in statistics");

    let rows: i64 = client.query_one("SELECT tokenauth.erase($1)", &[&OWNER]).unwrap().get(0);
    assert!(rows > 0);
    // Presented once more: what is counted of it has no address.
    assert_eq!(use_from(&mut client, &hers, "192.0.2.77"), "revoked");
    let dumped = String::from_utf8(server.dump("postgres", &[])).unwrap();
    assert_eq!(traces(&dumped), Vec::<&str>::new());
    assert_eq!(traces(&statistics(&mut client)), Vec::<&str>::new());
    drop(client);
    server.stop();
    assert!(has_address(&server, OTHER_CLIENT), "the file has addresses");
    assert!(!has_address(&server, CLIENT));
}

#[test]
fn what_arrives_later_of_the_uses_of_who_was_erased_is_stored_without_addresses() {
    let primary = server(&[]);
    let mut on_primary = primary.connect("postgres");
    prepare(&mut on_primary);
    put(&mut on_primary);
    let hers = issue(&mut on_primary, OWNER);
    let standby = primary.standby();
    standby.catch_up_with(&primary);
    let mut on_standby = standby.connect("postgres");
    assert_eq!(use_from(&mut on_standby, &hers, "192.0.2.77"), "valid");
    let exported: String = one(&mut on_standby, "SELECT tokenauth.usage_export()::text");
    assert!(exported.contains("192.0.2.77") && exported.contains(r#""copy":"#), "{exported}");
    on_primary.query_one("SELECT tokenauth.erase($1)", &[&OWNER]).unwrap();
    let imported: i64 =
        on_primary.query_one("SELECT tokenauth.usage_import($1::text::jsonb)", &[&exported]).unwrap().get(0);
    assert_eq!(imported, 1);
    let usage = "SELECT request_count || ' ' || (last_client IS NULL) FROM tokenauth.usage";
    assert_eq!(one::<String>(&mut on_primary, usage), "1 true");
    assert_eq!(
        one::<i64>(&mut on_primary, "SELECT count(*) FROM tokenauth.usage_copy"),
        1,
        "the copy is known from now on"
    );
    // A denial becomes an event, without the client.
    assert_eq!(use_from(&mut on_primary, &hers, "192.0.2.77"), "revoked");
    wait_until("the denial to become an event", || {
        one(&mut on_primary, "SELECT EXISTS (SELECT FROM tokenauth.events WHERE event = 'token.denied')")
    });
    let dumped = String::from_utf8(primary.dump("postgres", &[])).unwrap();
    assert_eq!(traces(&dumped), Vec::<&str>::new());
    // The standby follows.
    standby.catch_up_with(&primary);
    assert_eq!(verdict(&mut on_standby, &hers.token), "revoked");
    let owner: String = one(&mut on_standby, "SELECT owner FROM tokenauth.tokens");
    assert!(owner.starts_with("user:erased-"), "{owner}");
}
