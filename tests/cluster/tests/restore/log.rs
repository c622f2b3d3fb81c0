//! The example that keeps deaths outside the database: nothing is missed or half there, whenever it is killed.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tokenauth_cluster::contract::{Issued, issue, prepare, revoke};
use tokenauth_cluster::{FAST, Random, Server, example, finish, rounds};

use super::verdicts;

/// The documents that are there, in their order.
fn documents(kept: &Path) -> Vec<(String, serde_json::Value)> {
    let mut documents: Vec<_> = fs::read_dir(kept)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let text = fs::read(&path).unwrap();
            let document = serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path.file_name().unwrap().to_str().unwrap().to_owned(), document)
        })
        .collect();
    documents.sort_by(|one, other| one.0.cmp(&other.0));
    documents
}

#[test]
fn it_goes_on_where_it_was_and_keeps_each_death_once() {
    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let tokens: [Issued; 3] = [(); 3].map(|()| issue(&mut client, "user:1"));
    let names = |kept: &Path| documents(kept).into_iter().map(|(name, _)| name).collect::<Vec<_>>();

    let kept = server.keep_deaths("postgres");
    assert_eq!(names(&kept), [""; 0], "nobody has died");
    for (place, issued) in (1..).zip(&tokens) {
        assert!(revoke(&mut client, issued));
        assert_eq!(server.keep_deaths("postgres"), kept);
        assert_eq!(server.keep_deaths("postgres"), kept, "and once more, with nothing new");
        let documents = documents(&kept);
        assert_eq!(documents.len(), place);
        let (name, last) = documents.last().unwrap();
        assert_eq!(*name, format!("{place:012}.json"));
        assert_eq!(last["tokens"].as_array().unwrap().len(), 1);
        assert_eq!(last["tokens"][0]["id"], issued.id.as_str());
    }
    // As long as a transaction is open that may kill, exports begin before it: what they tell is there already.
    let mut other = server.connect("postgres");
    let open = issue(&mut other, "user:1");
    other.batch_execute(&format!("BEGIN; SELECT tokenauth.revoke('{}')", open.id)).unwrap();
    let another = issue(&mut client, "user:1");
    assert!(revoke(&mut client, &another));
    for _ in 0..3 {
        assert_eq!(server.keep_deaths("postgres"), kept);
        assert_eq!(documents(&kept).len(), 4);
    }
    other.batch_execute("COMMIT").unwrap();
    assert_eq!(server.keep_deaths("postgres"), kept);
    let (_, last) = documents(&kept).pop().unwrap();
    assert!(last["tokens"].as_array().unwrap().iter().any(|told| told["id"] == open.id.as_str()), "{last}");
    // The newest may be kept alone.
    let newest = names(&kept).pop().unwrap();
    names(&kept).iter().filter(|name| **name != newest).for_each(|name| fs::remove_file(kept.join(name)).unwrap());
    assert_eq!(server.keep_deaths("postgres"), kept);
    assert_eq!(names(&kept), [newest]);
}

#[test]
fn it_says_what_is_wrong_and_keeps_nothing_then() {
    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    assert!(revoke(&mut client, &issued));
    let kept = server.keep_deaths("postgres");
    let state = || (documents(&kept).len(), fs::read_to_string(kept.join("until")).unwrap());
    let before = state();
    let told = |command: &str| {
        server.shell("postgres", &format!("revocation-log {command} 2>&1 && echo done || echo refused"))
    };
    let place = kept.display();
    assert!(told("append").contains("usage: "), "no directory");
    let refused =
        server.shell("postgres", &format!("PGDATABASE=absent revocation-log append {place} 2>&1 || echo refused"));
    assert!(refused.contains("\"absent\" does not exist") && refused.ends_with("refused\n"), "{refused}");
    let busy = server.shell(
        "postgres",
        &format!("exec 9>{place}/.lock; flock 9; (exec 9>&-; revocation-log append {place} 2>&1) || echo refused"),
    );
    assert!(busy.contains("another one is at work") && busy.ends_with("refused\n"), "{busy}");
    client.batch_execute("CREATE ROLE weak LOGIN; GRANT USAGE ON SCHEMA tokenauth TO weak").unwrap();
    let denied = server.shell("postgres", &format!("PGUSER=weak revocation-log append {place} 2>&1 || echo refused"));
    assert!(denied.contains("permission denied") && denied.ends_with("refused\n"), "{denied}");
    let standby = server.standby();
    standby.catch_up_with(&server);
    standby.install_revocation_log();
    let copied = standby.shell("postgres", &format!("revocation-log append {place} 2>&1 || echo refused"));
    assert!(copied.contains("read-only") && copied.ends_with("refused\n"), "{copied}");
    let empty = server.shell("postgres", "mkdir empty; revocation-log import empty 2>&1 || echo refused");
    assert!(empty.contains("there is nothing in") && empty.ends_with("refused\n"), "{empty}");
    assert_eq!(state(), before);

    // Of what is imported either all is or nothing.
    server.write_file("deaths/000000000002.json", "{\"version\": 1, \"tokens\": [", 0o600);
    let broken = server.shell("postgres", &format!("revocation-log import {place} 2>&1 || echo refused"));
    assert!(broken.contains("invalid input syntax for type json") && broken.ends_with("refused\n"), "{broken}");
}

