//! A reader in another region: how long a death takes to get there is what it costs where it is waited for, and how old
//! a verdict there may be where it is not.

use std::thread;
use std::time::Duration;

use postgres::Client;
use tokenauth_cluster::contract::{Issued, issue, revoke, verdict};
use tokenauth_cluster::{Distance, Server, rounds, wait_until};

use super::{one, primary, subscription, unsubscribed, verdict_or_error, verdict_within_bound, wait_for_copies};

/// A primary, and a reader to which it takes 80 ms there and back; the line ends before the servers do.
fn regions() -> (Server, Client, Server, Client, Distance) {
    let (primary, on_primary) = primary(&[]);
    let distance = Distance::to(&primary, 6433, Duration::from_millis(80));
    let (reader, mut on_reader) = unsubscribed();
    let here = primary.connection_string("postgres");
    let subscribe = subscription(&primary, "reader").replace(&here, &distance.connection_string(&here));
    on_reader.batch_execute(&subscribe).unwrap();
    wait_for_copies(&mut on_reader);
    primary.wait_for_subscribers();
    (primary, on_primary, reader, on_reader, distance)
}

fn issue_there(on_primary: &mut Client, on_reader: &mut Client) -> Issued {
    let issued = issue(on_primary, "user:1");
    wait_until("the token to arrive", || verdict_or_error(on_reader, &issued.token) == "valid");
    issued
}

#[test]
fn a_strict_death_is_acknowledged_when_it_has_arrived_however_far_that_is() {
    let (primary, mut on_primary, _reader, mut on_reader, distance) = regions();
    primary.reconfigure(&["synchronous_standby_names = 'FIRST 1 (reader)'"]);
    for _ in 0..rounds(5, 100) {
        let issued = issue_there(&mut on_primary, &mut on_reader);
        assert!(revoke(&mut on_primary, &issued));
        assert_eq!(verdict(&mut on_reader, &issued.token), "revoked");
    }

    // Over a line that is cut it is not acknowledged, nor known, and both as soon as it is mended.
    let issued = issue_there(&mut on_primary, &mut on_reader);
    distance.cut();
    let pid: i32 = one(&mut on_primary, "SELECT pg_backend_pid()");
    let mut witness = primary.connect("postgres");
    thread::scope(|scope| {
        let (client, token) = (&mut on_primary, &issued);
        let death = scope.spawn(move || revoke(client, token));
        wait_until("the death to wait", || {
            let waits = "SELECT coalesce(wait_event = 'SyncRep', false) FROM pg_stat_activity WHERE pid = $1";
            witness.query_one(waits, &[&pid]).unwrap().get(0)
        });
        assert_eq!(verdict(&mut on_reader, &issued.token), "valid");
        assert!(!death.is_finished(), "acknowledged before it has arrived");
        distance.mend();
        assert!(death.join().unwrap());
    });
    assert_eq!(verdict(&mut on_reader, &issued.token), "revoked");
    primary.reconfigure(&["synchronous_standby_names = ''"]);
}

#[test]
fn a_verdict_from_afar_is_no_older_than_the_bound() {
    let (_primary, mut on_primary, _reader, mut on_reader, distance) = regions();
    on_reader.batch_execute("SET tokenauth.max_staleness = '5s'").unwrap();
    let issued = issue_there(&mut on_primary, &mut on_reader);
    distance.cut();
    assert!(revoke(&mut on_primary, &issued), "nobody is waited for");
    wait_until("the reader to refuse", || verdict_within_bound(&mut on_reader, &issued.token) == "55000");
    distance.mend();
    wait_until("the reader to verify again", || verdict_within_bound(&mut on_reader, &issued.token) == "revoked");
}
