//! The fence: a server that has come back older than it was, from a backup or as a copy, verifies and changes nothing
//! until somebody has accepted that. What was revoked meanwhile is alive in it, and nothing in it can tell.
//!
//! A file outside the data directory says how far the cluster has come; the launcher writes it (`keeper`). A server
//! that has begun compares itself with it once, at the first call or by the launcher, whichever comes first: it must
//! have in its past what the file says (`lineage`). Shared memory keeps the answer in one word. Whoever is fenced
//! leaves a mark in its data directory (`mark`), since what it writes would soon carry it past the position in the
//! file, and a notice to its standbys (`standby_notice`). A standby follows its primary, whose matter the file is: it
//! is fenced while that notice is there, and compared when it has been promoted.

#![forbid(unsafe_code)]

pub mod keeper;
mod lineage;
mod mark;
mod record;

use std::cell::Cell;
use std::ffi::CStr;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use pgrx::PgLogLevel;

use crate::error::{ErrorReport, FenceError};
use crate::pg::process::backend_local::backend_local;
use crate::pg::process::private_file::{self, FileFault, Prepared};
use crate::pg::process::settings::{data_directory, path_of, reloaded_at};
use crate::pg::process::wal::{self, Place};
use crate::pg::process::{background_worker, database, shared_memory, standby_notice};
use crate::pg::report::diagnostics;
use crate::pg::transaction::xact;
use crate::pg::types::clock::Timestamp;
use crate::settings;
use mark::Mark;
use record::Record;

/// Nobody has compared this server yet, or the file cannot be used.
const UNKNOWN: u32 = 0;
/// It has what the file says, or is not to be compared.
const OPEN: u32 = 1;
/// It was a standby when it was looked at last.
const FOLLOWING: u32 = 2;
/// It is fenced.
const SHUT: u32 = 3;

backend_local! {
    /// Where the library is not preloaded, the load of the configuration since which this backend knows that it is
    /// open.
    static OPEN_SINCE: Cell<i64> = const { Cell::new(i64::MIN) };
}

/// Why the server is fenced.
pub enum Refusal {
    /// It does not have what this record says, if that is known.
    Behind { written: Option<Record>, at: Place, is_recovering: bool },
    /// The file cannot be used.
    File(FileFault),
    /// The file is not one of ours, or not whole.
    Malformed,
    /// This is a standby, and its primary is fenced.
    Primary,
}

impl Refusal {
    /// It was found so before, whatever the file says now. Outside of recovery.
    fn unknown() -> Self {
        Refusal::Behind { written: None, at: wal::end(), is_recovering: false }
    }
}

/// What a comparison has found.
enum Compared {
    /// This is a standby.
    Follows,
    /// It has what the file says; `None` if there is no file.
    Has(Option<Record>),
}

/// Checks that this server is not fenced. Called by whatever verifies or changes tokens: reads one word of shared
/// memory.
///
/// # Errors
/// 55000 on a fenced server, and where the fence file cannot be used.
#[inline]
pub fn refuse_when_fenced() -> Result<(), FenceError> {
    if is_known_open() { Ok(()) } else { look().map_or(Ok(()), |refusal| Err(refusal.into())) }
}

/// Why the server is fenced, if it is. In a transaction that has accepted it, it is not.
pub fn refusal() -> Option<Refusal> {
    if is_known_open() { None } else { look() }
}

#[inline]
fn is_known_open() -> bool {
    match word() {
        Some(word) => word.load(Relaxed) == OPEN,
        None => OPEN_SINCE.get() == reloaded_at(),
    }
}

#[inline]
fn word() -> Option<&'static AtomicU32> {
    shared_memory::slots().map(|slots| &slots.header.fence)
}

#[cold]
fn look() -> Option<Refusal> {
    let known = word().map_or(UNKNOWN, |word| word.load(Relaxed));
    if xact::acts_at_commit() {
        return None;
    }
    let of_primary = || standby_notice::is_fenced().then_some(Refusal::Primary);
    if known == FOLLOWING && database::is_in_recovery() {
        return of_primary();
    }
    match settings::fence_file() {
        Some(path) => match judge(&path, known) {
            Ok(Compared::Follows) => of_primary(),
            compared => compared.err(),
        },
        None => {
            // In shared memory the launcher says so, which is the first to know of another setting.
            OPEN_SINCE.set(reloaded_at());
            None
        }
    }
}

