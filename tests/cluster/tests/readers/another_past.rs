//! A reader can know more than the standby that takes the place of a lost primary. It does not hear then what the new
//! primary writes at the places in its WAL that the reader believes to know.

use std::fs;

use postgres::Client;
use tokenauth_cluster::contract::{issue, revoke, verdict};
use tokenauth_cluster::{Server, example, wait_until};

use super::{one, primary, reader, verdict_or_error, wait_for_copies};

/// Lets a standby take the place of the primary, with a new slot for the reader, and the reader follow it.
fn take_over(standby: &Server, on_reader: &mut Client) -> Client {
    let mut on_primary = standby.connect("postgres");
    on_primary
        .batch_execute("SELECT pg_promote(); SELECT pg_create_logical_replication_slot('reader', 'pgoutput')")
        .unwrap();
    let connection = standby.connection_string("postgres");
    on_reader.batch_execute(&format!("ALTER SUBSCRIPTION reader CONNECTION '{connection}'")).unwrap();
    on_primary
}

fn place(client: &mut Client, what: &str) -> i64 {
    one(client, &format!("SELECT ({what} - '0/0')::bigint"))
}

#[test]
fn a_reader_goes_on_with_a_standby_that_had_everything() {
    let (mut primary, mut on_primary) = primary(&[]);
    let killed = issue(&mut on_primary, "user:1");
    let (_reader, mut on_reader) = reader(&primary, "reader");
    let standby = primary.standby();
    wait_until("the token to arrive", || verdict(&mut on_reader, &killed.token) == "valid");
    // It writes no beat before there is a slot, from which on the reader hears of everything.
    on_primary.batch_execute("ALTER DATABASE postgres SET tokenauth.reader = on").unwrap();
    // A clean stop waits until everybody has everything.
    primary.stop();
    let mut on_standby = take_over(&standby, &mut on_reader);
    on_standby.batch_execute("ALTER DATABASE postgres RESET tokenauth.reader").unwrap();
    on_standby.batch_execute("SELECT pg_reload_conf()").unwrap();
    let mut on_primary = standby.connect("postgres");
    let other = issue(&mut on_primary, "user:1");
    assert!(revoke(&mut on_primary, &killed));
    wait_until("the death to arrive", || verdict(&mut on_reader, &killed.token) == "revoked");
    wait_until("the token to arrive", || verdict(&mut on_reader, &other.token) == "valid");
    let timelines = "SELECT timeline FROM tokenauth.heartbeat";
    wait_until("the new primary's beat", || one::<i32>(&mut on_reader, timelines) == 2);
    let other = issue(&mut on_primary, "user:1");
    wait_until("the next token to arrive", || verdict(&mut on_reader, &other.token) == "valid");
}

#[test]
fn a_reader_that_knows_more_than_its_new_primary_refuses_until_it_has_copied_anew() {
    let (mut primary, mut on_primary) = primary(&[]);
    let killed = issue(&mut on_primary, "user:1");
    let (reader, mut on_reader) = reader(&primary, "reader");
    let mut standby = primary.standby();
    on_reader.batch_execute("SET tokenauth.max_staleness = '6s'").unwrap();
    wait_until("the token to arrive", || verdict_or_error(&mut on_reader, &killed.token) == "valid");
    standby.catch_up_with(&primary);
    wait_until("a beat of the first primary", || {
        one::<i64>(&mut standby.connect("postgres"), "SELECT count(*) FROM tokenauth.heartbeat") == 1
    });
    standby.stop();

    // The reader hears of all this, the standby of nothing.
    for _ in 0..300 {
        issue(&mut on_primary, "user:1");
    }
    primary.wait_for_subscribers();
    let known = place(&mut on_primary, "pg_current_wal_lsn()");
    primary.kill();
    standby.start_again();
    let mut on_primary = take_over(&standby, &mut on_reader);
    assert!(revoke(&mut on_primary, &killed));
    assert!(
        place(&mut on_primary, "pg_current_wal_lsn()") < known,
        "the death is where the reader takes all for known"
    );
    while place(&mut on_primary, "pg_current_wal_lsn()") < known + 100_000 {
        issue(&mut on_primary, "user:1");
    }

    // The beats that come from now on are fresh, and must not vouch for what it does not know.
    wait_until("the reader to refuse", || verdict_or_error(&mut on_reader, &killed.token) == "55000");
    wait_until("the server to say why", || {
        reader.log_text().contains("reader lacks changes of its primary")
            && reader.log_text().contains("the new primary has gone on from")
    });
    for _ in 0..20 {
        std::thread::sleep(std::time::Duration::from_millis(500));
        assert_eq!(verdict_or_error(&mut on_reader, &killed.token), "55000");
    }

    let script = |name: &str| {
        let text = fs::read_to_string(example("patroni/before_17").join(name)).unwrap();
        format!("\\set primary '{}'\n{text}", standby.connection_string("postgres"))
    };
    reader.psql("postgres", &script("copy_anew.sql"));
    assert_ne!(verdict_or_error(&mut on_reader, &killed.token), "valid");
    reader.psql("postgres", &script("subscribe.sql"));
    wait_for_copies(&mut on_reader);
    wait_until("the reader to verify again", || verdict_or_error(&mut on_reader, &killed.token) == "revoked");
}
