//! Rates, for which uses are counted.

use std::thread::sleep;
use std::time::Duration;

use tokenauth_cluster::contract::{issue, prepare, revoke, verdict};

use super::{counts, server};

#[test]
fn a_rate_is_kept_for_each_token_by_itself() {
    let server = server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    client.batch_execute("UPDATE tokenauth.kind SET rate_limit = 3, rate_interval = '1 hour'").unwrap();
    let (one_token, other) = (issue(&mut client, "user:1"), issue(&mut client, "user:1"));
    let mut second = server.connect("postgres");
    for client in [&mut client, &mut second, &mut server.connect("postgres")] {
        assert_eq!(verdict(client, &one_token.token), "valid");
    }
    for _ in 0..3 {
        assert_eq!(verdict(&mut second, &one_token.token), "rate_limited");
        assert_eq!(verdict(&mut client, &other.token), "valid");
    }
    let row = client
        .query_one(
            "SELECT v.http_status, (v.detail ->> 'retry_after')::int,
                    tokenauth.error_response(v) -> 'headers' ->> 'Retry-After'
               FROM tokenauth.verify($1) v",
            &[&one_token.token],
        )
        .unwrap();
    let (status, seconds, header): (i32, i32, String) = (row.get(0), row.get(1), row.get(2));
    assert_eq!(status, 429);
    assert!((1..=1200).contains(&seconds), "a third of an hour is the longest, {seconds}");
    assert_eq!(header, seconds.to_string());
    let rate = client
        .query_one("SELECT passed, reason FROM tokenauth.explain($1) WHERE step = 'rate'", &[&one_token.token])
        .unwrap();
    assert!(!rate.get::<_, bool>(0), "{}", rate.get::<_, String>(1));
    assert_eq!(counts(&mut client, &one_token), (3, 4));

    // The rate is judged before the scopes; a dead token is dead however often it is presented.
    assert!(revoke(&mut client, &one_token));
    assert_eq!(verdict(&mut second, &one_token.token), "revoked");
    client.batch_execute("UPDATE tokenauth.kind SET rate_limit = NULL, rate_interval = NULL").unwrap();
    assert_eq!(verdict(&mut second, &other.token), "valid");
}

#[test]
fn a_raised_rate_counts_within_one_of_its_intervals() {
    let server = server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    client.batch_execute("UPDATE tokenauth.kind SET rate_limit = 1, rate_interval = '1 day'").unwrap();
    let issued = issue(&mut client, "user:1");
    assert_eq!(verdict(&mut client, &issued.token), "valid");
    assert_eq!(verdict(&mut client, &issued.token), "rate_limited");
    client.batch_execute("UPDATE tokenauth.kind SET rate_limit = 2, rate_interval = '6 seconds'").unwrap();
    // On a machine that takes longer over this, the time to come back is now.
    let told = "SELECT (detail ->> 'retry_after')::int FROM tokenauth.verify($1)";
    if let Some(seconds) = client.query_one(told, &[&issued.token]).unwrap().get::<_, Option<i32>>(0) {
        assert!((1..=3).contains(&seconds), "{seconds} of at most 3 seconds");
        sleep(Duration::from_secs(seconds.unsigned_abs().into()));
        assert_eq!(verdict(&mut client, &issued.token), "valid", "when it was told to come back");
    }
}

#[test]
fn each_call_takes_one_use_from_the_rate() {
    let server = server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    client.batch_execute("UPDATE tokenauth.kind SET rate_limit = 4, rate_interval = '1 day'").unwrap();
    let issued = issue(&mut client, "user:1");
    // verify() and then sign_in() in one transaction are two.
    for expected in ["valid", "valid", "rate_limited"] {
        let mut transaction = client.transaction().unwrap();
        for function in ["verify", "sign_in"] {
            let sql = format!("SELECT verdict FROM tokenauth.{function}($1)");
            assert_eq!(transaction.query_one(&sql, &[&issued.token]).unwrap().get::<_, &str>(0), expected);
        }
        transaction.commit().unwrap();
    }
    assert_eq!(counts(&mut client, &issued), (4, 2), "what is charged is what is counted");
}
