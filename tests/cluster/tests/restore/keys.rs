//! A copy without its keys says so, and one with other keys accepts nothing.

use tokenauth_cluster::contract::{issue, prepare, revoke, verdict};
use tokenauth_cluster::{FAST, Server};

use super::{refused, verdicts};

fn pepper(id: &str, digit: char) -> String {
    format!("pepper {id} {}\n", digit.to_string().repeat(64))
}

#[test]
fn a_restored_server_needs_the_keys_of_its_tokens() {
    let server = Server::start(FAST);
    server.write_file("keys", &pepper("one", '1'), 0o600);
    server.reconfigure(&[&format!("tokenauth.key_file = '{}'", server.file("keys").display())]);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let [kept, killed] = [(); 2].map(|()| issue(&mut client, "user:1"));
    let mut copy = server.base_backup();
    assert!(revoke(&mut client, &killed));
    let deaths = server.keep_deaths("postgres");
    copy.configure_while_stopped(&[&format!("tokenauth.key_file = '{}'", copy.file("keys").display())]);
    copy.start_again();

    let verify = format!("SELECT tokenauth.verify('{}')", kept.token);
    let refused = |copy: &Server| refused(&mut copy.connect("postgres"), &verify);
    let reload = |copy: &Server, lines: &str| {
        copy.write_file("keys", lines, 0o600);
        copy.reconfigure(&[]);
    };
    assert_eq!(refused(&copy), "55000 key file cannot be used", "no file");
    reload(&copy, "");
    assert_eq!(refused(&copy), "55000 key \"one\" is not in the key file", "a new file");
    reload(&copy, &pepper("two", '2'));
    assert_eq!(refused(&copy), "55000 key \"one\" is not in the key file", "a copy for other purposes");
    reload(&copy, &pepper("one", '2'));
    assert_eq!(refused(&copy), "55000 key \"one\" in the key file is not the key of that name", "one of the same name");
    // Deaths need no key, and the key is all that is missing.
    copy.install_revocation_log();
    let import = format!("revocation-log import {}", deaths.display());
    assert_eq!(copy.shell("postgres", &import), "1\n");
    reload(&copy, &(pepper("one", '1') + &pepper("two", '2')));
    assert_eq!(verdicts(&copy, [&kept.token, &killed.token]), ["valid", "revoked"]);
    let issued = issue(&mut copy.connect("postgres"), "user:1");
    assert_eq!(verdicts(&copy, [&issued.token]), ["valid"]);
    assert_eq!(verdict(&mut client, &issued.token), "unknown");
}

/// A copy for other purposes that has the keys: nothing in it works once its tokens are killed.
#[test]
fn a_copy_for_other_purposes_is_killed_as_a_whole() {
    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    let child = "UPDATE tokenauth.kind SET derivable = true";
    client.batch_execute(child).unwrap();
    let parent = issue(&mut client, "user:1");
    let child: String = client.query_one("SELECT tokenauth.derive($1)", &[&parent.token]).unwrap().get(0);
    let imported = "SELECT tokenauth.import('key', 'user:1', encode(sha256('an old secret'), 'hex'), 'sha256')";
    client.batch_execute(imported).unwrap();
    server.create_database("staging", "TEMPLATE template0");
    server.restore("staging", &server.dump("postgres", &["--format=custom"]));
    let mut staging = server.connect("staging");
    let tokens = [&*issued.token, &parent.token, &child, "an old secret"];
    assert_eq!(tokens.map(|token| verdict(&mut staging, token)), ["valid"; 4]);
    staging.batch_execute("SELECT tokenauth.revoke_all(issued_before => now(), reason => 'a copy')").unwrap();
    assert_eq!(tokens.map(|token| verdict(&mut staging, token)), ["revoked"; 4]);
    assert_eq!(tokens.map(|token| verdict(&mut client, token)), ["valid"; 4]);
}
