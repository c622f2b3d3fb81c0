//! A fenced server refuses whatever verifies or changes tokens, and shows everything.

use std::collections::BTreeSet;

use postgres::Client;
use tokenauth_cluster::contract::prepare;
use tokenauth_cluster::{FAST, Server};

use super::{FENCE, fence_file, refused};

/// A call of each function of the extension, without the arguments that may be left out, and with NULL for the others.
const CALLS: &str = "
    SELECT p.proname::text,
           format('SELECT tokenauth.%I(%s)', p.proname,
                  (SELECT string_agg('NULL::' || format_type(type, NULL), ', ' ORDER BY place)
                     FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS a (type, place)
                    WHERE place <= p.pronargs - p.pronargdefaults))
      FROM pg_proc p
     WHERE p.pronamespace = 'tokenauth'::regnamespace AND p.prorettype <> 'trigger'::regtype
       AND p.proname NOT LIKE 'signal\\_%'
     ORDER BY 1";

/// Functions that verify what is presented.
const VERIFY: [&str; 11] = [
    "authenticate",
    "authenticate_digest",
    "authenticate_request",
    "introspect",
    "pre_request",
    "sign_in",
    "sign_in_digest",
    "sign_in_request",
    "verify",
    "verify_digest",
    "verify_request",
];

fn refusing(client: &mut Client, how: &str) -> BTreeSet<String> {
    let calls: Vec<(String, String)> =
        client.query(CALLS, &[]).unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
    assert!(calls.len() > 70, "{}", calls.len());
    calls
        .into_iter()
        .filter(|(_, call)| {
            let told = refused(client, &format!("BEGIN; {call}"));
            client.batch_execute("ROLLBACK").unwrap();
            told.starts_with(how)
        })
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn it_refuses_what_a_reader_refuses_and_every_verification_but_imports_deaths() {
    let mut server = Server::start(FAST);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    client.batch_execute("SET tokenauth.reader = on").unwrap();
    let mut expected = refusing(&mut client, "25006 ");
    assert!(expected.contains("issue") && expected.contains("revoke_all"), "{expected:?}");
    assert!(expected.remove("import_revocations"));
    expected.extend(VERIFY.map(str::to_owned));
    drop(client);

    server.write_file(FENCE, "tokenauth fence 1\nsystem 1\ntimeline 1\nposition 0/1\ncounter 1\n", 0o600);
    server.configure_and_restart(&[&fence_file(&server)]);
    let mut client = server.connect("postgres");
    assert_eq!(refusing(&mut client, &format!("55000 {}", super::FENCED)), expected);

    let kind = "UPDATE tokenauth.kind SET description = 'changed'";
    assert!(super::is_fenced(&mut client, kind), "kinds decide what tokens may");
    // To put things right by hand is left to superusers.
    client.batch_execute("UPDATE tokenauth.token SET description = 'changed'").unwrap();
    client
        .batch_execute(
            "SELECT count(*) FROM tokenauth.list(); SELECT count(*) FROM tokenauth.tokens;
             SELECT count(*) FROM tokenauth.events; SELECT count(*) FROM tokenauth.report();
             SELECT count(*) FROM tokenauth.explain('x'); SELECT tokenauth.export_revocations('-infinity')",
        )
        .unwrap();
    let first = client.query_one("SELECT step || ': ' || reason FROM tokenauth.explain('x') LIMIT 1", &[]).unwrap();
    let first: String = first.get(0);
    assert!(first.starts_with("fence: ") && first.contains(super::FENCED), "{first}");
}
