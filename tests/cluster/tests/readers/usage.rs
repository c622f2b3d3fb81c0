//! Uses counted on a reader stay in its memory until the primary has fetched them, and count once.

use postgres::Client;
use tokenauth_cluster::contract::{Issued, issue};
use tokenauth_cluster::wait_until;

use super::{findings, one, primary, reader};

pub fn verify_often(client: &mut Client, issued: &Issued, times: i32) {
    let sql =
        "SELECT count(*) FROM generate_series(1, $2) n, tokenauth.verify($1, client => '10.0.0.' || n) v WHERE v.ok";
    assert_eq!(client.query_one(sql, &[&issued.token, &times]).unwrap().get::<_, i64>(0), i64::from(times));
}

/// How often the token was used, as lists show it, and in the tables.
fn counts(client: &mut Client, issued: &Issued) -> (i64, Option<i64>) {
    let sql = "SELECT request_count, (SELECT u.request_count FROM tokenauth.usage u WHERE u.token_id = t.id)
                 FROM tokenauth.tokens t WHERE id = $1::text::uuid";
    let row = client.query_one(sql, &[&issued.id]).unwrap();
    (row.get(0), row.get(1))
}

/// Brings in what the reader hands out; how many tokens it had, if anything.
pub fn fetch(from: &mut Client, to: &mut Client) -> Option<i64> {
    let batch: String = one::<Option<String>>(from, "SELECT tokenauth.usage_export()::text")?;
    Some(to.query_one("SELECT tokenauth.usage_import($1::text::jsonb)", &[&batch]).unwrap().get(0))
}

#[test]
fn both_sides_count_the_same_token_in_the_same_hour_and_replication_goes_on() {
    let (primary, mut on_primary) = primary(&[]);
    let issued = issue(&mut on_primary, "user:1");
    let (mut reader, mut on_reader) = reader(&primary, "reader");

    verify_often(&mut on_primary, &issued, 4);
    verify_often(&mut on_reader, &issued, 6);
    wait_until("the primary to write", || counts(&mut on_primary, &issued) == (4, Some(4)));
    // Over several rounds of its worker, the reader writes nothing.
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(counts(&mut on_reader, &issued), (6, None));
    assert_eq!(one::<i64>(&mut on_reader, "SELECT count(*) FROM tokenauth.usage_hourly"), 0);
    assert!(!one::<bool>(
        &mut on_reader,
        "SELECT EXISTS (SELECT FROM tokenauth.doctor() WHERE finding LIKE 'usage has waited%')"
    ));

    assert_eq!(fetch(&mut on_reader, &mut on_primary), Some(1));
    assert_eq!(counts(&mut on_primary, &issued), (10, Some(10)));
    let hourly = "SELECT sum(request_count)::bigint FROM tokenauth.usage_hourly";
    assert_eq!(one::<i64>(&mut on_primary, hourly), 10);
    // It hears by replication that this batch has arrived, and until then hands out the same again.
    if let Some(again) = fetch(&mut on_reader, &mut on_primary) {
        assert_eq!(again, 0);
    }
    primary.wait_for_subscribers();
    assert_eq!(fetch(&mut on_reader, &mut on_primary), None);

    // What it has not handed out survives its clean stop, and what has arrived is not told again.
    verify_often(&mut on_reader, &issued, 5);
    reader.restart();
    let mut on_reader = reader.connect("postgres");
    assert_eq!(counts(&mut on_reader, &issued), (5, None));
    verify_often(&mut on_reader, &issued, 2);
    while fetch(&mut on_reader, &mut on_primary).is_some() {
        primary.wait_for_subscribers();
    }
    assert_eq!(counts(&mut on_primary, &issued), (17, Some(17)));
    assert_eq!(one::<i64>(&mut on_primary, hourly), 17);
    wait_until("doctor to find nothing", || findings(&mut on_reader).is_empty());
}

#[test]
fn a_database_that_is_no_reader_any_more_writes_what_it_has_counted() {
    let (primary, mut on_primary) = primary(&[]);
    let issued = issue(&mut on_primary, "user:1");
    let (reader, mut on_reader) = reader(&primary, "reader");
    verify_often(&mut on_reader, &issued, 3);
    // Its worker has seen that it is a reader, and leaves it alone for a while.
    std::thread::sleep(std::time::Duration::from_secs(2));
    on_reader.batch_execute("DROP SUBSCRIPTION reader").unwrap();
    on_reader.batch_execute("ALTER DATABASE postgres RESET tokenauth.reader").unwrap();
    let mut on_reader = reader.connect("postgres");
    wait_until("the server to write", || counts(&mut on_reader, &issued).1 == Some(3));
}
