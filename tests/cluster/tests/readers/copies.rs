//! Readers are what their primary is: row for row and verdict for verdict, and after a first copy during which it
//! killed.

use std::thread;

use postgres::Client;
use tokenauth_cluster::contract::{Issued, issue, verdict};
use tokenauth_cluster::{Random, rounds};

use super::{one, primary, reader, subscription, unsubscribed, wait_for_copies};

/// What the primary is asked to do with a token `$id` of `$owner`.
const OPERATIONS: &[&str] = &[
    "SELECT tokenauth.edit('$id', name => 'another', expires_in => '1 hour')",
    "SELECT tokenauth.disable('$id')",
    "SELECT tokenauth.enable('$id')",
    "SELECT tokenauth.revoke('$id', reason => 'at random')",
    "SELECT tokenauth.delete('$id')",
    "SELECT tokenauth.rotate('$id', grace => '1 hour')",
    "SELECT tokenauth.revoke_all(owner => '$owner')",
    "SELECT tokenauth.deactivate('$owner')",
    "SELECT tokenauth.activate('$owner')",
    "SELECT tokenauth.put_principal('$owner', '{devices:read}', active => true)",
    "SELECT tokenauth.put_principal('$owner', '{sites:*}', '{\"site\": [\"nyc\"]}')",
    "SELECT tokenauth.add_member('org:1', '$owner', '{devices:read}')",
    "SELECT tokenauth.remove_member('org:1', '$owner')",
    "UPDATE tokenauth.kind SET ceiling = '{devices:*}' WHERE name = 'key'",
    "UPDATE tokenauth.kind SET ceiling = NULL WHERE name = 'key'",
    "SELECT tokenauth.purge('0')",
    "TRUNCATE tokenauth.member",
    "BEGIN; SELECT tokenauth.revoke('$id'); ROLLBACK",
    "BEGIN; SAVEPOINT s; SELECT tokenauth.revoke('$id'); ROLLBACK TO s; SELECT tokenauth.disable('$id'); COMMIT",
];

#[test]
fn after_random_operations_two_readers_are_what_the_primary_is() {
    let (primary, mut on_primary) = primary(&[]);
    on_primary.batch_execute("SELECT tokenauth.put_principal('org:1')").unwrap();
    let (_one, mut on_one) = reader(&primary, "one");
    let (_other, mut on_other) = reader(&primary, "other");
    let mut random = Random::new(15);
    let mut tokens: Vec<(Issued, String)> = Vec::new();
    for number in 0..rounds(250, 1000) {
        if number % 5 == 0 {
            let owner = format!("user:{}", random.below(9));
            on_primary
                .execute("SELECT tokenauth.put_principal($1, '{devices:read}', active => true)", &[&owner])
                .unwrap();
            tokens.push((issue(&mut on_primary, &owner), owner));
        }
        let (issued, owner) = random.pick(&tokens);
        let operation = random.pick(OPERATIONS).replace("$id", &issued.id).replace("$owner", owner);
        for sql in operation.split("; ") {
            // What is refused, such as an edit of a dead token, changes nothing anywhere.
            if on_primary.batch_execute(sql).is_err() {
                let _ = on_primary.batch_execute("ROLLBACK");
            }
        }
        // So that each remembers something from time to time.
        if number % 7 == 0 {
            for client in [&mut on_one, &mut on_other] {
                let _ = verdict(client, &random.pick(&tokens).0.token);
            }
        }
    }
    primary.wait_for_subscribers();
    for table in ["kind", "principal", "member", "mass_death", "token", "import", "key"] {
        let rows =
            format!("SELECT coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '') FROM tokenauth.{table} t");
        let [there, here, elsewhere]: [String; 3] =
            [&mut on_primary, &mut on_one, &mut on_other].map(|client| one(client, &rows));
        assert!(there == here && there == elsewhere, "{table}:\n{there}\n{here}\n{elsewhere}");
    }
    for (issued, _) in &tokens {
        let [there, here, elsewhere] =
            [&mut on_primary, &mut on_one, &mut on_other].map(|client| verdict(client, &issued.token));
        assert!(there == here && there == elsewhere, "{}: {there}, {here}, {elsewhere}", issued.id);
    }
}

#[test]
fn none_that_dies_during_the_first_copy_is_valid_afterwards() {
    let (primary, mut on_primary) = primary(&[]);
    let owners: Vec<String> = (2..12).map(|number| format!("user:{number}")).collect();
    for owner in &owners {
        on_primary.execute("SELECT tokenauth.put_principal($1, '{devices:read}')", &[owner]).unwrap();
    }
    let many = i32::try_from(rounds(20_000, 1_000_000)).unwrap();
    on_primary
        .execute("SELECT count(tokenauth.issue('key', 'user:' || 2 + n % 10)) FROM generate_series(1, $1) n", &[&many])
        .unwrap();
    let killed: Vec<Issued> = (0..60).map(|_| issue(&mut on_primary, "user:1")).collect();
    let kept = issue(&mut on_primary, "user:1");
    let of_the_dead: Vec<Issued> = owners.iter().map(|owner| issue(&mut on_primary, owner)).collect();

    let (_reader, mut on_reader) = unsubscribed();
    on_reader.batch_execute(&subscription(&primary, "reader")).unwrap();
    thread::scope(|scope| {
        let copying = scope.spawn(|| wait_for_copies(&mut on_reader));
        for (number, issued) in killed.iter().enumerate() {
            kill(&mut on_primary, number, issued, &owners);
        }
        copying.join().unwrap();
    });
    primary.wait_for_subscribers();
    let mut valid: Vec<&str> = Vec::new();
    valid.extend(
        killed
            .iter()
            .chain(&of_the_dead)
            .map(|issued| issued.token.as_str())
            .filter(|token| verdict(&mut on_reader, token) == "valid"),
    );
    assert!(valid.is_empty(), "{} of those that were killed are valid", valid.len());
    assert_eq!(verdict(&mut on_reader, &kept.token), "valid");
}

/// One token each time, and every sixth time an owner as well.
fn kill(client: &mut Client, number: usize, issued: &Issued, owners: &[String]) {
    client.execute("SELECT tokenauth.revoke($1::text::uuid)", &[&issued.id]).unwrap();
    if let Some(owner) = owners.get(number / 6).filter(|_| number.is_multiple_of(6)) {
        client.execute("SELECT tokenauth.deactivate($1)", &[owner]).unwrap();
    }
}
