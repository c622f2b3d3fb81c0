//! Whatever process of the server is killed under load, with whatever it holds: every acknowledged death holds, every
//! token whose issue was acknowledged as durable verifies, what was written of usage is there and nothing of it is
//! counted twice, and tables and indexes are sound.
//!
//! With `TOKENAUTH_SOAK` there are two hundred kills, and the figures of docs/security are printed.

mod client;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use client::{Told, Working};
use postgres::{Client, NoTls};
use tokenauth_cluster::contract::{issue, prepare};
use tokenauth_cluster::{End, Random, Server, has_library, rounds, wait_until};

/// How many clients work at once.
const CLIENTS: usize = 8;

/// What is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Victim {
    /// A process with this name in `pg_stat_activity`; the server ends all others and recovers by itself.
    Process(&'static str),
    /// The postmaster alone: its children have to notice.
    Postmaster,
    /// All at once, as when the power fails, but for what the operating system was given.
    Everything,
}

const VICTIMS: [Victim; 6] = [
    Victim::Process("client backend"),
    Victim::Process("tokenauth usage"),
    Victim::Postmaster,
    Victim::Process("client backend"),
    Victim::Process("tokenauth launcher"),
    Victim::Everything,
];

/// Kills, and returns when that was, after the server has noticed or was started again.
fn kill(server: &mut Server, victim: Victim) -> Instant {
    let Victim::Process(name) = victim else {
        let moment = Instant::now();
        if victim == Victim::Postmaster {
            server.kill_postmaster();
        } else {
            server.kill();
        }
        server.start_again();
        return moment;
    };
    let mut witness = server.connect("postgres");
    let find = "SELECT pid FROM pg_stat_activity WHERE backend_type = $1 AND pid <> pg_backend_pid()
                 ORDER BY random() LIMIT 1";
    wait_until(name, || {
        let found = witness.query_opt(find, &[&name]).unwrap();
        found.is_some_and(|found| Server::kill_process(found.get(0)))
    });
    let moment = Instant::now();
    wait_until("the server to notice", || witness.batch_execute("SELECT").is_err());
    moment
}

/// How long after this moment a token is verified again.
fn back(moment: Instant, connection: &str, token: &str) -> Duration {
    wait_until("verification to be back", || {
        Client::connect(connection, NoTls).is_ok_and(|mut client| {
            let verdict = client.query_one("SELECT verdict FROM tokenauth.verify($1)", &[&token]);
            verdict.is_ok_and(|row| row.get::<_, &str>(0) == "valid")
        })
    });
    moment.elapsed()
}

/// How many uses are in the table.
fn written(client: &mut Client) -> i64 {
    client.query_one("SELECT coalesce(sum(request_count), 0)::bigint FROM tokenauth.usage", &[]).unwrap().get(0)
}

/// How many uses had been acknowledged at which moment, so that what a crash has lost can be told as a time.
struct Course(Vec<(Instant, i64)>);

impl Course {
    /// Lets the clients work until each has done something since, and for a random time; keeps the course meanwhile.
    fn follow(told: &Told, random: &mut Random) -> Self {
        let before = told.steps();
        let mut course = Course(Vec::new());
        let end = Instant::now() + Duration::from_millis(300 + random.below(1_000));
        wait_until("every client to work", || {
            course.0.push((Instant::now(), told.uses.load(Relaxed)));
            Instant::now() > end && told.steps().iter().zip(&before).all(|(now, before)| now > before)
        });
        course
    }

    /// How long before its end no more than so many uses had been acknowledged.
    fn since(&self, uses: i64) -> Duration {
        let (end, _) = self.0.last().expect("it has a beginning");
        let then = self.0.iter().rev().find(|(_, acknowledged)| *acknowledged <= uses);
        *end - then.map_or(self.0[0].0, |(moment, _)| *moment)
    }
}

#[test]
fn deaths_and_durable_tokens_survive_whatever_is_killed_under_load() {
    let mut server = Server::start(&[
        "shared_preload_libraries = tokenauth",
        "tokenauth.usage_flush_interval = 1",
        // What was committed without waiting for the disk is not to be saved by chance.
        "wal_writer_delay = 10s",
        "max_connections = 30",
        // By itself PostgreSQL syncs each file after a crash, for seconds on some disks, before it looks at any.
        "recovery_init_sync_method = syncfs",
    ]);
    let mut admin = server.connect("postgres");
    prepare(&mut admin);
    let (witness, connection) = (issue(&mut admin, "user:1"), server.connection_string("postgres"));
    drop(admin);
    let (told, done) = (Told::default(), AtomicBool::new(false));
    let kills = rounds(6, 200);
    let (mut times, mut losses, mut lost) = (Vec::new(), Vec::new(), 0);

    thread::scope(|scope| {
        let end = End(&done);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (told, done, connection) = (&told, &done, &connection);
                scope.spawn(move || Working::new(number, connection, told).work(done))
            })
            .collect();
        let mut random = Random::new(17);
        for (round, victim) in (0..kills).zip(VICTIMS.iter().cycle()) {
            assert!(!clients.iter().any(thread::ScopedJoinHandle::is_finished), "a client has given up");
            let course = Course::follow(&told, &mut random);
            let safe = written(&mut server.connect("postgres"));
            let acknowledged = told.uses.load(Relaxed);
            let moment = kill(&mut server, *victim);
            times.push((*victim, back(moment, &connection, &witness.token)));
            let kept = written(&mut server.connect("postgres"));
            assert!(kept >= safe, "kill {round}, {victim:?}: {kept} uses are in tables, {safe} were");
            losses.push((course.since(kept + lost), acknowledged - kept - lost));
            lost = acknowledged - kept;
            told.recovered.fetch_add(1, SeqCst);
        }
        drop(end);
        for client in clients {
            client.join().unwrap();
        }
    });

    // The launcher and its worker are at work after so many crashes.
    let mut admin = server.connect("postgres");
    let seen = "SELECT sum(request_count)::bigint FROM tokenauth.tokens";
    let seen: i64 = admin.query_one(seen, &[]).unwrap().get(0);
    wait_until("the last uses to be written", || written(&mut admin) >= seen);
    if has_library("amcheck") {
        let check = "pg_amcheck --install-missing --heapallindexed --parent-check --rootdescend --schema=tokenauth";
        let found = server.shell("postgres", &format!("{check} 2>&1 || true"));
        assert_eq!(found, "", "pg_amcheck has something to say");
    }
    assert!(!server.log_text().contains("PANIC"));
    report(&mut times, &mut losses, &told);
}

/// Prints the figures.
fn report(times: &mut [(Victim, Duration)], losses: &mut [(Duration, i64)], told: &Told) {
    times.sort();
    for group in times.chunk_by(|one, other| one.0 == other.0) {
        let (median, most) = (group[group.len() / 2].1, group[group.len() - 1].1);
        println!("{:?} killed {} times: back after {median:.0?}, at most {most:.0?}", group[0].0, group.len());
    }
    losses.sort();
    let (median, most) = (losses[losses.len() / 2], losses[losses.len() - 1]);
    println!("usage lost: of {:.0?} ({} uses), at most of {:.0?} ({} uses)", median.0, median.1, most.0, most.1);
    println!("{told}");
}
