//! A cluster of three members under Patroni, in synchronous mode, as `examples/patroni` has it: whether its primary is
//! killed or changes places with a standby, while clients issue, verify and kill, no acknowledged death is undone, no
//! token comes back to life, and what was issued verifies.
//!
//! Once of each. With `TOKENAUTH_MAJORS`, which `make test-majors` sets, a reader follows the primary; with
//! `TOKENAUTH_SOAK` it does so through ten of each.

mod claims;
mod cluster;
mod etcd;
mod ledger;
mod load;
mod member;
mod partner;
mod reader;

use std::io::Write as _;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use postgres::Client;
use tokenauth_cluster::{End, rounds, wait_within};

use cluster::{Cluster, PATIENCE};
use ledger::{Counts, Ledger};
use load::{Watcher, Writer, hold_to_its_bound};
use member::DATABASE;
use partner::Programs;
use reader::{BOUND, Reader};

/// How many clients write.
const WRITERS: u64 = 4;

/// What is acknowledged before the primary is disturbed, and afterwards, at least.
const ENOUGH: Counts = Counts { issued: 40, revoked: 20, deactivated: 4, unknown: 0 };

/// What the application has.
fn install(client: &mut Client) {
    client
        .batch_execute(
            "CREATE EXTENSION tokenauth;
             INSERT INTO tokenauth.kind (name, prefix, owner_types) VALUES ('key', 'key_', '{customer}');
             CREATE TABLE customer (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                                    is_active boolean NOT NULL DEFAULT true);
             SELECT tokenauth.bind_principals('customer', 'customer', 'id::text', active => 'is_active')",
        )
        .unwrap();
}

/// What an event was to the clients.
struct Told {
    counts: Counts,
    without_writes: Duration,
    /// By the member that was longest away, and by the one that was shortest.
    without_verdicts: (Duration, Duration),
    /// Whether the reader knew more than the new primary.
    copied_anew: bool,
}

/// Lets clients work before, during and after an event, and asks then whether everything is as they were told.
fn endure(cluster: &mut Cluster, ledger: &Ledger, reader: Option<&Reader>, disturb: impl FnOnce(&mut Cluster)) -> Told {
    let before = ledger.counts();
    let end = AtomicBool::new(false);
    let silences: Vec<Duration> = thread::scope(|scope| {
        let is_over = End(&end);
        let mut clients = Vec::new();
        for seed in 0..WRITERS {
            let writer = Writer::new(cluster.config(), ledger, seed + before.issued as u64);
            clients.push(scope.spawn(|| writer.run(&end)));
        }
        let watchers: Vec<_> = (0..)
            .zip(&cluster.members)
            .map(|(seed, member)| {
                let watcher = Watcher::new(member.config(), ledger, seed);
                scope.spawn(|| watcher.run(&end))
            })
            .collect();
        if let Some(reader) = reader {
            let session = reader.connect();
            clients.push(scope.spawn(|| hold_to_its_bound(session, ledger, BOUND, &end)));
        }
        let wait_for_more = |what: &str| {
            let already = ledger.counts();
            wait_within(PATIENCE, what, || {
                let more = ledger.counts().since(already);
                let is_amiss = clients.iter().any(thread::ScopedJoinHandle::is_finished)
                    || watchers.iter().any(thread::ScopedJoinHandle::is_finished);
                is_amiss
                    || more.issued >= ENOUGH.issued
                        && more.revoked >= ENOUGH.revoked
                        && more.deactivated >= ENOUGH.deactivated
            });
        };
        wait_for_more("clients to work");
        // A primary that goes on alone, since its standbys have just been restarted, is the only one that can lead.
        cluster.wait_until_whole();
        ledger.listen();
        disturb(cluster);
        wait_for_more("clients to work again");
        drop(is_over);
        for client in clients {
            client.join().unwrap();
        }
        watchers.into_iter().map(|watcher| watcher.join().unwrap()).collect()
    });
    let without_writes = ledger.longest_silence();
    cluster.heal();
    if reader.is_some() {
        Reader::wait_until_slots_are_kept(cluster);
    }
    claims::every_member_knows(cluster, ledger);
    claims::uses_are_counted(cluster, ledger);
    let longest = silences.iter().max().copied().unwrap_or_default();
    let shortest = silences.iter().min().copied().unwrap_or_default();
    Told {
        counts: ledger.counts().since(before),
        without_writes,
        without_verdicts: (longest, shortest),
        copied_anew: false,
    }
}

/// As [`endure`], then the same of the reader.
fn endure_with(
    cluster: &mut Cluster,
    ledger: &Ledger,
    reader: Option<&Reader>,
    disturb: impl FnOnce(&mut Cluster),
) -> Told {
    let mut told = endure(cluster, ledger, reader, disturb);
    if let Some(reader) = reader {
        told.copied_anew = reader.follow(cluster);
        claims::knows(&mut reader.connect(), &ledger.known(), "the reader");
        assert!(reader.hand_over_its_uses(cluster) > 0, "uses of the reader arrive");
    }
    told
}

fn report(event: &str, round: u32, told: &Told) {
    let Told { counts, without_writes, without_verdicts: (longest, shortest), copied_anew } = told;
    let seconds = |time: &Duration| format!("{:.1} s", time.as_secs_f64());
    // Not with `eprintln!`, whose output is shown for failed tests only.
    let _ = writeln!(
        std::io::stderr(),
        "{event} {round}: {} issued, {} revoked, {} owners deactivated, {} deaths unknown, none undone; \
         no write for {}; no verdict for {} on one member, {} on another{}",
        counts.issued,
        counts.revoked,
        counts.deactivated,
        counts.unknown,
        seconds(without_writes),
        seconds(longest),
        seconds(shortest),
        if *copied_anew { "; the reader had to copy anew" } else { "" },
    );
}

#[test]
fn no_acknowledged_death_is_undone_when_the_primary_is_killed_or_changes_places() {
    let Some(programs) = Programs::installed("failing over with Patroni") else { return };
    let mut cluster = Cluster::start(&programs);
    install(&mut cluster.primary().connect(DATABASE));
    let ledger = Ledger::default();
    let many = rounds(1, 10);
    let is_thorough = many > 1 || std::env::var_os("TOKENAUTH_MAJORS").is_some();
    let reader = is_thorough.then(|| Reader::start(&cluster));
    let reader = reader.as_ref();
    for round in 1..=many {
        let told = endure_with(&mut cluster, &ledger, reader, Cluster::kill_primary);
        report("killed", round, &told);
        let told = endure_with(&mut cluster, &ledger, reader, |cluster| cluster.switch_over());
        report("switched over", round, &told);
    }
}