/// Looks, as whoever calls first does, and has standbys know if this server is fenced. For a worker that is connected
/// to a database, outside of recovery and of transactions.
pub fn look_from_database() {
    background_worker::in_transaction(refusal);
    let is_shut = || word().is_some_and(|word| word.load(Relaxed) == SHUT);
    // Whoever accepts it waits until this is told, or has it known before.
    background_worker::in_transaction(|| standby_notice::post_fenced(is_shut));
}

/// Compares this server with the file, and has it known, unless somebody else has meanwhile. `known` is what was known.
///
/// Outside of recovery only in a process that is connected to a database.
fn judge(path: &CStr, known: u32) -> Result<Compared, Refusal> {
    let is_recovering = database::is_in_recovery();
    if !is_recovering {
        remove_accepted_mark();
    }
    let mut compared = compare(path);
    if matches!(compared, Ok(Compared::Has(_))) && (known == SHUT || !is_recovering && standby_notice::is_fenced()) {
        // The mark could not be left, and the server has written on; or it has taken the place of one that is fenced.
        compared = Err(Refusal::unknown());
    }
    let found = match &compared {
        Ok(Compared::Follows) => FOLLOWING,
        // What it replays may still come to what the file says, or go on to where it is not compared yet.
        _ if is_recovering => UNKNOWN,
        Ok(Compared::Has(_)) => OPEN,
        Err(Refusal::Behind { written, at, .. }) => {
            leave_mark(*written, *at);
            SHUT
        }
        Err(_) if known == SHUT => SHUT,
        Err(_) => UNKNOWN,
    };
    match word() {
        Some(word) => drop(word.compare_exchange(known, found, Relaxed, Relaxed)),
        None if found == OPEN => OPEN_SINCE.set(reloaded_at()),
        None => {}
    }
    compared
}

/// Of a server that was copied while it was fenced, and was accepted after that: the copy has the mark.
fn remove_accepted_mark() {
    if let Some(Mark::Of { here, .. }) = mark::read()
        && standby_notice::is_accepted(&here.to_line())
        && let Err(error) = mark::remove()
    {
        report(FenceError::Unwritable(error.kind()), PgLogLevel::WARNING);
    }
}

fn leave_mark(written: Option<Record>, at: Place) {
    let Some(written) = written.filter(|_| mark::read().is_none()) else { return };
    if let Err(error) = mark::leave(written, Record { system: wal::system_identifier(), place: at, counter: 0 }) {
        report(FenceError::Unmarked(error.kind()), PgLogLevel::WARNING);
    }
}

/// What another server, which went on from what this one had, has written into the file since this one began.
pub fn overtaken_by() -> Option<String> {
    match compare(&settings::fence_file()?) {
        Err(Refusal::Behind { written: Some(written), .. }) => Some(shown(written.place)),
        _ => None,
    }
}

/// Compares this server with the file.
fn compare(path: &CStr) -> Result<Compared, Refusal> {
    let is_recovering = database::is_in_recovery();
    if is_recovering && is_standby() {
        return Ok(Compared::Follows);
    }
    let at = if is_recovering { wal::replayed() } else { wal::end() };
    let behind = |written| Err(Refusal::Behind { written, at, is_recovering });
    let system = wal::system_identifier();
    let forks = wal::forks(at.timeline).unwrap_or_default();
    let mark = mark::read().filter(|_| !is_recovering);
    if let Some(Mark::Of { written, here }) = &mark
        && here.place.timeline == at.timeline
    {
        return behind(Some(*written));
    }
    let file = read(path)?;
    match mark {
        Some(Mark::Damaged) => return behind(None),
        // A standby that was made of a fenced server, unless somebody has accepted that one, whose file it then is.
        Some(Mark::Of { written, here })
            if file.is_none_or(|file| file == written) && lineage::includes(system, at, &forks, &here) =>
        {
            return behind(Some(written));
        }
        _ => {}
    }
    match file {
        Some(written) if !lineage::includes(system, at, &forks, &written) => behind(Some(written)),
        file => Ok(Compared::Has(file)),
    }
}

