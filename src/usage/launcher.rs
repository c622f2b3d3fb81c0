//! The launcher: a process connected to no database that starts workers, one at a time, for each database with usage to
//! write, and for every database known once an hour. It soon starts another for what a worker has left.
//!
//! It survives whatever happens to databases and workers: it forgets a database that was dropped, a worker that fails
//! has given back what it took, and if no worker can be started it tries again later. On a standby nothing can be
//! written; usage stays in memory until the promotion.

use std::mem;
use std::time::{Duration, Instant};

use pgrx::bgworkers::{BackgroundWorker, BackgroundWorkerBuilder, BgWorkerStartTime};
use pgrx::prelude::*;

use super::slots::{Database, Slots};
use crate::pg::clock::Timestamp;
use crate::pg::{database, entry, process, shared_memory};
use crate::settings;

/// How long the server waits before it restarts a launcher that has failed.
const RESTART: Duration = Duration::from_secs(5);

/// How long it waits before it starts another worker for what one has left. DROP DATABASE checks ten times a second
/// whether anybody is connected.
const BREATH: Duration = Duration::from_millis(300);

/// Registers the launcher, while the postmaster loads the library.
pub fn register() {
    if process::is_upgrade() {
        return;
    }
    worker("tokenauth launcher", entry::LAUNCH)
        // On a standby too, so that it runs when that is promoted.
        .set_start_time(BgWorkerStartTime::ConsistentState)
        .set_restart_time(Some(RESTART))
        .load();
}

fn worker(name: &str, function: &str) -> BackgroundWorkerBuilder {
    BackgroundWorkerBuilder::new(name).set_library("tokenauth").set_function(function).enable_spi_access()
}

/// Runs the launcher until it is told to end.
pub fn run() -> ! {
    process::connect_to_none();
    let mut launcher = Launcher { has_complained: false, left: Vec::new() };
    if let Some(slots) = shared_memory::slots() {
        launcher.run(slots);
    }
    // Does not return: after exit code 0 the server would not restart a launcher that somebody has terminated by hand.
    process::leave()
}

struct Launcher {
    /// Whether it has logged that no worker can be started: once, until one can be again.
    has_complained: bool,
    /// Databases whose last worker has left usage for another.
    left: Vec<u32>,
}

impl Launcher {
    fn run(&mut self, slots: Slots<'static>) {
        let mut last_round = Instant::now();
        let mut last_worker = last_round;
        loop {
            let until_round = settings::usage_flush_interval().saturating_sub(last_round.elapsed());
            let until_next = BREATH.saturating_sub(last_worker.elapsed());
            let rest = if self.left.is_empty() { until_round } else { until_round.min(until_next) };
            if !rest.is_zero() {
                if !BackgroundWorker::wait_latch(Some(rest)) {
                    return;
                }
                process::reload_if_asked();
                continue;
            }
            if until_round.is_zero() {
                last_round = Instant::now();
            }
            if !self.start_workers(slots, until_round.is_zero()) {
                return;
            }
            last_worker = Instant::now();
        }
    }

    /// Starts a worker for each database with usage left and, in a round, for each that needs one. Returns false when
    /// the launcher is to end.
    fn start_workers(&mut self, slots: Slots<'static>, is_round: bool) -> bool {
        let now = Timestamp::now().micros();
        let left = mem::take(&mut self.left);
        let is_due = |found: &&Database| {
            left.contains(&found.oid()) || is_round && (found.waiting_since().is_some() || found.is_due(now))
        };
        for found in slots.header.databases.each().filter(is_due) {
            let oid = found.oid();
            if !process::in_transaction(|| process::database_exists(oid)) {
                slots.forget(oid);
                slots.header.databases.forget(found);
            } else if !database::is_in_recovery() {
                self.flush(oid);
                self.left.extend(found.was_left().then_some(oid));
            }
            // Barely waits; checks for signals between two workers.
            if !BackgroundWorker::wait_latch(Some(Duration::from_millis(1))) {
                return false;
            }
            process::reload_if_asked();
        }
        true
    }

    fn flush(&mut self, oid: u32) {
        let started = worker("tokenauth usage", entry::FLUSH)
            .set_argument(pg_sys::Oid::from(oid).into_datum())
            .set_notify_pid(process::id())
            .load_dynamic();
        match started {
            Ok(worker) => {
                self.has_complained = false;
                // However it ended, what it did not write is still in memory.
                let _ = worker.wait_for_shutdown();
            }
            Err(_) if self.has_complained => {}
            Err(_) => {
                self.has_complained = true;
                ereport!(
                    PgLogLevel::LOG,
                    PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
                    "could not start a worker to write usage of tokens",
                    "Usage stays in memory until there is a free place for one; max_worker_processes is the limit."
                );
            }
        }
    }
}
