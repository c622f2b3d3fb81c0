//! Takes usage from a standby or a reader, which cannot write it, to its primary.
//!
//! What it exports stays in its memory as a batch, and is exported again until replication has brought it the row by
//! which the primary records that it has imported it. The primary imports each batch of each memory once. So every use
//! counts once, whatever is lost or repeated in between.

use pgrx::prelude::*;

use crate::access::actor::Actor;
use crate::arguments;
use crate::arguments::caller::Caller;
use crate::catalog::usage_copy;
use crate::error::{ErrorReport, ImportError, ServerError};
use crate::pg::function::call::Call;
use crate::pg::process::shared_memory;
use crate::pg::process::{database, server};
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::types::jsonb::Jsonb;
use crate::settings;
use crate::usage::batch::Batch;
use crate::usage::slots::{Database, OpenBatch, Slots, Taken};
use crate::usage::tables;
use crate::usage::{in_memory, snapshot_file};

/// Returns a batch of the usage that this standby or reader has counted, for `usage_import` on the primary; NULL when
/// there is none.
///
/// # Errors
/// `55000` when the library is not preloaded, and on a primary, which writes its usage itself.
///
/// # Access
/// `observe`
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn usage_export(call: Call) -> Result<Option<Jsonb>, ErrorReport> {
    let _owner = Caller::enter(call)?.act_as_owner();
    let slots = shared_memory::slots().ok_or(ServerError::NotPreloaded("usage_export"))?;
    if !database::is_in_recovery() && !settings::reader() {
        Err(ServerError::WritesUsage)?;
    }
    let Some(database) = in_memory::database(slots) else { return Ok(None) };
    let arrived = database.open().filter(|&open| tables::has_arrived(open, &LatestSnapshot::take()));
    let batch = hand_out(slots, database, arrived).map(|(open, taken)| Batch::of(open, &taken));
    Ok(batch.map(|batch| batch.by(server::id()).to_jsonb()))
}

/// Returns the batch that is handed out or, once it has arrived, a new one; `None` if no uses wait, or another call
/// holds `exporting` for too long.
fn hand_out(slots: Slots<'static>, database: &Database, arrived: Option<OpenBatch>) -> Option<(OpenBatch, Vec<Taken>)> {
    let _held = database.exporting.hold()?;
    if let Some(open) = database.open() {
        if arrived != Some(open) {
            return Some((open, slots.departed(database.oid(), open.batch)));
        }
        slots.land(database.oid(), open.batch);
        database.set_open(None);
    }
    if let Some(&number) = slots.kept(Some(database.oid())).first() {
        // In the name of the memory that has kept them: if this server is a copy made just after a start, so has
        // another.
        let open = slots.batch(number);
        database.set_open(Some(open));
        return Some((open, slots.departed(database.oid(), number)));
    }
    snapshot_file::remove_if_written(slots);
    let open = OpenBatch { node: slots.node(), batch: slots.next_batch() };
    let mut taken = Vec::new();
    slots.take(database.oid(), open.batch, &slots.waiting(database.oid()), &mut taken);
    if taken.is_empty() {
        return None;
    }
    database.set_open(Some(open));
    Some((open, taken))
}

/// Adds a batch of usage from a standby or a reader, each batch once; returns the number of its tokens, 0 for a batch
/// added before.
///
/// # Arguments
/// - `batch`: what `usage_export` has returned
///
/// # Errors
/// `22004` for NULL, `42501` for a role that may not make trusted calls, `22023` for anything but a batch.
///
/// # Access
/// `admin`
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn usage_import(call: Call, batch: Option<Jsonb>) -> Result<i64, ErrorReport> {
    let caller = Caller::enter_to_write(call)?;
    Actor::application(caller)?;
    let _owner = caller.act_as_owner();
    let batch = Batch::of_jsonb(&arguments::given("batch", batch)?).ok_or(ImportError::NotUsage)?;
    if !tables::enter_batch(batch.open) {
        return Ok(0);
    }
    if let Some((copy, until)) = batch.copy().zip(batch.until())
        && usage_copy::exists()
    {
        usage_copy::note(copy, until);
    }
    Ok((batch.uses.len() - tables::add(&batch.uses).tokens.len()) as i64)
}
