//! Usage of a standby, which cannot write it: handed out there, and brought in on the primary.
//!
//! What is handed out stays in memory, as a batch with the number of this memory, until the standby sees, by what it
//! replays, that the primary has brought the batch in; until then the same batch is handed out again. The primary brings
//! in each batch once. So whatever is lost or repeated in between, every use counts once.

use pgrx::prelude::*;

use super::in_memory;
use super::shared_memory;
use super::slots::{Database, OpenBatch, Slots, Taken};
use crate::actor::Actor;
use crate::argument;
use crate::catalog::usage;
use crate::error::{Error, ErrorReport};
use crate::pg::database;
use crate::pg::jsonb::Jsonb;
use crate::pg::snapshot::Latest;
use crate::usage::batch::Batch;

/// Hands out the usage that this standby has counted in this database, for `usage_import` on the primary; NULL when there
/// is none.
///
/// # Errors
/// `55000` when the library is not preloaded, and on a primary, which writes its usage itself.
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn usage_export() -> Result<Option<Jsonb>, ErrorReport> {
    let slots = shared_memory::slots().ok_or(Error::NotPreloaded("usage_export"))?;
    if !database::is_in_recovery() {
        Err(Error::NotStandby)?;
    }
    let Some(database) = in_memory::database(slots) else { return Ok(None) };
    let has_arrived =
        |open: OpenBatch| usage::last_batch(open.node, &Latest::take()).is_some_and(|last| last >= open.batch);
    let arrived = database.open().filter(|&open| has_arrived(open));
    Ok(hand_out(slots, database, arrived).map(|(open, taken)| Batch::of(open, &taken).to_jsonb()))
}

/// The batch that is out, or a new one where it has arrived; `None` when nothing is to be handed out, or somebody else is
/// at it.
fn hand_out(slots: Slots<'static>, database: &Database, arrived: Option<OpenBatch>) -> Option<(OpenBatch, Vec<Taken>)> {
    let _held = database.exporting.hold()?;
    if let Some(open) = database.open() {
        if arrived != Some(open) {
            return Some((open, slots.departed(database.oid(), open.batch)));
        }
        slots.each(Some(database.oid()), |slot| slot.land(open.batch));
        database.set_open(None);
    }
    let open = OpenBatch { node: slots.node(), batch: slots.next_batch() };
    let mut taken = Vec::new();
    slots.take(database.oid(), open.batch, &slots.waiting(database.oid()), &mut taken);
    if taken.is_empty() {
        return None;
    }
    database.set_open(Some(open));
    Some((open, taken))
}

/// Brings in what `usage_export` has handed out on a standby; of how many tokens it was, 0 for a batch that was brought in
/// before.
///
/// # Errors
/// `22004` for NULL, `42501` for who may not make trusted calls, `22023` for anything else than `usage_export` answers.
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn usage_import(batch: Option<Jsonb>) -> Result<i64, ErrorReport> {
    Actor::application()?;
    let batch = Batch::of_jsonb(&argument::given("batch", batch)?).ok_or(Error::NotUsage)?;
    if !usage::enter_batch(batch.open) {
        return Ok(0);
    }
    Ok(usage::add(&batch.uses).cast_signed())
}