/// Whether a server in recovery is a standby, which follows another as long as it is one: a restore has its end in
/// sight.
fn is_standby() -> bool {
    data_directory().join("standby.signal").exists()
}

/// Reads the file; `None` if there is none.
fn read(path: &CStr) -> Result<Option<Record>, Refusal> {
    match private_file::read(path_of(path), data_directory(), record::MOST_BYTES) {
        Err(FileFault::Unreadable(io::ErrorKind::NotFound)) => Ok(None),
        Err(fault) => Err(Refusal::File(fault)),
        Ok(text) => Record::parse(&text).map(Some).ok_or(Refusal::Malformed),
    }
}

/// Where there is no file yet, has it written once this transaction has committed.
///
/// # Errors
/// 55000 when it cannot be written.
pub fn write_missing_at_commit() -> Result<(), FenceError> {
    match settings::fence_file() {
        Some(path) if read(&path)?.is_none() => accept_at_commit().map(|_| ()),
        _ => Ok(()),
    }
}

/// Opens the fence once this transaction has committed, for all of the server: the file then says where this server is
/// now. In the transaction it is open from now on.
///
/// Where the setting was removed, only its standbys are told, and the mark is removed.
///
/// # Errors
/// 55000 when the file cannot be written, or is another one than a fence file: that may be all there is of a key.
pub fn accept_at_commit() -> Result<Option<Record>, FenceError> {
    let unwritable = |error: io::Error| FenceError::Unwritable(error.kind());
    let path = settings::fence_file();
    let counter = path.as_deref().map(read).transpose()?.flatten().map_or(0, |written| written.counter);
    let here = here(counter);
    let mark = match mark::read() {
        Some(Mark::Of { here, .. }) => Some(here.to_line()),
        _ => None,
    };
    standby_notice::accept(mark.as_deref());
    let Some(path) = path else {
        xact::at_commit(|| {
            if let Err(error) = mark::remove() {
                report(FenceError::Unwritable(error.kind()), PgLogLevel::WARNING);
            }
        });
        return Ok(None);
    };
    let prepared = Prepared::write(path_of(&path), here.to_text().as_bytes()).map_err(unwritable)?;
    xact::at_commit(move || match prepared.put().and_then(|()| mark::remove()) {
        Ok(()) => {
            if let Some(word) = word() {
                word.store(OPEN, Relaxed);
            }
        }
        Err(error) => report(FenceError::Unwritable(error.kind()), PgLogLevel::WARNING),
    });
    Ok(Some(here))
}

/// Whether this server was found fenced and has only opened because the setting was removed: its standbys are still
/// told, and a standby that is made of it takes the mark along.
pub fn is_unaccepted() -> bool {
    settings::fence_file().is_none() && (standby_notice::is_fenced() || mark::read().is_some())
}

/// For how long this server has had its configuration, and so the setting.
pub fn guarded_for() -> Duration {
    let micros = Timestamp::now().micros().saturating_sub(reloaded_at());
    Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}

/// How far this server has come, after a record with this counter.
fn here(counter: u64) -> Record {
    Record { system: wal::system_identifier(), place: wal::durable_end(), counter: counter.wrapping_add(1) }
}

fn report(error: FenceError, level: PgLogLevel) {
    ErrorReport::from(error).report(level);
    diagnostics::clear_next();
}

impl From<Refusal> for FenceError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::File(fault) => FenceError::File(fault),
            Refusal::Malformed => FenceError::Malformed,
            Refusal::Primary => FenceError::OfPrimary,
            Refusal::Behind { written, at, is_recovering } => FenceError::Behind {
                written: written.filter(|written| written.system == wal::system_identifier()).map(|it| shown(it.place)),
                is_of_another_cluster: written.is_some_and(|written| written.system != wal::system_identifier()),
                here: shown(at),
                is_recovering,
            },
        }
    }
}

/// A place in words.
pub fn shown(place: Place) -> String {
    format!("{} of timeline {}", wal::shown(place.position), place.timeline)
}
