//! Usage as SQL shows it: from tables and shared memory together.

use std::cell::Cell;

use pgrx::Uuid;
use pgrx::prelude::*;

use super::slots::{self, OpenBatch, Slots};
use super::{in_memory, tables};
use crate::arguments::caller::Caller;
use crate::error::{ErrorReport, ServerError};
use crate::model::verdict::Verdict;
use crate::pg::function::call::Call;
use crate::pg::process::{database, shared_memory};
use crate::pg::scan::index_key::{IndexKey, Is};
use crate::pg::scan::index_walk::{Direction, OpenIndex, Walk};
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::sql::statement::{Argument, fields};
use crate::pg::types::clock::Timestamp;
use crate::pg::types::composite::{Fields, RecentUsage};

/// What shared memory knows of the uses of tokens that the tables do not have, as a snapshot shows them.
pub struct Recent<'a> {
    slots: Option<Slots<'static>>,
    snapshot: &'a LatestSnapshot,
    now: Timestamp,
    /// The batch that was asked for last, and whether the tables have it: usually all that is in flight is of one.
    arrived: Cell<Option<(OpenBatch, bool)>>,
}

/// Uses of a token: the last, and how many.
#[derive(Clone, Copy, Default)]
pub struct Uses {
    pub last_used_at: Option<Timestamp>,
    pub requests: i64,
    pub denials: i64,
}

impl<'a> Recent<'a> {
    pub fn new(snapshot: &'a LatestSnapshot) -> Self {
        Recent { slots: shared_memory::slots(), snapshot, now: Timestamp::now(), arrived: Cell::new(None) }
    }

    /// Those of a token; `None` if there are none.
    pub fn of(&self, token: Uuid) -> Option<Uses> {
        let slots = self.slots?;
        self.uses(slots, slots.recent(&in_memory::key(token)))
    }

    /// Those of every token that has any: the tokens, and at the same places when they were last used, how often they
    /// were found valid and denied; each as an array, for a statement to unnest.
    pub fn all(&self) -> [Argument; 4] {
        let (mut tokens, mut last, mut requests, mut denials) = (vec![], vec![], vec![], vec![]);
        if let Some(slots) = self.slots {
            for (token, recent) in slots.all_recent(database::current()) {
                if let Some(uses) = self.uses(slots, recent) {
                    tokens.push(Uuid::from_bytes(token));
                    last.push(uses.last_used_at);
                    requests.push(uses.requests);
                    denials.push(uses.denials);
                }
            }
        }
        fields![tokens, last, requests, denials]
    }

    fn uses(&self, slots: Slots<'static>, recent: slots::Recent) -> Option<Uses> {
        let (mut requests, mut denials) = (recent.record.requests, recent.record.denials);
        if let Some(flight) = recent.flight
            && !self.has_arrived(in_memory::batch(slots, flight.batch))
        {
            requests += flight.requests;
            denials += flight.denials;
        }
        let last_used_at = Timestamp::of_micros(recent.record.last_use.min(self.now.micros()));
        let (requests, denials) = (requests.cast_signed(), denials.cast_signed());
        (last_used_at.is_some() || requests > 0 || denials > 0).then_some(Uses { last_used_at, requests, denials })
    }

    fn has_arrived(&self, batch: OpenBatch) -> bool {
        match self.arrived.get() {
            Some((known, has_arrived)) if known == batch => has_arrived,
            _ => {
                let has_arrived = tables::has_arrived(batch, self.snapshot);
                self.arrived.set(Some((batch, has_arrived)));
                has_arrived
            }
        }
    }
}

/// All that is known of the uses of tokens, of the tables and of shared memory.
pub struct Seen<'a> {
    rows: Walk<'a, 1>,
    recent: Recent<'a>,
}

impl<'a> Seen<'a> {
    /// By an index that was opened as [`tables::BY_TOKEN`].
    pub fn new(index: &'a OpenIndex, snapshot: &'a LatestSnapshot) -> Self {
        Seen { rows: index.walk(snapshot), recent: Recent::new(snapshot) }
    }

    /// The uses of a token.
    pub fn of(&mut self, token: Uuid) -> Uses {
        // Read before memory: what is written to the table meanwhile, memory still knows as in flight.
        let row = self.rows.first([(1, Is::Equal, IndexKey::Uuid(token))], Direction::Down, tables::USES);
        let written = row.map(|row| tables::uses(&row)).unwrap_or_default();
        let recent = self.recent.of(token).unwrap_or_default();
        Uses {
            last_used_at: written.last_used_at.max(recent.last_used_at),
            requests: written.requests + recent.requests,
            denials: written.denials + recent.denials,
        }
    }
}

/// Internal: the usage of a token that only shared memory has, for the view tokens.
///
/// That is what the table does not have as the running statement sees it; NULL if there is nothing.
///
/// # Access
/// `observe`
#[pg_extern(schema = "tokenauth", stable, parallel_safe, requires = ["token"])]
pub fn recent_usage(call: Call, token: Uuid) -> Result<RecentUsage, ErrorReport> {
    Caller::enter_anywhere(call)?;
    let known = Recent::new(&LatestSnapshot::of_statement()).of(token);
    Ok(RecentUsage(
        known.map(|Uses { last_used_at, requests, denials }| Fields::new(fields![last_used_at, requests, denials])),
    ))
}

/// Shows how often each verdict was given in this database, on this server.
///
/// The row `masked_in_log` has how many tokens the server has kept out of its log since it was started.
///
/// # Returns
/// - `verdict`: the verdict
/// - `count`: how often it was given
/// - `stats_reset`: since when this is counted
///
/// # Errors
/// `55000` when the library is not preloaded.
///
/// # Access
/// `observe`
#[pg_extern(schema = "tokenauth", volatile, parallel_safe)]
#[allow(clippy::type_complexity, reason = "pgrx reads the columns from the type as it is written")]
fn stats(
    call: Call,
) -> Result<
    TableIterator<'static, (name!(verdict, &'static str), name!(count, i64), name!(stats_reset, Option<Timestamp>))>,
    ErrorReport,
> {
    Caller::enter_anywhere(call)?;
    let slots = shared_memory::slots().ok_or(ServerError::NotPreloaded("stats"))?;
    let database = in_memory::database(slots);
    let counts = database.map(|database| database.counts()).unwrap_or_default();
    let since = database.and_then(|database| Timestamp::of_micros(database.reset()));
    let verdicts = Verdict::ALL
        .into_iter()
        .zip(counts)
        .map(move |(verdict, count)| (verdict.as_str(), count.cast_signed(), since));
    Ok(TableIterator::new(verdicts.chain([("masked_in_log", slots.masked().cast_signed(), None)])))
}
