//! The server's hook is set in a process while masking is on there, and only then: otherwise a message costs nothing.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::process::Command;

use postgres::Client;
use tokenauth_cluster::{Server, bin_directory, finish};

use super::{PRELOADED, started};

/// What a process has in the server's variable `emit_log_hook`: the address of a function, or nothing.
fn hook(process: i32) -> u64 {
    let program = fs::canonicalize(bin_directory().join("postgres")).unwrap();
    let symbols = finish(Command::new("nm").args(["-D", "--defined-only"]).arg(&program));
    let symbols = String::from_utf8(symbols.stdout).unwrap();
    let number = |digits: &str| u64::from_str_radix(digits, 16).expect("an address");
    let place = symbols
        .lines()
        .find(|line| line.split(['@', ' ']).nth(2) == Some("emit_log_hook"))
        .map(|line| number(&line[..16]))
        .expect("the server exports it");
    // Of a program that may be loaded anywhere (its ELF type is 3), the place counts from where it begins.
    let begin = if fs::read(&program).unwrap()[16] == 3 {
        let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
        let begin = maps.lines().find(|line| line.ends_with(&*program.to_string_lossy())).expect("it runs it");
        number(begin.split('-').next().expect("a range"))
    } else {
        0
    };
    let mut address = [0; 8];
    File::open(format!("/proc/{process}/mem")).unwrap().read_exact_at(&mut address, begin + place).unwrap();
    u64::from_ne_bytes(address)
}

fn hook_of(client: &mut Client) -> u64 {
    hook(client.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0))
}

fn hook_of_postmaster(server: &Server) -> u64 {
    let lock_file = fs::read_to_string(server.file("data/postmaster.pid")).unwrap();
    hook(lock_file.lines().next().and_then(|line| line.parse().ok()).expect("its first line is a process"))
}

#[test]
fn the_hook_is_installed_exactly_while_masking_is_on() {
    let (server, mut client, _) = started(&[PRELOADED]);
    assert_eq!(hook_of(&mut client), 0, "masking is off");
    client.batch_execute("SET tokenauth.mask_logs = on").unwrap();
    assert_ne!(hook_of(&mut client), 0, "it is on in this session");
    assert_eq!(hook_of(&mut server.connect("postgres")), 0, "and off in another");
    client.batch_execute("BEGIN; SET LOCAL tokenauth.mask_logs = off").unwrap();
    assert_eq!(hook_of(&mut client), 0, "off in a transaction");
    client.batch_execute("ROLLBACK").unwrap();
    assert_ne!(hook_of(&mut client), 0, "and on after it");
    client.batch_execute("RESET tokenauth.mask_logs").unwrap();
    assert_eq!(hook_of(&mut client), 0, "off again");

    server.reconfigure(&["tokenauth.mask_logs = on"]);
    assert_ne!(hook_of(&mut client), 0, "on by the configuration");
    assert_ne!(hook_of_postmaster(&server), 0, "in the postmaster as well");
    server.reconfigure(&["tokenauth.mask_logs = off"]);
    assert_eq!(hook_of(&mut client), 0, "off by the configuration");
    assert_eq!(hook_of_postmaster(&server), 0, "in the postmaster as well");
}
