//! Keeps usage over a clean stop in a file, which is written when the server ends and read when it starts. It is
//! removed once its content is in tables, so that neither a start that fails nor a crash after one loses anything of
//! it; what is read twice is not counted twice (`slots::kept`).
//!
//! A file that is damaged in any part is not used at all: the server logs that and starts without usage.

mod image;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

use pgrx::{PgLogLevel, PgSqlErrorCode};
use rand::TryRngCore;
use rand::rngs::OsRng;

use super::slots::Slots;
use crate::error::ErrorReport;
use crate::pg::process::settings::data_directory;
use crate::pg::types::clock::Timestamp;
use image::Image;

/// The file, in the data directory, beside the server's own statistics.
const NAME: &str = "pg_stat/tokenauth.stat";

/// Initializes new memory with what the last stop has kept.
pub fn begin(slots: Slots<'static>) {
    let mut node = [0; 16];
    if OsRng.try_fill_bytes(&mut node).is_err() {
        log_io_error("could not draw random bytes", "Batches of usage may be taken for those of another server.");
    }
    // Each start draws a new number, in a copied data directory too: if two servers used the same one, a batch of one
    // could pass for the other's and be lost.
    slots.begin(node);
    let path = path();
    match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => log_io_error("could not read usage of tokens kept at the last stop", &error.to_string()),
        Ok(bytes) => match Image::of_bytes(&bytes) {
            None => log_io_error("usage of tokens kept at the last stop is damaged", "It is passed over."),
            Some(mut image) => {
                let rounds = resumed(&path, &mut image);
                let lost = image.restore(slots, Timestamp::now().micros());
                for (database, node) in rounds {
                    if let Some(database) = slots.header.databases.find(database, 0) {
                        // What is lost from now on is not known to be.
                        database.set_noted(node, 0);
                    }
                }
                if lost > 0 {
                    log_io_error(
                        "there is no room for all usage of tokens kept at the last stop",
                        &format!("{lost} uses were not restored; tokenauth.usage_slots is smaller than it was."),
                    );
                }
            }
        },
    }
    slots.header.may_have_file.store(1, Relaxed);
}

/// Whose rounds of the worker this start continues, by database; the file does not say so any more. After a crash it is
/// read again, and what was used since this start is not in it.
fn resumed(path: &Path, image: &mut Image) -> Vec<(u32, [u8; 16])> {
    let rounds = image.take_rounds();
    if rounds.is_empty() {
        return rounds;
    }
    match write(path, &image.to_bytes()) {
        Ok(()) => rounds,
        Err(error) => {
            log_io_error("could not write usage of tokens kept at the last stop again", &error.to_string());
            Vec::new()
        }
    }
}

/// Removes the file once all of its content is in tables. Until then a server that crashes reads it again.
pub fn remove_if_written(slots: Slots<'_>) {
    if slots.header.may_have_file.load(Relaxed) == 0 || !slots.kept(None).is_empty() {
        return;
    }
    match fs::remove_file(path()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            log_io_error("could not remove usage of tokens kept at the last stop", &error.to_string());
        }
        _ => {}
    }
    slots.header.may_have_file.store(0, Relaxed);
    slots.release_rest();
}

/// Writes the file, when every other process has ended.
pub fn end(slots: Slots<'static>) {
    if let Err(error) = write(&path(), &Image::of(slots).to_bytes()) {
        log_io_error("could not keep usage of tokens", &error.to_string());
    }
}

fn path() -> PathBuf {
    data_directory().join(NAME)
}

/// Writes under another name first, so that the file is whole or absent.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("tmp");
    if let Err(error) = write_whole(&unfinished, bytes) {
        // Where there was no room for all of it, the part must not take what room there was.
        let _ = fs::remove_file(&unfinished);
        return Err(error);
    }
    fs::rename(&unfinished, path)?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn log_io_error(what: &'static str, detail: &str) {
    ErrorReport::new(PgSqlErrorCode::ERRCODE_IO_ERROR, what, "tokenauth")
        .set_detail(detail.to_owned())
        .report(PgLogLevel::LOG);
}
