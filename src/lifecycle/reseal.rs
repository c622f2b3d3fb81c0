//! `reseal`: moves sealed token texts to the newest key, so that an older one can be retired.

use pgrx::prelude::*;
use serde_json::json;

use super::reveal::Sealed;
use crate::access::actor::Actor;
use crate::arguments;
use crate::arguments::caller::Caller;
use crate::catalog::event::Event;
use crate::catalog::token;
use crate::error::{ArgumentError, ErrorReport};
use crate::pg::function::call::Call;
use crate::pg::report::progress;
use crate::pg::types::jsonb::Jsonb;

/// Seals token texts anew with the newest key; returns how many are left under older ones.
///
/// Call it until it returns 0, each time in a transaction of its own (`SELECT tokenauth.reseal() \watch 1`), then
/// remove the older keys from the key file. Every token stays readable at any moment, few rows are locked at a time,
/// and after a crash it continues where it stopped. Rows that others have locked are left for the next call. A NOTICE
/// tells of each hundred thousand.
///
/// # Arguments
/// - `at_most`: how many to seal in this call
///
/// # Errors
/// `22004` for NULL, `22023` for less than 1; `42501` for a role that may not make trusted calls; `55000` when there
/// is no seal in the key file, or a key is missing or wrong; `XX001` when a sealed text does not open: its token must
/// be revoked.
///
/// # Access
/// `admin`
#[pg_extern(schema = "tokenauth", volatile, parallel_unsafe)]
fn reseal(call: Call, at_most: default!(Option<i64>, 10000)) -> Result<i64, ErrorReport> {
    let caller = Caller::enter_to_write(call)?;
    let actor = Actor::application(caller)?;
    let _owner = caller.act_as_owner();
    let at_most = arguments::given("at_most", at_most)?;
    if at_most < 1 {
        Err(ArgumentError::NotPositive("at_most"))?;
    }
    let newest = Sealed::key()?;
    let rows = token::lock_sealed_otherwise(&newest.id, at_most);
    for (number, row) in (1..).zip(&rows) {
        let sealed = Sealed::close(&newest, &row.open()?, row.id)?;
        token::store_sealed(row.id, &sealed.text, &sealed.seal);
        progress::done(number, rows.len() as u64, "sealed");
    }
    if !rows.is_empty() {
        Event {
            event: "tokens.resealed",
            after: Some(Jsonb::of(&json!({"resealed": rows.len(), "seal": &*newest.id}))),
            ..Event::default()
        }
        .record(&actor)?;
    }
    Ok(token::count_sealed_otherwise(&newest.id))
}
