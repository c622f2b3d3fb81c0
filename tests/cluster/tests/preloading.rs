//! However the library comes into a session, every function works, or says that it needs shared memory.

use std::collections::BTreeMap;

use postgres::Client;
use tokenauth_cluster::calls::{self, Call};
use tokenauth_cluster::contract::{issue, prepare};
use tokenauth_cluster::{FAST, Server};

/// How each call ends, by its function: `ok` or a SQLSTATE.
fn outcomes(client: &mut Client, calls: &[Call]) -> BTreeMap<String, String> {
    let mut outcome = |call: &Call| {
        let ended = client.batch_execute(&format!("BEGIN; SELECT {}", call.expression));
        client.batch_execute("ROLLBACK").unwrap();
        match ended {
            Ok(()) => "ok".to_owned(),
            Err(error) => error.code().unwrap_or_else(|| panic!("{}: {error:?}", call.function)).code().to_owned(),
        }
    };
    calls.iter().map(|call| (call.function.clone(), outcome(call))).collect()
}

#[test]
fn every_function_works_or_says_what_it_needs_however_the_library_is_loaded() {
    let mut server = Server::start(FAST);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    client.batch_execute(calls::OBJECTS).unwrap();
    let issued = issue(&mut client, "user:1");
    calls::request_headers(&mut client, &issued);
    let calls = calls::of_every_function(&mut client, &issued);
    let by_need = outcomes(&mut server.connect("postgres"), &calls);
    server.configure_and_restart(&["session_preload_libraries = tokenauth"]);
    assert_eq!(outcomes(&mut server.connect("postgres"), &calls), by_need, "session_preload_libraries");
    server.configure_and_restart(&["session_preload_libraries = ''", "shared_preload_libraries = tokenauth"]);
    let preloaded = outcomes(&mut server.connect("postgres"), &calls);
    for (function, outcome) in &preloaded {
        assert!(!outcome.starts_with("XX"), "{function}: {outcome}");
        let without = &by_need[function];
        assert!(without == outcome || without == "55000", "{function} without preloading: {without}, with: {outcome}");
    }
    assert_ne!(by_need, preloaded, "something needs shared memory");
    assert!(!server.log_text().contains("terminated by signal"));
}
