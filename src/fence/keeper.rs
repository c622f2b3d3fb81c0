//! Keeps the fence file: writes into it, at the start, once a minute and at a clean stop, how far this server has come.
//!
//! It never writes over what this server does not have in its past, so that neither a restored server nor one that
//! should be dead, of which a standby has taken the place, passes for what is newer.

use std::ffi::{CStr, CString};
use std::mem::{Discriminant, discriminant};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use pgrx::PgLogLevel;

use super::record::Record;
use super::{Compared, OPEN, Refusal, SHUT, UNKNOWN, compare, here, judge, report};
use crate::error::FenceError;
use crate::pg::process::database;
use crate::pg::process::private_file::Prepared;
use crate::pg::process::settings::path_of;
use crate::settings;

/// How often the file is written.
const MINUTE: Duration = Duration::from_secs(60);

/// How often a server in recovery is looked at, and one whose file cannot be used.
const SOON: Duration = Duration::from_secs(2);

/// What the launcher remembers of the file.
pub struct Keeper {
    /// The setting when it was looked at last.
    path: Option<Option<CString>>,
    due: Instant,
    /// The counter of what this process has written last.
    counter: Option<u64>,
    /// The sort of what was logged last: once, until the file is written again.
    complaint: Option<Discriminant<FenceError>>,
}

impl Keeper {
    /// Begins with a look.
    pub fn new() -> Self {
        Keeper { path: None, due: Instant::now(), counter: None, complaint: None }
    }

    /// Looks at the file before its time: the configuration was loaded.
    pub fn look_again(&mut self) {
        self.due = Instant::now();
    }

    /// Whether [`look_from_database`](super::look_from_database) is to be called before [`tend`](Self::tend): notices
    /// to standbys are where this process, which has no database, cannot look.
    pub fn asks_for_database(&mut self) -> bool {
        let path = self.follow_setting();
        path.is_some() && self.due <= Instant::now() && known() != OPEN && !database::is_in_recovery()
    }

    fn follow_setting(&mut self) -> Option<CString> {
        let path = settings::fence_file();
        if self.path.as_ref() != Some(&path) {
            let was_known = self.path.is_some();
            *self = Keeper { path: Some(path.clone()), ..Keeper::new() };
            // After a start, a call may have been the first to look.
            if was_known {
                set(UNKNOWN);
            }
        }
        path
    }

    /// Does what is due, and returns for how long nothing is.
    pub fn tend(&mut self) -> Duration {
        let Some(path) = self.follow_setting() else {
            set(OPEN);
            return Duration::MAX;
        };
        let now = Instant::now();
        if self.due <= now {
            self.due = now + self.look(&path);
        }
        self.due - now
    }

    /// Writes the file a last time, at a clean stop.
    pub fn end(&mut self) {
        if self.counter.is_some()
            && let Some(Some(path)) = self.path.clone()
        {
            self.look(&path);
        }
    }

    /// Looks at the file and writes it; returns when to do so again.
    fn look(&mut self, path: &CStr) -> Duration {
        let known = known();
        // Outside of recovery a process with a database has judged, or whoever calls first does.
        let compared = if database::is_in_recovery() { judge(path, known) } else { compare(path) };
        match compared {
            _ if database::is_in_recovery() => SOON,
            Ok(Compared::Follows) => SOON,
            Ok(Compared::Has(_)) if known == SHUT => {
                self.complain(FenceError::from(Refusal::unknown()));
                SOON
            }
            Ok(Compared::Has(_)) if known != OPEN => SOON,
            Ok(Compared::Has(written)) => {
                self.write(path, written);
                MINUTE
            }
            // This server had all that the file said when it began.
            Err(Refusal::Behind { written: Some(written), .. }) if known == OPEN => {
                self.complain(FenceError::OfAnother(super::shown(written.place)));
                MINUTE
            }
            Err(refusal) => {
                self.complain(refusal.into());
                SOON
            }
        }
    }

    fn write(&mut self, path: &CStr, written: Option<Record>) {
        let is_of_another = |written: &Record| self.counter.is_some_and(|ours| ours != written.counter);
        match written {
            None => report(FenceError::Missing, PgLogLevel::WARNING),
            Some(written) if is_of_another(&written) => {
                report(FenceError::OfAnother(super::shown(written.place)), PgLogLevel::WARNING);
            }
            Some(_) => {}
        }
        let record = here(written.map_or(0, |written| written.counter));
        match Prepared::write(path_of(path), record.to_text().as_bytes()).and_then(Prepared::put) {
            Ok(()) => {
                self.counter = Some(record.counter);
                self.complaint = None;
            }
            Err(error) => self.complain(FenceError::Unwritable(error.kind())),
        }
    }

    /// Logs it, unless something of the sort was logged last.
    fn complain(&mut self, error: FenceError) {
        let sort = discriminant(&error);
        if self.complaint.replace(sort) != Some(sort) {
            report(error, PgLogLevel::WARNING);
        }
    }
}

fn known() -> u32 {
    super::word().map_or(UNKNOWN, |word| word.load(Relaxed))
}

fn set(known: u32) {
    if let Some(word) = super::word() {
        word.store(known, Relaxed);
    }
}
