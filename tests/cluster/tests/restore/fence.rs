//! Whoever goes on where it was is never fenced: after a restart, a crash, a promotion.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use tokenauth_cluster::contract::{issue, revoke, verdict};
use tokenauth_cluster::{FAST, Server, rounds, wait_until};

use super::{FENCE, assert_open, fence_file, guarded, is_fenced, refused};

#[test]
fn a_server_that_starts_again_is_not_fenced_however_it_had_ended() {
    let (mut server, mut client) = guarded(&[]);
    let issued = issue(&mut client, "user:1");
    drop(client);
    for round in 0..rounds(1, 20) {
        let write = |server: &Server| {
            // What is flushed at any moment may end in the middle of a record, which a crash takes back.
            let sql = "INSERT INTO written SELECT repeat('x', 500) FROM generate_series(1, 2000)";
            server
                .connect("postgres")
                .batch_execute(&format!("CREATE TABLE IF NOT EXISTS written (x text); {sql}"))
                .unwrap();
            server.reconfigure(&[]);
        };
        write(&server);
        server.restart();
        assert_open(&server, &issued.token, &format!("{round}: a restart"));
        write(&server);
        server.kill();
        server.start_again();
        assert_open(&server, &issued.token, &format!("{round}: all processes killed"));
        write(&server);
        server.crash();
        assert_open(&server, &issued.token, &format!("{round}: a backend killed"));
        write(&server);
        server.stop_immediately();
        server.start_again();
        assert_open(&server, &issued.token, &format!("{round}: an immediate stop"));
    }
    assert_eq!(server.log_text().matches("there is no fence file").count(), 1, "it was missing once");
}

/// What it writes then may reach no standby: it would be fenced itself for the lack of that, once it is promoted again.
#[test]
fn a_server_that_has_lost_its_postmaster_writes_the_file_no_more() {
    let (mut server, mut client) = guarded(&[]);
    let issued = issue(&mut client, "user:1");
    let before = fs::read_to_string(server.file(FENCE)).unwrap();
    drop(client);
    server.kill_postmaster();
    assert_eq!(fs::read_to_string(server.file(FENCE)).unwrap(), before);
    server.start_again();
    assert_open(&server, &issued.token, "the postmaster killed");
}

/// A promoted standby has received what the file says. All share the file, as by a disk that moves with the role.
#[test]
fn standbys_verify_and_are_not_fenced_when_they_are_promoted() {
    let (mut server, mut client) = guarded(&[]);
    let issued = issue(&mut client, "user:1");
    let killed = issue(&mut client, "user:1");
    drop(client);
    let file = server.file(FENCE);
    let mut former = Vec::new();
    for round in 0..rounds(2, 20) {
        let standby = server.standby();
        standby.catch_up_with(&server);
        assert_open(&standby, &issued.token, &format!("{round}: a standby"));
        let primary = format!("timeline {}\n", round + 1);
        assert!(fs::read_to_string(&file).unwrap().contains(&primary), "{round}: a standby writes nothing");
        if round == 0 {
            let mut client = server.connect("postgres");
            assert!(revoke(&mut client, &killed));
            assert!(verdict(&mut client, &issued.token) == "valid");
            standby.catch_up_with(&server);
        }
        // A switch-over on even rounds, a fail-over on odd ones.
        if round % 2 == 0 {
            server.stop();
        } else {
            server.kill();
        }
        let promote = "SELECT pg_promote()";
        assert!(standby.connect("postgres").query_one(promote, &[]).unwrap().get::<_, bool>(0));
        assert_open(&standby, &issued.token, &format!("{round}: promoted"));
        assert_eq!(verdict(&mut standby.connect("postgres"), &killed.token), "revoked");
        let timeline = format!("timeline {}\n", round + 2);
        wait_until("the new primary to write the file", || fs::read_to_string(&file).unwrap().contains(&timeline));
        former.push(std::mem::replace(&mut server, standby));
        server.restart();
        assert_open(&server, &issued.token, &format!("{round}: promoted and restarted"));
    }
}

#[test]
fn a_former_primary_that_comes_back_beside_its_successor_is_fenced() {
    let (mut server, mut client) = guarded(&[]);
    let issued = issue(&mut client, "user:1");
    drop(client);
    let standby = server.standby();
    standby.catch_up_with(&server);
    server.kill();
    standby.connect("postgres").batch_execute("SELECT pg_promote()").unwrap();
    let file = server.file(FENCE);
    wait_until("its successor to write the file", || fs::read_to_string(&file).unwrap().contains("timeline 2\n"));
    server.start_again();
    let verify = format!("SELECT tokenauth.verify('{}')", issued.token);
    assert!(is_fenced(&mut server.connect("postgres"), &verify));
    assert_open(&standby, &issued.token, "its successor");
    // It does not take the file away.
    server.restart();
    assert!(is_fenced(&mut server.connect("postgres"), &verify));
    assert!(fs::read_to_string(&file).unwrap().contains("timeline 2\n"));
}

