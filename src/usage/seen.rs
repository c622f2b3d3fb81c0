//! Usage as SQL shows it: from tables and shared memory together.

use pgrx::Uuid;
use pgrx::prelude::*;

use super::in_memory;
use super::tables;
use crate::arguments::caller::Caller;
use crate::error::{ErrorReport, ServerError};
use crate::model::verdict::Verdict;
use crate::pg::function::call::Call;
use crate::pg::process::shared_memory;
use crate::pg::scan::snapshot::LatestSnapshot;
use crate::pg::sql::statement::fields;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::composite::{Fields, RecentUsage};

/// Internal: the usage of a token that only shared memory has, for the view tokens.
///
/// That is what the table does not have as the running statement sees it; NULL if there is nothing.
///
/// # Access
/// `observe`
#[pg_extern(schema = "tokenauth", stable, parallel_safe, requires = ["token"])]
pub fn recent_usage(call: Call, token: Uuid) -> Result<RecentUsage, ErrorReport> {
    Caller::enter_anywhere(call)?;
    let known = shared_memory::slots().and_then(|slots| {
        let recent = slots.recent(&in_memory::key(token));
        let (mut requests, mut denials) = (recent.record.requests, recent.record.denials);
        if let Some(flight) = recent.flight
            && !tables::has_arrived(in_memory::batch(slots, flight.batch), &LatestSnapshot::of_statement())
        {
            requests += flight.requests;
            denials += flight.denials;
        }
        let last_used_at = Timestamp::of_micros(recent.record.last_use.min(Timestamp::now().micros()));
        (last_used_at.is_some() || requests > 0 || denials > 0).then_some((last_used_at, requests, denials))
    });
    Ok(RecentUsage(known.map(|(last_used_at, requests, denials)| {
        Fields::new(fields![last_used_at, requests.cast_signed(), denials.cast_signed()])
    })))
}

/// How often each verdict was given in this database, on this server.
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
