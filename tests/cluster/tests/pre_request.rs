//! As PostgREST calls it: read-only transactions of a role that may only verify, one after the other, forever, in a few
//! sessions. Its errors jump out of the function, so nothing may be left behind.

use postgres::{Client, Error};
use tokenauth_cluster::contract::{issue, prepare};
use tokenauth_cluster::{FAST, Server, memory};

/// Makes a request as PostgREST does, and returns the owner that the query sees.
fn request(client: &mut Client, headers: &str) -> Result<String, Error> {
    let mut transaction = client.build_transaction().read_only(true).start()?;
    transaction.execute(
        "SELECT set_config('search_path', 'public', true), set_config('role', 'web_anon', true),
                set_config('request.headers', $1, true)",
        &[&headers],
    )?;
    transaction.execute("SELECT tokenauth.pre_request()", &[])?;
    let owner = transaction.query_one("SELECT tokenauth.current_owner()", &[])?.get(0);
    transaction.commit()?;
    Ok(owner)
}

fn start() -> (Server, Client) {
    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    client.batch_execute("CREATE ROLE web_anon; SELECT tokenauth.grant_access('web_anon', 'verify')").unwrap();
    (server, client)
}

#[test]
fn a_request_is_authenticated_or_answered_in_the_form_of_postgrest() {
    let (server, mut client) = start();
    let issued = issue(&mut client, "user:1");
    let bearer = format!(r#"{{"authorization": "Bearer {}"}}"#, issued.token);
    assert_eq!(request(&mut client, &bearer).unwrap(), "user:1");

    client.execute("SELECT tokenauth.revoke($1::text::uuid)", &[&issued.id]).unwrap();
    let error = request(&mut client, &bearer).unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.code().code(), "PGRST");
    assert!(error.message().contains(r#""code":"unauthorized""#), "{}", error.message());
    let head = r#"{"headers":{"WWW-Authenticate":"Bearer error=\"invalid_token\""},"status":401}"#;
    assert_eq!(error.detail(), Some(head));
    // Neither the client nor the log gets the presented text.
    assert!(!format!("{error:?}").contains(&issued.token[4..]));
    assert!(!server.log_text().contains(&issued.token[4..]));
}

#[test]
fn a_session_that_refuses_for_ever_does_not_grow() {
    let (_server, mut client) = start();
    let backend: i32 = client.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    let refuse = |client: &mut Client, times: usize| {
        client
            .batch_execute(&format!(
                "DO $$ BEGIN
                     FOR n IN 1..{times} LOOP
                         PERFORM set_config('request.headers',
                                            '{{\"x-api-key\": \"key_' || repeat('x', 200) || '\"}}', true);
                         BEGIN
                             PERFORM tokenauth.pre_request();
                         EXCEPTION WHEN SQLSTATE 'PGRST' THEN NULL;
                         END;
                         -- A refusal closes the transaction, so each has one of its own.
                         COMMIT;
                     END LOOP;
                 END $$"
            ))
            .unwrap();
        memory(backend, "VmRSS") / 1024
    };
    let before = refuse(&mut client, 5_000);
    let after = refuse(&mut client, 50_000);
    // If each request left a hundred bytes behind, these would be 5 MB.
    assert!(after < before + 2_000, "{before} kB before, {after} kB after");
}
