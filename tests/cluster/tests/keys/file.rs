//! The key file itself: where it may lie, whose it must be, and who is told when it cannot be used.

use std::os::unix::fs::chown;

use nix::unistd::geteuid;
use tokenauth_cluster::Server;
use tokenauth_cluster::contract::{issue, prepare, verdict};

use super::{ONE, STATE, assert_key_refused, keys, prepared, use_file};

#[test]
fn a_file_that_others_could_have_read_or_written_is_not_used() {
    let (server, mut client) = prepared();
    keys(&server, &[("pepper", "one", ONE)]);
    let issued = issue(&mut client, "user:1");
    let good = format!("pepper one {ONE}\n");
    server.write_file("readable", &good, 0o640);
    server.write_file("data/inside", &good, 0o600);
    server.write_file("malformed", &format!("{good}pepper two {}\n", &ONE[1..]), 0o600);
    server.write_file("foreign", &good, 0o600);
    server.write_file("read-only", &good, 0o400);
    let path = |name: &str| server.file(name).to_str().unwrap().to_owned();

    let mut faults = vec![
        (path("readable"), "Its mode must be 0600 or 0400."),
        (path("data/inside"), "It must lie outside the data directory."),
        (path("data/../data/inside"), "It must lie outside the data directory."),
        (path("absent"), "It could not be read: entity not found."),
        (path("data"), "It must lie outside the data directory."),
        (path("."), "It must be a regular file."),
        ("keys".to_owned(), "Its path must be absolute."),
        (path("malformed"), "Line 2 must be"),
    ];
    if geteuid().is_root() {
        chown(server.file("foreign"), Some(0), Some(0)).unwrap();
        faults.push((path("foreign"), "It must belong to the user that the server runs as."));
    }
    for (path, detail) in faults {
        let logged = server.log_text().len();
        use_file(&server, &path);
        for client in [&mut client, &mut server.connect("postgres")] {
            assert_key_refused(client, &issued.token, "key file cannot be used");
            let error = client.query("SELECT tokenauth.issue('key', 'user:1')", &[]).unwrap_err();
            let error = error.as_db_error().unwrap();
            assert_eq!(error.code(), &STATE);
            assert!(error.detail().unwrap().starts_with(detail), "{path}: {}", error.detail().unwrap());
        }
        let log = server.log_text()[logged..].to_owned();
        assert!(log.contains("WARNING:  key file cannot be used") && log.contains(detail), "{path}: {log}");
    }
    assert!(!server.log_text().contains(&ONE[1..]), "no key is ever logged");

    use_file(&server, &path("read-only"));
    assert_eq!(verdict(&mut client, &issued.token), "valid");
}

#[test]
fn a_server_that_has_loaded_the_library_warns_when_it_starts() {
    let mut server = Server::start(&["fsync = off", "shared_preload_libraries = 'tokenauth'"]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    keys(&server, &[("pepper", "one", ONE)]);
    let issued = issue(&mut client, "user:1");
    let warnings = |server: &Server| server.log_text().matches("WARNING:  key file cannot be used").count();
    assert_eq!(warnings(&server), 0);

    server.write_file("keys", &format!("pepper one {ONE}\n"), 0o644);
    server.restart();
    let mut client = server.connect("postgres");
    assert_key_refused(&mut client, &issued.token, "key file cannot be used");
    assert_eq!(warnings(&server), 1, "once, by the server, and not in each session");

    server.write_file("keys", &format!("pepper one {ONE}\n"), 0o600);
    assert_eq!(verdict(&mut client, &issued.token), "valid", "a call that needs it looks again");
    server.reconfigure(&[]);
    assert_eq!(warnings(&server), 1);
    assert_eq!(verdict(&mut client, &issued.token), "valid");
}
