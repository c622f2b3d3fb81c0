//! What the view `tokenauth.metrics` shows beside catalogs: for monitoring systems, which ask every few seconds.
//!
//! Nothing here reads all tokens, or a bound table. Each function is a part of the view that the planner leaves out of
//! a query that asks for other metrics by name; what the first tells costs no more than a look into memory.

use pgrx::datum::Interval;
use pgrx::prelude::*;
use serde_json::json;

use super::doctor;
use crate::arguments::caller::Caller;
use crate::catalog::token::expiring_soon;
use crate::error::ErrorReport;
use crate::keys;
use crate::model::verdict::Verdict;
use crate::pg::function::call::Call;
use crate::pg::process::shared_memory;
use crate::pg::types::clock::Timestamp;
use crate::pg::types::jsonb::Jsonb;
use crate::usage::in_memory;
use crate::usage::slots::{Database, Slots};

/// Metrics, by name, labels and value.
#[derive(Default)]
struct Metrics(Vec<(&'static str, Jsonb, f64)>);

impl Metrics {
    fn put(&mut self, name: &'static str, value: f64) {
        self.0.push((name, Jsonb::empty_object(), value));
    }

    fn put_labelled(&mut self, name: &'static str, label: &'static str, of: &'static str, value: f64) {
        self.0.push((name, Jsonb::of(&json!({ label: of })), value));
    }

    /// What all databases of the server have in common.
    fn put_server(&mut self, slots: Slots) {
        self.put("tokenauth_usage_capacity_tokens", slots.capacity() as f64);
        self.put("tokenauth_usage_backlog_tokens", slots.backlog() as f64);
        self.put("tokenauth_usage_evicted_total", slots.evicted() as f64);
        self.put("tokenauth_usage_dropped_total", slots.dropped() as f64);
        self.put("tokenauth_masked_tokens_total", slots.masked() as f64);
    }

    fn put_database(&mut self, database: &Database) {
        for (verdict, count) in Verdict::ALL.into_iter().zip(database.counts()) {
            self.put_labelled("tokenauth_verifications_total", "verdict", verdict.as_str(), count as f64);
        }
        let waiting_since = database.waiting_since().and_then(Timestamp::of_micros);
        let waiting = waiting_since.map_or(0, |since| Timestamp::now().micros_since(since).max(0));
        self.put("tokenauth_usage_waiting_seconds", waiting as f64 / 1_000_000.0);
        for (name, moment) in [
            ("tokenauth_stats_reset_timestamp_seconds", Some(database.reset())),
            ("tokenauth_housekeeping_timestamp_seconds", database.tended()),
        ] {
            if let Some(moment) = moment.and_then(Timestamp::of_micros) {
                self.put(name, moment.unix_millis() as f64 / 1000.0);
            }
        }
    }
}

/// Internal: what the memory of this server counts, for the view metrics.
///
/// # Returns
/// - `name`: of the metric
/// - `labels`: an object from label to value
/// - `value`: the value
///
/// # Access
/// `observe`
#[pg_extern(schema = "tokenauth", volatile, parallel_safe)]
#[allow(clippy::type_complexity, reason = "pgrx reads the columns from the type as it is written")]
pub fn server_metrics(
    call: Call,
) -> Result<TableIterator<'static, (name!(name, &'static str), name!(labels, Jsonb), name!(value, f64))>, ErrorReport> {
    Caller::enter_anywhere(call)?;
    let slots = shared_memory::slots();
    let mut metrics = Metrics::default();
    metrics.put_labelled("tokenauth_library_info", "version", env!("CARGO_PKG_VERSION"), 1.0);
    metrics.put("tokenauth_preloaded", f64::from(slots.is_some()));
    metrics.put("tokenauth_key_file_usable", f64::from(keys::is_file_usable()));
    if let Some(slots) = slots {
        metrics.put_server(slots);
        // There is none where usage of this database is not counted, for want of room.
        if let Some(database) = in_memory::database(slots) {
            metrics.put_database(database);
        }
    }
    Ok(TableIterator::new(metrics.0))
}

/// Internal: how many findings doctor has in each area without reading whole tables, for the view metrics.
///
/// # Returns
/// - `area`: the area
/// - `findings`: how many
///
/// # Access
/// `observe`
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
#[allow(clippy::type_complexity, reason = "pgrx reads the columns from the type as it is written")]
pub fn count_findings(
    call: Call,
) -> Result<TableIterator<'static, (name!(area, &'static str), name!(findings, i64))>, ErrorReport> {
    let _owner = Caller::enter(call)?.act_as_owner();
    Ok(TableIterator::new(doctor::counts()))
}

/// Internal: how many tokens that are alive expire within a day, and within a week, for the view metrics.
///
/// At most 10,000 tokens whose expiry is on one of these days are read, the first to expire first.
///
/// # Returns
/// - `within`: from now on
/// - `tokens`: how many of those that were read
///
/// # Access
/// `observe`
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
#[allow(clippy::type_complexity, reason = "pgrx reads the columns from the type as it is written")]
pub fn count_expiring(
    call: Call,
) -> Result<TableIterator<'static, (name!(within, &'static str), name!(tokens, i64))>, ErrorReport> {
    let _owner = Caller::enter(call)?.act_as_owner();
    let now = Timestamp::now();
    let until = |days| Interval::new(0, days, 0).ok().and_then(|days| now.plus(&days)).unwrap_or(Timestamp::INFINITY);
    let [day, week] = expiring_soon::count(now, until(1), until(7));
    Ok(TableIterator::new([("1d", day), ("7d", week)]))
}
