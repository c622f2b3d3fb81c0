//! Unusual use of tokens.

use postgres::Client;
use tokenauth_cluster::contract::{Issued, issue, prepare, revoke};
use tokenauth_cluster::wait_until;

use super::{one, server};

/// The signals for a token, in order.
fn signals(client: &mut Client, token: &Issued) -> Vec<String> {
    let rows = client
        .query("SELECT signal FROM tokenauth.unusual_activity() WHERE token = $1::text::uuid", &[&token.id])
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Makes the traffic so far `days` days older.
fn age(client: &mut Client, days: i32) {
    wait_until("the flush", || {
        let waiting = "SELECT bool_and(t.request_count = u.request_count AND t.denied_count = u.denied_count)
                         FROM tokenauth.tokens t JOIN tokenauth.usage u ON u.token_id = t.id";
        one(client, waiting)
    });
    let older = "UPDATE tokenauth.usage_hourly SET hour = hour - make_interval(days => $1)";
    client.execute(older, &[&days]).unwrap();
}

#[test]
fn unusual_activity_shows_each_signal_with_its_evidence() {
    let server = server(&[]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let tokens: Vec<Issued> = (0..6).map(|_| issue(&mut client, "user:1")).collect();
    let [usual, network, spike, dormant, denied, dead] = &tokens[..] else { panic!("six tokens") };
    let verify = |client: &mut Client, token: &Issued, from: &str, times: i32| {
        let query = "SELECT tokenauth.verify($1, client => $2) FROM generate_series(1, $3)";
        client.query(query, &[&token.token, &from, &times]).unwrap();
    };
    // Some usual days: tokens used from one network, ten times each.
    for _ in 0..3 {
        for token in [usual, network, spike, dead] {
            verify(&mut client, token, "10.0.0.1", 10);
        }
        age(&mut client, 2);
    }
    verify(&mut client, dormant, "10.0.0.1", 10);
    age(&mut client, 40);
    for token in [usual, network, spike, dead] {
        verify(&mut client, token, "10.0.0.1", 10);
    }
    age(&mut client, 2);
    // The day of use just added keeps the others from waking, too: their earlier history is forty days old now.
    verify(&mut client, usual, "10.0.0.99", 12);
    verify(&mut client, network, "10.0.0.1", 10);
    verify(&mut client, network, "192.0.2.7", 1);
    verify(&mut client, spike, "10.0.0.1", 150);
    verify(&mut client, dormant, "10.0.0.1", 1);
    client.query("SELECT tokenauth.verify($1, '{nothing}') FROM generate_series(1, 25)", &[&denied.token]).unwrap();
    assert!(revoke(&mut client, dead));
    verify(&mut client, dead, "198.51.100.1", 1);
    age(&mut client, 0);

    assert_eq!(signals(&mut client, usual), [""; 0]);
    assert_eq!(signals(&mut client, network), ["new_network"]);
    assert_eq!(signals(&mut client, spike), ["spike"]);
    assert_eq!(signals(&mut client, dormant), ["dormant_woke"]);
    assert_eq!(signals(&mut client, denied), ["denied_burst"]);
    assert_eq!(signals(&mut client, dead), ["used_after_death"]);
    let evidence =
        |signal: &str| format!("SELECT evidence::text FROM tokenauth.unusual_activity() WHERE signal = '{signal}'");
    let shown: String = one(&mut client, &evidence("new_network"));
    assert!(
        shown.contains(r#""known": ["10.0.0.0/24"]"#) && shown.contains(r#""networks": ["192.0.2.0/24"]"#),
        "{shown}"
    );
    assert!(one::<String>(&mut client, &evidence("spike")).contains(r#""usual": 10.0"#));
    assert!(one::<String>(&mut client, &evidence("denied_burst")).contains(r#""denials": 25"#));
    assert!(one::<String>(&mut client, &evidence("used_after_death")).contains(r#""client": "198.51.100.1""#));

    // The report shows what was unusual in the last week.
    let reported = "SELECT string_agg(value, E'\n' ORDER BY value) FROM tokenauth.report()
                     WHERE section = 'unusual' AND item LIKE '% of user:1'";
    let found = "SELECT string_agg(concat_ws(' ', signal, evidence), E'\n' ORDER BY concat_ws(' ', signal, evidence))
                   FROM tokenauth.unusual_activity('7 days')";
    let reported: String = one(&mut client, reported);
    assert_eq!(reported, one::<String>(&mut client, found));
    assert!(reported.contains("denied_burst") && reported.contains("used_after_death"), "{reported}");

    // An interval longer than the calendar stands for all there is.
    let ever: i64 = one(&mut client, "SELECT count(*) FROM tokenauth.unusual_activity('170000000 years')");
    let century: i64 = one(&mut client, "SELECT count(*) FROM tokenauth.unusual_activity('100 years')");
    assert_eq!(ever, century);
}