#[test]
fn killed_at_any_moment_it_misses_nothing() {
    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    client.batch_execute("SELECT tokenauth.put_principal('user:' || n) FROM generate_series(2, 400) n").unwrap();
    let mut tokens: Vec<Issued> = Vec::new();
    for owner in 1..=rounds(30, 400) {
        tokens.push(issue(&mut client, &format!("user:{owner}")));
    }
    let witness = issue(&mut client, "user:1");
    server.create_database("restored", "TEMPLATE template0");
    server.restore("restored", &server.dump("postgres", &["--format=custom"]));

    server.install_revocation_log();
    let kept = server.file("deaths");
    let mut random = Random::new(17);
    let mut killed = 0;
    let mut takes = Duration::from_millis(100);
    for (place, issued) in tokens.iter().enumerate() {
        assert!(revoke(&mut client, issued));
        if place % 4 == 3 {
            let begun = Instant::now();
            assert_eq!(server.keep_deaths("postgres"), kept);
            takes = takes.min(begun.elapsed());
        }
        let after = takes.mul_f64(f64::from(u32::try_from(random.below(120)).unwrap()) / 100.0);
        let after = after.max(Duration::from_millis(1)).as_secs_f64();
        let run = format!("timeout --signal=KILL {after} revocation-log append {} || echo killed", kept.display());
        killed += usize::from(server.shell("postgres", &run).contains("killed"));
        if kept.exists() {
            let numbers = documents(&kept).into_iter().map(|(name, _)| name);
            let expected = (1..).map(|number| format!("{number:012}.json"));
            assert!(numbers.zip(expected).all(|(one, other)| one == other), "there is no gap");
        }
    }
    assert!(killed > 0, "{killed} of {} were killed", tokens.len());
    assert_eq!(server.keep_deaths("postgres"), kept);
    let imported = server.shell("restored", &format!("revocation-log import {}", kept.display()));
    assert_eq!(imported, format!("{}\n", tokens.len()), "each is dead once");
    let mut restored = server.connect("restored");
    let alive = "SELECT count(*) FROM tokenauth.tokens WHERE status = 'active'";
    assert_eq!(restored.query_one(alive, &[]).unwrap().get::<_, i64>(0), 1);
    assert_eq!(tokenauth_cluster::contract::verdict(&mut restored, &witness.token), "valid");
    assert_eq!(verdicts(&server, [&witness.token]), ["valid"]);
    println!("{} runs, {killed} killed, {} documents", tokens.len() + 1, documents(&kept).len());
}

#[test]
fn its_units_and_its_crontab_are_as_systemd_and_cron_read_them() {
    let folder = example("revocation_log");
    let crontab = fs::read_to_string(folder.join("revocation-log.cron")).unwrap();
    let line = crontab.lines().last().unwrap();
    let fields: Vec<&str> = line.splitn(7, ' ').collect();
    assert_eq!(fields[..6], ["*", "*", "*", "*", "*", "postgres"]);
    let service = fs::read_to_string(folder.join("revocation-log.service")).unwrap();
    let runs = service.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    assert_eq!(runs.strip_prefix("/usr/local/bin/"), Some(fields[6]), "both run the same");

    let server = Server::start(FAST);
    let mut client = server.connect("postgres");
    prepare(&mut client);
    let issued = issue(&mut client, "user:1");
    assert!(revoke(&mut client, &issued));
    server.install_revocation_log();
    let kept = server.file("deaths");
    let run = fields[6].replace(tokenauth_cluster::REVOCATION_LOG, &kept.display().to_string());
    assert_eq!(server.shell("postgres", &run), "");
    assert_eq!(documents(&kept).len(), 1);

    if !tokenauth_cluster::has_program("systemd-analyze") {
        return;
    }
    // It looks whether the program is there.
    let script = server.file("revocation-log").display().to_string();
    for unit in ["revocation-log.service", "revocation-log.timer"] {
        let text = fs::read_to_string(folder.join(unit)).unwrap();
        server.write_file(unit, &text.replace("/usr/local/bin/revocation-log", &script), 0o644);
    }
    let verified = finish(
        Command::new("systemd-analyze")
            .arg("verify")
            .arg(server.file("revocation-log.service"))
            .arg(server.file("revocation-log.timer")),
    );
    assert_eq!(String::from_utf8_lossy(&verified.stderr), "");
}
