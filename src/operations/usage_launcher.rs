//! The launcher: a process connected to no database that starts workers, one at a time, for each database with usage to
//! write or in need of a beat, and for every database known once an hour (`agenda`). It is woken when memory fills
//! (`wake`).
//!
//! It survives whatever happens to databases and workers: it forgets a database that was dropped, a worker that fails
//! has given back what it took, and if no worker can be started it tries again later. On a standby nothing can be
//! written; usage stays in memory until the promotion.

use std::time::Duration;

use pgrx::bgworkers::{BackgroundWorkerBuilder, BgWorkerStartTime};
use pgrx::prelude::*;

use super::{heartbeat, usage_worker};
use crate::fence::{self, keeper::Keeper};
use crate::pg::process::background_worker::Woken;
use crate::pg::process::entry::Entries;
use crate::pg::process::{background_worker, database, entry, shared_memory};
use crate::pg::types::clock::Timestamp;
use crate::usage::agenda::{Agenda, Ended, Next};
use crate::usage::slots::Slots;
use crate::usage::{snapshot_file, wake};

/// How long the server waits before it restarts a launcher that has failed.
const RESTART: Duration = Duration::from_secs(5);

/// Registers the launcher and its workers, while the postmaster loads the library.
pub fn register() {
    entry::register(Entries { launch: run, flush: usage_worker::run, beat: heartbeat::run, fence: look_at_fence });
    if background_worker::is_upgrade() {
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
fn run() -> ! {
    background_worker::connect_to_none();
    let mut launcher = Launcher { agenda: Agenda::new(), keeper: Keeper::new(), has_logged_error: false };
    if let Some(slots) = shared_memory::slots() {
        launcher.run(slots);
    }
    // Does not return: after exit code 0 the server would not restart a launcher that somebody has terminated by hand.
    background_worker::leave()
}

/// Runs a worker that compares this server with the fence file.
fn look_at_fence(database: u32) {
    background_worker::connect_to(database);
    fence::look_from_database();
}

struct Launcher {
    agenda: Agenda,
    keeper: Keeper,
    /// Whether it has logged that no worker can be started: once, until one can be again.
    has_logged_error: bool,
}

impl Launcher {
    fn run(&mut self, slots: Slots<'static>) {
        wake::receive(slots);
        loop {
            wake::look(slots);
            // First of all after a start: what follows writes.
            if self.keeper.asks_for_database() {
                let database = background_worker::in_transaction(background_worker::databases).first().copied();
                database.into_iter().for_each(|oid| self.start("tokenauth fence", entry::FENCE, oid));
            }
            let until_kept = self.keeper.tend();
            snapshot_file::remove_if_written(slots);
            let can_write = !database::is_in_recovery();
            if can_write && self.agenda.is_to_look() {
                self.agenda.look_at(background_worker::in_transaction(background_worker::databases));
            }
            let rest = match self.agenda.next(slots, can_write, Timestamp::now().micros()) {
                Next::Rest(rest) => rest,
                Next::Beat(oid) => {
                    if self.exists(slots, oid) {
                        self.start("tokenauth heartbeat", entry::BEAT, oid);
                    }
                    Duration::from_millis(1)
                }
                Next::Serve(oid) => {
                    self.serve(slots, oid);
                    // Barely waits; checks for signals between two workers.
                    Duration::from_millis(1)
                }
            };
            match background_worker::wait(rest.min(until_kept)) {
                Woken::GoOn => {}
                Woken::Stop => return self.keeper.end(),
                Woken::Orphaned => return,
            }
            if background_worker::reload_if_asked() {
                self.agenda.look_again();
                self.keeper.look_again();
            }
        }
    }

    /// Starts a worker in a database, and returns when it has ended.
    fn serve(&mut self, slots: Slots<'static>, oid: u32) {
        let Some(found) = slots.header.databases.known(oid) else {
            // Its uses have a slot and it has no place among the databases: it was forgotten.
            return slots.forget(oid);
        };
        if self.exists(slots, oid) && !database::is_in_recovery() {
            found.set_served(false);
            self.start("tokenauth usage", entry::FLUSH, oid);
            let ended = if !found.was_served() {
                Ended::Failed
            } else if found.was_left() {
                Ended::Left
            } else {
                Ended::Done
            };
            self.agenda.note(oid, ended);
        }
    }

    /// Whether there is this database; one that was dropped is forgotten.
    fn exists(&self, slots: Slots<'static>, oid: u32) -> bool {
        let exists = background_worker::in_transaction(|| background_worker::database_exists(oid));
        if !exists && let Some(known) = slots.header.databases.known(oid) {
            slots.forget(oid);
            slots.header.databases.forget(known);
        }
        exists
    }

    /// Starts a worker in a database and waits for its end.
    fn start(&mut self, name: &str, function: &str, oid: u32) {
        let started = worker(name, function)
            .set_argument(pg_sys::Oid::from(oid).into_datum())
            .set_notify_pid(background_worker::id())
            .load_dynamic();
        match started {
            Ok(worker) => {
                self.has_logged_error = false;
                // However it ended, what it did not write is still in memory.
                let _ = worker.wait_for_shutdown();
            }
            Err(_) if self.has_logged_error => {}
            Err(_) => {
                self.has_logged_error = true;
                ereport!(
                    PgLogLevel::LOG,
                    PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
                    "could not start a worker to write usage of tokens or a beat",
                    "Usage stays in memory until there is a free place for one; max_worker_processes is the limit."
                );
            }
        }
    }
}