#[test]
fn a_file_that_cannot_be_used_refuses_and_one_that_is_missing_is_written() {
    let (mut server, mut client) = guarded(&[]);
    let issued = issue(&mut client, "user:1");
    let verify = format!("SELECT tokenauth.verify('{}')", issued.token);
    // A server that runs has nothing to learn from the file.
    server.write_file(FENCE, "nonsense", 0o600);
    assert_eq!(refused(&mut client, &verify), "it was not");
    // But that another server writes it as well is nothing to keep quiet about.
    server.stop();
    fs::remove_file(server.file(FENCE)).unwrap();
    server.start_again();
    wait_until("the file to be written", || server.file(FENCE).exists());
    let ours = fs::read_to_string(server.file(FENCE)).unwrap();
    server.write_file(FENCE, &ours.replace("counter 1\n", "counter 7\n"), 0o600);
    server.reconfigure(&[]);
    wait_until("the launcher to say so", || server.log_text().contains("another server writes the fence file"));
    let written = || fs::read_to_string(server.file(FENCE)).unwrap();
    wait_until("the file to be written after that", || !written().contains("counter 7\n"));
    let mut client = server.connect("postgres");
    server.write_file(FENCE, &ours.replace("timeline 1\n", "timeline 2\n"), 0o600);
    assert_eq!(refused(&mut client, &verify), "it was not");
    let found = "SELECT finding FROM tokenauth.doctor(false) WHERE area = 'fence'";
    let found: String = client.query_one(found, &[]).unwrap().get(0);
    assert!(found.starts_with("another server writes the fence file"), "{found}");
    server.write_file(FENCE, &ours, 0o600);
    drop(client);

    let text = "tokenauth fence 1\nsystem 1\ntimeline 1\nposition 0/1\ncounter 1\n";
    for (content, mode, expected) in [
        ("nonsense", 0o600, "fence file cannot be used"),
        (&text[..text.len() - 1], 0o600, "fence file cannot be used"),
        (text, 0o644, "fence file cannot be used"),
        (text, 0o600, super::FENCED),
    ] {
        server.stop();
        server.write_file(FENCE, content, mode);
        server.start_again();
        let told = refused(&mut server.connect("postgres"), &verify);
        assert!(told.starts_with(&format!("55000 {expected}")), "{content}: {told}");
        let mut client = server.connect("postgres");
        let found = "SELECT finding FROM tokenauth.doctor(false) WHERE area = 'fence'";
        let found: String = client.query_one(found, &[]).unwrap().get(0);
        assert!(found.starts_with(expected), "{content}: {found}");
        if expected != super::FENCED {
            let told = refused(&mut client, "SELECT tokenauth.accept_restore()");
            assert_eq!(told, format!("55000 {expected}"), "{content}");
        }
        assert_eq!(fs::read_to_string(server.file(FENCE)).unwrap(), content, "nobody writes over it");
    }
    // Of another cluster it was found, and that is not forgotten when the file is gone.
    server.stop();
    fs::remove_file(server.file(FENCE)).unwrap();
    server.start_again();
    let mut client = server.connect("postgres");
    assert!(is_fenced(&mut client, &verify));
    assert!(client.query_one("SELECT tokenauth.accept_restore()", &[]).unwrap().get::<_, bool>(0));
    assert_eq!(verdict(&mut client, &issued.token), "valid");
    assert!(server.file(FENCE).exists());

    // Without the setting nothing is asked, and with it again the server is where it was.
    server.stop();
    server.write_file(FENCE, "nonsense", 0o600);
    server.start_again();
    let mut client = server.connect("postgres");
    assert!(refused(&mut client, &verify).starts_with("55000 fence file"));
    server.reconfigure(&["tokenauth.fence_file = ''"]);
    assert_eq!(refused(&mut client, &verify), "it was not");
    fs::remove_file(server.file(FENCE)).unwrap();
    server.reconfigure(&[&fence_file(&server)]);
    wait_until("the file to be written", || server.file(FENCE).exists());
    assert_eq!(refused(&mut client, &verify), "it was not");
    assert_eq!(server.log_text().matches("there is no fence file").count(), 3);
}

#[test]
fn the_file_lies_outside_the_data_directory() {
    let server = Server::start(&[FAST, &["shared_preload_libraries = tokenauth"]].concat());
    let mut client = server.connect("postgres");
    tokenauth_cluster::contract::prepare(&mut client);
    for path in
        [server.file("data/fence").display().to_string(), "fence".to_owned(), server.file("").display().to_string()]
    {
        server.reconfigure(&[&format!("tokenauth.fence_file = '{path}'")]);
        wait_until("the launcher to look", || refused(&mut client, "SELECT tokenauth.verify('x')") != "it was not");
        let told = refused(&mut client, "SELECT tokenauth.verify('x')");
        assert_eq!(told, "55000 fence file cannot be used", "{path}");
        assert_eq!(refused(&mut client, "SELECT tokenauth.accept_restore()"), told, "{path}");
        assert!(!server.file("data/fence").exists());
    }
}

#[test]
fn whoever_accepts_a_restore_is_told_where_the_file_cannot_be_written() {
    let (server, mut client) = guarded(&[]);
    let directory = server.file("elsewhere");
    let allow = |mode| fs::set_permissions(&directory, Permissions::from_mode(mode)).unwrap();
    fs::create_dir(&directory).unwrap();
    allow(0o555);
    let file = directory.join("fence");
    server.reconfigure(&[&format!("tokenauth.fence_file = '{}'", file.display())]);
    let accept = "SELECT tokenauth.accept_restore()";
    assert_eq!(refused(&mut client, accept), "55000 fence file cannot be written");
    let found = "SELECT finding FROM tokenauth.doctor(false) WHERE area = 'fence'";
    let finding: String = client.query_one(found, &[]).unwrap().get(0);
    assert!(finding.starts_with("was not written: "), "{finding}");
    allow(0o777);
    assert!(!client.query_one(accept, &[]).unwrap().get::<_, bool>(0), "it was not fenced");
    assert!(file.exists());
    assert!(client.query(found, &[]).unwrap().is_empty());
}
